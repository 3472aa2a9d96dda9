"""Delivers messages through Apprise, whose URLs hold secrets: none of them is ever shown."""

from __future__ import annotations

import logging
import os
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from apprise import Apprise
from apprise.common import NotifyFormat, NotifyType, OverflowMode

from northflank_restore_report.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from apprise import NotifyBase

    from northflank_restore_report.message import Message

URLS = "NORTHFLANK_ALERTS_URLS"
"""Variable with the destinations."""

ONLY = "alerts"
"""Name of a destination that has none, as it is the only one."""

TOKEN = "TAP_NORTHFLANK_RESTORES_API_TOKEN"  # noqa: S105 - the name of a variable

NAMED = re.compile(r"(?:(?P<name>[\w-]+)=)?(?P<url>[A-Za-z][A-Za-z0-9+.-]*://\S*)")
LOGIN = re.compile(r"(?<=://)[^\s/@]+(?=@)|(?<=bearer )\S+", re.IGNORECASE)
PASSWORD = re.compile(r"password=([^&\s]+)", re.IGNORECASE)
SEPARATORS = re.compile(r"[/?&=:@]")
STATUS = re.compile(r"error=(\d{3})\b")
SHORTEST, SHORTEST_KEY = 4, 8
"""Characters of a secret: fewer would hide what is none."""

CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 30.0
"""Apprise gives up after 4 s, and what a slow service has taken by then would be told again."""


class _Statuses(logging.Handler):
    """Takes of what Apprise logs the HTTP statuses alone: all else may repeat a URL."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a status."""
        self.seen += STATUS.findall(record.getMessage())


STATUSES = _Statuses()
logging.getLogger("apprise").addHandler(STATUSES)
logging.getLogger("apprise").propagate = False


class DestinationsError(ReportError):
    """The destinations cannot be used; the message has no part of a URL."""


@dataclass(frozen=True)
class Destination:
    """A place where messages go.

    Attributes:
        name: what it is called in outputs and in what was told.
        url: Apprise's; it holds secrets.
    """

    name: str
    url: str = field(repr=False)

    def deliver(self, message: Message) -> str:
        """Deliver a message, and return why that failed; empty if it did not."""
        service = _service(self)
        STATUSES.seen.clear()
        try:
            if service.notify(
                title=message.title,
                body=message.body,
                notify_type=NotifyType(message.gravity),
                body_format=NotifyFormat.TEXT,
            ):
                return ""
        except Exception as error:  # noqa: BLE001 - of any of the many services
            return type(error).__name__
        return f"HTTP status {STATUSES.seen[-1]}" if STATUSES.seen else "no answer, or a refusal"


def destinations(file: Path | None) -> list[Destination]:
    """Return where messages go.

    Args:
        file: has a destination a line; None for those of the variable.

    Raises:
        DestinationsError: there is none, or one cannot be read.
    """
    source = "the file of --destinations" if file else URLS
    if file:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise DestinationsError(f"{source} cannot be read: {reason}") from None
        text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    else:
        text = os.environ.get(URLS, "")
    words = text.split()
    matches = [NAMED.fullmatch(word) for word in words]
    found = [match for match in matches if match]
    if len(found) < len(words):
        number = matches.index(None) + 1
        raise DestinationsError(
            f"Entry {number} of {len(words)} in {source} is not a URL of Apprise"
        )
    if len(found) > 1 and not all(match["name"] for match in found):
        raise DestinationsError(f"Of several URLs in {source} each needs a name: name=url")
    all_ = [Destination(match["name"] or ONLY, match["url"]) for match in found]
    if len({one.name for one in all_}) < len(all_):
        raise DestinationsError(f"Two URLs in {source} have one name")
    if not all_:
        raise DestinationsError(f"Where to? Set {URLS}, or give --destinations with a file")
    for one in all_:
        _service(one)
    return all_


def _service(destination: Destination) -> NotifyBase:
    with warnings.catch_warnings():  # Of modules that Apprise imports, which would fill the log.
        warnings.simplefilter("ignore", DeprecationWarning)
        service = Apprise.instantiate(destination.url)
    if service is None:
        raise DestinationsError(
            f"Apprise cannot read the URL of {destination.name}: compare it with what Apprise's "
            "documentation has for the service"
        )
    given = urlsplit(destination.url).query
    if "rto=" not in given:
        service.socket_read_timeout = ANSWER_SECONDS
    if "cto=" not in given:
        service.socket_connect_timeout = CONNECT_SECONDS
    if "overflow=" not in given:  # A service that takes less would refuse the message for ever.
        service.overflow_mode = OverflowMode.TRUNCATE
    return service


class Mask:
    """Hides secrets in what is sent and printed."""

    def __init__(self, warehouse: str | None, all_: Iterable[Destination] = ()) -> None:
        """Take what holds secrets: the warehouse's URL and the destinations."""
        secrets = {os.environ.get(TOKEN, "")}
        if warehouse:
            secrets |= _passwords(warehouse)
        for one in all_:
            secrets |= {one.url, *_passwords(one.url), *filter(_is_key, SEPARATORS.split(one.url))}
        secrets |= {unquote(secret) for secret in secrets}
        found = sorted((s for s in secrets if len(s) >= SHORTEST), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, found)) or r"(?!)")

    def __call__(self, text: str) -> str:
        """Return a text without them."""
        return LOGIN.sub("***", self._secrets.sub("***", text))


def _passwords(url: str) -> set[str]:
    login, _, _ = url.partition("://")[2].rpartition("@")
    return {login.partition(":")[2], *PASSWORD.findall(url)}


def _is_key(part: str) -> bool:
    """Whether a part of a URL may be a key, and is no word such as a channel's name."""
    return len(part) >= SHORTEST_KEY and bool(re.search(r"\d", part) and re.search(r"[^\d.]", part))
