"""Times of the API as instants."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_northflank_restores.instants import are_in_utc, in_utc, instant, instants


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


OF_THE_API = st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='milliseconds')}Z")
TIMES: st.SearchStrategy[Any] = (
    OF_THE_API
    | OF_THE_API.map(lambda text: f"{text[:19]}Z")
    | OF_THE_API.map(lambda text: text.replace("T", " "))
    | OF_THE_API.map(str.lower)
    | OF_THE_API.map(lambda text: f"{text[:-1]}+02:00")
    | OF_THE_API.map(lambda text: f"{text[:-1]}000Z")
    | OF_THE_API.map(lambda text: text.replace(":", "\n"))
    | st.builds(
        lambda text, place, letter: text[:place] + letter + text[place + 1 :],
        OF_THE_API,
        st.integers(0, 23),
        st.sampled_from("0123456789TZtz.,:+- \n٣"),
    )
    | st.text(max_size=24)
    | st.sampled_from([0, 1735711200, True, None, [], {}])
)


def stays(text: Any) -> bool:
    try:
        return bool(in_utc(text) == text)
    except (TypeError, ValueError):
        return False


@settings(max_examples=500)
@given(st.lists(TIMES, max_size=4))
def test_a_page_of_times_stays_only_if_each_does(texts: list[Any]) -> None:
    if are_in_utc(texts):
        assert all(map(stays, texts))


@given(st.lists(OF_THE_API, max_size=4))
def test_what_the_api_writes_stays_without_a_look_at_each(texts: list[str]) -> None:
    assert are_in_utc(texts)
    assert are_in_utc([f"{text[:19]}Z" for text in texts])


def one_by_one(value: Any) -> int | str | None:
    try:
        return instant(value) if value else None
    except (TypeError, ValueError):
        return str(value)


@settings(max_examples=500)
@given(st.lists(TIMES, max_size=4))
def test_instants_of_a_page_are_those_of_each(values: list[Any]) -> None:
    assert instants(values) == [one_by_one(value) for value in values]


# Only forms that both libraries may read are of interest here.
FORMS = st.builds(
    "{:04d}-{:02d}-{:02d}{}{:02d}:{:02d}:{:02d}{}{}".format,
    st.integers(1, 9999),
    st.integers(1, 12),
    st.integers(1, 28),
    st.sampled_from("Tt _"),
    st.integers(0, 24),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from(["", ".", ","]).flatmap(
        lambda point: st.from_regex(r"\A[0-9]{0,9}\Z").map(point.__add__)
    ),
    st.sampled_from(["Z", "z", "", "-00:00", "+02:00", "+0200", "+02", "-23:59", "+01:00:30"]),
)


@pytest.mark.slow
@settings(max_examples=1000)
@given(FORMS)
def test_an_instant_does_not_depend_on_the_page(text: str) -> None:
    assert instants([text]) == [one_by_one(text)]
