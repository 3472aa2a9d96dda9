"""The command line: how each end of a run becomes one line and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from typing import Any

import click
from singer_sdk import exceptions as sdk
from typing_extensions import override

from tap_northflank_restores import output
from tap_northflank_restores.errors import ExitCode, InvalidSettingsError, OutputError, TapError

logger = logging.getLogger("tap-northflank-restores")


class Command(click.Command):
    """The SDK's command; an error that ends it is told in one line, with its traceback at DEBUG."""

    @override
    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        logging.captureWarnings(capture=True)
        # It tells of odd headers with a traceback; what comes of them the tap says itself.
        debug = logger.isEnabledFor(logging.DEBUG)
        logging.getLogger("urllib3").setLevel(logging.NOTSET if debug else logging.ERROR)
        run = partial(super().main, *args, standalone_mode=standalone_mode, **kwargs)
        if not standalone_mode:
            return run()
        try:
            with output.own():
                try:
                    return run()
                finally:
                    output.flush()
        except Exception as error:
            lines, code = _explain(error)
            for line in lines:
                logger.error(line)  # noqa: TRY400 - the traceback is at DEBUG
            logger.debug("Traceback of the error above", exc_info=error)
            if isinstance(error, OutputError) and sys.stdout is not None:
                # Nobody reads any more: keep the interpreter's last flush from failing too.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(code)


def wrap(command: click.Command) -> Command:
    """Return the SDK's command with this module's way to end."""
    return Command(
        name=command.name,
        callback=command.callback,
        params=command.params,
        help=command.help,
        context_settings=command.context_settings,
    )


def _explain(error: Exception) -> tuple[list[str], ExitCode]:
    if isinstance(error, InvalidSettingsError):
        return error.errors, ExitCode.CONFIGURATION
    if isinstance(error, TapError):
        return [str(error)], error.exit_code
    if isinstance(error, (sdk.ConfigurationError, sdk.MappingError, sdk.DiscoveryError)):
        return [f"The settings or the catalog cannot be used: {error}"], ExitCode.CONFIGURATION
    line = (
        f"Unexpected {type(error).__name__}: {error}. This is a bug of the tap: run again with "
        "LOGLEVEL=DEBUG and report the traceback. What the loader confirmed is not lost."
    )
    return [line], ExitCode.UNEXPECTED
