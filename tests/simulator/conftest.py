"""One simulator for all these tests; each test gets it with an empty world and no faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from simulator import Behaviour, Server, World, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.world import Item

RESTORES = "/v1/projects/p/addons/a/restores"
PAGES_AT_MOST = 50


class Client:
    """Asks the simulator, with its token, as any program would."""

    def __init__(self, server: Server) -> None:
        """Keep one connection to `server`."""
        self.url = server.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {server.token}"

    def get(self, path: str, **query: object) -> requests.Response:
        """Ask for a path; redirects are not followed."""
        return self.session.get(
            self.url + path, params=query_of(query), timeout=5, allow_redirects=False
        )

    def body(self, path: str, **query: object) -> Item:
        """Return the body of a 200."""
        response = self.get(path, **query)
        assert response.status_code == 200, response.text
        body: Item = response.json()
        return body

    def pages(self, path: str, **query: object) -> Iterator[Item]:
        """Yield the bodies of a listing's pages, as long as `hasNextPage` says."""
        for _ in range(PAGES_AT_MOST):
            body = self.body(path, **query)
            yield body
            if not body["pagination"]["hasNextPage"]:
                return
            query["cursor"] = body["pagination"].get("cursor")

    def items(self, path: str, **query: object) -> list[Item]:
        """Return the items of all pages of a listing."""
        return [item for body in self.pages(path, **query) for item in items_of(body)]

    def ids(self, path: str = RESTORES, **query: object) -> list[Any]:
        """Return the ids of all items of a listing."""
        return [item["id"] for item in self.items(path, **query)]


def query_of(query: dict[str, object]) -> dict[str, str]:
    """Return a query's parameters as text, without those that are None."""
    return {name: str(value) for name, value in query.items() if value is not None}


def items_of(body: Item) -> list[Item]:
    """Return the items of a page."""
    (items,) = body["data"].values()
    assert len(items) == body["pagination"]["count"]
    return list(items)


@pytest.fixture(scope="session")
def one_server() -> Iterator[Server]:
    """Serve as long as the tests run."""
    with serve(World()) as server:
        yield server


@pytest.fixture
def server(one_server: Server, world: World) -> Server:
    """Serve `world`, without switches and faults."""
    one_server.world = world
    one_server.behaviour = Behaviour()
    one_server.faults.clear()
    one_server.before_response = None
    one_server.clear_requests()
    return one_server


@pytest.fixture
def world() -> World:
    """Return a world with project `p`, its addon `a` and restores `r0` to `r4` of a day each."""
    world = World()
    world.add_project("p")
    world.add_addon("p", "a")
    world.add_backup("p", "a", id="backup-0")
    for number in range(5):
        world.add_restore("p", "a", id=f"r{number}")
        world.advance(days=1)
    return world


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """Ask `server`."""
    client = Client(server)
    with client.session:
        yield client
