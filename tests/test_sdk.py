"""What the tap uses of the SDK beyond its documented names, as the installed release has it."""

from __future__ import annotations

import ast
import inspect
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.contrib.msgspec import encoder
from singer_sdk.mapper import SameRecordTransform

from tap_northflank_restores import sdk, streams
from tap_northflank_restores.sdk import (
    PRIVATE_NAMES,
    PRIVATE_NAMES_OF_TAP,
    PagedStream,
    PagedTap,
)
from tap_northflank_restores.tap import TapNorthflankRestores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INSTALLED = f"singer-sdk {version('singer-sdk')}"
WHAT_TO_DO = (
    "Read the SDK's Stream.sync and Stream._sync_records again, bring tap_northflank_restores/"
    "sdk.py in line with them, and then this test; or hold singer-sdk back in pyproject.toml."
)

# The parameters by which the tap calls these, or the SDK calls those of the tap.
PARAMETERS: dict[str, list[str]] = {
    "_generate_record_messages": ["self", "record"],
    "_increment_stream_state": ["self", "latest_record", "context"],
    "_sync_records": ["self", "context", "write_messages"],
    "_write_batch_message": ["self", "encoding", "manifest"],
    "_write_schema_message": ["self"],
    "_write_starting_replication_value": ["self", "context"],
    "_write_state_message": ["self"],
}
INSTANCE_NAMES = ["_config", "_tap"]
TAP_PROPERTIES = {"_env_var_config"}
TAP_NAMES = {
    "_handle_termination": ["self", "signum", "frame"],
    "_validate_config": ["self", "raise_errors"],
}


@pytest.fixture
def tap() -> Iterator[TapNorthflankRestores]:
    """A tap, which takes the signals over as long as it is there."""
    handling = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield TapNorthflankRestores(config={"api_token": "x"})
    for number, handler in handling.items():
        signal.signal(number, handler)


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_each_private_name_has_its_parameters_written_here() -> None:
    assert sorted(PARAMETERS) == sorted(PRIVATE_NAMES)
    assert sorted(PRIVATE_NAMES_OF_TAP) == sorted({*TAP_NAMES, *TAP_PROPERTIES})


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_a_private_name_of_the_stream_is_there_and_takes_what_it_took(name: str) -> None:
    found = getattr(Stream, name, None)

    assert found is not None, f"{INSTALLED} has no Stream.{name} any more. {WHAT_TO_DO}"
    assert parameters(found) == PARAMETERS[name], (
        f"Stream.{name} of {INSTALLED} takes other parameters. {WHAT_TO_DO}"
    )


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_what_the_tap_puts_in_its_place_takes_the_same(name: str) -> None:
    ours = getattr(PagedStream, name)

    assert parameters(ours) in (PARAMETERS[name], ["self", "args", "kwargs"])


def test_a_private_attribute_of_the_stream_is_there(tap: TapNorthflankRestores) -> None:
    for stream in tap.streams.values():
        assert hasattr(stream, "_tap"), f"A stream of {INSTALLED} has no _tap. {WHAT_TO_DO}"
    assert all(stream._tap is tap for stream in tap.streams.values())  # noqa: SLF001


@pytest.mark.parametrize("name", TAP_NAMES)
def test_a_private_name_of_the_tap_is_there_and_takes_what_it_took(name: str) -> None:
    found = getattr(Tap, name, None)

    assert found is not None, f"{INSTALLED} has no Tap.{name} any more. {WHAT_TO_DO}"
    assert parameters(found) == TAP_NAMES[name]


@pytest.mark.parametrize("name", TAP_PROPERTIES)
def test_a_private_property_of_the_tap_is_there(name: str) -> None:
    assert name in dir(Tap), f"{INSTALLED} has no Tap.{name} any more. {WHAT_TO_DO}"


def test_the_settings_of_the_tap_are_kept_where_it_puts_defaults(
    tap: TapNorthflankRestores,
) -> None:
    assert tap.config == tap._config, f"{INSTALLED} keeps settings elsewhere. {WHAT_TO_DO}"  # noqa: SLF001


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_sdk_gives_signals_to_the_tap(tap: TapNorthflankRestores, number: int) -> None:
    assert signal.getsignal(number) == tap._handle_termination, (  # noqa: SLF001
        f"{INSTALLED} does not give signals to Tap._handle_termination. {WHAT_TO_DO}"
    )


def test_no_other_private_name_of_the_sdk_is_overridden() -> None:
    known = {f"PagedStream.{name}" for name in PRIVATE_NAMES}
    known |= {f"PagedTap.{name}" for name in PRIVATE_NAMES_OF_TAP}
    classes: list[type] = [PagedStream, PagedTap, TapNorthflankRestores, streams.NorthflankStream]
    classes += streams.STREAMS
    hidden = {
        f"{ours.__name__}.{name}"
        for ours in classes
        for name in vars(ours)
        if name.startswith("_") and not name.startswith("__")
        for theirs in (Stream, Tap)
        if issubclass(ours, theirs) and hasattr(theirs, name)
    }

    assert hidden - known - {f"{ours.__name__}._abc_impl" for ours in classes} == set()


def private_attributes(tree: ast.AST) -> set[str]:
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {name for name in names if name.startswith("_") and not name.endswith("__")}


# The modules that have to do with objects of the SDK.
@pytest.mark.parametrize(
    "name", ["catalog", "command", "messages", "sdk", "shape", "streams", "tap"]
)
def test_no_other_private_name_of_the_sdk_is_used(name: str) -> None:
    of_sdk: set[str] = set()
    for class_ in {*Tap.__mro__, *Stream.__mro__}:
        if class_.__module__.startswith("singer_sdk"):
            theirs = ast.parse(inspect.getsource(sys.modules[class_.__module__]))
            functions = (n.name for n in ast.walk(theirs) if isinstance(n, ast.FunctionDef))
            of_sdk |= private_attributes(theirs) | {n for n in functions if n.startswith("_")}
    known = {*PRIVATE_NAMES, *PRIVATE_NAMES_OF_TAP, *INSTANCE_NAMES} if name == "sdk" else set()
    ours = Path(sdk.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")

    assert private_attributes(ast.parse(ours)) & of_sdk <= known


def test_names_that_are_public_but_seldom_used_are_there() -> None:
    assert hasattr(Stream, "ABORT_AT_RECORD_COUNT")
    assert hasattr(Stream, "emit_activate_version_messages")
    assert "flattening_enabled" in dir(SameRecordTransform)
    assert encoder.encode_lines([{"x": 1}, {"y": 2}]) == b'{"x":1}\n{"y":2}\n'


@pytest.mark.parametrize("name", ["finalize_state_progress_markers", "get_records", "mask"])
def test_a_public_method_that_the_tap_takes_part_in_is_there(name: str) -> None:
    assert hasattr(Stream, name), f"{INSTALLED} has no Stream.{name} any more. {WHAT_TO_DO}"
