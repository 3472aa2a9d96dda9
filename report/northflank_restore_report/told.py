"""Keeps what each destination was told, and how jobs ended: in the warehouse, or in a file.

A schema of its own, which dbt does not know and so never drops. Its rows are written once a message
was delivered, in the transaction that keeps another run from telling the same.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from filelock import FileLock, Timeout
from psycopg import sql
from psycopg.rows import dict_row

from northflank_restore_report.changes import Job, Told
from northflank_restore_report.errors import ReportError
from northflank_restore_report.warehouse import _parts, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

SUFFIX = "_alerts"
"""Follows the name of the marts' schema in that of ours."""

WAIT_SECONDS = 300
"""How long a run waits for another one that is telling."""

VERSION = 1
"""Of the file."""

NEW_JOB = {"exit_code": 0, "reason": "", "failures": 0, "failed_since": None}
NEW_DESTINATION: dict[str, Any] = {"as_of": None, "told": {}}

TABLES = """
CREATE TABLE IF NOT EXISTS {schema}.jobs (
    job text PRIMARY KEY, exit_code integer NOT NULL, reason text NOT NULL,
    failures integer NOT NULL, failed_since timestamptz
);
CREATE TABLE IF NOT EXISTS {schema}.destinations (destination text PRIMARY KEY, as_of timestamptz);
CREATE TABLE IF NOT EXISTS {schema}.told (
    destination text REFERENCES {schema}.destinations ON DELETE CASCADE,
    subject text, condition text NOT NULL, rank integer NOT NULL, is_bad boolean NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (destination, subject)
);
"""


class ToldError(ReportError):
    """What was told cannot be read or kept."""


@dataclass
class Record:
    """What one destination was told; no other run tells it anything meanwhile.

    Attributes:
        as_of: of the marts that it was told of last; None before the first time.
        told: by subject.
    """

    as_of: datetime | None
    told: dict[str, Told]
    write: Callable[[Mapping[str, Told | None], datetime | None], None]

    def keep(self, changes: Mapping[str, Told | None], as_of: datetime | None) -> None:
        """Keep what the destination knows from now on; None forgets a subject."""
        self.write(changes, as_of)
        self.as_of = as_of
        for subject, told in changes.items():
            if told is None:
                self.told.pop(subject, None)
            else:
                self.told[subject] = told


class Store(ABC):
    """Where all of it is kept."""

    @abstractmethod
    def note(self, name: str, exit_code: int, reason: str, at: datetime) -> None:
        """Keep how a job ended; known at once, as a delivery may fail."""

    @abstractmethod
    def jobs(self) -> list[Job]:
        """Return how each job ended last."""

    @abstractmethod
    def telling(self, destination: str) -> AbstractContextManager[Record]:
        """Hold a destination, and give what it was told."""

    @abstractmethod
    def look(self, destination: str) -> Record:
        """Give what a destination was told, without holding it: what is kept is not written."""


class InWarehouse(Store):
    """A schema beside that of the marts, in a PostgreSQL."""

    def __init__(self, url: str, schema: str, *, make: bool) -> None:
        """Take the warehouse.

        Args:
            url: the warehouse's.
            schema: that of the marts.
            make: whether to make the tables, if they are not there.

        Raises:
            ToldError: they can neither be found nor made.
        """
        self._dsn, _ = _parts(url)
        self._schema = f"{schema}{SUFFIX}"
        with self._connected() as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'told'",
                [self._schema],
            )
            self._is_there = found.fetchone() is not None
            if make and not self._is_there:
                self._make(connection)
                self._is_there = True

    def note(self, name: str, exit_code: int, reason: str, at: datetime) -> None:
        """Keep how a job ended."""
        with self._connected() as connection:
            self._run(
                connection,
                "INSERT INTO {schema}.jobs VALUES (%s, 0, '', 0, NULL) ON CONFLICT DO NOTHING",
                [name],
            )
            (row,) = self._run(
                connection, "SELECT * FROM {schema}.jobs WHERE job = %s FOR UPDATE", [name]
            )
            job = _job(row).then(exit_code, reason, at)
            self._run(
                connection,
                "UPDATE {schema}.jobs SET exit_code = %s, reason = %s, failures = %s,"
                " failed_since = %s WHERE job = %s",
                [job.exit_code, job.reason, job.failures, job.failed_since, name],
            )

    def jobs(self) -> list[Job]:
        """Return how each job ended last."""
        if not self._is_there:
            return []
        with self._connected() as connection:
            return [_job(row) for row in self._run(connection, "SELECT * FROM {schema}.jobs", [])]

    @contextmanager
    def telling(self, destination: str) -> Iterator[Record]:
        """Hold the row of a destination, and give what it was told."""
        with self._connected() as connection:
            connection.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
            # A delivery may take longer than the server lets a transaction rest.
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            self._run(
                connection,
                "INSERT INTO {schema}.destinations VALUES (%s, NULL) ON CONFLICT DO NOTHING",
                [destination],
            )
            record = self._read(connection, destination, "FOR UPDATE")
            yield record

    def look(self, destination: str) -> Record:
        """Give what a destination was told."""
        if not self._is_there:
            return Record(None, {}, _not_written)
        with self._connected() as connection:
            return self._read(connection, destination, "")

    def _read(
        self, connection: psycopg.Connection[dict[str, Any]], destination: str, lock: str
    ) -> Record:
        held = self._run(
            connection,
            f"SELECT as_of FROM {{schema}}.destinations WHERE destination = %s {lock}",  # noqa: S608
            [destination],
        )
        rows = self._run(
            connection,
            "SELECT subject, condition, rank, is_bad FROM {schema}.told WHERE destination = %s",
            [destination],
        )
        told = {row.pop("subject"): Told(**row) for row in rows}

        def write(changes: Mapping[str, Told | None], as_of: datetime | None) -> None:
            self._write(connection, destination, changes, as_of)

        return Record(held[0]["as_of"] if held else None, told, write)

    def _write(
        self,
        connection: psycopg.Connection[dict[str, Any]],
        destination: str,
        changes: Mapping[str, Told | None],
        as_of: datetime | None,
    ) -> None:
        self._run(
            connection,
            "UPDATE {schema}.destinations SET as_of = %s WHERE destination = %s",
            [as_of, destination],
        )
        self._run(
            connection,
            "DELETE FROM {schema}.told WHERE destination = %s AND subject = ANY(%s)",
            [destination, list(changes)],
        )
        insert = sql.SQL("INSERT INTO {}.told VALUES (%s, %s, %s, %s, %s)")
        with connection.cursor() as cursor:
            cursor.executemany(
                insert.format(sql.Identifier(self._schema)),
                [
                    (destination, subject, told.condition, told.rank, told.is_bad)
                    for subject, told in changes.items()
                    if told
                ],
            )

    def _run(
        self, connection: psycopg.Connection[dict[str, Any]], query: str, values: list[Any]
    ) -> list[dict[str, Any]]:
        statement = sql.SQL(query).format(schema=sql.Identifier(self._schema))
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def _make(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        # Two first runs at once would both make them, and one of them would fail.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [self._schema])
        schema = sql.Identifier(self._schema)
        there = connection.execute(
            "SELECT 1 FROM pg_namespace WHERE nspname = %s", [self._schema]
        ).fetchone()
        if not there:  # Who may not make schemas may use one that is there.
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        for statement in filter(str.strip, TABLES.split(";")):
            connection.execute(sql.SQL(statement).format(schema=schema))

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """Connect for one transaction."""
        try:
            with psycopg.connect(
                self._dsn, row_factory=dict_row, application_name="restore alerts"
            ) as connection:
                yield connection
        except psycopg.errors.LockNotAvailable:
            raise ToldError(
                f"Another run has held the destination for {WAIT_SECONDS} s: end it, or wait for it"
            ) from None
        except psycopg.errors.InsufficientPrivilege as error:
            raise ToldError(
                f"What was told cannot be kept in the schema {self._schema} ({one_line(error)}): "
                f"create schema {self._schema} authorization the user of the URL, or give --state "
                "with a file"
            ) from None
        except psycopg.Error as error:
            raise ToldError(f"What was told cannot be kept: {one_line(error)}") from None


class InFile(Store):
    """A file: for a warehouse that takes no writes, and to tell that the warehouse is down."""

    def __init__(self, path: Path) -> None:
        """Take the file; it is made when there is something to keep."""
        self._path = path
        self._lock = FileLock(f"{path}.lock", timeout=WAIT_SECONDS)

    def note(self, name: str, exit_code: int, reason: str, at: datetime) -> None:
        """Keep how a job ended."""
        with self._held():
            content = self._content()
            job = _job({"job": name, **content["jobs"].get(name, NEW_JOB)})
            kept = asdict(job.then(exit_code, reason, at))
            del kept["name"]
            content["jobs"][name] = kept
            self._save(content)

    def jobs(self) -> list[Job]:
        """Return how each job ended last."""
        return [_job({"job": name, **job}) for name, job in self._content()["jobs"].items()]

    @contextmanager
    def telling(self, destination: str) -> Iterator[Record]:
        """Hold the file, and give what a destination was told."""
        with self._held():
            record = self.look(destination)

            def write(changes: Mapping[str, Told | None], as_of: datetime | None) -> None:
                self._write(destination, changes, as_of)

            yield Record(record.as_of, record.told, write)

    def look(self, destination: str) -> Record:
        """Give what a destination was told."""
        known = self._content()["destinations"].get(destination, NEW_DESTINATION)
        told = {subject: Told(*values) for subject, values in known["told"].items()}
        return Record(_instant(known["as_of"]), told, _not_written)

    def _write(
        self, destination: str, changes: Mapping[str, Told | None], as_of: datetime | None
    ) -> None:
        content = self._content()
        told = {**content["destinations"].get(destination, NEW_DESTINATION)["told"]}
        for subject, now in changes.items():
            told.pop(subject, None)
            if now:
                told[subject] = [now.condition, now.rank, now.is_bad]
        content["destinations"][destination] = {"as_of": as_of, "told": told}
        self._save(content)

    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if content["version"] == VERSION:
                jobs, known = dict(content["jobs"]), dict(content["destinations"])
                return {"version": VERSION, "jobs": jobs, "destinations": known}
        except FileNotFoundError:
            return {"version": VERSION, "jobs": {}, "destinations": {}}
        except OSError as error:
            raise ToldError(f"{self._path} cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, KeyError):
            pass
        raise ToldError(
            f"{self._path} is none that this version of the command has written: remove it, and "
            "each destination gets a first message again"
        )

    def _save(self, content: dict[str, Any]) -> None:
        """Replace the file as a whole: one that is half written would tell all anew."""
        text = json.dumps(content, default=datetime.isoformat, indent=1)
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with open(new, "w", encoding="utf-8", opener=_private) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise ToldError(f"{self._path} cannot be written: {error.strerror}") from None

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise ToldError(
                f"Another run has held {self._path} for {WAIT_SECONDS} s: end it, or wait for it"
            ) from None
        except OSError as error:
            raise ToldError(f"{self._path} cannot be written: {error.strerror}") from None
        try:
            yield
        finally:
            self._lock.release()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _job(row: Mapping[str, Any]) -> Job:
    since = row["failed_since"]
    return Job(
        name=row["job"],
        exit_code=row["exit_code"],
        reason=row["reason"],
        failures=row["failures"],
        failed_since=_instant(since),
    )


def _instant(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _not_written(changes: Mapping[str, Told | None], as_of: datetime | None) -> None:
    """Keep nothing: the record was only looked at."""
