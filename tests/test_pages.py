"""Pages: exactly those that exist are asked for, whatever the documents leave open."""

from __future__ import annotations

import itertools
import json
import re
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Fault, World
from tap_northflank_restores.seen import Seen
from tests.support import Run, keyed, selecting, small_world, sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator import Request, Server

LISTS = ("projects", "addons", "backups", "restores")
PATHS = {
    "projects": r"/projects$",
    "addons": r"/p0/addons$",
    "backups": r"/a0/backups$",
    "restores": r"/a0/restores$",
}
PAGE_SIZE = 2
EMPTY = b'{"data": {"restores": []}, "pagination": {"hasNextPage": false}}'


def world() -> World:
    """Five items in the list of each kind that PATHS names, one in the others."""
    made = World.fan_out(projects=5, addons=0, restores=0)
    for project in range(5):
        for addon in range(5 if project == 0 else 1):
            place = f"p{project}", f"a{addon}"
            made.add_addon(*place)
            for number in range(5 if place == ("p0", "a0") else 1):
                made.add_backup(*place, f"b{number}")
                made.add_restore(*place, f"r{project}-{addon}-{number}")
                made.advance(seconds=1)
    return made


def everything(server: Server, **settings: Any) -> Run:
    """Sync all four streams, two items a page."""
    return sync(server, catalog=selecting(*LISTS), **{"page_size": PAGE_SIZE, **settings})


def ids(run: Run) -> dict[str, list[Any]]:
    """The keys of the records, in order, by stream."""
    names = ("projectId", "addonId", "id")
    return {
        stream: [tuple(record[name] for name in names if name in record) for record in records]
        for stream, records in run.records.items()
    }


def expected(made: World) -> dict[str, list[Any]]:
    """The keys of what exists, in the order of the listing."""
    projects = [item["id"] for item in made.projects()]
    addons = [(project, item["id"]) for project in projects for item in made.addons(project)]
    return {
        "addons": addons,
        "backups": [(*key, item["id"]) for key in addons for item in made.backups(*key)],
        "projects": [(project,) for project in projects],
        "restores": [(*key, item["id"]) for key in addons for item in made.restores(*key)],
    }


def pages_asked(run: Run) -> Counter[str]:
    """How many pages of each list were asked for."""
    return Counter(run.asked)


def pages_there(made: World, size: int = PAGE_SIZE) -> Counter[str]:
    """How many pages each list has; an empty one has one."""

    def pages(items: list[Any]) -> int:
        return max(1, -(-len(items) // size))

    counts = Counter({"/v1/projects": pages(made.projects())})
    for project in made.projects():
        path = f"/v1/projects/{project['id']}/addons"
        addons = made.addons(project["id"])
        counts[path] = pages(addons)
        for addon in addons:
            key = project["id"], addon["id"]
            counts[f"{path}/{addon['id']}/backups"] = pages(made.backups(*key))
            counts[f"{path}/{addon['id']}/restores"] = pages(made.restores(*key))
    return counts


# What exists is asked for once --------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 8])
def test_exactly_the_pages_that_exist_are_asked_for_each_once(
    server: Server, concurrency: int
) -> None:
    server.world = world()

    run = everything(server, concurrency=concurrency)

    assert run.exit_code == 0
    assert ids(run) == expected(server.world)
    assert pages_asked(run) == pages_there(server.world)


def test_the_cursor_of_a_page_is_asked_for_and_nothing_else(server: Server) -> None:
    server.world = small_world(a=3)

    run = sync(server, addons=["p/a"], page_size=1)

    assert [sorted(request.query) for request in run.requests] == [
        ["per_page"],
        ["cursor", "per_page"],
        ["cursor", "per_page"],
    ]
    assert len({request.query.get("cursor") for request in run.requests}) == 3
    assert {request.query["per_page"] for request in run.requests} == {"1"}
    assert {request.method for request in run.requests} == {"GET"}


def test_a_hundred_items_a_page_are_asked_for_by_default(server: Server) -> None:
    server.world = World.fan_out(1, 1, 101)

    run = sync(server)

    assert {request.query["per_page"] for request in run.requests} == {"100"}
    assert run.asked.count("/v1/projects/p0/addons/a0/restores") == 2


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_a_list_that_ends_at_the_end_of_a_page_takes_no_further_request(
    server: Server, count: int
) -> None:
    server.world = small_world(a=count)

    run = sync(server, addons=["p/a"], page_size=2)

    assert len(run.requests) == max(1, (count + 1) // 2)
    assert len(run.records["restores"]) == count


def test_the_listing_is_fetched_once_for_all_streams_that_need_it(server: Server) -> None:
    server.world = world()

    run = everything(server, page_size=100)

    assert run.asked.count("/v1/projects") == 1
    assert [run.asked.count(f"/v1/projects/p{project}/addons") for project in range(5)] == [1] * 5


@pytest.mark.parametrize(
    ("streams", "lists"),
    [
        (["projects"], {"projects"}),
        (["addons"], {"projects", "addons"}),
        (["projects", "addons"], {"projects", "addons"}),
        (["backups"], {"projects", "addons", "backups"}),
        (["restores"], {"projects", "addons", "restores"}),
        ([], set()),
    ],
)
def test_only_the_lists_that_the_selected_streams_need_are_read(
    server: Server, streams: list[str], lists: set[str]
) -> None:
    server.world = world()

    run = sync(server, catalog=selecting(*streams))

    assert run.exit_code == 0
    assert {request.page_of for request in run.requests} == lists
    assert set(run.records) == set(streams)


# Least privilege ----------------------------------------------------------------------------


def test_a_named_addon_takes_the_requests_of_its_list_and_no_other(server: Server) -> None:
    server.world = small_world(a=250, b=1)

    run = sync(server, addons=["p/a"])

    assert run.asked == ["/v1/projects/p/addons/a/restores"] * 3
    assert len(run.records["restores"]) == 250
    assert run.records["projects"] == run.records["addons"] == []


def test_a_named_addon_needs_no_permission_to_list(server: Server) -> None:
    server.world = small_world(a=1)
    server.behaviour.may_list_projects = False

    run = sync(server, addons=["p/a"])

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 1


def test_named_projects_are_read_without_a_word_about_others(server: Server) -> None:
    server.world = world()
    server.behaviour.may_list_projects = False
    server.behaviour.token_projects = {"p1", "p3"}

    run = everything(server, project_ids=["p3", "p1"])

    assert run.exit_code == 0
    assert ids(run) == {
        "addons": [("p3", "a0"), ("p1", "a0")],
        "backups": [("p3", "a0", "b0"), ("p1", "a0", "b0")],
        "projects": [],
        "restores": [("p3", "a0", "r3-0-0"), ("p1", "a0", "r1-0-0")],
    }
    assert {path.split("/")[3] for path in run.asked} == {"p1", "p3"}


@pytest.mark.parametrize(
    ("settings", "requests"),
    [({"addons": ["p/a", "p/b", "p/a"]}, 2), ({"project_ids": ["p", "p"]}, 3)],
)
def test_what_is_named_twice_is_read_once(
    server: Server, settings: dict[str, Any], requests: int
) -> None:
    server.world = small_world(a=1, b=1)

    run = sync(server, **settings)

    assert len(run.requests) == requests
    assert len(run.records["restores"]) == 2


def test_named_addons_go_before_named_projects(server: Server) -> None:
    server.world = small_world(a=1, b=1)

    run = sync(server, addons=["p/b"], project_ids=["p"])

    assert run.asked == ["/v1/projects/p/addons/b/restores"]


# Both path forms ----------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["{url}", "{url}/"])
def test_with_a_team_all_paths_are_under_it(server: Server, url: str) -> None:
    server.world = world()
    server.behaviour.team_id = "acme"

    run = everything(server, team_id="acme", api_url=url.format(url=server.url))

    assert run.exit_code == 0
    assert ids(run) == expected(server.world)
    assert pages_asked(run) == Counter(
        {
            path.replace("/v1/", "/v1/teams/acme/"): count
            for path, count in pages_there(server.world).items()
        }
    )


def test_without_a_team_no_path_has_one(server: Server) -> None:
    server.world = world()

    run = everything(server)

    assert [path for path in run.asked if "teams" in path] == []


def test_an_id_that_the_api_gives_cannot_lead_to_another_path(server: Server) -> None:
    server.world = small_world(a=1)
    server.world.addons("p").append({"id": "a/../../q?x=#y z", "name": "x", "appId": "x"})

    run = sync(server)

    assert run.exit_code == 0
    assert "/v1/projects/p/addons/a%2F..%2F..%2Fq%3Fx%3D%23y%20z/restores" in run.asked
    assert len(run.records["restores"]) == 1


ODD_IDS = {
    "a/b": "a%2Fb",
    "%2e%2e": "%252e%252e",
    "%2E": "%252E",
    "...": "...",
    "..a": "..a",
    "../x": "..%2Fx",
    "a b": "a%20b",
    "a?b#c&d=e": "a%3Fb%23c%26d%3De",
    "ä中🙂": "%C3%A4%E4%B8%AD%F0%9F%99%82",
    "a\\b": "a%5Cb",
    " ": "%20",
    "a:b@c;d": "a%3Ab%40c%3Bd",
    "x\r\nHost: y": "x%0D%0AHost%3A%20y",
    "*": "%2A",
}


@pytest.mark.parametrize(("id_", "encoded"), ODD_IDS.items())
def test_an_id_is_asked_for_as_it_is_and_once(server: Server, id_: str, encoded: str) -> None:
    def put(body: dict[str, Any]) -> None:
        (name,) = body["data"]
        body["data"][name] = [{"id": id_, "name": "x"}]

    server.faults = [
        Fault("/projects$", "change", change=put),
        Fault("/addons$", "body", status=200, body=json.dumps(one_addon(id_)).encode()),
        Fault("/restores$", "body", status=200, body=EMPTY),
    ]

    run = sync(server)

    assert run.exit_code == 0
    assert run.asked == [
        "/v1/projects",
        f"/v1/projects/{encoded}/addons",
        f"/v1/projects/{encoded}/addons/{encoded}/restores",
    ]


def one_addon(id_: object) -> dict[str, Any]:
    """A page of one addon."""
    return {"data": {"addons": [{"id": id_}]}, "pagination": {"hasNextPage": False}}


@pytest.mark.parametrize("id_", [".", ".."])
@pytest.mark.parametrize("kind", ["projects", "addons"])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_an_id_that_no_encoding_keeps_from_another_path_is_refused(
    server: Server, id_: str, kind: str, concurrency: int
) -> None:
    def put(body: dict[str, Any]) -> None:
        body["data"][kind] = [{"id": id_, "name": "x"}]

    server.world = small_world(a=1)
    server.faults = [Fault(f"/{kind}$", "change", change=put)]

    run = sync(server, concurrency=concurrency)

    assert run.exit_code == 5
    assert run.error.startswith(f"The API lists the id '{id_}' (in projects/")
    assert "Traceback" not in run.stderr
    assert run.asked == ["/v1/projects", "/v1/projects/p/addons"][: 1 if kind == "projects" else 2]


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("concurrency", [1, 8])
def test_an_empty_id_is_no_id(server: Server, kind: str, concurrency: int) -> None:
    def put(body: dict[str, Any]) -> None:
        body["data"][kind][0]["id"] = ""

    server.world = world()
    server.faults = [Fault(PATHS[kind], "change", change=put)]

    run = everything(server, concurrency=concurrency)

    assert run.exit_code == 5
    assert "an id is empty" in run.error
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("id_", [7, 0, -1, 10**15, 2**64])
@pytest.mark.parametrize("kind", ["projects", "addons"])
def test_a_number_is_an_id_as_well(server: Server, kind: str, id_: int) -> None:
    def put(body: dict[str, Any]) -> None:
        body["data"][kind] = [{"id": id_, "name": "x"}]

    server.world = small_world(a=1)
    server.faults = [
        Fault(f"/{kind}$", "change", change=put, times=1),
        Fault("/addons$", "body", status=200, body=json.dumps(one_addon("a")).encode()),
        Fault("/restores$", "body", status=200, body=EMPTY),
    ]

    run = sync(server)

    assert run.exit_code == 0
    assert f"/{id_}/" in run.asked[-1]
    assert len(run.asked) == 3


# Doubts, at each list -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("last", ["absent", "null", "present"])
def test_has_next_page_decides_whatever_cursor_the_last_page_has(
    server: Server, kind: Any, last: Any
) -> None:
    server.world = world()
    server.behaviour.cursor_on_last_page = last
    server.behaviour.only_lists = {kind}

    run = everything(server)

    assert run.exit_code == 0
    assert ids(run) == expected(server.world)
    assert pages_asked(run) == pages_there(server.world)


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("empty", [{0}, {1}, {2}, {0, 1, 2}])
def test_an_empty_page_with_more_behind_it_goes_on(
    server: Server, kind: Any, empty: set[int]
) -> None:
    server.world = world()
    server.behaviour.empty_pages = empty.__contains__
    server.behaviour.only_lists = {kind}

    run = everything(server)

    assert run.exit_code == 0
    assert ids(run) == expected(server.world)
    assert sum(re.search(PATHS[kind], path) is not None for path in run.asked) >= 3 + len(empty)


@pytest.mark.parametrize("kind", LISTS)
def test_an_empty_page_at_the_end_is_no_trouble(server: Server, kind: Any) -> None:
    server.world = world()
    server.behaviour.trailing_empty_page = True
    server.behaviour.only_lists = {kind}

    run = everything(server)

    assert run.exit_code == 0
    assert ids(run) == expected(server.world)
    assert sum(re.search(PATHS[kind], path) is not None for path in run.asked) >= 4


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("concurrency", [1, 8])
def test_more_without_a_cursor_is_an_error_and_never_a_silent_end(
    server: Server, kind: Any, concurrency: int
) -> None:
    server.world = world()
    server.behaviour.more_without_cursor = True
    server.behaviour.only_lists = {kind}

    run = everything(server, concurrency=concurrency)

    assert run.exit_code == 5
    assert "says that there is more but gives no cursor" in run.error
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("cursor", ["", None])
def test_an_empty_cursor_is_none(server: Server, cursor: str | None) -> None:
    def change(body: dict[str, Any]) -> None:
        body["pagination"] = {"hasNextPage": True, "cursor": cursor}

    server.world = small_world(a=1)
    server.faults = [Fault(r"/restores$", "change", change=change)]

    run = sync(server)

    assert run.exit_code == 5
    assert "gives no cursor" in run.error
    assert run.asked.count("/v1/projects/p/addons/a/restores") == 1


@pytest.mark.parametrize("kind", LISTS)
def test_a_cursor_seen_before_in_this_list_is_an_error_and_never_an_endless_loop(
    server: Server, kind: Any
) -> None:
    server.world = world()
    server.behaviour.repeat_cursor = True
    server.behaviour.only_lists = {kind}

    run = everything(server)

    assert run.exit_code == 5
    assert "same cursor twice" in run.error
    assert "Traceback" not in run.stderr


def test_cursors_that_go_round_in_a_circle_are_an_error(server: Server) -> None:
    def change(body: dict[str, Any]) -> None:
        body["pagination"] = {"hasNextPage": True, "cursor": next(circle)}

    circle = iter([1, 2, 3, 1, 2, 3])
    server.world = small_world(a=1)
    server.faults = [Fault(r"/restores$", "change", change=change)]
    # The simulator takes cursors of its own only.
    server.before_response = lambda request, _world: request.query.pop("cursor", None)

    run = sync(server)

    assert run.exit_code == 5
    assert run.asked.count("/v1/projects/p/addons/a/restores") == 4


@pytest.mark.parametrize("kind", LISTS)
def test_empty_pages_without_an_end_are_an_error(
    server: Server, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setattr("tap_northflank_restores.client.MAX_STALE_PAGES", 20)
    server.world = world()
    server.behaviour.endless = True
    server.behaviour.only_lists = {kind}

    run = everything(server, concurrency=1)

    assert run.exit_code == 5
    assert "20 pages in a row with nothing new" in run.error


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("order", ["stable", "shuffled"])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_list_that_goes_round_and_round_is_an_error_soon(
    server: Server, kind: Any, size: int, order: Any, concurrency: int
) -> None:
    server.world = world()
    server.behaviour.round_again = True
    server.behaviour.order = order
    server.behaviour.only_lists = {kind}

    run = everything(server, page_size=size, concurrency=concurrency)

    assert run.exit_code == 5
    assert "50 pages in a row with nothing new" in run.error
    asked = Counter(request.path for request in run.requests if request.page_of == kind)
    assert max(asked.values()) <= -(-5 // size) + 50


def test_a_list_of_many_pages_that_goes_round_ends_some_tens_of_pages_later(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise chance decides whether the last page passes for one that was seen.
    numbers: dict[str, int] = {}
    monkeypatch.setattr(
        "tap_northflank_restores.seen.hash",
        lambda id_: numbers.setdefault(id_, len(numbers)),
        raising=False,
    )
    server.world = small_world(a=700)
    server.behaviour.round_again = True
    server.behaviour.only_lists = {"restores"}

    run = sync(server, addons=["p/a"], page_size=1)

    assert run.exit_code == 5
    assert len(run.requests) == 700 + 50
    assert len({record["id"] for record in run.records["restores"]}) == 700


def test_as_many_empty_pages_as_an_honest_api_may_give_are_read_over(server: Server) -> None:
    server.world = small_world(a=3)
    server.behaviour.empty_pages = lambda page: page % 50 != 49

    run = sync(server, addons=["p/a"], page_size=1)

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 3
    assert len(run.requests) == 150


# A cursor that has expired ------------------------------------------------------------------


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("status", [400, 404, 410, 422])
@pytest.mark.parametrize("page", [2, 3])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_list_whose_cursor_is_refused_is_read_from_its_start_once_more(
    server: Server, kind: str, status: int, page: int, concurrency: int
) -> None:
    server.world = world()
    server.faults = [Fault(PATHS[kind], "status", status=status, page=page, times=1)]

    run = everything(server, concurrency=concurrency)

    assert run.exit_code == 0
    there = expected(server.world)
    for stream, keys in ids(run).items():
        assert set(keys) == set(there[stream])
        if stream != "backups":  # which the loader merges by their key
            assert len(keys) == len(there[stream])
    again = pages_asked(run) - pages_there(server.world)
    assert list(again.values()) == [page]
    (line,) = [told for told in run.logged("INFO") if "from its start once more" in told]
    assert f": {status} " in line
    assert run.logged("WARNING") == []


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("status", [400, 410, 422])
def test_a_list_whose_cursor_is_refused_again_is_an_error(
    server: Server, kind: str, status: int
) -> None:
    server.world = world()
    server.faults = [Fault(PATHS[kind], "status", status=status, page=2)]

    run = everything(server, concurrency=1)

    assert run.exit_code == 5
    assert f": {status} " in run.error
    assert sum(re.search(PATHS[kind], path) is not None for path in run.asked) == 4


@pytest.mark.parametrize("status", [400, 410, 422])
def test_a_refusal_without_a_cursor_is_not_asked_for_again(server: Server, status: int) -> None:
    server.world = small_world(a=3)
    server.faults = [Fault("/restores$", "status", status=status, page=1)]

    run = sync(server, addons=["p/a"], page_size=1)

    assert run.exit_code == 5
    assert len(run.requests) == 1


def test_a_second_sync_after_a_refused_cursor_sends_nothing(server: Server) -> None:
    server.world = small_world(a=7)
    server.faults = [Fault("/restores$", "status", status=410, page=3, times=1)]

    first = sync(server, page_size=2)
    second = sync(server, page_size=2, state=first.state)

    assert len(first.records["restores"]) == 7
    assert second.records["restores"] == []


@pytest.mark.slow
def test_some_bytes_an_id_are_kept_of_what_a_list_has_shown() -> None:
    seen = Seen()
    tracemalloc.start()

    for page in range(10_000):
        assert seen.add(f"{page}-{item}" for item in range(100))
    assert not seen.add(f"{page}-{item}" for page in range(0, 10_000, 97) for item in range(100))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 10 * 1024 * 1024


@pytest.mark.parametrize("kind", LISTS)
def test_the_same_page_with_other_cursors_for_ever_is_an_error(
    server: Server, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tap_northflank_restores.client.MAX_STALE_PAGES", 20)
    server.world = world()
    fresh = itertools.count()

    def ignore_the_cursor(body: dict[str, Any]) -> None:
        body["pagination"] = {"hasNextPage": True, "cursor": f"fresh-{next(fresh)}"}

    server.before_response = lambda request, _world: request.query.pop("cursor", None)
    server.faults = [Fault(PATHS[kind], "change", change=ignore_the_cursor)]

    run = everything(server, concurrency=1)

    assert run.exit_code == 5
    assert "20 pages in a row with nothing new" in run.error


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("order", ["reversed", "shuffled"])
@pytest.mark.parametrize("cursor", ["position", "after_id"])
def test_no_order_of_the_items_is_relied_on(
    server: Server, kind: str, order: Any, cursor: Any
) -> None:
    server.world = world()
    server.behaviour.order = order
    server.behaviour.cursor_kind = cursor

    run = everything(server)

    assert run.exit_code == 0
    assert sorted(ids(run)[kind]) == sorted(expected(server.world)[kind])


def inserting(kind: str) -> Callable[[Request, World], None]:
    """Put an item before all others once the first page of a list has been read."""
    done: list[bool] = []

    def change(request: Request, made: World) -> None:
        if "cursor" in request.query and request.page_of == kind and not done:
            done.append(True)
            items = {
                "projects": made.projects(),
                "addons": made.addons("p0"),
                "backups": made.backups("p0", "a0"),
                "restores": made.restores("p0", "a0"),
            }[kind]
            items.insert(0, {**items[0], "id": "new"})

    return change


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_that_shifts_between_two_pages_loses_nothing_that_was_there(
    server: Server, kind: str
) -> None:
    server.world = world()
    before = expected(server.world)
    server.before_response = inserting(kind)

    run = everything(server, concurrency=1)

    assert run.exit_code == 0
    assert set(ids(run)[kind]) >= set(before[kind])


@pytest.mark.parametrize("kind", ["projects", "addons"])
def test_an_item_shown_on_two_pages_of_a_listing_is_read_once(server: Server, kind: str) -> None:
    server.world = world()
    server.before_response = inserting(kind)

    run = everything(server, concurrency=1)

    for stream, keys in ids(run).items():
        assert Counter(keys).most_common(1)[0][1] == 1, stream


@pytest.mark.parametrize("kind", ["backups", "restores"])
@pytest.mark.parametrize("id_kind", ["hex24", "number13", "json-number"])
def test_ids_may_be_texts_or_numbers(server: Server, kind: str, id_kind: Any) -> None:
    server.world = world()
    server.behaviour.id_kind = id_kind

    run = everything(server)

    assert run.exit_code == 0
    assert all(isinstance(record["id"], str) for record in run.records[kind])
    if kind == "restores":
        there = keyed(server.served_restores())
        assert set(keyed(run.records[kind])) == {(*key[:2], str(key[2])) for key in there}


@pytest.mark.parametrize("kind", LISTS)
def test_fields_that_are_not_documented_are_left_out(server: Server, kind: str) -> None:
    def change(body: dict[str, Any]) -> None:
        body["extra"] = body["pagination"]["extra"] = body["data"]["extra"] = {"x": 1}
        for item in body["data"][kind]:
            item["extra"] = {"x": [1]}

    server.world = world()
    server.faults = [Fault(PATHS[kind], "change", change=change)]

    run = everything(server)

    assert run.exit_code == 0
    assert ids(run) == expected(server.world)
    assert all("extra" not in record for record in run.records[kind])
