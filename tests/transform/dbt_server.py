"""Runs dbt again and again: imported once, which takes longest, then forked for each run.

It runs in dbt's own environment. Each line of its input is a JSON object with the arguments of a
Python program, its environment and a file for its output; each line that it writes, an exit code.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from importlib import import_module

for module in ("dbt.cli.main", "dbt.adapters.postgres", "dbt.adapters.duckdb"):
    import_module(module)
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if not child:
        output = os.open(job["output"], os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(job["environment"])
        sys.argv = job["arguments"]
        runpy.run_path(sys.argv[0], run_name="__main__")
        sys.exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stdout.write(f"{code}\n")
    sys.stdout.flush()
