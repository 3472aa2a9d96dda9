"""Who may read what: tokens, teams, permissions, and the body of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from tests.simulator.conftest import RESTORES

if TYPE_CHECKING:
    from simulator import Server, World
    from tests.simulator.conftest import Client

ADDONS = "/v1/projects/p/addons"


def test_an_error_has_the_documented_body(client: Client) -> None:
    response = client.get("/v1/projects/p/addons/none/restores")
    assert response.status_code == 404
    error = response.json()["error"]
    assert set(error) == {"status", "message", "id", "details"}
    assert (error["status"], error["details"]) == (404, {})
    assert error["message"] == "Addon 'none' not found"
    assert error["id"] != client.get("/v1/none").json()["error"]["id"]


@pytest.mark.parametrize("header", [None, "Bearer wrong", "nf-test-token", "Basic nf-test-token"])
def test_without_the_token_nothing_is_served(server: Server, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    response = requests.get(server.url + RESTORES, headers=headers, timeout=5)
    assert response.status_code == 401
    assert response.json()["error"]["status"] == 401


def test_an_expired_token_is_refused(client: Client, server: Server) -> None:
    server.behaviour.token_expired = True
    assert client.get(RESTORES).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/none/addons",
        "/v1/projects/none/addons/a/restores",
        "/v1/projects/p/addons/none/backups",
        "/v1/projects/p/addons/none/backup-schedules",
        "/v1/projects/p/addons/a/backups/none/restores",
        "/v1/teams/none/projects",
        "/v1/projects/p/addons/a/restores/",
        "/v1/projects/p%2Faddons%2Fa/addons",
        "/v2/projects",
        "/",
    ],
)
def test_what_does_not_exist_answers_404(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_only_get_is_served(client: Client) -> None:
    response = client.session.post(client.url + RESTORES, timeout=5)
    assert response.status_code == 404


def test_an_organisation_token_needs_its_team_in_the_path(client: Client, server: Server) -> None:
    server.behaviour.team_id = "data"
    assert client.get("/v1/teams/data/projects/p/addons/a/restores").status_code == 200
    assert client.get(RESTORES).status_code == 403
    assert client.get("/v1/projects").status_code == 403
    assert client.get("/v1/teams/acme/projects").status_code == 404


def test_a_token_may_lack_the_permission_to_list_projects(client: Client, server: Server) -> None:
    server.behaviour.may_list_projects = False
    response = client.get("/v1/projects")
    assert response.status_code == 403
    assert "Project > Projects > Manage > Read" in response.json()["error"]["message"]
    assert client.get(RESTORES).status_code == 200


def test_a_token_may_lack_the_permission_to_read_addons(client: Client, server: Server) -> None:
    server.behaviour.may_read_addons = False
    for path in (ADDONS, RESTORES, f"{ADDONS}/a/backups"):
        response = client.get(path)
        assert response.status_code == 403
        assert "Project > Addons > General > Read" in response.json()["error"]["message"]
    assert client.get("/v1/projects").status_code == 200


def test_a_token_may_be_restricted_to_projects(
    client: Client, server: Server, world: World
) -> None:
    world.add_project("q")
    server.behaviour.token_projects = {"q"}
    assert client.ids("/v1/projects") == ["q"]
    assert client.get("/v1/projects/q/addons").status_code == 200
    assert client.get(RESTORES).status_code == 403


def test_what_was_removed_is_gone_and_what_was_unlisted_is_not(
    client: Client, world: World
) -> None:
    world.add_addon("p", "b")
    del world.addons("p")[0]
    assert client.ids(ADDONS) == ["b"]
    assert client.get(RESTORES).status_code == 200
    world.addons("p").append({"id": "ghost"})
    assert client.ids(ADDONS) == ["b", "ghost"]
    assert client.get(f"{ADDONS}/ghost/restores").status_code == 404
    world.remove_addon("p", "a")
    assert client.get(RESTORES).status_code == 404
    world.addons("p").pop()
    world.remove_project("p")
    assert client.ids("/v1/projects") == []
    assert client.get(f"{ADDONS}/b/restores").status_code == 404
