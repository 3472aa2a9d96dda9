"""A sync that is cut off at any point: how it ends, and that the next one loses nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Behaviour, Fault, World, serve
from tap_northflank_restores.errors import ExitCode
from tap_northflank_restores.tap import GRACE
from tests.support import (
    COMMAND,
    SECONDS,
    Run,
    command_line,
    ended,
    keyed,
    process,
    selecting,
    small_world,
    sync,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator import Request, Server

pytestmark = pytest.mark.slow

ADDONS, RESTORES = 30, 3
both_signals = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
each_concurrency = pytest.mark.parametrize("concurrency", [1, 8])


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def _buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python buffer standard output, and then not, as most images of containers have it."""
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


with_and_without_buffering = pytest.mark.usefixtures("_buffering")


def until(condition: Callable[[], object]) -> None:
    """Wait until something has come true."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def delivered(*runs: Run) -> dict[tuple[str, str, str], Any]:
    """The restores in a table that was merged from these runs."""
    return keyed([record for run in runs for record in run.records.get("restores", [])])


def finished(run: Run) -> set[str]:
    """The addons that the last state knows; all of their records must be out by then."""
    counts = {
        partition["context"]["addonId"]: partition["proof"]["completed"]
        for partition in run.state["bookmarks"].get("restores", {}).get("partitions", [])
    }
    sent = [record["addonId"] for record in run.records["restores"]]
    for addon, count in counts.items():
        assert sent.count(addon) >= count
    return set(counts)


@contextmanager
def stuck(server: Server, path: str) -> Iterator[threading.Event]:
    """Let the requests hang whose path matches; the event tells of the first."""
    hangs = threading.Event()

    def latency(request: Request) -> float:
        if not re.search(path, request.path):
            return 0
        hangs.set()
        return 3600

    server.behaviour.latency = latency
    yield hangs
    server.behaviour.latency = 0


class Output:
    """What a process has written by now."""

    def __init__(self, running: subprocess.Popen[bytes], folder: Path) -> None:
        """Look at the files in this folder."""
        self._running = running
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"

    @property
    def size(self) -> int:
        """Bytes of messages."""
        return self._stdout.stat().st_size

    @property
    def restores(self) -> int:
        """How many records of restores there are."""
        return self._stdout.read_bytes().count(b'{"type":"RECORD","stream":"restores"')

    @property
    def log(self) -> str:
        """The log."""
        return self._stderr.read_text()

    def stop(self, number: int) -> Run:
        """Send a signal and wait for the end."""
        self._running.send_signal(number)
        code = self._running.wait(SECONDS)
        return Run(code, self._stdout.read_text(), self._stderr.read_text())


@contextmanager
def running(server: Server, *arguments: str, **settings: Any) -> Iterator[Output]:
    """Start the command with its output into files, which can be looked at meanwhile."""
    with (
        TemporaryDirectory() as name,
        (Path(name) / "stdout").open("wb") as stdout,
        (Path(name) / "stderr").open("wb") as stderr,
        command_line(server, *arguments, **settings) as words,
        process(words, stdout=stdout, stderr=stderr) as started,
    ):
        yield Output(started, Path(name))


def assert_interrupted(run: Run) -> None:
    """A run that ended as it should on a signal."""
    assert run.exit_code == ExitCode.INTERRUPTED, run.stderr
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


@pytest.fixture
def server() -> Iterator[Server]:
    """A simulator of its own: requests that hang are to trouble no other test."""
    with serve(World.fan_out(1, ADDONS, RESTORES), Behaviour()) as own:
        yield own


# Signals ------------------------------------------------------------------------------------


@both_signals
@each_concurrency
def test_a_signal_ends_the_sync_with_a_last_state_and_the_next_goes_on_from_there(
    server: Server, number: int, concurrency: int
) -> None:
    with (
        stuck(server, r"/a2\d/restores$") as hangs,
        running(server, concurrency=concurrency) as output,
    ):
        assert hangs.wait(SECONDS)
        until(lambda: output.restores == 20 * RESTORES)
        time.sleep(0.1)  # until the tap has seen that the last list ends there
        first = output.stop(number)
    second = sync(server, state=first.state)

    assert_interrupted(first)
    assert first.error == "Interrupted; the state is written, and the next run goes on from there."
    assert first.messages[-1]["type"] == "STATE"
    assert len(finished(first)) == 20
    assert {record["addonId"] for record in second.records["restores"]}.isdisjoint(finished(first))
    assert delivered(first, second) == keyed(sync(server).records["restores"])


@with_and_without_buffering
@pytest.mark.parametrize("path", ["/projects$", "/addons$"])
def test_a_signal_ends_the_sync_while_the_account_is_listed(server: Server, path: str) -> None:
    state = sync(server).state
    with stuck(server, path) as hangs, running(server, state=state) as output:
        assert hangs.wait(SECONDS)
        run = output.stop(signal.SIGTERM)

    assert_interrupted(run)
    assert run.error.startswith("Interrupted")
    assert run.state["bookmarks"]["restores"] == state["bookmarks"]["restores"]


@each_concurrency
def test_a_signal_ends_the_wait_for_the_quota(server: Server, concurrency: int) -> None:
    server.behaviour = Behaviour(rate_limit=12)
    with running(server, concurrency=concurrency) as output:
        until(lambda: "Quota: 0 requests left in this window; waiting " in output.log)
        if concurrency == 1:
            # The thread that reads says so, perhaps before the last page it read is out.
            until(lambda: output.restores == 10 * RESTORES)
        first = output.stop(signal.SIGTERM)
    server.behaviour = Behaviour()
    second = sync(server, state=first.state)

    assert_interrupted(first)
    assert len(server.requests) >= 12
    assert first.messages[-1]["type"] == "STATE"
    # With several workers the last requests may go to addons behind one that gets none.
    assert len(finished(first)) == 10 if concurrency == 1 else 0 < len(finished(first)) <= 10
    assert len(delivered(first, second)) == ADDONS * RESTORES


def test_a_signal_ends_the_wait_of_a_dry_run(server: Server) -> None:
    server.behaviour = Behaviour(rate_limit=2)
    with running(server, "--test") as output:
        until(lambda: "Quota: 0 requests left in this window; waiting " in output.log)
        run = output.stop(signal.SIGTERM)

    assert_interrupted(run)
    assert run.error.startswith("Interrupted")


@each_concurrency
def test_a_signal_ends_the_pauses_between_tries(server: Server, concurrency: int) -> None:
    server.faults = [Fault(r"/a[12]\d/restores$", "status", status=503)]
    with running(server, concurrency=concurrency) as output:
        until(lambda: sum(request.status == 503 for request in server.requests) >= 3)
        until(lambda: output.restores == 10 * RESTORES)
        time.sleep(0.1)  # until the tap has seen that the last list ends there
        first = output.stop(signal.SIGTERM)

    assert_interrupted(first)
    assert first.messages[-1]["type"] == "STATE"
    assert len(finished(first)) == 10


def test_a_second_signal_ends_the_sync_at_once_though_nobody_reads_its_output(
    server: Server,
) -> None:
    server.world = World.fan_out(1, 1, 20_000)
    with command_line(server) as words, process(words) as started:
        # The pipe is full: the tap cannot write, and so asks for no more.
        until(lambda: len(server.requests) > 30)
        time.sleep(0.3)
        started.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        started.send_signal(signal.SIGTERM)
        # The first alone would let it wait for the loader as long as GRACE.
        assert started.wait(GRACE / 2) == ExitCode.INTERRUPTED


def test_a_signal_ends_the_sync_though_nobody_reads_its_output(server: Server) -> None:
    server.world = World.fan_out(1, 1, 20_000)
    with command_line(server) as words, process(words) as started:
        until(lambda: len(server.requests) > 30)
        time.sleep(0.3)
        started.send_signal(signal.SIGTERM)
        assert started.wait(SECONDS) == ExitCode.INTERRUPTED


@with_and_without_buffering
@pytest.mark.parametrize("size", [10_000, 200_000, 2_000_000])
def test_a_signal_at_any_moment_leaves_whole_lines(server: Server, size: int) -> None:
    server.world = World.fan_out(1, 20, 1000)
    with running(server) as output:
        until(lambda: output.size > size)
        run = output.stop(signal.SIGTERM)

    assert_interrupted(run)
    assert run.messages[-1]["type"] == "STATE"
    finished(run)


# No one reads any more ----------------------------------------------------------------------


@with_and_without_buffering
@pytest.mark.parametrize("lines", [0, 1, 50])
def test_a_loader_that_ends_early_ends_the_sync_with_one_line(server: Server, lines: int) -> None:
    server.world = World.fan_out(1, 20, 1000)
    with command_line(server) as words, process(words) as started:
        assert started.stdout
        for _ in range(lines):
            started.stdout.readline()
        started.stdout.close()
        _, stderr = started.communicate(timeout=SECONDS)
    run = Run(started.returncode, "", stderr.decode())

    assert run.exit_code == ExitCode.OUTPUT
    assert run.error.startswith("The messages could not be written (Broken pipe)")
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


@with_and_without_buffering
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("restores", [0, 1000])
def test_a_full_disk_ends_the_sync_with_one_line(server: Server, restores: int) -> None:
    server.world = World.fan_out(1, 1, restores)
    with (
        Path("/dev/full").open("wb") as full,
        command_line(server) as words,
        process(words, stdout=full) as started,
    ):
        run = ended(started)

    assert run.exit_code == ExitCode.OUTPUT
    assert run.error.startswith("The messages could not be written (No space left on device)")
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


def test_a_loader_that_ends_early_ends_the_sync_through_stream_maps_too(server: Server) -> None:
    server.world = World.fan_out(1, 20, 1000)
    maps = {"restores": {"x": "'y'"}}
    with command_line(server, stream_maps=maps) as words, process(words) as started:
        assert started.stdout
        started.stdout.close()
        _, stderr = started.communicate(timeout=SECONDS)
    run = Run(started.returncode, "", stderr.decode())

    assert run.exit_code == ExitCode.OUTPUT
    assert run.error
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


@with_and_without_buffering
@pytest.mark.parametrize("argument", ["--discover", "--about", "--version"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_ends_a_text_with_one_line(argument: str) -> None:
    with Path("/dev/full").open("wb") as full, process([argument], stdout=full) as started:
        run = ended(started)

    assert run.exit_code == ExitCode.OUTPUT
    assert run.error.startswith("The messages could not be written (No space left on device)")
    assert "Exception ignored" not in run.stderr


@with_and_without_buffering
@pytest.mark.parametrize("argument", [None, "--discover", "--version"])
def test_a_closed_output_ends_with_one_line(server: Server, argument: str | None) -> None:
    with command_line(server, *([argument] if argument else [])) as words:
        shell = ["sh", "-c", 'exec "$0" "$@" >&-', str(COMMAND), *words]
        done = subprocess.run(  # noqa: S603 - the tap itself
            shell, stderr=subprocess.PIPE, timeout=SECONDS, check=False
        )
    run = Run(done.returncode, "", done.stderr.decode())

    assert run.exit_code == ExitCode.OUTPUT
    assert run.error.startswith("The messages could not be written (Bad file descriptor)")
    assert "Traceback" not in run.stderr


@with_and_without_buffering
@pytest.mark.parametrize("argument", ["--discover", "--about", "--version"])
def test_a_text_whose_reader_has_gone_ends_with_one_line(argument: str) -> None:
    with process([argument]) as started:
        assert started.stdout
        started.stdout.close()
        _, stderr = started.communicate(timeout=SECONDS)
    run = Run(started.returncode, "", stderr.decode())

    assert run.exit_code == ExitCode.OUTPUT
    assert run.error.startswith("The messages could not be written (Broken pipe)")
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


# Killed, or failed --------------------------------------------------------------------------


def cut_off(run: Run, lines: int) -> Run:
    """Return what a loader got of a run that was killed after so many lines."""
    return Run(-signal.SIGKILL, "".join(run.stdout.splitlines(keepends=True)[:lines]), "")


def test_a_sync_killed_after_any_line_loses_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_northflank_restores.state.STATE_INTERVAL", 0)
    server.world = World.fan_out(2, 3, 4, failed_every=3)
    before = sync(server)
    for project, addon in server.world.addon_keys():
        server.world.add_restore(project, addon, "running", "in-progress")
        server.world.add_restore(project, addon, "late", completedAt="2020-01-01T00:00:00.000Z")
    whole = sync(server, state=before.state)
    complete = keyed(sync(server).records["restores"])
    catalog = selecting("restores")

    assert len(whole.states) > 4
    for lines in range(len(whole.messages) + 1):
        killed = cut_off(whole, lines)
        state = killed.state if killed.states else before.state
        after = sync(server, state=state, catalog=catalog)
        assert delivered(before, killed, after) == complete, lines


def test_what_has_been_said_is_with_the_loader_before_the_next_request(server: Server) -> None:
    server.world = World.fan_out(1, 1, 1)
    state = sync(server).state
    with stuck(server, "/projects$") as hangs, running(server, state=state) as output:
        assert hangs.wait(SECONDS)
        run = output.stop(signal.SIGKILL)

    assert [message["type"] for message in run.messages] == ["STATE", "SCHEMA"]
    assert run.state["bookmarks"]["restores"] == state["bookmarks"]["restores"]


def test_a_process_that_is_killed_loses_nothing(server: Server) -> None:
    state = sync(server, addons=[f"p0/a{addon}" for addon in range(5)]).state
    with stuck(server, r"/a2\d/restores$") as hangs, running(server, state=state) as output:
        assert hangs.wait(SECONDS)
        until(lambda: output.restores == 15 * RESTORES)
        first = output.stop(signal.SIGKILL)
    second = sync(server, state=first.state)

    assert first.exit_code == -signal.SIGKILL
    already = {f"a{addon}" for addon in range(5)}
    addons = {
        record["addonId"] for record in [*first.records["restores"], *second.records["restores"]]
    }
    assert addons == {f"a{addon}" for addon in range(ADDONS)} - already


@each_concurrency
@pytest.mark.parametrize(
    "fault",
    [
        Fault("/a20/restores$", "status", status=400),
        Fault("/a20/restores$", "status", status=403),
        Fault("/a20/restores$", "malformed"),
        Fault("/a20/restores$", "drop", page=2),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_sync_that_fails_writes_its_state_and_the_next_goes_on_from_there(
    server: Server, concurrency: int, fault: Fault
) -> None:
    server.faults = [fault]
    first = sync(server, concurrency=concurrency, page_size=2)
    server.faults = []
    second = sync(server, state=first.state)

    assert first.exit_code in {ExitCode.ACCESS, ExitCode.API}
    assert first.messages[-1]["type"] == "STATE"
    assert finished(first) == {f"a{addon}" for addon in range(20)}
    assert {record["addonId"] for record in second.records["restores"]}.isdisjoint(finished(first))
    assert len(delivered(first, second)) == ADDONS * RESTORES


@each_concurrency
def test_one_short_quota_after_the_other_reaches_all_addons(concurrency: int) -> None:
    """Else each hour would read the first addons again, and never the last."""
    world = World.fan_out(1, 10, 1)
    runs: list[Run] = []
    while len(delivered(*runs)) < 10:
        assert len(runs) < (2 if concurrency == 1 else 6)
        with serve(world, Behaviour(rate_limit=8, rate_window=3600)) as hour:
            state = runs[-1].state if runs else None
            runs.append(sync(hour, state=state, concurrency=concurrency, rate_limit_max_wait=0))
        assert runs[-1].exit_code == ExitCode.QUOTA

    with serve(world) as hour:
        last = sync(hour, state=runs[-1].state)
    assert last.exit_code == 0
    assert last.records["restores"] == []
    assert last.state["bookmarks"]["restores"]["interrupted_after"] is None


@each_concurrency
def test_an_addon_that_takes_more_than_a_quota_keeps_no_other_from_being_read(
    concurrency: int,
) -> None:
    """Two for which a quota has room together, behind one that takes six."""
    world = small_world(big=60, b=2, c=2)
    runs: list[Run] = []
    while {addon for _, addon, _ in delivered(*runs)} != {"big", "b", "c"}:
        assert len(runs) < 4
        with serve(world, Behaviour(rate_limit=6, rate_window=3600)) as hour:
            state = runs[-1].state if runs else None
            settings = {"concurrency": concurrency, "rate_limit_max_wait": 0, "page_size": 10}
            runs.append(sync(hour, state=state, **settings))
        assert runs[-1].exit_code == ExitCode.QUOTA
        assert runs[-1].state["bookmarks"]["restores"]["interrupted_after"]


@each_concurrency
@pytest.mark.parametrize("status", [400, 403, 500])
def test_an_addon_that_cannot_be_read_keeps_no_other_from_being_read(
    server: Server, concurrency: int, status: int
) -> None:
    server.faults = [Fault("/a20/restores$", "status", status=status)]
    first = sync(server, concurrency=concurrency)
    second = sync(server, state=first.state, concurrency=concurrency)

    assert first.exit_code == second.exit_code != 0
    assert first.error.split(" ", 2)[1].endswith("/a20/restores:")
    addons = {record["addonId"] for record in delivered(first, second).values()}
    assert addons == {f"a{addon}" for addon in range(ADDONS)} - {"a20"}


def test_a_sync_goes_on_behind_an_addon_that_has_gone(server: Server) -> None:
    first = sync(server)
    state = deepcopy(first.state)
    state["bookmarks"]["restores"]["interrupted_after"] = "p0/gone"
    second = sync(server, state=state, concurrency=1)

    assert second.exit_code == 0
    assert second.state == first.state
    asked = [request.path for request in server.requests if request.path.endswith("/restores")]
    assert asked[-ADDONS] == "/v1/projects/p0/addons/a0/restores"


def test_the_state_of_a_sync_that_fails_is_whole_json(server: Server) -> None:
    server.faults = [Fault("/restores$", "status", status=400)]
    state = sync(server).states

    assert json.loads(json.dumps(state)) == state
