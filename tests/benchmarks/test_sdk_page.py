"""The page for the SDK's maintainers: it is what its command writes, and the SDK is as it says."""

from __future__ import annotations

from benchmarks import sdk


def test_the_page_is_what_was_measured() -> None:
    assert sdk.PAGE.read_text(encoding="utf-8") == sdk.document(sdk.read())


def test_the_sdk_writes_a_state_of_all_partitions_for_each() -> None:
    few, many = sdk.grow(5), sdk.grow(20)

    assert (few.messages, many.messages) == (6, 21)
    assert many.state_bytes > 10 * few.state_bytes
