"""Reads a warehouse, PostgreSQL or DuckDB: one consistent look, with selects that both take.

Each engine is read through its own driver, psycopg or duckdb, which is what its makers keep up. The
marts have computed everything, so no query here needs more than that.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from northflank_restore_report.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    import duckdb
    import psycopg

Row = tuple[Any, ...]

ROWS_AT_ONCE = 5000

READABLE = """
    select c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = %s and c.relkind = 'r' and c.relname !~ '__dbt_'
        and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
    order by c.relname collate "C"
"""
"""The marts, which a look locks at its beginning: a build that replaces one waits for its end. A
table that was made after the look began would be seen, and its rows would not."""

MAKE = "make them with ./dev meltano run {plugin}:build"

URL_FORMS = (
    "postgresql://user:password@host:port/database, nor such as duckdb:///file.duckdb; in user and "
    "password write @ as %40, / as %2F, ? as %3F and % as %25"
)


class MartsError(ReportError):
    """The marts cannot be read."""


class Warehouse(ABC):
    """A warehouse that is open, and does not change while it is.

    Attributes:
        name: what a reader of the report knows it by; it has no password.
    """

    engine: ClassVar[str]
    name: str

    @abstractmethod
    def select(self, query: str) -> AbstractContextManager[tuple[list[str], Iterable[Row]]]:
        """Run a query and give the names of its columns, and its rows a few at a time.

        A name of a table without a schema is one of the marts.
        """

    @abstractmethod
    def columns(self, table: str) -> list[str]:
        """Return the names of a mart's columns in their order; none if it is not there."""


def open_warehouse(url: str, schema: str) -> AbstractContextManager[Warehouse]:
    """Open a warehouse for one consistent look at its marts.

    Args:
        url: of a PostgreSQL, also as SQLAlchemy has them (`postgresql+driver://`), or of a DuckDB
            file, as `duckdb:///relative` or `duckdb:////absolute`.
        schema: the one that holds the marts.

    Raises:
        MartsError: the warehouse cannot be reached, or has no marts in that schema.
    """
    engine = url.partition(":")[0].partition("+")[0].lower()
    opened = _duckdb if engine == "duckdb" else _postgres
    return opened(url, schema)


def one_line(error: Exception) -> str:
    """Return the message of a driver in one line, without the query that it shows."""
    return " ".join(re.split(r"\bLINE \d", str(error))[0].split())


class _Postgres(Warehouse):
    """A session of PostgreSQL, in a transaction that reads one state of it."""

    engine = "PostgreSQL"

    def __init__(self, connection: psycopg.Connection[Row], schema: str) -> None:
        self._connection = connection
        self._schema = schema
        host = connection.info.host
        place = "this machine" if host[:1] in "/@" else host
        self.name = f"{connection.info.dbname} on {place}"

    @contextmanager
    def select(self, query: str) -> Iterator[tuple[list[str], Iterable[Row]]]:
        # With a name, the cursor is the server's, and sends a few rows at a time.
        with self._connection.cursor("report") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(query.encode())
            yield [column.name for column in cursor.description or ()], cursor

    def columns(self, table: str) -> list[str]:
        found = self._connection.execute(
            "select attname from pg_attribute where attnum > 0 and not attisdropped and attrelid = "
            "(select c.oid from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            "where n.nspname = %s and c.relname = %s) order by attnum",
            [self._schema, table],
        )
        return [name for (name,) in found]


class _DuckDB(Warehouse):
    """A DuckDB file that is read only."""

    engine = "DuckDB"

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str, path: Path) -> None:
        self._connection = connection
        self._schema = schema
        self.name = path.name

    @contextmanager
    def select(self, query: str) -> Iterator[tuple[list[str], Iterable[Row]]]:
        found = self._connection.execute(query)
        names = [column[0] for column in found.description or ()]
        yield names, _batches(lambda: found.fetchmany(ROWS_AT_ONCE))

    def columns(self, table: str) -> list[str]:
        found = self._connection.execute(
            "select column_name from duckdb_columns() where database_name = current_database() "
            "and schema_name = ? and table_name = ? order by column_index",
            [self._schema, table],
        )
        return [name for (name,) in found.fetchall()]


def _batches(fetch: Callable[[], list[Row]]) -> Iterator[Row]:
    """Yield the rows of each batch until one is empty."""
    while batch := fetch():
        yield from batch


@contextmanager
def _postgres(url: str, schema: str) -> Iterator[Warehouse]:
    import psycopg  # noqa: PLC0415 - who reads a DuckDB file does not wait for it
    from psycopg import sql  # noqa: PLC0415

    dsn, parts = _parts(url)
    name = f"{parts.get('dbname', '')} on {parts.get('host', 'this machine')}"
    try:
        connection = psycopg.connect(dsn, application_name="restore report")
    except psycopg.Error as error:
        message = f"Cannot connect to the warehouse {name}: {one_line(error)}"
        raise MartsError(message) from error
    with connection:
        search_path = sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema))
        try:
            marts = [name for (name,) in connection.execute(READABLE, [schema])]
            connection.rollback()
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            connection.execute(search_path)
            connection.execute("SET LOCAL timezone TO 'UTC'")
            if marts:
                names = sql.SQL(", ").join(map(sql.Identifier, marts))
                connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
            yield _Postgres(connection, schema)
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise MartsError(_no_marts(schema, name, error)) from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise MartsError(
                f"The user of the URL may not read the marts of {name} ({one_line(error)}): grant "
                "it what docs/dbt-package.md lists"
            ) from error
        except psycopg.Error as error:
            raise MartsError(f"Cannot read the warehouse {name}: {one_line(error)}") from error


def _no_marts(schema: str, name: str, error: Exception, plugin: str = "dbt-postgres") -> str:
    return (
        f"The schema {schema} of {name} does not have the marts of this version "
        f"({one_line(error)}): {MAKE.format(plugin=plugin)}"
    )


def _parts(url: str) -> tuple[str, dict[str, Any]]:
    """Return a URL as libpq takes it, and its parts.

    Raises:
        MartsError: it cannot be read, or its parts cannot be told apart; no part of it is shown, as
            that may be the password.
    """
    import psycopg  # noqa: PLC0415 - as above
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    scheme, separator, rest = url.partition("://")
    dsn = scheme.partition("+")[0] + separator + rest
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        parts = {}
    place, _, _ = rest.partition("?")
    # With such a character in the password, libpq takes what is behind it for host or database.
    odd = place.count("@") > 1 or "@" in place.partition("/")[2]
    if not parts or odd or not re.fullmatch(r"[\d,]*", str(parts.get("port", ""))):
        raise MartsError(f"The warehouse's URL is none such as {URL_FORMS}")
    return dsn, parts


@contextmanager
def _duckdb(url: str, schema: str) -> Iterator[Warehouse]:
    path = _path(url)
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MartsError(
            "The driver of DuckDB is not installed: pip install 'northflank-restore-report[duckdb]'"
        ) from error
    try:
        connection = duckdb.connect(path, read_only=True)
    except duckdb.Error as error:
        raise MartsError(f"Cannot open the DuckDB file {path}: {one_line(error)}") from error
    with connection:
        try:
            # A file of the warehouse needs no extension, and none is to be fetched for it.
            connection.execute("set autoinstall_known_extensions = false")
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("begin transaction")
            try:
                connection.execute(f"set schema = '{_quoted(schema)}'")
            except duckdb.CatalogException as error:
                raise MartsError(_no_marts(schema, path.name, error, "dbt-duckdb")) from error
            yield _DuckDB(connection, schema, path)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise MartsError(_no_marts(schema, path.name, error, "dbt-duckdb")) from error
        except duckdb.Error as error:
            raise MartsError(f"Cannot read the DuckDB file {path}: {one_line(error)}") from error


def _quoted(name: str) -> str:
    """Return a name as an identifier, inside of a text."""
    identifier = name.replace('"', '""')
    return f'"{identifier}"'.replace("'", "''")


def _path(url: str) -> Path:
    """Return the path of a DuckDB file, as SQLAlchemy reads such a URL.

    Raises:
        MartsError: it has another form, or there is no such file.
    """
    _, separator, rest = url.partition("://")
    if not separator or not rest.startswith("/") or not rest[1:]:
        raise MartsError(f"The warehouse's URL is none such as {URL_FORMS}")
    path = Path(rest[1:]).absolute()
    if not path.is_file():
        raise MartsError(
            f"There is no file {path}: after duckdb:/// comes a path from this folder, and after "
            "duckdb://// one from the root"
        )
    return path
