"""What one writes first: a loop with `requests` that prints the restores and keeps no state.

Usage: handwritten.py API_URL TOKEN
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator


def pages(session: requests.Session, url: str, name: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a list."""
    query: dict[str, str | int] = {"per_page": 100}
    while True:
        response = session.get(url, params=query, timeout=60)
        response.raise_for_status()
        body = response.json()
        yield body["data"][name]
        if not body["pagination"]["hasNextPage"]:
            return
        query["cursor"] = body["pagination"]["cursor"]


def main(api_url: str, token: str) -> None:
    """Print each restore as a line of JSON."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    projects_url = f"{api_url}/v1/projects"
    for projects in pages(session, projects_url, "projects"):
        for project in projects:
            addons_url = f"{projects_url}/{project['id']}/addons"
            for addons in pages(session, addons_url, "addons"):
                for addon in addons:
                    ids = {"projectId": project["id"], "addonId": addon["id"]}
                    restores_url = f"{addons_url}/{addon['id']}/restores"
                    for restores in pages(session, restores_url, "restores"):
                        for restore in restores:
                            print(json.dumps({**ids, **restore}))


if __name__ == "__main__":
    main(*sys.argv[1:])
