"""Times of the API as instants."""

from __future__ import annotations

import pytest

from tap_northflank_restores.instants import instant


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
