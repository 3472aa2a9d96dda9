"""What the benchmark ran on, and with which versions."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import msgspec

from benchmarks.contenders import AIRBYTE, ASYNCIO, DLT_LOAD

HERE = ["tap-northflank-restores", "singer-sdk", "requests", "msgspec"]
OF_THEIR_OWN = {AIRBYTE: ["airbyte-cdk"], ASYNCIO: ["aiohttp"], DLT_LOAD: ["dlt", "duckdb"]}


class Machine(msgspec.Struct):
    """Where and with what it ran."""

    cpu: str
    cores: int
    memory: int | None
    """Bytes."""
    system: str
    python: str
    versions: dict[str, str]


def describe() -> Machine:
    """Look at this machine."""
    versions = {name: version(name) for name in HERE}
    for tool, names in OF_THEIR_OWN.items():
        ask = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
        for name in names:
            told = subprocess.check_output([tool.python, "-c", ask, name], text=True)  # noqa: S603
            versions[name] = told.strip()
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory=_memory(),
        system=_system(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        versions=versions,
    )


def load() -> float:
    """Return how many processes wanted to run in the last minute, on average."""
    return os.getloadavg()[0]


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform()
    kernel = platform.release().partition("-")[0]
    return f"{name}, {platform.system()} {kernel}"
