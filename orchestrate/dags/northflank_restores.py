"""The DAGs: by the hour each account's restores and then the answers, by the day its backups."""
# ruff: noqa: INP001 - Airflow's folder of DAGs is no package

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException
from northflank import accounts
from northflank.operators import ListProjects, Sync, SyncDaily, Tell, Transform, failures

FILE = os.environ.get("NORTHFLANK_ACCOUNTS") or Path(__file__).parent.parent / "accounts.yml"

# What other DAGs may be scheduled on: each mart that is documented in docs/analytics.md.
MARTS = [
    Asset(f"northflank_restores/{mart}")
    for mart in (
        "addon_recoverability",
        "addon_verdicts",
        "attestations",
        "backup_status",
        "completeness",
        "daily_restore_activity",
        "data_problems",
        "load_freshness",
        "refresh_info",
        "restore_attempts",
        "restore_drill_evidence",
        "restore_durations",
        "restore_policy_periods",
        "restore_policy_rules",
        "restore_timestamp_readings",
        "restores_by_day",
    )
]

# How long a task may go on waiting for the quota, and how long one run of Meltano may take.
LONGEST = timedelta(hours=6)


def common(account: accounts.Account) -> dict[str, Any]:
    """Return the arguments that all tasks of an account share."""
    # The quota is the token's, so what limits its tasks is a pool with the name of its connection.
    return {
        "account": account.name,
        "connection": account.connection,
        "team_id": account.team_id,
        "pool": account.connection,
        "mode": "reschedule",
        "timeout": LONGEST,
        "execution_timeout": LONGEST,
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": 2.0,
    }


def sync(account: accounts.Account) -> Any:  # noqa: ANN401 - a mapped operator
    """Add the tasks of an account, and return the last of them."""
    if account.shards == 1:
        shards = [accounts.Shard(name="", projects=list(account.projects))]
    elif account.projects:
        shards = accounts.split(account.projects, account.shards)
    else:
        listing = ListProjects(
            task_id=f"list_projects_{account.name}", shards=account.shards, **common(account)
        )
        shards = listing.output
    return Sync.partial(
        task_id=f"sync_{account.name}", map_index_template="{{ task.what }}", **common(account)
    ).expand(shard=shards)


@task(trigger_rule="all_done")  # type: ignore[untyped-decorator]
def name_failures() -> None:
    """Fail, and so let the DAG run fail, with the name and reason of each task that failed."""
    context = get_current_context()
    ti, dag = context["ti"], context["dag"]
    reasons = []
    for name in sorted(dag.task_ids):
        reasons += failures(ti, name)
    states = ti.get_task_states(dag_id=dag.dag_id, run_ids=[context["run_id"]])
    failed = [name for name, state in states[context["run_id"]].items() if state == "failed"]
    if failed:
        for reason in reasons:
            context["task"].log.error(reason)
        msg = f"Failed: {', '.join(sorted(failed))}. " + " ".join(reasons)
        raise AirflowFailException(msg)


def tell_of(jobs: dict[str, list[str]]) -> Tell:
    """Add the task that tells people, of the marts and of how these jobs ended."""
    return Tell(
        task_id="tell",
        jobs=jobs,
        trigger_rule="all_done",
        execution_timeout=LONGEST,
        retries=2,
        retry_delay=timedelta(minutes=5),
    )


ACCOUNTS = accounts.read(Path(FILE))

START = {
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "catchup": False,
    "max_active_runs": 1,  # A run that waits for a quota must not be overtaken by the next.
    "tags": ["northflank", "meltano"],
}

with DAG(
    "northflank_restores",
    description="The restore history of Northflank databases, of many accounts",
    schedule="@hourly",
    **START,
):
    synced = [sync(account) for account in ACCOUNTS]
    # Whatever became of the syncs: the answers change with the date. The rules that want a success
    # take none beside an account that has no projects, whose sync is skipped.
    transform = Transform(
        task_id="transform", trigger_rule="all_done", execution_timeout=LONGEST, outlets=MARTS
    )
    tell = tell_of(
        {
            **{
                f"sync {account.name}": [f"list_projects_{account.name}", f"sync_{account.name}"]
                for account in ACCOUNTS
            },
            "transform": ["transform"],
        }
    )
    synced >> transform >> tell
    [*synced, transform, tell] >> name_failures()

# The answers follow with the next hour's run.
with DAG(
    "northflank_restores_daily",
    description="Backups, their schedules and the details of addons, which change slowly",
    schedule="30 2 * * *",
    **START,
):
    daily = [
        SyncDaily(
            task_id=f"sync_daily_{account.name}",
            shard=accounts.Shard(name="", projects=list(account.projects)),
            **common(account),
        )
        for account in ACCOUNTS
    ]
    tell = tell_of(
        {f"daily sync {account.name}": [f"sync_daily_{account.name}"] for account in ACCOUNTS}
    )
    daily >> tell
    [*daily, tell] >> name_failures()
