"""The state: how large it gets, whose it is, and one that is not ours."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from simulator import World
from tap_northflank_restores.account import Addon
from tap_northflank_restores.bookmark import Bookmark
from tap_northflank_restores.state import RestoresState
from tests.support import partitions, small_world, sync

if TYPE_CHECKING:
    from simulator import Server


def test_the_volume_of_states_is_a_small_multiple_of_the_final_one(server: Server) -> None:
    server.world = World.fan_out(4, 50, 2)

    first = sync(server)
    second = sync(server, state=first.state)

    final = len(json.dumps(first.state))
    for run in (first, second):
        assert len(run.states) <= 5
        assert sum(len(json.dumps(state)) for state in run.states) <= 4 * final


def test_the_volume_stays_small_however_long_the_sync_takes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_northflank_restores.state.STATE_INTERVAL", 0)
    server.world = World.fan_out(4, 50, 2)

    first = sync(server)
    second = sync(server, state=first.state)

    final = len(json.dumps(first.state))
    assert 10 <= len(first.states) <= 70
    assert sum(len(json.dumps(state)) for state in first.states) <= 15 * final
    assert len(second.states) <= 5


def test_the_size_of_the_state_does_not_grow_with_what_was_delivered(server: Server) -> None:
    sizes = []
    for restores in (1, 2000):
        server.world = World.fan_out(1, 5, restores)
        first = sync(server)
        second = sync(server, state=first.state)
        sizes.append(len(json.dumps(second.state)))
        assert len(json.dumps(partitions(second.state)["p0", "a0"])) <= 400

    assert sizes[1] <= sizes[0] + 5 * len("1999")


def test_addons_without_restores_need_no_state(server: Server) -> None:
    server.world = World.fan_out(1, 50, 0)

    run = sync(server)

    assert partitions(run.state) == {}


def test_states_of_addons_that_are_not_read_stay_as_they_are(server: Server) -> None:
    server.world = small_world(a=2, b=2)
    first = sync(server)
    server.world.add_restore("p", "a")
    server.world.add_restore("p", "b")

    second = sync(server, state=first.state, addons=["p/b"])
    third = sync(server, state=second.state)

    assert partitions(second.state)["p", "a"] == partitions(first.state)["p", "a"]
    assert [record["addonId"] for record in second.records["restores"]] == ["b"]
    assert [record["addonId"] for record in third.records["restores"]] == ["a"]


def test_addons_that_are_gone_leave_the_state(server: Server) -> None:
    """As many preview databases a sync would otherwise make it grow without bound."""
    server.world = small_world(a=2)
    run = sync(server)
    size = len(json.dumps(run.state))
    for day in range(3):
        for number in range(10):
            server.world.add_addon("p", f"preview-{day}-{number}")
            server.world.add_restore("p", f"preview-{day}-{number}")
        run = sync(server, state=run.state)
        assert len(partitions(run.state)) == 11
        for number in range(10):
            server.world.remove_addon("p", f"preview-{day}-{number}")

    run = sync(server, state=run.state)

    assert set(partitions(run.state)) == {("p", "a")}
    assert len(json.dumps(run.state)) <= size


@pytest.mark.parametrize("restriction", [{"project_ids": ["p"]}, {"addons": ["p/a"]}], ids=str)
def test_what_settings_leave_out_stays_in_the_state(
    server: Server, restriction: dict[str, Any]
) -> None:
    server.world = small_world(a=2)
    server.world.add_project("q")
    server.world.add_addon("q", "b")
    server.world.add_restore("q", "b")
    first = sync(server)

    second = sync(server, state=first.state, **restriction)
    third = sync(server, state=second.state)

    assert partitions(second.state) == partitions(first.state)
    assert third.records["restores"] == []


def test_an_addon_that_comes_back_is_sent_again(server: Server) -> None:
    server.world = small_world(a=2, b=2)
    first = sync(server)
    gone = server.world.restores("p", "b")
    server.world.remove_addon("p", "b")
    second = sync(server, state=first.state)
    server.world.add_addon("p", "b")
    server.world.restores("p", "b").extend(gone)

    third = sync(server, state=second.state)

    assert set(partitions(second.state)) == {("p", "a")}
    assert [record["addonId"] for record in third.records["restores"]] == ["b", "b"]


def test_an_account_that_lists_nothing_leaves_the_state_as_it_is(server: Server) -> None:
    """A token may have lost its projects for an hour."""
    server.world = small_world(a=2)
    first = sync(server)
    before, server.world = server.world, World()

    second = sync(server, state=first.state)
    server.world = before
    third = sync(server, state=second.state)

    assert partitions(second.state) == partitions(first.state)
    assert third.records["restores"] == []


def merged(older: Any, newer: Any) -> Any:
    """Merge two states as Meltano's `--merge-state` does: objects in depth, all else whole."""
    if not isinstance(older, dict) or not isinstance(newer, dict):
        return newer
    return {
        **older,
        **{key: merged(older[key], new) if key in older else new for key, new in newer.items()},
    }


def test_a_state_that_is_merged_with_an_older_one_hides_nothing(server: Server) -> None:
    server.world = small_world(a=4)
    plain = with_bookmark(
        replication_key="completedAt", replication_key_value="2026-07-01T06:00:02Z"
    )
    first = sync(server, state=plain)
    server.world.add_addon("p", "late")
    server.world.add_restore("p", "late", completedAt="2020-01-01T00:00:00.000Z")

    second = sync(server, state=merged(plain, first.state))

    assert [record["addonId"] for record in second.records["restores"]] == ["late"]


def test_a_pending_restore_of_a_merged_state_is_not_taken_for_the_one_of_today(
    server: Server,
) -> None:
    server.world = small_world(a=1)
    server.world.add_restore("p", "a", "r", "in-progress")
    (restore,) = [each for each in server.world.restores("p", "a") if each["id"] == "r"]
    older = sync(server)
    restore["status"] = "failed"
    newer = sync(server, state=older.state)
    restore["status"] = "in-progress"

    last = sync(server, state=merged(older.state, newer.state))

    assert [record["status"] for record in last.records["restores"]] == ["in-progress"]


GOLDEN = json.loads((Path(__file__).parent / "golden" / "state-0.1.0.json").read_text("utf-8"))


@pytest.fixture
def world_of_0_1_0(server: Server) -> World:
    """The world that 0.1.0 had synced when it wrote these states."""
    world = server.world = World()
    for project in ("shop", "payments"):
        world.add_project(project)
    for name, restores in GOLDEN["restores"].items():
        world.add_addon(*name.split("/"))
        world.restores(*name.split("/")).extend(dict(each) for each in restores)
    return world


@pytest.mark.parametrize(
    ("name", "settings", "sent"),
    [
        ("whole", {}, 0),
        ("from 2026-05-01T00:00:00Z", {"start_date": "2026-05-01T00:00:00Z"}, 0),
        ("interrupted", {}, 41),
    ],
)
@pytest.mark.usefixtures("world_of_0_1_0")
def test_a_state_of_0_1_0_is_carried_over(
    server: Server, name: str, settings: dict[str, Any], sent: int
) -> None:
    first = sync(server, state=GOLDEN["states"][name], **settings)
    second = sync(server, state=first.state, **settings)

    assert len(first.records["restores"]) == sent
    assert second.records["restores"] == []
    proofs = [partition["proof"]["version"] for partition in partitions(first.state).values()]
    assert set(proofs) == {2}


def test_a_state_of_0_1_0_hides_nothing_that_came_since(
    server: Server, world_of_0_1_0: World
) -> None:
    world_of_0_1_0.add_restore("shop", "orders", "late", completedAt="2026-02-02T00:00:00.000Z")
    world_of_0_1_0.add_restore("shop", "empty", "new", "failed")
    world_of_0_1_0.restores("payments", "ledger")[3]["status"] = "failed"

    first = sync(server, state=GOLDEN["states"]["whole"])
    second = sync(server, state=first.state)

    sent = {(record["addonId"], record["id"]) for record in first.records["restores"]}
    assert {("orders", "late"), ("empty", "new"), ("ledger", f"{3003:024x}")} <= sent
    assert len(sent) <= 1 + (121 + 40) / 4
    assert second.records["restores"] == []


@pytest.mark.usefixtures("world_of_0_1_0")
def test_a_state_of_0_1_0_from_a_start_date_gives_what_it_left_out(server: Server) -> None:
    first = sync(server, state=GOLDEN["states"]["from 2026-05-01T00:00:00Z"])
    second = sync(server, state=first.state)

    listed = sum(map(len, GOLDEN["restores"].values()))
    assert len(first.records["restores"]) <= listed
    early = {
        each["id"]
        for each in GOLDEN["restores"]["shop/orders"]
        if each.get("completedAt", "9") < "2026-05"
    }
    assert early <= {record["id"] for record in first.records["restores"]}
    assert second.records["restores"] == []


def with_bookmark(**bookmark: Any) -> dict[str, Any]:
    return {"bookmarks": {"restores": bookmark}}


def with_partition(**partition: Any) -> dict[str, Any]:
    context = {"projectId": "p", "addonId": "a"}
    return with_bookmark(partitions=[{"context": context, **partition}])


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_plain_singer_bookmark_is_honoured(server: Server, *, partitioned: bool) -> None:
    server.world = small_world(a=4)
    bookmark = {
        "replication_key": "completedAt",
        "replication_key_value": "2026-07-01T08:00:01+02:00",
    }
    state = with_partition(**bookmark) if partitioned else with_bookmark(**bookmark)

    first = sync(server, state=state)
    second = sync(server, state=first.state)

    # What ties with it may not have been delivered, and is sent once more.
    assert [record["id"] for record in first.records["restores"]] == ["a-1", "a-2", "a-3"]
    assert second.records["restores"] == []


def test_a_plain_bookmark_for_all_addons_hides_nothing_of_those_that_come_later(
    server: Server,
) -> None:
    server.world = small_world(a=4, empty=0)
    plain = with_bookmark(
        replication_key="completedAt", replication_key_value="2026-07-01T06:00:02Z"
    )
    first = sync(server, state=plain)
    server.world.add_addon("p", "late")
    for addon in ("empty", "late"):
        server.world.add_restore("p", addon, completedAt="2020-01-01T00:00:00.000Z")

    second = sync(server, state=first.state)

    assert [record["addonId"] for record in second.records["restores"]] == ["empty", "late"]


@pytest.mark.parametrize(
    ("state", "named"),
    [
        ({"x": 1}, "bookmarks"),
        ({"bookmarks": None}, "bookmarks"),
        ({"bookmarks": []}, "bookmarks"),
        ({"bookmarks": {"restores": 7}}, "bookmarks"),
        ({"bookmarks": {"addons": None}}, "bookmarks"),
        ({"bookmarks": {"addons": {"partitions": "x"}}}, "addons"),
        ({"bookmarks": {"addons": {"partitions": None}}}, "addons"),
        ({"bookmarks": {"addons": {"partitions": [7]}}}, "addons"),
        ({"bookmarks": {"addons": {"progress_markers": 7}}}, "addons"),
        ({"bookmarks": {"x": {"partitions": [{"progress_markers": 7}]}}}, "x"),
        (with_bookmark(progress_markers=7), "restores"),
        (with_partition(progress_markers=None), "restores"),
        (with_bookmark(partitions={}), "partitions"),
        (with_bookmark(partitions=[7]), "partition"),
        (with_bookmark(partitions=[{}]), "partition"),
        (with_bookmark(partitions=[{"context": None}]), "partition"),
        (with_bookmark(partitions=[{"context": {"projectId": "p"}}]), "partition"),
        (with_bookmark(partitions=[{"context": {"projectId": ["p"], "addonId": {}}}]), "partition"),
        (
            with_bookmark(
                partitions=[with_partition()["bookmarks"]["restores"]["partitions"][0]] * 2
            ),
            "p/a",
        ),
        (with_partition(replication_key="id", replication_key_value="x"), "p/a"),
        (with_partition(replication_key="completedAt", replication_key_value="soon"), "p/a"),
        (with_partition(replication_key="completedAt", replication_key_value=7), "p/a"),
        (with_partition(proof=7), "p/a"),
        (with_partition(proof={}), "p/a"),
        (with_partition(proof={"version": 99}), "p/a"),
        (with_partition(proof={"version": 2, "completed": 0, "digest": "", "pending": []}), "p/a"),
        (with_partition(proof={"version": 1, "completed": -1, "digest": "", "pending": {}}), "p/a"),
        (with_partition(proof={"version": 1, "completed": 1, "digest": "?", "pending": {}}), "p/a"),
        (with_bookmark(replication_key="completedAt", replication_key_value=[]), "the stream"),
    ],
    ids=str,
)
def test_a_state_that_cannot_be_read_is_refused_with_a_line_that_says_what_is_wrong(
    server: Server, state: object, named: str
) -> None:
    run = sync(server, state=state)

    assert run.exit_code == 2
    assert "state" in run.error
    assert named in run.error
    assert "Traceback" not in run.stderr
    assert run.requests == []


def test_states_of_other_streams_are_no_trouble(server: Server) -> None:
    state = {
        "bookmarks": {"addons": {"partitions": [{"x": 1}], "replication_key_value": 7}, "x": {}}
    }

    run = sync(server, state=state)

    assert run.exit_code == 0


def test_a_bookmark_is_not_copied_for_each_state_message() -> None:
    """The SDK copies the state that it wrote last, to tell whether there is something new."""
    state: dict[str, Any] = {}
    kept = RestoresState(state)
    addons = [Addon("p", name) for name in "ab"]
    for addon in addons:
        kept.done_with(addon, Bookmark("2026-01-01T00:00:00Z", completed=1))
    kept.keep()
    written = copy.deepcopy(state)

    kept.done_with(addons[0], Bookmark("2026-01-02T00:00:00Z", completed=2))
    kept.keep()

    (before, same), (after, unchanged) = written["partitions"], state["partitions"]
    assert unchanged is same
    assert before["replication_key_value"] < after["replication_key_value"]
    assert written == json.loads(json.dumps(written))
