"""The rights that docs/dbt-package.md gives are enough, and no less will do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml

from northflank_restore_report.marts import read
from northflank_restore_report.warehouse import MartsError, open_warehouse
from tests.transform.test_lineage import AS_OF
from tests.transform.test_zone import account
from tests.transform.warehouse import ROOT

if TYPE_CHECKING:
    from tests.transform.warehouse import Postgres, Row

PAGE = (ROOT / "docs" / "dbt-package.md").read_text(encoding="utf-8")
ROLES = "northflank_loader", "northflank_dbt", "northflank_reader"
UNTESTED = "--exclude-resource-type=test"


def log_in(warehouse: Postgres, role: str) -> None:
    """Let a warehouse be used as a role."""
    warehouse.url = re.sub(r"//\w+@", f"//{role}@", warehouse.url)


def test_three_roles_do_with_the_rights_of_the_page(warehouse: Postgres) -> None:
    """Load, build twice and read, each as its own role; grants survive the second build."""
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        name = connection.info.dbname
        rights = re.findall(r"^```sql\n(create schema.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
        statements = [
            *(f"create role {role} login" for role in ROLES),
            f"revoke all on database {name} from public",
            "revoke all on schema public from public",
            rights[0].replace("database warehouse", f"database {name}"),
        ]
        for statement in statements:
            connection.execute(statement.encode())

        log_in(warehouse, "northflank_loader")
        warehouse.load(account())
        log_in(warehouse, "northflank_dbt")
        readers: Row = {"northflank_readers": ["northflank_reader"]}
        assert "Warning" not in warehouse.build(UNTESTED, as_of=AS_OF, **readers)
        connection.execute(
            "create view public.ours as select * from restore_analytics.backup_status"
        )
        printed = warehouse.build(UNTESTED, as_of=AS_OF, **readers)
        assert "The view public.ours is dropped, as it reads restore_analytics.backup_st" in printed

        log_in(warehouse, "northflank_reader")
        exposures = ROOT / "transform" / "models" / "marts" / "exposures.yml"
        (report,) = yaml.safe_load(exposures.read_text())["exposures"]
        for ref in report["depends_on"]:
            table = re.findall(r"\w+", ref)[2]
            assert warehouse.query(f"select count(*) from {table}")  # noqa: S608 - of our own
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            warehouse.query("select * from northflank.restores")
        connection.execute(
            b"revoke select on restore_analytics.addon_recoverability from northflank_reader"
        )
        with (
            pytest.raises(MartsError, match="may not read the marts"),
            open_warehouse(warehouse.url, "restore_analytics") as reader,
        ):
            read(reader)

        connection.execute(f"revoke temporary on database {name} from northflank_dbt".encode())
        log_in(warehouse, "northflank_dbt")
        printed = warehouse.build(UNTESTED, as_of=AS_OF, succeeds=False)
        assert "permission denied to create temporary tables" in printed
        for role in ROLES:
            connection.execute(f"drop owned by {role} cascade".encode())
            connection.execute(f"drop role {role}".encode())
