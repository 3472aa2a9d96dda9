"""The image's program says in a line what is missing, before it starts anything."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from demo.account import ROOT

WAREHOUSE = {"TARGET_POSTGRES_SQLALCHEMY_URL": "postgresql://127.0.0.1:1/none"}
COMMANDS = (
    "Give one of these commands: sync, sync-daily, transform, refresh, refresh-and-tell, "
    "report, tell\n"
)
STATE = (
    "The state would be gone with this container: set MELTANO_DATABASE_URI to a PostgreSQL, "
    "or MELTANO_STATE_BACKEND_URI to a bucket\n"
)


@pytest.mark.parametrize(
    ("arguments", "settings", "line"),
    [
        ([], WAREHOUSE, COMMANDS),
        (["sink"], WAREHOUSE, COMMANDS),
        (["report"], {}, "Which warehouse? Set TARGET_POSTGRES_SQLALCHEMY_URL\n"),
        (["sync"], WAREHOUSE, STATE),
        (["sync-daily"], WAREHOUSE, STATE),
        (["refresh"], WAREHOUSE, STATE),
    ],
)
def test_what_is_missing_is_one_line(
    arguments: list[str], settings: dict[str, str], line: str
) -> None:
    ours = ("TARGET_", "MELTANO_")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-I", str(ROOT / "deploy" / "entrypoint.py"), *arguments],
        env={**bare, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
