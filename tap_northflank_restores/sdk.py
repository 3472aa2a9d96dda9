"""Where this tap steps around the SDK: each private name it touches, once, with the reason.

tests/test_sdk.py fails clearly when one of these names changes.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream, Tap
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from tap_northflank_restores.errors import ConfigurationError, OutputError, TapError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import FrameType

    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.mapper import StreamMap

    from tap_northflank_restores.messages import MessageWriter

# Private names of `singer_sdk.Stream` that `PagedStream` overrides or uses.
PRIVATE_NAMES = (
    "_generate_record_messages",
    "_increment_stream_state",
    "_sync_records",
    "_write_batch_message",
    "_write_schema_message",
    "_write_starting_replication_value",
    "_write_state_message",
)

# Private names of `singer_sdk.Tap` that `PagedTap` overrides.
PRIVATE_NAMES_OF_TAP = ("_env_var_config", "_handle_termination", "_validate_config")


class PagedTap(Tap):
    """A tap that reads its settings and takes signals in its own way."""

    def config_from_environment(self) -> dict[str, Any]:
        """Return the settings that the environment has."""
        raise NotImplementedError

    def is_known_to_be_right(self) -> bool:
        """Tell whether the settings need no check by the SDK."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """End the sync soon: SIGINT or SIGTERM came, perhaps not for the first time."""
        raise NotImplementedError

    @property
    def _env_var_config(self) -> dict[str, Any]:
        # The SDK's own takes an empty variable for a value, and tells of a wrong number badly.
        return self.config_from_environment()

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # For settings of the SDK, and for the words where something is wrong. Settings that are
        # known to be right need no jsonschema, whose import is a sixth of the start.
        if not self.is_known_to_be_right():
            return super()._validate_config(raise_errors=raise_errors)
        for name, schema in self.config_jsonschema["properties"].items():
            if "default" in schema:
                self._config.setdefault(name, schema["default"])
        return []

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK would write the state here and now, perhaps into the middle of a record, and exit
        # with 0. The sync ends itself between two pages; a second signal ends it at once.
        self.interrupt()


class PagedStream(Stream):
    """A stream of pages of records that keeps its own state.

    The SDK takes a record through about fifteen calls, looks its partition up by a linear scan and
    serialises it alone: some 50 µs. Here a page of records goes through the stream maps, if there
    are any, and out in one write. BATCH mode and `--test` take the SDK's way with the same records.
    """

    # What ended the reading while a batch was being filled: the records so far go out first, in a
    # last batch. None where no batches are written.
    _postponed: list[TapError] | None = None

    @property
    def tap(self) -> Tap:
        """The tap that this stream belongs to."""
        return self._tap

    def get_pages(self) -> Iterator[list[Record]]:
        """Yield pages of records, which have the selected properties of the schema and no other."""
        raise NotImplementedError

    def begin(self) -> None:
        """Prepare for a sync of this stream, perhaps not the first. Called at its start."""

    def keep_state(self) -> None:
        """Take into the state what is delivered by now. Called only when all records are out."""

    def count_written(self, records: int) -> None:
        """Take note of records that were handed to the loader, after the stream maps."""

    def give_up(self) -> None:
        """End what runs in the background. Called when the sync of this stream fails."""

    @property
    def is_sample(self) -> bool:
        """Whether this is the dry run of `--test`."""
        return self.ABORT_AT_RECORD_COUNT is not None

    @property
    def writes_batches(self) -> bool:
        """Whether records go out in BATCH files."""
        return self.get_batch_config(self.config) is not None

    @property
    def is_dropped(self) -> bool:
        """Whether a stream map drops the stream, as `restores: null` does."""
        return all(isinstance(stream_map, RemoveRecordTransform) for stream_map in self.stream_maps)

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        """False: on ACTIVATE_VERSION a loader deletes each row that was not sent again."""
        return False

    @property
    @override
    def partitions(self) -> None:
        """None: the SDK would walk the state's partitions, and scan them for each."""

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        try:
            for page in self.get_pages():
                yield from page
        except TapError as error:
            if self._postponed is None:
                raise
            self._postponed.append(error)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return None: no clock bounds the bookmark."""

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record, Any, Any]:
        if self.is_dropped:
            return  # It would cost requests, and its state would stand for what nobody got.
        self.begin()
        try:
            if not write_messages:
                # The SDK would put records into files as they are before the stream maps.
                for record in super()._sync_records(context, write_messages=False):
                    for mapped in self._mapped(self.stream_maps[0], [record]):
                        yield mapped
                        self.count_written(1)
            elif self.is_sample:
                yield from super()._sync_records(context)
            else:
                self._sync_pages()
        except BaseException:
            self.give_up()
            raise

    def _sync_pages(self) -> None:
        writer: MessageWriter = self.tap.message_writer  # type: ignore[assignment]
        with self.get_record_counter() as counter, self.get_sync_timer():
            for page in self.get_pages():
                for stream_map in self.stream_maps:
                    records = self._mapped(stream_map, page)
                    writer.write_records(stream_map.stream_alias, records)
                    self.count_written(len(records))
                counter.increment(len(page))

    def write_beside(self, records: list[Record]) -> None:
        """Write records while another stream is being synced; their SCHEMA must be out."""
        writer: MessageWriter = self.tap.message_writer  # type: ignore[assignment]
        for stream_map in self.stream_maps:
            writer.write_records(stream_map.stream_alias, self._mapped(stream_map, records))

    def write_schema(self) -> None:
        """Write the SCHEMA message."""
        self._write_schema_message()

    def _mapped(self, stream_map: StreamMap, page: list[Record]) -> list[Record]:
        if type(stream_map) is SameRecordTransform and not stream_map.flattening_enabled:
            return page
        try:
            mapped = [stream_map.transform(record) for record in page]
        except Exception as error:
            raise ConfigurationError(
                f"Setting stream_maps does not fit a record of {self.name} "
                f"({type(error).__name__}: {error}). Mend its expressions: a property may be null."
            ) from error
        records = [record for record in mapped if record is not None]
        if stream_map.flattening_enabled:
            # Objects may have properties that the schema, and so the loader's table, does not know.
            columns = stream_map.transformed_schema["properties"].keys()
            return [{k: v for k, v in record.items() if k in columns} for record in records]
        return records

    @override
    def _generate_record_messages(self, record: Record) -> Generator[RecordMessage, None, None]:
        for stream_map in self.stream_maps:
            for mapped in self._mapped(stream_map, [record]):
                now = datetime.now(timezone.utc)
                yield RecordMessage(stream_map.stream_alias, mapped, time_extracted=now)

    @override
    def get_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        if len(self.stream_maps) > 1:
            self.give_up()
            raise ConfigurationError(
                f"Setting stream_maps makes several streams of {self.name}, which batch_config "
                "does not go with: unset one of them."
            )
        self._postponed = []
        try:
            yield from super().get_batches(batch_config, context)
        except OSError as error:
            self.give_up()
            raise OutputError(
                f"The files of batch_config could not be written: {error}."
            ) from error
        except (ImportError, ValueError) as error:
            self.give_up()
            raise ConfigurationError(f"Setting batch_config cannot be used: {error}.") from error
        if self._postponed:
            self.keep_state()
            self.write_state()
            self.give_up()
            raise self._postponed[0]

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        """Do nothing: a record is no progress, only an addon read to its end is."""

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Do nothing: each addon has a bookmark of its own."""

    @override
    def _write_batch_message(self, *args: Any, **kwargs: Any) -> None:
        super()._write_batch_message(*args, **kwargs)
        self.keep_state()

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        self.keep_state()
        super().finalize_state_progress_markers(state)

    def write_state(self) -> None:
        """Write a STATE message if the state has changed since the last."""
        self.state_manager.is_flushed = False
        self._write_state_message()
