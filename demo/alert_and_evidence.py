"""The last chapter of the demo: a database changes for the worse, and what tells of it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import date, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from textwrap import indent
from typing import TYPE_CHECKING, NamedTuple

from demo import DemoError
from demo.account import ROOT
from demo.progress import say, shown, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from demo.account import Account

DAYS = 3
"""How much time passes: as long as it takes until the next database is one to act on."""


class Message(NamedTuple):
    """What an alert says."""

    title: str
    text: str


class Receiver(NamedTuple):
    """Stands for Slack, a mailbox or a pager: keeps the messages that come by HTTP.

    Attributes:
        url: where it listens, as Apprise writes that.
        messages: what came so far.
    """

    url: str
    messages: list[Message]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Receive alerts on this machine until the block is left."""
    messages: list[Message] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages.append(Message(body["title"], body["message"]))
            self.send_response(HTTPStatus.OK)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing in the demo's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Receiver(f"json://127.0.0.1:{server.server_port}/", messages)
        finally:
            server.shutdown()


class Reports:
    """The command `northflank-restore-report`, as a user has it, on the demo's warehouse."""

    def __init__(self, url: str, home: Path, env: Mapping[str, str]) -> None:
        """Take the warehouse's URL, the demo's folder, and what to run with."""
        self._told = home / "told.json"
        self._told.unlink(missing_ok=True)  # by the demo before
        self._env = {**env, "RESTORE_REPORT_URL": url}

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "northflank_restore_report", *arguments],
            cwd=ROOT,
            env={**self._env, **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, *arguments: str, **env: str) -> str:
        """Run a command that has to succeed, and return what it prints.

        Raises:
            DemoError: it failed.
        """
        done = self.run(*arguments, **env)
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines() or ["it does not say why"]
            msg = f"northflank-restore-report {arguments[0]} failed: {reason[-1]}"
            raise DemoError(msg)
        return done.stdout

    def tell(self, destination: Receiver) -> list[Message]:
        """Tell what has become worse, and return the messages that arrived."""
        before = len(destination.messages)
        # By the simulated clock the answers are months old.
        self.succeed(
            *("alerts", "--max-age=1000000", f"--state={self._told}"),
            NORTHFLANK_ALERTS_URLS=f"demo={destination.url}",
        )
        return destination.messages[before:]


def chapter(
    source: Account,
    reports: Reports,
    folder: Path,
    catch_up: Callable[[], None],
    first_day: date,
) -> None:
    """Show alerts and the evidence pack.

    Args:
        source: the simulated account.
        reports: on the demo's warehouse.
        folder: where the pack is written.
        catch_up: syncs the account as it is now, and computes the models.
        first_day: the day that the demo's answers are of.

    Raises:
        DemoError: something failed, or an altered pack was taken for a good one.
    """
    with receiver() as destination:
        with step("Alerts go to a receiver that listens here; the first says how things stand"):
            reports.tell(destination)
        with step(f"{DAYS} days pass; the account is synced, and the models answer once more"):
            source.advance(days=DAYS)
            catch_up()
        with step("What has become worse is told, once") as results:
            told = reports.tell(destination)
            again = reports.tell(destination)
            results.append(f"{len(told)} message, and {len(again)} when asked again")
    for message in told:
        say("\n" + indent(message.text.rstrip(), "   "))
    say("")
    _pack(reports, folder, first_day)


def _pack(reports: Reports, folder: Path, day: date) -> None:
    last = day.replace(month=day.month - (day.month - 1) % 3, day=1) - timedelta(days=1)
    first = last.replace(month=last.month - 2, day=1)
    pack = folder / f"evidence-{first}-{last}.zip"
    pack.unlink(missing_ok=True)
    with step(f"The evidence of {first} to {last} is packed for an auditor") as results:
        printed = reports.succeed("evidence", f"--from={first}", f"--to={last}", f"--out={pack}")
        digest = printed.split()[-1]
        results.append(f"SHA-256 {digest[:12]}…")
    with step("The pack is verified") as results:
        reports.succeed("evidence", f"--verify={pack}", f"--digest={digest}")
        results.append("as it was written")
    altered = folder / "altered.zip"
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    altered.write_bytes(content)
    with step("So is a copy in which one byte was changed") as results:
        done = reports.run("evidence", f"--verify={altered}")
        altered.unlink()
        if not done.returncode:
            raise DemoError(
                "An altered evidence pack was not noticed. That is a bug: please report it"
            )
        results.append("refused")
    say(f"   {done.stderr.strip().replace(str(altered), shown(altered))}")
    say(f"\nThe pack, for whoever has to believe it: {shown(pack)}")
