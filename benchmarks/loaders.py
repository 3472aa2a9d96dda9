"""Which loaders keep every row: `./dev loaders` tries them and writes docs/loaders.md."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from demo.postgres import postgres
from simulator import World, serve
from simulator.world import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator import Server

Row = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
JSON, PAGE = Path(__file__).with_name("loaders.json"), ROOT / "docs" / "loaders.md"
ENVIRONMENTS = ROOT / ".dev" / "loaders"
PYTHON = "3.11"  # the newest that psycopg2-binary 2.9.5, which pipelinewise pins, has a wheel for
ZONE = "America/New_York"

KEYS = {
    "projects": ("id",),
    "addons": ("projectid", "id"),
    "restores": ("projectid", "addonid", "id"),
}
COLUMNS = {
    "projects": ("id", "name", "description"),
    "addons": ("projectid", "id", "appid", "name", "description", "status", "tags"),
    "restores": (
        "projectid",
        "addonid",
        "id",
        "status",
        "restoretimestamp",
        "completedat",
        "backupid",
    ),
}
TIMES = {"restoretimestamp", "completedat"}


class Table(msgspec.Struct):
    """How the rows of one stream stand after a sync."""

    expected: int
    missing: int
    """Keys of the account that the loader's table does not have."""
    wrong: int
    """Rows that differ from the account in anything but an instant."""
    shifted: int
    """Rows of which an instant is another one."""
    surplus: int
    """Rows beyond one for each key of the account."""


class Sync(msgspec.Struct):
    """What one sync left."""

    name: str
    exit_code: int
    tables: dict[str, Table]

    @property
    def is_right(self) -> bool:
        """Whether every row is there once, as the account has it."""
        found = self.tables.values()
        bad = sum(t.missing + t.wrong + t.shifted + t.surplus for t in found)
        return self.exit_code == 0 and bad == 0


class Outcome(msgspec.Struct):
    """What a loader made of three syncs."""

    loader: str
    syncs: list[Sync]
    types: dict[str, str]
    """Types of the columns of restores that hold instants."""


@dataclass
class Place:
    """Where a loader loads to: a folder and an empty database of its own."""

    folder: Path
    dsn: str


@dataclass(frozen=True)
class Loader:
    """A loader with settings that are tried."""

    name: str
    packages: tuple[str, ...]
    program: str
    settings: Callable[[Place], dict[str, Any]]
    read: Callable[[Place, str], list[Row]]
    types: Callable[[Place], dict[str, str]]
    needs: str
    loses: str
    env: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> Path:
        """The folder of its environment; loaders of the same packages share it."""
        name = "-".join(self.packages).replace("==", "-").replace(">=", "-")
        return ENVIRONMENTS / name


def _from_postgres(place: Place, stream: str) -> list[Row]:
    with psycopg.connect(place.dsn, row_factory=dict_row) as connection:
        table = sql.Identifier("northflank", stream)
        try:
            return connection.execute(sql.SQL("SELECT * FROM {}").format(table)).fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def _types_of_postgres(place: Place) -> dict[str, str]:
    query = """
        SELECT lower(column_name), data_type FROM information_schema.columns
        WHERE table_schema = 'northflank' AND table_name = 'restores'
    """
    with psycopg.connect(place.dsn) as connection:
        return dict(connection.execute(query).fetchall())


def _duckdb(place: Place, query: str) -> list[Row]:
    path = place.folder / "warehouse.duckdb"
    if not path.exists():
        return []
    with duckdb.connect(str(path), read_only=True) as connection:
        try:
            found = connection.execute(query)
        except duckdb.CatalogException:
            return []
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _from_duckdb(place: Place, stream: str) -> list[Row]:
    return _duckdb(place, f"SELECT * FROM northflank.{stream}")  # noqa: S608 - our own names


def _types_of_duckdb(place: Place) -> dict[str, str]:
    rows = _duckdb(place, "SELECT column_name, data_type FROM information_schema.columns")
    return {row["column_name"].lower(): row["data_type"] for row in rows}


def _from_jsonl(place: Place, stream: str) -> list[Row]:
    lines = [
        line
        for path in sorted(place.folder.glob(f"{stream}*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [json.loads(line) for line in lines]


def _from_csv(place: Place, stream: str) -> list[Row]:
    rows: list[Row] = []
    for path in sorted(place.folder.glob(f"{stream}*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += [
                {name: text or None for name, text in row.items()} for row in csv.DictReader(file)
            ]
    return rows


def _newest(read: Callable[[Place, str], list[Row]]) -> Callable[[Place, str], list[Row]]:
    """Return a reader of the newest row of each key, as a view would have it."""

    def newest(place: Place, stream: str) -> list[Row]:
        rows = [{name.lower(): value for name, value in row.items()} for row in read(place, stream)]
        by_key = {tuple(row[name] for name in KEYS[stream]): row for row in rows}
        return list(by_key.values())

    return newest


def _as_text(_: Place) -> dict[str, str]:
    return dict.fromkeys(TIMES, "text")


def _postgres_settings(place: Place) -> dict[str, Any]:
    url = place.dsn.replace("postgresql:", "postgresql+psycopg:", 1)
    return {"sqlalchemy_url": url, "default_target_schema": "northflank"}


def _as_in_meltano_yml(place: Place) -> dict[str, Any]:
    switches = {"use_copy": True, "activate_version": False, "validate_records": False}
    return _postgres_settings(place) | switches | {"add_record_metadata": True}


def _pipelinewise_settings(place: Place) -> dict[str, Any]:
    url = urlsplit(place.dsn)
    (host,) = parse_qs(url.query)["host"]
    return {
        "host": host,
        "port": 5432,
        "user": "postgres",
        "password": "none",
        "dbname": url.path[1:],
        "default_target_schema": "northflank",
    }


def _duckdb_settings(place: Place) -> dict[str, Any]:
    return {
        "path": str(place.folder / "warehouse.duckdb"),
        "default_target_schema": "northflank",
    }


def _jsonl_settings(place: Place) -> dict[str, Any]:
    return {"destination_path": str(place.folder), "do_timestamp_file": False}


def _csv_settings(place: Place) -> dict[str, Any]:
    return {"output_path": str(place.folder)}


TARGET_POSTGRES = ("meltanolabs-target-postgres==0.8.1", "sqlalchemy==2.1.9")
PIPELINEWISE = ("pipelinewise-target-postgres==2.1.2",)
UTC = {"PGTZ": "UTC"}
LOADERS = (
    Loader(
        "target-postgres, as meltano.yml has it",
        TARGET_POSTGRES,
        "target-postgres",
        _as_in_meltano_yml,
        _from_postgres,
        _types_of_postgres,
        "`PGTZ=UTC`, as [its definition](target-postgres.yml) sets",
        "the zone in the columns' type",
        UTC,
    ),
    Loader(
        "target-postgres, plain",
        TARGET_POSTGRES,
        "target-postgres",
        _postgres_settings,
        _from_postgres,
        _types_of_postgres,
        "`PGTZ=UTC`, or `?options=-c%20timezone%3DUTC` in the URL; neither is set here",
        "the instants, where the server's zone is not UTC",
    ),
    Loader(
        "pipelinewise-target-postgres",
        PIPELINEWISE,
        "target-postgres",
        _pipelinewise_settings,
        _from_postgres,
        _types_of_postgres,
        "Python up to 3.11",
        "a tab in a text, which becomes a backslash and a t; the case of the columns' names; the "
        "zone in the type",
    ),
    Loader(
        "target-duckdb, `duckdb==1.0.0`",
        ("target-duckdb==0.8.0", "duckdb==1.0.0"),
        "target-duckdb",
        _duckdb_settings,
        _from_duckdb,
        _types_of_duckdb,
        "this pin, and so Python up to 3.12. Attach the file read-only elsewhere: a newer DuckDB "
        "that writes to it makes it unreadable for the loader",
        "the case of the columns' names, the zone",
    ),
    Loader(
        "target-duckdb, `duckdb==1.1.3`",
        ("target-duckdb==0.8.0", "duckdb==1.1.3"),
        "target-duckdb",
        _duckdb_settings,
        _from_duckdb,
        _types_of_duckdb,
        "an older DuckDB, see above",
        "rows, without a word: see below",
    ),
    Loader(
        "target-jsonl, as files",
        ("target-jsonl==0.1.4",),
        "target-jsonl",
        _jsonl_settings,
        _from_jsonl,
        _as_text,
        "a reader that takes the newest row",
        "nothing; it appends, so each version of a row stays",
    ),
    Loader(
        "target-jsonl, newest row",
        ("target-jsonl==0.1.4",),
        "target-jsonl",
        _jsonl_settings,
        _newest(_from_jsonl),
        _as_text,
        "the last line of each key, by file name and line: no column tells the order",
        "types: an instant is a text",
    ),
    Loader(
        "target-csv, default",
        ("meltanolabs-target-csv==0.5.0",),
        "target-csv",
        _csv_settings,
        _newest(_from_csv),
        _as_text,
        "`file_naming_scheme`, which is not set here",
        "what was loaded before: each sync replaces the file",
    ),
    Loader(
        "target-csv, a file a sync, newest row",
        ("meltanolabs-target-csv==0.5.0",),
        "target-csv",
        lambda place: (
            _csv_settings(place)
            | {
                "file_naming_scheme": "{stream_name}-{timestamp}.csv",
                "timestamp_format": "%Y%m%dT%H%M%S%f",
            }
        ),
        _newest(_from_csv),
        _as_text,
        "`file_naming_scheme: '{stream_name}-{timestamp}.csv'`, `timestamp_format: "
        "'%Y%m%dT%H%M%S%f'`, and the last line of each key by file name and line",
        "types (a list is a text too), and the difference of null and an empty text",
    ),
)
APPRISE = "target-apprise is not here: it sends messages to people, and keeps no rows."


def install(loader: Loader) -> None:
    """Make the environment of a loader, if it is not there."""
    uv, python = os.environ.get("UV", "uv"), loader.environment / "bin" / "python"
    if (loader.environment / "bin" / loader.program).exists():
        return
    venv = [uv, "venv", "--quiet", "--clear", "--python", PYTHON, str(loader.environment)]
    pip = [uv, "pip", "install", "--quiet", "--python", str(python), *loader.packages]
    for command in (venv, pip):
        subprocess.run(command, check=True)  # noqa: S603 - our own commands


def world() -> World:
    """Return the account: the simulated company, with odd texts and other zones' times."""
    made = World.company()
    made.add_addon("shop", "odd", "redis", tags=["x", "y z"], description="It's \\n a \t cache")
    for number, text in enumerate(("2026-03-01T12:00:03.500+02:00", "2026-03-01T12:00:04-09:30")):
        made.add_restore("shop", "odd", f"zone-{number}")
        restore = made.restores("shop", "odd")[number]
        restore |= {"completedAt": text, "restoreTimestamp": text, "status": "completed"}
    return made


def account(server: Server) -> dict[str, list[Row]]:
    """Return what the account has, with names in lower case."""
    found: dict[str, list[Row]] = {
        "projects": list(server.world.projects()),
        "addons": [
            {"projectId": project["id"], **addon}
            for project in server.world.projects()
            for addon in server.world.addons(project["id"])
        ],
        "restores": server.served_restores(),
    }
    return {stream: [*map(_lower, rows)] for stream, rows in found.items()}


def _lower(row: Row) -> Row:
    return {name.lower(): value for name, value in row.items()}


def _value(name: str, value: object) -> object:
    """Return a value in the form in which loaders and API are compared."""
    if name in TIMES:
        time = instant(value.replace(" ", "T")) if isinstance(value, str) else value
        if isinstance(time, datetime):
            return (
                time.astimezone(timezone.utc) if time.tzinfo else time.replace(tzinfo=timezone.utc)
            )
    if name == "tags" and isinstance(value, str):
        return json.loads(value.replace("'", '"'))
    return value


def compare(stream: str, expected: list[Row], loaded: list[Row]) -> Table:
    """Compare what a loader has of a stream with the account, row by row."""
    keys = KEYS[stream]
    by_key: dict[tuple[Any, ...], Row] = {}
    for row in map(_lower, loaded):
        by_key[tuple(row.get(name) for name in keys)] = row
    table = Table(len(expected), 0, 0, 0, len(loaded))
    for row in expected:
        there = by_key.get(tuple(row[name] for name in keys))
        if there is None:
            table.missing += 1
            continue
        table.surplus -= 1
        off = {
            name
            for name in COLUMNS[stream]
            if _value(name, row.get(name)) != _value(name, there.get(name))
        }
        table.shifted += bool(off & TIMES)
        table.wrong += bool(off - TIMES)
    return table


def run(loader: Loader, dsn: str) -> Outcome:
    """Install a loader and load three syncs through it."""
    install(loader)
    tap = Path(sysconfig.get_path("scripts")) / "tap-northflank-restores"
    syncs = []
    with TemporaryDirectory() as folder, serve(world()) as server:
        place = Place(Path(folder) / "loaded", dsn)
        place.folder.mkdir()
        state, config = Path(folder) / "state.json", Path(folder) / "tap.json"
        state.write_text("{}", encoding="utf-8")
        config.write_text(json.dumps({"api_url": server.url, "api_token": server.token}))
        target = Path(folder) / "target.json"
        target.write_text(json.dumps(loader.settings(place)))
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        for name in ("first", "unchanged", "changed"):
            if name == "changed":
                server.world.advance(days=60)
            sent = subprocess.run(  # noqa: S603 - the tap itself
                [tap, "--config", config, "--state", state], capture_output=True, check=True
            )
            done = subprocess.run(  # noqa: S603 - the loader
                [loader.environment / "bin" / loader.program, "--config", target],
                input=sent.stdout,
                capture_output=True,
                env=env | loader.env,
                check=False,
            )
            if confirmed := done.stdout.splitlines():
                state.write_bytes(confirmed[-1])
            tables = {
                stream: compare(stream, rows, loader.read(place, stream))
                for stream, rows in account(server).items()
            }
            syncs.append(Sync(name, done.returncode, tables))
        kinds = loader.types(place)
    return Outcome(loader.name, syncs, {name: kinds.get(name, "none") for name in sorted(TIMES)})


def run_all(loaders: tuple[Loader, ...] = LOADERS) -> Iterator[Outcome]:
    """Run loaders on a PostgreSQL whose zone is not UTC."""
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        postgres(Path(folder) / "postgres") as server,
    ):
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            zone = sql.Literal(ZONE)
            connection.execute(sql.SQL("ALTER SYSTEM SET timezone = {}").format(zone))
            connection.execute("SELECT pg_reload_conf()")
        for number, loader in enumerate(loaders):
            yield run(loader, server.make(f"loader_{number}"))


def read() -> list[Outcome]:
    """Return what was found the last time."""
    return msgspec.json.decode(JSON.read_bytes(), type=list[Outcome])


def document(outcomes: list[Outcome]) -> str:
    """Return docs/loaders.md."""
    return "\n".join(_lines(outcomes)) + "\n"


def _lines(outcomes: list[Outcome]) -> Iterator[str]:
    by_name = {outcome.loader: outcome for outcome in outcomes}
    yield "# Loaders\n"
    yield "Written by `./dev loaders`. It loads three syncs of the simulated account through each"
    yield "loader: a first one, one after which nothing has changed, and one 60 days later. After"
    yield "each sync it compares projects, addons and restores with the account, row by row, with"
    yield f"their instants. The zone of the PostgreSQL server is {ZONE}. A loader that is not in"
    yield "this table was not run here.\n"
    yield "| Loader | Packages | Every row right | Needs | Loses |"
    yield "| --- | --- | --- | --- | --- |"
    for loader in LOADERS:
        right = all(sync.is_right for sync in by_name[loader.name].syncs)
        packages = ", ".join(f"`{package}`" for package in loader.packages)
        yield (
            f"| {loader.name} | {packages} | {'yes' if right else '**no**'} | {loader.needs} "
            f"| {loader.loses} |"
        )
    yield f"\n{APPRISE}\n"
    yield "## Rows\n"
    yield "Missing: the account has it, the loader's table does not. Shifted: an instant is another"
    yield "one. Wrong: another value differs. Surplus: rows beyond one for each key.\n"
    yield "| Loader | Sync | Exit code | Rows | Missing | Shifted | Wrong | Surplus |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for outcome in outcomes:
        for sync in outcome.syncs:
            found = list(sync.tables.values())
            counts = (
                sum(getattr(table, name) for table in found)
                for name in ("expected", "missing", "shifted", "wrong", "surplus")
            )
            cells = (outcome.loader, sync.name, sync.exit_code, *counts)
            yield f"| {' | '.join(map(str, cells))} |"
    yield "\n## Types of instants\n"
    yield "| Loader | `completedAt` | `restoreTimestamp` |"
    yield "| --- | --- | --- |"
    for outcome in outcomes:
        kinds = outcome.types
        yield f"| {outcome.loader} | {kinds['completedat']} | {kinds['restoretimestamp']} |"


def main() -> None:
    """Run all loaders, and write what was found."""
    outcomes = []
    for outcome in run_all():
        outcomes.append(outcome)
        right = all(sync.is_right for sync in outcome.syncs)
        print(f"{outcome.loader}: {'every row is right' if right else 'rows differ'}")
        sys.stdout.flush()
    JSON.write_bytes(msgspec.json.format(msgspec.json.encode(outcomes), indent=1) + b"\n")
    PAGE.write_text(document(outcomes), encoding="utf-8", newline="\n")
    print(f"Written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
