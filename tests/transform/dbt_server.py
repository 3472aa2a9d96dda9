"""Runs dbt again and again: imported once, which takes longest, then forked for each run.

A project that was parsed before is not parsed again, which is half of what is left of a build. The
manifest is kept by what it depends on; only folder and database in it are changed.

It runs in dbt's own environment. Each line of its input is a JSON object with the arguments of a
Python program, its environment, a file for its output, and what the manifest depends on; each line
that it writes is an exit code.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# What dbt has imported and parsed is no garbage; looking through it is a fifth of a build.
gc.disable()
for module in ("dbt.adapters.postgres", "dbt.adapters.duckdb"):
    import_module(module)
main: Any = import_module("dbt.cli.main")
Manifest: Any = import_module("dbt.contracts.graph.manifest").Manifest


def run(job: dict[str, Any], manifest: Any) -> None:
    """Run a program that calls dbt, with the manifest if there is one, and end the process."""
    output = os.open(job["output"], os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.argv = job["arguments"]
    if manifest:
        url = os.environ.get("TARGET_POSTGRES_SQLALCHEMY_URL", "")
        move(manifest, str(Path(sys.argv[0]).parent), urlsplit(url).path.removeprefix("/"))
        manifest.build_flat_graph()  # As dbt does when it has parsed.
        main.cli = partial(main.cli, obj={"manifest": manifest, "callbacks": []})
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit(0)


def move(manifest: Any, project: str, database: str) -> None:
    """Let a manifest be that of another folder, and of another database if there is one."""
    for node in (*manifest.nodes.values(), *manifest.sources.values()):
        if getattr(node, "root_path", None):  # Where the CSV file of a seed is.
            node.root_path = project
        if database:
            before, after = f'"{node.database}".', f'"{database}".'
            if getattr(node, "relation_name", None):
                node.relation_name = after + node.relation_name.removeprefix(before)
            node.database = database


manifests: dict[str, Any] = {}
for line in sys.stdin:
    job = json.loads(line)
    parsed = job["parsed"]
    child = os.fork()
    if not child:
        run(job, manifests.get(parsed))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    file = Path(job["parsed_file"])
    if parsed and parsed not in manifests and code == 0 and file.exists():
        manifests[parsed] = Manifest.from_msgpack(file.read_bytes())
    sys.stdout.write(f"{code}\n")
    sys.stdout.flush()
