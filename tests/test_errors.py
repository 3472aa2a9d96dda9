"""Faults between the tap and the API: how often each is tried, and the line that it ends in."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Fault, World, serve
from tap_northflank_restores.client import WAITS, Client, jittered
from tap_northflank_restores.errors import APIError, ExitCode
from tap_northflank_restores.quota import Quota
from tests.support import Run, selecting, small_world, sync

if TYPE_CHECKING:
    from simulator import Server

pytestmark = pytest.mark.slow

LISTS = {
    "projects": "/v1/projects",
    "addons": "/v1/projects/p/addons",
    "backups": "/v1/projects/p/addons/a/backups",
    "restores": "/v1/projects/p/addons/a/restores",
}
each_list = pytest.mark.parametrize("name", LISTS)
each_concurrency = pytest.mark.parametrize("concurrency", [1, 8])


def fault(name: str, kind: Any, **details: Any) -> Fault:
    """Return a fault at one list."""
    return Fault(f"{LISTS[name]}$", kind, **details)


def everything(server: Server, **settings: Any) -> Run:
    """Sync all four streams of an account with one addon, a."""
    if not server.world.projects():
        server.world = small_world(a=2)
        server.world.add_backup("p", "a")
    return sync(server, catalog=selecting(*LISTS), **settings)


def assert_one_line(run: Run, exit_code: int) -> None:
    """A run that ended as it should when something is wrong."""
    assert run.exit_code == exit_code, run.stderr
    assert run.error
    assert "Traceback" not in run.stderr
    assert [line for line in run.stderr.splitlines() if " | " not in line] == []


def test_exit_codes_are_stable() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "SUCCESS": 0,
        "UNEXPECTED": 1,
        "CONFIGURATION": 2,
        "ACCESS": 3,
        "QUOTA": 4,
        "API": 5,
        "OUTPUT": 6,
        "INTERRUPTED": 130,
    }


# Faults that another try may not meet -------------------------------------------------------

TRANSIENT: dict[str, dict[str, Any]] = {
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503},
    "504": {"kind": "status", "status": 504},
    "599": {"kind": "status", "status": 599},
    "408": {"kind": "status", "status": 408},
    "drop": {"kind": "drop"},
    "cut": {"kind": "cut"},
    "gzip-cut": {"kind": "gzip-cut"},
    "malformed": {"kind": "malformed"},
    "html-502": {"kind": "html"},
    "html-200": {"kind": "html", "status": 200},
    "wrong-shape": {"kind": "wrong_shape", "shape": {"data": []}},
}
each_transient = pytest.mark.parametrize("details", TRANSIENT.values(), ids=TRANSIENT)


@each_list
@each_transient
def test_a_passing_fault_is_tried_again_and_costs_nothing_else(
    server: Server, name: str, details: dict[str, Any]
) -> None:
    server.faults = [fault(name, times=4, **details)]

    run = everything(server)

    assert run.exit_code == 0
    assert [len(run.records[stream]) for stream in LISTS] == [1, 1, 1, 2]
    assert Counter(run.asked) == {path: 5 if path == LISTS[name] else 1 for path in LISTS.values()}
    assert len(run.logged("WARNING")) == 4


@each_list
@each_transient
@each_concurrency
def test_a_lasting_fault_is_tried_five_times_and_ends_in_one_line(
    server: Server, name: str, details: dict[str, Any], concurrency: int
) -> None:
    server.faults = [fault(name, **details)]

    run = everything(server, concurrency=concurrency)

    assert_one_line(run, ExitCode.API)
    assert run.asked.count(LISTS[name]) == 5
    assert run.error.startswith(f"GET {LISTS[name]}: ")
    assert "5 times" in run.error
    assert "Run the sync again" in run.error


@each_list
@pytest.mark.parametrize("status", [500, 503, 400, 422])
def test_an_error_tells_what_was_asked_and_what_came_back(
    server: Server, name: str, status: int
) -> None:
    server.faults = [fault(name, "status", status=status, message="The shard\n is  on fire")]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert run.error.startswith(f"GET {LISTS[name]}: {status} ")
    assert "The shard is on fire" in run.error
    assert "(error id nf-fault)" in run.error


@pytest.mark.parametrize(
    "shape",
    [
        [],
        {},
        None,
        7,
        "x",
        {"data": None, "pagination": {"hasNextPage": False}},
        {"data": [], "pagination": {"hasNextPage": False}},
        {"data": {}, "pagination": {"hasNextPage": False}},
        {"data": {"other": []}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": None}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": {}}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": [7]}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": [None]}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": [{}]}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": [{"id": None}]}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": [{"id": True}]}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": [{"id": 1.5}]}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": [{"id": ["x"]}]}, "pagination": {"hasNextPage": False}},
        {"data": {"NAME": []}},
        {"data": {"NAME": []}, "pagination": None},
        {"data": {"NAME": []}, "pagination": {}},
        {"data": {"NAME": []}, "pagination": {"hasNextPage": None}},
        {"data": {"NAME": []}, "pagination": {"hasNextPage": "no"}},
        {"data": {"NAME": []}, "pagination": {"hasNextPage": True, "cursor": {"at": 1}}},
        {"error": {"status": 500, "message": "All is lost"}},
    ],
    ids=str,
)
@each_list
def test_a_body_that_is_not_the_documented_shape_is_retried_and_then_an_error(
    server: Server, name: str, shape: Any
) -> None:
    if isinstance(shape, dict) and isinstance(data := shape.get("data"), dict) and "NAME" in data:
        shape = {**shape, "data": {name: data["NAME"]}}
    server.faults = [fault(name, "wrong_shape", shape=shape)]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert run.asked.count(LISTS[name]) == 5
    assert "not as documented" in run.error


@each_list
def test_a_silent_api_is_given_up_after_five_timeouts(server: Server, name: str) -> None:
    server.world = small_world(a=1)
    server.faults = [fault(name, "slow", seconds=0.3)]
    client = Client(
        api_url=server.url, token=server.token, quota=Quota(), request_timeout=0.05, page_size=1
    )

    with pytest.raises(APIError, match="no answer within request_timeout"):
        list(client.pages(*LISTS[name].split("/")[2:], name=name))

    assert len(server.requests) == 5


def test_a_timeout_is_waited_for_as_set_and_tried_again(server: Server) -> None:
    server.world = small_world(a=1)
    server.faults = [fault("restores", "slow", seconds=1.2, times=1)]

    run = sync(server, addons=["p/a"], request_timeout=1)

    assert run.exit_code == 0
    assert len(run.requests) == 2
    assert len(run.records["restores"]) == 1


def test_each_page_has_five_tries_of_its_own(server: Server) -> None:
    server.world = small_world(a=3)
    server.faults = [fault("restores", "drop", page=page, times=4) for page in (1, 2, 3)]

    run = sync(server, addons=["p/a"], page_size=1)

    assert run.exit_code == 0
    assert len(run.requests) == 15
    assert len(run.records["restores"]) == 3


def test_tries_are_told_with_what_came_back_and_how_long_is_waited(server: Server) -> None:
    server.faults = [fault("addons", "status", status=503, times=1, message="Later")]

    run = everything(server)

    (line,) = run.logged("WARNING")
    came_back = "503 Service Unavailable: Later (error id nf-fault)"
    assert line == f"GET /v1/projects/p/addons: {came_back}; try 2 of 5 in 0.0 s"


def test_the_waits_between_tries_outlast_half_a_minute_whatever_chance_says(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    # The real wait, of which chance takes as much as it may, and none is slept.
    monkeypatch.setattr("tap_northflank_restores.client.jittered", jittered)
    monkeypatch.setattr("backoff.full_jitter", lambda _seconds: 0)
    monkeypatch.setattr("time.sleep", waits.append)
    server.faults = [fault("projects", "drop")]

    everything(server)

    assert waits == [0.5, 2, 8, 32]


def test_chance_adds_no_more_to_a_wait_than_it_may_take() -> None:
    assert all(8 <= jittered(16) <= 16 for _ in range(1000))
    assert 30 < sum(WAITS) / 2 < sum(WAITS) < 120


# Faults that stay ---------------------------------------------------------------------------


@each_list
@pytest.mark.parametrize("status", [204, 300, 304, 400, 402, 405, 409, 410, 413, 418, 422, 451])
def test_any_other_status_than_200_ends_the_sync_at_once(
    server: Server, name: str, status: int
) -> None:
    server.faults = [fault(name, "status", status=status)]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert run.asked.count(LISTS[name]) == 1
    assert str(status) in run.error


@each_list
def test_a_wrong_token_ends_the_sync_at_once(server: Server, name: str) -> None:
    server.faults = [fault(name, "status", status=401, message="Token has expired")]

    run = everything(server)

    assert_one_line(run, ExitCode.ACCESS)
    assert run.asked.count(LISTS[name]) == 1
    assert "401" in run.error
    assert "Token has expired" in run.error
    assert "api_token" in run.error
    assert "team_id" in run.error


def test_a_token_that_is_not_accepted_costs_one_request(server: Server) -> None:
    run = everything(server, api_token="opens-nothing")  # noqa: S106 - it opens nothing

    assert_one_line(run, ExitCode.ACCESS)
    assert len(run.requests) == 1


@each_list
def test_a_missing_permission_is_named(server: Server, name: str) -> None:
    permission = (
        "Project > Projects > Manage > Read"
        if name == "projects"
        else "Project > Addons > General > Read"
    )
    server.faults = [fault(name, "status", status=403, message="Forbidden")]

    run = everything(server)

    assert_one_line(run, ExitCode.ACCESS)
    assert run.asked.count(LISTS[name]) == 1
    assert f'"{permission}"' in run.error
    assert "api_token" in run.error


def test_whoever_may_not_list_projects_is_told_to_name_them(server: Server) -> None:
    server.behaviour.may_list_projects = False

    run = everything(server)

    assert_one_line(run, ExitCode.ACCESS)
    assert "project_ids" in run.error


def test_a_project_that_the_token_does_not_reach_is_named(server: Server) -> None:
    server.world = World.fan_out(2, 1, 1)
    server.behaviour.token_projects = {"p0"}

    run = sync(server, project_ids=["p0", "p1"])

    assert_one_line(run, ExitCode.ACCESS)
    assert "/v1/projects/p1/addons" in run.error
    assert "no access to project 'p1'" in run.error


def test_an_organisation_token_without_a_team_is_told_so(server: Server) -> None:
    server.behaviour.team_id = "acme"

    run = everything(server)

    assert_one_line(run, ExitCode.ACCESS)
    assert "needs a team" in run.error


@pytest.mark.parametrize("size", [64 * 1024 * 1024 + 1, 200 * 1024 * 1024])
def test_a_response_of_more_than_64_mib_is_refused_at_once(server: Server, size: int) -> None:
    server.faults = [fault("restores", "huge", size=size)]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert run.asked.count(LISTS["restores"]) == 1
    assert "larger than 64 MiB" in run.error


@pytest.mark.parametrize("name", ["projects", "addons", "backups"])
def test_a_huge_response_is_refused_at_each_list(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("tap_northflank_restores.transport.MAX_BODY", 2 * 1024 * 1024)
    server.faults = [fault(name, "huge", size=2 * 1024 * 1024 + 1)]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert run.asked.count(LISTS[name]) == 1
    assert "larger than 2 MiB" in run.error


# What is not there --------------------------------------------------------------------------


@each_concurrency
@pytest.mark.parametrize("streams", [["restores"], ["backups"], ["backups", "restores"]])
def test_an_addon_that_vanished_after_it_was_listed_is_skipped_with_a_warning(
    server: Server, concurrency: int, streams: list[str]
) -> None:
    server.world = small_world(a=1, b=1, c=1)
    server.faults = [Fault("/addons/b/", "not_found")]

    run = sync(server, catalog=selecting(*streams), concurrency=concurrency)

    assert run.exit_code == 0
    warning = "Addon p/b was deleted after it was listed; skipped."
    assert run.logged("WARNING") == [warning] * len(streams)
    if "restores" in streams:
        assert [record["addonId"] for record in run.records["restores"]] == ["a", "c"]
        bookmarked = run.state["bookmarks"]["restores"]["partitions"]
        assert [partition["context"]["addonId"] for partition in bookmarked] == ["a", "c"]


@each_concurrency
def test_a_project_that_vanished_after_it_was_listed_is_skipped_with_a_warning(
    server: Server, concurrency: int
) -> None:
    server.world = World.fan_out(3, 1, 1)
    server.faults = [Fault("/p1/addons$", "not_found")]

    run = sync(server, concurrency=concurrency)

    assert run.exit_code == 0
    assert run.logged("WARNING") == ["Project p1 was deleted after it was listed; skipped."]
    assert [record["projectId"] for record in run.records["restores"]] == ["p0", "p2"]


@each_concurrency
def test_an_addon_that_vanishes_between_two_pages_is_skipped_and_gets_no_bookmark(
    server: Server, concurrency: int
) -> None:
    server.world = small_world(a=3, b=1)
    server.faults = [fault("restores", "not_found", page=2)]

    run = sync(server, page_size=1, concurrency=concurrency)

    assert run.exit_code == 0
    assert run.logged("WARNING") == ["Addon p/a was deleted after it was listed; skipped."]
    (partition,) = run.state["bookmarks"]["restores"]["partitions"]
    assert partition["context"]["addonId"] == "b"


@each_concurrency
def test_all_addons_vanished_is_no_error(server: Server, concurrency: int) -> None:
    server.world = World.fan_out(1, 40, 1)
    server.faults = [Fault("/restores$", "not_found")]

    run = sync(server, concurrency=concurrency)

    assert run.exit_code == 0
    assert len(run.logged("WARNING")) == 40
    assert run.records["restores"] == []


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"addons": ["p/a", "p/nonesuch"]}, "Setting addons names p/nonesuch"),
        ({"addons": ["nonesuch/a"]}, "Setting addons names nonesuch/a"),
        ({"project_ids": ["p", "nonesuch"]}, "Setting project_ids names nonesuch"),
    ],
)
@each_concurrency
def test_what_a_setting_names_and_is_not_there_is_an_error_that_names_it(
    server: Server, settings: dict[str, Any], named: str, concurrency: int
) -> None:
    server.world = small_world(a=1)

    run = sync(server, **settings, concurrency=concurrency)

    assert_one_line(run, ExitCode.CONFIGURATION)
    assert run.error.startswith(named)
    assert "404" in run.error


def test_an_addon_of_a_named_project_that_vanished_is_skipped(server: Server) -> None:
    server.world = small_world(a=1, b=1)
    server.faults = [Fault("/addons/b/", "not_found")]

    run = sync(server, project_ids=["p"])

    assert run.exit_code == 0
    assert len(run.logged("WARNING")) == 1


@pytest.mark.parametrize("settings", [{"team_id": "nonesuch"}, {"api_url": "{url}/nonesuch"}])
def test_a_listing_that_is_not_there_names_the_settings_at_fault(
    server: Server, settings: dict[str, str]
) -> None:
    settings = {name: value.format(url=server.url) for name, value in settings.items()}

    run = everything(server, **settings)

    assert_one_line(run, ExitCode.API)
    assert "404" in run.error
    assert "Check api_url and team_id" in run.error
    assert len(run.requests) == 1


# What a gateway in front says ---------------------------------------------------------------

FOREIGN: dict[str, bytes] = {
    "text": b"default backend - 404",
    "HTML": b"<html><head><title>404 Not Found</title></head><body>nginx</body></html>",
    "nothing": b"",
    "other JSON": b'{"message":"no Route matched with those values"}',
    "an array": b"[]",
    "null": b"null",
    "a status of its own": b'{"status": 404, "message": "Not found"}',
    "an error without status": b'{"error": {"message": "Not found"}}',
    "an error of another status": b'{"error": {"status": 500, "message": "Not found"}}',
    "a status that is a word": b'{"error": {"status": "404", "message": "Not found"}}',
    "an error that is a word": b'{"error": "Not found"}',
    "no UTF-8": b'{"error": {"status": 404, "message": "\xff"}}',
    "nested without end": b'{"error":' * 100_000,
}
each_foreign = pytest.mark.parametrize("body", FOREIGN.values(), ids=FOREIGN)


@each_foreign
@pytest.mark.parametrize("name", ["addons", "backups", "restores"])
@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_gateway_says_for_a_moment_is_tried_again_and_loses_nothing(
    server: Server, name: str, body: bytes, status: int
) -> None:
    server.faults = [fault(name, "body", status=status, body=body, times=4)]

    run = everything(server)

    assert run.exit_code == 0
    assert [len(run.records[stream]) for stream in LISTS] == [1, 1, 1, 2]
    assert run.asked.count(LISTS[name]) == 5
    assert len(run.logged("WARNING")) == 4


@each_foreign
@each_list
@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_gateway_says_for_good_is_an_error_and_not_said_to_be_northflanks_word(
    server: Server, name: str, body: bytes, status: int
) -> None:
    server.faults = [fault(name, "body", status=status, body=body)]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert run.asked.count(LISTS[name]) == 5
    assert f"GET {LISTS[name]}: {status} " in run.error
    assert "perhaps of a gateway" in run.error
    assert "deleted" not in run.stderr


@each_concurrency
@pytest.mark.parametrize("settings", [{"addons": ["p/a"]}, {"project_ids": ["p"]}], ids=str)
def test_a_gateways_404_does_not_say_that_a_setting_names_what_is_not_there(
    server: Server, settings: dict[str, Any], concurrency: int
) -> None:
    server.world = small_world(a=1)
    server.faults = [Fault("p/addons", "body", body=FOREIGN["text"])]

    run = sync(server, **settings, concurrency=concurrency)

    assert_one_line(run, ExitCode.API)
    assert len(run.requests) == 5


def test_a_404_between_two_pages_that_a_gateway_says_is_tried_again(server: Server) -> None:
    server.world = small_world(a=3)
    server.faults = [fault("restores", "body", page=2, times=2)]

    run = sync(server, page_size=1)

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 3
    assert run.asked.count(LISTS["restores"]) == 5


@pytest.mark.parametrize("encoding", ["plain", "with a byte order mark"])
def test_the_apis_own_404_means_gone(server: Server, encoding: str) -> None:
    server.world = small_world(a=1, b=1)
    body = b'{"error": {"status": 404, "message": "Not found", "id": "x", "details": {}}}'
    mark = b"" if encoding == "plain" else b"\xef\xbb\xbf"
    server.faults = [Fault("/addons/b/", "body", body=mark + body)]

    run = sync(server)

    assert run.exit_code == 0
    assert run.logged("WARNING") == ["Addon p/b was deleted after it was listed; skipped."]


@each_list
@pytest.mark.parametrize("status", [201, 202, 203, 206, 226])
def test_another_success_than_200_is_none(server: Server, name: str, status: int) -> None:
    server.faults = [fault(name, "body", status=status, body=b"{}")]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert run.asked.count(LISTS[name]) == 1


@each_list
@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_says_when_to_come_back_is_not_asked_before(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str, status: int
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    told = {"retry-after": "20"}
    server.faults = [fault(name, "status", status=status, headers=told, times=3)]

    run = everything(server)

    assert run.exit_code == 0
    assert waits == [20, 20, 20]


def test_a_date_to_come_back_at_counts_from_the_servers_clock(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    told = {
        "date": "Mon, 01 Jan 2001 00:00:00 GMT",
        "retry-after": "Mon, 01 Jan 2001 00:00:17 GMT",
    }
    server.faults = [fault("addons", "html", status=503, headers=told, times=1)]

    run = everything(server)

    assert run.exit_code == 0
    assert waits == [17]


@pytest.mark.parametrize(("seconds", "requests"), [(3000, 1), (40, 3)])
def test_a_server_that_asks_for_longer_than_allowed_ends_the_sync(
    server: Server, monkeypatch: pytest.MonkeyPatch, seconds: int, requests: int
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    told = {"retry-after": str(seconds)}
    server.faults = [fault("projects", "status", status=503, headers=told)]

    run = everything(server, rate_limit_max_wait=100)

    assert_one_line(run, ExitCode.API)
    assert len(run.requests) == requests
    assert f"asks to wait {seconds} s" in run.error
    assert "rate_limit_max_wait" in run.error


@pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "inf", "1e400", "0", "0.0"])
def test_a_retry_after_that_says_nothing_changes_nothing(server: Server, value: str) -> None:
    told = {"retry-after": value}
    server.faults = [fault("addons", "status", status=503, headers=told, times=1)]

    run = everything(server)

    assert run.exit_code == 0
    assert run.logged("WARNING")[0].endswith("; try 2 of 5 in 0.0 s")


def test_an_outage_of_all_lists_takes_some_tens_of_requests(server: Server) -> None:
    server.world = World.fan_out(1, 300, 1)
    server.faults = [Fault("/restores$", "status", status=503, after=20)]

    run = sync(server, concurrency=8)

    assert_one_line(run, ExitCode.API)
    assert len(run.requests) < 200


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
def test_the_path_that_was_asked_is_told_with_that_of_api_url(server: Server, tail: str) -> None:
    server.faults = [fault("projects", "status", status=400)]

    fine = everything(server, api_url=f"{server.url}{tail}")
    other = everything(server, api_url=f"{server.url}/some/where{tail}")

    assert fine.error.startswith("GET /v1/projects: 400 ")
    assert other.error.startswith("GET /some/where/v1/projects: 400 ")


@pytest.mark.parametrize("tail", ["/v1", "/v1/"])
def test_api_url_may_end_with_the_version(server: Server, tail: str) -> None:
    run = everything(server, api_url=f"{server.url}{tail}")

    assert run.exit_code == 0
    assert sorted(run.asked) == sorted(LISTS.values())


# Redirects ----------------------------------------------------------------------------------


@each_list
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["{path}", "{url}{path}"])
def test_a_redirect_on_the_same_host_is_followed(
    server: Server, name: str, status: int, to: str
) -> None:
    server.faults = [
        fault(name, "redirect", status=status, to=to.replace("{url}", server.url), times=1)
    ]

    run = everything(server)

    assert run.exit_code == 0
    assert run.asked.count(LISTS[name]) == 2
    assert [len(run.records[stream]) for stream in LISTS] == [1, 1, 1, 2]
    assert run.logged("WARNING") == []


@each_list
def test_the_token_does_not_follow_a_redirect_to_another_port(server: Server, name: str) -> None:
    with serve(World()) as other:
        server.faults = [fault(name, "redirect", to=f"{other.url}{{path}}")]

        run = everything(server)

        assert other.requests == []
    assert_one_line(run, ExitCode.API)
    assert run.asked.count(LISTS[name]) == 1
    assert other.url in run.error
    assert "api_url" in run.error


@pytest.mark.parametrize(
    "to",
    [
        "http://localhost:{port}/v1/projects",
        "http://127.0.0.2:{port}/v1/projects",
        "//localhost:{port}/v1/projects",
        "https://127.0.0.1:{port}/v1/projects",
        "http://127.0.0.1/v1/projects",
        "http://127.0.0.1:{port}@localhost:{port}/v1/projects",
        "ftp://127.0.0.1:{port}/v1/projects",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_the_token_does_not_follow_a_redirect_elsewhere(server: Server, to: str) -> None:
    server.faults = [
        fault("projects", "redirect", to=to.format(port=server.url.rpartition(":")[2]))
    ]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert run.asked == ["/v1/projects"]


@pytest.mark.parametrize("to", ["http://[bad", "http://127.0.0.1:port/", "http://", "///", "http:"])
def test_a_redirect_to_nowhere_ends_in_one_line(server: Server, to: str) -> None:
    server.faults = [fault("projects", "redirect", to=to)]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert run.error.startswith("GET /v1/projects: ")


@pytest.mark.parametrize("to", ["{path}", ""])
def test_redirects_in_a_circle_end_in_one_line(server: Server, to: str) -> None:
    server.faults = [fault("projects", "redirect", to=to)]

    run = everything(server)

    assert_one_line(run, ExitCode.API)
    assert "redirects" in run.error
    assert len(run.requests) == 5


# Tracebacks and the token -------------------------------------------------------------------


def test_a_traceback_is_shown_at_debug_and_only_there(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults = [fault("restores", "status", status=500)]
    quiet = everything(server)
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    server.faults = [fault("restores", "status", status=500)]
    loud = everything(server)

    assert "Traceback" not in quiet.stderr
    assert "Traceback (most recent call last)" in loud.stderr
    assert quiet.error == loud.error


ECHOES: dict[str, Any] = {
    "an error that stays": {"kind": "status", "status": 400, "message": "Bad token {token}"},
    "an error that passes": {"kind": "status", "status": 500, "message": "Bad token {token}"},
    "401": {"kind": "status", "status": 401, "message": "Bearer {token} is unknown"},
    "403": {"kind": "status", "status": 403, "message": "{token}"},
    "404": {"kind": "status", "status": 404, "message": "{token}"},
    "429": {"kind": "status", "status": 429, "message": "{token}"},
    **{
        f"cut off after {length}": {
            "kind": "status",
            "status": status,
            "message": "x" * length + "{token}",
        }
        for length in (186, 190, 195, 199)
        for status in (400, 500)
    },
    "a redirect": {"kind": "redirect", "to": "http://{token}.example/{token}"},
    "a redirect's user": {"kind": "redirect", "to": "http://me:{token}@northflank.example/"},
    "the wrong shape": {"kind": "wrong_shape", "shape": {"{token}": "{token}"}},
    "a redirect to nowhere": {"kind": "redirect", "to": "http://[{token}"},
}


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
@pytest.mark.parametrize("details", ECHOES.values(), ids=ECHOES)
@each_list
def test_the_token_is_in_no_output_even_if_the_api_echoes_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str, details: dict[str, Any], level: str
) -> None:
    monkeypatch.setenv("LOGLEVEL", level)
    details = {
        key: value.replace("{token}", server.token) if isinstance(value, str) else value
        for key, value in details.items()
    }
    if "shape" in details:
        details["shape"] = {server.token: server.token}
    server.faults = [fault(name, **details)]

    run = everything(server, rate_limit_max_wait=0)

    assert server.requests[0].headers["authorization"] == f"Bearer {server.token}"
    output = run.stderr + run.stdout
    parts = [server.token[at : at + 6] for at in range(len(server.token) - 5)]
    assert [part for part in parts if part in output] == []


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_the_token_is_in_no_output_of_a_sync_that_succeeds(
    server: Server, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("LOGLEVEL", level)

    run = everything(server)

    assert run.exit_code == 0
    assert not re.search(re.escape(server.token), run.stderr + run.stdout)
