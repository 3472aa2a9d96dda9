"""Serves a world over HTTP from a thread of this process, on loopback."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from simulator.app import CONNECTION, TRANSPORT, Api
from simulator.control import PREFIX, control
from simulator.quota import Quota

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Receive, Scope, Send

    from simulator.behaviour import Behaviour
    from simulator.faults import Fault
    from simulator.request_log import Request
    from simulator.world import Item, World

TOKEN = "nf-test-token"  # noqa: S105 - it opens nothing but the simulator
START_SECONDS = 10


class Protocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1, with the connection within reach of the application."""

    def on_message_begin(self) -> None:
        """Put the transport into the scope of the request that begins."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {CONNECTION: self.transport}}


class _Uvicorn(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and let those know who still wait for an answer."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class Server:
    """A simulator that is serving. `world`, `behaviour` and `faults` may be changed meanwhile."""

    def __init__(self, api: Api, url: str) -> None:
        """Wrap what serves at `url`."""
        self._api = api
        self.url = url
        self.token = api.token

    @property
    def world(self) -> World:
        """The world that is served; another one may be put in its place."""
        return self._api.world

    @world.setter
    def world(self, world: World) -> None:
        self._api.world = world

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves: change attributes, or set another one, with a new rate limit window."""
        return self._api.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._api.behaviour = behaviour
        self._api.quota = Quota()

    @property
    def faults(self) -> list[Fault]:
        """What goes wrong; the first fault that strikes a request counts."""
        return self._api.faults

    @faults.setter
    def faults(self, faults: list[Fault]) -> None:
        self._api.faults = faults

    @property
    def before_response(self) -> Callable[[Request, World], object] | None:
        """Called, in the server's thread, before each page is put together."""
        return self._api.before_response

    @before_response.setter
    def before_response(self, callback: Callable[[Request, World], object] | None) -> None:
        self._api.before_response = callback

    @property
    def requests(self) -> list[Request]:
        """The requests so far, in order of arrival."""
        return self._api.log.requests()

    @property
    def max_in_flight(self) -> int:
        """The greatest number of requests served at once since the start or the last clear."""
        return self._api.log.max_in_flight()

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._api.log.clear()

    def served_restores(self) -> list[Item]:
        """Return all restores as responses carry them, with `projectId` and `addonId` added."""
        with self.world.lock:
            return list(self._api.served_restores())


@contextmanager
def serve(
    world: World, behaviour: Behaviour | None = None, token: str = TOKEN, port: int = 0
) -> Iterator[Server]:
    """Serve a world until the block is left.

    Args:
        world: what to serve.
        behaviour: how; without it as documented, with the doubts at their defaults.
        token: the bearer token that opens it.
        port: port on 127.0.0.1; 0 for a free one.

    Raises:
        OSError: if the port is taken.
        RuntimeError: if the server does not start within ten seconds.
        Exception: what the simulator or a `before_response` failed with, when the block is left.
    """
    api = Api(world, behaviour, token)
    beside = control(api)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = beside if scope["path"].startswith(PREFIX) else api
        await chosen(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    config = uvicorn.Config(
        application,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
    )
    server = _Uvicorn(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="simulator", daemon=True)
    thread.start()
    try:
        _wait(server, thread)
        yield Server(api, f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join()
        listener.close()
    if api.failures:
        raise api.failures[0]


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    pause = threading.Event()
    for _ in range(START_SECONDS * 200):
        if server.started:
            return
        if not thread.is_alive():
            break
        pause.wait(0.005)
    message = "The simulator's server did not start"
    raise RuntimeError(message)
