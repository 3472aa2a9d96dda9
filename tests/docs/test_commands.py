"""Commands that pages print run as printed in a checkout, or are listed here with why not."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from demo.pipeline import OURS, loader_url
from demo.postgres import postgres
from docs.generate import ROOT
from simulator import World, serve
from tests.means import bound_by_permissions, let_in, need_dbt
from tests.pipeline.conftest import Warehouse, passable_folder
from tests.pipeline.test_sync import loaded, source
from tests.support import COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simulator import Server

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
CRON = re.compile(r"^(?:[\d*]+ +){5}cd \S+ && (?P<command>.*) >>sync.log 2>&1$", re.MULTILINE)
SECONDS = 400
STATE = "prod:tap-northflank-restores-to-target-postgres"
pytestmark = pytest.mark.timeout(1200)

RUN = {
    "own-account.md",
    "analytics.md",
    "production.md",
    "first-contact.md",
    "state.md",
    "settings.md",
    "streams.md",
}
"""Pages whose blocks are run here, but for those that are listed below by their first line."""

ELSEWHERE = {
    "./dev demo": "tests/pipeline/test_demo.py",
    "./dev test": ".ci/run",
    'export TAP_NORTHFLANK_RESTORES_SOURCE="${TAP_NORTHFLANK_RESTORES_SOURCE:-$HOME/'
    'tap-northflank-restores}"': "tests/docs/test_own_project.py",
    "meltano init --no-usage-stats .": "tests/docs/test_own_project.py",
    'meltano add --from-ref "$TAP_NORTHFLANK_RESTORES_SOURCE/plugin.yml" '
    "tap-northflank-restores": "tests/docs/test_own_project.py",
    'meltano add --from-ref "$TAP_NORTHFLANK_RESTORES_SOURCE/docs/northflank-models.yml" '
    "northflank-models": "tests/docs/test_own_project.py",
    "python3 -m venv tap": "tests/docs/test_own_project.py",
    "cat >sync.sh <<'END'": "tests/docs/test_own_project.py",
    "bash sync.sh": "tests/docs/test_own_project.py",
    "dbt deps": "tests/transform/test_package.py",
    "./dev meltano run tap-northflank-restores target-duckdb dbt-duckdb:build": (
        "tests/pipeline/test_demo.py"
    ),
    "pip install './report[duckdb]'": "tests/package/test_report_wheel.py",
    "NORTHFLANK_ALERTS_URLS='slack://…' northflank-restore-report alerts": (
        "tests/alerts/test_alerts.py"
    ),
    "./dev meltano --environment=prod schedule run hourly": "tests/pipeline/test_refresh.py",
    "./dev meltano --environment=prod invoke restore-report:check --worse-than overdue": (
        "tests/pipeline/test_refresh.py"
    ),
    "northflank-restore-report check --worse-than overdue --only 'shop/*'": (
        "tests/alerts/test_check.py"
    ),
    "northflank-restore-report metrics --out /var/lib/node_exporter/northflank.prom": (
        "tests/alerts/test_metrics.py"
    ),
    "docker compose --file deploy/compose/compose.yml run --rm refresh": (
        "tests/deploy/test_examples.py"
    ),
}
"""Blocks that another test runs, or what they do."""

NOT_RUN = {
    "MELTANO_DATABASE_URI=postgresql+psycopg://meltano:password@db.example.com:5432/meltano": (
        "a setting, of a host that is not there; tests/orchestrate/test_state.py has one that is"
    ),
    "# A folder that all machines share.": (
        "settings of buckets that are not there; tests/orchestrate/test_state.py has the folder"
    ),
    "umask 077   # before the editor: the file is yours alone": (
        "commands of Airflow, of which only the scheduler's tests have one"
    ),
    'airflow pools set northflank_acme 2 "Tasks that use this token at once"': "the same",
    "TARGET_SNOWFLAKE_ACCOUNT=acme-eu1 TARGET_SNOWFLAKE_USER=NORTHFLANK "
    "TARGET_SNOWFLAKE_DATABASE=RAW …": "it needs an account",
    "TARGET_BIGQUERY_PROJECT=acme-raw TARGET_BIGQUERY_CREDENTIALS_PATH=/etc/northflank/key.json": (
        "it needs an account"
    ),
    "rm -r .venv .meltano": "it is for a machine with no Python but 3.14",
    "TAP_NORTHFLANK_RESTORES_API_TOKEN=…": "a part of a file",
    "docker build --file deploy/Containerfile --tag northflank-restores .": "it needs Docker",
    "docker build --file deploy/Containerfile --tag northflank-restores \\": "it needs Docker",
    "cosign verify ghcr.io/OWNER/tap-northflank-restores:0.1.0 \\": "no image is published yet",
    "kubectl create secret generic northflank-restores --from-env-file=settings.env": (
        "it needs a cluster"
    ),
    "list_projects_globex ─ sync_globex [1 … 4] ┐": "a picture",
    "ops=slack://… oncall=pagerduty://… audit=mailto://…": "a setting of services with accounts",
    "Restores: 1 failed, 1 failing, 1 overdue, 1 stale": "a message",
}


def blocks(page: str) -> list[str]:
    """Return the shell blocks of a page."""
    text = next(path for path in PAGES if path.name == page).read_text(encoding="utf-8")
    found = []
    for indent, language, block in BLOCK.findall(text):
        if language in {"", "sh"}:
            found.append(re.sub(rf"^{indent}", "", block, flags=re.MULTILINE))
    return found


def first_line(block: str) -> str:
    return block.splitlines()[0].strip()


def printed(page: str) -> list[str]:
    """Return the blocks of a page that are run here; what cron runs is a block too."""
    found = [block for block in blocks(page) if first_line(block) not in {*ELSEWHERE, *NOT_RUN}]
    return ["\n".join(CRON.findall(block)) if CRON.search(block) else block for block in found]


def test_each_block_is_run_or_listed() -> None:
    lines = Counter(
        first_line(block) for page in PAGES if page.name not in RUN for block in blocks(page.name)
    )
    listed = {*ELSEWHERE, *NOT_RUN}
    assert set(lines) - listed == set()
    everywhere = {first_line(block) for page in PAGES for block in blocks(page.name)}
    assert listed - everywhere == set()
    assert all((ROOT / place).exists() for place in ELSEWHERE.values())


class Checkout:
    """A checkout of somebody who types what a page prints, with an odd name and a closed home."""

    def __init__(self, folder: Path, server: Server, warehouse: Warehouse) -> None:
        """Copy the checkout; its `.venv` is that of the tests."""
        # With a dollar sign, Meltano looks for a variable.
        self.folder = folder / "it's a checkout \N{LATIN SMALL LETTER U WITH DIAERESIS}"
        self.server, self.warehouse = server, warehouse
        listed = subprocess.check_output(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
            cwd=ROOT,
            text=True,
        )
        for name in listed.splitlines():
            if not name.startswith(("tests/", "benchmarks/")) and (ROOT / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.folder / name)
        (self.folder / ".venv").symlink_to(COMMAND.parent.parent)
        uv = folder / "bin" / "uv"
        uv.parent.mkdir()
        uv.write_text('#!/bin/sh\n[ "$1" != --version ] || echo "uv 0.99.0"\n')
        uv.chmod(0o755)
        (folder / "home").mkdir(mode=0o555)
        names = [name for name in os.environ if not OURS.match(name)]
        self.env = {name: os.environ[name] for name in names if name != "PYTHONPATH"} | {
            "HOME": str(folder / "home"),
            "LC_ALL": "C",
            "PATH": os.pathsep.join([str(uv.parent), str(COMMAND.parent), os.environ["PATH"]]),
            "no_proxy": "127.0.0.1",
        }

    def types(self, commands: str, **env: str) -> str:
        """Run commands in a new shell, say yes to what they ask, and return what they printed."""
        done = subprocess.run(  # noqa: S603 - what the page prints
            bound_by_permissions("bash", "-e", "-c", commands),
            cwd=self.folder,
            env=self.env | env,
            input="y\ny\n",
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def types_without_dev(self, commands: str) -> str:
        """Run commands that do without `./dev`, which is what bears a closed home and LC_ALL=C."""
        home = self.folder.parent / "open"
        home.mkdir(exist_ok=True)
        return self.types(commands, HOME=str(home), LC_ALL="C.UTF-8")

    def fill_in(self) -> None:
        """Put token and URL into `.env`, as the page says."""
        path = self.folder / ".env"
        settings = {
            "TAP_NORTHFLANK_RESTORES_API_TOKEN": self.server.token,
            "TARGET_POSTGRES_SQLALCHEMY_URL": loader_url(self.warehouse.dsn),
        }
        text = path.read_text(encoding="utf-8")
        for name, value in settings.items():
            text, found = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
            assert found == 1
        path.write_text(f"{text}TAP_NORTHFLANK_RESTORES_API_URL={self.server.url}\n")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout in which the first steps of the page for one's own account are done."""
    need_dbt()
    world = World.company()
    for project, addon in (("drills", "orders-drill"), ("web", "sessions")):
        world.add_project(project)
        world.add_addon(project, addon)
        world.add_restore(project, addon, "drill")
    with (
        passable_folder() as folder,
        postgres(folder / "postgres") as database,
        serve(world) as server,
    ):
        let_in(folder)
        user = Checkout(
            tmp_path_factory.mktemp("user"), server, Warehouse(database.make("warehouse"))
        )
        install, *_ = printed("own-account.md")
        user.types(install)
        assert stat.S_IMODE((user.folder / ".env").stat().st_mode) == 0o600
        user.fill_in()
        yield user


def test_own_account(checkout: Checkout) -> None:
    _, ask, sync, report = printed("own-account.md")
    assert '"type":"RECORD"' in checkout.types(ask).replace(" ", "")
    checkout.types(sync)
    assert loaded(checkout.warehouse) == source(checkout.server)
    text = (ROOT / "docs" / "own-account.md").read_text(encoding="utf-8")
    (query,) = re.findall(r"^```sql\n(.*?);\n```$", text, re.DOTALL | re.MULTILINE)
    assert len(checkout.warehouse.rows(query)) == 10
    assert "databases" in checkout.types(report)
    assert (checkout.folder / "output" / "report.html").stat().st_size > 10_000
    attempts = checkout.warehouse.rows("SELECT * FROM restore_analytics.restore_attempts")
    assert len(attempts) == checkout.server.world.restore_count()


def test_analytics(checkout: Checkout) -> None:
    report, look_back, others, pack, check = printed("analytics.md")
    assert report in printed("own-account.md")
    checkout.types("./dev meltano --environment=prod run sync")
    checkout.types(look_back)
    (info,) = checkout.warehouse.rows("SELECT * FROM restore_analytics.refresh_info")
    assert f"{info['as_of'].astimezone():%s}" == "1782863999"
    checkout.types(others)
    assert (checkout.folder / "transform" / "target" / "catalog.json").exists()
    assert "SHA-256:" in checkout.types(pack)
    (written,) = (checkout.folder / "output").glob("evidence-*.zip")
    (checkout.folder / "old").mkdir()
    shutil.copy(written, checkout.folder / "old" / "evidence.zip")
    assert "is as it was written" in checkout.types(check)


def test_production(checkout: Checkout) -> None:
    refresh, cron, drill, shards = printed("production.md")
    checkout.types(refresh)
    assert (checkout.folder / "output" / "report.html").exists()
    hourly, daily = cron.splitlines()
    checkout.types(hourly)
    assert checkout.warehouse.count("backups") == 0
    checkout.types(daily)
    assert checkout.warehouse.count("backups") > 0
    checkout.server.clear_requests()
    checkout.types(drill)
    assert len(checkout.server.requests) == 2
    checkout.types_without_dev(shards)
    assert loaded(checkout.warehouse) == source(checkout.server)


def test_first_contact(checkout: Checkout) -> None:
    settings: dict[str, Any] = {"api_url": checkout.server.url, "api_token": checkout.server.token}
    (checkout.folder / "config.json").write_text(json.dumps(settings))
    alone, meltano = printed("first-contact.md")
    for commands in (alone, *meltano.splitlines()):
        checkout.server.clear_requests()
        types = checkout.types if commands.startswith("./dev") else checkout.types_without_dev
        assert "First contact of tap-northflank-restores" in types(commands)
        assert 0 < len(checkout.server.requests) <= 20


def test_state(checkout: Checkout) -> None:
    sync = "./dev meltano --environment=prod run sync"
    again, everything, always = printed("state.md")
    checkout.types(sync)
    before, comment, after = again.partition("# remove the entry from state.json\n")
    assert comment
    assert STATE in checkout.types(before).splitlines()
    path = checkout.folder / "state.json"
    state = json.loads(path.read_text())
    entries = state["singer_state"]["bookmarks"]["restores"]["partitions"]
    gone = {"projectId": "shop", "addonId": "orders"}
    kept = [entry for entry in entries if entry["context"] != gone]
    assert len(kept) == len(entries) - 1
    entries[:] = kept
    path.write_text(json.dumps(state))
    checkout.types(after)
    checkout.types(sync)
    assert {row["addonId"] for row in checkout.warehouse.loaded_last()} == {"orders"}

    refresh, clear = everything.splitlines()
    checkout.types(refresh)
    assert len(checkout.warehouse.loaded_last()) == checkout.server.world.restore_count()
    checkout.types(clear)
    assert STATE not in checkout.types("./dev meltano state list").splitlines()
    checkout.types(always)
    for _ in range(2):
        checkout.types(sync)
        assert len(checkout.warehouse.loaded_last()) == checkout.server.world.restore_count()


def test_streams(checkout: Checkout) -> None:
    (select,) = printed("streams.md")
    checkout.types(select)
    checkout.types("./dev meltano --environment=prod run sync")
    assert checkout.warehouse.count("backups") > 0


def test_settings(checkout: Checkout) -> None:
    settings = {"api_url": checkout.server.url, "api_token": checkout.server.token}
    (checkout.folder / "config.json").write_text(json.dumps(settings))
    page_size, alone = printed("settings.md")
    checkout.types(page_size)
    assert "page_size: 50" in (checkout.folder / "meltano.yml").read_text().replace("'", "")
    assert checkout.types(alone).count('"SCHEMA"') >= 2
