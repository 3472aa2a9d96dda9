"""What these tests share: marts of a few columns in a PostgreSQL, and a receiver of messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

AS_OF = datetime(2026, 7, 1, 6, tzinfo=timezone.utc)
RANKS = {
    "no backup": 1,
    "stale backup": 2,
    "never tested": 3,
    "failing": 4,
    "not validated": 5,
    "overdue": 6,
    "slow": 7,
    "proven": 8,
    "waived": 9,
    "out of scope": 10,
    "deleted": 11,
}
NEED_ACTION = 7
COLUMNS = {
    "refresh_info": "as_of timestamptz, refreshed_at timestamptz",
    "addon_recoverability": "addon_key text, project_id text, project_name text, addon_name text,"
    " database_type text, is_current boolean, in_scope boolean, verdict text, verdict_rank integer,"
    " needs_action boolean, reason text, owner text, rule text, last_success_at timestamptz,"
    " drill_interval_days numeric, newest_backup_at timestamptz, rpo_hours numeric,"
    " as_of timestamptz",
    "load_freshness": "part_key text, stream text, team_id text, project_id text,"
    " last_read_at timestamptz, stale_after_hours integer, is_stale boolean",
}


def database(key: str, verdict: str, **more: Any) -> dict[str, Any]:
    """Return a row of `addon_recoverability`."""
    project, _, addon = key.partition("/")
    return {
        "addon_key": key,
        "project_id": project,
        "project_name": project.capitalize(),
        "addon_name": addon.capitalize(),
        "database_type": "postgresql",
        "is_current": verdict != "deleted",
        "in_scope": verdict != "out of scope",
        "verdict": verdict,
        "verdict_rank": RANKS[verdict],
        "needs_action": RANKS[verdict] <= NEED_ACTION,
        "reason": f"It is {verdict}",
        "owner": None,
        "rule": "default",
        "last_success_at": None,
        "drill_interval_days": 90,
        "newest_backup_at": None,
        "rpo_hours": 26,
        **more,
    }


def part(
    stream: str, project: str | None, *, stale: bool, team: str | None = None
) -> dict[str, Any]:
    """Return a row of `load_freshness`."""
    return {
        "part_key": f"{stream}/{team or ''}/{project or ''}",
        "stream": stream,
        "team_id": team,
        "project_id": project,
        "last_read_at": AS_OF - timedelta(hours=72 if stale else 1),
        "stale_after_hours": 25,
        "is_stale": stale,
    }


class Marts:
    """A PostgreSQL database with the marts, or without any before the first `write`."""

    def __init__(self, dsn: str) -> None:
        """Take the database's URL."""
        self.dsn = dsn

    def write(
        self,
        databases: Mapping[str, str] | Iterable[dict[str, Any]],
        parts: Iterable[dict[str, Any]] = (),
        *,
        as_of: datetime = AS_OF,
        age: timedelta = timedelta(0),
    ) -> None:
        """Write the marts as a build does, in place of those that are there.

        Args:
            databases: verdicts by key, or rows.
            parts: rows of `load_freshness`.
            as_of: what they were computed for.
            age: how long ago they were computed.
        """
        rows = (
            [database(key, verdict) for key, verdict in databases.items()]
            if isinstance(databases, Mapping)
            else list(databases)
        )
        refreshed = datetime.now(timezone.utc) - age
        tables = {
            "refresh_info": [{"as_of": as_of, "refreshed_at": refreshed}],
            "addon_recoverability": [{**row, "as_of": as_of} for row in rows],
            "load_freshness": list(parts),
        }
        with psycopg.connect(self.dsn) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS restore_analytics")
            connection.execute("SET LOCAL search_path TO restore_analytics")
            for table, content in tables.items():
                name = sql.Identifier(table)
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))
                connection.execute(f"CREATE TABLE {table} ({COLUMNS[table]})".encode())
                for row in content:
                    connection.execute(
                        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                            name,
                            sql.SQL(", ").join(map(sql.Identifier, row)),
                            sql.SQL(", ").join(sql.Placeholder() * len(row)),
                        ),
                        list(row.values()),
                    )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []


@dataclass
class Receiver:
    """A service that takes messages over HTTP.

    Attributes:
        messages: what was taken, by the name of the destination.
        refusing: names of destinations whose messages are refused with a 500.
        before: called with the name before each answer; with True from it the message is lost.
    """

    url: str = ""
    messages: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    refusing: set[str] = field(default_factory=set)
    before: Callable[[str], bool] | None = None

    def destination(self, name: str, secret: str = "") -> str:
        """Return a destination of this name, as a line."""
        login = f"{secret}@" if secret else ""
        return f"{name}=json://{login}{self.url}/{name}"

    def bodies(self, name: str = "ops") -> list[str]:
        """Return the texts of a destination's messages."""
        return [message["message"] for message in self.messages.get(name, [])]

    def titles(self, name: str = "ops") -> list[str]:
        """Return the titles of a destination's messages."""
        return [message["title"] for message in self.messages.get(name, [])]

    def clear(self) -> None:
        """Forget all, and refuse nothing."""
        self.messages.clear()
        self.refusing.clear()
        self.before = None


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    with _server_of(receiver) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def _server_of(receiver: Receiver) -> ThreadingHTTPServer:
    """Return the server of a receiver, which is told its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            name = self.path.strip("/")
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            lost = receiver.before and receiver.before(name)
            refused = lost or name in receiver.refusing
            if not refused:
                receiver.messages.setdefault(name, []).append(content)
            self.send_response(500 if refused else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"127.0.0.1:{server.server_port}"
    return server
