"""The doctor names the reading that holds, whichever it is, and shows nothing of the account."""

from __future__ import annotations

import dataclasses
import io
import re
import signal
import subprocess
import sys
import time
import typing
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from simulator import Behaviour, Fault, World, serve
from tap_northflank_restores import doctor, openapi
from tap_northflank_restores.doubts import DOUBTS
from tap_northflank_restores.errors import ExitCode
from tests.support import COMMAND, SECONDS, Run, _as_a_process, command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Server

pytestmark = pytest.mark.slow


class Word(NamedTuple):
    """What the doctor must say where a switch has a value."""

    value: Any
    doubt: str
    reading: str
    exit_code: int = 0


SWITCHES: dict[str, list[Word]] = {
    "cursor_on_last_page": [
        Word("absent", "last cursor", "absent"),
        Word("null", "last cursor", "null"),
        Word("present", "last cursor", "present"),
    ],
    "empty_pages": [
        Word(None, "empty pages", "no page is empty"),
        Word(2, "empty pages", "an empty page says that more follows"),
        Word(lambda page: page == 0, "empty pages", "an empty page says that more follows"),
    ],
    "trailing_empty_page": [Word(True, "empty pages", "an empty page follows the last item")],
    "more_without_cursor": [
        Word(False, "next cursor", "a new one on each page"),
        Word(True, "next cursor", "a page says that more follows, and has none", ExitCode.API),
    ],
    "repeat_cursor": [Word(True, "next cursor", "one comes a second time", ExitCode.API)],
    "endless": [
        Word(False, "end of a list", "hasNextPage is false at the end, and each item comes once"),
        Word(
            True,
            "end of a list",
            "empty pages follow each other, each says that more follows",
        ),
    ],
    "round_again": [Word(True, "end of a list", "items come a second time within a list")],
    "order": [
        Word("stable", "order", "the oldest first"),
        Word("reversed", "order", "the newest first"),
        Word("newest_first", "order", "the newest first"),
        Word("shuffled", "order", "another order with each reading of the list"),
    ],
    "cursor_kind": [
        Word(value, "kind of cursor", "not seen: it shows only where a list changes")
        for value in ("position", "after_id")
    ],
    "completed_at_null": [
        Word(False, "completedAt, running", "absent"),
        Word(True, "completedAt, running", "null"),
        Word(True, "completedAt, failed", "null"),
    ],
    "failed_have_completed_at": [
        Word(False, "completedAt, failed", "absent"),
        Word(True, "completedAt, failed", "a time"),
    ],
    "id_kind": [
        Word("hex24", "ids of restores", "24 hex digits in a string"),
        Word("number13", "ids of restores", "13 digits in a string"),
        Word("json-number", "ids of restores", "a JSON number"),
    ],
    "time_format": [
        Word("ms-Z", "times", "ISO 8601, milliseconds, with Z"),
        Word("no-fraction", "times", "ISO 8601, whole seconds, with Z"),
        Word("offset", "times", "ISO 8601, milliseconds, with an offset"),
        Word("microseconds", "times", "ISO 8601, microseconds, with Z"),
    ],
    "restore_timestamp": [
        Word("started", "restoreTimestamp", "when the restore began"),
        Word("backup_created", "restoreTimestamp", "when the backup was made"),
    ],
    "forks_leave_restores": [
        Word(True, "forks", "a fork has an entry among its restores"),
        Word(False, "forks", "not seen: "),
    ],
    "rate_limit": [
        Word(None, "rate limit headers", "on no answer"),
        Word(1000, "rate limit headers", "on each answer, the reset in seconds"),
    ],
}
"""Each switch that stands for a doubt: what the doctor says where it has this value."""

OTHERS = {
    "only_lists": "narrows other switches",
    "rate_window": "a number, not a form",
    "rate_headers": "test_it_tells_of_a_refusal",
    "rate_others": "of the account, not of the API",
    "rate_rounding": "less than a second, which no answer shows",
    "retry_after": "test_it_tells_of_a_refusal",
    "clock_ahead": "a date to retry after counts from the answer's own",
    "team_id": "test_an_organisation_s_token",
    "may_list_projects": "test_a_refusal_is_one_line",
    "may_read_addons": "test_a_refusal_is_one_line",
    "token_projects": "what the token may see is all that there is",
    "token_expired": "test_a_refusal_is_one_line",
    "latency": "how fast answers are",
}
"""Each switch that has no line of its own, and why not, or the test that has it."""

EVERY = [
    pytest.param(name, word, id=f"{name}-{number}-{word.doubt}")
    for name, words in SWITCHES.items()
    for number, word in enumerate(words)
]


def world() -> World:
    """Two projects; an addon with all that restores can be; another made out of its backup."""
    world = World(team="team-zebra")
    world.add_project("zebra-project", "Zebra crossing", "For the zebras only")
    world.add_project("quagga-project", "Quagga crossing")
    world.add_addon("zebra-project", "zebra-db", name="The zebra database", tags=["herd-of-nine"])
    world.advance(days=30)
    for number in range(4):
        world.add_backup("zebra-project", "zebra-db", f"zebra-backup-{number}")
        world.advance(days=1)
        status = ("completed", "failed", "aborted", "completed")[number]
        backup = f"zebra-backup-{number}"
        world.add_restore("zebra-project", "zebra-db", status=status, backupId=backup)
        world.advance(days=1)
    world.add_restore("zebra-project", "zebra-db", status="in-progress", backupId="zebra-backup-3")
    world.add_addon("quagga-project", "quagga-fork", name="The quagga database")
    world.add_restore(
        "quagga-project",
        "quagga-fork",
        takes=timedelta(minutes=5),
        source=("zebra-project", "zebra-db"),
        is_fork=True,
        backupId="zebra-backup-3",
    )
    return world


def private(world: World) -> set[str]:
    """All ids, names, times and other texts of a user that a world has."""
    found: set[str] = {world.team}
    kinds = ("restores", "backups", "backup-schedules", "addon-details")
    lists = [world.listed("projects")]
    lists += [world.listed("addons", item["id"]) for item in world.projects()]
    lists += [world.listed(kind, *key) for key in world.addon_keys() for kind in kinds]  # type: ignore[arg-type]
    for items in lists:
        for item in items:
            found.update(_texts(item))
    return {text for text in found if text not in PUBLIC}


PUBLIC = {"completed", "failed", "aborted", "in-progress", "running", "active", "postgresql"}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def examine(server: Server, *arguments: str, **settings: object) -> Run:
    """Run the doctor in this process against the simulator; settings as for `sync`."""
    before = len(server.requests)
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        command_line(server, *arguments, **settings) as words,
        pytest.MonkeyPatch.context() as patch,
        _as_a_process(),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        patch.setattr(sys, "argv", [doctor.NAME, *words])
        try:
            doctor.main()
        except SystemExit as end:
            code = int(end.code or 0)
    for stream in (stdout, stderr):
        stream.seek(0)
    return Run(code, stdout.read(), stderr.read(), server.requests[before:])


def readings(run: Run) -> dict[str, str]:
    """What the report says of each doubt, in one line each."""
    found = re.findall(
        r"^\[(?P<name>[^\]]+)\].*?\n  here: (?P<here>.*?)\n  tap:  ",
        run.stdout,
        re.DOTALL | re.MULTILINE,
    )
    return {name: " ".join(here.split()) for name, here in found}


def assert_tells_nothing(run: Run, server: Server) -> None:
    """Nothing of the account is in the output, the log included."""
    output = run.stdout + run.stderr
    words = {*private(server.world), server.token}
    assert [w for w in words if re.search(rf"(?<![\w-]){re.escape(w)}(?![\w-])", output)] == []


# The doubts and the switches ----------------------------------------------------------------


def test_each_switch_has_a_word() -> None:
    switches = {field.name for field in dataclasses.fields(Behaviour)}

    assert switches == SWITCHES.keys() | OTHERS.keys()
    assert SWITCHES.keys().isdisjoint(OTHERS)
    for why in OTHERS.values():
        assert " " in why or why in globals(), why


def test_each_value_of_a_switch_has_a_word() -> None:
    hints = typing.get_type_hints(Behaviour, vars(sys.modules["simulator.behaviour"]) | TYPES)
    for name, words in SWITCHES.items():
        if typing.get_origin(hints[name]) is typing.Literal:
            assert {word.value for word in words} == set(typing.get_args(hints[name])), name


TYPES = {"Callable": typing.Callable, "Collection": typing.Collection, "Request": Any}
TYPES |= {"ListKind": str}


def test_each_doubt_is_told_by_a_switch_or_has_none() -> None:
    told = {word.doubt for words in SWITCHES.values() for word in words} | {"Retry-After"}
    without = {"point in time", "restores of a backup", "kept backups", "statuses"}

    assert {doubt.name for doubt in DOUBTS} == told | without


@pytest.mark.parametrize(("name", "word"), EVERY)
def test_it_names_the_reading_that_holds(name: str, word: Word) -> None:
    with serve(world(), Behaviour(**{name: word.value})) as server:
        run = examine(server)

        assert run.exit_code == word.exit_code, run.stderr
        assert readings(run)[word.doubt].startswith(word.reading)
        assert set(readings(run)) == {doubt.name for doubt in DOUBTS}
        assert len(run.requests) <= doctor.REQUESTS == 20
        assert {request.method for request in run.requests} == {"GET"}
        assert max(map(len, run.stdout.splitlines())) <= 80
        assert_tells_nothing(run, server)


@pytest.mark.parametrize(
    ("retry_after", "reading"),
    [("absent", "absent"), ("seconds", "a number of seconds"), ("date", "a date")],
)
def test_it_tells_of_a_refusal(retry_after: Any, reading: str) -> None:
    behaviour = Behaviour(rate_limit=8, rate_window=1, rate_headers=False, retry_after=retry_after)
    with serve(world(), behaviour) as server:
        run = examine(server, rate_limit_max_wait=5)

        assert len(run.requests) <= doctor.REQUESTS
        assert 429 in {request.status for request in run.requests}
        assert readings(run)["Retry-After"] == reading
        assert readings(run)["rate limit headers"] == "on no answer"


def _each(name: str, **changes: object) -> Any:
    def change(body: Any) -> None:
        for item in body["data"][name]:
            item.update(changes)

    return change


def _foreign(body: Any) -> None:
    body["data"]["restores"].append({"id": "of-the-okapi", "status": "completed"})


@pytest.mark.parametrize(
    ("doubt", "match", "change", "before", "after"),
    [
        (
            "statuses",
            "addons/[^/]+/restores$",
            _each("restores", status="rewinding"),
            "only those that are documented",
            "others than documented: rewinding",
        ),
        (
            "statuses",
            "addons/[^/]+/restores$",
            _each("restores", status="Ask Ms Okapi"),
            "only those that are documented",
            "others than documented: one that is no word",
        ),
        (
            "statuses",
            "addons/[^/]+/restores$",
            _each("restores", status=["failed"]),
            "only those that are documented",
            "others than documented: one that is no word",
        ),
        (
            "point in time",
            "addons/[^/]+/restores$",
            _each("restores", backupId=None),
            "not seen: each restore that was seen names a backup",
            "restores without a backupId are listed, perhaps these",
        ),
        (
            "kept backups",
            "/backups$",
            _each("backups", keepForever=True),
            "the list does not say it",
            "the list has properties that may say it, see the differences below",
        ),
        (
            "restores of a backup",
            "/backups/[^/]+/restores$",
            _foreign,
            "not seen: the backup that was asked for has restores of its own addon only",
            "shown under the backup's own addon",
        ),
        (
            "times",
            "addons/[^/]+/restores$",
            _each("restores", restoreTimestamp=5, completedAt="2026-07-01T06:00:00.000Z"),
            "ISO 8601, milliseconds, with Z",
            "ISO 8601, milliseconds, with Z; and also: not as ISO 8601 writes a time",
        ),
    ],
)
def test_what_no_switch_turns_is_told_too(
    server: Server, *, doubt: str, match: str, change: Any, before: str, after: str
) -> None:
    server.world = world()
    regular = examine(server)
    server.faults = [Fault(match, "change", change=change)]

    changed = examine(server)

    assert (readings(regular)[doubt], readings(changed)[doubt]) == (before, after)
    assert "kapi" not in changed.stdout


# Accounts of other shapes -------------------------------------------------------------------


def test_what_is_not_there_is_not_seen(server: Server) -> None:
    server.world.add_project("p")
    server.world.add_addon("p", "a")

    run = examine(server)

    assert run.exit_code == 0
    found = readings(run)
    assert found["empty pages"] == "not seen: no list with more than one page"
    assert found["ids of restores"] == "not seen: no restore"
    assert found["last cursor"] == "absent"


def test_it_goes_on_to_addons_with_restores(server: Server) -> None:
    server.world.add_project("p")
    for number in range(5):
        server.world.add_addon("p", f"empty-{number}")
    server.world.add_addon("p", "used")
    server.world.add_restore("p", "used")

    run = examine(server)

    assert readings(run)["ids of restores"] == "24 hex digits in a string"
    assert len(run.requests) <= doctor.REQUESTS


def test_a_large_account_takes_no_more_requests(server: Server) -> None:
    server.world = World.fan_out(projects=30, addons=40, restores=250)

    run = examine(server)

    assert len(run.requests) <= doctor.REQUESTS
    assert readings(run)["order"] == "the oldest first"


def test_a_company_is_told_nothing_of(server: Server) -> None:
    server.world = World.company(addons=18)

    run = examine(server)

    assert run.exit_code == 0
    ids = {item["id"] for item in server.world.projects()}
    ids |= {addon for _, addon in server.world.addon_keys()}
    assert [i for i in ids if re.search(rf"(?<![\w-]){i}(?![\w-])", run.stdout)] == []


@pytest.mark.parametrize(
    "settings",
    [{"addons": ["zebra-project/zebra-db"]}, {"project_ids": ["zebra-project"]}],
    ids=lambda settings: next(iter(settings)),
)
def test_only_what_the_settings_name_is_asked_for(
    server: Server, settings: dict[str, list[str]]
) -> None:
    server.world = world()

    run = examine(server, **settings)

    assert run.exit_code == 0
    assert "/v1/projects" not in run.asked
    assert not any("quagga" in path for path in run.asked)
    assert readings(run)["restoreTimestamp"] == "when the restore began"


def test_an_organisation_s_token(server: Server) -> None:
    server.world = world()
    server.behaviour.team_id = "team-zebra"

    run = examine(server, team_id="team-zebra")

    assert run.exit_code == 0
    assert_tells_nothing(run, server)


# Ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "reports"),
    [
        ({"token_expired": True}, False),
        ({"may_list_projects": False}, False),
        ({"may_read_addons": False}, True),
    ],
    ids=str,
)
def test_a_refusal_is_one_line(server: Server, behaviour: dict[str, bool], reports: bool) -> None:
    server.world = world()
    server.behaviour = Behaviour(**behaviour)  # type: ignore[arg-type]

    run = examine(server)

    assert run.exit_code == ExitCode.ACCESS
    assert run.error.startswith("GET /v1/projects")
    assert bool(run.stdout) == reports
    assert_tells_nothing(run, server)


def test_settings_are_checked_as_the_tap_does(server: Server) -> None:
    run = examine(server, api_token=None)

    assert run.exit_code == ExitCode.CONFIGURATION
    assert run.error.startswith("Setting api_token is missing")
    assert run.requests == []


def test_a_server_that_fails_is_not_asked_for_ever(server: Server) -> None:
    server.world = world()
    message = "The zebra-db of team-zebra cannot be read"
    server.faults = [Fault("/restores$", "status", status=503, message=message)]

    run = examine(server)

    assert run.exit_code == ExitCode.API
    assert len(run.requests) <= doctor.REQUESTS
    assert len(run.logged("WARNING")) == 4
    assert "would end with code 5" in " ".join(run.stdout.split())
    assert_tells_nothing(run, server)


def test_the_requests_that_are_spent_on_tries_count(server: Server) -> None:
    server.world = world()
    server.faults = [Fault("/projects", "status", status=503, times=4, after=n) for n in range(9)]

    run = examine(server)

    assert len(run.requests) <= doctor.REQUESTS


# Schemas ------------------------------------------------------------------------------------


def test_a_property_that_is_new_or_of_another_type_is_told(server: Server) -> None:
    server.world = world()

    def change(body: Any) -> None:
        for item in body["data"]["restores"]:
            item |= {"durationMs": 5, "status": 7, "secret words": 1}
            item.pop("backupId", None)

    server.faults = [Fault("addons/[^/]+/restores$", "change", change=change)]

    text = " ".join(examine(server).stdout.split())

    assert "restores, not in the schema: durationMs" in text
    assert "restores, never seen here: backupId" in text
    assert "restores, of another type: status (integer, not string)" in text
    assert "secret words" not in text


DOCUMENT = {
    "openapi": "3.0.0",
    "components": {
        "schemas": {
            "Restore": {
                "allOf": [
                    {"properties": {"id": {"type": "string"}, "engine": {"type": "string"}}},
                    {
                        "type": "object",
                        "properties": {
                            "status": {"type": "integer"},
                            "completedAt": {"oneOf": [{"type": "string"}, {"type": "null"}]},
                            "restoreTimestamp": {"type": "string"},
                        },
                    },
                ]
            }
        }
    },
    "paths": {
        "/v1/projects/{projectId}/addons/{addonId}/restores": {
            "get": {
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "properties": {
                                        "data": {
                                            "properties": {
                                                "restores": {
                                                    "type": "array",
                                                    "items": {
                                                        "$ref": "#/components/schemas/Restore"
                                                    },
                                                }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    },
}


def test_the_openapi_document_is_compared(server: Server) -> None:
    server.world = world()
    server.faults = [Fault("/v1/swagger-json$", "wrong_shape", shape=DOCUMENT)]

    _, _, text = examine(server).stdout.partition("The OpenAPI document")

    assert "restores, not in the schema: engine\n" in text
    assert "restores, not in the document: backupId\n" in text
    assert "restores, of another type: status (integer, not string)\n" in text
    assert "projects: not in the document" in text


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (None, "Not compared: the answer is 404."),
        (Fault("swagger-json", "html", status=200), "Not compared: the answer is no JSON."),
        (Fault("swagger-json", "wrong_shape", shape=[]), "Not compared: no OpenAPI document came."),
        (Fault("swagger-json", "drop"), "Not compared: no answer came."),
        (
            Fault("swagger-json", "redirect", to="https://elsewhere.invalid/"),
            "Not compared: asking for it would end the tap with code 5.",
        ),
    ],
    ids=["404", "html", "array", "drop", "redirect"],
)
def test_without_the_openapi_document_a_line_says_so(
    server: Server, fault: Fault | None, said: str
) -> None:
    server.world = world()
    server.faults = [fault] if fault else []

    run = examine(server)

    assert run.exit_code == 0
    assert f"\n{said}\n" in run.stdout
    assert run.asked.count("/v1/swagger-json") == 1


@pytest.mark.parametrize(
    "document",
    [
        {"paths": {"/projects": None}},
        {"paths": {"/projects": {"get": {"responses": {"200": {"$ref": "#/no/such"}}}}}},
        {"paths": {"/projects": {"get": {"responses": {"200": {"schema": {"$ref": "#"}}}}}}},
        {"paths": []},
        {"paths": {"/projects": {"get": {"responses": {"200": {"schema": {"type": 5}}}}}}},
    ],
)
def test_an_odd_document_has_no_properties(document: object) -> None:
    assert openapi.documented(document, "/projects", "projects") is None


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {"properties": {"id": {"type": "string"}, "child": {"$ref": "#/definitions/N"}}}
    schema = {"properties": {"data": {"properties": {"n": {"items": node}}}}}
    document = {
        "definitions": {"N": node},
        "paths": {"/n": {"get": {"responses": {"200": {"schema": schema}}}}},
    }

    found = openapi.documented(document, "/n", "n")

    assert found is not None
    assert found["id"] == found["child.id"] == {"string"}


# The command --------------------------------------------------------------------------------


def test_the_installed_command_takes_its_settings_from_the_environment(server: Server) -> None:
    server.world = world()
    settings = {
        "TAP_NORTHFLANK_RESTORES_API_URL": server.url,
        "TAP_NORTHFLANK_RESTORES_API_TOKEN": server.token,
        "TAP_NORTHFLANK_RESTORES_PROJECT_IDS": "zebra-project",
    }
    run = subprocess.run(  # noqa: S603 - the doctor itself
        [COMMAND.with_name(doctor.NAME), "--config", "ENV"],
        env=settings,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )

    assert run.stdout.startswith("First contact of tap-northflank-restores")


def test_an_interruption_ends_it_in_one_line(server: Server) -> None:
    server.world = world()
    server.behaviour.latency = 30
    with command_line(server) as words:
        started = subprocess.Popen(  # noqa: S603 - the doctor itself
            [COMMAND.with_name(doctor.NAME), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with started as running:
            until = time.monotonic() + SECONDS
            while not server.requests and time.monotonic() < until:
                time.sleep(0.01)
            running.send_signal(signal.SIGTERM)
            stdout, stderr = running.communicate(timeout=SECONDS)

    run = Run(running.returncode, stdout, stderr)
    assert run.exit_code == ExitCode.INTERRUPTED
    assert run.error == "Interrupted; the doctor has changed nothing."
    assert stdout == ""


def test_the_tap_does_not_import_it() -> None:
    code = (
        "import sys, tap_northflank_restores.tap; "
        "print([m for m in sys.modules if m.startswith('tap_northflank_restores.do')])"
    )
    run = subprocess.run(  # noqa: S603 - Python itself
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60
    )

    assert run.stdout == "[]\n"
