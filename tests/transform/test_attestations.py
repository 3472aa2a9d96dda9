"""What an attested check of the data proves, and what an attestation that cannot be meant says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tests.transform.test_cases import restore
from tests.transform.test_lineage import addon, engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.transform.warehouse import Postgres, Row, Rows, Warehouse

__all__ = ["engine"]

AS_OF = datetime(2026, 7, 10, 12, tzinfo=timezone.utc)
UNTESTED = "--exclude-resource-type=test"
NAMES = "checked", "unchecked", "spoilt", "forked", "free"


def account() -> Rows:
    return {
        "addons": [addon(f"shop/{name}") for name in (*NAMES, "late")],
        "restores": [
            *(
                restore(f"shop/{name}", name[0], "2026-06-01T00:00:00Z", "2026-06-01T00:30:00Z")
                for name in (*NAMES[:3], "late")
            ),
            restore("shop/free", "f", "2026-06-01T00:00:00Z", "2026-06-01T00:30:00Z"),
        ],
    }


def attestation(name: str, what: str, result: str = "passed", **values: object) -> Row:
    kind = "drilled_on" if what[:4] == "2026" else "restore_id"
    checked = {"checked_by": "Ada", "checked_on": "2026-06-20"}
    return {"project": "shop", "addon": name, kind: what, "result": result, **checked, **values}


ATTESTED = (
    attestation("checked", "c", ticket="OPS-1"),
    attestation("spoilt", "s", "failed", note="Two tables are empty"),
    attestation("forked", "2026-06-15", minutes=45),
    attestation("late", "l", checked_on="2026-07-11"),
)


def test_only_what_is_validated_is_proven(engine: Warehouse) -> None:
    rule = {"attestation_required": "true"}
    engine.set_rules(
        {"rule": "all", **rule}, {"rule": "free", "addon": "free", "attestation_required": "false"}
    )
    engine.set_attestations(*ATTESTED)
    engine.load(account())
    engine.build(as_of=AS_OF)
    addons = engine.mart("addon_recoverability", "addon_id")
    assert {name: (row["verdict"], row["reason"]) for name, row in addons.items()} == {
        "checked": ("proven", "Next drill due by 2026-08-30"),
        "unchecked": (
            "not validated",
            "Restored on 2026-06-01, and no check of its data is attested",
        ),
        "spoilt": (
            "failing",
            (
                "Failed on 2026-06-01, failures since the last success: 1; "
                "its data did not pass the check"
            ),
        ),
        "forked": ("proven", "Next drill due by 2026-09-13"),
        "free": ("proven", "Next drill due by 2026-08-30"),
        "late": (  # The check was made a day after.
            "not validated",
            "Restored on 2026-06-01, and no check of its data is attested",
        ),
    }
    assert addons["unchecked"]["needs_action"] is True
    query = "select addon_id, evidence from restore_drill_evidence where quarter = '2026-Q2'"
    assert {row["addon_id"]: row["evidence"] for row in engine.query(query)} == {
        "checked": "within target",
        "unchecked": "not validated",
        "spoilt": "only failures",
        "forked": "within target",
        "free": "within target",
        "late": "not validated",
    }
    fork = engine.mart("restore_attempts", "restore_key")["shop/forked/drill of 2026-06-15"]
    picked = ("source_basis", "outcome", "duration_minutes", "checked_by", "is_proof")
    assert tuple(fork[name] for name in picked) == ("attested", "succeeded", 45, "Ada", True)
    attestations = engine.mart("attestations", "restore_key")
    assert {key: (row["result"], row["is_proof"]) for key, row in attestations.items()} == {
        "shop/checked/c": ("passed", True),
        "shop/spoilt/s": ("failed", False),
        "shop/forked/drill of 2026-06-15": ("passed", True),
    }

    # What is no longer attested proves nothing, and its drill is gone.
    engine.set_attestations()
    engine.build(UNTESTED, as_of=AS_OF)
    addons = engine.mart("addon_recoverability", "addon_id")
    assert {name: row["verdict"] for name, row in addons.items()} == {
        **dict.fromkeys(("checked", "unchecked", "spoilt", "late"), "not validated"),
        "forked": "never tested",
        "free": "proven",
    }


def test_look_back_changes_no_closed_quarter(engine: Warehouse) -> None:
    engine.set_rules({"rule": "all", "attestation_required": "true"})
    engine.set_attestations(*ATTESTED)
    engine.load(account())
    engine.build(UNTESTED, as_of=AS_OF + timedelta(days=2))
    query = "select * from evidence_changes order by change_key"
    before = engine.query(query)
    engine.build(UNTESTED, as_of=AS_OF)  # A day before the check of `late`.
    late = engine.mart("addon_recoverability", "addon_id")["late"]
    assert late["verdict"] == "not validated"
    assert engine.query(query) == before


WRONG: dict[str, tuple[Row, str]] = {
    "nobody": (attestation("free", "f", checked_by=""), "a value is missing in the line shop,free"),
    "neither": (attestation("free", ""), "a line has either restore_id, or drilled_on"),
    "both": (attestation("free", "f", drilled_on="2026-06-01"), "a line has either restore_id, or"),
    "result": (attestation("free", "f", "ok"), "shop/free/f has result 'ok'; it takes passed or"),
    "day": (attestation("free", "f", checked_on="1 June"), "has checked_on '1 June'; it takes a d"),
    "drill": (attestation("free", "2026-6-1"), "has drilled_on '2026-6-1'; it takes a day"),
    "before": (attestation("free", "2026-06-30"), "it takes no day before drilled_on"),
    "minutes": (attestation("free", "2026-06-01", minutes=0), "has minutes '0'; it takes a number"),
    "times": (
        attestation("free", "f", minutes=5),
        "it takes nothing, as the restore has its times",
    ),
    "restore": (attestation("free", "x"), "there is no restore shop/free/x in the warehouse"),
    "addon": (attestation("fee", "2026-06-01"), "there is no addon shop/fee in the warehouse"),
}


@pytest.fixture(scope="module")
def loaded(new_postgres: Callable[[], Postgres]) -> Postgres:
    warehouse = new_postgres()
    warehouse.load(account())
    return warehouse


@pytest.mark.parametrize("name", WRONG)
def test_attestation_that_cannot_be_meant_is_one_line(name: str, loaded: Postgres) -> None:
    row, line = WRONG[name]
    loaded.set_attestations(row)
    printed = loaded.build(as_of=AS_OF, succeeds=False)
    assert printed.count("\n") == 1
    assert printed.startswith("restore_attestations.csv: ")
    assert line in printed


def test_restore_attested_twice_is_named(loaded: Postgres) -> None:
    loaded.set_attestations(attestation("free", "f"), attestation("free", "f", "failed"))
    printed = loaded.build(as_of=AS_OF, succeeds=False)
    line = "restore_attestations.csv: shop/free/f is attested twice: keep one line\n"
    assert printed == line


def test_rules_of_an_earlier_version_need_no_new_column(loaded: Postgres) -> None:
    loaded.set_attestations()
    seed = loaded.project / "seeds" / "restore_policies.csv"
    before = seed.read_text()
    names = before.strip().removesuffix(",attestation_required")
    assert names != before.strip()
    seed.write_text(f"{names}\nfree,shop,free,,,,30,,,,,,\n")
    loaded.dbt("seed")
    seed.write_text(before)
