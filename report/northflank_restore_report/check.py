"""The command `northflank-restore-report check`: an exit code for CI, from the verdicts."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from northflank_restore_report import asking, words
from northflank_restore_report.marts import VERDICTS

if TYPE_CHECKING:
    from northflank_restore_report.watched import Database


JUDGED = VERDICTS[: VERDICTS.index("proven") + 1]
"""The verdicts that can be worse or better: not that a database is waived, out of scope or gone."""


def main(arguments: list[str], prog: str) -> int:
    """Print a line for each database that is worse than allowed, and end with 3 if there is one.

    Raises:
        MartsError: the marts cannot be read.
    """
    parser = asking.parser(prog, (main.__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--worse-than",
        choices=JUDGED,
        metavar="VERDICT",
        help=f"fail on each that is worse than this one; the worst first: {', '.join(JUDGED)}. "
        "By default on each that needs action",
    )
    parser.add_argument(
        "--only",
        default="*",
        metavar="PATTERN",
        help="look at these databases only, such as 'shop/*': project id, slash, addon id",
    )
    asking.add_max_age(parser)
    options, url = asking.read(parser, arguments)
    watched = asking.watched(url, options.schema)
    if datetime.now(timezone.utc) - watched.refreshed_at > asking.max_age(options):
        at = words.instant(watched.refreshed_at)
        return asking.failed(f"The marts were computed too long ago, {at}: make them anew")
    if stale := next((part for part in watched.parts if part.is_stale), None):
        at = words.instant(stale.last_read_at)
        return asking.failed(f"The part {stale.part_key} was last read too long ago, {at}: sync")
    databases = [row for row in watched.current if fnmatchcase(row.addon_key, options.only)]
    if not databases:
        return asking.failed(f"No database in scope fits {options.only}", asking.WRONG_USE)
    worse = [row for row in databases if is_worse(row, options.worse_than)]
    for row in worse:
        sys.stdout.write(f"{row.addon_key}: {row.verdict}; {words.sentence(row.reason)}\n")
    limit = f"worse than {options.worse_than}" if options.worse_than else "to act on"
    of = words.count(len(databases), "database")
    at = words.instant(watched.as_of)
    sys.stdout.write(f"{len(worse):,} of {of} {limit}. As of {at}.\n")
    return asking.NOT_SO if worse else 0


def is_worse(row: Database, than: str | None) -> bool:
    """Whether a database is worse than a verdict, or needs action if none is given.

    A verdict that is not known here, of newer models, counts as worse if it needs action.
    """
    if than is None or row.verdict not in VERDICTS:
        return row.needs_action
    return VERDICTS.index(row.verdict) < VERDICTS.index(than)
