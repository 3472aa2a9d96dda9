"""What can end a sync, each with the exit code and the one line that the user sees."""

from __future__ import annotations

import difflib
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import ConfigValidationError

from tap_northflank_restores.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """Exit codes of the command, documented in docs/errors.md and stable."""

    SUCCESS = 0
    UNEXPECTED = 1
    CONFIGURATION = 2
    ACCESS = 3
    QUOTA = 4
    API = 5
    OUTPUT = 6
    INTERRUPTED = 130


class TapError(Exception):
    """An error that ends the sync; `str(error)` is one line that says what the user can do."""

    exit_code: ClassVar[ExitCode]

    def __init__(self, line: str) -> None:
        """Keep the line, without what must stay secret."""
        super().__init__(masked(line))


class ConfigurationError(TapError):
    """A setting, a file or a state that cannot be used as it is."""

    exit_code = ExitCode.CONFIGURATION


class InvalidSettingsError(ConfigurationError, ConfigValidationError):
    """Settings that are wrong.

    Attributes:
        errors: One line for each.
    """

    def __init__(self, lines: list[str], schema: dict[str, Any] | None) -> None:
        """Keep the lines, without what must stay secret, and the JSON schema of the settings."""
        lines = list(map(masked, lines))
        ConfigValidationError.__init__(self, " ".join(lines), errors=lines, schema=schema)


class AccessError(TapError):
    """The API refused the token (401) or the token's permissions (403)."""

    exit_code = ExitCode.ACCESS


class QuotaExhaustedError(TapError):
    """The account's requests are used up for longer than the settings allow to wait."""

    exit_code = ExitCode.QUOTA


class APIError(TapError):
    """The API did not give what it documents, and trying again did not help."""

    exit_code = ExitCode.API


class NotFoundError(APIError):
    """The API said 404 in its own words: no such project or addon, or not for this token."""


class OutputError(TapError):
    """The messages could not be written: the loader went away or the disk is full."""

    exit_code = ExitCode.OUTPUT


class InterruptedSyncError(TapError):
    """SIGINT or SIGTERM asked the sync to stop."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self) -> None:
        """Say what the user is to know."""
        super().__init__("Interrupted; the state is written, and the next run goes on from there.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a line about a name that does not exist: the closest that does, if any."""
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else "."


def shown(value: object) -> str:
    """Return a value that a user gave as a part of a line, however long it is."""
    text = masked(repr(value))  # before it is cut
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004 - a line's length
