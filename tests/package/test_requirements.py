"""What Meltano installs and what builds the wheel is locked, with hashes, and audited."""

from __future__ import annotations

import json
import re
import shutil
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
import yaml
from uv import find_uv_bin

from requirements.__main__ import EXPORTS, HERE, PROJECT, ROOT, export, lock, with_digests
from tests.package.conftest import BUILD
from tests.package.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGAIN = "is not what the locks say: run ./dev lock and commit what it writes"
REQUIREMENT = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def workflow(name: str) -> dict[str, list[dict[str, str]]]:
    """Return the steps of each job of a workflow."""
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    return {job: content["steps"] for job, content in yaml.safe_load(text)["jobs"].items()}


def required(name: str) -> set[tuple[str, str]]:
    """Return name and version of what a file requires."""
    return set(REQUIREMENT.findall((HERE / name).read_text(encoding="utf-8")))


@contextmanager
def advisories() -> Iterator[tuple[str, set[tuple[str, str]]]]:
    """Serve a database that knows no vulnerability; give its URL, and what it is asked for."""
    asked: set[tuple[str, str]] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            queries = json.loads(body)["queries"]
            asked.update((query["package"]["name"], query["version"]) for query in queries)
            answer = json.dumps({"results": [{} for _ in queries]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", EXPORTS)
def test_a_file_is_what_the_locks_say(name: str) -> None:
    assert (HERE / name).read_text(encoding="utf-8") == export(name), f"{name} {AGAIN}"


def test_the_locks_have_what_is_asked_for() -> None:
    lock("--check")


@pytest.mark.parametrize("name", EXPORTS)
def test_each_version_has_its_hashes(name: str) -> None:
    text = (HERE / name).read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(REQUIREMENT.findall(text)) > 4
    assert [line for line in lines if "--hash=sha256:" not in line] == []


def test_each_plugin_is_installed_from_a_file_and_again_when_it_changes() -> None:
    text = PROJECT.read_text(encoding="utf-8")
    files = {name: (HERE / name).read_text(encoding="utf-8") for name in EXPORTS}
    assert with_digests(text, files) == text, f"meltano.yml {AGAIN}"

    plugins = yaml.safe_load(text)["plugins"]
    own = {
        plugin["name"]: plugin["pip_url"]
        for kind in plugins.values()
        for plugin in kind
        if "pip_url" in plugin
    }
    changed = {name: content + "#" for name, content in files.items()}
    plugins = yaml.safe_load(with_digests(text, changed))["plugins"]
    others = {
        plugin["name"]: plugin["pip_url"]
        for kind in plugins.values()
        for plugin in kind
        if "pip_url" in plugin
    }
    assert [name for name in own if own[name] == others[name]] == []
    for name, url in own.items():
        file = "tap" if name.startswith("tap-") else name
        assert f'"$MELTANO_PROJECT_ROOT/requirements/{file}.txt"' in url


def test_the_audit_asks_for_all_that_is_installed(tmp_path: Path) -> None:
    (step,) = [step["run"] for step in workflow("audit")["audit"] if "run" in step]
    with advisories() as (url, asked):
        uv = tmp_path / "uv"
        uv.write_text(f'#!/bin/sh\nexec "{find_uv_bin()}" "$@" --service-url {url}\n')
        uv.chmod(0o755)
        path = f"{tmp_path}:/usr/bin:/bin"
        run(shutil.which("bash"), "-euo", "pipefail", "-c", step, env={"PATH": path})
    for name in EXPORTS:
        assert required(name) - asked == set()


def test_a_release_builds_once_and_publishes_what_was_tried(tmp_path: Path) -> None:
    jobs = workflow("release")
    builds = {
        job: step["run"]
        for job, steps in jobs.items()
        for step in steps
        if "uv build" in step.get("run", "")
    }
    assert list(builds) == ["build"]
    words = builds["build"].replace("--build-constraint ", "--build-constraint=").split()
    assert [word for word in words[1:] if word not in {"--out-dir", "dist"}] == list(BUILD)

    (sums,) = [step["run"] for step in jobs["build"] if step.get("id") == "sums"]
    (tmp_path / "dist").mkdir()
    for name in ("tap.whl", "tap.tar.gz"):
        (tmp_path / "dist" / name).write_text(name)
    bash = [shutil.which("bash"), "-euo", "pipefail", "-c"]
    output = tmp_path / "output"
    run(*bash, sums, cwd=tmp_path, env={"GITHUB_OUTPUT": str(output)})
    lines = output.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("sums<<END", "END")
    for job in ("try", "publish"):
        names = [step.get("name") or step.get("uses", "").partition("@")[0] for step in jobs[job]]
        place = names.index("It is what was built")
        assert names[place - 1] == "actions/download-artifact"
        check = jobs[job][place]["run"]
        env = {"SUMS": "\n".join(lines[1:-1])}
        run(*bash, check, cwd=tmp_path, env=env)
        (tmp_path / "dist" / "tap.whl").write_text("another")
        with pytest.raises(AssertionError, match="FAILED"):
            run(*bash, check, cwd=tmp_path, env=env)
        (tmp_path / "dist" / "tap.whl").write_text("tap.whl")


def test_the_wheel_is_the_same_on_each_build(dist: Path, tmp_path: Path) -> None:
    run(find_uv_bin(), *BUILD, "--out-dir", tmp_path, "--python", sys.executable)
    (one,), (other,) = dist.glob("*.whl"), tmp_path.glob("*.whl")
    assert one.read_bytes() == other.read_bytes()
