"""What was asked of the simulator: each request, and how many were served at once."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.world import ListKind


@dataclass
class Request:
    """One request, as it arrived and as it was answered."""

    method: str
    path: str
    """As it was sent, still percent-encoded."""
    query: dict[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    page_of: ListKind | None
    """The list that this is a page of; None for other paths."""
    status: int | None = None
    """None while it is served, and when the connection was dropped without a status."""
    started: float = field(default_factory=time.monotonic)
    """Seconds on the monotonic clock."""
    ended: float | None = None
    """Seconds on the monotonic clock; None while it is served."""


class RequestLog:
    """The requests in the order of their arrival; safe to read from any thread."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._in_flight: set[int] = set()
        self._max_in_flight = 0

    def arrived(self, request: Request) -> None:
        """Note a request that is going to be served."""
        with self._lock:
            self._requests.append(request)
            self._in_flight.add(id(request))
            self._max_in_flight = max(self._max_in_flight, len(self._in_flight))

    def left(self, request: Request) -> None:
        """Note that a request has been served."""
        with self._lock:
            request.ended = time.monotonic()
            self._in_flight.discard(id(request))

    def requests(self) -> list[Request]:
        """Return the requests since the start, or since they were cleared."""
        with self._lock:
            return list(self._requests)

    def max_in_flight(self) -> int:
        """Return the greatest number served at once since the start, or since cleared."""
        with self._lock:
            return self._max_in_flight

    def clear(self) -> None:
        """Forget the requests, also those that are still being served."""
        with self._lock:
            self._requests.clear()
            self._in_flight.clear()
            self._max_in_flight = 0
