"""Compares what is with what a destination was told: which changes are news. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from northflank_restore_report import words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime, timedelta

    from northflank_restore_report.watched import Database, Part, Watched

DATABASE, PART, MARTS, JOB = "database", "part", "marts", "job"
"""Kinds of subjects. A subject is `kind:key`."""

WORSE, GONE, BETTER = "worse", "gone", "better"

MAY_PASS = {4: "the account's quota is used up", 5: "the API could not be read"} | dict.fromkeys(
    (130, 143), "it was stopped"
)
"""Exit codes of a sync after which the next run may succeed with nothing changed."""

ENDS = {
    2: "a setting is wrong",
    3: "the token was refused",
    6: "its output was refused",
    **MAY_PASS,
}
"""What the tap's exit codes mean, see docs/errors.md."""

PASSED_OVER = 1
"""Failures in a row that are passed over if they may pass."""


@dataclass(frozen=True)
class Told:
    """What a destination knows of a subject.

    Attributes:
        condition: a verdict, `stale`, `failed`, or `well` for what is no verdict and not bad.
        rank: the lower, the worse; of a verdict that of the mart.
        is_bad: whether it is something to act on.
    """

    condition: str
    rank: int
    is_bad: bool


@dataclass(frozen=True)
class State:
    """What is to be said of a subject now.

    Attributes:
        subject: which, as `kind:key`.
        name: as people call it.
        now: its condition.
        fact: what there is to know of it, in a few words; may be empty.
    """

    subject: str
    name: str
    now: Told
    fact: str

    @property
    def kind(self) -> str:
        """The kind of the subject."""
        return self.subject.partition(":")[0]


@dataclass(frozen=True)
class News:
    """A change that is told; `before` is what was told last."""

    state: State
    change: str
    before: Told | None


@dataclass(frozen=True)
class Job:
    """How a job ended last.

    Attributes:
        name: what its runner calls it.
        exit_code: 0 for success.
        reason: why it failed, in a line; may be empty.
        failures: how many runs in a row have failed.
        failed_since: when the first of them ended.
    """

    name: str
    exit_code: int
    reason: str
    failures: int
    failed_since: datetime | None

    def then(self, exit_code: int, reason: str, at: datetime) -> Job:
        """Return what is known after one more run."""
        if not exit_code:
            return Job(self.name, 0, "", 0, None)
        since = self.failed_since or at
        return Job(self.name, exit_code, reason, self.failures + 1, since)


def states_of(watched: Watched, now: datetime, longest: timedelta) -> list[State]:
    """Return the states of all that the marts tell of.

    Args:
        watched: the marts.
        now: the time of the machine.
        longest: how old the marts may be.
    """
    states = [_database(database) for database in watched.current]
    states += [_part(part) for part in watched.parts]
    age = now - watched.refreshed_at
    fact = f"last computed {words.instant(watched.refreshed_at)}"
    told = _well(not_so="stale", bad=age > longest)
    return [*states, State(f"{MARTS}:", "the marts", told, fact)]


def state_of_job(job: Job, after: int) -> State:
    """Return the state of a job: it has failed for good if nobody can hope for its next run.

    Args:
        job: how it ended.
        after: how many failures in a row are for good, whatever they are.
    """
    if not job.exit_code:
        return State(f"{JOB}:{job.name}", job.name, _well(not_so="failed", bad=False), "")
    may_pass = job.exit_code in MAY_PASS and job.failures <= PASSED_OVER
    meaning = ENDS.get(job.exit_code)
    since = f"{job.failures} in a row since {words.instant(job.failed_since)}"
    facts = [
        f"exit code {job.exit_code}" + (f", {meaning}" if meaning else ""),
        since if job.failures > 1 else "",
        job.reason,
    ]
    told = _well(not_so="failed", bad=not may_pass and job.failures >= after)
    return State(f"{JOB}:{job.name}", job.name, told, "; ".join(filter(None, facts)))


def compare(
    told: Mapping[str, Told],
    states: Iterable[State],
    kinds: Iterable[str],
    aside: Collection[str],
) -> tuple[list[News], dict[str, Told | None]]:
    """Return the changes, and what differs from what was told without being a change for anybody.

    Args:
        told: what the destination was told, by subject.
        states: what is now.
        kinds: the kinds of subjects of which `states` has all.
        aside: keys of databases that are there and that nobody has to hear of.

    Returns:
        The news, the worst first, and the states to keep without a word: None for one that is to
        be forgotten.
    """
    now = {state.subject: state for state in states}
    ranks = {s.now.condition: s.now.rank for s in now.values() if s.kind == DATABASE}
    news: list[News] = []
    quiet: dict[str, Told | None] = {}
    for subject, state in now.items():
        before = told.get(subject)
        if before and before.condition == state.now.condition:
            continue
        if change := _change(before, state.now, ranks):
            news.append(News(state, change, before))
        else:
            quiet[subject] = state.now
    for subject, before in told.items():
        kind, _, key = subject.partition(":")
        if subject in now or kind not in kinds:
            continue
        if kind == DATABASE and key not in aside:
            news.append(News(State(subject, key, before, "no longer in the account"), GONE, before))
        else:
            quiet[subject] = None
    order = {JOB: 0, MARTS: 1, DATABASE: 2, PART: 3}
    changes = (WORSE, GONE, BETTER)
    news.sort(
        key=lambda item: (
            changes.index(item.change),
            order[item.state.kind],
            item.state.now.rank,
            item.state.name,
        )
    )
    return news, quiet


def _change(before: Told | None, now: Told, ranks: Mapping[str, int]) -> str:
    """Return what a change of condition is; empty where there is nothing to tell."""
    if before is None or not before.is_bad:
        return WORSE if now.is_bad else ""
    # A rank of an earlier version of the models may be another one today.
    rank = ranks.get(before.condition, before.rank)
    return WORSE if now.is_bad and now.rank < rank else BETTER


def _database(database: Database) -> State:
    told = Told(database.verdict, database.verdict_rank, database.needs_action)
    owner = f" (owner: {database.owner})" if database.owner else ""
    fact = words.sentence(database.reason) + owner
    return State(f"{DATABASE}:{database.addon_key}", database.addon_key, told, fact)


def _part(part: Part) -> State:
    place = part.project_id or part.team_id
    name = f"{part.stream} of {place}" if place else part.stream
    fact = f"last read {words.instant(part.last_read_at)}"
    told = _well(not_so="stale", bad=part.is_stale)
    return State(f"{PART}:{part.part_key}", name, told, fact)


def _well(*, not_so: str, bad: bool) -> Told:
    return Told(not_so if bad else "well", 0 if bad else 1, bad)
