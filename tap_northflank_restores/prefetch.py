"""Several lists in flight, their pages handed on in order, in bounded memory.

The lists of an account (the addons of each project, the restores of each addon) are independent,
but within one list each page names the next. So worker threads read several lists at once, one page
of each at a time, and the caller gets list after list as if they had been read one by one: two runs
give the same output, whatever the number of workers.

Knows nothing of HTTP or Singer: a list is an iterator that blocks while it fetches its next page.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

Key = TypeVar("Key")
Page = TypeVar("Page")

# How often a caller that waits for a page gets to do something else, in seconds.
_TICK = 0.5


class _Source(Generic[Key, Page]):
    """One list: what is read of it and not yet handed on."""

    __slots__ = ("busy", "done", "error", "key", "pages", "ready")

    def __init__(self, key: Key, pages: Iterator[Page]) -> None:
        self.key = key
        self.pages = pages
        self.ready: deque[Page] = deque()
        self.busy = False
        self.done = False
        self.error: BaseException | None = None


class ReadAhead(Generic[Key, Page]):
    """Worker threads that read lists, and what they share with the caller who gets the pages.

    The lists may be given all at once, or one by one while the workers read already.
    """

    def __init__(
        self,
        sources: Iterable[tuple[Key, Iterator[Page]]] = (),
        *,
        workers: int,
        pages_ahead: int,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the workers.

        Args:
            sources: The lists as pairs of a key and an iterator of its pages (never None). They
                are opened as room comes up; taking the next pair must not block.
            workers: How many pages are fetched at once.
            pages_ahead: How many pages may be in memory or in flight before they are handed on.
            idle: Called about twice a second while the caller waits for a page.
        """
        self._sources = iter(sources)
        self._added: deque[tuple[Key, Iterator[Page]]] = deque()
        self._pages_ahead = pages_ahead
        self._wakes_at = max(workers, pages_ahead // 2)  # or not all of them would fetch at once
        self._idle = idle
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # for workers: a page may be fetched
        self._news = threading.Condition(self._lock)  # for the caller: a page came, or an end
        self._open: deque[_Source[Key, Page]] = deque()  # in order; the first is being handed on
        self._ahead = 0  # pages fetched or being fetched, and not handed on
        self._resting = 0  # workers that wait
        self._stopped = False
        for _ in range(workers):
            threading.Thread(target=self._fetch, name="read-ahead", daemon=True).start()

    def add(self, key: Key, pages: Iterator[Page]) -> None:
        """Give one more list, before the first is handed on."""
        with self._lock:
            self._added.append((key, pages))
            self._wake_worker()

    def stop(self) -> None:
        """End the workers; a page that one waits for is dropped when it comes."""
        # Not joined: a worker may sit in a socket for as long as the request may take.
        with self._lock:
            self._stopped = True
            self._work.notify_all()

    def hand_on(self) -> Iterator[tuple[Key, Iterator[Page]]]:
        """Yield each list's key and its pages, in order; end the workers when that ends.

        An exception of a list is raised where the caller reads that list, after its pages so far.
        Pages left over when the next list is asked for are dropped.
        """
        try:
            while (head := self._head()) is not None:
                yield head.key, self._hand_on(head)
                with self._lock:
                    head.done = True
                    self._ahead -= len(head.ready) + (head.error is not None)
                    head.ready.clear()
                    self._open.popleft()
                    self._wake_worker()
        finally:
            self.stop()

    def _head(self) -> _Source[Key, Page] | None:
        with self._lock:
            if not self._open:
                self._open_next()
                self._wake_worker()
            return self._open[0] if self._open else None

    def _hand_on(self, source: _Source[Key, Page]) -> Iterator[Page]:
        while True:
            with self._lock:
                if not source.ready and not source.done:
                    self._news.wait(_TICK)
                if source.ready:
                    page = source.ready.popleft()
                    self._ahead -= 1
                    self._wake_worker()
                elif source.done:
                    if source.error is not None:
                        raise source.error
                    return
                else:
                    page = None
            if page is None:
                self._idle()
            else:
                yield page

    def _fetch(self) -> None:
        while True:
            with self._lock:
                while (source := self._next_source()) is None:
                    if self._stopped:
                        return
                    self._resting += 1
                    self._work.wait()
                    self._resting -= 1
                if self._stopped:
                    return
                source.busy = True
                self._ahead += 1
                self._wake_worker()
            page, error = None, None
            try:
                page = next(source.pages, None)
            except Exception as exc:  # noqa: BLE001 - raised again where the caller reads this list
                error = exc
            with self._lock:
                source.busy = False
                if page is not None and not source.done:
                    source.ready.append(page)
                elif error is None or source.done:
                    source.done = True
                    self._ahead -= 1
                else:
                    # A failed list keeps its slot until the caller sees the error. Otherwise the
                    # workers would open lists that nobody will read.
                    source.done, source.error = True, error
                if self._open and source is self._open[0]:
                    self._news.notify()

    def _next_source(self) -> _Source[Key, Page] | None:
        """Return the list whose next page is to be fetched: the earliest that there is room for."""
        for source in self._open:
            if source.busy or source.done:
                continue
            # The list being handed on may always fetch one page, or nothing would move.
            if self._ahead < self._pages_ahead or (source is self._open[0] and not source.ready):
                return source
            return None
        return self._open_next() if self._ahead < self._pages_ahead else None

    def _open_next(self) -> _Source[Key, Page] | None:
        if self._stopped:
            return None
        item = self._added.popleft() if self._added else next(self._sources, None)
        if item is None:
            return None
        source = _Source(*item)
        self._open.append(source)
        return source

    def _wake_worker(self) -> None:
        # One at a time, and only where it finds a page to fetch: each worker that wakes for nothing
        # costs as much as a good part of a page. One that finds a page wakes the next.
        if self._resting and self._has_much_room() and self._next_source() is not None:
            self._work.notify()

    def _has_much_room(self) -> bool:
        """Tell whether a worker that wakes now can fetch several pages before it rests again.

        A worker that is awake takes all the room that there is.
        """
        head = self._open[0] if self._open else None
        is_missed = head is not None and not (head.ready or head.busy or head.done)
        return is_missed or self._ahead <= self._wakes_at


def read_ahead(
    sources: Iterable[tuple[Key, Iterator[Page]]],
    *,
    workers: int,
    pages_ahead: int,
    idle: Callable[[], None] = lambda: None,
) -> Generator[tuple[Key, Iterator[Page]], None, None]:
    """Hand on lists in order, see `ReadAhead`; without workers, read nothing ahead.

    Closing the returned iterator ends the reading.
    """
    if not workers:
        yield from sources
    else:
        reader = ReadAhead(sources, workers=workers, pages_ahead=pages_ahead, idle=idle)
        yield from reader.hand_on()
