"""The files that the command line names, and the line that says what is wrong with one."""

from __future__ import annotations

import io
import json
from pathlib import Path
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
        ConfigurationError: It holds no JSON object; for a state null will do.
    """
    if file is None:
        return None
    try:
        content = file.buffer.read() if hasattr(file, "buffer") else file.read().encode()
        parsed = json.loads(texts.mended(content))
        text = json.dumps(parsed)
    except (OSError, ValueError, RecursionError) as error:
        msg = f"The file of {option} cannot be read: {error}. It takes a JSON object."
        raise ConfigurationError(msg) from error
    if not isinstance(parsed, dict) and not (parsed is None and option == "--state"):
        raise ConfigurationError(f"The file of {option} is another JSON value than an object.")
    return io.StringIO(text)


def config(path: str) -> dict[str, Any]:
    """Read a file of `--config`, in an encoding as for `again`.

    Raises:
        ConfigurationError: It cannot be read, or holds no JSON object.
    """
    try:
        parsed = json.loads(texts.mended(Path(path).read_bytes()))
        if not isinstance(parsed, dict):
            raise TypeError("another JSON value than an object")  # noqa: TRY301 - said with the others
    except (OSError, TypeError, ValueError, RecursionError) as error:
        msg = f"--config {path} cannot be read: {error}. It takes a JSON object."
        raise ConfigurationError(msg) from error
    return parsed
