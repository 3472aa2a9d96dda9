"""What is sent, held back and kept, as a table of lives of restores. No HTTP, no Singer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_northflank_restores.bookmark import Bookmark
from tap_northflank_restores.instants import instant
from tap_northflank_restores.reading import Changes, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

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


def minute_by_minute(count: int) -> list[dict[str, Any]]:
    """A history in which one restore completes each minute."""
    begin = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return [restore(f"{n:024x}", (begin + timedelta(minutes=n)).isoformat()) for n in range(count)]


def at_once(count: int) -> list[dict[str, Any]]:
    """A history in which all restores complete in the same millisecond."""
    return [restore(f"{n:024x}", NOON) for n in range(count)]


def busy_at_the_end(count: int) -> list[dict[str, Any]]:
    """A history of years, most of which happened in the last second."""
    begin = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return [
        restore(f"{n:024x}", (begin - timedelta(days=max(0, 9 - n), microseconds=n)).isoformat())
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [280, 900, 9000])
@pytest.mark.parametrize("history", [minute_by_minute, at_once, busy_at_the_end])
def test_one_late_restore_sends_at_most_a_seventh_of_the_history(history: Any, count: int) -> None:
    before = history(count)
    for late in (0, 1, count // 3, count - 1):
        _, bookmark, _ = sync(Bookmark(), [*before[:late], *before[late + 1 :]])
        if bookmark.value == before[late]["completedAt"]:
            continue
        sent, bookmark, _ = sync(bookmark, before)
        assert before[late]["id"] in sent
        # Ties are told apart by chance, so their parts are not quite equal.
        assert len(sent) <= count / (7 if history is minute_by_minute else 5)
        assert sync(bookmark, before)[0] == []


@pytest.mark.parametrize("pruned", [1, 21, 25, 60, 200, 450, 800, 899])
def test_what_retention_takes_away_at_the_old_end_sends_a_small_part(pruned: int) -> None:
    history = minute_by_minute(900)
    _, bookmark, _ = sync(Bookmark(), history)
    sent, bookmark, reading = sync(bookmark, history[pruned:])
    assert reading.held_back == 900 - pruned
    assert len(sent) <= (25 if pruned <= 25 else 125)
    assert sync(bookmark, history[pruned:])[0] == []


def test_day_after_day_retention_costs_next_to_nothing() -> None:
    history = minute_by_minute(2000)
    _, bookmark, _ = sync(Bookmark(), history[:900])
    again = 0
    for day in range(1, 50):
        sent, bookmark, _ = sync(bookmark, history[day * 20 : 900 + day * 20])
        again += len(sent) - 20
    assert again <= 49 * 25


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
    # Moved back, it lets in what it left out, and nothing else is sent again.
    assert sync(bookmark, [A, B, C, FAILED])[0] == ["a"]
    assert sync(bookmark, [A, B, C, FAILED], start=instant(NOON))[0] == ["a"]


def test_a_later_start_date_sends_nothing_again_and_keeps_what_is_there_up_to_date() -> None:
    _, bookmark, _ = sync(Bookmark(), [A, B, C, FAILED])
    for start in (NOON, ONE, TWO, "2027-01-01T00:00:00Z"):
        sent, bookmark, reading = sync(bookmark, [A, B, C, FAILED], start=instant(start))
        assert (sent, reading.proven) == ([], True)
    changed = restore("a", NOON, "failed")
    assert "a" in sync(bookmark, [changed, B, C, FAILED], start=instant(TWO))[0]


def test_a_start_date_that_moves_to_and_fro_loses_nothing() -> None:
    rows: dict[str, Any] = {}
    bookmark = Bookmark()
    for start in (TWO, ONE, TWO, None, ONE, NOON):
        sent, bookmark, _ = sync(
            bookmark, [A, B, C, FAILED], start=None if start is None else instant(start)
        )
        assert not rows.keys() & set(sent)
        rows |= dict.fromkeys(sent)
    assert rows.keys() == {"a", "b", "c", "f"}


@pytest.mark.parametrize("hold", [0, 10])
def test_a_restore_that_moves_before_the_start_date_is_sent_as_it_is_now(hold: int) -> None:
    start = instant(ONE)
    _, bookmark, _ = sync(Bookmark(), [A, B, C], start=start)
    moved = restore("b", "2026-02-01T00:00:00.000Z")
    sent, bookmark = passes(bookmark, lambda: [[A, moved, C]], start=start, hold=hold)
    assert "b" in sent
    assert sync(bookmark, [A, moved, C], start=start)[0] == []


def test_what_was_delivered_as_running_stays_up_to_date_before_the_start_date() -> None:
    start = instant(ONE)
    _, bookmark, _ = sync(Bookmark(), [RUNNING, A], start=start)
    for version in (restore("r", NOON), restore("r", NOON, "failed"), restore("r", NOON)):
        sent, bookmark, _ = sync(bookmark, [version, A], start=start)
        assert sent == ["r"]
        assert sync(bookmark, [version, A], start=start)[0] == []
    assert set(sync(bookmark, [restore("r", NOON), A])[0]) >= {"a"}


def test_what_is_left_out_may_change_without_being_sent() -> None:
    start = instant(ONE)
    _, bookmark, _ = sync(Bookmark(), [A, B, C], start=start)
    assert sync(bookmark, [restore("a", NOON, "failed"), B, C], start=start)[0] == []
    assert sync(bookmark, [B, C], start=start)[0] == []


def test_a_restore_delivered_as_running_is_completed_whatever_the_start_date() -> None:
    _, bookmark, _ = sync(Bookmark(), [RUNNING], start=instant(ONE))
    completed = restore("r", NOON)
    sent, bookmark, _ = sync(bookmark, [completed], start=instant(ONE))
    assert sent == ["r"]
    assert sync(bookmark, [completed], start=instant(ONE))[0] == []


def passes(
    before: Bookmark, read: Callable[[], list[list[Any]]], *, hold: int, **options: Any
) -> tuple[list[str], Bookmark]:
    """Read the list as often as it takes, through the state's JSON as between two runs."""
    changes = Changes(
        Bookmark.from_state(json.loads(json.dumps(before.to_state()))),
        read,
        hold=hold,
        **options,
    )
    sent = [item["id"] for page in changes for item in page]
    return sent, changes.delivered


def test_more_than_can_be_held_is_read_again_once_and_sent_in_part() -> None:
    history = minute_by_minute(901)
    _, bookmark, _ = sync(Bookmark(), [*history[:300], *history[301:900]])
    reads: list[int] = []

    def read() -> list[list[Any]]:
        reads.append(len(reads))
        return [history, [RUNNING]]

    sent, bookmark = passes(bookmark, read, hold=10)
    assert len(reads) == 2
    assert len(sent) == len(set(sent)) <= 900 / 7 + 2
    assert {history[300]["id"], history[900]["id"], "r"} <= set(sent)
    assert sync(bookmark, history, [RUNNING])[0] == []


def test_a_part_that_retention_has_emptied_is_no_reason_to_read_again() -> None:
    history = minute_by_minute(900)
    _, bookmark, _ = sync(Bookmark(), history)
    _, _, reading = sync(bookmark, history[25:], hold=10)
    assert not reading.proven
    assert not reading.must_read_again
    assert sync(bookmark, history[26:], hold=10)[2].must_read_again


def test_a_list_that_changes_between_two_passes_is_read_a_third_time_and_no_more() -> None:
    history = minute_by_minute(900)
    _, bookmark, _ = sync(Bookmark(), history)
    reads: list[int] = []

    def read() -> list[list[Any]]:
        """Take away one more restore each time, from another part."""
        reads.append(len(reads))
        return [[each for n, each in enumerate(history) if n % 200 or n > 200 * len(reads)]]

    sent, bookmark = passes(bookmark, read, hold=10)
    assert len(reads) == 3
    last = [each for n, each in enumerate(history) if n % 200 or n > 600]
    assert {each["id"] for each in last} <= set(sent)
    assert sync(bookmark, last)[0] == []


def test_what_was_sent_in_one_pass_and_changed_in_the_next_is_sent_again() -> None:
    _, bookmark, _ = sync(Bookmark(), [A, B, RUNNING])
    later = restore("r", TWO)
    late = restore("late", "2026-02-01T00:00:00.000Z")
    changed = restore("r", TWO, "failed")
    lists = iter([[[late, B, later]], [[late, B, changed]], [[late, B, changed]]])
    sent, bookmark = passes(bookmark, lambda: next(lists), hold=0)
    assert sent.count("r") == 2
    assert sync(bookmark, [late, B, changed])[0] == []


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


@pytest.mark.parametrize("odd", ["soon", 7, "2026-13-01T00:00:00Z", {"x": 1}, ["y"], True, "\0"])
def test_a_completed_at_that_is_no_time_is_sent_once_until_it_is_mended(odd: object) -> None:
    broken = {**A, "completedAt": odd}
    sent, bookmark, _ = sync(Bookmark(), [broken, B])
    assert sent == ["a", "b"]
    assert bookmark.value == ONE
    assert sync(bookmark, [broken, B])[0] == []
    sent, bookmark, _ = sync(bookmark, [A, B])
    assert sent == ["a"]
    assert sync(bookmark, [A, B])[0] == []
    sent, bookmark, _ = sync(bookmark, [broken, B])
    assert "a" in sent


@pytest.mark.parametrize(
    ("completed_at", "sent"), [("2026-03-01T12:59:59.999999Z", []), (ONE, ["x"])]
)
def test_a_bookmark_without_its_key_is_a_plain_one_too(completed_at: str, sent: list[str]) -> None:
    reading = Reading(Bookmark.from_state({"replication_key_value": ONE}))
    assert [item["id"] for item in reading.take([restore("x", completed_at)])] == sent


LISTS = st.lists(
    st.builds(
        restore,
        st.sampled_from("abcdefghij"),
        st.sampled_from([NOON, ONE, TWO, "2026-03-01T14:00:00.000+02:00"])
        | st.sampled_from([None, "soon"]),
        backupId=st.sampled_from(["daily", "weekly"]),
    ),
    max_size=8,
)


STARTS = st.sampled_from([None, *map(instant, (NOON, ONE, TWO))])


@settings(max_examples=1000, deadline=None)
@given(
    LISTS,
    STARTS,
    st.lists(LISTS, max_size=4),
    st.fixed_dictionaries(
        {"start": STARTS},
        optional={"everything": st.just(True), "hold": st.just(2)},
    ),
)
def test_a_page_is_as_its_restores_one_by_one(
    before: list[dict[str, Any]],
    start: int | None,
    pages: list[list[dict[str, Any]]],
    options: dict[str, Any],
) -> None:
    class OneByOne(Reading):
        """Takes no page the short way."""

        def _are_usual(self, *_: Any) -> Any:  # type: ignore[override]
            return False

    _, bookmark, _ = sync(Bookmark(), before, start=start)
    short, long = Reading(bookmark, **options), OneByOne(bookmark, **options)
    for _ in range(2):
        for page in pages:
            assert short.take(page) == long.take(page)
        assert list(short.finish()) == list(long.finish())
        assert short.delivered == long.delivered
        assert (short.held_back, short.sent) == (long.held_back, long.sent)
        assert short.must_read_again == long.must_read_again
        short = Reading(bookmark, after=short, **options)
        long = OneByOne(bookmark, after=long, **options)


def test_two_ids_of_one_hash_are_both_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes 4 billion restores of an addon; the hashes of the next process are others."""
    _, before, _ = sync(Bookmark(), [A, RUNNING])
    with monkeypatch.context() as patch:
        patch.setattr("tap_northflank_restores.reading.hash", lambda _id: 1, raising=False)
        sent, bookmark, _ = sync(before, [A, B], [C, RUNNING])
    assert {"b", "c"} <= {*sent}
    assert {*sync(bookmark, [A, B, C, RUNNING])[0]} >= {"a", "b"}
