"""Lets each tool meet each scenario, and compares the warehouse with the account."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from benchmarks import process
from benchmarks.account import Account
from benchmarks.contenders import (
    AIRBYTE,
    AIRBYTE_LOOKING_BACK,
    BY_THE_BOOK,
    DLT_ENDPOINT,
    DLT_LOAD,
    DLT_LOOKING_BACK,
    TAP,
    Contender,
    Dlt,
)
from simulator.serving import serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.contenders import Restore
    from benchmarks.scenarios import Scenario
    from simulator.serving import Server

TOOLS: list[Contender] = [TAP, BY_THE_BOOK, DLT_LOAD, AIRBYTE]
VARIANTS: list[Contender] = [DLT_ENDPOINT, DLT_LOOKING_BACK, AIRBYTE_LOOKING_BACK]
"""Other settings of the tools, for the scenarios where they make a difference."""
AT_ONCE = 4

Rows = dict[tuple[str, str, str], tuple[str | None, datetime | None]]
"""Status and instant of completion, by project, addon and id."""


class Outcome(msgspec.Struct):
    """What a tool made of a scenario."""

    tool: str
    rows: int
    """Restores that the account has."""
    right: int
    """Those that the warehouse has as the account has them."""
    exit_codes: list[int]
    """Of each sync; -9 for one that did not end."""
    sent: int
    """Restores that the last sync sent."""
    refused: int
    """Requests that were answered with 429."""

    @property
    def failed(self) -> bool:
        """Whether a sync said that something is wrong, or did not end."""
        return any(self.exit_codes)

    @property
    def endless(self) -> bool:
        """Whether a sync had to be killed."""
        return -9 in self.exit_codes  # noqa: PLR2004 - SIGKILL


class Finding(msgspec.Struct):
    """A scenario and what came of it."""

    name: str
    what: str
    twice: bool
    must_fail: bool
    outcomes: list[Outcome]


def run(scenarios: Sequence[Scenario]) -> list[Finding]:
    """Let all tools meet all scenarios, a few at a time: nothing is timed."""
    for tool in (*TOOLS, *VARIANTS):
        _ = tool.python  # Make its environment first, once.
    findings = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for scenario in scenarios:
            tools = TOOLS + (VARIANTS if scenario.variants else [])
            outcomes = list(pool.map(partial(meet, scenario), tools))
            finding = Finding(
                scenario.name,
                scenario.what,
                scenario.then is not None,
                scenario.must_fail,
                outcomes,
            )
            findings.append(finding)
            print(f"{scenario.name}: {scenario.what}", flush=True)
            for outcome in outcomes:
                print(f"  {outcome.tool:24} {tell(finding, outcome)}", flush=True)
    return findings


def meet(scenario: Scenario, tool: Contender) -> Outcome:
    """Let one tool meet one scenario."""
    warehouse: Rows = {}
    exit_codes = []
    sent = 0
    with (
        serve(scenario.world(), scenario.behaviour()) as server,
        TemporaryDirectory(prefix="northflank-benchmark-") as name,
    ):
        server.faults = scenario.faults()
        directory = Path(name)
        account = Account(server.url, server.token, 0)
        for then in (None, scenario.then) if scenario.then else (None,):
            if then:
                then(server)
            exit_codes.append(tool.sync(account, directory, scenario.timeout).exit_code)
            if exit_codes[-1] and tool is TAP:
                print(f"  {process.errors(directory).splitlines()[-1]}", flush=True)
            sent = sum(1 for _ in tool.restores(directory))
            if isinstance(tool, Dlt):
                warehouse = _rows(tool.warehouse(directory))
            else:
                # What a loader does: merge on the key, also what came before a failure.
                warehouse |= _rows(tool.restores(directory))
            tool.keep_state(directory)
        account_rows = _account_rows(server, scenario)
        refused = sum(request.status == 429 for request in server.requests)  # noqa: PLR2004
    right = sum(warehouse.get(key) == row for key, row in account_rows.items())
    return Outcome(tool.name, len(account_rows), right, exit_codes, sent, refused)


def tell(finding: Finding, outcome: Outcome) -> str:
    """Say in a few words what a tool made of a scenario."""
    said = f"{outcome.right} of {outcome.rows}"
    if finding.twice:
        said += f", {outcome.sent} sent again" if finding.name == "nothing changed" else ""
    if outcome.refused:
        said += f", 429 {outcome.refused} times"
    if outcome.endless:
        said += ", did not end"
    elif outcome.failed:
        said += ", error"
    return said


def is_right(finding: Finding, outcome: Outcome) -> bool:
    """Tell whether a tool did what its user needs: all rows, or a word that they are not all."""
    if finding.must_fail:
        return outcome.failed and not outcome.endless
    return outcome.right == outcome.rows and not outcome.failed


def is_silent_loss(outcome: Outcome) -> bool:
    """Tell whether rows are missing or wrong and every sync ended with exit code 0."""
    return outcome.right < outcome.rows and not outcome.failed


def _rows(restores: Iterable[Restore]) -> Rows:
    return {restore.key: (restore.status, _instant(restore.completedAt)) for restore in restores}


def _account_rows(server: Server, scenario: Scenario) -> Rows:
    gone = [fault.match for fault in scenario.faults() if fault.kind == "not_found"]
    return {
        (item["projectId"], item["addonId"], item["id"]): (
            item["status"],
            _instant(item.get("completedAt")),
        )
        for item in server.served_restores()
        if not any(f"/{item['addonId']}/restores" == path for path in gone)
    }


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
