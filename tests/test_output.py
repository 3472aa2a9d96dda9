"""Every byte of the output arrives, or the run says that it does not."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from simulator import World
from tap_northflank_restores import output
from tap_northflank_restores.errors import ExitCode
from tap_northflank_restores.tap import GRACE
from tests.support import SECONDS, Run, command_line, process, sync, types
from tests.test_batches import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from simulator import Server

pytestmark = pytest.mark.slow

ADDONS, RESTORES = 4, 1000
CUT_OFF = "the last line of the output is cut off"

WAYS: dict[str, dict[str, Any]] = {
    "pages": {},
    "the SDK's way": {"stream_maps": {"restores": {"x": "'y' * 100"}}},
}
each_way = pytest.mark.parametrize("settings", WAYS.values(), ids=WAYS)


@pytest.fixture(params=["buffered", "unbuffered", "non-blocking"])
def blocking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let Python buffer standard output or not; return whether a write may wait."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1" if request.param == "unbuffered" else "")
    return bool(request.param != "non-blocking")


@contextmanager
def piped(*words: str, blocking: bool = True) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start the command and give it with the end of the pipe that it writes to."""
    read, write = os.pipe()
    # Whoever has the other end in hand sets the mode for all that share it.
    os.set_blocking(write, blocking)
    try:
        with process(words, stdout=write) as started:
            os.close(write)
            yield started, read
    finally:
        os.close(read)


def read_slowly(
    started: subprocess.Popen[bytes],
    descriptor: int,
    disturb: Callable[[int], None] = lambda _count: None,
    size: int = 16_384,
) -> Run:
    """Read what a process writes with a pause before each part, and wait for its end."""
    errors: list[bytes] = []
    assert started.stderr
    reader = threading.Thread(target=lambda: errors.append(started.stderr.read()))  # type: ignore[union-attr]
    reader.start()
    parts: list[bytes] = []
    while True:
        time.sleep(0.01)
        disturb(len(parts))
        part = os.read(descriptor, size)
        if not part:
            break
        parts.append(part)
    code = started.wait(SECONDS)
    reader.join(SECONDS)
    return Run(code, b"".join(parts).decode(), b"".join(errors).decode())


def until_stuck(descriptor: int) -> None:
    """Wait until a pipe is full: nothing more goes into it."""
    last, end = -1, time.monotonic() + SECONDS
    while (now := unread(descriptor)) != last or not now:
        assert time.monotonic() < end, "the pipe does not fill"
        last = now
        time.sleep(0.5)


def unread(descriptor: int) -> int:
    """How many bytes are in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"1234"))
    return int(count)


def known(state: dict[str, Any]) -> Any:
    """What a state knows of restores."""
    return state["bookmarks"]["restores"]


def restores(run: Run) -> set[tuple[str, str]]:
    return {(record["addonId"], record["id"]) for record in run.records["restores"]}


@each_way
def test_nothing_is_lost_on_a_loader_that_is_slow_while_signals_come(
    server: Server, settings: dict[str, Any], blocking: bool
) -> None:
    server.world = World.fan_out(1, ADDONS, RESTORES)
    with (
        command_line(server, **settings) as words,
        piped(*words, blocking=blocking) as (started, read),
    ):

        def stop_and_go_on(count: int) -> None:
            if count % 3 == 0 and started.poll() is None:
                started.send_signal(signal.SIGSTOP)
                time.sleep(0.005)
                started.send_signal(signal.SIGCONT)

        run = read_slowly(started, read, stop_and_go_on)

    assert run.exit_code == 0, run.stderr
    assert len(restores(run)) == ADDONS * RESTORES
    assert types(run)[-1] == "STATE"


def test_a_state_and_the_messages_of_batches_arrive_whole(
    server: Server, tmp_path: Path, blocking: bool
) -> None:
    server.world = World.fan_out(1, 1500, 1)
    state = sync(server).state
    with (
        command_line(server, state=state, **batches(tmp_path, 100)) as words,
        piped(*words, blocking=blocking) as (started, read),
    ):
        until_stuck(read)
        run = read_slowly(started, read, size=65_536)

    assert run.exit_code == 0, run.stderr
    assert len(json.dumps(state)) > 400_000
    assert known(run.states[0]) == known(run.state) == known(state)
    assert "BATCH" in types(run)


@pytest.mark.parametrize("words", [["--discover"], ["--help"]])
def test_a_text_arrives_whole(words: list[str], blocking: bool) -> None:
    with process(words) as started:
        whole, _ = started.communicate(timeout=SECONDS)
    read, write = os.pipe()
    os.set_blocking(write, False)
    full = os.write(write, b" " * 1_000_000)  # Leave the text no room.
    os.set_blocking(write, blocking)
    with process(words, stdout=write) as started:
        os.close(write)
        time.sleep(1)  # until it waits
        run = read_slowly(started, read, size=8192)
    os.close(read)

    assert run.exit_code == 0, run.stderr
    assert run.stdout == " " * full + whole.decode()
    assert len(whole) > 800


def test_a_signal_while_the_loader_is_slow_leaves_whole_lines(
    server: Server, blocking: bool
) -> None:
    server.world = World.fan_out(1, ADDONS, RESTORES)
    with (
        command_line(server) as words,
        piped(*words, blocking=blocking) as (started, read),
    ):

        def stop(at: int) -> None:
            if at == 5:
                started.send_signal(signal.SIGTERM)
                time.sleep(0.2)

        run = read_slowly(started, read, stop)

    assert run.exit_code == ExitCode.INTERRUPTED
    assert types(run)[-1] == "STATE"
    assert run.stdout.endswith("\n")
    assert run.error == "Interrupted; the state is written, and the next run goes on from there."


@pytest.mark.parametrize("signals", [1, 2])
def test_the_end_of_a_sync_that_nobody_reads_is_at_a_line_end_or_says_that_it_is_not(
    server: Server, blocking: bool, signals: int
) -> None:
    server.world = World.fan_out(1, ADDONS, RESTORES)
    with (
        command_line(server) as words,
        piped(*words, blocking=blocking) as (started, read),
    ):
        until_stuck(read)
        for _ in range(signals):
            started.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert started.wait(GRACE + 3) == ExitCode.INTERRUPTED
        run = read_slowly(started, read)

    assert run.stdout
    assert (CUT_OFF in run.error) == (not run.stdout.endswith("\n"))


def test_a_line_that_is_cut_off_is_told(server: Server, blocking: bool) -> None:
    """A STATE is longer than what a pipe takes whole."""
    server.world = World.fan_out(1, 1500, 1)
    state = sync(server).state
    with (
        command_line(server, state=state) as words,
        piped(*words, blocking=blocking) as (started, read),
    ):
        until_stuck(read)
        started.send_signal(signal.SIGTERM)
        assert started.wait(GRACE + 3) == ExitCode.INTERRUPTED
        run = read_slowly(started, read)

    assert run.stdout.startswith('{"type":"STATE"')
    assert not run.stdout.endswith("\n")
    assert CUT_OFF in run.error


def test_a_line_that_has_begun_is_finished_though_the_end_is_to_come_at_once(
    server: Server, blocking: bool
) -> None:
    server.world = World.fan_out(1, 1500, 1)
    state = sync(server).state
    with (
        command_line(server, state=state) as words,
        piped(*words, blocking=blocking) as (started, read),
    ):

        def stop(count: int) -> None:
            if count == 3:
                for _ in range(3):
                    started.send_signal(signal.SIGTERM)
                    time.sleep(0.1)

        until_stuck(read)
        run = read_slowly(started, read, stop)

    assert run.exit_code == ExitCode.INTERRUPTED
    assert known(run.states[0]) == known(state)
    assert run.stdout.endswith("\n")
    assert run.error.startswith("Interrupted without a last state. The next run")


LIBRARY = """
import os, sys
from tap_northflank_restores.tap import TapNorthflankRestores
tap = TapNorthflankRestores(config={"api_token": "nf-test-token", "api_url": sys.argv[1]})
print("before", flush=True)
os.set_blocking(1, sys.argv[2] == "True")
tap.sync_all()
print("after")
"""


def test_nothing_is_lost_in_a_program_that_has_the_tap_as_a_part(
    server: Server, blocking: bool
) -> None:
    server.world = World.fan_out(1, ADDONS, RESTORES)
    read, write = os.pipe()
    with subprocess.Popen(  # noqa: S603 - this Python
        [sys.executable, "-c", LIBRARY, server.url, str(blocking)],
        stdout=write,
        stderr=subprocess.PIPE,
    ) as started:
        os.close(write)
        until_stuck(read)
        run = read_slowly(started, read)
    os.close(read)

    assert run.exit_code == 0, run.stderr
    first, *messages, last = run.stdout.splitlines()
    assert (first, last) == ("before", "after")
    assert sum(json.loads(message)["type"] == "RECORD" for message in messages) > RESTORES * ADDONS


def test_a_descriptor_takes_all_though_it_blocks() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    text = re.sub(rb".", b"x", b" " * 1_000_000)
    found: list[bytes] = []

    def take() -> None:
        while part := os.read(read, 1000):
            found.append(part)

    reader = threading.Thread(target=take)
    reader.start()
    assert output.Descriptor(write).write(text) == len(text)
    os.close(write)
    reader.join(SECONDS)
    os.close(read)

    assert b"".join(found) == text
