# /// script
# requires-python = ">=3.10,<3.14"
# dependencies = [
#   "dbt-core==1.11.16",
#   "dbt-bigquery==1.12.1",
#   "dbt-redshift==1.11.2",
#   "dbt-snowflake==1.12.4",
#   "sqlglot==30.30.0",
# ]
# ///
"""Builds the models with an engine's own adapter and no engine: what it would send is parsed.

Usage: dry_run.py ENGINE PROJECT FOLDER

Nothing is connected to. Questions about tables are answered by what is declared here: those of the
loader, and in a second build those of the first one. Each statement goes to standard output as a
line of JSON: which build, the statement, why the engine's grammar does not take it, its words
without comments and texts, its functions, outer joins without an equation, reserved words that are
names, the column that is not there, and comparisons of what cannot be compared.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import agate  # type: ignore[import-not-found]
import sqlglot  # type: ignore[import-not-found]
import yaml
from dbt.adapters.contracts.connection import (  # type: ignore[import-not-found]
    AdapterResponse,
)
from dbt.cli.main import dbtRunner  # type: ignore[import-not-found]
from sqlglot import exp
from sqlglot.optimizer.annotate_types import (  # type: ignore[import-not-found]
    annotate_types,
)
from sqlglot.optimizer.qualify import qualify  # type: ignore[import-not-found]
from sqlglot.schema import MappingSchema  # type: ignore[import-not-found]

ENGINES: dict[str, dict[str, Any]] = {
    "snowflake": {
        "profile": {"account": "acme", "user": "dbt", "password": "x", "warehouse": "w"},
        "database": "database",
        # As meltanolabs-target-snowflake makes them: with and without a zone.
        "types": [
            {"text": "VARCHAR", "instant": "TIMESTAMP_TZ", "json": "VARIANT", "list": "VARIANT"},
            {"text": "VARCHAR", "instant": "TIMESTAMP_NTZ", "json": "VARCHAR", "list": "VARCHAR"},
        ],
        "integer": "NUMBER",
        "name": str.upper,
    },
    "bigquery": {
        "profile": {"method": "oauth-secrets", "token": "x", "location": "EU"},
        "database": "project",
        "types": [
            {"text": "STRING", "instant": "TIMESTAMP", "json": "JSON", "list": "ARRAY<STRING>"},
            {"text": "STRING", "instant": "DATETIME", "json": "STRING", "list": "STRING"},
        ],
        "integer": "INT64",
        "name": str,
    },
    "redshift": {
        "profile": {"host": "localhost", "user": "dbt", "password": "x", "port": 5439},
        "database": "dbname",
        "types": [
            {
                "text": "character varying(65535)",
                "instant": "timestamp with time zone",
                "json": "super",
                "list": "super",
            },
            {
                "text": "character varying(65535)",
                "instant": "timestamp without time zone",
                "json": "character varying(65535)",
                "list": "character varying(65535)",
            },
        ],
        "integer": "bigint",
        "name": str.lower,
    },
}
KINDS = {"array": "list", "object": "json", "integer": "integer", "number": "text"}
LOADED = {
    "_sdc_batched_at": "instant",
    "_sdc_received_at": "instant",
    "_sdc_sequence": "integer",
    "_sdc_sync_started_at": "integer",
    "_sdc_deleted_at": "instant",
}
"""What loaders add to each table."""


class DryRun:
    """An adapter whose engine is not there."""

    def __init__(self, engine: str, project: Path, schemas: Path) -> None:
        """Take the engine's adapter, and what tables there are."""
        self.engine = engine
        self.build = 0
        self.statements: list[tuple[int, str]] = []
        self.declared = ENGINES[engine]
        self.streams = {path.stem: self._stream(path) for path in schemas.glob("*.json")}
        self.made = {
            model["name"]: [column["name"] for column in model.get("columns", ())]
            for folder in ("models", "seeds")
            for path in (project / folder).glob("**/*.yml")
            for kind in ("models", "seeds")
            for model in (yaml.safe_load(path.read_text()) or {}).get(kind) or ()
            if isinstance(model, dict)
        }
        self.adapter = import_module(f"dbt.adapters.{engine}").Plugin.adapter
        connections = self.adapter.ConnectionManager
        connections.open = classmethod(_open)
        for name in ("cancel_open", "begin", "commit", "commit_if_has_connection"):
            setattr(connections, name, lambda *_, **__: None)
        answers = {
            "execute": self.execute,
            "add_query": self.execute,
            "list_schemas": lambda *_: ["northflank", "marts"],
            "check_schema_exists": lambda *_: True,
            "list_relations_without_caching": self.relations,
            "get_columns_in_relation": self.columns,
            "get_column_schema_from_query": self.columns_of_query,
            "get_relation": import_module("dbt.adapters.base").BaseAdapter.get_relation,
            "is_replaceable": lambda *_: True,
            **dict.fromkeys(
                (
                    *("expand_target_column_types", "drop_relation", "rename_relation"),
                    *("truncate_relation", "create_schema", "load_dataframe", "update_columns"),
                    *("update_table_description", "get_bq_table", "debug_query"),
                ),
                _nothing,
            ),
        }
        for name, answer in answers.items():
            if hasattr(self.adapter, name):
                setattr(self.adapter, name, _method(answer))

    def _stream(self, path: Path) -> dict[str, str]:
        properties = json.loads(path.read_text())["properties"]
        kinds = {}
        for name, schema in properties.items():
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            (kind,) = set(types) - {"null"}
            is_time = schema.get("format") == "date-time"
            kinds[name] = "instant" if is_time else KINDS.get(kind, "text")
        return kinds | LOADED

    def execute(self, _: Any, sql: str, *__: Any, **___: Any) -> tuple[Any, agate.Table]:
        """Record a statement; a query for a number finds none."""
        self.statements.append((self.build, str(sql)))
        row = (0, None, None)
        return AdapterResponse("OK"), agate.Table(
            [row[:2] if "min(minutes)" in sql else row]
            if "min(minutes)" in sql or "as should_warn" in sql
            else [],
            ["a", "b"] if "min(minutes)" in sql else ["failures", "should_warn", "should_error"],
            [agate.Number()] * (2 if "min(minutes)" in sql else 3),
        )

    def columns_of_query(self, _: Any, sql: str, *__: Any) -> list[Any]:
        """Record the query by which a contract is compared."""
        self.statements.append((self.build, str(sql)))
        return []

    def relations(self, adapter: Any, schema: Any) -> list[Any]:
        """Return the tables of a schema."""
        create = adapter.Relation.create
        spelt = str.upper if self.engine == "snowflake" else str
        where = {"database": spelt(schema.database), "schema": spelt(schema.schema)}
        if str(schema.schema).lower() == "northflank":
            names = map(self.declared["name"], self.streams)
            return [create(**where, identifier=name, type="table") for name in names]
        if not self.build:
            return []
        return [
            create(
                **where,
                identifier=spelt(name),
                type="view" if name.startswith("stg_") else "table",
            )
            for name in self.made
        ]

    def columns(self, adapter: Any, relation: Any) -> list[Any]:
        """Return the columns of a table."""
        name = str(relation.identifier).lower().partition("__dbt_")[0]
        if str(relation.schema).lower() == "northflank":
            types = self.declared["types"][self.build] | {"integer": self.declared["integer"]}
            return [
                self._column(adapter, self.declared["name"](column), types[kind])
                for column, kind in self.streams[name].items()
            ]
        text = self.declared["types"][0]["text"]
        spelt = str.upper if self.engine == "snowflake" else str
        return [self._column(adapter, spelt(column), text) for column in self.made.get(name, ())]

    def _column(self, adapter: Any, name: str, kind: str) -> Any:
        if self.engine == "bigquery" and kind.startswith("ARRAY"):
            return adapter.Column(name, "STRING", mode="REPEATED")
        return adapter.Column(name, kind)


def _open(_: Any, connection: Any) -> Any:
    connection.handle, connection.state = MagicMock(), "open"
    return connection


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _method(answer: Any) -> Any:
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return answer(self, *arguments, **named)

    return method


FAMILIES = {
    **dict.fromkeys(("CHAR", "TEXT", "VARCHAR"), "text"),
    **dict.fromkeys(("BIGINT", "INT", "DOUBLE", "DECIMAL"), "number"),
    **dict.fromkeys(("DATETIME", "TIMESTAMPNTZ"), "time without a zone"),
    "TIMESTAMPTZ": "instant",
    "DATE": "day",
    "BOOLEAN": "boolean",
}
"""What may be compared with each other; of other types sqlglot does not know enough."""


class Tables:
    """The columns of all tables, as the statements before have made them."""

    def __init__(self, run: DryRun) -> None:
        """Begin with the tables of the loader, and the seeds."""
        self._engine = run.engine
        self._spelt: Any = str.upper if run.engine == "snowflake" else str
        self._schema = MappingSchema(dialect=run.engine)
        types = run.declared["types"][0] | {"integer": run.declared["integer"]}
        spelt = run.declared["name"]
        for stream, kinds in run.streams.items():
            columns = {spelt(name): types[kind] for name, kind in kinds.items()}
            self._add("northflank", spelt(stream), columns)
        for seed in ("restore_policies", "drill_addons"):
            self._make(seed, dict.fromkeys(run.made[seed], types["text"]))

    def _make(self, name: str, columns: dict[str, str]) -> None:
        columns = {self._spelt(column): kind for column, kind in columns.items()}
        for each in {name, name.partition("__dbt_")[0]}:
            self._add("marts", self._spelt(each), columns)

    def _add(self, schema: str, name: str, columns: dict[str, str]) -> None:
        table = exp.table_(name, self._spelt(schema), self._spelt("raw"), quoted=True)
        mapping = {
            exp.to_identifier(column, quoted=True).sql(self._engine): re.sub(r"\(65535\)", "", kind)
            for column, kind in columns.items()
        }
        self._schema.add_table(table, mapping, dialect=self._engine)

    def resolve(self, tree: exp.Expression) -> tuple[str, list[str]]:
        """Find each column of a statement, and add the table that it makes.

        Returns:
            What cannot be found, and what is compared that cannot be.
        """
        made = tree.this if isinstance(tree, exp.Create) else None
        name = made.find(exp.Table).name if made and made.find(exp.Table) else ""
        query = tree.expression if isinstance(tree, (exp.Create, exp.Insert)) else tree
        if isinstance(made, exp.Schema) and not query:
            typed = {one.name: one.kind.sql(self._engine) for one in made.find_all(exp.ColumnDef)}
            self._make(name, typed)
        if isinstance(query, exp.Subquery):
            query = query.unnest()
        if not isinstance(query, exp.Query):
            return "", []
        try:
            resolved = qualify(
                query.copy(), schema=self._schema, dialect=self._engine, db="marts", catalog="raw"
            )
        except sqlglot.errors.SqlglotError as error:
            return str(error), []
        resolved = annotate_types(resolved, schema=self._schema, dialect=self._engine)
        if name:
            selected = {
                one.alias_or_name: one.type.sql(self._engine) if one.type else "VARCHAR"
                for one in resolved.selects
            }
            self._make(name, selected)
        mixed = []
        for comparison in resolved.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE):
            operands = comparison.unnest_operands()
            if any(isinstance(one, exp.All) for one in operands):
                continue  # sqlglot gives it the type of an answer.
            sides = [one.type.this.value for one in operands if one.type]
            if len({FAMILIES[side] for side in sides if side in FAMILIES}) > 1:
                mixed.append(comparison.sql(self._engine))
        return "", mixed


def _checked(engine: str, sql: str, tables: Tables) -> dict[str, Any]:
    """Parse a statement by the engine's grammar, and tell what a grammar does not know."""
    found: dict[str, Any] = {"error": "", "words": "", "unknown": ""}
    found |= {"functions": [], "unequal": [], "reserved": [], "mixed": []}
    try:
        trees = sqlglot.parse(sql, read=engine, error_level=sqlglot.ErrorLevel.RAISE)
        tokens = sqlglot.tokenize(sql, read=engine)
    except sqlglot.errors.SqlglotError as error:
        return found | {"error": str(error)}
    found |= _words(sql, tokens)
    keywords = sqlglot.Dialect.get_or_raise(engine).generator_class.RESERVED_KEYWORDS
    for tree in trees:
        if tree and not re.search(r"information_schema|\bpg_|\bsvv_|\bstv_", found["words"]):
            unknown, mixed = tables.resolve(tree)
            found["unknown"] = found["unknown"] or unknown
            found["mixed"] += mixed
        if isinstance(tree, exp.Command):
            found["error"] = "sqlglot does not understand it"
        for join in tree.find_all(exp.Join) if tree else ():
            if join.side and not any(map(_is_equation, _conjuncts(join.args.get("on")))):
                found["unequal"].append(join.sql(engine))
        for column in tree.find_all(exp.Column) if tree else ():
            if not column.table and not column.this.quoted and column.name.lower() in keywords:
                found["reserved"].append(column.name)
    return found


def _words(sql: str, tokens: list[Any]) -> dict[str, Any]:
    """Return the words of a statement, and its functions."""
    kind = sqlglot.TokenType
    words, functions = [], []
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        # BigQuery takes a name in double quotes for a text, which dbt writes in three of them.
        doubted = sql[token.start] == '"' and not sql.startswith('"""', token.start)
        is_text = token.token_type in {kind.STRING, kind.RAW_STRING}
        words.append(('""' if doubted else "''") if is_text else token.text.lower())
        if following and following.token_type == kind.L_PAREN and token.text.isidentifier():
            functions.append(token.text.lower())
    return {"words": " ".join(words), "functions": functions}


def _conjuncts(condition: exp.Expression | None) -> list[exp.Expression]:
    if isinstance(condition, exp.And):
        return [*_conjuncts(condition.this), *_conjuncts(condition.expression)]
    return [condition] if condition else []


def _is_equation(condition: exp.Expression) -> bool:
    return isinstance(condition, exp.EQ) and all(
        side.find(exp.Column) for side in (condition.this, condition.expression)
    )


def main() -> None:
    """Build twice, and tell what was sent."""
    engine, project, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    schemas = Path(__file__).resolve().parents[3] / "tap_northflank_restores" / "schemas"
    folder.mkdir(exist_ok=True)
    given = ENGINES[engine]
    profile = {
        **given["profile"],
        given["database"]: "raw",
        "type": engine,
        "schema": "marts",
        "threads": 1,
    }
    profiles = {"northflank_restores": {"target": engine, "outputs": {engine: profile}}}
    (folder / "profiles.yml").write_text(json.dumps(profiles))
    run = DryRun(engine, project, schemas)
    for build in (0, 1):
        run.build = build
        done = dbtRunner().invoke(
            [
                *("--no-use-colors", "--log-level=warn", "--quiet"),
                *("--log-path", str(folder / "logs"), "build"),
                *("--project-dir", str(project), "--profiles-dir", str(folder)),
                *("--target-path", str(folder / "target")),
                "--exclude-resource-type=unit_test",
                *(["--exclude-resource-type=test"] if build else []),  # They are the same.
                "--no-version-check",
            ]
        )
        if done.exception:
            raise done.exception
        for result in done.result.results if done.result else ():
            if result.status not in {"success", "pass", "no-op"}:
                sys.stderr.write(f"{result.node.name}: {result.message}\n")
        if not done.success:
            sys.exit("dbt failed")
    tables = Tables(run)
    for build, sql in dict.fromkeys(run.statements):
        found = _checked(engine, sql, tables)
        sys.stdout.write(json.dumps({"build": build, "sql": sql, **found}) + "\n")


if __name__ == "__main__":
    main()
