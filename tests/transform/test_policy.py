"""The rules: the most specific wins, each by its time, and none that cannot be meant is built."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from tests.transform.test_lineage import addon, at, engine, restore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.transform.warehouse import Postgres, Rows, Warehouse

__all__ = ["engine"]

AS_OF = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
UNTESTED = "--exclude-resource-type=test"


def account() -> Rows:
    tagged = addon("shop/tagged", tags=["prod", "eu_west"])
    keys = ("shop/orders", "shop/orders-eu", "shop/carts", "pay/ledger", "pay/ledger-old")
    return {
        "projects": [{"id": "shop"}, {"id": "pay"}],
        "addons": [*map(addon, keys), tagged, addon("shop/cache", "redis")],
        "restores": [restore("shop/orders", "q1", "b", 100), restore("shop/orders", "q2", "b", 5)],
    }


RULES: list[dict[str, object]] = [
    {"rule": "all", "rto_minutes": 50},
    {"rule": "redis", "type": "redis", "in_scope": "false"},
    {"rule": "shop", "project": "shop", "rto_minutes": 40},
    {"rule": "tag", "tag": "eu_w*", "rto_minutes": 35},
    {"rule": "orders-all", "addon": "orders*", "rto_minutes": 30},
    {"rule": "orders-eu", "addon": "orders-e*", "rto_minutes": 25},
    {"rule": "orders", "project": "shop", "addon": "orders", "rto_minutes": 10},
    {
        "rule": "orders-tight",
        "project": "shop",
        "addon": "orders",
        "rto_minutes": 20.5,
        "valid_from": "2026-06-01",
    },
    {
        "rule": "old",
        "addon": "ledger-old",
        "waiver_reason": "Moves in July",
        "waiver_until": "2026-07-01",
        "owner": "Ada",
    },
    {
        "rule": "waived-once",
        "addon": "carts",
        "waiver_reason": "Is new",
        "waiver_until": "2026-06-30",
        "drill_interval_days": 30,
    },
]


def test_most_specific_rule_of_the_time_judges(engine: Warehouse) -> None:
    engine.set_rules(*RULES)
    engine.load(account())
    engine.build(as_of=AS_OF)
    addons = engine.mart("addon_recoverability", "addon_key")
    assert {key: row["rule"] for key, row in addons.items()} == {
        "shop/orders": "orders-tight",
        "shop/orders-eu": "orders-eu",
        "shop/carts": "waived-once",
        "shop/tagged": "tag",
        "shop/cache": "shop",  # A project goes before a type.
        "pay/ledger": "all",
        "pay/ledger-old": "old",
    }
    assert addons["pay/ledger-old"]["verdict"] == "waived"
    assert addons["pay/ledger-old"]["owner"] == "Ada"
    assert addons["pay/ledger-old"]["reason"] == "Waived until 2026-07-01: Moves in July"
    assert addons["shop/carts"]["verdict"] == "never tested"  # The waiver has ended.
    assert addons["shop/carts"]["drill_interval_days"] == 30
    attempts = engine.mart("restore_attempts", "restore_id")
    assert (attempts["q1"]["rule"], attempts["q1"]["within_target"]) == ("orders", False)
    assert (attempts["q2"]["rule"], attempts["q2"]["within_target"]) == ("orders-tight", True)
    evidence = engine.query("""
        select quarter, rule, target_minutes from restore_drill_evidence
        where addon_key = 'shop/orders' order by quarter
    """)
    assert [tuple(row.values()) for row in evidence][:2] == [
        ("2026-Q1", "orders", 10),
        ("2026-Q2", "orders-tight", 20.5),
    ]
    written = engine.mart("restore_policy_rules", "rule_key")
    assert set(written) == {"default/0001-01-01", *(f"rule/{rule['rule']}" for rule in RULES)}
    assert written["default/0001-01-01"]["valid_from"] is None
    periods = engine.query("""
        select rule, rto_minutes, valid_from, valid_before from restore_policy_periods
        where addon_key = 'shop/orders' order by valid_from nulls first
    """)
    assert [row["rule"] for row in periods][-1] == "orders-tight"
    assert periods[0]["valid_from"] is periods[-1]["valid_before"] is None
    for one, other in itertools.pairwise(periods):
        assert one["valid_before"] == other["valid_from"]


def test_type_is_out_of_scope_where_no_project_is_named(engine: Warehouse) -> None:
    engine.set_rules(RULES[0], RULES[1])
    engine.load(account())
    engine.build(UNTESTED, as_of=AS_OF)
    row = engine.mart("addon_recoverability", "addon_key")["shop/cache"]
    assert (row["verdict"], row["reason"]) == ("out of scope", "By the rule redis")
    cells = engine.query("select evidence from restore_drill_evidence where addon_id = 'cache'")
    assert {cell["evidence"] for cell in cells} == {"out of scope"}


def test_closed_quarter_keeps_the_defaults_of_its_time(engine: Warehouse) -> None:
    # A file of an earlier release, which is built twice.
    seed = engine.project / "seeds" / "restore_policies.csv"
    seed.write_text(seed.read_text().replace(",attestation_required", ""))
    engine.load(account())
    engine.build(UNTESTED, as_of=AS_OF)
    engine.build(UNTESTED, as_of=AS_OF, rto_minutes=10)
    evidence = engine.query("""
        select quarter, evidence, target_minutes from restore_drill_evidence
        where addon_key = 'shop/orders' order by quarter
    """)
    assert [tuple(row.values()) for row in evidence] == [
        ("2026-Q1", "within target", 60),
        ("2026-Q2", "within target", 60),
        ("2026-Q3", "not yet", 10),
    ]


def test_closed_quarter_changes_by_a_late_fact_and_says_so(engine: Warehouse) -> None:
    rows = account()
    engine.load(rows)
    engine.build(UNTESTED, as_of=AS_OF)
    engine.load({"restores": [restore("shop/orders", "late", "b", 3, completedAt=at(3, 90))]})
    engine.build(UNTESTED, as_of=AS_OF)
    engine.build(UNTESTED, "--full-refresh", as_of=AS_OF)
    changes = engine.query("""
        select quarter, evidence_before, evidence, restore_key_before, restore_key
        from evidence_changes where change_number > 1
    """)
    assert [tuple(row.values()) for row in changes] == [
        ("2026-Q2", "within target", "over target", "shop/orders/q2", "shop/orders/late")
    ]


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "negative": ({"rule": "r", "rto_minutes": "-5"}, "has rto_minutes '-5'"),
    "zero": ({"rule": "r", "rpo_hours": "0"}, "has rpo_hours '0'"),
    "words": ({"rule": "r", "drill_interval_days": "three months"}, "'three months'; it takes"),
    "no-day": ({"rule": "r", "valid_from": "2026-02-30"}, "has valid_from '2026-02-30'"),
    "no-scope": ({"rule": "r", "in_scope": "maybe"}, "has in_scope 'maybe'"),
    "no-reason": ({"rule": "r", "waiver_until": "2027-01-01"}, "a waiver needs both"),
    "nameless": ({"project": "shop"}, "a rule needs a name"),
    "nothing": ({"rule": "r", "addon": "oders"}, "the rule r matches no addon"),
    "no-tag": ({"rule": "r", "tag": "prod-*"}, "the rule r matches no addon"),
}


@pytest.fixture(scope="module")
def loaded(new_postgres: Callable[[], Postgres]) -> Postgres:
    warehouse = new_postgres()
    warehouse.load(account())
    return warehouse


@pytest.mark.parametrize("name", WRONG)
def test_rule_that_cannot_be_meant_is_one_line(name: str, loaded: Postgres) -> None:
    rule, line = WRONG[name]
    loaded.set_rules(rule)
    printed = loaded.build(as_of=AS_OF, succeeds=False)
    assert printed.count("\n") == 1
    assert printed.startswith("restore_policies.csv: ")
    assert line in printed
    tables = "select 1 from information_schema.tables where table_schema = 'restore_analytics'"
    assert loaded.query(tables) == []


def test_rules_that_contradict_each_other_are_named(loaded: Postgres) -> None:
    loaded.set_rules(
        {"rule": "one", "project": "shop", "rto_minutes": 5},
        {"rule": "two", "project": "shop", "rto_minutes": 6},
    )
    assert "the rules one and two match the same addons" in loaded.build(
        as_of=AS_OF, succeeds=False
    )


def test_unknown_column_is_named(loaded: Postgres) -> None:
    seed = loaded.project / "seeds" / "restore_policies.csv"
    before = seed.read_text()
    seed.write_text(before.replace("rto_minutes", "rto_mins"))
    printed = loaded.build(as_of=AS_OF, succeeds=False)
    seed.write_text(before)
    assert "restore_policies.csv: unknown column 'rto_mins'" in printed


def test_source_of_a_drill_addon_must_be_there(loaded: Postgres) -> None:
    loaded.set_rules()
    loaded.set_drill_addons("drills,any-*,shop,oders")
    printed = loaded.build(as_of=AS_OF, succeeds=False)
    loaded.set_drill_addons()
    assert printed == "drill_addons.csv: there is no addon shop/oders in the warehouse\n"


def test_old_targets_are_not_passed_over(loaded: Postgres) -> None:
    loaded.set_rules()
    old = loaded.project / "seeds" / "addon_targets.csv"
    old.write_text("project_id,addon_id,rto_minutes\nshop,orders,120\n")
    printed = loaded.build(as_of=AS_OF, succeeds=False)
    old.unlink()
    assert printed.startswith("addon_targets.csv is no longer read")


def test_readers_of_the_environment_that_cannot_be_meant_are_named(
    loaded: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded.set_rules()
    monkeypatch.setenv("NORTHFLANK_READERS", "reader, no;role")
    printed = loaded.build(as_of=AS_OF, succeeds=False)
    assert "NORTHFLANK_READERS is 'reader, no;role'; it takes roles, such as" in printed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rto_minutes", -5),
        ("overdue_after_days", "three months"),
        ("rpo_hours", 0),
        ("restore_timestamp", "start"),
        ("plausible_since", "2015"),
        ("northflank_readers", "reader; drop table x"),
    ],
)
def test_variable_that_cannot_be_meant_is_named(name: str, value: object, loaded: Postgres) -> None:
    loaded.set_rules()
    printed = loaded.build(as_of=AS_OF, succeeds=False, **{name: value})
    assert f"The variable {name} is '{value}'; it takes" in printed
