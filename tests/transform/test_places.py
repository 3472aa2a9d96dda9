"""Where the project lies: models are computed from where nobody may write, and on odd paths."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.means import bound_by_permissions
from tests.transform.test_package import account
from tests.transform.warehouse import DuckDB, dbt_environment


def run(warehouse: DuckDB, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as somebody whom permissions bind."""
    program = warehouse.project / "run.py"
    return subprocess.run(  # noqa: S603 - of our own
        bound_by_permissions(dbt_environment() / "python", program, *arguments),
        env=os.environ
        | warehouse.environment()
        | {"HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_nobody_may_write_into_the_project(tmp_path: Path) -> None:
    warehouse = DuckDB(tmp_path / "warehouse")
    warehouse.load(account())
    odd = tmp_path / 'it\'s a "$HOME" \N{LATIN SMALL LETTER U WITH DIAERESIS}*'
    warehouse.project = Path(shutil.move(warehouse.project, odd / "transform"))
    folders = [odd, *(path for path in odd.rglob("*") if path.is_dir())]
    before = set(odd.rglob("*"))
    home = tmp_path / "home"
    home.mkdir()
    for folder in folders:
        folder.chmod(0o555)
    try:
        build = ("build", "--select", "+load_freshness")
        done = run(warehouse, home, *build)
        assert done.returncode == 0, done.stdout + done.stderr
        assert warehouse.query("select * from load_freshness")
        done = run(warehouse, home, "docs", "generate")
        assert done.returncode == 1
        line = (
            f"Nothing can be written in {warehouse.project}: set DBT_TARGET_PATH to another folder"
        )
        assert done.stderr.splitlines()[-1] == line
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert set(odd.rglob("*")) == before
    assert list(home.iterdir()) == []
