"""Airflow operators around `meltano`: they give up their slot while the quota is exhausted."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseSensorOperator, Connection, PokeReturnValue
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from northflank.accounts import split
from northflank.meltano import (
    ALERTS,
    ALERTS_URLS,
    DAILY,
    HOURLY,
    METRICS,
    METRICS_FILE,
    Meltano,
    QuotaExhaustedError,
    RunError,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow.sdk import Context

    from northflank.accounts import Shard

# Under this key a task that fails leaves the reason to its successors.
FAILURE = "failure"

# The connection whose password is where alerts go, as the variable of the report's command has it.
DESTINATIONS = "northflank_alerts"


class _MeltanoTask:
    """What tasks that run Meltano share: it ends with them, and successors learn of a failure."""

    _meltano: Meltano | None = None

    @property
    def what(self) -> str:
        """What the task works on, as a failure names it."""
        raise NotImplementedError

    @contextmanager
    def _told(self, context: Context) -> Iterator[None]:
        """Fail the task with a line that says why, if the block fails or takes too long."""
        try:
            yield
        except RunError as error:
            reason, is_final = str(error), error.is_final
        except AirflowTaskTimeout:
            longest = self.execution_timeout  # type: ignore[attr-defined]
            reason, is_final = f"it was ended when it had run for {longest}", True
        else:
            return
        context["ti"].xcom_push(key=FAILURE, value=f"{self.what}: {reason}")
        failure = AirflowFailException if is_final else AirflowException
        raise failure(f"{self.what}: {reason}") from None

    def on_kill(self) -> None:
        """End the run, as Airflow wants the task to end."""
        if self._meltano:
            self._meltano.stop()


class Transform(_MeltanoTask, BaseOperator):  # type: ignore[misc]
    """Runs the job `transform`: the models and the report, from what has been loaded."""

    what = "transform"

    def execute(self, context: Context) -> None:
        """Transform."""
        with self._told(context):
            self._meltano = Meltano({}, self.log.info)
            self._meltano.run("transform")


class AccountSensor(_MeltanoTask, BaseSensorOperator):  # type: ignore[misc]
    """Runs Meltano for an account until the account's quota lets it come to its end.

    "Quota exhausted" is no failure and costs no retry. The task frees its slot and comes back when
    the quota resets; what it had finished is in the state. It then has a whole window before it,
    and if that is not enough either, it waits for the next in place, as each run lists and reads
    the whole account.
    """

    streams: Iterable[str] = HOURLY

    def __init__(
        self,
        *,
        account: str,
        connection: str,
        team_id: str | None,
        shard: Shard | None = None,
        **kwargs: Any,  # noqa: ANN401 - as Airflow's
    ) -> None:
        """Take what to read.

        Args:
            account: The account's name.
            connection: The Airflow connection with the token as its password and, for another API
                than Northflank's own, the URL as its host.
            team_id: For organisation tokens: the team to read.
            shard: The part of the account to read.
            kwargs: As Airflow's.
        """
        super().__init__(**kwargs)
        self.account = account
        self.connection = connection
        self.team_id = team_id
        self.shard = shard

    def work(self, meltano: Meltano) -> object:
        """Do the task's work and return what its successors are told."""
        raise NotImplementedError

    def poke(self, context: Context) -> PokeReturnValue:
        """Work once, and say whether it came to its end."""
        with self._told(context):
            self._meltano = Meltano(self._settings(context), self.log.info)
            try:
                return PokeReturnValue(is_done=True, xcom_value=self.work(self._meltano))
            except QuotaExhaustedError as error:
                self.log.info("Back in %d s: %s.", error.seconds, error)
                self.poke_interval = error.seconds
        return PokeReturnValue(is_done=False)

    @property
    def what(self) -> str:
        """The account, and the shard if it has a name: `acme`, `globex.2`."""
        shard = self.shard["name"] if self.shard else ""
        return f"{self.account}.{shard}" if shard else self.account

    def _settings(self, context: Context) -> dict[str, str]:
        try:
            connection = Connection.get(self.connection)
        except AirflowNotFoundException:
            msg = f"There is no Airflow connection {self.connection}: add it, with the token in it"
            raise RunError(msg, is_final=True) from None
        if not connection.password:
            msg = f"The Airflow connection {self.connection} has no password: make it the token"
            raise RunError(msg, is_final=True)
        values = settings(
            self.account,
            api_token=connection.password,
            api_url=connection.host,
            team_id=self.team_id,
            projects=self.shard["projects"] if self.shard else (),
            streams=self.streams,
        )
        if not context["task_reschedule_count"]:
            values["TAP_NORTHFLANK_RESTORES_RATE_LIMIT_MAX_WAIT"] = "0"
        return values


class ListProjects(AccountSensor):
    """Lists and loads the projects of an account, and divides them among its shards."""

    streams = ("projects",)

    def __init__(self, *, shards: int, **kwargs: Any) -> None:  # noqa: ANN401 - as Airflow's
        """Take how many shards to make; the rest is as for `AccountSensor`."""
        super().__init__(**kwargs)
        self.shards = shards

    def work(self, meltano: Meltano) -> list[Shard]:
        """Return the shards, each with its projects."""
        return split(meltano.list_projects(), self.shards)


class Sync(AccountSensor):
    """Runs the job `sync` for a shard, with a state of its own."""

    job = "sync"

    def work(self, meltano: Meltano) -> None:
        """Extract and load."""
        meltano.run(self.job, "--state-id-suffix", self.what)


class SyncDaily(Sync):
    """Runs the job `sync-daily`: backups, their schedules and the details of addons."""

    streams = DAILY
    job = "sync-daily"


class Tell(_MeltanoTask, BaseOperator):  # type: ignore[misc]
    """Writes the file for Prometheus and tells what changed, and which jobs have failed for good.

    It is skipped where neither destinations nor a file are set up.
    """

    what = "tell"

    def __init__(self, *, jobs: Mapping[str, Iterable[str]], **kwargs: Any) -> None:  # noqa: ANN401
        """Take what to tell of.

        Args:
            jobs: The ids of the tasks that make up a job, by the name that messages give it.
            kwargs: As Airflow's.
        """
        super().__init__(**kwargs)
        self.jobs = {name: list(tasks) for name, tasks in jobs.items()}

    def execute(self, context: Context) -> None:
        """Write, and tell."""
        urls = self._destinations()
        file = os.environ.get(METRICS_FILE)
        if not (urls or file):
            msg = f"There is no connection {DESTINATIONS}, and no {ALERTS_URLS} or {METRICS_FILE}"
            raise AirflowSkipException(msg)
        with self._told(context):
            self._meltano = Meltano({ALERTS_URLS: urls} if urls else {}, self.log.info)
            failed = None
            if file:
                try:
                    self._meltano.invoke(METRICS)
                except RunError as error:  # Neither keeps the other from its work.
                    failed = error
            if urls:
                # Each try says it: the one before may have ended before it was noted.
                self._meltano.invoke(ALERTS, *self._ends(context))
            if failed:
                raise failed

    def _destinations(self) -> str:
        try:
            return Connection.get(DESTINATIONS).password or ""
        except AirflowNotFoundException:
            return os.environ.get(ALERTS_URLS, "")

    def _ends(self, context: Context) -> Iterator[str]:
        """Yield how each job ended, as options; a job of which nothing ran has not ended."""
        ti = context["ti"]
        run = context["run_id"]
        states = ti.get_task_states(dag_id=self.dag_id, run_ids=[run])[run]
        for job, tasks in self.jobs.items():
            ended = {states[name] for name in states if _task_of(name, tasks)}
            reasons = [reason for task in tasks for reason in failures(ti, task)]
            if "failed" in ended:
                yield from ("--job", f"{job}=1: {'; '.join(reasons)}")
            elif "success" in ended:
                yield from ("--job", f"{job}=0")


def failures(ti: Any, task: str) -> list[str]:  # noqa: ANN401 - Airflow's task instance
    """Return why a task failed; of a mapped one, why each of its instances did."""
    said = ti.xcom_pull(task_ids=task, key=FAILURE)
    return [said] if isinstance(said, str) else [line for line in said or () if line]


def _task_of(instance: str, tasks: Iterable[str]) -> bool:
    """Whether a name of an instance, such as `sync_acme_0`, is of one of these tasks."""
    return instance in tasks or instance.rpartition("_")[0] in tasks
