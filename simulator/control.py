"""Endpoints beside the API, for another process that moves the clock and looks at the world."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from simulator.world import timestamp

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.app import Api
    from simulator.world import World

PREFIX = "/_simulator"


def control(api: Api) -> Starlette:
    """Return the application for the paths under `/_simulator`."""

    async def advance(request: Request) -> JSONResponse:
        try:
            api.world.advance(**msgspec.json.decode(await request.body(), type=dict[str, float]))
        except (TypeError, msgspec.MsgspecError):
            return JSONResponse({"error": 'Takes {"days": …, "hours": …, "seconds": …}'}, 400)
        return JSONResponse({"now": timestamp(api.world.now)})

    async def world(_: Request) -> JSONResponse:
        return JSONResponse(summary(api.world))

    async def requests(_: Request) -> JSONResponse:
        kinds = Counter(request.page_of or "other" for request in api.log.requests())
        return JSONResponse({"total": kinds.total(), "lists": dict(kinds)})

    return Starlette(
        routes=[
            Route(f"{PREFIX}/advance", advance, methods=["POST"]),
            Route(f"{PREFIX}/world", world),
            Route(f"{PREFIX}/requests", requests),
        ]
    )


def summary(world: World) -> dict[str, object]:
    """Count what a world has: in all, and the restores of each addon by status."""
    with world.lock:
        addons = [
            {
                "projectId": project,
                "addonId": addon,
                "backups": len(world.backups(project, addon)),
                "restores": dict(
                    Counter(item["status"] for item in world.listed("restores", project, addon))
                ),
            }
            for project, addon in world.addon_keys()
        ]
        return {
            "now": timestamp(world.now),
            "team": world.team,
            "projects": len(world.projects()),
            "addons": len(addons),
            "restores": world.restore_count(),
            "byAddon": addons,
        }
