"""The files that the command line names, and the line that says what is wrong with one."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import NoneType
from typing import IO, Any

from tap_northflank_restores import texts
from tap_northflank_restores.errors import ConfigurationError


def again(option: str, file: IO[str] | None) -> IO[str] | None:
    """Return the file of an option again, as plain JSON.

    A byte order mark is read over, and UTF-16 with one is read too: PowerShell writes both.

    Args:
        option: `--state` or `--catalog`.
        file: The file, if the option is set.

    Raises:
        ConfigurationError: It holds no JSON object, nor null.
    """
    if file is None:
        return None
    try:
        content = file.buffer.read() if hasattr(file, "buffer") else file.read().encode()
        parsed = json.loads(texts.mended(content))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"The file of {option} cannot be read: {error}. It takes a JSON object."
        raise ConfigurationError(msg) from error
    if not isinstance(parsed, (dict, NoneType)):
        raise ConfigurationError(f"The file of {option} is another JSON value than an object.")
    return io.StringIO(json.dumps(parsed))


def config(path: str) -> dict[str, Any]:
    """Read a file of `--config`, in an encoding as for `again`.

    Raises:
        ConfigurationError: It cannot be read, or holds no JSON object.
    """
    try:
        content = Path(path).read_bytes()
        # Not mended: a token or id with an odd character is for the settings' own line.
        parsed = json.loads(content)
        if not isinstance(parsed, dict):
            raise TypeError("another JSON value than an object")  # noqa: TRY301 - said with the others
    except (OSError, TypeError, ValueError, RecursionError) as error:
        msg = f"--config {path} cannot be read: {error}. It takes a JSON object."
        raise ConfigurationError(msg) from error
    return parsed
