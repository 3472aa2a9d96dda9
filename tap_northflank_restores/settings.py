"""What a user can set, what each setting takes, and the line that says so when it is wrong."""

from __future__ import annotations

import json
import logging
import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dotenv import find_dotenv, load_dotenv
from requests import PreparedRequest, RequestException
from singer_sdk import typing as th

from tap_northflank_restores.errors import ConfigurationError, did_you_mean, shown
from tap_northflank_restores.instants import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENVIRONMENT_PREFIX = "TAP_NORTHFLANK_RESTORES_"

_ID = r"[A-Za-z0-9-]+"
_AN_ID = "letters, digits and hyphens"
_URL = "^https?://"
_PAGE_SIZES = 1, 100
_CONCURRENCIES = 1, 32
_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(
    ("false", "0", "no", "off"), False
)

logger = logging.getLogger("tap-northflank-restores")


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        type: Its JSON schema.
        takes: What it takes, in words that follow "takes".
        is_right: Tells whether a value is right.
    """

    type: th.JSONTypeHelper[Any]
    takes: str
    is_right: Callable[[object], bool]


@dataclass(frozen=True)
class Setting:
    """A setting of the tap's own."""

    name: str
    kind: Kind
    title: str
    description: str
    default: Any = None
    required: bool = False
    secret: bool = False

    @property
    def property(self) -> th.Property[Any]:
        """The setting as the SDK declares it."""
        return th.Property(
            self.name,
            self.kind.type,
            title=self.title,
            description=self.description,
            default=self.default,
            required=self.required,
            secret=self.secret,
        )


def _matches(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _text(pattern: str, takes: str) -> Kind:
    return Kind(th.StringType(pattern=f"^{pattern}$"), takes, _matches(pattern))


def _list(pattern: str, takes: str) -> Kind:
    matches = _matches(pattern)
    return Kind(
        th.ArrayType(th.StringType(pattern=f"^{pattern}$")),
        takes,
        lambda value: isinstance(value, list) and bool(value) and all(map(matches, value)),
    )


def _whole(minimum: int, maximum: int | None = None, of: str = "") -> Kind:
    bounds = f" from {minimum} to {maximum}" if maximum else f", {minimum} or more"
    return Kind(
        th.IntegerType(minimum=minimum, maximum=maximum),
        f"a whole number{of}{bounds}",
        lambda value: (
            isinstance(value, int)
            and not isinstance(value, bool)
            and minimum <= value <= (maximum or math.inf)
        ),
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
        re.match(_URL, value) is not None
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


SETTINGS = (
    Setting(
        "api_token",
        _text(
            r"[\x21-\x7e]+",
            "a token: printable ASCII characters without white space or line ends",
        ),
        required=True,
        secret=True,
        title="API token",
        description="Bearer token of a Northflank API role.",
    ),
    Setting(
        "api_url",
        Kind(
            th.StringType(pattern=_URL),
            "an http or https URL without user, query or fragment, such as "
            "https://api.northflank.com",
            _is_url,
        ),
        default="https://api.northflank.com",
        title="API URL",
        description="Where the API is, as an http or https URL.",
    ),
    Setting(
        "team_id",
        _text(_ID, f"an id: {_AN_ID}"),
        title="Team id",
        description="For organisation tokens: the team to read. "
        "All paths are then under /v1/teams/{team_id}.",
    ),
    Setting(
        "project_ids",
        _list(
            _ID,
            f"a list of one or more project ids ({_AN_ID}), such as shop,payments or "
            '["shop", "payments"]',
        ),
        title="Project ids",
        description="Read these projects only, and ask nothing about others (so the stream "
        "projects is empty). Default: all that the token may see.",
    ),
    Setting(
        "addons",
        _list(
            f"{_ID}/{_ID}",
            f"a list of one or more addons as projectId/addonId (each id {_AN_ID}), such as "
            'shop/orders,payments/ledger or ["shop/orders", "payments/ledger"]',
        ),
        title="Addons",
        description="Read exactly these addons, each as projectId/addonId, and list nothing (so "
        "the streams projects and addons are empty). Goes before project_ids. Default: all.",
    ),
    Setting(
        "start_date",
        Kind(th.DateTimeType(), "a date and time such as 2026-01-31T00:00:00Z", _is_time),
        title="Start date",
        description="Leave out restores completed before this time.",
    ),
    Setting(
        "page_size",
        _whole(*_PAGE_SIZES),
        default=100,
        title="Page size",
        description="Items a page, {} to {}. Fewer make more requests.".format(*_PAGE_SIZES),
    ),
    Setting(
        "concurrency",
        _whole(*_CONCURRENCIES),
        default=8,
        title="Concurrency",
        description="Requests in flight, {} to {}.".format(*_CONCURRENCIES),
    ),
    Setting(
        "rate_limit_reserve",
        _whole(0, of=" of requests"),
        default=0,
        title="Rate limit reserve",
        description="Requests of the account's window to leave to its other users.",
    ),
    Setting(
        "rate_limit_max_wait",
        _whole(0, of=" of seconds"),
        default=3600,
        title="Rate limit: longest wait",
        description="Longest wait for the account's quota to reset, in seconds. "
        "A longer one ends the sync, and the next run goes on from there.",
    ),
    Setting(
        "request_timeout",
        _whole(1, 86_400, of=" of seconds"),
        default=60,
        title="Request timeout",
        description="Seconds to wait for a connection, and for each part of a response.",
    ),
    Setting(
        "user_agent",
        _text(r"[\x20-\x7e]*[\x21-\x7e]", "one line of printable ASCII characters"),
        title="User agent",
        description="Value of the User-Agent header. Default: the tap's name and version.",
    ),
)

SCHEMA: dict[str, Any] = th.PropertiesList(*(setting.property for setting in SETTINGS)).to_dict()


def read(given: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are set, a text read as what its setting takes.

    Null and an empty text stand for what is not set: so `docker compose` and Meltano hand on a
    variable that is there and empty. A text that cannot be read stays, for `problems` to tell.

    Args:
        given: The settings by name, from a file or from the environment.
        properties: The JSON schema of each setting, those of the SDK too.
    """
    return {
        name: _read(value, properties[name].get("type", ())) if name in properties else value
        for name, value in given.items()
        if value is not None and not (value == "" and name in properties)
    }


def _read(value: object, types: list[str]) -> object:
    if not isinstance(value, str) or "string" in types:
        return value
    text = value.strip()
    if "array" in types:
        return _items(text)
    if "integer" in types:
        return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else value
    if "boolean" in types:
        return _BOOLEANS.get(text.lower(), value)
    try:
        return json.loads(text)
    except ValueError:
        return value


def _items(text: str) -> list[str]:
    """Read a list of ids: `shop,payments`, `["shop", "payments"]`, and what is in between."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    items = [item.strip() for item in text.split(",")]
    if items[-1] == "":
        items.pop()  # What a comma at the end leaves.
    return [
        item[1:-1] if item[:1] in {'"', "'"} and item[:1] == item[-1:] else item for item in items
    ]


def from_environment(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that variables set, those of the nearest `.env` too.

    Args:
        properties: The names of all settings.

    Raises:
        ConfigurationError: The `.env` is no text.
    """
    path = ".env"
    try:
        path = find_dotenv(usecwd=True)
        load_dotenv(path, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The file {path} cannot be read: {error}.") from error
    found = {name: os.environ.get(variable(name)) for name in properties}
    return {name: value for name, value in found.items() if value}


def variable(name: str) -> str:
    """Return the variable of the environment for a setting."""
    return f"{ENVIRONMENT_PREFIX}{name.upper()}"


def problems(config: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the settings.

    Args:
        config: The settings by name, as given.

    Returns:
        One line for each setting that is wrong; none of them shows the token.
    """
    lines = []
    for setting in SETTINGS:
        name, takes, value = setting.name, setting.kind.takes, config.get(setting.name)
        if value is None:
            if setting.required:
                lines.append(
                    f"Setting {name} is missing: it takes {takes}. "
                    f"Set {variable(name)} or {name} in the config."
                )
        elif not setting.kind.is_right(value):
            hidden = setting.secret or "@" in str(value)
            got = "" if hidden else f", not {shown(value)}"
            lines.append(f"Setting {name} takes {takes}{got}.")
    return lines


def warn_unknown(config: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Warn of each setting that has no effect: a misspelt `addons` would read the whole account."""
    for name in config.keys() - known.keys():
        hint = did_you_mean(name, known)
        logger.warning("Setting %s is unknown and has no effect%s", name, hint)
