"""`./dev lock`: brings the locks up to date, and writes what Meltano installs from them.

Meltano installs a plugin again when the arguments of its `pip_url` differ, and does not look into
the files that these name. So each `pip_url` ends with a digest of its files.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

HERE = Path(__file__).parent
ROOT = HERE.parent
PROJECT = ROOT / "meltano.yml"

SCRIPTS = (
    "dbt_duckdb.py",
    "meltano.py",
    "target_duckdb.py",
    "target_jsonl.py",
    "target_postgres.py",
)
"""Files with dependencies, and a lock, of their own."""

EXPORTS = {
    "build.txt": ["--only-group=build"],
    "dbt-duckdb.txt": ["--script=requirements/dbt_duckdb.py"],
    "dbt-postgres.txt": ["--only-group=transform", "--prune=dbt-duckdb"],
    "meltano.txt": ["--script=requirements/meltano.py"],
    "restore-report.txt": [
        *("--package=northflank-restore-report", "--extra=alerts", "--extra=metrics"),
        "--no-emit-workspace",
    ],
    "tap.txt": ["--no-default-groups", "--no-emit-project"],
    "target-duckdb.txt": ["--script=requirements/target_duckdb.py"],
    "target-jsonl.txt": ["--script=requirements/target_jsonl.py"],
    "target-postgres.txt": ["--script=requirements/target_postgres.py"],
}
"""The files that are written, and what `uv export` makes each of."""

HEAD = "# Written by `./dev lock`.\n"
PIP_URL = re.compile(r"(?P<files>pip_url: .*requirements/.*--config-setting=lock=)\w+")
FILE = re.compile(r"requirements/([\w-]+\.txt)")


def lock(*options: str) -> None:
    """Bring uv.lock and the scripts' locks in line with what is asked for.

    Args:
        options: more for `uv lock`: `--check`, `--upgrade`.
    """
    for what in ([], *(["--script", f"requirements/{name}"] for name in SCRIPTS)):
        _uv("lock", "--quiet", *what, *options)


def export(name: str) -> str:
    """Return what a file of requirements must have, by the locks."""
    return HEAD + _uv(
        "export", "--quiet", "--frozen", "--no-header", "--no-annotate", *EXPORTS[name]
    )


def with_digests(text: str, files: dict[str, str]) -> str:
    """Return meltano.yml with the digests of the files that its plugins are installed from.

    Args:
        text: meltano.yml.
        files: the text of each file of requirements.
    """

    def written(match: re.Match[str]) -> str:
        named = "".join(files[name] for name in FILE.findall(match["files"]))
        return match["files"] + hashlib.sha256(named.encode()).hexdigest()[:12]

    return PIP_URL.sub(written, text)


def _uv(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - uv, and arguments of our own
        [find_uv_bin(), *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=False, text=True
    )
    if done.returncode:
        sys.exit(f"uv {arguments[0]} failed, see above")
    return done.stdout


def main() -> None:
    """Write all, and say what has changed."""
    lock(*sys.argv[1:])
    files = {name: export(name) for name in EXPORTS}
    wanted = {HERE / name: text for name, text in files.items()}
    wanted[PROJECT] = with_digests(PROJECT.read_text(encoding="utf-8"), files)
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            sys.stdout.write(f"{path.relative_to(ROOT)} written\n")


if __name__ == "__main__":
    main()
