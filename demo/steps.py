"""The steps of the demo: two syncs of a simulated account into a warehouse, then the answers."""

from __future__ import annotations

import sys
from datetime import date
from typing import TYPE_CHECKING

from demo import DemoError, alert_and_evidence, answers, table
from demo.account import ROOT, account
from demo.pipeline import Pipeline
from demo.postgres import privileges
from demo.progress import say, shown, step
from demo.warehouses import DATA, POSTGRES, Place, check

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from demo.account import Account
    from demo.warehouses import Kind

HOME = ROOT / ".dev" / "demo"
"""Folder of what a demo leaves: the warehouse, and what was logged."""

END = """
The same pipeline on your own account, into your own PostgreSQL:
  install -m 600 .env.example .env   # then put your API token and your PostgreSQL's URL into it
  ./dev meltano --environment=prod run sync sync-daily
  ./dev report             # and these answers, from it
"""

HAS_DBT = sys.version_info < (3, 14)
NO_DBT = """\
No answers here: dbt 1.11 needs a Python from 3.10 to 3.13, and none was found or could be fetched.
Install one, remove .venv, and run this again."""


def demo(
    stack: ExitStack,
    *simulator: str,
    home: Path = HOME,
    plugins: Path | None = None,
    kind: Kind = POSTGRES,
) -> None:
    """Do one thing after the other.

    Args:
        stack: takes what is to be stopped at the end.
        simulator: arguments of the simulator, for another account: `--addons=300`.
        home: folder of what is left.
        plugins: see `Pipeline`.
        kind: the warehouse.

    Raises:
        DemoError: a step failed, or the warehouse is not what it should be.
    """
    check(kind)
    if kind is POSTGRES and (warning := privileges(home / DATA)):
        say(warning)
    home.mkdir(parents=True, exist_ok=True)
    with step(f"{kind.name} starts"):
        place = Place(kind, home, stack)
    with step("A simulated Northflank account starts") as results:
        source = stack.enter_context(account(home / "simulator.log", *simulator))
        # Not before: with an account that does not start, the last demo's warehouse stays.
        place.make()
        for left_over in home.glob("meltano.*"):
            left_over.unlink()
        world = source.world()
        results += [f"{world[name]} {name}" for name in ("projects", "addons", "restores")]
    settings = {
        "TAP_NORTHFLANK_RESTORES_API_URL": source.url,
        "TAP_NORTHFLANK_RESTORES_API_TOKEN": source.token,
        **place.settings,
        **answers.settings(home),
    }
    pipeline = Pipeline(home, settings, plugins=plugins)
    with step("Meltano installs the tap, the loader and dbt, the first time"):
        pipeline.install(*kind.sync, *([kind.models] if HAS_DBT else []))
    with step("First sync, of all that there is") as results:
        pipeline.meltano("run", *kind.sync)
        first = table.after_sync(source.world(), place.url)
        results.append(f"{sum(first.sent.values())} restores sent")
    with step("Second sync, two months later by the simulator's clock") as results:
        source.advance(days=60)
        pipeline.meltano("run", *kind.sync)
        second = table.after_sync(source.world(), place.url, first)
        results.append(f"{sum(second.sent.values())} restores sent")
    say("\n" + "\n".join(table.lines(first, second)))
    say(table.summary(second))
    if not (first.equal and second.equal):
        msg = "The warehouse differs from the account. That is a bug: please report it"
        raise DemoError(msg)
    say("After both syncs it was equal to the account, addon by addon and status by status.")
    if gone := second.gone:
        say(
            f"It keeps the restores of {len(gone)} addons that were deleted between the syncs: "
            "drills and previews."
        )
    if HAS_DBT:
        _answers(pipeline, kind, source, place, home)
    else:
        say(NO_DBT)
    say(f"\n{kind.end}{END}", end="")


def _answers(pipeline: Pipeline, kind: Kind, source: Account, place: Place, home: Path) -> None:
    """Show the answers as they are, and what is told when one changes for the worse."""

    def compute() -> str:
        world = source.world()
        addons = {(addon["projectId"], addon["addonId"]) for addon in world["byAddon"]}
        answers.compute(pipeline, kind.models, home, world["now"], addons)
        return str(world["now"])

    def catch_up() -> None:
        pipeline.meltano("run", *kind.sync)
        compute()

    with step("\nThe models answer, and are tested"):
        now = compute()
    with step("The report is written"):
        page, lines = answers.write(place.url, home / "report")
    say("\n" + "\n".join(lines))
    say("\nThe same as a page, to look at or to print, and as CSV files beside it:")
    say(f"  {shown(page)}\n")
    reports = alert_and_evidence.Reports(place.url, home, pipeline.env)
    alert_and_evidence.chapter(source, reports, page.parent, catch_up, date.fromisoformat(now[:10]))
