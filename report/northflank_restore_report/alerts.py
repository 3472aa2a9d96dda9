"""The command `northflank-restore-report alerts`: tells each destination once what got worse."""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from northflank_restore_report import asking
from northflank_restore_report.changes import (
    BETTER,
    DATABASE,
    GONE,
    JOB,
    MARTS,
    PART,
    Job,
    compare,
    state_of_job,
    states_of,
)
from northflank_restore_report.delivery import (
    ONLY,
    URLS,
    Destination,
    DestinationsError,
    Mask,
    destinations,
)
from northflank_restore_report.message import Message, of_all, of_changes, plain
from northflank_restore_report.told import InFile, InWarehouse, ToldError
from northflank_restore_report.warehouse import MartsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from northflank_restore_report.changes import Told
    from northflank_restore_report.told import Record, Store
    from northflank_restore_report.watched import Watched

WHERE = "NORTHFLANK_ALERTS_WHERE"
"""Variable that says where to look, such as the URL of the page."""

ENDED = re.compile(r"(?P<name>[^=]*[^=\s])=(?P<code>-?\d{1,3})(?::\s*(?P<reason>.*))?", re.DOTALL)


@dataclass(frozen=True)
class Ended:
    """How a run of a job ended just now."""

    name: str
    exit_code: int
    reason: str


@dataclass(frozen=True)
class News:
    """What to tell a destination.

    Attributes:
        message: None if there is nothing to tell.
        quiet: what it is taken to know without a word.
        loud: what it knows once the message was delivered.
        as_of: of the marts that the message is made of.
    """

    message: Message | None
    quiet: Mapping[str, Told | None]
    loud: Mapping[str, Told | None]
    as_of: datetime | None


@dataclass(frozen=True)
class Alerts:
    """What one run of the command tells.

    Attributes:
        watched: the marts, if they could be read.
        where: where to look.
        longest: how old the marts may be.
        recoveries: whether what got better is told too.
        after: how many failures of a job in a row are told.
        now: the time of the machine.
        mask: hides secrets.
    """

    watched: Watched | None
    where: str
    longest: timedelta
    recoveries: bool
    after: int
    now: datetime
    mask: Mask

    def tell(self, destination: Destination, store: Store) -> str:
        """Tell a destination its news, and return why that failed; empty if it did not.

        Raises:
            ToldError: what was told cannot be read or kept.
        """
        with store.telling(destination.name) as record:
            news = self.news(record, store.jobs())
            # What needs no word is known, however the delivery ends.
            record.keep(news.quiet, record.as_of)
            if news.message and (failure := destination.deliver(news.message)):
                return failure
            record.keep(news.loud, news.as_of)
        title = news.message.title if news.message else "nothing new"
        sys.stdout.write(f"{destination.name}: {title}\n")
        return ""

    def news(self, record: Record, jobs: Iterable[Job]) -> News:
        """Return what to tell a destination of which a record is kept."""
        watched = self.watched
        states, kinds = [state_of_job(job, self.after) for job in jobs], {JOB}
        of_marts = states_of(watched, self.now, self.longest) if watched else []
        # Marts that were once computed for a future instant must not silence all until then.
        if watched and record.as_of and watched.as_of < record.as_of <= self.now:
            # A look back, or another run that was quicker: what they say has been told or is past.
            # That nobody computes them any more is news all the same.
            states += [state for state in of_marts if state.kind == MARTS]
            kinds.add(MARTS)
            watched = None
        if watched:
            states += of_marts
            kinds |= {DATABASE, PART, MARTS}
            if record.as_of is None:
                known = {state.subject: state.now for state in states}
                return News(
                    of_all(states, watched, self.where, self.mask), {}, known, watched.as_of
                )
        rows = watched.databases if watched else []
        aside = {row.addon_key for row in rows if row.is_current and not row.in_scope}
        changes, quiet = compare(record.told, states, kinds, aside)
        if not self.recoveries:
            better = [item for item in changes if item.change == BETTER]
            quiet |= {item.state.subject: item.state.now for item in better}
            changes = [item for item in changes if item.change != BETTER]
        loud = {
            item.state.subject: None if item.change == GONE else item.state.now for item in changes
        }
        message = of_changes(changes, watched, self.where, self.mask) if changes else None
        return News(message, quiet, loud, watched.as_of if watched else record.as_of)


def main(arguments: list[str], prog: str) -> int:
    """Tell each destination what there is to tell.

    Returns:
        The exit code; what went wrong is a line on standard error.
    """
    options, url = _options(arguments, prog)
    try:
        all_ = destinations(options.destinations)
    except DestinationsError as error:
        # How a message would read can be seen before there is a place for it.
        if not options.dry_run or options.destinations or os.environ.get(URLS):
            return asking.failed(str(error), asking.WRONG_USE)
        all_ = [Destination(ONLY, "")]
    mask = Mask(url, all_)
    failures = []
    watched, code = None, 0
    try:
        watched = asking.watched(url, options.schema)
    except MartsError as error:
        failures, code = [mask(str(error))], asking.FAILED
    alerts = Alerts(
        watched=watched,
        where=options.where or f"addon_recoverability in the schema {options.schema}",
        longest=asking.max_age(options),
        recoveries=options.recoveries,
        after=options.after,
        now=datetime.now(timezone.utc),
        mask=mask,
    )
    ended = [
        Ended(match["name"], int(match["code"]), plain(mask(match["reason"] or "")))
        for match in options.job
    ]
    try:
        store = _store(options, url)
        if options.dry_run:
            _show(alerts, store, all_, ended)
        else:
            for end in ended:
                store.note(end.name, end.exit_code, end.reason, alerts.now)
            for destination in all_:
                if failure := alerts.tell(destination, store):
                    failures.append(f"{destination.name}: not delivered, {failure}")
                    code = code or asking.NOT_SO
    except (MartsError, ToldError) as error:
        # Without a warehouse both say the same.
        failures, code = list(dict.fromkeys([*failures, mask(str(error))])), asking.FAILED
    return asking.failed("\n".join(failures), code) if failures else code


def _show(
    alerts: Alerts, store: Store, all_: Iterable[Destination], ended: Iterable[Ended]
) -> None:
    """Print what would be told."""
    jobs = {job.name: job for job in store.jobs()}
    for end in ended:
        job = jobs.get(end.name, Job(end.name, 0, "", 0, None))
        jobs[end.name] = job.then(end.exit_code, end.reason, alerts.now)
    for destination in all_:
        message = alerts.news(store.look(destination.name), jobs.values()).message
        if message:
            sys.stdout.write(f"To {destination.name}:\n\n{message.title}\n\n{message.body}\n\n")
        else:
            sys.stdout.write(f"To {destination.name}: nothing new\n")


def _store(options: argparse.Namespace, url: str) -> Store:
    if options.state:
        return InFile(options.state)
    if url.lower().startswith("duckdb:"):
        raise ToldError("What was told is kept in a PostgreSQL only: give --state with a file")
    return InWarehouse(url, options.schema, make=not options.dry_run)


def _ended(text: str) -> re.Match[str]:
    match = ENDED.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError("it takes NAME=EXIT_CODE, or NAME=EXIT_CODE: reason")
    return match


def _options(arguments: list[str], prog: str) -> tuple[argparse.Namespace, str]:
    parser = asking.parser(prog, "Tell each destination, once, what has become worse.")
    parser.add_argument(
        "--destinations",
        type=Path,
        metavar="FILE",
        help=f"file with a destination a line, as name=url of Apprise; those of ${URLS} by default",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="keep what was told in this file, not in the warehouse",
    )
    parser.add_argument(
        "--job",
        type=_ended,
        action="append",
        default=[],
        metavar="NAME=EXIT_CODE",
        help="how a run of a job has just ended, such as hourly=$?; with ': reason' behind it; "
        "may be given more than once",
    )
    parser.add_argument(
        "--after",
        type=int,
        default=1,
        metavar="FAILURES",
        help="tell of a job when so many runs in a row have failed (%(default)s)",
    )
    parser.add_argument(
        "--where",
        default=os.environ.get(WHERE),
        help=f"where to look, such as the URL of the page; ${WHERE} by default",
    )
    parser.add_argument("--recoveries", action="store_true", help="tell what got better, too")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be told, and keep nothing"
    )
    asking.add_max_age(parser)
    return asking.read(parser, arguments)
