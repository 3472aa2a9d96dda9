"""Airflow operators around `meltano`: they give up their slot while the quota is exhausted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseSensorOperator, Connection, PokeReturnValue
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowTaskTimeout,
)

from northflank.accounts import split
from northflank.meltano import DAILY, HOURLY, Meltano, QuotaExhaustedError, RunError, settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow.sdk import Context

    from northflank.accounts import Shard

# Under this key a task that fails leaves the reason to its successors.
FAILURE = "failure"


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
