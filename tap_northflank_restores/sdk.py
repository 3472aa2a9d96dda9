"""Where this tap steps around the SDK: each private name it touches, once, with the reason.

tests/test_sdk.py fails clearly when one of these names changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from typing_extensions import override

from tap_northflank_restores.errors import ConfigurationError, OutputError, TapError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Context, Record

    from tap_northflank_restores.messages import MessageWriter

# Private names of `singer_sdk.Stream` that the class below overrides or uses.
PRIVATE_NAMES = (
    "_increment_stream_state",
    "_sync_records",
    "_write_batch_message",
    "_write_record_message",
    "_write_starting_replication_value",
    "_write_state_message",
)


class PagedStream(Stream):
    """A stream of pages of records that keeps its own state.

    The SDK takes a record through about fifteen calls, looks its partition up by a linear scan and
    serialises it alone: some 50 µs. When nothing but writing is asked for, a page of records here
    goes out in one write; stream maps, flattening, BATCH mode and `--test` take the SDK's way.
    """

    def get_pages(self) -> Iterator[list[Record]]:
        """Yield pages of records, ready to be written."""
        raise NotImplementedError

    def begin(self) -> None:
        """Prepare for a sync of this stream, perhaps not the first. Called at its start."""

    def keep_state(self) -> None:
        """Take into the state what is delivered by now. Called only when all records are out."""

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
        """False: a loader would take it for a word to delete all rows that are not sent again."""
        return False

    @property
    @override
    def partitions(self) -> None:
        """None: the SDK would walk the state's partitions, and scan them for each."""

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        for page in self.get_pages():
            yield from page

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
            if self.is_sample or not write_messages or self._is_transformed():
                yield from super()._sync_records(context, write_messages=write_messages)
            else:
                self._sync_pages()
        except BaseException:
            self.give_up()
            raise

    def _sync_pages(self) -> None:
        writer: MessageWriter = self._tap.message_writer  # type: ignore[assignment]
        with self.get_record_counter() as counter, self.get_sync_timer():
            for page in self.get_pages():
                writer.write_records(self.name, page)
                counter.increment(len(page))

    def _is_transformed(self) -> bool:
        """Whether records change on their way: by stream maps, flattening or nested selection."""
        return (
            len(self.stream_maps) != 1
            or type(self.stream_maps[0]) is not SameRecordTransform
            or self.stream_maps[0].flattening_enabled
            or any(len(path) > 2 and not selected for path, selected in self.mask.items())  # noqa: PLR2004
        )

    @override
    def _write_record_message(self, record: Record) -> None:
        try:
            super()._write_record_message(record)
        except TapError:
            raise
        except Exception as error:
            if not self._is_transformed():
                raise
            raise ConfigurationError(
                f"Setting stream_maps does not fit a record of {self.name} "
                f"({type(error).__name__}: {error}). Mend its expressions: a property may be null."
            ) from error

    @override
    def get_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
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
