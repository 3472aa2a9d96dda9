"""Each fault as `requests` sees it, and what the server notes about its requests."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

from simulator import Fault, World, serve
from tests.simulator.conftest import RESTORES, Client, items_of

if TYPE_CHECKING:
    from simulator import Request, Server

LISTS = [
    "/v1/projects",
    "/v1/projects/p/addons",
    RESTORES,
    "/v1/teams/acme/projects/p/addons/a/backups",
]


@pytest.fixture(params=LISTS)
def path(request: pytest.FixtureRequest) -> str:
    """Return the path of each list in turn."""
    return str(request.param)


def once(server: Server, match: str, kind: Any, **options: Any) -> None:
    server.faults.append(Fault(f"{match}$", kind, times=1, **options))


def test_an_error_status_has_the_documented_body(client: Client, server: Server, path: str) -> None:
    once(server, path, "status", status=503, message="Busy", headers={"retry-after": "3"})
    response = client.get(path)
    assert (response.status_code, response.headers["retry-after"]) == (503, "3")
    error = response.json()["error"]
    assert error == {"status": 503, "message": "Busy", "id": "nf-fault", "details": {}}
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("status", [None, 200])
def test_a_gateway_answers_with_html(client: Client, server: Server, status: int | None) -> None:
    once(server, RESTORES, "html", status=status)
    response = client.get(RESTORES)
    assert response.status_code == (status or 502)
    assert response.headers["content-type"] == "text/html"
    assert response.text.startswith("<html>")


@pytest.mark.parametrize("status", [None, 403])
def test_a_gateway_answers_with_a_body_of_its_own(
    client: Client, server: Server, status: int | None
) -> None:
    server.behaviour.rate_limit = 100
    once(server, RESTORES, "body", status=status, body=b"no backend")
    response = client.get(RESTORES)
    assert (response.status_code, response.content) == (status or 404, b"no backend")
    assert "x-ratelimit-limit" not in response.headers


def test_a_connection_is_dropped_before_the_headers(
    client: Client, server: Server, path: str
) -> None:
    assert client.get(path).status_code == 200  # the connection that is going to be dropped
    once(server, path, "drop")
    with pytest.raises(requests.ConnectionError, match="without response"):
        client.get(path)
    assert client.get(path).status_code == 200
    assert [request.status for request in server.requests] == [200, None, 200]


def test_a_body_ends_before_its_content_length(client: Client, server: Server, path: str) -> None:
    once(server, path, "cut")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        client.get(path)
    assert client.get(path).status_code == 200


def test_a_compressed_body_ends_early_without_a_sign(client: Client, server: Server) -> None:
    once(server, RESTORES, "gzip-cut")
    short, whole = client.get(RESTORES).text, client.get(RESTORES).text
    assert 0 < len(short) < len(whole)
    assert whole.startswith(short)


def test_a_body_is_no_json(client: Client, server: Server, path: str) -> None:
    once(server, path, "malformed")
    response = client.get(path)
    assert response.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()


def test_a_body_has_another_shape(client: Client, server: Server) -> None:
    once(server, RESTORES, "wrong_shape")
    once(server, RESTORES, "wrong_shape", shape={"data": None})
    assert client.get(RESTORES).json() == []
    assert client.get(RESTORES).json() == {"data": None}


def test_a_body_can_be_huge(client: Client, server: Server) -> None:
    once(server, RESTORES, "huge", size=1_000_000)
    assert len(client.get(RESTORES).content) == 1_000_000
    assert client.get(RESTORES).status_code == 200


def test_who_does_not_read_a_huge_body_to_its_end_leaves_in_peace(server: Server) -> None:
    once(server, RESTORES, "huge", size=10**9)
    headers = {"Authorization": f"Bearer {server.token}"}
    with requests.get(server.url + RESTORES, headers=headers, timeout=5, stream=True) as response:
        assert response.headers["content-length"] == "1000000000"
    assert requests.get(server.url + RESTORES, headers=headers, timeout=5).status_code == 200


def test_an_answer_can_be_slow(client: Client, server: Server) -> None:
    once(server, RESTORES, "slow", seconds=0.3)
    with pytest.raises(requests.ReadTimeout):
        client.session.get(client.url + RESTORES, timeout=0.1)
    assert client.get(RESTORES).status_code == 200


@pytest.mark.parametrize("status", [None, 301, 307, 308])
def test_a_redirect_points_where_it_is_told(
    client: Client, server: Server, status: int | None
) -> None:
    once(server, RESTORES, "redirect", status=status, to="http://elsewhere.invalid{path}")
    response = client.get(RESTORES, per_page=2)
    assert response.status_code == (status or 302)
    assert response.headers["location"] == f"http://elsewhere.invalid{RESTORES}?per_page=2"


def test_something_listed_can_be_gone(client: Client, server: Server) -> None:
    server.faults.append(Fault("/addons/a/", "not_found"))
    assert client.ids("/v1/projects/p/addons") == ["a"]
    for path in (RESTORES, "/v1/projects/p/addons/a/backups"):
        response = client.get(path)
        assert response.status_code == response.json()["error"]["status"] == 404


def test_a_body_can_be_changed(client: Client, server: Server) -> None:
    def unknown_field(body: dict[str, Any]) -> None:
        body["data"]["restores"][0]["new"] = 1

    def no_pagination(body: dict[str, Any]) -> dict[str, Any]:
        return {"data": body["data"]}

    once(server, RESTORES, "change", change=unknown_field)
    once(server, RESTORES, "change", change=no_pagination)
    once(server, RESTORES, "change", change=lambda _: {})
    assert items_of(client.body(RESTORES))[0]["new"] == 1
    assert set(client.body(RESTORES)) == {"data"}
    assert client.get(RESTORES).json() == {}
    assert "new" not in items_of(client.body(RESTORES))[0]


def test_a_fault_counts_times_and_lets_some_through_first(client: Client, server: Server) -> None:
    server.faults.append(Fault("restores", "status", times=2, after=1))
    client.get("/v1/projects")
    statuses = [client.get(RESTORES).status_code for _ in range(5)]
    assert statuses == [200, 500, 500, 200, 200]


def test_a_fault_may_strike_one_page_only(client: Client, server: Server) -> None:
    server.faults.append(Fault("restores", "change", page=2, change=lambda _: ["second"]))
    bodies = [client.body(RESTORES, per_page=2)]
    cursor = bodies[0]["pagination"]["cursor"]
    assert client.get(RESTORES, per_page=2, cursor=cursor).json() == ["second"]
    assert client.get(RESTORES, per_page=2, page=2).json() == ["second"]
    assert client.get(RESTORES, per_page=2, page=3).json() != ["second"]


def test_the_first_fault_that_strikes_counts(client: Client, server: Server) -> None:
    server.faults += [Fault("p", "status", status=500, times=1), Fault("p", "status", status=501)]
    assert [client.get(RESTORES).status_code for _ in range(2)] == [500, 501]


# What the server notes ----------------------------------------------------------------------------


def test_requests_are_kept_in_order_of_arrival(client: Client, server: Server) -> None:
    client.get("/v1/projects", per_page=3)
    client.get("/v1/none")
    first, second = server.requests
    assert (first.method, first.path, first.query) == ("GET", "/v1/projects", {"per_page": "3"})
    assert (first.status, first.page_of) == (200, "projects")
    assert (second.status, second.page_of) == (404, None)
    assert first.headers["authorization"] == f"Bearer {server.token}"
    assert first.ended is not None
    assert first.started <= first.ended <= second.started
    server.clear_requests()
    assert server.requests == []


def test_requests_in_flight_are_counted(client: Client, server: Server) -> None:
    client.get(RESTORES)
    assert server.max_in_flight == 1
    server.behaviour.latency = 0.2
    headers = {"Authorization": f"Bearer {server.token}"}
    with ThreadPoolExecutor(5) as pool:
        list(
            pool.map(
                lambda _: requests.get(server.url + RESTORES, headers=headers, timeout=5), range(5)
            )
        )
    assert server.max_in_flight == 5
    server.clear_requests()
    assert server.max_in_flight == 0


def test_latency_may_depend_on_the_request(client: Client, server: Server) -> None:
    seen: list[str] = []

    def latency(request: Request) -> float:
        seen.append(request.path)
        return 0

    server.behaviour.latency = latency
    client.get(RESTORES)
    assert seen == [RESTORES]


def test_the_world_may_change_before_a_response(client: Client, server: Server) -> None:
    def callback(request: Request, world: World) -> None:
        if request.page_of == "restores":
            world.add_restore("p", "a", id=f"during-{len(world.restores('p', 'a'))}")

    server.before_response = callback
    client.get("/v1/projects")
    assert client.ids()[-1] == "during-5"
    assert client.ids()[-1] == "during-6"


def test_a_callback_that_fails_fails_the_test() -> None:
    def callback(_: Request, __: World) -> None:
        raise ZeroDivisionError

    def use_it() -> None:
        with serve(World()) as server, Client(server).session as session:
            server.before_response = callback
            assert session.get(f"{server.url}/v1/projects", timeout=5).status_code == 500

    with pytest.raises(ZeroDivisionError):
        use_it()


def test_a_server_ends_while_it_is_asked() -> None:
    asked = threading.Event()

    def latency(_: Request) -> float:
        asked.set()
        return 60

    with ThreadPoolExecutor(1) as pool, serve(World()) as server:
        server.behaviour.latency = latency
        answer = pool.submit(Client(server).get, "/v1/projects")
        assert asked.wait(5)
    assert isinstance(answer.exception(), requests.ConnectionError)
