"""The quota: as a table with a clock of its own, with threads, and over HTTP."""

from __future__ import annotations

import re
import threading
import time
from email.utils import formatdate
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from simulator import Behaviour, Fault, World, serve
from tap_northflank_restores.errors import ExitCode
from tap_northflank_restores.quota import (
    Allowance,
    Quota,
    QuotaWaitTooLongError,
    ReserveTooLargeError,
    StoppedError,
)
from tests.support import SECONDS, Run, keyed, small_world, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Request, Server

MARGIN = 1
"""Seconds that a wait is longer than told: the API rounds them."""


# The rules, one request after the other -----------------------------------------------------


class WouldWaitForOthersError(Exception):
    """The request waits for one that is in flight."""


class Clock:
    """A clock that stands still but for what is waited."""

    def __init__(self) -> None:
        """Start at some time."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


class Condition(threading.Condition):
    """A condition whose waits are over at once, and move the clock on."""

    def __init__(self, clock: Clock) -> None:
        """Keep the clock."""
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time go by."""
        if timeout is None:
            raise WouldWaitForOthersError
        self._clock.now += timeout
        return False


class Ledger:
    """A quota on its own clock, and the waits that it told of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        """Start a quota."""
        self.clock = Clock()
        self.told: list[tuple[float, int | None]] = []
        namespace = SimpleNamespace(Condition=partial(Condition, self.clock))
        monkeypatch.setattr("tap_northflank_restores.quota.threading", namespace)
        self.quota = Quota(
            clock=self.clock, on_wait=lambda *wait: self.told.append(wait), **settings
        )

    def send(self) -> float:
        """Send a request and return the seconds waited before it."""
        before = self.clock.now
        self.quota.acquire()
        return self.clock.now - before

    def answer(self, remaining: int | None = None, reset: float = 60, limit: int = 100) -> None:
        """Take the response of a request."""
        self.quota.release(None if remaining is None else Allowance(limit, remaining, reset))

    def refuse(
        self, retry_after: float | None = None, reset: float | None = None, limit: int = 100
    ) -> None:
        """Take the 429 of a request."""
        self.quota.refuse(retry_after, None if reset is None else Allowance(limit, 0, reset))


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A quota of nothing reserved and an hour's wait."""
    return Ledger(monkeypatch)


def test_nothing_told_means_no_limit(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer()

    assert [ledger.send() for _ in range(1000)] == [0] * 1000
    assert ledger.quota.remaining is None


def test_until_the_first_response_one_request_flies_alone(ledger: Ledger) -> None:
    ledger.send()

    with pytest.raises(WouldWaitForOthersError):
        ledger.send()


@pytest.mark.parametrize(("remaining", "reserve"), [(5, 0), (5, 2), (1, 0), (100, 99)])
def test_what_is_left_less_what_is_in_flight_is_sent_down_to_the_reserve(
    monkeypatch: pytest.MonkeyPatch, remaining: int, reserve: int
) -> None:
    ledger = Ledger(monkeypatch, reserve=reserve)
    ledger.send()
    ledger.answer(remaining)

    for _ in range(remaining - reserve):
        assert ledger.send() == 0
    with pytest.raises(WouldWaitForOthersError):
        ledger.send()


@pytest.mark.parametrize(("remaining", "reserve"), [(0, 0), (3, 3), (2, 3), (-1, 0)])
def test_nothing_to_spend_waits_for_the_reset_instead_of_a_429(
    monkeypatch: pytest.MonkeyPatch, remaining: int, reserve: int
) -> None:
    ledger = Ledger(monkeypatch, reserve=reserve)
    ledger.send()
    ledger.answer(remaining, reset=42)

    assert ledger.send() == 42 + MARGIN
    assert ledger.told == [(42 + MARGIN, remaining)]


def test_a_wait_begins_when_the_last_request_in_flight_has_told_what_is_left(
    ledger: Ledger,
) -> None:
    ledger.send()
    ledger.answer(2, reset=60)
    ledger.send()
    ledger.send()
    ledger.clock.now += 10
    ledger.answer(1, reset=50)
    ledger.answer(0, reset=50)

    assert ledger.send() == 50 + MARGIN


def test_after_a_wait_one_request_finds_out_about_the_new_window(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer(0, reset=30)
    ledger.send()

    with pytest.raises(WouldWaitForOthersError):
        ledger.send()
    ledger.answer(99, reset=3600)
    assert [ledger.send() for _ in range(99)] == [0] * 99


def test_a_window_of_which_nothing_is_told_has_no_limit(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer(0, reset=60)
    ledger.send()
    ledger.answer()

    assert [ledger.send() for _ in range(3)] == [0, 0, 0]


def test_a_window_that_passed_without_a_request_is_over(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer(0, reset=30)
    ledger.clock.now += 31

    assert ledger.send() == 0
    assert ledger.told == []


def test_a_window_that_passed_with_requests_in_flight_is_over(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer(1, reset=30)
    ledger.send()
    ledger.clock.now += 31

    with pytest.raises(WouldWaitForOthersError):
        ledger.send()
    ledger.answer(98, reset=3590)
    assert ledger.send() == 0


def test_responses_that_overtake_each_other_give_nothing_back(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer(5)
    for _ in range(3):
        ledger.send()
    for remaining in (2, 4, 3):
        ledger.answer(remaining)

    assert ledger.quota.remaining == 2


@pytest.mark.parametrize("reset", [59, 60, 61])
def test_an_end_that_differs_by_a_rounded_second_is_that_of_the_same_window(
    ledger: Ledger, reset: float
) -> None:
    ledger.send()
    ledger.answer(5, reset=60)
    ledger.send()
    ledger.answer(9, reset=reset)

    assert ledger.quota.remaining == 5


def test_an_end_much_later_is_that_of_a_new_window(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer(5, reset=60)
    ledger.send()
    ledger.answer(99, reset=3600)

    assert ledger.quota.remaining == 99


def test_a_response_without_headers_counts_all_the_same(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer(2, reset=10)
    ledger.send()
    ledger.answer()
    ledger.send()
    ledger.answer()

    assert ledger.send() == 10 + MARGIN


@pytest.mark.parametrize(
    ("retry_after", "reset", "wait"),
    [
        (7, None, 7),
        (7, 30, 7),
        (30, 7, 30),
        (None, 30, 30),
        (None, None, 1),
        (0, None, 1),
        (0.2, 0, 1),
    ],
)
def test_a_429_waits_as_told_and_never_hammers(
    ledger: Ledger, retry_after: float | None, reset: float | None, wait: float
) -> None:
    ledger.send()
    ledger.refuse(retry_after, reset)

    assert ledger.send() == wait + MARGIN
    assert ledger.told == [(wait + MARGIN, None if reset is None else 0)]


def test_refusals_that_say_nothing_are_waited_out_ever_longer_up_to_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = Ledger(monkeypatch, max_wait=1000)
    ledger.send()
    waits = []
    for _ in range(9):
        ledger.refuse()
        waits.append(ledger.send() - MARGIN)

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_answer_forgets_the_refusals_before_it(ledger: Ledger) -> None:
    ledger.send()
    for _ in range(5):
        ledger.refuse()
        ledger.send()
    ledger.answer()
    ledger.send()
    ledger.refuse()

    assert ledger.send() == 1 + MARGIN


def test_several_refusals_of_a_pool_are_one_wait(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer()
    for _ in range(8):
        ledger.send()
    for _ in range(8):
        ledger.refuse(retry_after=20)

    assert ledger.send() == 20 + MARGIN
    assert len(ledger.told) == 1


def test_after_a_429_one_request_finds_out_whether_it_is_over(ledger: Ledger) -> None:
    ledger.send()
    ledger.refuse(retry_after=5)
    ledger.send()

    with pytest.raises(WouldWaitForOthersError):
        ledger.send()


@pytest.mark.parametrize(("wait", "too_long"), [(100, False), (100.5, True), (3600, True)])
def test_a_wait_for_the_reset_longer_than_allowed_is_refused(
    monkeypatch: pytest.MonkeyPatch, wait: float, *, too_long: bool
) -> None:
    ledger = Ledger(monkeypatch, max_wait=100)
    ledger.send()
    ledger.answer(0, reset=wait)

    if not too_long:
        assert ledger.send() == wait + MARGIN
        return
    for _ in range(3):  # for each thread that asks
        with pytest.raises(QuotaWaitTooLongError) as caught:
            ledger.send()
        assert caught.value.seconds == wait
    assert ledger.told == []


@pytest.mark.parametrize("told", [{"retry_after": 101}, {"reset": 101}])
def test_a_wait_for_a_429_longer_than_allowed_is_refused(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]
) -> None:
    ledger = Ledger(monkeypatch, max_wait=100)
    ledger.send()

    with pytest.raises(QuotaWaitTooLongError):
        ledger.refuse(**told)


def test_refusals_without_end_are_given_up_when_their_waits_are_too_long_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = Ledger(monkeypatch, max_wait=100)
    ledger.send()
    for _ in range(4):
        ledger.refuse(retry_after=25)
        ledger.send()

    with pytest.raises(QuotaWaitTooLongError):
        ledger.refuse(retry_after=25)


def test_waits_with_answers_between_them_may_go_on_for_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = Ledger(monkeypatch, max_wait=3600)
    for _ in range(100):
        ledger.send()
        ledger.answer(0, reset=3600)

    assert len(ledger.told) == 99


@pytest.mark.parametrize("reserve", [100, 101, 5000])
def test_a_reserve_that_leaves_nothing_is_refused_and_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, reserve: int
) -> None:
    ledger = Ledger(monkeypatch, reserve=reserve)
    ledger.send()

    with pytest.raises(ReserveTooLargeError) as caught:
        ledger.answer(100, limit=100)
    assert caught.value.limit == 100
    ledger.send()
    with pytest.raises(ReserveTooLargeError):
        ledger.refuse(retry_after=1, reset=1, limit=100)


def test_requests_are_counted_refused_ones_too(ledger: Ledger) -> None:
    ledger.send()
    ledger.refuse(retry_after=1)
    ledger.send()
    ledger.answer()

    assert ledger.quota.spent == 2


def test_the_rest_of_a_wait_can_be_told(ledger: Ledger) -> None:
    assert ledger.quota.waiting == 0
    ledger.send()
    ledger.refuse(retry_after=10)
    ledger.clock.now += 4

    assert ledger.quota.waiting == 6 + MARGIN


def test_who_is_stopped_sends_nothing_more(ledger: Ledger) -> None:
    ledger.quota.stop()

    with pytest.raises(StoppedError):
        ledger.send()


# The rules, with threads --------------------------------------------------------------------


class Pool:
    """Threads that ask a quota as fast as they can; the API's answers are in `answer`."""

    def __init__(self, quota: Quota, answer: Any, threads: int = 16) -> None:
        """Start the threads."""
        self.quota = quota
        self.ended: list[Exception] = []
        self._answer = answer
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        try:
            while True:
                self.quota.acquire()
                self._answer()
        except (StoppedError, QuotaWaitTooLongError, ReserveTooLargeError) as error:
            self.ended.append(error)

    def join(self) -> None:
        """Wait for the end of all threads."""
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive(), "a thread waits for ever"


@pytest.mark.parametrize("reserve", [0, 7])
def test_a_pool_spends_a_window_to_the_reserve_and_not_one_request_more(reserve: int) -> None:
    left = 200
    lock = threading.Lock()
    waits = threading.Event()

    def answer() -> None:
        nonlocal left
        with lock:
            left -= 1
            allowance = Allowance(200, left, 3600)
        time.sleep(0.0005)
        quota.release(allowance)

    quota = Quota(reserve=reserve, on_wait=lambda *_: waits.set(), clock=Clock())
    pool = Pool(quota, answer)
    assert waits.wait(SECONDS)
    quota.stop()
    pool.join()

    assert left == reserve
    assert quota.spent == 200 - reserve


def test_who_waits_is_served_before_who_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = threading.Event()

    class Noticed(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waits.set()
            return super().wait(timeout)

    namespace = SimpleNamespace(Condition=Noticed)
    monkeypatch.setattr("tap_northflank_restores.quota.threading", namespace)
    quota = Quota()
    one_left = Allowance(100, 1, 3600)
    served = []

    def ask(name: str) -> None:
        quota.acquire()
        served.append(name)
        quota.release(one_left)

    quota.acquire()
    thread = threading.Thread(target=ask, args=["waits"], daemon=True)
    thread.start()
    assert waits.wait(SECONDS)
    quota.release(one_left)
    ask("comes later")
    thread.join(SECONDS)

    assert served == ["waits", "comes later"]


def test_a_pool_that_is_refused_waits_once() -> None:
    waits: list[float] = []
    refused = threading.Event()
    together = threading.Barrier(8, action=refused.set)
    first = threading.Event()

    def answer() -> None:
        if not first.is_set():
            first.set()
            quota.release(None)
            return
        together.wait(SECONDS)
        quota.refuse(30, None)

    quota = Quota(on_wait=lambda seconds, _left: waits.append(seconds))
    pool = Pool(quota, answer, threads=8)
    assert refused.wait(SECONDS)
    quota.stop()
    pool.join()

    assert waits == [30 + MARGIN]
    assert quota.spent == 9


@pytest.mark.parametrize("reset", [3000, 1e12])
def test_stopping_ends_the_wait_of_each_thread(reset: float) -> None:
    waits = threading.Event()
    quota = Quota(max_wait=1e12, on_wait=lambda *_: waits.set())
    pool = Pool(quota, lambda: quota.release(Allowance(100, 0, reset)))
    assert waits.wait(SECONDS)

    quota.stop()
    pool.join()

    assert [type(error) for error in pool.ended] == [StoppedError] * 16


@pytest.mark.parametrize(
    ("settings", "allowance", "error"),
    [
        ({"reserve": 100}, Allowance(100, 99, 60), ReserveTooLargeError),
        ({"max_wait": 10}, Allowance(100, 0, 60), QuotaWaitTooLongError),
    ],
)
def test_what_cannot_be_waited_out_is_told_to_each_thread(
    settings: dict[str, Any], allowance: Allowance, error: type[Exception]
) -> None:
    quota = Quota(**settings)
    pool = Pool(quota, lambda: quota.release(allowance))
    pool.join()

    assert [type(ended) for ended in pool.ended] == [error] * 16


# Over HTTP ----------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tap's quota live a hundred times faster."""
    speed = 100

    class Hasty(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            return super().wait(timeout and timeout / speed)

    monkeypatch.setattr("tap_northflank_restores.quota.threading", SimpleNamespace(Condition=Hasty))
    monkeypatch.setattr(
        "tap_northflank_restores.tap.Quota", partial(Quota, clock=lambda: time.monotonic() * speed)
    )


@pytest.fixture
def limited() -> Iterator[Server]:
    """A simulator of its own, with no window begun, and ten addons of two restores."""
    with serve(World.fan_out(1, 10, 2), Behaviour()) as server:
        yield server


def waits(run: Run) -> list[str]:
    """The lines that tell of a wait for the quota."""
    return [line for line in run.logged("INFO") if line.startswith("Quota: ")]


def refused(asked: list[Request]) -> int:
    """How many requests were answered with a 429."""
    return sum(request.status == 429 for request in asked)


def windows(asked: list[Request]) -> list[int]:
    """How many requests there were between one wait and the next."""
    counts = [1]
    for before, after in pairwise(asked):
        if after.started - before.started > MARGIN:
            counts.append(0)
        counts[-1] += 1
    return counts


def test_no_429_is_spent_when_the_headers_tell(limited: Server) -> None:
    limited.behaviour = Behaviour(rate_limit=8, rate_window=1)

    run = sync(limited)

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 20
    assert refused(run.requests) == 0
    assert windows(run.requests) == [8, 4]
    assert waits(run) == ["Quota: 0 requests left in this window; waiting 2 s for its reset."]


def test_the_reserve_is_left_to_others_and_said_so(
    limited: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_northflank_restores.progress.INTERVAL", 0.1)
    limited.behaviour = Behaviour(rate_limit=10, rate_window=1)

    run = sync(limited, rate_limit_reserve=3)

    assert run.exit_code == 0
    assert refused(run.requests) == 0
    assert windows(run.requests) == [7, 5]
    (line,) = waits(run)
    assert line.startswith("Quota: 3 requests left in this window, 3 of them reserved for others;")
    assert any(told.endswith(" s for the quota") for told in run.logged("INFO"))


def test_a_429_is_waited_out_once_by_the_whole_pool_and_is_no_failed_try(limited: Server) -> None:
    limited.behaviour = Behaviour(
        rate_limit=7, rate_window=1, rate_headers=False, retry_after="seconds"
    )

    run = sync(limited)

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 20
    assert 1 <= refused(run.requests) <= 8
    assert len(waits(run)) == 1
    assert run.logged("WARNING") == []


def test_requests_of_others_may_come_in_between(limited: Server) -> None:
    limited.behaviour = Behaviour(rate_limit=12, rate_window=1, rate_others=1)

    run = sync(limited)

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 20
    assert len(waits(run)) <= 2


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "30"}, "31"),
        ({"retry-after": "30.5"}, "32"),
        ({"retry-after": "0"}, "2"),
        ({"retry-after": "-5"}, "2"),
        ({"retry-after": "soon"}, "2"),
        ({"retry-after": ""}, "2"),
        ({"retry-after": "nan"}, "2"),
        ({}, "2"),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "20"}, "21"),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "20", "retry-after": "30"}, "31"),
        ({"x-ratelimit-remaining": "none", "x-ratelimit-reset": "20"}, "2"),
        ({"x-ratelimit-reset": "20"}, "2"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("hasty")
def test_a_429_is_waited_out_as_its_headers_say(
    server: Server, headers: dict[str, str], wait: str
) -> None:
    server.world = small_world(a=1)
    server.faults = [Fault("/restores$", "status", status=429, headers=headers, times=1)]

    run = sync(server, addons=["p/a"])

    assert run.exit_code == 0
    assert len(run.requests) == 2
    assert run.logged("WARNING") == []
    (line,) = waits(run)
    assert f"; waiting {wait} s for" in line


@pytest.mark.usefixtures("hasty")
def test_a_429_may_name_a_date(server: Server) -> None:
    server.world = small_world(a=1)
    date = formatdate(time.time() + 30, usegmt=True)
    server.faults = [
        Fault("/restores$", "status", status=429, headers={"retry-after": date}, times=1)
    ]

    run = sync(server, addons=["p/a"])

    (line,) = waits(run)
    assert re.search(r"; waiting (29|30|31) s for", line)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 2024 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    ],
)
def test_a_429_may_name_a_date_that_is_over_or_none(server: Server, date: str) -> None:
    server.world = small_world(a=1)
    server.faults = [
        Fault("/restores$", "status", status=429, headers={"retry-after": date}, times=1)
    ]

    run = sync(server, addons=["p/a"])

    (line,) = waits(run)
    assert "; waiting 2 s for" in line


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("name", ["projects", "addons", "backups", "restores"])
def test_more_429s_than_tries_are_waited_out_at_each_list(server: Server, name: str) -> None:
    server.world = small_world(a=1)
    server.faults = [Fault(f"/{name}$", "status", status=429, times=6)]

    run = sync(server)

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 1
    assert len(waits(run)) == (0 if name == "backups" else 6)
    assert run.logged("WARNING") == []


@pytest.mark.usefixtures("hasty")
def test_429s_between_failures_count_for_nothing(server: Server) -> None:
    server.world = small_world(a=1)
    server.faults = [
        fault
        for _ in range(4)
        for fault in (
            Fault("/restores$", "status", status=500, times=1),
            Fault("/restores$", "status", status=429, times=1),
        )
    ]

    run = sync(server, addons=["p/a"])

    assert run.exit_code == 0
    assert len(run.requests) == 9
    assert len(run.logged("WARNING")) == 4


def test_no_headers_mean_no_limit(server: Server) -> None:
    server.world = World.fan_out(1, 200, 1)

    run = sync(server)

    assert run.exit_code == 0
    assert waits(run) == []
    assert "no limit known" in run.logged("INFO")[-1]


@pytest.mark.parametrize(
    "header", ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
)
@pytest.mark.parametrize("value", ["", "many", "1e3", "inf", "nan", "-1"])
@pytest.mark.usefixtures("hasty")
def test_headers_that_make_no_sense_do_no_harm(server: Server, header: str, value: str) -> None:
    server.world = small_world(a=1)
    sane = {"x-ratelimit-limit": "9", "x-ratelimit-remaining": "5", "x-ratelimit-reset": "9"}
    server.faults = [
        Fault("/projects$", "status", status=503, headers={**sane, header: value}, times=1)
    ]

    run = sync(server, rate_limit_max_wait=60)

    assert run.exit_code in {ExitCode.SUCCESS, ExitCode.QUOTA, ExitCode.CONFIGURATION}
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("reserve", [10, 11, 900])
@pytest.mark.parametrize("settings", [{}, {"addons": [f"p0/a{n}" for n in range(10)]}], ids=str)
def test_a_reserve_as_large_as_the_limit_ends_in_one_line(
    limited: Server, reserve: int, settings: dict[str, Any]
) -> None:
    limited.behaviour = Behaviour(rate_limit=10)

    run = sync(limited, rate_limit_reserve=reserve, **settings)

    assert run.exit_code == ExitCode.CONFIGURATION
    assert run.error == (
        "Setting rate_limit_reserve leaves nothing of the account's 10 requests a window: "
        "set it to less than that."
    )
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_wait_longer_than_allowed_ends_the_sync_and_the_next_goes_on_from_there(
    limited: Server, concurrency: int
) -> None:
    limited.behaviour = Behaviour(rate_limit=8, rate_window=3600)
    first = sync(limited, rate_limit_max_wait=60, concurrency=concurrency)
    limited.behaviour = Behaviour()
    second = sync(limited, state=first.state, concurrency=concurrency)
    third = sync(limited, state=second.state)

    assert first.exit_code == ExitCode.QUOTA
    assert first.error.startswith("The account's quota of API requests is used up and resets in ")
    assert "rate_limit_max_wait" in first.error
    assert "Traceback" not in first.stderr
    assert refused(first.requests) == 0
    assert len(first.requests) == 8
    assert first.messages[-1]["type"] == "STATE"

    sent = keyed(first.records["restores"])
    finished = len(first.state["bookmarks"]["restores"]["partitions"])
    # With several workers the last requests may go to addons behind one that gets none.
    assert finished == 6 if concurrency == 1 else 0 < finished <= 6
    assert len(sent) == finished * 2
    assert second.exit_code == 0
    assert not sent.keys() & keyed(second.records["restores"]).keys()
    assert set(sent | keyed(second.records["restores"])) == set(keyed(limited.served_restores()))
    assert third.records["restores"] == []


def test_a_sync_that_starts_with_nothing_left_spends_one_429(limited: Server) -> None:
    limited.behaviour = Behaviour(rate_limit=1, rate_window=3600)
    headers = {"Authorization": f"Bearer {limited.token}"}
    requests.get(f"{limited.url}/v1/projects", headers=headers, timeout=SECONDS)

    run = sync(limited, addons=[f"p0/a{n}" for n in range(10)], rate_limit_max_wait=60)

    assert run.exit_code == ExitCode.QUOTA
    assert len(run.requests) == 1


@pytest.mark.parametrize("headers", [{"retry-after": "3000"}, {}], ids=str)
@pytest.mark.usefixtures("hasty")
def test_an_account_that_refuses_for_long_is_not_asked_for_each_addon(
    server: Server, headers: dict[str, str]
) -> None:
    server.world = World.fan_out(1, 300, 1)
    server.faults = [Fault("/restores$", "status", status=429, headers=headers, after=10)]

    run = sync(server, rate_limit_max_wait=20, addons=[f"p0/a{n}" for n in range(300)])

    assert run.exit_code == ExitCode.QUOTA
    assert run.error
    # Those in flight when the first was refused, and one after each wait.
    assert refused(run.requests) <= 8 + 5


def test_the_dry_run_waits_for_the_quota_too(limited: Server) -> None:
    limited.behaviour = Behaviour(rate_limit=1, rate_window=3600)

    run = sync(limited, "--test", rate_limit_max_wait=60)

    assert run.exit_code == ExitCode.QUOTA
    assert refused(run.requests) == 0
