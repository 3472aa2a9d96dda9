"""The files that the command line names, and the line that says what is wrong with one."""

from __future__ import annotations

import io
import json
from types import NoneType
from typing import IO, Any

from singer_sdk.singerlib import Catalog

from tap_northflank_restores.errors import ConfigurationError


def state(file: IO[str] | None) -> IO[str] | None:
    """Return the file of `--state` again.

    Raises:
        ConfigurationError: It holds no JSON object, nor null.
    """
    return None if file is None else io.StringIO(_read("--state", file)[0])


def catalog(file: IO[str] | None) -> IO[str] | None:
    """Return the file of `--catalog` again.

    Raises:
        ConfigurationError: It holds no Singer catalog.
    """
    if file is None:
        return None
    text, parsed = _read("--catalog", file)
    try:
        if not isinstance(parsed["streams"], list):
            raise TypeError("streams is not a list")  # noqa: TRY301 - said with the others
        for stream, entry in Catalog.from_dict(parsed).items():
            if not entry.schema.properties:
                raise TypeError(f"{stream} has no schema")  # noqa: TRY301 - said with the others
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = (
            f"The file of --catalog is not a Singer catalog ({type(error).__name__}: {error}). "
            "Make one with --discover."
        )
        raise ConfigurationError(msg) from error
    return io.StringIO(text)


def _read(option: str, file: IO[str]) -> tuple[str, Any]:
    try:
        text = file.read()
        parsed = json.loads(text)
    except ValueError as error:
        msg = f"The file of {option} cannot be read: {error}. It takes a JSON object."
        raise ConfigurationError(msg) from error
    if not isinstance(parsed, (dict, NoneType)):
        raise ConfigurationError(f"The file of {option} is another JSON value than an object.")
    return text, parsed
