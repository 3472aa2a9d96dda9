"""The seeded company: plausible, reproducible, and moved on by its clock."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from simulator import World
from simulator.company import CAST
from simulator.truth import Key
from simulator.world import instant, timestamp

if TYPE_CHECKING:
    from simulator.truth import Truth
    from simulator.world import Item


COPIES = {"drills", "previews"}


@pytest.fixture
def company() -> World:
    """Return the company without those of its databases that are drilled elsewhere."""
    return World.company()


@pytest.fixture(scope="module")
def _whole() -> World:
    return World.company(addons=len(CAST))


@pytest.fixture
def whole(_whole: World) -> World:
    """Return the company that the demo shows, for looking at."""
    return _whole


def statuses(world: World, project: str, addon: str) -> Counter[str]:
    return Counter(item["status"] for item in world.restores(project, addon))


def everything(world: World) -> list[object]:
    addons = world.addon_keys()
    return [
        world.projects(),
        [world.addons(project["id"]) for project in world.projects()],
        [world.schedules(*key) for key in addons],
        [sorted(world.backups(*key), key=lambda item: str(item["id"])) for key in addons],
        world.all_restores(),
    ]


def test_it_has_a_few_projects_and_a_dozen_databases(company: World) -> None:
    assert len(company.projects()) == 4
    addons = [a for p in company.projects() for a in company.addons(p["id"])]
    assert len(addons) == 12
    types = {"postgresql", "mysql", "mongodb", "redis", "minio", "rabbitmq"}
    assert {addon["spec"]["type"] for addon in addons} == types
    assert {addon["status"] for addon in addons} == {"running", "paused", "deleted"}


def test_its_past_goes_back_eighteen_months(company: World) -> None:
    starts = [instant(item["restoreTimestamp"]) for item in company.all_restores()]
    assert timedelta(days=480) < company.now - min(starts) < timedelta(days=550)
    assert max(starts) < company.now
    assert all(
        instant(item["completedAt"]) < company.now
        for item in company.all_restores()
        if "completedAt" in item
    )


def test_it_has_drilled_each_quarter_failed_and_been_through_an_incident(company: World) -> None:
    quarters = {
        (moment.year, moment.month // 4)
        for item in company.restores("shop", "orders")
        if item["status"] == "completed"
        for moment in [instant(item["restoreTimestamp"])]
    }
    assert len(quarters) >= 5
    days = Counter(item["restoreTimestamp"][:10] for item in company.restores("shop", "orders"))
    ((incident, restores),) = days.most_common(1)
    assert restores == 3
    for addon in ("catalog", "sessions"):
        affected = company.restores("shop", addon)
        assert sum(item["restoreTimestamp"].startswith(incident) for item in affected) == 2
    counts = Counter(item["status"] for item in company.all_restores())
    assert counts["completed"] > 60
    assert counts["failed"] >= 4
    assert counts["aborted"] >= 2
    assert counts["in-progress"] == 1


def test_one_database_was_never_restored_and_one_is_overdue(company: World) -> None:
    assert company.restores("analytics", "exports") == []
    staging = company.restores("analytics", "staging")
    last = max(instant(r["completedAt"]) for r in staging if r["status"] == "completed")
    assert company.now - last > timedelta(days=180)
    assert staging[-1]["status"] == "failed"


def test_restores_take_minutes_to_hours_and_more_for_more_data(company: World) -> None:
    def longest(project: str, addon: str) -> timedelta:
        return max(
            instant(item["completedAt"]) - instant(item["restoreTimestamp"])
            for item in company.restores(project, addon)
            if item["status"] == "completed"
        )

    assert timedelta(minutes=2) < longest("shop", "sessions") < timedelta(minutes=20)
    assert timedelta(hours=1) < longest("shop", "orders") < timedelta(hours=6)


def test_backups_are_kept_for_their_time_and_restores_outlive_them(company: World) -> None:
    backups = company.backups("shop", "orders")
    ages = Counter(item["id"].partition("-")[0] for item in backups)
    assert ages["daily"] == 30
    assert 12 <= ages["weekly"] <= 13
    kept = {(p, a, item["id"]) for p, a in company.addon_keys() for item in company.backups(p, a)}
    used = [(r["projectId"], r["addonId"], r["backupId"]) for r in company.all_restores()]
    assert 0 < sum(key in kept for key in used) < len(used)


def test_a_restore_uses_a_backup_of_before(company: World) -> None:
    for item in company.all_restores():
        backed_up = item["backupId"].split("-")[1]
        assert backed_up <= item["restoreTimestamp"][:10].replace("-", "")


def test_it_is_the_same_for_the_same_seed(company: World) -> None:
    assert everything(World.company(seed=7)) == everything(company)
    other = World.company(seed=8)
    starts, others = (
        [item["restoreTimestamp"] for item in world.restores("payments", "events")]
        for world in (company, other)
    )
    assert set(starts).isdisjoint(others)


def test_time_brings_backups_and_restores_and_ends_what_was_under_way(company: World) -> None:
    before: list[Item] = company.all_restores()
    (under_way,) = [
        r
        for r in company.restores("payments", "ledger")
        if "completedAt" not in r and r["status"] == "in-progress"
    ]
    company.advance(days=90)
    assert under_way["status"] == "completed"
    assert timestamp(company.now - timedelta(days=90)) < under_way["completedAt"]
    new = company.restore_count() - len(before)
    assert 8 <= new <= 20
    assert company.backups("shop", "orders")[-1]["createdAt"] > "2026-09-28"
    assert len(company.backups("shop", "orders")) <= 43


def test_it_does_not_matter_in_how_many_steps_time_passes(company: World) -> None:
    other = World.company()
    company.advance(days=45)
    for _ in range(45 * 6):
        other.advance(hours=4)
    assert everything(other) == everything(company)


def test_it_scales() -> None:
    world = World.company(addons=300, months=36)
    assert len([key for key in world.addon_keys() if key[0].split("-")[0] not in COPIES]) == 300
    assert len({project["id"] for project in world.projects()}) == 17 * 4 + 16 + 16
    assert world.restore_count() > 3000
    ids = [item["id"] for item in world.each_restore()]
    assert len(set(ids)) == len(ids)
    assert world.restores("shop-eu", "orders") != world.restores("shop", "orders")


def test_its_present_may_be_another() -> None:
    then = World().now + timedelta(days=200)
    world = World.company(now=then)
    assert world.now == then
    assert statuses(world, "payments", "ledger")["in-progress"] == 1


# Drills elsewhere ---------------------------------------------------------------------------------


def elsewhere(world: World, tag: str) -> list[Truth]:
    """Return the restores into addons that were made for them."""
    return [t for t in world.truths if t.is_elsewhere and t.target.project == tag]


def test_drills_are_restored_into_scratch_addons_that_are_deleted_later(whole: World) -> None:
    drills = elsewhere(whole, "drills")
    assert {drill.source for drill in drills} == {
        Key("shop", "customers"),
        Key("shop", "returns"),
    }
    assert all(whole.restores(*drill.source) == [] for drill in drills)
    assert {drill.item["status"] for drill in drills} == {"completed", "failed", "in-progress"}
    lives = {life.key: life for life in whole.lives}
    gone = [lives[drill.target] for drill in drills if lives[drill.target].deleted]
    assert len(gone) > 15
    assert all(
        timedelta(hours=1) < life.deleted - life.created < timedelta(days=8)
        for life in gone
        if life.deleted
    )
    there = {drill.target for drill in drills if whole.has_addon(*drill.target)}
    assert len(there) == 3
    assert all(whole.backups(*key) == [] and whole.schedules(*key) == [] for key in there)


def test_the_backup_of_a_drill_elsewhere_is_one_of_the_source(whole: World) -> None:
    for drill in elsewhere(whole, "drills"):
        kept = {item["id"]: item["createdAt"] for item in whole.backups(*drill.source)}
        assert drill.backup_created
        if drill.backup in kept:
            assert kept[drill.backup] == timestamp(drill.backup_created)
        assert timedelta(hours=5) <= drill.started - drill.backup_created < timedelta(days=2)


def test_previews_are_forked_with_a_tag_and_do_not_last(whole: World) -> None:
    forks = elsewhere(whole, "previews")
    assert len(forks) > 10
    assert all(fork.is_fork for fork in forks)
    (alive,) = [fork.target for fork in forks if whole.has_addon(*fork.target)]
    (item,) = [a for a in whole.addons("previews") if a["id"] == alive.addon]
    assert item["tags"] == ["preview"]


def test_there_is_a_cache_without_backups_and_a_database_of_last_month(whole: World) -> None:
    assert whole.backups("shop", "cache") == whole.schedules("shop", "cache") == []
    created = instant(whole.detail("payments", "invoices")["createdAt"])
    assert whole.now - created == timedelta(days=24)
    assert whole.restores("payments", "invoices") == []
    assert min(item["createdAt"] for item in whole.backups("payments", "invoices")) > timestamp(
        created
    )


def test_schedules_that_overlap_make_one_backup(whole: World) -> None:
    intervals = [s["scheduling"]["interval"] for s in whole.schedules("shop", "customers")]
    assert intervals == ["daily", "hourly", "weekly"]
    dumps = [b for b in whole.backups("shop", "customers") if not b["id"].startswith("weekly")]
    hours = [b["createdAt"][:13] for b in dumps]
    assert len(set(hours)) == len(hours)
    of_a_day = [b["id"] for b in dumps if b["createdAt"].startswith("2026-06-30")]
    assert len(of_a_day) == 24
    assert [name for name in of_a_day if not name.startswith("hourly")] == ["daily-20260630-0247"]


def test_backups_of_one_fail_though_its_drills_are_fine(whole: World) -> None:
    backups = whole.backups("analytics", "reports")
    last = max(instant(b["createdAt"]) for b in backups if b["status"] == "completed")
    assert timedelta(days=11) < whole.now - last < timedelta(days=14)
    assert all(b["status"] == "failed" for b in backups if instant(b["createdAt"]) > last)
    assert any(r["status"] == "completed" for r in whole.restores("analytics", "reports"))


def test_ids_of_backups_are_unique_in_their_addon_only(whole: World) -> None:
    def ids(project: str, addon: str) -> set[str]:
        found = [b["id"] for b in whole.backups(project, addon)]
        assert len(set(found)) == len(found)
        return set(found)

    assert len(ids("shop", "customers") & ids("analytics", "reports")) > 20  # types differ
    assert len(ids("shop", "returns") & ids("payments", "disputes")) > 20  # of one type
    same = {"shop/customers"}
    for project, addon in whole.addon_keys():
        (item,) = [a for a in whole.addons(project) if a["id"] == addon]
        if item["spec"]["type"] == "postgresql" and ids(project, addon) & ids("shop", "customers"):
            same.add(f"{project}/{addon}")
    assert same == {"shop/customers"}  # so that its drills can be told from those of others


def test_a_restore_under_way_is_completed_at_the_epoch(whole: World) -> None:
    (odd,) = [t for t in whole.truths if t.item.get("completedAt", "").startswith("1970")]
    assert odd.item["status"] == "in-progress"
    later = World.company(addons=len(CAST))
    later.advance(hours=3)
    ended = later.truth(*odd.target, odd.item["id"]).item
    assert ended["status"] == "completed"
    assert ended["completedAt"] > timestamp(later.now - timedelta(hours=3))


def test_all_of_that_is_the_same_in_any_number_of_steps(whole: World) -> None:
    one, other = (World.company(addons=len(CAST)) for _ in range(2))
    assert everything(one) == everything(whole)
    one.advance(days=20)
    for _ in range(20 * 4):
        other.advance(hours=6)
    assert everything(other) == everything(one)
    assert other.lives == one.lives
