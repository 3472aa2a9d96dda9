"""The tap: which streams there are, what they share, and how it starts and ends."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import Counter
from dataclasses import replace
from functools import cached_property
from pathlib import PurePath
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Stream, metrics
from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import (
    PluginCapabilities,
    TapCapabilities,
)
from singer_sdk.singerlib import Catalog, MetadataMapping
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_northflank_restores import catalog as catalogs
from tap_northflank_restores import command, files, log, masking, output, settings, streams
from tap_northflank_restores.account import Account
from tap_northflank_restores.client import Client
from tap_northflank_restores.errors import (
    ConfigurationError,
    ExitCode,
    InterruptedSyncError,
    InvalidSettingsError,
)
from tap_northflank_restores.messages import MessageWriter
from tap_northflank_restores.progress import Progress
from tap_northflank_restores.quota import Quota
from tap_northflank_restores.sdk import PagedTap
from tap_northflank_restores.state import check_state

if TYPE_CHECKING:
    from typing import IO

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

# After SIGINT or SIGTERM: how long a loader that is slow, or does not read, may hold the end, in s.
GRACE = 5.0

logger = logging.getLogger("tap-northflank-restores")


class TapNorthflankRestores(PagedTap):
    """Singer tap for the restore history of Northflank databases."""

    name = "tap-northflank-restores"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SCHEMA
    message_writer_class = MessageWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(
        self,
        *,
        config: Any = None,  # noqa: ANN401 - as the SDK
        state: Any = None,  # noqa: ANN401 - as the SDK, and checked here
        catalog: Any = None,  # noqa: ANN401 - as the SDK, and checked here
        parse_env_config: bool = False,
        validate_config: bool = True,
        **kwargs: Any,  # noqa: ANN401 - as the SDK
    ) -> None:
        """Check the settings and the state; nothing is sent before they are right.

        Args:
            config: The settings; one of None or an empty text takes its default.
            state: The state, a dictionary or the path of a file.
            catalog: What to select, a dictionary or a `Catalog`; the tap's own choice if None.
            parse_env_config: Whether to take settings from the environment too.
            validate_config: Whether to refuse wrong settings.
            kwargs: As the SDK's.

        Raises:
            InvalidSettingsError: A setting is wrong.
            ConfigurationError: The state, the catalog or a variable of the log cannot be used.
        """
        self._stop = threading.Event()
        self._counting = threading.Lock()
        self._served: set[str] = set()
        self.responses: Counter[str] = Counter()
        if not isinstance(state, (dict, str, PurePath, NoneType)):
            msg = "The state is not a JSON object. Give the one that the last run wrote, or none."
            raise ConfigurationError(msg)
        self.append_builtin_config(self.config_jsonschema)
        if isinstance(config, dict):
            config = settings.read(config, self.config_jsonschema["properties"])
            _hide_token(config.get("api_token"))
        masking.hide_proxies()
        log.check_environment()
        try:
            super().__init__(
                config=config,
                state=state,
                catalog=None if catalog is None else catalogs.read(catalog),
                parse_env_config=parse_env_config,
                validate_config=validate_config,
                **kwargs,
            )
        except ConfigValidationError as error:
            lines = settings.problems(self.config) or error.errors
            raise InvalidSettingsError(lines, error.schema) from error
        finally:
            # The SDK may have read them from a file, the environment or a .env.
            masking.hide_proxies()
            _hide_token(getattr(self, "config", {}).get("api_token"))
        if validate_config:
            if lines := settings.problems(self.config):
                raise InvalidSettingsError(lines, self.config_jsonschema)
            settings.warn_unknown(self.config, self.config_jsonschema["properties"])

    @override
    def config_from_environment(self) -> dict[str, Any]:
        properties = self.config_jsonschema["properties"]
        return settings.read(settings.from_environment(properties), properties)

    @override
    def is_known_to_be_right(self) -> bool:
        own = {setting.name for setting in settings.SETTINGS}
        return self.config.keys() <= own and not settings.problems(self.config)

    @property
    def restores(self) -> streams.RestoresStream:
        """The stream that keeps a state."""
        stream = self.streams[streams.RestoresStream.name]
        assert isinstance(stream, streams.RestoresStream)  # noqa: S101 - for the type
        return stream

    @property
    def list_reads(self) -> streams.ListReadsStream:
        """The stream that the others say in what they have read."""
        stream = self.streams[streams.ListReadsStream.name]
        assert isinstance(stream, streams.ListReadsStream)  # noqa: S101 - for the type
        return stream

    @property
    @override
    def catalog(self) -> Catalog:
        """The catalog that stream maps are checked against."""
        # A map of a stream that is not selected would find no key in its schema otherwise.
        catalog = Catalog()
        for name, entry in super().catalog.items():
            root = replace(entry.metadata.root, selected=True)
            metadata = MetadataMapping({**entry.metadata, (): root})
            catalog[name] = replace(entry, metadata=metadata)
        return catalog

    @override
    def discover_streams(self) -> list[Stream]:
        return [stream(self) for stream in streams.STREAMS]

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        check_state(state)
        super().load_state(state)

    @cached_property
    def quota(self) -> Quota:
        """The request budget that all streams share."""
        return Quota(
            reserve=self.config["rate_limit_reserve"],
            max_wait=self.config["rate_limit_max_wait"],
            on_wait=self._log_wait,
        )

    @cached_property
    def account(self) -> Account:
        """The account's projects and addons, listed once for all streams."""
        config = self.config
        concurrency = int(config["concurrency"])
        client = Client(
            api_url=config["api_url"],
            token=config["api_token"],
            quota=self.quota,
            team_id=config.get("team_id"),
            page_size=int(config["page_size"]),
            concurrency=concurrency,
            request_timeout=config["request_timeout"],
            on_response=self.count_response,
            user_agent=config.get("user_agent") or f"{self.name}/{self.plugin_version}",
        )
        return Account(
            client,
            project_ids=config.get("project_ids"),
            addons=config.get("addons"),
            concurrency=concurrency,
            sample=any(
                isinstance(stream, streams.NorthflankStream) and stream.is_sample
                for stream in self.streams.values()
            ),
            early=self.restores.name if self.restores.begins_early else None,
            idle=self.idle,
        )

    def begin(self, stream: str) -> None:
        """Begin the sync of a stream; if it is not the first sync, look at the account anew.

        Args:
            stream: Its name.
        """
        if stream in self._served:
            for name in ("account", "progress", "quota"):
                self.__dict__.pop(name, None)  # of the sync before
            self.responses.clear()
            self._served.clear()
            self._stop.clear()
        self._served.add(stream)

    def end(self) -> None:
        """End a sync, whether it went well or not: the next stream begins another."""
        self._served.update(self.streams)

    def count_response(self, name: str, status: int, seconds: float) -> None:
        """Count a response for the metrics, and tell each at DEBUG.

        Args:
            name: The list that was asked for.
            status: HTTP status.
            seconds: How long it took.
        """
        with self._counting:
            self.responses[name] += 1
        if self.logger.isEnabledFor(logging.DEBUG):
            tags = {"stream": name, "endpoint": name, "http_status_code": status}
            metric = metrics.Metric.HTTP_REQUEST_DURATION
            metrics.log(self.metrics_logger, metrics.Point("timer", metric, seconds, tags))

    @cached_property
    def progress(self) -> Progress:
        """How far the sync is."""
        return Progress(self.quota)

    def idle(self) -> None:
        """Do what is due between two pages.

        Raises:
            InterruptedSyncError: SIGINT or SIGTERM came.
        """
        if self._stop.is_set():
            raise InterruptedSyncError
        self.progress.tick()
        self.restores.keep_state_in_time()

    @override
    def interrupt(self) -> None:
        output.hasten()
        if self._stop.is_set():
            output.end_process()
            return
        self._stop.set()
        # Not in this frame, which may be inside the quota's lock.
        threading.Thread(target=self.quota.stop, daemon=True).start()
        output.end_process(after=GRACE)

    def _log_wait(self, seconds: float, left: int | None) -> None:
        reserve = self.config["rate_limit_reserve"]
        if left is not None and left > reserve:
            logger.info(
                "Quota: %d requests left in this window; waiting %.0f s, as the API refuses "
                "requests all the same.",
                left,
                seconds,
            )
            return
        logger.info(
            "Quota: %s requests left in this window%s; waiting %.0f s for its reset.",
            "no" if left is None else left,
            f", {reserve} of them reserved for others" if reserve else "",
            seconds,
        )

    @classmethod
    @override
    def invoke(
        cls, *, state: IO[str] | None = None, catalog: IO[str] | None = None, **kwargs: Any
    ) -> None:
        super().invoke(
            state=files.again("--state", state), catalog=files.again("--catalog", catalog), **kwargs
        )

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        if any(word.lstrip().startswith("{") for word in value):
            raise ConfigurationError(
                "--config takes the path of a file, or ENV, and not the settings themselves."
            )
        read = super().cb_config(ctx, param, tuple(each for each in value if each == "ENV"))
        for path in value:
            if path != "ENV":
                read.config |= files.config(path)
        return read

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        try:
            super().cb_test(ctx, param, value)
        except click.exceptions.Exit:
            if value != CliTestOptionValue.Schema.value:
                logger.info(
                    "The test went well: the token and the settings work. What is written is a "
                    "sample; nothing is loaded."
                )
            raise

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        return command.wrap(super().get_singer_command())

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - as the SDK
        """Return the command, with the log set up."""
        masking.hide_proxies()
        _hide_token(os.environ.get(f"{settings.ENVIRONMENT_PREFIX}API_TOKEN"))
        log.mask_standard_error()
        try:
            log.check_environment()
            singer_command = super().cli
        except ConfigurationError as error:
            line = str(error)
        except Exception as error:
            if log.CONFIGURATION not in os.environ:
                raise
            reason = " ".join(str(error).split())
            line = f"The file of {log.CONFIGURATION} cannot be used: {reason}."
        else:
            log.mask_handlers()
            return singer_command
        # Of the log, which therefore cannot tell.
        print(masking.masked(line), file=sys.stderr)  # noqa: T201
        sys.exit(ExitCode.CONFIGURATION)


def _hide_token(token: object) -> None:
    if token is not None:
        masking.hide(str(token))
