"""Several lists in flight: in order, within bounds, and over when the caller is done."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tap_northflank_restores.prefetch import ReadAhead, read_ahead
from tests.support import SECONDS, end_of_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PAGES = [[2, 0, 5, 1, 1, 9, 0, 3], [1], [0], [], [0, 0, 0], [40], [1] * 40, [30, 1, 1, 30]]


class Lists:
    """Lists whose pages are fetched, and how many of them at once."""

    def __init__(
        self, counts: Sequence[int], fetch: Callable[[int, int], object] | None = None
    ) -> None:
        """Let list `n` have `counts[n]` pages; `fetch` is called with a list and a page of it."""
        self._counts = counts
        self._fetch = fetch
        self._lock = threading.Lock()
        self._in_flight = 0
        self.most_in_flight = 0
        self.fetched: list[tuple[int, int]] = []
        self.opened: list[int] = []

    def sources(self) -> Iterator[tuple[int, Iterator[str]]]:
        """Yield each list."""
        for number, count in enumerate(self._counts):
            self.opened.append(number)
            yield number, self._pages(number, count)

    def _pages(self, number: int, count: int) -> Iterator[str]:
        for page in range(count):
            with self._lock:
                self.fetched.append((number, page))
                self._in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self._in_flight)
            try:
                if self._fetch:
                    self._fetch(number, page)
            finally:
                with self._lock:
                    self._in_flight -= 1
            yield f"{number}.{page}"


def expected(counts: Sequence[int]) -> list[tuple[int, list[str]]]:
    return [(number, [f"{number}.{page}" for page in range(n)]) for number, n in enumerate(counts)]


def outcome(pages: Iterator[str]) -> object:
    """Read a list and return how many pages it has, or what the error in it says."""
    try:
        return len(list(pages))
    except OSError as error:
        return error.args[0]


def settled(condition: Callable[[], bool]) -> None:
    """Wait until something has come true, and a moment more for what should not come."""
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.001)
    time.sleep(0.02)


@pytest.mark.parametrize("counts", PAGES, ids=str)
@pytest.mark.parametrize("workers", [0, 1, 2, 8])
@pytest.mark.parametrize("pages_ahead", [1, 2, 32])
def test_lists_and_pages_come_in_order_whatever_the_workers(
    counts: list[int], workers: int, pages_ahead: int
) -> None:
    lists = Lists(counts)

    read = [
        (key, list(pages))
        for key, pages in read_ahead(lists.sources(), workers=workers, pages_ahead=pages_ahead)
    ]

    assert read == expected(counts)
    assert sorted(lists.fetched) == [
        (n, page) for n, count in enumerate(counts) for page in range(count)
    ]
    end_of_threads()


def test_pages_that_take_their_time_in_any_order_come_in_order() -> None:
    counts = [3, 1, 4, 1, 5] * 4
    lists = Lists(counts, lambda number, page: time.sleep((number * 7 + page * 3) % 5 / 1000))

    read = [
        (key, list(pages)) for key, pages in read_ahead(lists.sources(), workers=4, pages_ahead=8)
    ]

    assert read == expected(counts)


@pytest.mark.parametrize("workers", [2, 5])
def test_all_workers_fetch_at_once_and_never_more(workers: int) -> None:
    together = threading.Barrier(workers, timeout=SECONDS)
    lists = Lists([1] * workers * 3, lambda _number, _page: together.wait())

    for _, pages in read_ahead(lists.sources(), workers=workers, pages_ahead=workers):
        list(pages)

    assert lists.most_in_flight == workers


def test_a_single_list_is_read_one_page_at_a_time() -> None:
    lists = Lists([50])

    for _, pages in read_ahead(lists.sources(), workers=8, pages_ahead=32):
        assert len(list(pages)) == 50

    assert lists.most_in_flight == 1


@pytest.mark.parametrize("counts", [[100], [1] * 100, [3, 100, 1, 1, 100]], ids=str)
@pytest.mark.parametrize("pages_ahead", [1, 5])
def test_no_more_pages_are_read_ahead_than_allowed(counts: list[int], pages_ahead: int) -> None:
    lists = Lists(counts)
    handed_on = 0

    for _, pages in read_ahead(lists.sources(), workers=3, pages_ahead=pages_ahead):
        for _ in pages:
            handed_on += 1
            # One more than allowed: the list being handed on may always fetch its next page.
            assert len(lists.fetched) <= handed_on + pages_ahead + 1

    assert handed_on == sum(counts)


def test_nothing_is_opened_far_ahead_either() -> None:
    lists = Lists([1] * 1000)

    with closing(read_ahead(lists.sources(), workers=4, pages_ahead=6)) as reading:
        next(reading)
        settled(lambda: len(lists.fetched) >= 6)
        assert len(lists.opened) <= 8


def test_lists_that_fail_are_not_tried_one_after_the_other_while_the_first_is_read() -> None:
    go_on = threading.Event()

    def fetch(number: int, _page: int) -> None:
        if number:
            raise OSError(number)
        assert go_on.wait(SECONDS)

    lists = Lists([1] * 1000, fetch)

    with closing(read_ahead(lists.sources(), workers=4, pages_ahead=6)) as reading:
        _, pages = next(reading)
        settled(lambda: len(lists.fetched) >= 6)
        assert len(lists.fetched) <= 8
        go_on.set()
        assert list(pages) == ["0.0"]


def test_lists_that_fail_leave_room_for_those_behind_them() -> None:
    def fetch(number: int, _page: int) -> None:
        if number % 3:
            raise OSError(number)

    lists = Lists([2] * 100, fetch)

    read = [
        (key, outcome(pages))
        for key, pages in read_ahead(lists.sources(), workers=4, pages_ahead=3)
    ]

    assert read == [(number, number if number % 3 else 2) for number in range(100)]


def test_lists_that_failed_take_no_room_once_the_caller_knows() -> None:
    together = threading.Barrier(4, timeout=SECONDS)

    def fetch(number: int, _page: int) -> None:
        if number < 20:
            raise OSError(number)
        together.wait()

    lists = Lists([1] * 40, fetch)

    read = [outcome(pages) for _, pages in read_ahead(lists.sources(), workers=4, pages_ahead=4)]

    assert read == [*range(20), *[1] * 20]


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_an_error_comes_after_the_pages_before_it_and_in_its_list(workers: int) -> None:
    def fetch(number: int, page: int) -> None:
        if (number, page) == (1, 2):
            raise OSError("no third page")

    lists = Lists([2, 5, 2], fetch)
    read: list[str] = []

    def take_all() -> None:
        for _, pages in read_ahead(lists.sources(), workers=workers, pages_ahead=8):
            for page in pages:
                read.append(page)  # noqa: PERF402 - what comes before the error counts

    with pytest.raises(OSError, match="no third page"):
        take_all()

    assert read == ["0.0", "0.1", "1.0", "1.1"]
    end_of_threads()


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_a_caller_may_go_on_after_the_error_of_a_list(workers: int) -> None:
    def fetch(number: int, _page: int) -> None:
        if number == 1:
            raise OSError("lost")

    lists = Lists([1, 1, 1], fetch)

    read = [
        outcome(pages) for _, pages in read_ahead(lists.sources(), workers=workers, pages_ahead=2)
    ]

    assert read == [1, "lost", 1]


@pytest.mark.parametrize("counts", [[3, 3, 3], [100, 1], [2]], ids=str)
def test_pages_that_the_caller_does_not_take_are_dropped(counts: list[int]) -> None:
    lists = Lists(counts)
    taken = []

    for _, pages in read_ahead(lists.sources(), workers=3, pages_ahead=4):
        taken.append(next(pages))

    assert taken == [f"{number}.0" for number in range(len(counts))]
    end_of_threads()


def test_a_list_dropped_while_its_page_is_fetched_troubles_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    troubles: list[object] = []
    monkeypatch.setattr(threading, "excepthook", troubles.append)
    go_on = threading.Event()
    fetching = threading.Event()

    def fetch(_number: int, page: int) -> None:
        if page:
            fetching.set()
            assert go_on.wait(SECONDS)

    lists = Lists([2], fetch)
    for _, pages in read_ahead(lists.sources(), workers=2, pages_ahead=4):
        next(pages)
        assert fetching.wait(SECONDS)
    go_on.set()

    end_of_threads()
    assert troubles == []


@pytest.mark.parametrize("after", [0, 1, 5])
def test_closing_ends_the_threads_and_the_reading(after: int) -> None:
    lists = Lists([1] * 1000)

    reading = read_ahead(lists.sources(), workers=4, pages_ahead=8)
    for _, (_, pages) in zip(range(after), reading, strict=False):
        list(pages)
    reading.close()
    end_of_threads()

    assert len(lists.fetched) <= after + 8 + 1


def test_without_workers_no_thread_is_started_and_nothing_read_ahead() -> None:
    lists = Lists([2, 2])
    threads = threading.active_count()

    for handed_on, (_, pages) in enumerate(read_ahead(lists.sources(), workers=0, pages_ahead=32)):
        assert len(lists.fetched) == 2 * handed_on
        next(pages)
        assert len(lists.fetched) == 2 * handed_on + 1
        list(pages)
        assert threading.active_count() == threads


def test_the_caller_gets_to_do_something_else_while_it_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tap_northflank_restores.prefetch._TICK", 0.01)
    ticks = []
    go_on = threading.Event()

    def idle() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            go_on.set()

    lists = Lists([1], lambda _number, _page: go_on.wait(SECONDS))
    for _, pages in read_ahead(lists.sources(), workers=2, pages_ahead=2, idle=idle):
        list(pages)

    assert len(ticks) >= 3


def test_what_the_caller_does_meanwhile_may_end_the_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tap_northflank_restores.prefetch._TICK", 0.01)
    stuck = threading.Event()

    def idle() -> None:
        raise KeyboardInterrupt

    lists = Lists([1], lambda _number, _page: stuck.wait(SECONDS))
    with closing(read_ahead(lists.sources(), workers=2, pages_ahead=2, idle=idle)) as reading:
        _, pages = next(reading)
        with pytest.raises(KeyboardInterrupt):
            list(pages)
    stuck.set()

    end_of_threads()


def test_lists_given_one_by_one_are_read_from_the_first_on() -> None:
    lists = Lists([2] * 20)
    reader: ReadAhead[int, str] = ReadAhead(workers=3, pages_ahead=4)

    for key, pages in lists.sources():
        reader.add(key, pages)
        if key == 0:
            settled(lambda: (0, 0) in lists.fetched)
    settled(lambda: len(lists.fetched) >= 4)
    assert len(lists.fetched) <= 5

    assert [(key, list(pages)) for key, pages in reader.hand_on()] == expected([2] * 20)
    end_of_threads()


def test_a_reader_that_is_stopped_before_it_hands_on_ends_its_threads() -> None:
    lists = Lists([5] * 20)
    reader: ReadAhead[int, str] = ReadAhead(workers=3, pages_ahead=4)
    for key, pages in lists.sources():
        reader.add(key, pages)

    reader.stop()

    end_of_threads()
    assert len(lists.fetched) <= 5
