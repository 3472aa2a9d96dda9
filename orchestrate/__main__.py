"""`./dev airflow`: Airflow's pages with the DAG, on three simulated accounts, for a look."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from typing import TYPE_CHECKING

from demo import DemoError
from demo.account import account
from demo.pipeline import Pipeline, loader_url
from demo.postgres import postgres
from demo.process import Stopped, stop_on_signals
from orchestrate.airflow import DAG, ROOT, Airflow, free_port, install_plugins, project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOME = ROOT / ".dev" / "airflow-home"

# Name, more about the account, and options of the simulator: the first runs out of quota at each
# sync, the second is split, and the token of the third is not the one that opens its account.
ACCOUNTS: list[tuple[str, dict[str, object], list[str]]] = [
    ("acme", {}, ["--rate-limit=12", "--rate-window=60"]),
    ("globex", {"shards": 3}, ["--addons=30", "--seed=2"]),
    ("initech", {}, ["--seed=3", "--token=another-token"]),
]

HINT = """
Airflow is at {url}, with the DAG {dag} of orchestrate/dags.
Of its three simulated accounts acme runs out of quota and comes back, globex is split into three
tasks, and initech's token is revoked. The first run is under way; its report will be
{home}/project/output/report.html, and what Airflow logs is beside. Ctrl-C ends it.
"""


def look(stack: ExitStack, home: Path = HOME) -> None:
    """Start the accounts, a warehouse and Airflow, and wait for a signal.

    Args:
        stack: takes what is to be stopped at the end.
        home: folder of what is left.

    Raises:
        DemoError: something does not start.
    """
    home.mkdir(parents=True, exist_ok=True)
    sys.stdout.write("Setting up; the first time this takes a minute …\n")
    sys.stdout.flush()
    for left_over in home.glob("airflow.db*"):
        left_over.unlink()
    # Or the tasks' pages show what an earlier look logged in the same hour.
    shutil.rmtree(home / "logs", ignore_errors=True)
    server = stack.enter_context(postgres(home / "postgres"))
    connections = {}
    for name, _, options in ACCOUNTS:
        token = f"token-of-{name}"
        arguments = (f"--token={token}", *options)  # Of two tokens the last one counts.
        source = stack.enter_context(account(home / f"{name}.log", *arguments))
        connections[f"northflank_{name}"] = (source.url, token)
    url = f"http://127.0.0.1:{free_port(8080)}"
    databases = {
        "TARGET_POSTGRES_SQLALCHEMY_URL": loader_url(server.make("warehouse")),
        # Its own, so that states go with their warehouse.
        "MELTANO_DATABASE_URI": loader_url(server.make("meltano")),
    }
    airflow = Airflow(
        home,
        [{"name": name, **more} for name, more, _ in ACCOUNTS],
        connections,
        {**project(home), **databases},
    )
    try:
        install_plugins(home)
        make_tables(home, databases)
        airflow.set_up(slots=2)
    except subprocess.CalledProcessError as error:
        msg = f"{error.cmd[0]} failed: {(error.stderr or error.stdout).strip()}"
        raise DemoError(msg) from error
    airflow.start(stack, url)
    sys.stdout.write(HINT.format(url=url, dag=DAG, home=os.path.relpath(home)))
    sys.stdout.flush()
    signal.pause()


def make_tables(home: Path, databases: Mapping[str, str]) -> None:
    """Sync an account that has nothing: tasks that start at once cannot all make the tables.

    Args:
        home: folder for the logs.
        databases: environment variables that name the warehouse and Meltano's system database.

    Raises:
        DemoError: it failed.
    """
    with account(home / "nothing.log", "--world=fan-out", "--projects=0") as nothing:
        source = {"API_URL": nothing.url, "API_TOKEN": nothing.token}
        settings = {f"TAP_NORTHFLANK_RESTORES_{name}": value for name, value in source.items()}
        Pipeline(home, {**databases, **settings}).meltano("run", "sync")


def main() -> None:
    """Look until a signal comes."""
    ArgumentParser(prog="./dev airflow", description=__doc__).parse_args()
    stop_on_signals()
    try:
        with ExitStack() as stack:
            look(stack)
    except DemoError as error:
        sys.exit(f"\n{error}.")
    except Stopped as stopped:
        sys.stdout.write("\nStopped, and nothing is left running.\n")
        sys.exit(stopped.exit_code)


if __name__ == "__main__":
    main()
