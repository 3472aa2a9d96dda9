"""No token, password or URL of a destination is in anything that the commands send or print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from northflank_restore_report.delivery import TOKEN, URLS, Destination, Mask
from northflank_restore_report.options import DSN
from tests.alerts.support import database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.alerts.support import Marts, Receiver

    Run = Callable[..., tuple[int, str, str]]

SECRET = "xoxb-T0pS3cret-9f"  # noqa: S105


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("", f"Where to? Set {URLS}, or give --destinations with a file\n"),
        (SECRET, f"Entry 1 of 1 in {URLS} is not a URL of Apprise\n"),
        (f"ops=json://h/{SECRET} {SECRET}", f"Entry 2 of 2 in {URLS} is not a URL of Apprise\n"),
        (f"json://h/{SECRET} json://h/{SECRET}2", f"Of several URLs in {URLS} each needs a name"),
        (f"a=json://h/{SECRET} a=json://h/{SECRET}2", f"Two URLs in {URLS} have one name\n"),
        (f"ops=nosuch://{SECRET}", "Apprise cannot read the URL of ops: compare"),
        (f"ops=pagerduty://{SECRET}", "Apprise cannot read the URL of ops: compare"),
        (f"pagerduty://{SECRET}", "Apprise cannot read the URL of alerts: compare"),
    ],
)
def test_a_destination_that_cannot_be_used_is_not_shown(  # noqa: PLR0917 - fixtures
    marts: Marts, run: Run, value: str, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(DSN, marts.dsn)
    monkeypatch.setenv(URLS, value)
    code, out, err = run("alerts")
    assert (code, out) == (2, "")
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert SECRET not in err
    file = tmp_path / "destinations"
    file.write_text(f"# {SECRET}\n{value}\n".replace(" ", "\n"))
    code, out, err = run("alerts", "--destinations", str(file))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert SECRET not in err


@pytest.mark.parametrize(
    "arguments",
    [
        [f"slack://{SECRET}"],
        ["--destinations", f"slack://{SECRET}"],
        ["--urls", f"slack://{SECRET}"],
        ["--job", f"slack://{SECRET}"],
        ["--max-age", SECRET],
        ["--dsn", f"postgresql://me:{SECRET}@127.0.0.1:1/w"],
    ],
)
def test_what_should_not_be_on_a_command_line_is_not_repeated(
    marts: Marts, run: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN, marts.dsn)
    code, out, err = run("alerts", *arguments)
    assert (code, out) == (2, "")
    assert SECRET not in err


def test_secrets_are_in_no_message_and_no_output(
    marts: Marts, receiver: Receiver, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They might be in what a job failed with, or in the name that somebody gave a database."""
    token, password = "nf-api-t0ken-of-acme", "hunter2"
    monkeypatch.setenv(TOKEN, token)
    monkeypatch.setenv(DSN, marts.dsn.replace("postgres@", f"postgres:{password}@"))
    monkeypatch.setenv(URLS, receiver.destination("ops", f"me:{SECRET}"))
    # The last one is where a line is cut.
    said = f"{token} {password} {SECRET} other://you:swordfish!@host Bearer abcdef "
    said += "x" * (175 - len(said)) + f" {SECRET}"
    marts.write([database("shop/orders", "failing", reason=said)])
    printed = "".join(map(str, run("alerts", "--job", f"hourly=1: {said}")))
    receiver.refusing = {"ops"}
    printed += "".join(map(str, run("alerts", "--job", f"daily=1: {said}")))
    printed += "".join(map(str, run("alerts", "--dry-run")))
    receiver.refusing = set()
    printed += "".join(map(str, run("alerts")))
    kept = str(marts.rows("SELECT * FROM restore_analytics_alerts.jobs"))
    for text in (*receiver.bodies(), printed, kept):
        assert text
        for secret in (token, password, SECRET[:8], "swordfish", "abcdef", receiver.url):
            assert secret not in text
    assert len(receiver.bodies()) == 2


def test_words_of_a_destination_are_no_secrets() -> None:
    """Or a channel of the database's name would hide the database."""
    places = [
        Destination("a", "json://shop@127.0.0.1/orders"),
        Destination("b", f"json://h/{SECRET}"),
    ]
    mask = Mask("postgresql://orders:hunter2@127.0.0.1/shop", places)
    assert mask(f"shop/orders on 127.0.0.1, {SECRET}") == "shop/orders on 127.0.0.1, ***"
