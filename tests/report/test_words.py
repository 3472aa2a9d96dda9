"""Times, durations and shares, as people would write them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from northflank_restore_report import words


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (None, "\N{EN DASH}"),
        (0.01, "1 s"),
        (0.75, "45 s"),
        (1, "1 min"),
        (4.55, "4.5 min"),
        (9.99, "10 min"),
        (31.4, "31 min"),
        (119.4, "119 min"),
        (119.6, "2 h"),
        (138.2, "2 h 18 min"),
        (60 * 1234, "1,234 h"),
    ],
)
def test_duration(minutes: float | None, expected: str) -> None:
    assert words.duration(minutes) == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 0, "\N{EN DASH}"),
        (0, 9, "0 %"),
        (1, 1000, "< 1 %"),
        (2, 3, "67 %"),
        (999, 1000, "> 99 %"),
        (9, 9, "100 %"),
    ],
)
def test_share_is_never_rounded_to_none_or_all(part: int, whole: int, expected: str) -> None:
    assert words.share(part, whole) == expected


def test_times_are_in_utc() -> None:
    moment = datetime(2026, 7, 1, 6, 5, tzinfo=timezone.utc)
    assert words.instant(moment) == "1 Jul 2026, 06:05 UTC"
    assert words.day(moment) == "1 Jul 2026"
    assert words.day(None) == words.instant(None) == words.NONE


@pytest.mark.parametrize(
    ("days", "expected"),
    [(None, "never"), (0, "today"), (1, "1 day ago"), (1234, "1,234 days ago")],
)
def test_days_ago(days: int | None, expected: str) -> None:
    assert words.days_ago(days) == expected


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (None, "\N{EN DASH}"),
        (0.5, "30 min"),
        (26, "26 h"),
        (47.6, "48 h"),
        (50, "2 days"),
        (9999, "417 days"),
    ],
)
def test_age(hours: float | None, expected: str) -> None:
    assert words.age(hours) == expected


def test_days_and_minutes_of_a_reason_are_written_as_all_others() -> None:
    assert words.sentence("Due since 2026-05-01") == "Due since 1 May 2026"
    assert words.sentence("150 min over the target") == "2 h 30 min over the target"


@pytest.mark.parametrize(
    "text",
    [
        "No check on 2026-31-12",
        "restored into shop/orders-2026-01-15",
        "restored into drills/2026-01-15",
        "By the rule 2026-01-15-caches",
        f"{'9' * 400} min",
    ],
)
def test_what_only_looks_like_a_day_stays(text: str) -> None:
    assert words.sentence(text) == text
