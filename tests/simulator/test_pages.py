"""Pages of lists: as documented, and with each switch for what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from simulator import Behaviour
from tests.simulator.conftest import RESTORES, items_of

if TYPE_CHECKING:
    from simulator import Request, Server, World
    from simulator.world import Item, ListKind
    from tests.simulator.conftest import Client

LISTS: dict[ListKind, str] = {
    "projects": "/projects",
    "addons": "/projects/p/addons",
    "backups": "/projects/p/addons/a/backups",
    "restores": "/projects/p/addons/a/restores",
    "backup-restores": "/projects/p/addons/a/backups/backup-0/restores",
    "backup-schedules": "/projects/p/addons/a/backup-schedules",
}


def test_a_page_has_the_documented_form(client: Client) -> None:
    assert client.body(RESTORES, per_page=5) == {
        "data": {
            "restores": [
                {
                    "id": f"r{day - 1}",
                    "status": "completed",
                    "restoreTimestamp": f"2026-07-0{day}T05:30:00.000Z",
                    "completedAt": f"2026-07-0{day}T06:00:00.000Z",
                    "backupId": "backup-0",
                }
                for day in range(1, 6)
            ]
        },
        "pagination": {"hasNextPage": False, "count": 5},
    }


@pytest.mark.parametrize("kind", LISTS)
def test_each_list_is_there_in_both_forms(
    client: Client, server: Server, world: World, kind: ListKind
) -> None:
    served = world.listed(kind, "p", "a", "backup-0")
    assert client.items("/v1" + LISTS[kind]) == served
    assert client.items("/v1/teams/acme" + LISTS[kind]) == served
    assert [request.page_of for request in server.requests] == [kind, kind]


@pytest.mark.parametrize("kind", LISTS)
def test_all_pages_hold_each_item_once(client: Client, world: World, kind: ListKind) -> None:
    for number in range(6):
        world.add_project(f"p{number}")
        world.add_addon("p", f"a{number}")
        world.add_backup("p", "a", id=f"b{number}")
        world.schedules("p", "a").append({"id": f"s{number}"})
    ids = [item["id"] for item in world.listed(kind, "p", "a", "backup-0")]
    for size in (1, 2, 3, 5, 7, 100):
        pages = list(client.pages("/v1" + LISTS[kind], per_page=size))
        assert [item["id"] for body in pages for item in items_of(body)] == ids
        assert len(pages) == -(-len(ids) // size)


def test_a_page_has_50_items_unless_told_otherwise_and_100_at_most(
    client: Client, world: World
) -> None:
    for number in range(200):
        world.add_restore("p", "a", id=f"more{number}")
    assert len(items_of(client.body(RESTORES))) == 50
    assert len(items_of(client.body(RESTORES, per_page=100))) == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("per_page", value) for value in ("0", "101", "-1", "x", "", "1.5", "²")],
        *[("page", value) for value in ("0", "-1", "x")],
        *[("cursor", value) for value in ("x", "WzFd", "ÿ", "!")],
    ],
)
def test_a_bad_parameter_is_refused(client: Client, name: str, value: str) -> None:
    response = client.get(RESTORES, **{name: value})
    assert response.status_code == 400
    assert name in response.json()["error"]["message"]


def test_a_page_number_is_taken_unless_there_is_a_cursor(client: Client) -> None:
    third = client.body(RESTORES, per_page=2, page=3)
    assert [item["id"] for item in items_of(third)] == ["r4"]
    assert items_of(client.body(RESTORES, per_page=2, page=4)) == []
    cursor = client.body(RESTORES, per_page=2)["pagination"]["cursor"]
    second = client.body(RESTORES, per_page=2, page=3, cursor=cursor)
    assert [item["id"] for item in items_of(second)] == ["r2", "r3"]


def test_a_list_without_items_is_one_page(client: Client, world: World) -> None:
    world.add_addon("p", "b")
    assert client.body("/v1/projects/p/addons/b/restores") == {
        "data": {"restores": []},
        "pagination": {"hasNextPage": False, "count": 0},
    }


def test_restores_of_a_backup_are_its_own_and_do_not_name_it(client: Client, world: World) -> None:
    world.add_backup("p", "a", id="other")
    world.add_restore("p", "a", id="of-other", backupId="other")
    (item,) = client.items("/v1/projects/p/addons/a/backups/other/restores")
    assert item["id"] == "of-other"
    assert set(item) == {"id", "status", "restoreTimestamp", "completedAt"}


# The last page ------------------------------------------------------------------------------------


def test_the_last_page_has_no_cursor_a_null_or_one_all_the_same(
    client: Client, server: Server
) -> None:
    assert "cursor" not in client.body(RESTORES)["pagination"]
    server.behaviour.cursor_on_last_page = "null"
    assert client.body(RESTORES)["pagination"]["cursor"] is None
    server.behaviour.cursor_on_last_page = "present"
    pagination = client.body(RESTORES)["pagination"]
    assert pagination["hasNextPage"] is False
    assert items_of(client.body(RESTORES, cursor=pagination["cursor"])) == []


# Odd pages ----------------------------------------------------------------------------------------


def counts(client: Client, **query: object) -> list[int]:
    return [len(items_of(body)) for body in client.pages(RESTORES, **query)]


def test_every_other_page_can_be_empty(client: Client, server: Server) -> None:
    server.behaviour.empty_pages = 2
    assert counts(client, per_page=2) == [2, 0, 2, 0, 1]
    assert client.ids(per_page=2) == ["r0", "r1", "r2", "r3", "r4"]


def test_chosen_pages_can_be_empty(client: Client, server: Server) -> None:
    server.behaviour.empty_pages = lambda page: page in {0, 1, 3}
    assert counts(client, per_page=3) == [0, 0, 3, 0, 2]


def test_an_empty_page_can_follow_the_last_item(client: Client, server: Server) -> None:
    server.behaviour.trailing_empty_page = True
    assert counts(client, per_page=5) == [5, 0]
    assert counts(client, per_page=3) == [3, 2, 0]


def test_more_can_be_announced_without_a_cursor(client: Client, server: Server) -> None:
    server.behaviour.more_without_cursor = True
    assert client.body(RESTORES, per_page=2)["pagination"] == {"hasNextPage": True, "count": 2}
    assert client.body(RESTORES)["pagination"] == {"hasNextPage": False, "count": 5}


def test_a_cursor_can_come_again(client: Client, server: Server) -> None:
    server.behaviour.repeat_cursor = True
    first = client.body(RESTORES, per_page=2)["pagination"]
    second = client.body(RESTORES, per_page=2, cursor=first["cursor"])
    assert second["pagination"] == {"hasNextPage": True, "cursor": first["cursor"], "count": 2}


def test_a_list_can_be_endless(client: Client, server: Server) -> None:
    server.behaviour.endless = True
    pages = list(client.pages(RESTORES, per_page=2))
    assert [len(items_of(body)) for body in pages] == [2, 2, 1] + [0] * (len(pages) - 3)
    assert all(body["pagination"]["hasNextPage"] for body in pages)
    assert len({body["pagination"]["cursor"] for body in pages}) == len(pages) > 10


def test_odd_pages_can_be_limited_to_some_lists(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(endless=True, only_lists={"restores"})
    assert client.body(RESTORES)["pagination"]["hasNextPage"] is True
    assert client.body("/v1/projects")["pagination"]["hasNextPage"] is False


# Order --------------------------------------------------------------------------------------------


def test_the_order_can_be_reversed(client: Client, server: Server) -> None:
    server.behaviour.order = "reversed"
    assert client.ids(per_page=2) == ["r4", "r3", "r2", "r1", "r0"]


def test_the_newest_can_come_first(client: Client, server: Server, world: World) -> None:
    world.restores("p", "a")[1]["restoreTimestamp"] = "2027-01-01T00:00:00.000Z"
    server.behaviour.order = "newest_first"
    assert client.ids(per_page=2) == ["r1", "r4", "r3", "r2", "r0"]


def test_a_shuffle_holds_for_one_listing(client: Client, server: Server) -> None:
    server.behaviour.order = "shuffled"
    listings = [client.ids(per_page=2) for _ in range(5)]
    assert all(sorted(ids) == ["r0", "r1", "r2", "r3", "r4"] for ids in listings)
    assert len({tuple(ids) for ids in listings}) > 1


# Lists that change between two pages --------------------------------------------------------------


Change = Callable[[list["Item"]], object]


def before_second_page(server: Server, change: Change) -> None:
    def callback(request: Request, world: World) -> None:
        if "cursor" in request.query:
            server.before_response = None
            change(world.restores("p", "a"))

    server.before_response = callback


CHANGES: dict[str, tuple[Change, str, str]] = {
    "one before": (
        lambda items: items.insert(0, {**items[0], "id": "new"}),
        "r0 r1 r1 r2 r3 r4",
        "r0 r1 r2 r3 r4",
    ),
    "one after": (
        lambda items: items.append({**items[0], "id": "new"}),
        "r0 r1 r2 r3 r4 new",
        "r0 r1 r2 r3 r4 new",
    ),
    "first gone": (lambda items: items.pop(0), "r0 r1 r3 r4", "r0 r1 r2 r3 r4"),
    "last given gone": (lambda items: items.pop(1), "r0 r1 r3 r4", "r0 r1 r2 r3 r4"),
    "next gone": (lambda items: items.pop(2), "r0 r1 r3 r4", "r0 r1 r3 r4"),
    "both gone": (lambda items: [items.pop(1), items.pop(1)], "r0 r1 r4", "r0 r1 r3 r4"),
    "all given gone": (lambda items: [items.pop(0), items.pop(0)], "r0 r1 r4", "r0 r1 r2 r3 r4"),
    "all gone": (lambda items: items.clear(), "r0 r1", "r0 r1"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_items_shift_under_a_position(client: Client, server: Server, name: str) -> None:
    change, ids, _ = CHANGES[name]
    before_second_page(server, change)
    assert " ".join(client.ids(per_page=2)) == ids


@pytest.mark.parametrize("name", CHANGES)
def test_items_do_not_shift_under_an_id(client: Client, server: Server, name: str) -> None:
    change, _, ids = CHANGES[name]
    server.behaviour.cursor_kind = "after_id"
    before_second_page(server, change)
    assert " ".join(client.ids(per_page=2)) == ids


def test_a_page_asked_for_again_is_the_same(client: Client, server: Server, world: World) -> None:
    server.behaviour.cursor_kind = "after_id"
    cursor = client.body(RESTORES, per_page=2)["pagination"]["cursor"]
    second = client.body(RESTORES, per_page=2, cursor=cursor)
    world.restores("p", "a").pop(1)
    assert items_of(client.body(RESTORES, per_page=2, cursor=cursor)) == items_of(second)


def test_a_list_can_go_round_with_fresh_cursors(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(round_again=True)
    cursors: list[str] = []
    for _ in range(30):
        query = {"cursor": cursors[-1]} if cursors else {}
        body = client.body(RESTORES, per_page=5, **query)
        assert body["pagination"]["hasNextPage"]
        assert items_of(body)
        cursors.append(body["pagination"]["cursor"])
    assert len(set(cursors)) == 30
