"""What can go wrong on the way: error statuses, HTML, cut bodies, dropped connections."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.world import Item

Kind = Literal[
    "status",
    "html",
    "body",
    "drop",
    "cut",
    "gzip-cut",
    "malformed",
    "wrong_shape",
    "huge",
    "slow",
    "redirect",
    "not_found",
    "change",
]


@dataclass
class Fault:
    """Something that goes wrong with the requests whose path matches.

    kinds: `status` an error with the documented body; `html` a gateway's page; `body` a gateway's
    `body`, without the headers of the rate limit; `drop` the connection is closed before the
    headers; `cut` the body ends before its content-length; `gzip-cut` a compressed body ends too
    early, though its content-length says so; `malformed` half the JSON, whole as HTTP;
    `wrong_shape` other JSON than documented; `huge` a body of `size` bytes, streamed; `slow` waits
    `seconds`, then answers; `redirect` to `to`; `not_found` 404; `change` the regular body, after
    `change` has had it in its hands.
    """

    match: str
    """Regular expression, searched for in the path without the query."""
    kind: Kind
    times: int | None = None
    """How often it happens; None for ever."""
    after: int = 0
    """Matching requests that are let through first."""
    page: int | None = None
    """Only this page of a list, from 1, empty ones counted."""
    status: int | None = None
    """Status code; without it 500 for `status`, 502 for `html`, 404 for `body`, 302 for
    `redirect`."""
    message: str | None = None
    """Message of the error body."""
    headers: dict[str, str] = field(default_factory=dict)
    """More headers of a `status`, `html`, `body` or `redirect`."""
    body: bytes = b""
    """The whole of a `body`."""
    shape: Any = field(default_factory=list)
    """Body of a `wrong_shape`."""
    size: int = 65 * 1024 * 1024
    """Bytes of a `huge` body."""
    seconds: float = 1
    """Delay of a `slow` one."""
    to: str = ""
    """Where a `redirect` points; `{path}` stands for the path and query of the request."""
    change: Callable[[Item], Any] | None = None
    """Given the regular body; what it returns is sent, or the body itself if that is None."""

    def __post_init__(self) -> None:
        """Compile the expression once."""
        self._pattern = re.compile(self.match)
        self._left = self.times
        self._passing = self.after

    def strikes(self, path: str, page: int | None) -> bool:
        """Tell whether a request is struck, and count it."""
        if self._left == 0 or not self._pattern.search(path):
            return False
        if self.page is not None and self.page != page:
            return False
        if self._passing:
            self._passing -= 1
            return False
        if self._left is not None:
            self._left -= 1
        return True
