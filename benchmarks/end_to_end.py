"""Loads an account into a real PostgreSQL with each pipeline, and computes the answers from it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from ruamel.yaml import YAML
from uv import find_uv_bin

from benchmarks import process
from benchmarks.account import CLOCK_TICKS, World, serve
from benchmarks.contenders import BY_THE_BOOK, DLT_LOAD, ENVIRONMENT, HERE, STATE, TAP
from benchmarks.process import Cost  # noqa: TC001 - msgspec reads the annotation
from demo.postgres import postgres
from simulator.world import World as Simulated
from simulator.world import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.account import Account
    from benchmarks.contenders import SingerTap
    from demo.postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent
Key = tuple[str, str, str]
Row = tuple[Any, ...]


class Load(msgspec.Struct):
    """The runs of one pipeline on one world."""

    pipeline: str
    again: bool
    """Whether it is the second sync, with nothing changed."""
    costs: list[Cost] = []
    """Of all processes but the server's."""
    server_cpu: list[float] = []
    """Seconds of user and system time of PostgreSQL."""
    rows: int = 0
    """In the table of restores after the last run."""
    missing: int = 0
    """Restores of the account that the table does not have."""
    wrong: int = 0
    """Restores that it has otherwise than the account."""
    surplus: int = 0
    """Rows beyond one for each restore of the account."""

    @property
    def wall(self) -> float:
        """Median seconds."""
        return median(cost.wall for cost in self.costs)

    @property
    def cpu(self) -> float:
        """Median seconds of user and system time, the server's included."""
        both = zip(self.costs, self.server_cpu, strict=True)
        return median(cost.cpu + server for cost, server in both)

    @property
    def memory(self) -> int:
        """Greatest peak of one process, in resident bytes."""
        return max(cost.memory for cost in self.costs)

    @property
    def is_right(self) -> bool:
        """Whether each restore is there once, as the account has it."""
        off = self.missing + self.wrong + self.surplus
        return not (off or any(cost.exit_code for cost in self.costs))


class Loads(msgspec.Struct):
    """What came of a world."""

    what: str
    restores: int
    syncs: list[Load]


class Answers(msgspec.Struct):
    """Seconds that the models with their tests, and the page, took."""

    addons: int
    restores: int
    models: Cost
    again: Cost
    """The models once more, when nothing has changed."""
    page: Cost

    @property
    def what(self) -> str:
        """The size of the warehouse, in words."""
        return f"{self.addons:,} addons, {self.restores:,} restores"


class EndToEnd(msgspec.Struct):
    """What `./dev bench end-to-end` measured."""

    quick: bool
    loads: list[Loads]
    answers: list[Answers]


class Pipeline:
    """A tool that loads restores into PostgreSQL."""

    name: str
    environment: dict[str, str] = {}  # noqa: RUF012 - not changed
    query: str
    """Gives project, addon, id, status, start, end and backup of each restore in the warehouse."""

    def command(self, account: Account, directory: Path, dsn: str) -> list[str]:
        """Return the command of a sync."""
        raise NotImplementedError

    def keep_state(self, directory: Path) -> None:
        """Make the next sync start where this one ended."""


class Singer(Pipeline):
    """A tap, and target-postgres with what meltano.yml sets."""

    query = """
        SELECT "projectId", "addonId", id, status, "restoreTimestamp", "completedAt", "backupId"
        FROM northflank.restores
    """

    def __init__(self, tap: SingerTap, **settings: int) -> None:
        """Take the tap, and settings of the loader that go before those of meltano.yml."""
        given = "".join(f", {name} {value:,}" for name, value in settings.items())
        self.name = f"{tap.name}, target-postgres{given}"
        self._tap, self._settings = tap, settings
        self.environment = _loader()["env"]

    def command(self, account: Account, directory: Path, dsn: str) -> list[str]:
        """Return the tap with its output into the loader, as a shell has it."""
        tap = shlex.join(self._tap.command(account, directory))
        load = self._load(directory, dsn)
        return ["sh", "-c", f"{{ {tap} || touch failed; }} | {load} && [ ! -e failed ]"]

    def _load(self, directory: Path, dsn: str) -> str:
        """Return the loader's command."""
        url = dsn.replace("postgresql:", "postgresql+psycopg:", 1)
        given = {s["name"]: s["value"] for s in _loader()["settings"] if "value" in s}
        settings = {**given, "sqlalchemy_url": url, **self._settings}
        (directory / "target.json").write_bytes(msgspec.json.encode(settings))
        return shlex.join([str(_loader_program()), "--config", "target.json"])

    def keep_state(self, directory: Path) -> None:
        """Take the last state that the loader confirmed."""
        if lines := (directory / "out").read_bytes().splitlines():
            (directory / STATE).write_bytes(lines[-1])


class LoaderAlone(Singer):
    """target-postgres with what the tap wrote before: no tap can make a load cost less."""

    def __init__(self, tap: SingerTap) -> None:
        """Take the tap."""
        super().__init__(tap)
        self.name = "target-postgres alone, from a file"

    def command(self, account: Account, directory: Path, dsn: str) -> list[str]:
        """Run the tap, which is not measured, and return the loader with its output."""
        tap = shlex.join(self._tap.command(account, directory))
        write = ["sh", "-c", f"{tap} > messages 2> errors"]
        environment = {**os.environ, **ENVIRONMENT}
        subprocess.run(write, check=True, cwd=directory, env=environment)  # noqa: S603 - our own
        return ["sh", "-c", f"{self._load(directory, dsn)} < messages"]


class DltPipeline(Pipeline):
    """dlt from its source to its own PostgreSQL destination."""

    name = "dlt"
    query = """
        SELECT _addons__projects_id, _addons_id, id, status, restore_timestamp, completed_at,
               backup_id
        FROM northflank.restores
    """

    def command(self, account: Account, directory: Path, dsn: str) -> list[str]:
        """Return the script; dlt wants a host, which the one in the query then replaces."""
        url = dsn.replace("postgres@/", "postgres:none@localhost:5432/", 1)
        self.environment = {"DESTINATION__POSTGRES__CREDENTIALS": url, "PGTZ": "UTC"}
        script = str(HERE / DLT_LOAD.script)
        return [DLT_LOAD.python, script, account.url, account.token, str(directory), "postgres"]


def _loader() -> dict[str, Any]:
    plugins = YAML(typ="safe").load(ROOT / "meltano.yml")["plugins"]["loaders"]
    found: dict[str, Any] = next(each for each in plugins if each["name"] == "target-postgres")
    return found


def _loader_program() -> Path:
    """Return the loader's program, installed as meltano.yml has it."""
    home = ROOT / ".dev" / "loader"
    program = home / "bin" / str(_loader()["executable"])
    if not program.exists():
        locked = shlex.split(_loader()["pip_url"].replace("$MELTANO_PROJECT_ROOT", str(ROOT)))
        _uv("venv", "--allow-existing", str(home))
        _uv("pip", "install", "--compile-bytecode", f"--python={home / 'bin' / 'python'}", *locked)
    return program


def _dbt() -> Path:
    """Return the Python that has dbt, as uv.lock has it."""
    home = ROOT / ".dev" / "dbt"
    only = ["--frozen", "--only-group=transform", "--compile-bytecode"]
    _uv("sync", *only, f"--python={sys.executable}", UV_PROJECT_ENVIRONMENT=str(home))
    return home / "bin" / "python"


def _uv(*arguments: str, **variables: str) -> None:
    environment = {**os.environ, **variables}
    environment.pop("VIRTUAL_ENV", None)
    command = [find_uv_bin(), "--quiet", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, env=environment)  # noqa: S603 - our own


PIPELINES: list[Pipeline] = [Singer(TAP), Singer(BY_THE_BOOK), DltPipeline()]
VARIANTS: list[Pipeline] = [LoaderAlone(TAP), Singer(TAP, batch_size_rows=100_000)]
"""What the loader costs alone, and other settings of it, on the first world alone."""


class Warehouse:
    """A PostgreSQL server that runs, and the CPU that it uses."""

    def __init__(self, server: Postgres, data: Path) -> None:
        """Take the server and the folder of its data."""
        self._server, self._data = server, data
        self._databases = 0

    def make(self) -> str:
        """Make an empty database, and return its URL."""
        self._databases += 1
        return self._server.make(f"warehouse_{self._databases}")

    @property
    def cpu(self) -> float:
        """Seconds of user and system time so far, of processes that ended too."""
        parent = (self._data / "postmaster.pid").read_text().splitlines()[0]
        ticks = sum(_ticks(parent)[0:4])
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with suppress(OSError):  # It has just ended.
                ticks += sum(_ticks(child)[0:2])
        return ticks / CLOCK_TICKS


def _ticks(pid: str) -> list[int]:
    """Return user and system time of a process, and of its children that have ended."""
    return [*map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15])]


@contextmanager
def warehouse() -> Iterator[Warehouse]:
    """Run a PostgreSQL until the block is left, in a folder that its user may enter."""
    with TemporaryDirectory(prefix="northflank-benchmark-", ignore_cleanup_errors=True) as name:
        data = Path(name) / "postgres"
        with postgres(data) as server:
            yield Warehouse(server, data)


def truth(world: World) -> dict[Key, Row]:
    """Return the restores of a world by key, with their times as instants."""
    made = Simulated.fan_out(world.projects, world.addons, world.restores)
    return {
        (project["id"], addon["id"], item["id"]): _row(
            item["status"], item["restoreTimestamp"], item["completedAt"], item["backupId"]
        )
        for project in made.projects()
        for addon in made.addons(project["id"])
        for item in made.restores(project["id"], addon["id"])
    }


def _row(status: object, started: Any, completed: Any, backup: object) -> Row:  # noqa: ANN401
    return (status, _instant(started), _instant(completed), backup)


def _instant(value: Any) -> object:  # noqa: ANN401 - text or datetime
    if isinstance(value, str):
        value = instant(value)
    if isinstance(value, datetime) and value.tzinfo:
        value = value.astimezone(timezone.utc).replace(tzinfo=None)
    return value


def loaded(dsn: str, query: str) -> list[Row]:
    """Return the table of restores."""
    with psycopg.connect(dsn, options="-c timezone=UTC") as connection:
        return connection.execute(query.encode()).fetchall()


def check(load: Load, found: list[Row], expected: dict[Key, Row]) -> None:
    """Compare the table of restores with the account, row by row."""
    rows = {(p, a, id_): _row(*others) for p, a, id_, *others in found}
    load.rows = len(found)
    load.surplus = len(found) - len(rows.keys() & expected.keys())
    load.missing = len(expected.keys() - rows.keys())
    load.wrong = sum(key in rows and rows[key] != row for key, row in expected.items())


def measure(world: World, pipelines: Sequence[Pipeline], runs: int) -> Loads:
    """Load a world twice with each pipeline, in turn, several times."""
    what = f"{world.addon_count:,} addons with {world.restores:,} restores each"
    result = Loads(what, world.restore_count, [])
    print(f"end to end: {what}", flush=True)
    expected = truth(world)
    by_name = {
        (each.name, again): Load(each.name, again) for again in (False, True) for each in pipelines
    }
    result.syncs += by_name.values()
    with serve(world) as account, warehouse() as server:
        for _ in range(runs):
            for pipeline in pipelines:
                dsn = server.make()
                with TemporaryDirectory(prefix="northflank-benchmark-") as name:
                    for again in (False, True):
                        load = by_name[pipeline.name, again]
                        command = pipeline.command(account, Path(name), dsn)
                        before = server.cpu
                        environment = {**ENVIRONMENT, **pipeline.environment}
                        load.costs.append(process.run(command, Path(name), environment))
                        load.server_cpu.append(server.cpu - before)
                        check(load, loaded(dsn, pipeline.query), expected)
                        _tell(load, process.errors(Path(name)))
                        pipeline.keep_state(Path(name))
    return result


def _tell(load: Load, errors: str) -> None:
    cost = load.costs[-1]
    print(
        f"  {load.pipeline + (', again' if load.again else ''):40}{cost.wall:8.2f} s"
        f"{cost.cpu:8.2f} s CPU {load.server_cpu[-1]:7.2f} s CPU of the server"
        f" {cost.memory >> 20:6} MiB {load.rows:9} rows",
        ""
        if load.is_right
        else f"WRONG: {load.missing} missing, {load.wrong} differ, {load.surplus} too many",
        flush=True,
    )
    if cost.exit_code:
        print(errors[-2000:], flush=True)


def answer(world: World) -> Answers:
    """Load a world by the tap, and compute the answers twice."""
    with serve(world) as account, warehouse() as server:
        dsn = server.make()
        with TemporaryDirectory(prefix="northflank-benchmark-") as name:
            directory, loaded = Path(name), PIPELINES[0]
            done = process.run(
                loaded.command(account, directory, dsn),
                directory,
                {**ENVIRONMENT, **loaded.environment},
            )
            if done.exit_code:
                raise RuntimeError(process.errors(directory)[-2000:])
            environment = {
                "TARGET_POSTGRES_SQLALCHEMY_URL": dsn,
                "DBT_TARGET_PATH": str(directory / "target"),
                "DBT_LOG_PATH": str(directory / "logs"),
                "PYTHONPATH": str(ROOT),
            }
            build = [str(_dbt()), str(ROOT / "transform" / "run.py"), "build", "--quiet"]
            page = [sys.executable, "-m", "report", "--out", str(directory / "report.html")]
            costs = []
            for command in (build, build, page):
                costs.append(process.run(command, directory, environment))
                if costs[-1].exit_code:
                    raise RuntimeError((directory / "out").read_text()[-2000:])
    found = Answers(world.addon_count, world.restore_count, *costs)
    print(
        f"answers: {found.what}: models {found.models.wall:.1f} s, again {found.again.wall:.1f} s, "
        f"page {found.page.wall:.1f} s",
        flush=True,
    )
    return found


LOADED = [World(1, 1, 100_000), World(1, 400, 100)]
ANSWERED = [World(1, 300, 60), World(1, 2000, 60), World(1, 2000, 500)]


def run(*, quick: bool, runs: int) -> EndToEnd:
    """Measure all pipelines and the answers; quickly, on a tenth of the rows and once."""
    if quick:
        loads = [measure(World(1, 10, 1000), PIPELINES, 1)]
        return EndToEnd(quick, loads, [answer(World(1, 30, 60))])
    first, *others = LOADED
    loads = [measure(first, [*PIPELINES, *VARIANTS], runs)]
    loads += [measure(world, PIPELINES, runs) for world in others]
    return EndToEnd(quick, loads, [answer(world) for world in ANSWERED])


def goals(found: EndToEnd) -> Iterator[tuple[str, float, float]]:
    """Yield each aim, the ratio that was measured, and the greatest that meets the aim."""
    for loads in found.loads[:1]:
        runs = {(load.pipeline, load.again): load for load in loads.syncs}
        for again, most in ((False, 0.6), (True, 0.4)):
            tap, dlt = (runs[each.name, again] for each in (PIPELINES[0], PIPELINES[-1]))
            which = "unchanged" if again else "first"
            for what in ("wall", "CPU"):
                name = what.lower()
                goal = f"into PostgreSQL, {which} sync: {what} ≤ {most} x dlt's"
                yield goal, getattr(tap, name) / getattr(dlt, name), most


def lines(found: EndToEnd) -> Iterator[str]:
    """Yield the rows of RESULTS.md."""
    yield "## Into a PostgreSQL\n"
    yield (
        "From the API to the tables, by `./dev bench end-to-end`. CPU is that of all processes; of "
        "it the server's part stands beside it. Memory is the greatest peak of one process. After "
        "each sync each restore is compared with the account.\n"
    )
    for loads in found.loads:
        yield f"### {loads.what}\n"
        yield "| pipeline | sync | wall s | x | CPU s | x | of it PostgreSQL | MB | rows | n |"
        yield "|---|---|---|---|---|---|---|---|---|---|"
        yield from (f"| {' | '.join(cells)} |" for cells in _cells(loads.syncs))
        yield from _floor(loads.syncs)
        yield ""
    yield "### The answers\n"
    yield "Seconds of the models with their tests, and of the page.\n"
    yield "| warehouse | models | again | page | CPU of the models |"
    yield "|---|---|---|---|---|"
    for each in found.answers:
        walls = (each.models.wall, each.again.wall, each.page.wall, each.models.cpu)
        yield f"| {each.what} | {' | '.join(f'{wall:.1f}' for wall in walls)} |"
    yield ""


def _floor(syncs: Iterable[Load]) -> Iterator[str]:
    """Say how much of a first sync is the loader's, if it was measured alone."""
    first = {load.pipeline: load for load in syncs if not load.again}
    if alone := first.get(VARIANTS[0].name):
        tap, dlt = first[PIPELINES[0].name], first[PIPELINES[-1].name]
        yield (
            f"\nThe loader alone takes {alone.wall / tap.wall:.2f} of the wall of a first sync of "
            f"this tap, and {alone.cpu / tap.cpu:.2f} of its CPU. Beside dlt that is "
            f"{alone.wall / dlt.wall:.2f} and {alone.cpu / dlt.cpu:.2f}: with this loader no tap "
            "can come below."
        )


def _cells(syncs: Iterable[Load]) -> Iterator[list[str]]:
    taps = {load.again: load for load in reversed([*syncs])}  # The first pipeline is this tap's.
    for load in syncs:
        tap = taps[load.again]
        yield [
            load.pipeline,
            "unchanged" if load.again else "first",
            f"{load.wall:.2f}",
            f"{load.wall / tap.wall:.2f}",
            f"{load.cpu:.2f}",
            f"{load.cpu / tap.cpu:.2f}",
            f"{median(load.server_cpu):.2f}",
            f"{load.memory / 1_000_000:.0f}",
            f"{load.rows:,}" + ("" if load.is_right else " **wrong**"),
            str(len(load.costs)),
        ]
