"""`northflank-restore-report alerts`: each change is told once to each destination."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import psycopg
import pytest

from northflank_restore_report.delivery import URLS
from northflank_restore_report.message import SHOWN
from northflank_restore_report.options import DSN
from tests.alerts.support import AS_OF, database, part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.alerts.support import Marts, Receiver

    Run = Callable[..., tuple[int, str, str]]

WELL = {"shop/orders": "proven", "shop/users": "proven"}


@pytest.fixture(params=["warehouse", "file"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The options that say where to keep what was told: each place in turn."""
    return [] if request.param == "warehouse" else ["--state", str(tmp_path / "told.json")]


def test_the_first_message_says_how_things_stand(
    marts: Marts, receiver: Receiver, run: Run, told: list[str]
) -> None:
    databases = [
        database("shop/orders", "failing", reason="Failed on 2026-06-30", owner="Shop team"),
        database("shop/users", "proven"),
        database("shop/sessions", "out of scope"),
        database("shop/old", "deleted"),
    ]
    marts.write(
        databases, [part("addons", "shop", stale=True), part("projects", None, stale=False)]
    )
    assert run("alerts", *told, "--where", "https://reports.example/restores") == (
        0,
        "ops: Restores: 2 to act on\n",
        "",
    )
    (body,) = receiver.bodies()
    assert body == (
        "This destination is new. From now on it is told what changes; now this is so:\n"
        "shop/orders: failing; Failed on 30 Jun 2026 (owner: Shop team)\n"
        "addons of shop: read too long ago; last read 28 Jun 2026, 06:00 UTC\n"
        "\n"
        "Of 2 databases, 1 to act on: 1 failing. As of 1 Jul 2026, 06:00 UTC.\n"
        "Where to look: https://reports.example/restores"
    )
    assert run("alerts", *told) == (0, "ops: nothing new\n", "")
    assert len(receiver.bodies()) == 1


def test_a_first_message_comes_also_when_all_is_well(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    marts.write(WELL)
    run("alerts")
    assert receiver.titles() == ["Restores: nothing to act on"]


def test_what_got_worse_is_told_once(
    marts: Marts, receiver: Receiver, run: Run, told: list[str]
) -> None:
    marts.write(WELL)
    run("alerts", *told)
    marts.write({"shop/orders": "overdue", "shop/users": "proven", "shop/new": "never tested"})
    run("alerts", *told)
    run("alerts", *told)
    assert receiver.titles()[1:] == ["Restores: 1 never tested, 1 overdue"]
    assert receiver.bodies()[1].splitlines()[:2] == [
        "shop/new: never tested; It is never tested",
        "shop/orders: overdue, was proven; It is overdue",
    ]
    # Worse again is news, and the same verdict for another reason is none.
    marts.write([database("shop/orders", "failing"), database("shop/users", "proven")])
    run("alerts", *told)
    marts.write(
        [database("shop/orders", "failing", reason="Again"), *[database("shop/users", "proven")]]
    )
    run("alerts", *told)
    assert receiver.titles()[2:] == ["Restores: 1 failing, 1 gone"]


def test_back_and_forth_is_two_changes_for_the_worse(
    marts: Marts, receiver: Receiver, run: Run, told: list[str]
) -> None:
    for verdict in ("proven", "failing", "proven", "failing", "failing", "overdue", "failing"):
        marts.write({"shop/orders": verdict})
        run("alerts", *told)
    assert receiver.titles()[1:] == ["Restores: 1 failing"] * 3


def test_recoveries_are_told_if_asked_for(marts: Marts, receiver: Receiver, run: Run) -> None:
    for verdict in ("failing", "overdue", "proven", "waived"):
        marts.write({"shop/orders": verdict}, [part("addons", "shop", stale=verdict == "failing")])
        run("alerts", "--recoveries")
    assert receiver.titles()[1:] == ["Restores: 2 better", "Restores: 1 better"]
    assert receiver.bodies()[1].splitlines()[:2] == [
        "shop/orders: overdue, was failing; It is overdue",
        "addons of shop: well again; last read 1 Jul 2026, 05:00 UTC",
    ]
    assert receiver.messages["ops"][2]["type"] == "success"


def test_a_database_that_vanished_is_told_and_one_that_is_not_judged_is_not(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    marts.write({"shop/a": "proven", "shop/b": "failing", "shop/c": "overdue", "shop/d": "deleted"})
    run("alerts")
    marts.write({"shop/a": "deleted", "shop/c": "out of scope"})
    run("alerts")
    run("alerts")
    assert receiver.titles()[1:] == ["Restores: 2 gone"]
    assert receiver.bodies()[1].splitlines()[:2] == [
        "shop/b: gone, was failing; no longer in the account",
        "shop/a: gone, was proven; no longer in the account",
    ]
    marts.write({"shop/a": "never tested", "shop/c": "overdue"})
    run("alerts")
    assert receiver.titles()[2:] == ["Restores: 1 never tested, 1 overdue"]


def test_a_delivery_that_failed_is_tried_again_at_that_destination_alone(
    marts: Marts, receiver: Receiver, run: Run, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URLS, f"{receiver.destination('ops')} {receiver.destination('team')}")
    marts.write(WELL)
    run("alerts", *told)
    receiver.refusing = {"ops"}
    marts.write({**WELL, "shop/orders": "failing"})
    assert run("alerts", *told) == (
        3,
        "team: Restores: 1 failing\n",
        "ops: not delivered, HTTP status 500\n",
    )
    assert run("alerts", *told)[0] == 3
    receiver.refusing = set()
    assert run("alerts", *told) == (0, "ops: Restores: 1 failing\nteam: nothing new\n", "")
    assert receiver.titles("ops") == receiver.titles("team")


def test_destinations_may_be_in_a_file(
    marts: Marts, receiver: Receiver, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URLS, "nosuch://secret")
    file = tmp_path / "destinations"
    lines = ["# Where alerts go", receiver.destination("ops"), "", receiver.destination("team")]
    file.write_text("\n".join(lines))
    marts.write(WELL)
    assert run("alerts", "--destinations", str(file))[0] == 0
    assert set(receiver.messages) == {"ops", "team"}


def test_what_needed_no_word_is_known_though_a_delivery_failed(
    marts: Marts, receiver: Receiver, run: Run, told: list[str]
) -> None:
    marts.write({"shop/orders": "failing", "shop/users": "proven"})
    run("alerts", *told)
    receiver.refusing = {"ops"}
    marts.write({"shop/orders": "proven", "shop/users": "overdue"})
    run("alerts", *told)
    receiver.refusing = set()
    marts.write({"shop/orders": "failing", "shop/users": "overdue"})
    run("alerts", *told)
    assert receiver.titles()[1:] == ["Restores: 1 failing, 1 overdue"]


def test_many_changes_are_one_message_that_says_how_many_more(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    names = [f"shop/db-{number:03}" for number in range(300)]
    marts.write(dict.fromkeys(names, "proven"))
    run("alerts")
    worse = {name: "failing" if number < 5 else "overdue" for number, name in enumerate(names)}
    marts.write(worse, [part("addons", f"p-{number}", stale=True) for number in range(40)])
    run("alerts")
    assert receiver.titles()[1:] == ["Restores: 5 failing, 295 overdue, 40 stale"]
    lines = receiver.bodies()[1].splitlines()
    assert lines[SHOWN] == "… and 330 more: 290 overdue, 40 stale"
    assert len(lines) == SHOWN + 4


def test_names_of_others_are_neither_markup_nor_mentions(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    odd = "shop/<!channel> @everyone\n\x1b[31m" + "x" * 400
    marts.write([database(odd, "failing", owner="ops@acme.com")])
    run("alerts")
    (line,) = [line for line in receiver.bodies()[0].splitlines() if line.startswith("shop/")]
    assert "<" not in line
    assert "@everyone" not in line
    assert "\x1b" not in line
    assert len(line) == 200


def test_old_marts_are_told(marts: Marts, receiver: Receiver, run: Run) -> None:
    marts.write(WELL)
    run("alerts")
    marts.write(WELL, age=timedelta(hours=27))
    assert run("alerts", "--max-age", "28")[1] == "ops: nothing new\n"
    run("alerts")
    run("alerts")
    assert receiver.titles()[1:] == ["Restores: 1 stale"]
    assert receiver.bodies()[1].startswith("the marts: too old; last computed ")


def test_a_look_back_tells_nothing(marts: Marts, receiver: Receiver, run: Run) -> None:
    marts.write(WELL)
    run("alerts")
    marts.write({**WELL, "shop/orders": "failing"}, as_of=AS_OF - timedelta(days=90))
    assert run("alerts")[1] == "ops: nothing new\n"
    marts.write(WELL, as_of=AS_OF + timedelta(hours=1))
    assert run("alerts")[1] == "ops: nothing new\n"
    assert len(receiver.titles()) == 1


def test_marts_of_the_future_do_not_silence_those_of_today(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    marts.write(WELL, as_of=datetime.now(timezone.utc) + timedelta(days=200))
    run("alerts")
    marts.write({**WELL, "shop/orders": "failing"})
    run("alerts")
    run("alerts")
    assert receiver.titles()[1:] == ["Restores: 1 failing"]


def test_a_look_back_that_stays_is_told_for_old_marts(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    marts.write(WELL)
    run("alerts")
    back = AS_OF - timedelta(days=90)
    with_failing = {**WELL, "shop/orders": "failing"}
    marts.write(with_failing, as_of=back, age=timedelta(days=30))
    run("alerts")
    run("alerts")
    assert receiver.titles()[1:] == ["Restores: 1 stale"]


def test_a_verdict_of_newer_models_finds_its_place_by_its_rank(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    """Ranks move when a verdict comes between; what was told with the old ranks stays as it is."""
    marts.write({"shop/a": "slow", "shop/b": "proven", "shop/c": "proven"})
    run("alerts")
    new = {"verdict": "unseen", "verdict_rank": 8, "needs_action": True}
    proven = database("shop/b", "proven", verdict_rank=9)
    marts.write([database("shop/a", "slow"), proven, database("shop/c", "proven") | new])
    run("alerts")
    marts.write([database("shop/a", "slow") | new, proven, database("shop/c", "slow")])
    run("alerts")
    assert receiver.titles()[1:] == ["Restores: 1 unseen", "Restores: 1 slow"]


def test_a_dry_run_prints_and_keeps_nothing(
    marts: Marts, receiver: Receiver, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marts.write({"shop/orders": "failing"})
    file = tmp_path / "told.json"
    for options in ([], ["--state", str(file)]):
        code, out, _ = run("alerts", "--dry-run", "--job", "hourly=3", *options)
        assert code == 0
        assert out.startswith("To ops:\n\nRestores: 2 to act on\n\nThis destination is new.")
        assert "job hourly: failed; exit code 3, the token was refused\n" in out
    assert not list(tmp_path.iterdir())
    assert marts.rows("SELECT 1 FROM pg_namespace WHERE nspname LIKE '%alerts'") == []
    assert receiver.messages == {}
    monkeypatch.delenv(URLS)
    assert run("alerts", "--dry-run")[1].startswith("To alerts:\n\nRestores: 1 to act on")
    monkeypatch.setenv(URLS, receiver.destination("ops"))
    run("alerts")
    assert run("alerts", "--dry-run")[1] == "To ops: nothing new\n"


def test_a_job_that_failed_is_told_until_it_succeeds(
    marts: Marts, receiver: Receiver, run: Run, told: list[str]
) -> None:
    marts.write(WELL)
    run("alerts", *told)
    for job in (
        "daily=0",
        "daily=3: GET /v1/projects: 401",
        "daily=3",
        "daily=2",
        "daily=0",
        "daily=1",
    ):
        run("alerts", *told, "--job", job)
    run("alerts", *told)
    assert [body.splitlines()[0] for body in receiver.bodies()[1:]] == [
        "job daily: failed; exit code 3, the token was refused; GET /v1/projects: 401",
        "job daily: failed; exit code 1",
    ]
    assert [message["type"] for message in receiver.messages["ops"][1:]] == ["failure"] * 2


def test_an_end_that_may_pass_is_told_when_the_next_run_ends_so_too(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    marts.write(WELL)
    run("alerts")
    for code in (4, 0, 5, 0, 143, 4):
        run("alerts", "--job", f"hourly sync={code}", "--job", "other=0")
    (body,) = receiver.bodies()[1:]
    assert body.startswith(
        "job hourly sync: failed; exit code 4, the account's quota is used up; 2 in a row since "
    )


def test_the_first_failures_are_passed_over_if_asked_for(
    marts: Marts, receiver: Receiver, run: Run
) -> None:
    marts.write(WELL)
    run("alerts")
    told = []
    for code in (1, 0, 1, 1, 1, 0, 3):
        run("alerts", "--after", "2", "--job", f"hourly={code}")
        told.append(len(receiver.titles()) - 1)
    assert told == [0, 0, 0, 1, 1, 1, 1]


def test_a_job_that_failed_is_told_before_there_are_marts(
    marts: Marts, receiver: Receiver, run: Run, told: list[str]
) -> None:
    code, out, err = run("alerts", *told, "--job", "hourly=2")
    assert (code, out) == (1, "ops: Restores: 1 failed\n")
    assert "does not have the marts" in err
    marts.write(WELL)
    run("alerts", *told)
    assert receiver.titles() == ["Restores: 1 failed", "Restores: 1 to act on"]


def test_with_a_file_a_job_is_told_though_the_warehouse_is_down(
    receiver: Receiver, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN, "postgresql+psycopg://me:hunter2@127.0.0.1:1/warehouse")
    file = ["--state", str(tmp_path / "told.json")]
    assert run("alerts", *file, "--job", "hourly=1: the loader failed")[0] == 1
    code, out, err = run("alerts", *file, "--job", "hourly=1")
    assert (code, out) == (1, "ops: nothing new\n")
    assert err.startswith("Cannot connect to the warehouse")
    assert receiver.titles() == ["Restores: 1 failed"]
    code, out, err = run("alerts", "--job", "hourly=1")
    assert (code, out) == (1, "")
    assert "hunter2" not in err


def test_a_reader_that_may_not_write_is_told_what_to_do(
    marts: Marts, receiver: Receiver, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marts.write(WELL)
    marts.rows(
        "DROP ROLE IF EXISTS looker; CREATE ROLE looker LOGIN;"
        " GRANT USAGE ON SCHEMA restore_analytics TO looker;"
        " GRANT SELECT ON ALL TABLES IN SCHEMA restore_analytics TO looker"
    )
    monkeypatch.setenv(DSN, marts.dsn.replace("postgres@", "looker@"))
    code, _, err = run("alerts")
    assert code == 1
    assert "create schema restore_analytics_alerts authorization" in err
    assert "--state" in err
    assert run("alerts", "--state", str(tmp_path / "told.json"))[0] == 0
    marts.rows("CREATE SCHEMA restore_analytics_alerts AUTHORIZATION looker")
    assert run("alerts")[0] == 0
    assert len(receiver.titles()) == 2
    marts.rows("DROP OWNED BY looker; DROP ROLE looker")


def test_a_file_of_something_else_is_named_and_left(
    marts: Marts, receiver: Receiver, run: Run, tmp_path: Path
) -> None:
    marts.write(WELL)
    file = tmp_path / "told.json"
    for text in ("", "[]", '{"version": 2}', "\x00"):
        file.write_text(text)
        code, _, err = run("alerts", "--state", str(file))
        assert code == 1
        assert f"{file} is none that this version of the command has written" in err
        assert file.read_text() == text
    assert receiver.messages == {}
    (tmp_path / "folder").mkdir()
    code, _, err = run("alerts", "--state", str(tmp_path / "folder"))
    assert code == 1
    assert err.count("\n") == 1


def test_marts_of_two_runs_tell_nothing(marts: Marts, receiver: Receiver, run: Run) -> None:
    marts.write(WELL)
    run("alerts")
    with psycopg.connect(marts.dsn) as connection:
        connection.execute(
            "UPDATE restore_analytics.addon_recoverability SET as_of = now(), verdict = 'failing',"
            " verdict_rank = 4, needs_action = true"
        )
    code, out, err = run("alerts")
    assert (code, out) == (1, "ops: nothing new\n")
    assert err.startswith("The marts are of two runs")
    assert len(receiver.titles()) == 1
