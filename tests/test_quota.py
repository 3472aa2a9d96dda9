"""The quota: as a table with a clock of its own, with threads, and over HTTP."""

from __future__ import annotations

import re
import threading
import time
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from simulator import Behaviour, Fault, World, serve
from simulator.quota import Quota as Account
from tap_northflank_restores import headers
from tap_northflank_restores.errors import ExitCode
from tap_northflank_restores.quota import (
    Allowance,
    Place,
    Quota,
    QuotaWaitTooLongError,
    ReserveTooLargeError,
    StoppedError,
)
from tests.support import SECONDS, Run, keyed, small_world, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Request, Server
    from simulator.quota import Spent

pytestmark = pytest.mark.slow

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
        self.flying: list[Place] = []
        namespace = SimpleNamespace(Condition=partial(Condition, self.clock))
        monkeypatch.setattr("tap_northflank_restores.quota.threading", namespace)
        self.quota = Quota(
            clock=self.clock, on_wait=lambda *wait: self.told.append(wait), **settings
        )

    def send(self) -> float:
        """Send a request and return the seconds waited before it."""
        before = self.clock.now
        self.flying.append(self.quota.acquire())
        return self.clock.now - before

    def answer(self, remaining: int | None = None, reset: float = 60, limit: int = 100) -> None:
        """Take the response of the request that has flown for the longest."""
        allowance = None if remaining is None else Allowance(limit, remaining, reset)
        self.quota.release(self.flying.pop(0), allowance)

    def refuse(
        self, retry_after: float | None = None, reset: float | None = None, limit: int = 100
    ) -> None:
        """Take the 429 of the request that has flown for the longest."""
        allowance = None if reset is None else Allowance(limit, 0, reset)
        self.quota.refuse(self.flying.pop(0), retry_after, allowance)


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


def test_a_slow_answer_with_older_headers_gives_nothing_back(ledger: Ledger) -> None:
    ledger.send()
    ledger.answer(50, reset=60)
    slow = ledger.quota.acquire()
    for remaining in range(48, 20, -1):
        ledger.send()
        ledger.clock.now += 0.1
        ledger.answer(remaining, reset=60)
    ledger.clock.now += 4
    ledger.quota.release(slow, Allowance(100, 49, 60))

    assert ledger.quota.remaining == 21


def test_after_no_response_at_all_still_one_request_flies_alone(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.send()
        with pytest.raises(WouldWaitForOthersError):
            ledger.send()
        ledger.flying.pop()
        ledger.quota.lose()
    ledger.send()
    ledger.flying.pop()
    ledger.quota.withdraw()
    ledger.send()

    with pytest.raises(WouldWaitForOthersError):
        ledger.send()


def test_a_gateways_page_does_not_say_that_there_is_no_limit(ledger: Ledger) -> None:
    ledger.send()
    ledger.quota.release(ledger.flying.pop(), None, is_success=False)
    ledger.send()

    with pytest.raises(WouldWaitForOthersError):
        ledger.send()


def test_a_request_without_response_may_count_and_one_that_was_not_sent_does_not(
    ledger: Ledger,
) -> None:
    ledger.send()
    ledger.answer(4, reset=60)
    for _ in range(2):
        ledger.send()
    ledger.flying.clear()
    ledger.quota.lose()
    ledger.quota.withdraw()

    assert [ledger.send() for _ in range(3)] == [0, 0, 0]
    with pytest.raises(WouldWaitForOthersError):
        ledger.send()


def test_a_refusal_with_quota_left_is_waited_out_briefly_and_not_up_to_the_reset(
    ledger: Ledger,
) -> None:
    waits = []
    ledger.send()
    for _ in range(4):
        ledger.quota.refuse(ledger.flying.pop(), None, Allowance(1000, 900, 3000))
        waits.append(ledger.send() - MARGIN)

    assert waits == [1, 2, 4, 8]
    assert [left for _, left in ledger.told] == [900] * 4
    assert ledger.quota.remaining == 900


@pytest.mark.parametrize(("max_wait", "longest"), [(1e6, 300), (50, 50)])
def test_refusals_without_end_with_quota_left_are_given_up_after_some_minutes(
    monkeypatch: pytest.MonkeyPatch, max_wait: float, longest: float
) -> None:
    ledger = Ledger(monkeypatch, max_wait=max_wait)

    def ask_for_ever() -> None:
        while True:
            ledger.send()
            ledger.quota.refuse(ledger.flying.pop(), None, Allowance(1000, 900, 3000))

    with pytest.raises(QuotaWaitTooLongError) as caught:
        ask_for_ever()

    assert not caught.value.used_up
    assert longest / 2 < caught.value.seconds <= longest
    assert ledger.quota.spent < 12


def test_a_refusal_within_the_reserve_waits_for_the_reset_whatever_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = Ledger(monkeypatch, reserve=20)
    ledger.send()
    ledger.quota.refuse(ledger.flying.pop(), 5, Allowance(100, 10, 60))

    assert ledger.send() == 60 + MARGIN


def test_without_a_word_on_what_is_left_requests_are_counted_against_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = Ledger(monkeypatch, reserve=3)
    for _ in range(7):
        assert ledger.send() == 0
        ledger.quota.release(ledger.flying.pop(), Allowance(10, None, 60))

    assert ledger.send() == 60 + MARGIN


def test_with_a_reset_alone_one_request_flies_at_a_time(ledger: Ledger) -> None:
    ledger.send()
    ledger.quota.release(ledger.flying.pop(), Allowance(None, None, 60))
    ledger.send()

    with pytest.raises(WouldWaitForOthersError):
        ledger.send()


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
                self._answer(self.quota.acquire())
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

    def answer(place: Place) -> None:
        nonlocal left
        with lock:
            left -= 1
            allowance = Allowance(200, left, 3600)
        time.sleep(0.0005)
        quota.release(place, allowance)

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
        place = quota.acquire()
        served.append(name)
        quota.release(place, one_left)

    first = quota.acquire()
    thread = threading.Thread(target=ask, args=["waits"], daemon=True)
    thread.start()
    assert waits.wait(SECONDS)
    quota.release(first, one_left)
    ask("comes later")
    thread.join(SECONDS)

    assert served == ["waits", "comes later"]


def test_a_pool_that_is_refused_waits_once() -> None:
    waits: list[float] = []
    refused = threading.Event()
    together = threading.Barrier(8, action=refused.set)
    first = threading.Event()

    def answer(place: Place) -> None:
        if not first.is_set():
            first.set()
            quota.release(place, None)
            return
        together.wait(SECONDS)
        quota.refuse(place, 30, None)

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
    pool = Pool(quota, lambda place: quota.release(place, Allowance(100, 0, reset)))
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
    pool = Pool(quota, lambda place: quota.release(place, allowance))
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
        ({"x-ratelimit-remaining": "none", "x-ratelimit-reset": "20"}, "21"),
        ({"x-ratelimit-reset": "20"}, "21"),
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


DATE = "Fri, 27 Nov 2026 12:00:30 GMT"
RESET = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "20"}


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"date": "Fri, 27 Nov 2026 12:00:00 GMT"}, "31"),
        ({"date": "Fri, 27 Nov 2026 13:00:00 +0100"}, "31"),
        ({"date": "Fri, 27 Nov 2026 12:00:00 GMT", **RESET}, "31"),
        ({"date": "Fri, 27 Nov 2026 12:01:00 GMT"}, "2"),
        ({"date": "Fri, 27 Nov 2026 12:01:00 GMT", **RESET}, "2"),
        (RESET, "21"),
        ({"date": "today", **RESET}, "21"),
        ({}, "2"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("hasty")
def test_a_date_in_retry_after_counts_from_the_servers_clock_and_never_from_ours(
    server: Server, headers: dict[str, str], wait: str
) -> None:
    server.world = small_world(a=1)
    headers = {"retry-after": DATE, **headers}
    server.faults = [Fault("/restores$", "status", status=429, headers=headers, times=1)]

    run = sync(server, addons=["p/a"])

    assert run.exit_code == 0
    (line,) = waits(run)
    assert f"; waiting {wait} s" in line


@pytest.mark.parametrize("hours", [-24, 0, 24])
@pytest.mark.usefixtures("hasty")
def test_a_server_whose_clock_is_a_day_off_is_waited_for_as_it_says(
    limited: Server, hours: float
) -> None:
    limited.behaviour = Behaviour(
        rate_limit=7,
        rate_window=2,
        rate_headers=False,
        retry_after="date",
        clock_ahead=hours * 3600,
    )

    run = sync(limited, rate_limit_max_wait=600)

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 20


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 2024 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
def test_a_date_in_retry_after_that_nothing_can_be_made_of_is_none(
    server: Server, date: str
) -> None:
    server.world = small_world(a=1)
    server.faults = [
        Fault("/restores$", "status", status=429, headers={"retry-after": date}, times=1)
    ]

    run = sync(server, addons=["p/a"])

    (line,) = waits(run)
    assert "; waiting 2 s for" in line


@pytest.mark.parametrize(
    "retry_after", ["99999999999", "1e9", "9999-12-31", "Fri, 31 Dec 9999 23:59:59 GMT"]
)
@pytest.mark.usefixtures("hasty")
def test_an_absurd_retry_after_ends_in_one_line_or_is_not_believed(
    server: Server, retry_after: str
) -> None:
    server.world = small_world(a=1)
    headers = {"retry-after": retry_after, "date": "Fri, 27 Nov 2026 12:00:00 GMT"}
    server.faults = [Fault("/restores$", "status", status=429, headers=headers, times=1)]

    run = sync(server, addons=["p/a"])

    assert run.exit_code in {0, ExitCode.QUOTA}
    assert len(run.requests) == (2 if run.exit_code == 0 else 1)
    assert "Traceback" not in run.stderr
    if run.exit_code:
        assert run.error.startswith("The API refuses requests (429) for the next ")


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


NAMES = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (("1000", "3", "60"), (1000, 3, 60)),
        (("1000, 1000", "3, 3", "60, 60"), (1000, 3, 60)),
        (("1000, 500", "7, 3", "60, 3600"), (500, 3, 3600)),
        (('"1000"', '"3"', '"60"'), (1000, 3, 60)),
        (("1000.0", "2.9", "59.5"), (1000, 2, 59.5)),
        (("1000;w=3600", "3;w=3600", "60;w=3600"), (1000, 3, 60)),
        (("1000, 1000;w=3600", "3", "60"), (1000, 3, 60)),
        (("1e3", "1e1", "6e1"), (1000, 10, 60)),
        ((" 1000 ", "+3", "060"), (1000, 3, 60)),
        (("1000", "0, none", "60"), (1000, 0, 60)),
        (("1000", "-1", "60"), (1000, -1, 60)),
        # More cannot be left than there is.
        (("10", "1000", "60"), (10, 10, 60)),
        (("1000, 10", "500", "60"), (10, 10, 60)),
        # A limit that nothing could ever meet is none.
        (("0", "0", "60"), (None, 0, 60)),
        (("-1", "3", "60"), (None, 3, 60)),
        (("0.5", "3", "60"), (None, 3, 60)),
        (("inf", "3", "60"), (None, 3, 60)),
        # Without a time until the reset, a whole window.
        (("1000", "3", None), (1000, 3, 3600)),
        (("1000", "3", "-5"), (1000, 3, 3600)),
        (("1000", "3", "soon"), (1000, 3, 3600)),
        (("1000", "3", "nan"), (1000, 3, 3600)),
        (("1000", "3", "1790000000"), (1000, 3, 3600)),
        (("1000", "3", "1790000000, 60"), (1000, 3, 60)),
        (("1000", "3", "9" * 400), (1000, 3, 3600)),
        # What is left may remain unknown.
        (("1000", None, "60"), (1000, None, 60)),
        (("1000", "", "60"), (1000, None, 60)),
        (("1000", "many", "60"), (1000, None, 60)),
        (("1000", "nan", "60"), (1000, None, 60)),
        (("1000", "inf", "60"), (1000, None, 60)),
        (("1000", "\u0663", "60"), (1000, None, 60)),
        ((None, None, "60"), (None, None, 60)),
        (("", "", ""), (None, None, 3600)),
    ],
    ids=str,
)
def test_odd_headers_are_read_at_their_most_careful(
    values: tuple[str | None, ...], read: tuple[float | None, ...]
) -> None:
    told = {name: value for name, value in zip(NAMES, values, strict=True) if value is not None}

    assert headers.allowance(told) == Allowance(*read)  # type: ignore[arg-type]


def test_no_headers_say_nothing() -> None:
    assert headers.allowance({"x-request-id": "7"}) is None


@pytest.mark.parametrize(
    "odd", ["{}, {}", '"{}"', "{}.0", "{};w=3600", " {} ", "{}, none"], ids=str
)
def test_odd_headers_keep_the_sync_from_a_429_as_plain_ones_do(
    limited: Server, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    spend = Account.spend

    def spend_oddly(account: Account, behaviour: Behaviour) -> Spent:
        spent = spend(account, behaviour)
        told = {name: odd.format(value, value) for name, value in spent.headers.items()}
        return spent._replace(headers=told)

    monkeypatch.setattr(Account, "spend", spend_oddly)
    limited.behaviour = Behaviour(rate_limit=8, rate_window=1)

    run = sync(limited)

    assert run.exit_code == 0
    assert refused(run.requests) == 0
    assert windows(run.requests) == [8, 4]


@pytest.mark.parametrize("limit", ["0", "-1", "0, 0", '"0"'])
def test_a_limit_of_nothing_does_not_blame_the_reserve(server: Server, limit: str) -> None:
    server.world = small_world(a=1)
    told = {"x-ratelimit-limit": limit, "x-ratelimit-remaining": "5", "x-ratelimit-reset": "9"}
    server.faults = [Fault("/projects$", "status", status=503, headers=told, times=1)]

    run = sync(server)

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 1


LEFT = {"x-ratelimit-remaining": "900", "x-ratelimit-reset": "3000", "x-ratelimit-limit": "1000"}


@pytest.mark.usefixtures("hasty")
def test_a_429_with_quota_left_is_a_short_throttle(server: Server) -> None:
    server.world = small_world(a=1)
    server.faults = [Fault("/restores$", "status", status=429, headers=LEFT, times=3)]

    run = sync(server, addons=["p/a"], rate_limit_max_wait=60)

    assert run.exit_code == 0
    assert len(run.requests) == 4
    assert [re.sub(r".*; ", "", line) for line in waits(run)] == [
        f"waiting {seconds} s, as the API refuses requests all the same." for seconds in (2, 3, 5)
    ]


@pytest.mark.usefixtures("hasty")
def test_a_429_with_quota_left_for_ever_ends_in_a_line_that_does_not_say_used_up(
    server: Server,
) -> None:
    server.world = World.fan_out(1, 50, 1)
    server.faults = [Fault("/restores$", "status", status=429, headers=LEFT)]

    run = sync(server)

    assert run.exit_code == ExitCode.QUOTA
    assert run.error.startswith("The API refuses requests (429) and was waited for in vain for ")
    assert "is used up. The state" in run.error
    assert len(run.requests) < 30


@pytest.mark.parametrize("body", [b"<html>Slow down</html>", b""])
@pytest.mark.usefixtures("hasty")
def test_a_429_of_a_gateway_is_waited_out_too(server: Server, body: bytes) -> None:
    server.world = small_world(a=1)
    server.faults = [Fault("/restores$", "body", status=429, body=body, times=3)]

    run = sync(server, addons=["p/a"])

    assert run.exit_code == 0
    assert len(run.requests) == 4


@pytest.mark.usefixtures("hasty")
def test_one_request_at_a_time_is_made_until_one_is_answered(server: Server) -> None:
    server.world = World.fan_out(1, 20, 1)
    server.faults = [Fault("/restores$", "drop", times=3)]
    server.behaviour.latency = 0.01

    run = sync(server, addons=[f"p0/a{n}" for n in range(20)])

    assert run.exit_code == 0
    assert [request.status for request in run.requests[:4]] == [None, None, None, 200]
    assert all(after.started >= (before.ended or 0) for before, after in pairwise(run.requests[:4]))


@pytest.mark.parametrize("rounding", ["up", "down", "nearest"])
@pytest.mark.parametrize("concurrency", [1, 8, 32])
def test_the_reserve_is_left_whatever_an_answer_takes(
    limited: Server, rounding: Any, concurrency: int
) -> None:
    limited.world = World.fan_out(1, 60, 1)
    limited.behaviour = Behaviour(
        rate_limit=60,
        rate_window=3600,
        rate_rounding=rounding,
        latency=lambda request: 1.5 if request.path.endswith(("a7/restores", "a9/restores")) else 0,
    )

    run = sync(limited, rate_limit_reserve=20, rate_limit_max_wait=0, concurrency=concurrency)

    assert run.exit_code == ExitCode.QUOTA
    assert len(run.requests) == 40
    assert refused(run.requests) == 0


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
