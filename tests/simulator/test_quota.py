"""The account's rate limit: headers, windows, 429s."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Behaviour
from tests.simulator.conftest import RESTORES

if TYPE_CHECKING:
    import requests

    from simulator import Server
    from tests.simulator.conftest import Client


def told(response: requests.Response) -> dict[str, int]:
    """Return what a response says of the rate limit."""
    prefix = "x-ratelimit-"
    return {
        name.lower().removeprefix(prefix): int(value)
        for name, value in response.headers.items()
        if name.lower().startswith(prefix)
    }


def test_without_a_limit_there_are_no_headers(client: Client) -> None:
    assert told(client.get(RESTORES)) == {}


def test_each_response_tells_what_is_left(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(rate_limit=1000)
    assert told(client.get(RESTORES)) == {"limit": 1000, "remaining": 999, "reset": 3600}
    assert told(client.get("/v1/none")) == {"limit": 1000, "remaining": 998, "reset": 3600}


def test_over_the_limit_the_answer_is_429(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(rate_limit=2, rate_window=50)
    assert [client.get(RESTORES).status_code for _ in range(2)] == [200, 200]
    refused = client.get(RESTORES)
    assert refused.status_code == refused.json()["error"]["status"] == 429
    assert told(refused) == {"limit": 2, "remaining": 0, "reset": 50}
    assert "retry-after" not in refused.headers


def test_a_window_starts_with_its_first_request(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(rate_limit=1, rate_window=50)
    time.sleep(1.1)
    assert told(client.get(RESTORES))["reset"] == 50


def test_after_a_window_comes_another(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(rate_limit=1, rate_window=1)
    statuses = [client.get(RESTORES).status_code for _ in range(2)]
    time.sleep(1.1)
    assert [*statuses, client.get(RESTORES).status_code] == [200, 429, 200]


def test_others_spend_too(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(rate_limit=10, rate_others=4)
    assert [told(client.get(RESTORES))["remaining"] for _ in range(3)] == [5, 0, 0]
    assert server.requests[-1].status == 429


def test_the_headers_can_be_left_out(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(rate_limit=1, rate_headers=False)
    assert told(client.get(RESTORES)) == {}
    refused = client.get(RESTORES)
    assert (refused.status_code, told(refused)) == (429, {})


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_429_can_say_when_to_come_back(client: Client, server: Server, form: str) -> None:
    server.behaviour = Behaviour(rate_limit=0, rate_window=60, retry_after=form)  # type: ignore[arg-type]
    text = client.get(RESTORES).headers["retry-after"]
    if form == "seconds":
        assert text == "60"
    else:
        assert 50 < parsedate_to_datetime(text).timestamp() - time.time() <= 60


def test_without_a_token_nothing_is_spent(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(rate_limit=5)
    refused = client.session.get(client.url + RESTORES, headers={"Authorization": "x"}, timeout=5)
    assert (refused.status_code, told(refused)) == (401, {})
    assert told(client.get(RESTORES))["remaining"] == 4


@pytest.mark.parametrize(("rounding", "reset"), [("up", 8), ("down", 7), ("nearest", 8)])
def test_the_seconds_to_the_reset_can_be_rounded_in_each_way(
    client: Client, server: Server, rounding: Any, reset: int
) -> None:
    server.behaviour = Behaviour(rate_limit=5, rate_window=7.6, rate_rounding=rounding)
    assert told(client.get(RESTORES))["reset"] == reset


def test_the_servers_clock_can_be_ahead(client: Client, server: Server) -> None:
    server.behaviour = Behaviour(
        rate_limit=0, rate_window=60, retry_after="date", clock_ahead=86_400
    )
    headers = client.get(RESTORES).headers
    date, back = (parsedate_to_datetime(headers[name]) for name in ("date", "retry-after"))
    assert (back - date).total_seconds() == 60
    assert 86_300 < date.timestamp() - time.time() <= 86_400
