"""What the state keeps of an addon's restores: its form, its size, and what cannot be read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tap_northflank_restores.bookmark import Bookmark, UnreadableBookmarkError
from tap_northflank_restores.instants import instant
from tests.test_reading import FAILED, NOON, ONE, RUNNING, A, B, restore, sync


def proof(**fields: Any) -> dict[str, Any]:
    """A partition with a proof of nothing, but for some fields."""
    return {"proof": {"version": 2, "completed": 0, "digest": "A" * 116, "pending": [], **fields}}


def proof_1(**fields: Any) -> dict[str, Any]:
    """The same of version 1."""
    return {"proof": {"version": 1, "completed": 0, "digest": "A" * 86, "pending": {}, **fields}}


def test_no_bookmark_is_the_first() -> None:
    assert Bookmark.from_state({}) == Bookmark()


def test_the_form_of_the_state_is_stable() -> None:
    """Another digest for the same restores would send every history again after an upgrade."""
    _, bookmark, _ = sync(Bookmark(), [A, B, RUNNING, FAILED], shape=b"\1\2\3\4")
    assert bookmark.to_state() == {
        "replication_key_value": "2026-03-01T13:00:00.000Z",
        "proof": {
            "version": 2,
            "completed": 2,
            "digest": "AQIDBGS_U1r6ZL9TWvpkv1Na-mS_U1r6ZL9gxCpkv2DEKmS_YMQqAAAAAAAAAAAAAAAAAA"
            "AAAAAAAAAAAAAAhuPG_xoKAAAAAAAAAAAAAAAA1LxX8T8a",
            "pending": [["in-progress", "rWosp"], ["failed", "fs1rH"]],
        },
    }
    _, from_one, _ = sync(Bookmark(), [A, B, RUNNING, FAILED], start=instant(ONE))
    assert from_one.to_state()["proof"]["digest"] == (
        "AAAAAGS_YMQqZL9gxCpkv2DEKmS_YMQqZL9gxCpkv2DEKmS_YMQqAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1LxX8T8aAAZL9gxCtACG48b_Ggo"
    )


def test_every_key_is_there_even_when_nothing_was_delivered() -> None:
    """A state that is merged with an older one would get back what is left out."""
    full = sync(Bookmark(), [A, RUNNING])[1].to_state()
    empty = Bookmark().to_state()
    assert empty.keys() == full.keys()
    assert empty["proof"].keys() == full["proof"].keys()
    assert empty["replication_key_value"] is None


@pytest.mark.parametrize("start", [None, ONE])
@pytest.mark.parametrize("shape", [None, b"abcd"])
def test_what_is_written_is_read(start: str | None, shape: bytes | None) -> None:
    start_at = None if start is None else instant(start)
    restores = [
        A,
        B,
        RUNNING,
        restore("old", "1969-01-01T00:00:00Z"),
        restore("new", "9999-12-31T23:59:59Z"),
    ]
    _, bookmark, _ = sync(Bookmark(), restores, start=start_at, shape=shape)
    assert Bookmark.from_state(json.loads(json.dumps(bookmark.to_state()))) == bookmark


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "another key": (
        {"replication_key": "id", "replication_key_value": "7"},
        "its replication_key is 'id', not 'completedAt'",
    ),
    "not a time": (
        {"replication_key": "completedAt", "replication_key_value": "yesterday"},
        "its replication_key_value 'yesterday' is not a date and time",
    ),
    "a number": (
        {"replication_key": "completedAt", "replication_key_value": 1700000000},
        "its replication_key_value 1700000000 is not a date and time",
    ),
    "a proof of a later release": ({"proof": {"version": 3}}, "its proof is not of version 2"),
    "a proof of no version": ({"proof": {"version": [2]}}, "its proof is not of version 2"),
    "a proof that is none": ({"proof": "yes"}, "its proof is not of version 2"),
    "no digest": (proof(digest=None), "its proof is damaged (TypeError"),
    "no count": ({"proof": {"version": 1}}, "its proof is damaged (KeyError: 'completed')"),
    "a short digest": (proof(digest="AAAA"), "digest has 3 bytes, not 87 or 101"),
    "a digest of other letters": (proof(digest="!" * 116), "damaged"),
    "a count below nothing": (proof(completed=-1), "completed is -1, not a count"),
    "a count that is true": (proof(completed=True), "completed is True, not a count"),
    "pending of texts": (proof(pending=["x"]), "pending 'x' is not a list"),
    "pending without a status": (proof(pending=[[]]), "damaged (IndexError"),
    "pending of numbers": (proof(pending=[["failed", 7]]), "damaged (TypeError"),
    "pending with a status that is none": (
        proof(pending=[[None, "abcdef"]]),
        "pending None is not",
    ),
    "pending without an id": (proof(pending=[["failed", "ABCD"]]), "pending 'failed' holds 'ABCD'"),
    "pending as of version 1": (proof(pending={"failed": ["abcdef"]}), "damaged"),
    "1: no digest": (proof_1(digest=None), "its proof is damaged (TypeError"),
    "1: a short digest": (proof_1(digest="AAAA"), "digest has 3 bytes, not 64"),
    "1: pending that is a list": (proof_1(pending=["x"]), "damaged (AttributeError"),
    "1: pending of numbers": (proof_1(pending={"failed": [7]}), "damaged (TypeError"),
    "1: pending as a text": (
        proof_1(pending={"failed": "abcdef"}),
        "pending 'failed' is not a list",
    ),
}


@pytest.mark.parametrize(("partition", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_bookmark_is_refused(partition: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableBookmarkError, match=re.escape(reason)):
        Bookmark.from_state(partition)


def test_the_state_grows_with_pending_restores_only() -> None:
    def size(bookmark: Bookmark) -> int:
        return len(json.dumps(bookmark.to_state(), separators=(",", ":")))

    few = [restore(f"{n:024x}", NOON) for n in range(10)]
    many = [restore(f"{n:024x}", NOON) for n in range(9_999)]
    _, small, _ = sync(Bookmark(), few)
    _, large, _ = sync(Bookmark(), many)
    assert size(large) <= size(small) + 4  # the digits of the count
    assert size(large) <= 260

    pending = [restore(f"{n:024x}", status="failed") for n in range(100)]
    _, with_pending, _ = sync(Bookmark(), [*many, *pending])
    assert size(with_pending) - size(large) <= 32 * 100
