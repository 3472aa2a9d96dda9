"""The figures of docs/scale.md are those that the repository computes and measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.account import ROOT
from orchestrate import scale
from orchestrate.scale import Token, requests, requests_daily, simulate

if TYPE_CHECKING:
    import pytest


def test_the_page_has_the_tables_as_they_are_computed_now(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["scale"])
    scale.main()
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    tables = [part for part in capsys.readouterr().out.split("**") if part.startswith("\n\n|")]
    assert len(tables) == 6
    for table in tables:
        assert table.strip() in page


def test_backups_schedules_and_details_by_the_day_are_an_eighth_of_a_request_an_hour() -> None:
    listing = requests(200) - 200
    assert (requests_daily(200) - listing) / 200 / 24 == 3 / 24
    assert requests_daily(200, backups=500) - requests_daily(200) == 200 * 4


def test_a_schedule_that_fits_its_quotas_wastes_nothing_and_waits_for_nothing() -> None:
    shards = [(Token(), requests(200)) for _ in range(50)]
    day = simulate(shards)
    assert day.runs == 24
    assert day.requests == 24 * 50 * 211
    assert day.waiting_in_slots == 0


def test_a_sync_of_more_than_a_window_comes_to_its_end() -> None:
    day = simulate([(Token(), 2500)])
    # A first try reads for nothing what is left of a window; the second waits for two more.
    assert 2500 * day.runs < day.requests <= 3500 * day.runs
    assert 3 * 3600 < day.longest_run < 4 * 3600
