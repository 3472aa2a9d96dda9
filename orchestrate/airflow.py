"""Airflow on this machine, from the environment that `dev` sets up for it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import requests
import yaml

from demo import DemoError
from demo.pipeline import Pipeline
from demo.process import child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ROOT / ".dev" / "airflow" / "bin" / "airflow"
DAG = "northflank_restores"
JOBS = ("sync", "sync-daily", "transform")
PARTS = (["api-server"], ["scheduler", "--skip-serve-logs"], ["dag-processor"])
START_SECONDS = 120


def install_plugins(home: Path) -> None:
    """Install what the DAG's jobs run, as has to be done on each worker.

    Args:
        home: folder for the log.

    Raises:
        DemoError: it failed.
    """
    Pipeline(home, {}).install(*JOBS)


def project(home: Path) -> dict[str, str]:
    """Make a Meltano project of this one, whose runs leave what they write in a folder.

    Returns:
        The environment variables by which the DAG finds it, with the plugins of this one.
    """
    folder = home / "project"
    folder.mkdir(parents=True, exist_ok=True)
    # Meltano follows no link to its own file, and runs the models and the report in this folder.
    shutil.copy(ROOT / "meltano.yml", folder)
    for name in (".venv", "report", "transform"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(ROOT / name)
    return {
        "MELTANO_PROJECT_ROOT": str(folder),
        "MELTANO_SYS_DIR_ROOT": str(ROOT / ".meltano"),
        "XDG_STATE_HOME": str(home),  # where Meltano's logs go
    }


class Airflow:
    """An Airflow with a home, accounts and connections of its own."""

    def __init__(
        self,
        home: Path,
        accounts: Sequence[Mapping[str, object]],
        connections: Mapping[str, tuple[str, str]],
        settings: Mapping[str, str],
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            home: folder of its database, logs and settings.
            accounts: what accounts.yml has under `accounts`.
            connections: the API's URL and a token, by the id of the connection.
            settings: more environment variables, for Airflow and for what its tasks run.
        """
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        file = home / "accounts.yml"
        file.write_text(yaml.safe_dump({"accounts": list(accounts)}))
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "PATH": os.pathsep.join([str(COMMAND.parent), os.environ["PATH"]]),
            "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"])),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "orchestrate" / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NORTHFLANK_ACCOUNTS": str(file),
            **settings,
        }
        for name, (url, token) in connections.items():
            connection = {"conn_type": "http", "host": url, "password": token}
            self.env[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Airflow's to its end, and return its exit code and output."""
        return subprocess.run(  # noqa: S603 - our own commands
            [str(COMMAND), *arguments],
            cwd=self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def start(self, stack: ExitStack, url: str) -> None:
        """Start what makes it schedule, and return when its pages are there.

        Unlike `airflow standalone` it listens on this machine only, and leaves out the triggerer,
        which nothing here needs.

        Args:
            stack: takes what is to be stopped at the end.
            url: where it serves its pages, such as `http://127.0.0.1:8080`.

        Raises:
            DemoError: they do not come.
        """
        host, port = url.removeprefix("http://").split(":")
        environment = {
            **self.env,
            "AIRFLOW__API__HOST": host,
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            # All on one machine, which may be a slow one.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        }
        for name, *options in PARTS:
            process = stack.enter_context(
                child(
                    [str(COMMAND), name, *options],
                    cwd=self.home,
                    log=self.home / f"{name}.log",
                    env=environment,
                )
            )
            if name == "api-server":
                self._wait(process, url)

    def _wait(self, process: subprocess.Popen[bytes], url: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(requests.RequestException):
                requests.get(f"{url}/api/v2/version", timeout=START_SECONDS).raise_for_status()
                return
            if process.poll() is not None or time.monotonic() > deadline:
                msg = f"Airflow does not start; its logs are in {self.home}"
                raise DemoError(msg)
            time.sleep(0.5)

    def set_up(self, slots: int) -> None:
        """Make the database, and a pool for each connection.

        Args:
            slots: how many tasks may use one token at once.
        """
        self.run("db", "migrate").check_returncode()
        pools = self.home / "pools.json"
        pools.write_text(
            json.dumps(
                {
                    name.removeprefix("AIRFLOW_CONN_").lower(): {
                        "slots": slots,
                        "description": "Tasks that use this token at once",
                        "include_deferred": False,
                    }
                    for name in self.env
                    if name.startswith("AIRFLOW_CONN_")
                }
            )
        )
        self.run("pools", "import", str(pools)).check_returncode()


def free_port(preferred: int = 0) -> int:
    """Return a port of 127.0.0.1 that is free now: the preferred one, or else any."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    msg = "There is no free port on 127.0.0.1"
    raise OSError(msg)
