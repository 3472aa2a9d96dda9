"""What the models would send to engines that cannot run here is what these engines take.

The dbt adapter of the engine makes the statements of two builds, the second of which adds to the
first. That shows that they are made, that the grammar of the engine takes them, that they call
nothing which the engine has not, that each column is there, and that a time with a zone is compared
with no other. It does not show what the engine makes of them, nor what the answers are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from uv import find_uv_bin

from tests.means import need_dbt, one_at_a_time
from tests.transform.warehouse import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).with_name("dry_run.py")
pytestmark = pytest.mark.timeout(900)  # the adapters are fetched first

COMMON = {
    *("abs", "avg", "cast", "chr", "coalesce", "count", "extract", "greatest", "lead", "length"),
    *("lower", "max", "min", "nullif", "replace", "round", "row_number", "sum", "trim"),
}
"""Functions that all engines have, also in their public documentation."""

FUNCTIONS = {
    "snowflake": {
        *("array_to_string", "convert_timezone", "date_trunc", "dateadd", "datediff"),
        *("dayofweekiso", "get_path", "greatest_ignore_nulls", "least_ignore_nulls"),
        *("percentile_cont", "regexp_like", "split_part", "to_timestamp_tz", "to_varchar"),
        "try_parse_json",
    },
    "bigquery": {
        *("array_agg", "array_length", "array_to_string", "ceil", "current_timestamp", "date"),
        *("datetime", "datetime_add", "datetime_diff", "floor", "json_query", "json_value", "mod"),
        *("parse_json", "regexp_contains", "safe_offset", "split", "timestamp", "timestamp_add"),
        *("timestamp_diff", "timestamp_millis", "timestamp_trunc", "to_json_string", "unnest"),
    },
    "redshift": {
        *("date_trunc", "dateadd", "datediff", "json_extract_path_text", "json_serialize"),
        *("least", "percentile_cont", "split_part"),
    },
}
WORDS = {
    *("and", "as", "exists", "from", "group", "in", "insert", "join", "numeric", "on", "options"),
    *("or", "over", "select", "then", "using", "values", "varchar", "when", "where", "set"),
}
"""What may stand before a bracket and is no function."""

FOREIGN = {
    "snowflake": r"at time zone|similar to|->>|window \w+ as|filter \(|recursive|\bjson\b"
    r"|\bleast\b",
    "bigquery": r'""|::|->>|%|at time zone|with time zone|similar to|escape|filter \(|recursive'
    r"|union (?!all|distinct)|except (?!distinct)|\btext\b|varchar|numeric \(|\bleast\b",
    "redshift": r"->>|window \w+ as|filter \(|recursive|\bjson\b|\btext\b|array_to_string"
    r"|create (unique )?index",
}
"""What other engines write, and this one does not take."""

OF_DBT = re.compile(
    r"^\s*(/\*.*?\*/)?\s*(alter\s+table\s+\S+\s+alter\s+\"\w+\"\s+comment|comment on )",
    re.DOTALL | re.IGNORECASE,
)
"""Statements that the adapter makes by itself, and that sqlglot does not know."""


@dataclass(frozen=True)
class Sent:
    """What would be sent to an engine."""

    engine: str
    statements: list[dict[str, Any]]

    def having(self, name: str) -> dict[str, list[str]]:
        """Return the statements that have something there, and what."""
        return {one["sql"]: one[name] for one in self.statements if one[name]}


@pytest.fixture(scope="module", params=["snowflake", "bigquery", "redshift"])
def sent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """The statements of two builds."""
    need_dbt()
    folder = tmp_path_factory.mktemp(request.param)
    written = shutil.ignore_patterns("dbt_packages", "logs", "target", "integration_tests")
    project = shutil.copytree(ROOT / "transform", folder / "transform", ignore=written)
    with one_at_a_time("engines"):
        done = subprocess.run(  # noqa: S603 - of our own
            [
                *(find_uv_bin(), "run", "--quiet", "--frozen", "--script", SCRIPT),
                *(request.param, project, folder / "dbt"),
            ],
            env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    statements = [json.loads(line) for line in done.stdout.splitlines()]
    return Sent(request.param, [one for one in statements if not OF_DBT.match(one["sql"])])


def models() -> Iterator[str]:
    for path in (ROOT / "transform" / "models").glob("*/*.sql"):
        yield path.stem


def test_each_model_and_test_is_sent_in_both_builds(sent: Sent) -> None:
    made = re.compile(r"\b(?:create|insert|merge)\b.*?\b(?:table|view|into)\b", re.DOTALL)
    for build in (0, 1):
        texts = [one["sql"] for one in sent.statements if one["build"] == build]
        made_of = " ".join(text for text in texts if made.search(text.lower())).lower()
        assert [name for name in models() if name not in made_of] == []
        tests = sum("as should_warn" in text for text in texts)
        assert tests == 0 if build else tests > 50
    assert any("minutes" in one["sql"] and "_sdc_" in one["sql"].lower() for one in sent.statements)


def test_the_grammar_of_the_engine_takes_it(sent: Sent) -> None:
    assert sent.having("error") == {}


def test_it_calls_only_functions_of_the_engine(sent: Sent) -> None:
    ours = {*models(), "drill_addons", "restore_policies", "restore_attestations"}
    known = COMMON | FUNCTIONS[sent.engine] | WORDS
    called = {name for one in sent.statements for name in one["functions"]}
    assert {name for name in called - known if name.partition("__dbt_tmp")[0] not in ours} == set()
    assert FUNCTIONS[sent.engine] - called == set()


def test_it_has_nothing_of_another_engine(sent: Sent) -> None:
    foreign = re.compile(FOREIGN[sent.engine])
    found = {one["sql"]: foreign.findall(one["words"]) for one in sent.statements}
    assert {sql: words for sql, words in found.items() if words} == {}


def test_an_outer_join_has_an_equation(sent: Sent) -> None:
    """BigQuery takes no other."""
    assert sent.having("unequal") == {}


def test_each_column_is_there(sent: Sent) -> None:
    assert sent.having("unknown") == {}


def test_what_is_compared_is_of_one_kind(sent: Sent) -> None:
    assert sent.having("mixed") == {}


def test_no_name_is_a_reserved_word(sent: Sent) -> None:
    assert sent.having("reserved") == {}
