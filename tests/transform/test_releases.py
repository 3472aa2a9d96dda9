"""The oldest dbt that the package says it takes: a host is built by it, and built again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.transform.test_lineage import engine
from tests.transform.test_package import GIVEN, account
from tests.transform.warehouse import ROOT, dbt_environment, dbt_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transform.warehouse import Warehouse

__all__ = ["engine"]

OLDEST = "1.10"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> Iterator[None]:
    """Install over the network, before tests are cut off from proxies; end what runs dbt."""
    server = dbt_server(OLDEST)
    yield
    server.communicate()


def test_oldest_release_builds_a_host_twice(engine: Warehouse) -> None:
    """The second build adds to tables, which another part of dbt does."""
    engine.release = OLDEST
    engine.load(account())
    engine.host("deps")
    printed = engine.host("build", *GIVEN)
    assert f"Running with dbt={OLDEST}." in printed
    marts = {
        name: f"select * from recovery.{name} order by 1"  # noqa: S608 - of our own
        for name in ("restore_attempts", "addon_recoverability", "known_addons")
    }
    before = {name: engine.query(query) for name, query in marts.items()}
    assert len(before["restore_attempts"]) == 2
    printed = engine.host("build", *GIVEN)
    assert " ERROR=0 " in printed
    assert {name: engine.query(query) for name, query in marts.items()} == before


def test_range_of_the_package_is_what_is_tested() -> None:
    project = yaml.safe_load((ROOT / "transform" / "dbt_project.yml").read_text())
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    (newest,) = re.findall(r'^name = "dbt-core"\nversion = "(\d+)\.(\d+)', lock, re.MULTILINE)
    after = f"{newest[0]}.{int(newest[1]) + 1}.0"
    assert project["require-dbt-version"] == [f">={OLDEST}.0", f"<{after}"]
    assert (dbt_environment(OLDEST) / "dbt").exists()
