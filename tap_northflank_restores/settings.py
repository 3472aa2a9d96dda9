"""What a user can set, what each setting takes, and the line that says so when it is wrong."""

from __future__ import annotations

import difflib
import json
import logging
import math
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException
from singer_sdk import typing as th

from tap_northflank_restores.errors import ConfigurationError
from tap_northflank_restores.instants import instant
from tap_northflank_restores.masking import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENVIRONMENT_PREFIX = "TAP_NORTHFLANK_RESTORES_"

_ID = r"[A-Za-z0-9-]+"

logger = logging.getLogger("tap-northflank-restores")

SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "api_token",
        th.StringType(pattern=r"^[\x21-\x7e]+$"),
        required=True,
        secret=True,
        title="API token",
        description="Bearer token of a Northflank API role.",
    ),
    th.Property(
        "api_url",
        th.StringType(pattern=r"^https?://"),
        default="https://api.northflank.com",
        title="API URL",
        description="Where the API is, as an http or https URL.",
    ),
    th.Property(
        "team_id",
        th.StringType(pattern=f"^{_ID}$"),
        title="Team id",
        description="For organisation tokens: the team to read. "
        "All paths are then under /v1/teams/{team_id}.",
    ),
    th.Property(
        "project_ids",
        th.ArrayType(th.StringType(pattern=f"^{_ID}$")),
        title="Project ids",
        description="Read these projects only, and ask nothing about others (so the stream "
        "projects is empty). Default: all that the token may see.",
    ),
    th.Property(
        "addons",
        th.ArrayType(th.StringType(pattern=f"^{_ID}/{_ID}$")),
        title="Addons",
        description="Read exactly these addons, each as projectId/addonId, and list nothing (so "
        "the streams projects and addons are empty). Goes before project_ids. Default: all.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Leave out restores completed before this time.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=100),
        default=100,
        title="Page size",
        description="Items a page, 1 to 100. Fewer make more requests.",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=32),
        default=8,
        title="Concurrency",
        description="Requests in flight, 1 to 32.",
    ),
    th.Property(
        "rate_limit_reserve",
        th.IntegerType(minimum=0),
        default=0,
        title="Rate limit reserve",
        description="Requests of the account's window to leave to its other users.",
    ),
    th.Property(
        "rate_limit_max_wait",
        th.IntegerType(minimum=0),
        default=3600,
        title="Rate limit: longest wait",
        description="Longest wait for the account's quota to reset, in seconds. "
        "A longer one ends the sync, and the next run goes on from there.",
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=86_400),
        default=60,
        title="Request timeout",
        description="Seconds to wait for a connection, and for each part of a response.",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="Value of the User-Agent header. Default: the tap's name and version.",
    ),
).to_dict()


def _matches(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _list_of(pattern: str) -> Callable[[object], bool]:
    matches = _matches(pattern)
    return lambda value: isinstance(value, list) and bool(value) and all(map(matches, value))


def _whole(minimum: int, maximum: float = math.inf) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum
    )


def _is_url(value: object) -> bool:
    if not isinstance(value, str) or not value.isascii() or re.search(r"[\s\\]", value):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port
        # It refuses hosts that `urlsplit` lets through, such as *.northflank.com.
        PreparedRequest().prepare_url(value, None)
    except (ValueError, RequestException):
        return False
    return (
        value.startswith(("http://", "https://"))
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and "?" not in value
        and "#" not in value
    )


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and isinstance(instant(value), int)
    except ValueError:
        return False


_AN_ID = "letters, digits and hyphens"

# For each setting, what is right and how to say it.
TAKES: dict[str, tuple[Callable[[object], bool], str]] = {
    "api_token": (
        _matches(r"[\x21-\x7e]+"),
        "a token: printable ASCII characters without white space or line ends",
    ),
    "api_url": (
        _is_url,
        "an http or https URL without user, query or fragment, such as https://api.northflank.com",
    ),
    "team_id": (_matches(_ID), f"an id: {_AN_ID}"),
    "project_ids": (_list_of(_ID), f"a list of one or more project ids ({_AN_ID})"),
    "addons": (
        _list_of(f"{_ID}/{_ID}"),
        f"a list of one or more addons as projectId/addonId (each id {_AN_ID})",
    ),
    "start_date": (_is_time, "a date and time such as 2026-01-31T00:00:00Z"),
    "page_size": (_whole(1, 100), "a whole number from 1 to 100"),
    "concurrency": (_whole(1, 32), "a whole number from 1 to 32"),
    "rate_limit_reserve": (_whole(0), "a whole number of requests, 0 or more"),
    "rate_limit_max_wait": (_whole(0), "a whole number of seconds, 0 or more"),
    "request_timeout": (_whole(1, 86_400), "a whole number of seconds from 1 to 86400"),
    "user_agent": (_matches(r"[\x20-\x7e]*[\x21-\x7e]"), "one line of printable ASCII characters"),
}


def problems(config: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the settings.

    Args:
        config: The settings by name, as given.

    Returns:
        One line for each setting that is wrong; none of them shows the token.
    """
    lines = []
    for name, (is_right, takes) in TAKES.items():
        value = config.get(name)
        if value is None:
            if name in SCHEMA["required"]:
                lines.append(
                    f"Setting {name} is missing: it takes {takes}. "
                    f"Set {ENVIRONMENT_PREFIX}{name.upper()} or {name} in the config."
                )
        elif not is_right(value):
            hidden = name == "api_token" or "@" in str(value)
            got = "" if hidden else f", not {_shortened(value)}"
            lines.append(f"Setting {name} takes {takes}{got}.")
    return lines


def warn_unknown(config: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Warn of each setting that has no effect, as a typing error would otherwise read too much."""
    for name in config.keys() - known.keys():
        close = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {close[0]}?" if close else "."
        logger.warning("Setting %s is unknown and has no effect%s", name, hint)


def check_environment(properties: Mapping[str, Any]) -> None:
    """Find the variable of the environment that is at fault when the SDK cannot read one.

    Args:
        properties: The JSON schema of each setting, those of the SDK too.

    Raises:
        ConfigurationError: A variable is not the whole number or the JSON that its setting takes.
    """
    for name, schema in properties.items():
        variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
        value = os.environ.get(variable)
        types = schema.get("type", ())
        try:
            if value is None:
                continue
            if "integer" in types:
                int(value)
            elif "object" in types:
                json.loads(value)
        except ValueError:
            _, takes = TAKES.get(name, (None, "a whole number" if "integer" in types else "JSON"))
            msg = f"Setting {name} takes {takes}, not {_shortened(value)} ({variable})."
            raise ConfigurationError(msg) from None


def _shortened(value: object) -> str:
    text = masked(repr(value))  # before it is cut
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004 - a line's length
