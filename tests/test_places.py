"""The places of a list's ids: as a plain dict has them, in less memory."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from tap_northflank_restores.places import Places

IDS = 100_000


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4)))
def test_places_are_those_of_a_dict(pages: list[list[int]]) -> None:
    places, plain = Places(), dict[int, int]()
    for page in pages:
        assert places.are_new(page) == plain.keys().isdisjoint(page)
        for number in page:
            assert places.find(number) == plain.get(number)
            plain[number] = len(places.hashes)
            places.add([number])


def test_no_place_is_kept_until_an_id_comes_twice() -> None:
    hashes = [hash(str(number)) for number in range(IDS)]
    tracemalloc.start()
    places = Places()
    for at in range(0, IDS, 100):
        places.add(hashes[at : at + 100])
    assert places.find(1) is None
    once, _ = tracemalloc.get_traced_memory()
    assert places.find(hashes[7]) == 7
    twice, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert once < 60 * IDS < twice
