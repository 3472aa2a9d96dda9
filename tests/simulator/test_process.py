"""The simulator as a process: ready line, control endpoints, a quiet end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "simulator"]


@contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the simulator; give the process and its URL, from the line that says it is ready."""
    with subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout
            line = running.stdout.readline()
            yield running, line.partition(" at ")[2].partition(",")[0]
        finally:
            running.kill()


def ask(url: str, path: str, **query: str) -> requests.Response:
    return requests.get(
        url + path, params=query, headers={"Authorization": "Bearer secret"}, timeout=5
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_ends_quietly(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    with process("--token", "secret", "--ready-file", str(ready)) as (running, url):
        assert json.loads(ready.read_text()) == {"url": url, "token": "secret"}
        assert ask(url, "/v1/projects").json()["pagination"]["count"] == 6
        assert ask(url, "/_simulator/requests").json() == {"total": 1, "lists": {"projects": 1}}
        running.send_signal(number)
        assert running.communicate(timeout=10) == ("", "")
        assert running.returncode == 0


def test_its_clock_is_moved_from_outside() -> None:
    with process() as (_, url):
        before = ask(url, "/_simulator/world").json()
        assert (before["projects"], before["addons"]) == (6, 22)
        by_addon = sum(sum(addon["restores"].values()) for addon in before["byAddon"])
        assert by_addon == before["restores"]
        moved = requests.post(f"{url}/_simulator/advance", json={"days": 90}, timeout=5)
        after = ask(url, "/_simulator/world").json()
        assert moved.json() == {"now": after["now"]} == {"now": "2026-09-29T06:00:00.000Z"}
        assert after["restores"] > before["restores"]
        for wrong in ('{"weeks": 1}', "[]", '{"days": "x"}', ""):
            refused = requests.post(f"{url}/_simulator/advance", data=wrong, timeout=5)
            assert refused.status_code == 400


def test_its_options_make_other_worlds_and_limits() -> None:
    options = "--world fan-out --projects 2 --addons 3 --restores 4 --rate-limit 5 --team t"
    with process("--token", "secret", *options.split()) as (_, url):
        response = ask(url, "/v1/teams/t/projects/p1/addons/a2/restores")
        assert response.json()["pagination"]["count"] == 4
        assert response.headers["x-ratelimit-remaining"] == "4"
        assert ask(url, "/v1/projects").status_code == 403


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, "--port", str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("The simulator cannot start: ")
    assert ended.stderr.count("\n") == 1
