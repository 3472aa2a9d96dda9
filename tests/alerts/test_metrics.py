"""`northflank-restore-report metrics`: the file, and what deploy/monitoring makes of it."""

from __future__ import annotations

import copy
import json
import re
import shutil
import stat
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.parser import text_fd_to_metric_families

from demo.account import ROOT
from northflank_restore_report.marts import VERDICTS
from northflank_restore_report.metrics import Marts as Gauges
from northflank_restore_report.metrics import write
from northflank_restore_report.watched import Database, Watched
from tests.alerts.support import AS_OF, database, part
from tests.contract.test_official_client import HERE as NPM
from tests.contract.test_official_client import node, program
from tests.means import missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.alerts.support import Marts

    Run = Callable[..., tuple[int, str, str]]

MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
NAME = re.compile(r"\bnorthflank_restores_\w+")
ODD = 'a "quoted" \\ name\nof two lines, größer'

__all__ = ["node"]


@pytest.fixture(scope="module")
def promtool() -> str:
    """Return Prometheus' own checker."""
    found = shutil.which("promtool") or shutil.which(ROOT / ".dev" / "promtool")
    return found or missing(
        "There is no promtool: put the one of Debian's package prometheus on PATH, or in .dev"
    )


def checked(*command: str, text: str | None = None) -> str:
    """Run a command, and return what it says; empty if it finds nothing."""
    done = subprocess.run(  # noqa: S603 - of our own
        command, cwd=MONITORING, input=text, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def read(path: Path) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values of each metric by those of its labels, which are in the order of names."""
    with path.open(encoding="utf-8") as file:
        return {
            family.name: {tuple(s.labels.values()): s.value for s in family.samples}
            for family in text_fd_to_metric_families(file)
        }


@pytest.fixture
def file(marts: Marts, run: Run, tmp_path: Path) -> Path:
    """The file of some databases."""
    day = timedelta(days=1)
    databases = [
        database("shop/orders", "failing", addon_name=ODD, owner="Shop team"),
        database(
            "shop/users",
            "proven",
            last_success_at=AS_OF - 10 * day,
            newest_backup_at=AS_OF - day,
            rpo_hours=4,
        ),
        database("shop/old", "deleted"),
        database("shop/scratch", "out of scope", rpo_hours=None, drill_interval_days=None),
    ]
    marts.write(databases, [part("addons", "shop", stale=True, team="acme")])
    out = tmp_path / "metrics" / "northflank.prom"
    assert run("metrics", "--out", str(out)) == (0, "", "")
    return out


def test_the_file_has_what_the_marts_say(file: Path) -> None:
    found = {name.removeprefix("northflank_restores_"): rows for name, rows in read(file).items()}
    at = AS_OF.timestamp()
    assert found["marts_as_of_timestamp_seconds"] == {(): at}
    assert {name: n for name, n in found["databases"].items() if n} == {
        ("failing",): 1,
        ("proven",): 1,
        ("deleted",): 1,
        ("out of scope",): 1,
    }
    assert ("no backup",) in found["databases"]
    assert list(found["database_info"]) == [
        (ODD, "shop/orders", "Shop team", "Shop", "shop", "default", "postgresql", "failing"),
        ("Users", "shop/users", "", "Shop", "shop", "default", "postgresql", "proven"),
        ("Scratch", "shop/scratch", "", "Shop", "shop", "default", "postgresql", "out of scope"),
    ]
    assert found["database_needs_action"] == {
        ("shop/orders",): 1,
        ("shop/users",): 0,
        ("shop/scratch",): 0,
    }
    assert found["database_verdict_rank"]["shop/orders",] == 4
    assert found["database_last_restore_timestamp_seconds"] == {("shop/users",): at - 864000}
    assert found["database_newest_backup_timestamp_seconds"] == {("shop/users",): at - 86400}
    assert found["database_rpo_seconds"] == {("shop/orders",): 93600, ("shop/users",): 14400}
    assert found["database_drill_interval_seconds"] == dict.fromkeys(
        [("shop/orders",), ("shop/users",)], 7776000
    )
    assert found["load_stale"] == {("shop", "addons", "acme"): 1}
    assert found["load_stale_after_seconds"] == {("shop", "addons", "acme"): 90000}
    assert found["load_last_read_timestamp_seconds"] == {("shop", "addons", "acme"): at - 259200}


def test_promtool_finds_nothing_in_the_file(file: Path, promtool: str) -> None:
    assert checked(promtool, "check", "metrics", text=file.read_text(encoding="utf-8")) == ""


def test_the_file_is_replaced_as_a_whole_and_readable_by_others(
    file: Path, run: Run, marts: Marts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    before = file.read_text(encoding="utf-8")

    def fail(_: Gauges) -> Iterator[None]:
        yield from ()
        raise OSError("The disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Gauges, "_parts", fail)
        code, out, err = run("metrics", "--out", str(file))
    assert (code, out, err) == (1, "", "The file cannot be written: The disk is full\n")
    assert file.read_text(encoding="utf-8") == before
    marts.write({})
    assert run("metrics", "--out", str(file))[0] == 0
    assert list(file.parent.iterdir()) == [file]
    assert read(file)["northflank_restores_database_info"] == {}


def test_another_suffix_is_refused(marts: Marts, run: Run) -> None:
    marts.write({})
    code, _, err = run("metrics", "--out", "northflank.txt")
    assert code == 2
    assert err.endswith("reads only files that end in .prom\n")


def test_each_of_many_databases_is_written_once(tmp_path: Path) -> None:
    rows = [
        Database(**{**database(f"shop/{number}", "failing"), "as_of": AS_OF})
        for number in range(5000)
    ]
    write(Watched(AS_OF, AS_OF, rows, []), tmp_path / "many.prom")
    assert len(read(tmp_path / "many.prom")["northflank_restores_database_info"]) == 5000


def test_promtool_accepts_the_rules_and_their_tests_pass(promtool: str) -> None:
    assert checked(promtool, "check", "rules", "--lint-fatal", "rules.yml") == ""
    assert checked(promtool, "test", "rules", "rules_test.yml") == ""


def queries() -> list[str]:
    """Return the queries of the dashboard."""
    targets = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [target["expr"].replace("$project", ".*") for target in targets]


def test_promtool_accepts_the_queries_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(queries())]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert checked(promtool, "check", "rules", str(path)) == ""


def test_rules_and_dashboard_name_metrics_that_there_are(file: Path) -> None:
    there = set(read(file))
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text(encoding="utf-8"))
    named = [rule["expr"] for group in rules["groups"] for rule in group["rules"]] + queries()
    assert set(NAME.findall(" ".join(named))) <= there


def test_the_page_names_each_metric(file: Path) -> None:
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    named = {f"`{name.removeprefix('northflank_restores_')}`" for name in read(file)}
    assert {name for name in named if name not in page} == set()


TYPES = """
import type { Dashboard } from '@grafana/schema';
import type { Options as Stat } from '{at}/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as Table } from '{at}/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
    Options as Series, FieldConfig
} from '{at}/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
type Options = { stat: Stat, table: Table, timeseries: Series };
// A text of a JSON file is no member of an enum.
type Plain<T> = T extends string ? `${T}` : T extends number ? number
    : T extends (infer U)[] ? Plain<U>[]
    : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
""".replace("{at}", "@grafana/schema/dist/esm/raw/composable")


def typed(dashboard: dict[str, Any]) -> str:
    """Return a program that is right if the dashboard is."""
    lines = [TYPES, f"const dashboard: Plain<Dashboard> = {json.dumps(dashboard)};"]
    for number, panel in enumerate(dashboard["panels"]):
        options, custom = panel["options"], panel["fieldConfig"]["defaults"].get("custom", {})
        kind = f"Plain<Partial<Options[{json.dumps(panel['type'])}]>>"
        lines += [
            f"const options{number}: {kind} = {json.dumps(options)};",
            f"const custom{number}: Plain<Partial<FieldConfig>> = {json.dumps(custom)};",
        ]
    return "\n".join(lines)


@pytest.mark.usefixtures("node")  # It has installed the types and the compiler.
@pytest.mark.parametrize(
    ("panel", "change"),
    [
        (0, {}),
        (0, {"title": 1}),
        (0, {"type": "statistics"}),
        (0, {"options": {"colorMode": "loud"}}),
        (4, {"gridPos": {"x": 0, "y": 0, "w": 1}}),
        (5, {"options": {"cellHeight": 1}}),
    ],
)
def test_the_dashboard_fits_the_types_of_grafana(
    panel: int, change: dict[str, Any], tmp_path: Path
) -> None:
    dashboard = copy.deepcopy(DASHBOARD)
    dashboard["panels"][panel].update(change)
    (tmp_path / "dashboard.ts").write_text(typed(dashboard), encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(NPM / "node_modules")
    compiler = NPM / "node_modules" / "typescript" / "bin" / "tsc"
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"]
    done = subprocess.run(  # noqa: S603 - the command is ours
        [*program("node"), str(compiler), *options, "dashboard.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = re.search(r"dashboard\.ts.* error TS\d+", done.stdout)
    assert bool(found) == bool(change), done.stdout


def test_the_dashboard_has_a_colour_for_each_verdict() -> None:
    (panel,) = (p for p in DASHBOARD["panels"] if p["title"] == "Databases by verdict")
    overrides = panel["fieldConfig"]["overrides"]
    assert [override["matcher"]["options"] for override in overrides] == list(VERDICTS)
    colours = {override["properties"][0]["value"]["fixedColor"] for override in overrides}
    assert len(colours) == len(VERDICTS)


def test_the_dashboard_s_panels_have_an_id_and_a_place_each() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
