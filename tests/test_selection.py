"""What the catalog selects and deselects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import ALL, company, everything, schemas, selecting, small_world, sync

if TYPE_CHECKING:
    from simulator import Server


def without(catalog: dict[str, Any], stream: str, *breadcrumbs: str) -> dict[str, Any]:
    """Deselect properties; `spec/type` is one within another."""
    (entry,) = (entry for entry in catalog["streams"] if entry["stream"] == stream)
    paths = [
        [word for name in crumb.split("/") for word in ("properties", name)]
        for crumb in breadcrumbs
    ]
    for item in entry["metadata"]:
        if item["breadcrumb"] in paths:
            item["metadata"]["selected"] = False
    return catalog


@pytest.mark.parametrize(
    ("stream", "names"),
    [
        ("projects", ["teamId", "description"]),
        ("addons", ["teamId", "tags", "spec"]),
        ("backups", ["config", "createdAt"]),
        ("restores", ["backupId", "status", "restoreTimestamp", "teamId"]),
    ],
)
def test_a_deselected_property_is_in_neither_schema_nor_records(
    server: Server, stream: str, names: list[str]
) -> None:
    server.world = company()
    complete = everything(server)

    run = everything(server, catalog=without(selecting(*ALL), stream, *names))

    assert not set(names) & set(schemas(run)[stream]["properties"])
    for record, whole in zip(run.records[stream], complete.records[stream], strict=True):
        assert record == {name: value for name, value in whole.items() if name not in names}


def test_a_property_within_another_can_be_deselected(server: Server) -> None:
    server.world = company()

    run = everything(server, catalog=without(selecting(*ALL), "backups", "config/source"))

    assert "source" not in schemas(run)["backups"]["properties"]["config"]["properties"]
    assert all("size" in record["config"] for record in run.records["backups"])
    assert not any("source" in record["config"] for record in run.records["backups"])


def test_keys_and_the_replication_key_cannot_be_deselected(server: Server) -> None:
    names = ["projectId", "addonId", "id", "completedAt"]
    server.world = small_world(a=1)

    run = sync(server, catalog=without(selecting("restores"), "restores", *names))

    assert set(run.records["restores"][0]) >= set(names)


@pytest.mark.parametrize("names", [["status"], ["backupId"], ["status", "restoreTimestamp"]])
def test_a_deselected_property_does_not_disturb_the_proof(server: Server, names: list[str]) -> None:
    server.world = company()
    catalog = without(selecting("restores"), "restores", *names)

    first = sync(server, catalog=catalog)
    second = sync(server, catalog=catalog, state=first.state)

    assert len(first.records["restores"]) == server.world.restore_count()
    assert second.records["restores"] == []
