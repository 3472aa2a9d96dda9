"""What is sent, held back and kept, as a table of lives of restores. No HTTP, no Singer."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tap_northflank_restores.bookmark import (
    Bookmark,
    Reading,
    UnreadableBookmarkError,
    UnreadableTimeError,
)
from tap_northflank_restores.instants import instant

NOON = "2026-03-01T12:00:00.000Z"
ONE = "2026-03-01T13:00:00.000Z"
TWO = "2026-03-01T14:00:00.000Z"


def restore(
    id_: str, completed_at: str | None = None, status: str = "completed", **fields: object
) -> dict[str, Any]:
    item = {
        "id": id_,
        "status": status,
        "restoreTimestamp": "2026-03-01T11:00:00.000Z",
        "backupId": "daily",
        **fields,
    }
    return item if completed_at is None else {**item, "completedAt": completed_at}


def sync(
    before: Bookmark, *pages: list[dict[str, Any]], **options: Any
) -> tuple[list[str], Bookmark, Reading]:
    """Read the pages once, through the state's JSON as between two runs."""
    stored = Bookmark.from_state(json.loads(json.dumps(before.to_state())))
    reading = Reading(stored, **options)
    sent = [item["id"] for page in pages for item in reading.take(page)]
    sent += [item["id"] for item in reading.finish()]
    return sent, reading.delivered, reading


def proof(**fields: Any) -> dict[str, Any]:
    """A partition with a proof of nothing, but for some fields."""
    return {"proof": {"version": 1, "completed": 0, "digest": "A" * 86, "pending": {}, **fields}}


A, B, C = restore("a", NOON), restore("b", ONE), restore("c", TWO)
RUNNING = restore("r", status="in-progress")
FAILED = restore("f", status="failed")

# What was there in the first sync, what is there in the second, and what the second must send.
SECOND_SYNCS = {
    "nothing new sends nothing": ([A, B], [A, B], []),
    "in another order, nothing": ([A, B, RUNNING], [RUNNING, B, A], []),
    "a new one that completed later is sent": ([A], [A, B], ["b"]),
    "a new one without completedAt is sent": ([A], [A, FAILED], ["f"]),
    "failed and running ones are not sent again": ([A, FAILED, RUNNING], [A, FAILED, RUNNING], []),
    "a change of status without completion is sent": (
        [RUNNING],
        [restore("r", status="aborting")],
        ["r"],
    ),
    "an unknown status is a status": ([RUNNING], [restore("r", status="verifying")], ["r"]),
    "a completion later than the bookmark is sent": ([A, RUNNING], [A, restore("r", ONE)], ["r"]),
    "a completion older than the bookmark is sent": ([B, RUNNING], [B, restore("r", NOON)], ["r"]),
    "a completion that ties with the bookmark is sent": (
        [B, RUNNING],
        [B, restore("r", ONE)],
        ["r"],
    ),
    "another backup of one without completedAt is sent": (
        [RUNNING],
        [restore("r", status="in-progress", backupId="weekly")],
        ["r"],
    ),
    "another start of one without completedAt is sent": (
        [RUNNING],
        [restore("r", status="in-progress", restoreTimestamp=ONE)],
        ["r"],
    ),
    "completedAt as null, empty or absent is the same": (
        [RUNNING],
        [{**RUNNING, "completedAt": None}],
        [],
    ),
    "another time format is no change": (
        [restore("a", "2026-03-01T12:00:00Z")],
        [restore("a", "2026-03-01T14:00:00.000+02:00", restoreTimestamp="2026-03-01T11:00:00Z")],
        [],
    ),
    "later by a fraction is later, though its text sorts first": (
        [restore("a", "2026-03-01T12:00:00Z")],
        [restore("a", "2026-03-01T12:00:00Z"), restore("b", "2026-03-01T12:00:00.500Z")],
        ["b"],
    ),
    "one that vanished sends nothing else without need": ([A, FAILED], [A], []),
}


@pytest.mark.parametrize(("first", "second", "expected"), SECOND_SYNCS.values(), ids=SECOND_SYNCS)
def test_second_sync(first: list[Any], second: list[Any], expected: list[str]) -> None:
    sent, bookmark, _ = sync(Bookmark(), first)
    assert sent == [item["id"] for item in first]

    sent, bookmark, _ = sync(bookmark, second)
    assert sent == expected

    sent, _, _ = sync(bookmark, second)
    assert sent == []


# As above, but what must be sent has to be among what is sent: the proof fails, and with it goes
# what shares its part of the digest.
MISMATCHES = {
    "one that becomes visible late, older than the bookmark": ([C], [A, C], {"a"}),
    "one that ties with the bookmark": ([B], [B, restore("z", ONE)], {"z"}),
    "a completed one whose status changes": ([A, C], [restore("a", NOON, "failed"), C], {"a"}),
    "a completed one whose backup changes": ([A, C], [restore("a", NOON, backupId="x"), C], {"a"}),
    "one that lost its completedAt": ([A, B], [A, restore("b", status="failed")], {"b"}),
    "a completed one whose completedAt moves back": ([A, C], [A, restore("c", NOON)], {"c"}),
}


@pytest.mark.parametrize(("first", "second", "expected"), MISMATCHES.values(), ids=MISMATCHES)
def test_what_the_bookmark_would_hide_is_found_by_the_proof(
    first: list[Any], second: list[Any], expected: set[str]
) -> None:
    _, bookmark, _ = sync(Bookmark(), first)

    sent, bookmark, reading = sync(bookmark, second)
    assert not reading.proven
    assert expected <= set(sent)

    sent, _, reading = sync(bookmark, second)
    assert sent == []
    assert reading.proven


def test_a_mismatch_sends_a_part_of_the_history_and_not_all_of_it() -> None:
    history = [restore(f"{n:024x}", NOON) for n in range(800)]
    _, bookmark, _ = sync(Bookmark(), history)
    sent, bookmark, reading = sync(bookmark, history[1:])
    assert reading.held_back == 799
    assert 0 < len(sent) < 200
    assert sync(bookmark, history[1:])[0] == []


def test_the_bookmark_is_the_greatest_instant_and_never_moves_back() -> None:
    _, bookmark, _ = sync(Bookmark(), [restore("a", "2026-03-01T12:00:00.500Z"), A])
    assert bookmark.value == "2026-03-01T12:00:00.500Z"
    _, bookmark, _ = sync(bookmark, [A])
    assert bookmark.value == "2026-03-01T12:00:00.500Z"


# A list that shifts between two page reads shows an item twice, perhaps changed in between.
SHIFTS = {
    "twice the same": ([], [[A], [A, B]], ["a", "b"]),
    "running, then completed": ([], [[RUNNING], [restore("r", ONE)]], ["r", "r"]),
    "completed, then changed": ([], [[A], [restore("a", NOON, "failed")]], ["a", "a"]),
    "completed, then running again": ([], [[A], [restore("a", status="x")]], ["a", "a"]),
    "new, then as it was delivered": (
        [restore("a", NOON)],
        [[restore("a", ONE)], [restore("a", NOON)]],
        ["a", "a"],
    ),
    "changed, then as it was delivered, running": (
        [RUNNING],
        [[restore("r", status="aborting")], [RUNNING]],
        ["r", "r"],
    ),
    "known twice": ([A, B], [[A, B], [B]], []),
    "known running twice": ([RUNNING], [[RUNNING], [RUNNING]], []),
}


@pytest.mark.parametrize(("first", "pages", "expected"), SHIFTS.values(), ids=SHIFTS)
def test_an_item_seen_twice_in_one_pass_ends_as_it_was_read_last(
    first: list[Any], pages: list[list[Any]], expected: list[str]
) -> None:
    _, bookmark, _ = sync(Bookmark(), first)
    sent, bookmark, _ = sync(bookmark, *pages)
    assert sent == expected
    last = list({item["id"]: item for page in pages for item in page}.values())
    assert sync(bookmark, last)[0] == []
    # As if it had been read once: the count and the digest too.
    _, once, _ = sync(Bookmark(), last)
    assert (bookmark.completed, bookmark.digest) == (once.completed, once.digest)
    assert bookmark.pending == once.pending


def test_what_is_held_back_is_counted_as_it_was_read_last() -> None:
    _, bookmark, _ = sync(Bookmark(), [A, B, C])
    changed = restore("a", NOON, "failed")
    reading = Reading(bookmark)
    for page in ([A, B, C], [changed], [A], [C, B]):
        assert reading.take(page) == []
    assert reading.held_back == 3
    assert reading.proven
    assert reading.delivered == bookmark


def test_held_back_then_changed_does_not_send_the_old_version_last() -> None:
    _, bookmark, _ = sync(Bookmark(), [A, B, C])
    reading = Reading(bookmark)
    changed = restore("a", NOON, "failed")
    sent = [item for page in ([A, B, C], [changed]) for item in reading.take(page)]
    sent += list(reading.finish())
    assert [item for item in sent if item["id"] == "a"][-1] == changed


def test_held_back_then_sent_is_not_held_any_more() -> None:
    _, bookmark, _ = sync(Bookmark(), [A, B])
    reading = Reading(bookmark)
    later = restore("a", TWO)
    sent = [item for page in ([A, B], [later]) for item in reading.take(page)]
    assert not reading.proven
    assert [item for item in [*sent, *reading.finish()] if item["id"] == "a"] == [later]


def test_start_date_leaves_out_what_completed_before_it() -> None:
    start = instant(ONE)
    sent, bookmark, _ = sync(Bookmark(), [A, B, C, FAILED], start=start)
    assert sent == ["b", "c", "f"]
    assert sync(bookmark, [A, B, C, FAILED], start=start)[0] == []
    # Moved back, it lets in what it left out.
    assert "a" in sync(bookmark, [A, B, C, FAILED])[0]


def test_a_restore_delivered_as_running_is_completed_whatever_the_start_date() -> None:
    _, bookmark, _ = sync(Bookmark(), [RUNNING], start=instant(ONE))
    completed = restore("r", NOON)
    sent, bookmark, _ = sync(bookmark, [completed], start=instant(ONE))
    assert sent == ["r"]
    assert sync(bookmark, [completed], start=instant(ONE))[0] == []


def test_more_than_can_be_held_is_read_again_in_full() -> None:
    history = [restore(f"{n}", NOON) for n in range(30)]
    _, bookmark, _ = sync(Bookmark(), history)
    late = [*history, restore("late", "2026-02-01T00:00:00.000Z")]
    _, _, reading = sync(bookmark, late, hold=10)
    assert reading.must_read_again
    sent, bookmark, _ = sync(bookmark, late, everything=True)
    assert len(sent) == 31
    assert sync(bookmark, late, hold=10)[0] == []


def test_as_many_as_can_be_held_are_held() -> None:
    history = [restore(f"{n}", NOON) for n in range(10)]
    _, bookmark, _ = sync(Bookmark(), history)
    assert not sync(bookmark, history[1:], hold=9)[2].must_read_again
    assert sync(bookmark, history[1:], hold=8)[2].must_read_again


def test_everything_is_everything() -> None:
    _, bookmark, _ = sync(Bookmark(), [A, FAILED])
    assert sync(bookmark, [A, FAILED], everything=True)[0] == ["a", "f"]


def test_a_count_that_contradicts_its_digest_sends_everything() -> None:
    _, bookmark, _ = sync(Bookmark(), [A, B, C])
    assert set(sync(replace(bookmark, completed=2), [A, B, C])[0]) == {"a", "b", "c"}


def test_a_start_that_is_no_time_still_shows_a_change() -> None:
    odd = restore("r", status="in-progress", restoreTimestamp="soon")
    _, bookmark, _ = sync(Bookmark(), [odd])
    assert sync(bookmark, [odd])[0] == []
    assert sync(bookmark, [{**odd, "restoreTimestamp": "later"}])[0] == ["r"]


def test_more_than_can_be_held_is_not_read_again_when_proven() -> None:
    history = [restore(f"{n}", NOON) for n in range(30)]
    _, bookmark, _ = sync(Bookmark(), history)
    _, _, reading = sync(bookmark, history, hold=10)
    assert reading.proven
    assert not reading.must_read_again


def test_a_plain_singer_bookmark_is_honoured_and_gets_a_proof() -> None:
    plain = {"replication_key": "completedAt", "replication_key_value": ONE}
    reading = Reading(Bookmark.from_state(plain))
    sent = [item["id"] for item in reading.take([A, B, C, FAILED])]
    # What ties with it may or may not have been delivered, so it is sent.
    assert sent == ["b", "c", "f"]
    assert reading.proven
    assert sync(reading.delivered, [A, B, C, FAILED])[0] == []


@pytest.mark.parametrize(
    ("completed_at", "sent"), [("2026-03-01T12:59:59.999999Z", []), (ONE, ["x"])]
)
def test_a_bookmark_without_its_key_is_a_plain_one_too(completed_at: str, sent: list[str]) -> None:
    reading = Reading(Bookmark.from_state({"replication_key_value": ONE}))
    assert [item["id"] for item in reading.take([restore("x", completed_at)])] == sent


def test_no_bookmark_is_the_first() -> None:
    assert Bookmark.from_state({}) == Bookmark()


def test_the_form_of_the_state_is_stable() -> None:
    """Another digest for the same restores would send every history again after an upgrade."""
    _, bookmark, _ = sync(Bookmark(), [A, B, RUNNING, FAILED])
    assert bookmark.to_state() == {
        "replication_key": "completedAt",
        "replication_key_value": "2026-03-01T13:00:00.000Z",
        "proof": {
            "version": 1,
            "completed": 2,
            "digest": f"{'A' * 21}EyIW6Ae8Fkk{'A' * 54}",
            "pending": {"in-progress": ["rWosp"], "failed": ["fs1rH"]},
        },
    }


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
    "a proof of a later release": ({"proof": {"version": 2}}, "its proof is not of version 1"),
    "a proof that is none": ({"proof": "yes"}, "its proof is not of version 1"),
    "no digest": (proof(digest=None), "its proof is damaged (TypeError"),
    "no count": ({"proof": {"version": 1}}, "its proof is damaged (KeyError: 'completed')"),
    "a short digest": (proof(digest="AAAA"), "digest has 3 bytes, not 64"),
    "a digest of other letters": (proof(digest="!" * 86), "damaged"),
    "a count below nothing": (proof(completed=-1), "completed is -1, not a count"),
    "a count that is true": (proof(completed=True), "completed is True, not a count"),
    "pending that is a list": (proof(pending=["x"]), "damaged (AttributeError"),
    "pending of numbers": (proof(pending={"failed": [7]}), "damaged (TypeError"),
    "pending without an id": (proof(pending={"failed": ["ABCD"]}), "pending 'failed' holds 'ABCD'"),
    "pending as a text": (proof(pending={"failed": "abcdef"}), "pending 'failed' is not a list"),
}


@pytest.mark.parametrize(("partition", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_bookmark_is_refused(partition: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableBookmarkError, match=re.escape(reason)):
        Bookmark.from_state(partition)


def test_a_completed_at_that_is_no_time_is_refused_by_name() -> None:
    for wrong in ("soon", 7, "2026-13-01T00:00:00Z"):
        with pytest.raises(UnreadableTimeError, match="restore a has the completedAt"):
            Reading(Bookmark()).take([{**A, "completedAt": wrong}])


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


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2021-01-20T11:19:54.494Z", "2021-01-20T13:19:54.494+02:00"),
        ("2021-01-20T11:19:54Z", "2021-01-20T11:19:54.000000Z"),
        ("2021-01-20T11:19:54.5Z", "2021-01-20T11:19:54.500Z"),
        ("2021-01-20 11:19:54Z", "2021-01-20T11:19:54"),
        ("2021-01-20T11:19:54.494000100Z", "2021-01-20T11:19:54.494Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_instants(text: str, same: str) -> None:
    assert instant(text) == instant(same)


def test_an_instant_is_microseconds_since_1970() -> None:
    moment = instant("1970-01-01T00:00:01.5Z")
    assert moment == 1_500_000
    assert isinstance(moment, int)
