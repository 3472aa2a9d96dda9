"""docs/loaders.md is what the loaders did, and two of them do it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uv import find_uv_bin

from benchmarks import loaders

if TYPE_CHECKING:
    import pytest

CHEAP = ("target-jsonl, newest row", "target-csv, a file a sync, newest row")


def test_the_page_is_what_the_result_says() -> None:
    assert loaders.PAGE.read_text(encoding="utf-8") == loaders.document(loaders.read())


def test_each_loader_has_a_result() -> None:
    assert [o.loader for o in loaders.read()] == [one.name for one in loaders.LOADERS]


def test_the_cheap_loaders_still_do_what_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV", find_uv_bin())
    chosen = tuple(one for one in loaders.LOADERS if one.name in CHEAP)
    recorded = {outcome.loader: outcome for outcome in loaders.read()}

    found = list(loaders.run_all(chosen))

    assert [outcome.loader for outcome in found] == [*CHEAP]
    assert found == [recorded[name] for name in CHEAP]


def test_what_is_lost_shifted_or_doubled_is_counted() -> None:
    row = {"projectid": "p", "addonid": "a", "id": "1", "completedat": "2026-03-01T12:00:00Z"}
    expected = [row, row | {"id": "2"}, row | {"id": "3"}, row | {"id": "4"}]
    loaded = [
        row | {"completedat": "2026-03-01 14:00:00+02:00"},
        row | {"id": "2", "completedat": "2026-03-01 07:00:00"},
        row | {"id": "3", "status": "odd"},
        row | {"id": "3", "status": "odd"},
    ]

    table = loaders.compare("restores", expected, loaded)

    assert table == loaders.Table(expected=4, missing=1, wrong=1, shifted=1, surplus=1)
