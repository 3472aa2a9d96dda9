"""Which records a sync sends: after another one, in full, and from a start date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import (
    company,
    everything,
    keyed,
    lines,
    partitions,
    selecting,
    small_world,
    sync,
    types,
)

if TYPE_CHECKING:
    from simulator import Server


def test_a_second_sync_of_an_unchanged_account_sends_no_restores(server: Server) -> None:
    server.world = company()

    first = sync(server)
    second = sync(server, state=first.state)

    assert len(first.records["restores"]) == server.world.restore_count()
    assert second.records["restores"] == []
    assert second.state == first.state
    assert second.records["addons"] == first.records["addons"]


@pytest.mark.parametrize("key", [{"replication_key": "completedAt"}, {"replication_key": None}])
def test_a_forced_full_table_sends_everything_each_time_and_keeps_the_state(
    server: Server, key: dict[str, Any]
) -> None:
    server.world = company()
    first = sync(server)
    catalog = full_table(**key)

    server.world.add_restore("shop", "orders", "new")
    full = sync(server, catalog=catalog, state=first.state)
    after = sync(server, state=full.state)

    assert len(full.records["restores"]) == server.world.restore_count()
    assert set(keyed(full.records["restores"])) == set(keyed(server.served_restores()))
    assert not any("held back" in line for line in lines(full))
    assert after.records["restores"] == []
    assert partitions(after.state) == partitions(full.state)


def full_table(**key: Any) -> dict[str, Any]:
    """A catalog that sends all restores each time."""
    catalog = selecting("restores", forced_replication_method="FULL_TABLE", **key)
    for entry in catalog["streams"]:
        if entry["stream"] == "restores":
            entry["replication_method"] = "FULL_TABLE"
            entry["replication_key"] = key.get("replication_key")
    return catalog


def test_a_full_table_sync_in_between_leaves_no_stale_row(server: Server) -> None:
    server.world = small_world(a=3)
    first = sync(server)
    (changed,) = [each for each in server.world.restores("p", "a") if each["id"] == "a-1"]

    changed["status"] = "failed"
    between = sync(server, catalog=full_table(), state=first.state)
    changed["status"] = "completed"
    last = sync(server, state=between.state)

    assert keyed(between.records["restores"])["p", "a", "a-1"]["status"] == "failed"
    assert keyed(last.records["restores"])["p", "a", "a-1"]["status"] == "completed"


@pytest.mark.parametrize("name", ["replication_method", "forced_replication_method"])
def test_full_table_in_the_metadata_alone_is_taken(server: Server, name: str) -> None:
    server.world = small_world(a=2)
    first = sync(server)

    again = sync(server, catalog=selecting("restores", **{name: "FULL_TABLE"}), state=first.state)

    assert len(again.records["restores"]) == 2


def test_another_replication_key_is_refused(server: Server) -> None:
    catalog = selecting("restores", replication_key="restoreTimestamp")
    for entry in catalog["streams"]:
        if entry["stream"] == "restores":
            entry["replication_key"] = "restoreTimestamp"

    run = sync(server, catalog=catalog)

    assert run.exit_code == 2
    assert "restoreTimestamp" in run.error
    assert "completedAt" in run.error
    assert run.requests == []


@pytest.mark.parametrize("settings", [{}, {"emit_activate_version_messages": True}], ids=str)
def test_no_row_is_deleted_by_an_activate_version(server: Server, settings: dict[str, Any]) -> None:
    server.world = small_world(a=1)

    run = everything(server, **settings)

    assert set(types(run)) == {"SCHEMA", "RECORD", "STATE"}
    assert not any("version" in message for message in run.messages)


@pytest.mark.parametrize(
    "start_date",
    [
        "2026-07-01T06:00:02Z",
        "2026-07-01T06:00:02",
        "2026-07-01T08:00:02+02:00",
        "2026-07-01T06:00:01.001Z",
    ],
)
def test_restores_completed_before_the_start_date_are_left_out(
    server: Server, start_date: str
) -> None:
    server.world = small_world(a=4)
    server.world.add_restore("p", "a", "failed", "failed")

    first = sync(server, start_date=start_date)
    second = sync(server, start_date=start_date, state=first.state)

    assert [record["id"] for record in first.records["restores"]] == ["a-2", "a-3", "failed"]
    assert second.records["restores"] == []


def test_an_earlier_start_date_brings_what_was_left_out(server: Server) -> None:
    server.world = small_world(a=4)

    first = sync(server, start_date="2026-07-01T06:00:02Z")
    second = sync(server, state=first.state)

    assert [record["id"] for record in first.records["restores"]] == ["a-2", "a-3"]
    assert [record["id"] for record in second.records["restores"]] == ["a-0", "a-1"]


def test_a_later_start_date_sends_nothing_again(server: Server) -> None:
    server.world = small_world(a=4)
    first = sync(server)

    second = sync(server, start_date="2026-07-01T06:00:02Z", state=first.state)
    third = sync(server, state=second.state)

    assert second.records["restores"] == []
    assert third.records["restores"] == []
