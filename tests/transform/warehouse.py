"""A warehouse for tests: rows by the pipeline's own loader, marts by dbt."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from ruamel.yaml import YAML
from uv import find_uv_bin

import tap_northflank_restores
from simulator.world import timestamp
from tests.means import need_dbt, one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from simulator import World

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = Path(tap_northflank_restores.__file__).parent / "schemas"
KEYS = {
    "projects": ["id"],
    "addons": ["projectId", "id"],
    "addon_details": ["projectId", "id"],
    "backup_schedules": ["projectId", "addonId", "id"],
    "backups": ["projectId", "addonId", "id"],
    "restores": ["projectId", "addonId", "id"],
    "list_reads": ["id"],
}
PROGRAMS = "Scripts" if os.name == "nt" else "bin"

QUIET = {"DBT_WRITE_JSON": "false", "DBT_LOG_LEVEL_FILE": "none"}
"""Without files that no test reads: they take a sixth of a build."""

Row = dict[str, Any]
Rows = dict[str, list[Row]]


def rows_of(world: World, *, backups: bool = False) -> Rows:
    """Return what the tap would send of a simulated account."""
    rows: Rows = {"projects": list(world.projects()), "addons": [], "restores": []}
    for project in world.projects():
        rows["addons"] += [{"projectId": project["id"], **a} for a in world.addons(project["id"])]
    rows["restores"] = world.all_restores()
    if backups:
        rows["backups"] = [
            {"projectId": project, "addonId": addon, **item}
            for project, addon in world.addon_keys()
            for item in world.backups(project, addon)
        ]
    return rows


@cache
def schema_of(stream: str) -> dict[str, Any]:
    """Return the tap's JSON schema of a stream."""
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{stream}.json").read_text())
    return schema


def messages(rows: Rows) -> Iterator[str]:
    """Yield the Singer messages of these rows, with the tap's own schemas."""
    for stream, records in rows.items():
        schema = schema_of(stream)
        yield json.dumps(
            {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": KEYS[stream]}
        )
        for record in records:
            full = {name: record.get(name) for name in schema["properties"]}
            yield json.dumps({"type": "RECORD", "stream": stream, "record": full})


@cache
def meltano_plugin(kind: str, name: str) -> dict[str, Any]:
    """Return the definition of a plugin in meltano.yml."""
    project = YAML(typ="safe").load(ROOT / "meltano.yml")
    found: dict[str, Any] = next(p for p in project["plugins"][kind] if p["name"] == name)
    return found


@cache
def dbt_environment(release: str = "") -> Path:
    """Return the folder of dbt's programs.

    Args:
        release: an older dbt, such as 1.10; without it dbt is what uv.lock has.
    """
    need_dbt()
    python = f"--python={sys.executable}"
    if not release:
        home = ROOT / ".dev" / "dbt"
        with one_at_a_time("dbt"):
            only = ["--frozen", "--only-group=transform", python]
            # Compiled once, and not at each of hundreds of starts where Python may not keep that.
            _uv("sync", "--compile-bytecode", *only, project_environment=home)
        return home / PROGRAMS
    home = ROOT / ".dev" / f"dbt-{release}"
    pins = [f"dbt-core=={release}.*", f"dbt-postgres=={release}.*", "dbt-duckdb"]
    with one_at_a_time(home.name):
        if not (home / PROGRAMS / "dbt").exists():
            _uv("venv", "--allow-existing", python, home)
            install = ["pip", "install", "--compile-bytecode"]
            _uv(*install, f"--python={home / PROGRAMS / 'python'}", *pins)
    return home / PROGRAMS


@cache
def dbt_server(release: str = "") -> subprocess.Popen[str]:
    """Return the process that runs dbt; it ends with this one, whose pipe it reads."""
    command = [dbt_environment(release) / "python", Path(__file__).with_name("dbt_server.py")]
    return subprocess.Popen(  # noqa: S603 - of our own
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@cache
def loader() -> Path:
    """Return the program of the pipeline's loader, installed as meltano.yml has it."""
    plugin = meltano_plugin("loaders", "target-postgres")
    home = ROOT / ".dev" / "loader"
    locked = shlex.split(plugin["pip_url"].replace("$MELTANO_PROJECT_ROOT", str(ROOT)))
    with one_at_a_time("loader"):
        _uv("venv", "--allow-existing", home)
        python = f"--python={home / PROGRAMS / 'python'}"
        _uv("pip", "install", "--compile-bytecode", python, *locked)
    return home / PROGRAMS / str(plugin["executable"])


def _uv(*arguments: str | Path, project_environment: Path | None = None) -> None:
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if project_environment:
        env["UV_PROJECT_ENVIRONMENT"] = str(project_environment)
    command = [find_uv_bin(), "--quiet", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, env=env)  # noqa: S603 - of our own


class Warehouse(ABC):
    """A database with the tap's tables and, once built, the marts.

    Attributes:
        project: folder of the dbt project: a copy, so that a test can change it.
        release: the dbt that builds it, if it is another one than uv.lock has.
    """

    release = ""

    def __init__(self, home: Path) -> None:
        """Take an empty folder for what is written beside the database."""
        home.mkdir()
        self._home = home
        written = shutil.ignore_patterns("dbt_packages", "logs", "target")
        self.project = Path(shutil.copytree(ROOT / "transform", home / "transform", ignore=written))

    @abstractmethod
    def load(self, rows: Rows) -> None:
        """Put rows in: new ones, and in place of those with the same key."""

    @abstractmethod
    def query(self, query: str) -> list[Row]:
        """Return what a query finds; tables need no schema before their name."""

    def read_at(self, moment: datetime, *tables: str, where: str = "true") -> None:
        """Let the rows of tables be loaded at some time."""
        milliseconds = int(moment.timestamp() * 1000)
        for table in tables:
            for name, kind in (
                ("_sdc_batched_at", "timestamp"),
                ("_sdc_sync_started_at", "bigint"),
            ):
                self.query(f"alter table {table} add column if not exists {name} {kind}")
            self.query(
                f"update {table} set _sdc_sync_started_at = {milliseconds}, "  # noqa: S608
                f"_sdc_batched_at = '{moment:%Y-%m-%d %H:%M:%S}' where {where}"
            )

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the variables that lead dbt here."""

    def _libpq(self) -> dict[str, str]:
        """Return the variables that lead dbt here without `run.py`, if they are others."""
        return {}

    def set_rules(self, *rules: dict[str, object]) -> None:
        """Set the rules of the policy: the values of each that are not empty, by column."""
        self._set_seed("restore_policies", *rules)

    def set_drill_addons(self, *lines: str) -> None:
        """Declare drill addons: lines of `project,addon,source project,source addon`."""
        names = self._columns("drill_addons")
        rows = [dict(zip(names, line.split(","), strict=True)) for line in lines]
        self._set_seed("drill_addons", *rows)

    def set_attestations(self, *rows: dict[str, object]) -> None:
        """Set the attestations: the values of each that are not empty, by column."""
        self._set_seed("restore_attestations", *rows)

    def _columns(self, seed: str) -> list[str]:
        path = self.project / "seeds" / f"{seed}.csv"
        return path.read_text().splitlines()[0].split(",")

    def _set_seed(self, seed: str, *rows: dict[str, Any]) -> None:
        names = self._columns(seed)
        with (self.project / "seeds" / f"{seed}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)

    def build(
        self, *arguments: str, as_of: datetime, succeeds: bool = True, **variables: object
    ) -> str:
        """Compute and test the marts as of an instant; return dbt's output."""
        given = json.dumps({"as_of": timestamp(as_of), **variables})
        return self._run(
            self.project / "run.py",
            *("build", "--vars", given, *arguments),
            succeeds=succeeds,
            parsed=self._parsed(variables),
            **QUIET,
        )

    def _parsed(self, variables: dict[str, object]) -> str:
        """Return what the parsed project depends on, as a digest.

        That is not the instant, which is looked at when models are compiled, nor the seeds' rows,
        nor where database and project are.
        """
        digest = sha256(json.dumps([type(self).__name__, variables]).encode())
        for name, value in sorted(os.environ.items()):
            if name.startswith(("DBT_", "NORTHFLANK_", "TARGET_")):
                digest.update(f"{name}={value}\0".encode())
        for path in sorted(self.project.rglob("*.*")):
            if path.suffix in {".sql", ".yml"} and "target" not in path.parts:
                digest.update(f"{path.relative_to(self.project)}\0".encode() + path.read_bytes())
        return digest.hexdigest()

    def dbt(self, *arguments: str, succeeds: bool = True) -> str:
        """Run dbt here and return what it printed; it must succeed, or fail."""
        return self._run(self.project / "run.py", *arguments, succeeds=succeeds)

    def host(self, *arguments: str, succeeds: bool = True, **environment: str) -> str:
        """Run dbt in the project of a host, which has the package installed."""
        profiles = {
            "DBT_PROJECT_DIR": str(self.project / "integration_tests"),
            "DBT_PROFILES_DIR": str(self.project),
            "DBT_SCHEMA": "acme",
        }
        dbt = dbt_environment(self.release) / "dbt"
        given = {**profiles, **self._libpq(), **environment}
        return self._run(dbt, *arguments, succeeds=succeeds, **given)

    def _run(
        self,
        program: Path,
        *arguments: str,
        succeeds: bool,
        parsed: str | None = None,
        **environment: str,
    ) -> str:
        server = dbt_server(self.release)
        assert server.stdin
        assert server.stdout
        output = self._home / "output"
        job = {
            "arguments": [str(program), *arguments],
            "environment": os.environ
            | self.environment()
            | {"DBT_USE_COLORS": "false"}
            | environment,
            "output": str(output),
            "parsed": parsed,
            "parsed_file": str(self.project / "target" / "partial_parse.msgpack"),
        }
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        exit_code = int(server.stdout.readline())
        printed = output.read_text()
        assert (exit_code == 0) == succeeds, printed
        return printed

    def mart(self, name: str, key: str) -> dict[str, Row]:
        """Return the rows of a mart by their key."""
        return {row[key]: row for row in self.query(f"select * from {name}")}  # noqa: S608


class Postgres(Warehouse):
    """A PostgreSQL database, loaded by the pipeline's own loader."""

    def __init__(self, home: Path, url: str) -> None:
        """Take an empty folder and the URL of an empty database."""
        super().__init__(home)
        self.url = url

    def load(self, rows: Rows) -> None:
        plugin = meltano_plugin("loaders", "target-postgres")
        settings = {s["name"]: s["value"] for s in plugin["settings"] if "value" in s}
        self._load(rows, settings, plugin["env"])

    def load_plainly(self, rows: Rows, *, parameter: str = "") -> None:
        """Put rows in with the loader's own defaults: a project that has not our definition of it.

        Args:
            rows: as for `load`.
            parameter: a parameter of the URL.
        """
        settings = {"default_target_schema": "northflank"}
        self._load(rows, settings, {}, parameter)

    def _load(
        self, rows: Rows, settings: Row, environment: dict[str, str], parameter: str = ""
    ) -> None:
        url = self.url.replace("postgresql://", "postgresql+psycopg://")
        config = {**settings, "sqlalchemy_url": f"{url}{parameter}"}
        path = self._home / "loader.json"
        path.write_text(json.dumps(config))
        subprocess.run(  # noqa: S603 - of our own
            [loader(), "--config", path],
            check=True,
            input="\n".join(messages(rows)),
            text=True,
            stderr=subprocess.DEVNULL,
            env=os.environ | environment,
        )

    def query(self, query: str) -> list[Row]:
        with psycopg.connect(self.url, row_factory=dict_row, autocommit=True) as connection:
            connection.execute("SET search_path TO restore_analytics, northflank")
            found = connection.execute(query.encode())
            return found.fetchall() if found.description else []

    def environment(self) -> dict[str, str]:
        return {"TARGET_POSTGRES_SQLALCHEMY_URL": self.url}

    def _libpq(self) -> dict[str, str]:
        parts = conninfo_to_dict(self.url)
        names = {"PGHOST": "host", "PGUSER": "user", "PGDATABASE": "dbname"}
        return {variable: str(parts.get(name, "")) for variable, name in names.items()}


class DuckDB(Warehouse):
    """A DuckDB file, into which the rows are put here: its loader loses some."""

    TYPES: ClassVar = {
        "object": "json",
        "array": "varchar[]",
        "string": "varchar",
        "integer": "bigint",
    }

    def __init__(self, home: Path) -> None:
        """Take an empty folder for the database."""
        super().__init__(home)
        self._file = home / "warehouse.duckdb"
        self.query("create schema northflank")
        self.query("create schema restore_analytics")

    def load(self, rows: Rows) -> None:
        for stream, records in rows.items():
            properties = schema_of(stream)["properties"]
            columns = {
                name: "timestamp"
                if schema.get("format") == "date-time"
                else self.TYPES[next(t for t in schema["type"] if t != "null")]
                if isinstance(schema["type"], list)
                else self.TYPES[schema["type"]]
                for name, schema in properties.items()
            }
            typed = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
            file = self._home / f"{stream}.json"
            file.write_text("\n".join(map(json.dumps, records)))
            key = ", ".join(f'"{name}"' for name in KEYS[stream])
            self.query(f"create table if not exists {stream} ({typed}, primary key ({key}))")
            if records:
                self.query(
                    f"insert or replace into {stream} "  # noqa: S608
                    f"select * from read_json('{file}', columns = {columns})"
                )

    def query(self, query: str) -> list[Row]:
        with duckdb.connect(self._file) as connection:
            if "create schema" not in query:
                connection.execute("set search_path = 'northflank,restore_analytics'")
            found = connection.execute(query)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def environment(self) -> dict[str, str]:
        return {"DBT_TARGET": "duckdb", "DBT_DUCKDB_PATH": str(self._file)}
