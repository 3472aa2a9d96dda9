"""Each change is told once: over random runs and failures, in two runs at once, after a kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from filelock import FileLock

from northflank_restore_report.__main__ import main
from northflank_restore_report.delivery import URLS
from tests.alerts.support import AS_OF, NEED_ACTION, RANKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.alerts.support import Marts, Receiver

    Run = Callable[..., tuple[int, str, str]]

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
NAMES = ("ops", "team")
KEYS = tuple(f"shop/db-{number}" for number in range(4))
VERDICTS = (*RANKS, "absent")
CHANGE = re.compile(r"^(shop/db-\d): ([a-z ]+?)(?:, was ([a-z ]+?))?; ", re.MULTILINE)


class Expected:
    """What one destination must be told, by the rules of docs/alerts.md, written once more."""

    def __init__(self) -> None:
        """Begin as a destination that is new."""
        self.knows: dict[str, str] | None = None

    def changes(self, now: dict[str, str], *, delivered: bool) -> list[tuple[str, ...]] | None:
        """Return the changes that a run must tell; None if it sends no message."""
        watched = {k: v for k, v in now.items() if v not in {"out of scope", "deleted", "absent"}}
        if self.knows is None:
            if delivered:
                self.knows = watched
            return sorted((k, v, "") for k, v in watched.items() if RANKS[v] <= NEED_ACTION)
        told: list[tuple[str, ...]] = []
        for key in KEYS:
            before, verdict = self.knows.get(key), watched.get(key)
            was_bad = before is not None and RANKS[before] <= NEED_ACTION
            if verdict is None:
                gone = before is not None and now[key] != "out of scope"
                if gone:
                    told.append((key, "gone", before or ""))
                if not gone or delivered:
                    self.knows.pop(key, None)
                continue
            worse = RANKS[verdict] <= NEED_ACTION and (
                not was_bad or RANKS[verdict] < RANKS[before or verdict]
            )
            if worse:
                told.append((key, verdict, before or ""))
            if not worse or delivered:
                self.knows[key] = verdict
        return sorted(told) or None


@pytest.mark.parametrize("place", ["warehouse", "file"])
def test_each_change_is_told_once_over_random_runs_and_failures(  # noqa: PLR0917 - fixtures
    marts: Marts,
    receiver: Receiver,
    run: Run,
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = Random(place)  # noqa: S311 - a world, no secret
    monkeypatch.setenv(URLS, " ".join(map(receiver.destination, NAMES)))
    state = ["--state", str(tmp_path / "told.json")] if place == "file" else []
    expected = {name: Expected() for name in NAMES}
    now = dict.fromkeys(KEYS, "proven")
    seen: Counter[str] = Counter()
    for number in range(60):
        receiver.messages.clear()
        receiver.refusing = {name for name in NAMES if random.random() < 0.3}
        if (
            not number or random.random() < 0.7
        ):  # Or the run is one more on the same marts, or one was missed.
            for key in random.sample(KEYS, random.randint(0, 3)):
                now[key] = random.choice(VERDICTS)
            there = {key: verdict for key, verdict in now.items() if verdict != "absent"}
            marts.write(there, as_of=AS_OF + timedelta(hours=number))
        code, _, err = run("alerts", *state)
        failed = False
        for name in NAMES:
            refused = name in receiver.refusing
            changes = expected[name].changes(now, delivered=not refused)
            failed |= refused and changes is not None
            got = [sorted(CHANGE.findall(body)) for body in receiver.bodies(name)]
            assert got == ([changes] if changes is not None and not refused else []), number
            seen["messages"] += len(got)
            seen["refused"] += refused and changes is not None
        assert (code, bool(err)) == ((3, True) if failed else (0, False))
    assert min(seen["messages"], seen["refused"]) > 10


def test_of_two_runs_at_once_one_tells(marts: Marts, receiver: Receiver) -> None:
    marts.write({"shop/orders": "proven"})
    with ThreadPoolExecutor(2) as pool:
        for verdict in ("failing", "no backup"):

            def wait_for_the_other(_: str) -> bool:
                receiver.before = None
                while marts.rows(WAITING) == [(0,)]:
                    pass
                return False

            receiver.before = wait_for_the_other
            for future in [pool.submit(main, ["alerts"]) for _ in range(2)]:
                future.result()
            marts.write({"shop/orders": verdict})
    assert receiver.titles() == ["Restores: nothing to act on", "Restores: 1 failing"]


def test_a_run_that_waited_knows_what_was_told_meanwhile(marts: Marts, receiver: Receiver) -> None:
    marts.write({"shop/orders": "proven"})
    main(["alerts"])
    marts.write({"shop/orders": "failing"})
    with ThreadPoolExecutor(1) as pool, psycopg.connect(marts.dsn) as other:
        other.execute("SELECT 1 FROM restore_analytics_alerts.destinations FOR UPDATE")
        run = pool.submit(main, ["alerts"])
        while marts.rows(WAITING) == [(0,)]:
            pass
        other.execute(
            "UPDATE restore_analytics_alerts.told SET condition = 'failing', rank = 4,"
            " is_bad = true WHERE subject = 'database:shop/orders'"
        )
        other.commit()
        run.result()
    assert len(receiver.titles()) == 1


@pytest.mark.parametrize("place", ["warehouse", "file"])
def test_a_run_does_not_wait_for_ever(  # noqa: PLR0917 - fixtures
    marts: Marts,
    receiver: Receiver,
    run: Run,
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "told.json"
    state = ["--state", str(file)] if place == "file" else []
    marts.write({"shop/orders": "failing"})
    run("alerts", *state)
    marts.write({"shop/orders": "no backup"})
    monkeypatch.setattr("northflank_restore_report.told.WAIT_SECONDS", 0.1)
    with FileLock(f"{file}.lock"), psycopg.connect(marts.dsn) as other:
        if not state:
            other.execute("SELECT 1 FROM restore_analytics_alerts.destinations FOR UPDATE")
        code, out, err = run("alerts", *state)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("Another run has held ")
    assert len(receiver.titles()) == 1


def test_two_runs_at_once_on_a_file(marts: Marts, receiver: Receiver, tmp_path: Path) -> None:
    marts.write({"shop/orders": "failing"})
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(main, ["alerts", "--state", str(tmp_path / "t")]) for _ in range(4)]
    assert [run.exception() for run in runs] == [None] * 4
    assert receiver.titles() == ["Restores: 1 to act on"]


@pytest.mark.parametrize("place", ["warehouse", "file"])
def test_a_run_that_is_killed_holds_nothing(
    marts: Marts, receiver: Receiver, run: Run, place: str, tmp_path: Path
) -> None:
    """It was killed before anybody had the message, so the next run tells it."""
    state = ["--state", str(tmp_path / "told.json")] if place == "file" else []
    marts.write({"shop/orders": "failing"})
    command = [sys.executable, "-m", "northflank_restore_report", "alerts", *state]

    def kill(_: str) -> bool:
        receiver.before = None
        os.kill(process.pid, signal.SIGKILL)
        return True

    receiver.before = kill
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        assert process.wait() == -signal.SIGKILL
    assert not psutil.pid_exists(process.pid)
    assert run("alerts", *state)[0] == 0
    assert receiver.titles() == ["Restores: 1 to act on"]
    assert run("alerts", *state)[1] == "ops: nothing new\n"


def test_without_a_commit_it_is_told_again_rather_than_not(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    """A message that was taken, while the warehouse went away before that could be kept."""
    marts.write({"shop/orders": "failing"})

    def cut(_: str) -> bool:
        marts.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'restore alerts'"
        )
        return False

    receiver.before = cut
    code, out, err = run("alerts")
    assert (code, out) == (1, "")
    assert err.startswith("What was told cannot be kept: ")
    assert err.count("\n") == 1
    receiver.before = None
    run("alerts")
    run("alerts")
    assert receiver.titles() == ["Restores: 1 to act on"] * 2
