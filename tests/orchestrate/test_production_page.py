"""What docs/production.md offers to paste is something that Meltano takes."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

from demo.account import ROOT

PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(block)[0] for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
NAMES = [example["name"] for example in EXAMPLES]


def test_there_is_an_example_for_each_other_warehouse() -> None:
    assert NAMES == ["target-snowflake", "target-bigquery"]


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_meltano_takes_the_example(example: dict[str, object], tmp_path: Path) -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    project["plugins"]["loaders"].append(example)
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project))
    meltano = str(Path(sysconfig.get_path("scripts")) / "meltano")
    blocks = ["tap-northflank-restores", str(example["name"])]
    done = subprocess.run(  # noqa: S603 - our own command
        [meltano, "--environment=prod", "run", "--dry-run", "--no-install", *blocks],
        cwd=tmp_path,
        env={**os.environ, "MELTANO_PROJECT_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "would have run block 1/1" in done.stderr
