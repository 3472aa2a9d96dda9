"""The log: what the environment sets of it, and one mask over all that goes to it."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tap_northflank_restores.errors import ConfigurationError
from tap_northflank_restores.masking import masked
from tap_northflank_restores.output import Descriptor, descriptor_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# As the SDK reads them: the first that is set counts.
LEVELS = ("TAP_NORTHFLANK_RESTORES_LOGLEVEL", "LOGLEVEL")
CONFIGURATION = "SINGER_SDK_LOG_CONFIG"


def check_environment() -> None:
    """Bring the variables into the form that the SDK takes; one that is empty is not set.

    Raises:
        ConfigurationError: A level does not exist.
    """
    for name in (*LEVELS, CONFIGURATION):
        if (value := os.environ.get(name)) is not None:
            # `LOGLEVEL: ${LOGLEVEL:-}` of a compose file, or a space at the end of a line.
            if value.strip():
                os.environ[name] = value.strip()
            else:
                del os.environ[name]
    for name in LEVELS:
        value = os.environ.get(name, "INFO")
        if not isinstance(logging.getLevelName(value.upper()), int):
            raise ConfigurationError(
                f"{name} takes DEBUG, INFO, WARNING or ERROR, not {masked(value)!r}."
            )


class _MaskedText(io.TextIOWrapper):
    """A text file on a descriptor, which masks each secret that is written to it."""

    @override
    def write(self, text: str, /) -> int:
        super().write(masked(text))
        return len(text)


class _MaskingFormatter(logging.Formatter):
    """Masks what another formatter made of a record: its message, traceback and stack."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    @override
    def format(self, record: logging.LogRecord) -> str:
        return masked(self._formatter.format(record))


def mask_standard_error() -> None:
    """Mask what does not go through the log: tracebacks of threads, messages of the interpreter."""
    if (descriptor := descriptor_of(sys.stderr)) is not None:
        # The type asks for a file with a buffer; what counts is that a write takes all.
        file: Any = Descriptor(descriptor)
        sys.stderr = _MaskedText(file, sys.stderr.encoding, sys.stderr.errors, line_buffering=True)


def mask_handlers() -> None:
    """Mask what each handler of the log writes, those of a user's configuration too."""
    for handler in set(_handlers()):
        if not isinstance(handler.formatter, _MaskingFormatter):
            handler.setFormatter(_MaskingFormatter(handler.formatter or logging.Formatter()))


def _handlers() -> Iterator[logging.Handler]:
    for each in (logging.getLogger(), *logging.Logger.manager.loggerDict.values()):
        if isinstance(each, logging.Logger):
            for handler in each.handlers:
                yield handler
                target = getattr(handler, "target", None)  # of one that keeps records in memory
                if isinstance(target, logging.Handler):
                    yield target
