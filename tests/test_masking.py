"""The token stays secret, whoever repeats it: in the log at any level, in errors, in the state."""

from __future__ import annotations

import json
import logging
import re
import subprocess
from base64 import b64encode, urlsafe_b64encode
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import yaml

from tap_northflank_restores import masking
from tap_northflank_restores.errors import APIError
from tap_northflank_restores.tap import TapNorthflankRestores
from tests.support import COMMAND, Run, command_line, ended, process, tap
from tests.test_transport import answering, response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

# Each character that some form of a text writes in another way, and letters that base64 moves.
TOKEN = r"""nf-Q7w\z"Kp+r/Tm=&v%41<x>'~.J9"""  # noqa: S105 - it opens nothing

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded in lower case": lambda text: re.sub(
        "%..", lambda code: code[0].lower(), quote(text, safe="")
    ),
    "percent-encoded but for slashes": quote,
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[1:-1],
    "JSON by numbers": lambda text: re.sub(r"\W", lambda found: rf"\u{ord(found[0]):04x}", text),
    "repr": lambda text: repr(text)[1:-1],
    "repr of repr": lambda text: repr(repr(text)),
    "HTML": escape,
    "HTML by numbers": lambda text: re.sub(r"\W", lambda found: f"&#{ord(found[0])};", text),
    "lower case": str.lower,
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in a URL": lambda text: quote(b64encode(text.encode()), safe=""),
    "base64 with u": lambda text: b64encode(f"u:{text}".encode()).decode(),
    "base64 with us": lambda text: b64encode(f"us:{text}".encode()).decode(),
    "base64 with use": lambda text: b64encode(f"use:{text}".encode()).decode(),
}
each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def assert_hidden(text: str, token: str = TOKEN) -> None:
    """No six characters in a row of any form of the token are in the text."""
    found = set()
    for name, form in FORMS.items():
        written = form(token)
        parts = {written[at : at + 6] for at in range(len(written) - 5)}
        if name.startswith("base64 with"):
            parts -= {part for part in parts if written.index(part) < 5}  # the user's own letters
        # Six digits may be those of a time of day.
        found |= {part for part in parts if part in text and not part.isdigit()}
    assert not found, text


@each_form
def test_each_form_of_a_secret_is_masked(form: Callable[[str], str]) -> None:
    masking.hide(TOKEN)

    text = masking.masked(f"before {form(TOKEN)} after, before {form(TOKEN)} after")

    assert text.count(masking.MASK) == 2
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert_hidden(text)


def test_a_secret_that_has_another_in_it_is_masked_whole() -> None:
    masking.hide("secret")
    masking.hide("secret-of-mine")

    assert masking.masked("a secret-of-mine and a secret") == "a *** and a ***"


@pytest.mark.parametrize("form", [FORMS["plain"], FORMS["base64"], FORMS["base64 with us"]])
@pytest.mark.parametrize("length", [8, 12, 50, 99])
def test_what_somebody_has_cut_off_of_a_token_is_masked(
    form: Callable[[str], str], length: int
) -> None:
    token = "eyJhbGciOi.eyJ1c2Vy-_Zq8xK4" * 5
    masking.hide(token)
    assert_hidden(masking.masked(f"{form(token)[: length + 12]}…"), token)


@pytest.mark.parametrize("secret", ["", "a", "abc"])
def test_what_is_too_short_for_a_secret_does_not_put_stars_into_each_line(secret: str) -> None:
    masking.hide(secret)

    assert masking.masked("abc and abc") == "abc and abc"


@pytest.mark.parametrize(
    "text",
    ["\\" * 100_000, "%25" * 100_000, "&#0" + "0" * 100_000, "n" * 1_000_000, TOKEN[:-1] * 999],
)
def test_a_long_text_is_masked_in_one_pass(text: str) -> None:
    """It would take minutes otherwise; the time limit of a test is one."""
    masking.hide("\\" * 50 + "x")
    masking.hide(TOKEN)

    assert len(masking.masked(text)) <= len(text)


# A server that repeats the token -------------------------------------------------------------


def redirect(token: str) -> bytes:
    """A redirect to a path with the token, which urllib3 logs."""
    return response(b"", f"Location: /v1/{token}/x?y={token}", status="302 Found")


def page(token: str) -> bytes:
    return json.dumps(
        {"data": {token: token}, "pagination": {"hasNextPage": token, token: token}}
    ).encode()


def an_error(token: str, length: int = 0) -> bytes:
    return json.dumps({"error": {"message": "x" * length + token, "id": token}}).encode()


PLACES: dict[str, Callable[[str], bytes]] = {
    "the status line": lambda token: response(b"", status=f"400 {token}"),
    "the status line, where it is cut": lambda token: response(
        b"", status=f"503 {'x' * 139}{token}"
    ),
    "a message": lambda token: response(an_error(token), status="500 Oops"),
    "a message, where it is cut": lambda token: response(an_error(token, 185), status="500 Oops"),
    "HTML": lambda token: response(f"<html>{token}</html>".encode(), status="502 Bad Gateway"),
    "a body of another shape": lambda token: response(page(token)),
    "a body that is no JSON": lambda token: response(token.encode()),
    "the path of a redirect": redirect,
    "the host of a redirect": lambda token: response(
        b"", f"Location: http://{token}.example/{token}", status="302 Found"
    ),
    "the user of a redirect": lambda token: response(
        b"", f"Location: http://me:{token}@example/", status="302 Found"
    ),
    "a header": lambda token: response(b"", f"X-Echo: {token}", f"{token}: x", status="400 No"),
    "a header that is none": lambda token: response(b"", f"{token}", status="400 No"),
    "headers that are odd": lambda token: (
        f"HTTP/1.1 400 No\r\nA: b\r\n{token} {token}\r\n{token}\r\n\r\n{token}".encode()
    ),
    "a cookie": lambda token: response(b"", f"Set-Cookie: {token}={token}", status="403 No"),
    "a limit": lambda token: response(
        b"", f"x-ratelimit-reset: {token}", f"Retry-After: {token}", status="503 No"
    ),
    "a length": lambda token: response(b"", length=token),
    "an encoding": lambda token: response(token.encode(), f"Content-Encoding: gzip, {token}"),
    "a chunk": lambda token: (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{token}\r\n".encode()
    ),
    "no HTTP at all": lambda token: f"{token}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@each_form
def test_a_server_that_repeats_the_token_does_not_bring_it_into_the_log(
    monkeypatch: pytest.MonkeyPatch,
    place: Callable[[str], bytes],
    form: Callable[[str], str],
) -> None:
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    if place is PLACES["a chunk"] and ";" in form(TOKEN):
        pytest.skip("what is behind a semicolon is an extension, so no form is whole")
    with answering(place(form(TOKEN))) as server:
        run = read(f"http://127.0.0.1:{server.port}")

    assert run.exit_code != 0
    assert f"Bearer {TOKEN}".encode() in server.asked[0]
    assert "Traceback" in run.stderr
    assert_hidden(run.stderr + run.stdout)


def read(url: str, **settings: Any) -> Run:
    settings = {"api_url": url, "api_token": TOKEN, "addons": ["p/a"], **settings}
    with command_line(None, **settings) as words:
        return tap(*words)


def test_a_body_over_the_limit_after_a_redirect_does_not_bring_the_token_into_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    monkeypatch.setattr("tap_northflank_restores.transport.MAX_BODY", 1000)
    with answering(redirect(quote(TOKEN, safe=""))) as server:
        answer = server._answer  # noqa: SLF001 - the second answer is another

        def second(connection: Any) -> None:
            answer(connection)
            server.answer = response(b" " * 2000)

        monkeypatch.setattr(server, "_answer", second)
        run = read(f"http://127.0.0.1:{server.port}")

    assert len(server.asked) == 2
    assert_hidden(run.stderr + run.stdout)


LOG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "singer_sdk.logging.StructuredFormatter"}},
    "handlers": {
        "json": {"class": "logging.StreamHandler", "formatter": "json"},
        "file": {"class": "logging.FileHandler", "filename": "FILE"},
        "late": {"class": "logging.handlers.MemoryHandler", "capacity": 9, "target": "file"},
    },
    "root": {"level": "DEBUG", "handlers": ["json"]},
    "loggers": {
        "urllib3": {"level": "DEBUG", "handlers": ["file"]},
        "tap-northflank-restores": {"level": "DEBUG", "handlers": ["late"]},
    },
}


def test_a_log_that_a_user_set_up_is_masked_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written = tmp_path / "tap.log"
    path = tmp_path / "log.yml"
    path.write_text(yaml.safe_dump(LOG).replace("FILE", str(written)))
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", str(path))
    with (
        answering(response(an_error(TOKEN), f"{TOKEN}", status=f"400 {TOKEN}")) as server,
        command_line(
            None,
            api_url=f"http://127.0.0.1:{server.port}",
            api_token=TOKEN,
            addons=["p/a"],
        ) as words,
        process(words) as running,
    ):
        run = ended(running)

    assert run.exit_code == 5
    texts = [json.loads(line) for line in run.stderr.splitlines()]
    assert any("exception" in text for text in texts)
    log = written.read_text()
    assert "GET /v1/projects/p/addons/a/restores: 400 ***" in log
    assert_hidden(run.stderr + run.stdout + log)


def test_what_goes_to_standard_error_without_the_log_is_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TAP_NORTHFLANK_RESTORES_API_TOKEN", "nf-secret-token")
    monkeypatch.setenv("LOGLEVEL", "nf-secret-token")
    with process(["--version"]) as running:
        run = ended(running)

    assert run.exit_code == 2
    assert run.stderr == "LOGLEVEL takes DEBUG, INFO, WARNING or ERROR, not '***'.\n"


# Proxies, settings, programs -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("proxy", "secrets"),
    [
        ("http://robot:swordfish@localhost:1", ["swordfish"]),
        ("http://robot:sword%40fish@localhost:1", ["sword%40fish", "sword@fish"]),
        ("http://robot:sword/f@sh@localhost:1", ["sword/f@sh"]),
        ("http://key-of-a-proxy@localhost:1", ["key-of-a-proxy"]),
        ("robot:swordfish@localhost:1", ["swordfish"]),
    ],
)
def test_the_password_of_a_proxy_is_masked(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str, secrets: list[str]
) -> None:
    monkeypatch.setenv(name, proxy)
    masking.hide_proxies()

    for secret in secrets:
        code = b64encode(f"robot:{secret}".encode()).decode()
        text = masking.masked(f"Cannot reach {proxy} as {secret} ({code})")
        assert secret not in text
        assert code[9:-4] not in text
        assert text.startswith("Cannot reach ")


def test_a_proxy_that_fails_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    with answering(response(b"", status="407 sword-fish")) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://robot:sword-fish@127.0.0.1:{server.port}")
        run = read("http://northflank.example")

    assert b64encode(b"robot:sword-fish") in server.asked[0]
    assert run.exit_code != 0
    assert_hidden(run.stderr + run.stdout, "sword-fish")


def test_the_password_of_a_proxy_in_a_dotenv_is_masked(tmp_path: Path) -> None:
    lines = (
        "TAP_NORTHFLANK_RESTORES_API_TOKEN=a-token",
        "TAP_NORTHFLANK_RESTORES_API_URL=http://northflank.example",
        "HTTP_PROXY=http://robot:sword-fish/x1@host:99",
    )
    (tmp_path / ".env").write_text("\n".join(lines))
    # A process of its own, as its environment is changed.
    command: list[str | Path] = [COMMAND, "--config", "ENV"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603

    assert run.returncode == 2
    assert "proxy" in run.stderr
    assert_hidden(run.stderr + run.stdout, "sword-fish")


def test_settings_in_the_place_of_a_path_are_not_shown() -> None:
    run = tap("--config", json.dumps({"api_token": TOKEN}))

    assert run.exit_code == 2
    assert (
        run.error == "--config takes the path of a file, or ENV, and not the settings themselves."
    )
    assert_hidden(run.stderr + run.stdout)


@pytest.mark.parametrize(
    "content",
    [
        '{"api_token": "%s"',
        '{"api_token": "%s\n"}',
        '["api_token", "%s"]',
        '"%s"',
        "api_token: %s",
        '{"api_token": ["%s"]}',
        '{"api_token": {"value": "%s"}}',
        '{"api_token": "two words %s"}',
        '{"api_token": "%s", "stream_maps": "%s"}',
        '{"api_token": "%s", "batch_config": {"storage": "%s"}}',
        '{"api_token": "%s", "page_size": "%s"}',
        '{"api_token": "%s", "start_date": "' + "x" * 70 + '%s"}',
    ],
)
@pytest.mark.parametrize("argument", [[], ["--discover"], ["--test"]])
def test_a_config_that_cannot_be_used_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, argument: list[str]
) -> None:
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    path = tmp_path / "config.json"
    path.write_text(content.replace("%s", "nf-Zq8-xK4-wV2-jH6"))

    run = tap("--config", str(path), *argument)

    assert run.exit_code == 2 or argument == ["--discover"]
    assert_hidden(run.stderr + run.stdout, "nf-Zq8-xK4-wV2-jH6")


def test_an_error_of_the_tap_does_not_hold_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """A program that has the tap as a part may log what it likes of it."""
    caplog.set_level(logging.CRITICAL)
    with answering(response(an_error(TOKEN), status=f"400 {TOKEN}")) as server:
        made = TapNorthflankRestores(
            config={
                "api_url": f"http://127.0.0.1:{server.port}",
                "api_token": TOKEN,
                "addons": ["p/a"],
            }
        )
        with pytest.raises(APIError) as raised:
            made.sync_all()

    assert_hidden(f"{raised.value} {raised.value!r} {made.state}")
