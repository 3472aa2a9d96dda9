"""Settings: what each takes, and the one line that says so before any request is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.plugin_base import JSONSchemaValidator

from tap_northflank_restores.errors import ConfigurationError
from tap_northflank_restores.settings import SCHEMA, SETTINGS
from tap_northflank_restores.tap import TapNorthflankRestores
from tests.support import Run, command_line, ended, process, small_world, sync, tap

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server

PREFIX = "TAP_NORTHFLANK_RESTORES_"
TOKEN = "nf-secret-token"  # noqa: S105 - it opens nothing
OWN = {
    "api_token",
    "api_url",
    "team_id",
    "project_ids",
    "addons",
    "start_date",
    "page_size",
    "concurrency",
    "rate_limit_reserve",
    "rate_limit_max_wait",
    "request_timeout",
    "user_agent",
}

BAD: dict[str, list[object]] = {
    "api_token": [" ", "two words", "line\nend", "ends\n", "umläut", "bell\x07", 7, ["x"], {}],
    "api_url": [
        "api.northflank.com",
        "HTTPS://api.northflank.com",
        "ftp://api.northflank.com",
        "https://",
        "https:///v1",
        "https://user:pass@api.northflank.com",
        "https://api.northflank.com?x=1",
        "https://api.northflank.com/#top",
        "https://api.northflank.com:port",
        "https://api.northflank.com:99999",
        "https://api northflank.com",
        "https://api.northflank.com\n",
        "https://[::1",
        "https://bücher.example",
        "https://*.northflank.com",
        "https://.northflank.com",
        "https://api.%zz.com",
        "https://[v1.x]",
        "file:///etc/passwd",
        443,
        ["https://api.northflank.com"],
    ],
    "team_id": ["../x", "a?b", "a/b", "a b", "a\n", "a%2Fb", "ä", "a.b", "a_b", 7, ["a"]],
    "project_ids": [
        [],
        "[]",
        ",",
        "p,,q",
        "p q",
        "[p",
        "../x",
        '["p", "p/a"]',
        [""],
        ["../x"],
        ["a?b"],
        ["p", "p/a"],
        ["p\n"],
        [7],
        [None],
        {"p": 1},
    ],
    "addons": [
        [],
        "a",
        "p/a,b",
        ["a"],
        ["p/"],
        ["/a"],
        ["p/a/b"],
        ["p/../a"],
        ["p/a?b"],
        ["p/a\n"],
        [7],
    ],
    "start_date": ["yesterday", "2026-13-01T00:00:00Z", "2026-01-32", "01.02.2026", 7, ["x"]],
    "page_size": [0, -1, 101, 1.5, "0", "many", "1.5", "1_0", True, [10]],
    "concurrency": [0, -1, 33, 1.5, "33", True],
    "rate_limit_reserve": [-1, 1.5, "-1", True],
    "rate_limit_max_wait": [-1, 1.5, "1h", True],
    "request_timeout": [0, -1, 1.5, "60s", True, 86_401, 10**12],
    "user_agent": [" ", "two\nlines", "ends\n", "ümlaut", 7],
}
GOOD: dict[str, list[object]] = {
    "api_token": ["x", "eyJhbGciOi.eyJ1c2Vy.c2ln-_=+/~"],
    "api_url": [
        "http://127.0.0.1:8000",
        "https://api.northflank.com/",
        "https://gateway.example/northflank",
        "http://[::1]:8000",
        "http://api_of-2.northflank:8000",
    ],
    "team_id": ["acme", "Acme-2", "-"],
    "project_ids": [["p"], ["p", "q-1"], ["p", "p"]],
    "addons": [["p/a"], ["p/a", "q-1/b-2"]],
    "start_date": [
        "2026-01-31T00:00:00Z",
        "2026-01-31T00:00:00.123+02:00",
        "2026-01-31T00:00:00",
        "2026-01-31 00:00:00Z",
        "2026-01-31",
    ],
    "page_size": [1, 100],
    "concurrency": [1, 32],
    "rate_limit_reserve": [0, 900],
    "rate_limit_max_wait": [0, 1, 86_400, 10**12],
    "request_timeout": [1, 600, 86_400],
    "user_agent": ["acme-warehouse/1.0 (data@example.com)"],
}


def cases(values: dict[str, list[object]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}={value!r}")
        for name, each in values.items()
        for value in each
    ]


def test_each_setting_of_the_tap_is_tried_here() -> None:
    assert set(BAD) == OWN
    assert set(GOOD) == OWN
    assert {setting.name for setting in SETTINGS} == OWN


@pytest.mark.parametrize("name", sorted(OWN))
def test_each_setting_is_described(name: str) -> None:
    assert SCHEMA["properties"][name]["description"]
    assert SCHEMA["properties"][name]["title"]


def test_the_token_is_marked_as_a_secret_and_the_only_thing_required() -> None:
    assert SCHEMA["properties"]["api_token"]["secret"] is True
    assert SCHEMA["required"] == ["api_token"]


@pytest.mark.parametrize(("name", "value"), cases(BAD))
def test_a_bad_value_ends_with_one_line_that_names_the_setting(
    server: Server, name: str, value: object
) -> None:
    run = sync(server, **{"api_token": TOKEN, name: value})

    assert run.exit_code == 2
    assert run.error.startswith(f"Setting {name} takes ")
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    assert run.requests == []


@pytest.mark.parametrize(("name", "value"), cases(GOOD))
def test_a_good_value_is_taken(name: str, value: object) -> None:
    made = TapNorthflankRestores(config={"api_token": TOKEN, name: value})

    assert made.config[name] == value
    # The SDK has nothing against it either, and sets the same defaults.
    by_the_sdk = {"api_token": TOKEN, name: value}
    assert not [*JSONSchemaValidator(SCHEMA).iter_errors(by_the_sdk)]
    assert made.config == by_the_sdk


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("name", sorted(OWN - {"api_token"}))
def test_a_setting_of_null_or_an_empty_text_takes_its_default(name: str, value: str | None) -> None:
    """Meltano hands on a variable that is there and empty as an empty text."""
    made = TapNorthflankRestores(config={"api_token": TOKEN, name: value})

    assert made.config.get(name) == SCHEMA["properties"][name].get("default")


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_token_is_said_in_one_line_that_says_where_to_set_it(
    server: Server, token: str | None
) -> None:
    run = sync(server, api_token=token)

    assert run.exit_code == 2
    assert run.error.startswith("Setting api_token is missing: ")
    assert run.requests == []
    assert f"{PREFIX}API_TOKEN" in run.error


LISTS = [
    "p,q-1",
    "p, q-1",
    " p ,q-1, ",
    '["p", "q-1"]',
    "['p', 'q-1']",
    "[p, q-1,]",
    '"p","q-1"',
    ["p", "q-1"],
]


@pytest.mark.parametrize("value", LISTS)
def test_a_list_may_be_written_as_a_text(value: object) -> None:
    """In a variable and, as Meltano hands that on, in the config."""
    made = TapNorthflankRestores(config={"api_token": TOKEN, "project_ids": value})

    assert made.config["project_ids"] == ["p", "q-1"]


def test_the_line_of_a_list_says_how_to_write_one(server: Server) -> None:
    run = sync(server, project_ids="shop payments", addons="shop")

    projects, addons = run.logged("ERROR")
    assert projects.endswith(
        'such as shop,payments or ["shop", "payments"], not [\'shop payments\'].'
    )
    assert addons.endswith(
        'such as shop/orders,payments/ledger or ["shop/orders", "payments/ledger"], not [\'shop\'].'
    )


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("page_size", "50", 50),
        ("page_size", " 50 ", 50),
        ("flattening_enabled", "No", False),
        ("flattening_max_depth", "2", 2),
        ("stream_maps", '{"restores": null}', {"restores": None}),
        ("flattening_separator", "", None),
        ("stream_maps", "", None),
    ],
)
def test_a_number_or_an_object_may_be_written_as_a_text(
    name: str, value: str, taken: object
) -> None:
    made = TapNorthflankRestores(config={"api_token": TOKEN, name: value})

    assert made.config.get(name) == taken


def test_the_words_and_the_schema_of_a_setting_say_the_same() -> None:
    for setting in SETTINGS:
        schema = SCHEMA["properties"][setting.name]
        for bound in ("minimum", "maximum"):
            assert str(schema.get(bound, "")) in setting.kind.takes
        assert setting.default is None or setting.kind.is_right(setting.default)


def test_no_settings_at_all_name_the_token() -> None:
    run = tap()

    assert run.exit_code == 2
    assert run.error.startswith("Setting api_token is missing")


def test_each_of_several_bad_settings_has_its_line(server: Server) -> None:
    run = sync(server, page_size=0, concurrency=99, addons=["x"])

    assert run.exit_code == 2
    assert [line.split()[1] for line in run.logged("ERROR")] == [
        "addons",
        "page_size",
        "concurrency",
    ]


@pytest.mark.parametrize("token", [f"{TOKEN} ", f"{TOKEN}\n", f"Bearer {TOKEN}", [TOKEN]])
def test_a_token_that_is_refused_is_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, token: object
) -> None:
    monkeypatch.setenv("LOGLEVEL", "DEBUG")

    run = sync(server, api_token=token)

    assert run.exit_code == 2
    assert TOKEN not in run.stderr + run.stdout


def test_a_token_in_a_url_is_not_shown(server: Server) -> None:
    run = sync(server, api_url=f"https://me:{TOKEN}@api.northflank.com")

    assert run.exit_code == 2
    assert TOKEN not in run.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("addon", "addons"), ("projectids", "project_ids"), ("pagesize", "page_size")],
)
def test_an_unknown_setting_is_warned_of_with_the_one_that_may_be_meant(
    server: Server, typed: str, meant: str
) -> None:
    run = sync(server, **{typed: "x"})

    assert run.exit_code == 0
    assert run.logged("WARNING") == [
        f"Setting {typed} is unknown and has no effect; did you mean {meant}?"
    ]


def test_the_settings_of_the_sdk_are_known(server: Server) -> None:
    run = sync(
        server,
        stream_maps={},
        stream_map_config={},
        flattening_enabled=False,
        flattening_max_depth=0,
        user_agent="acme/1",
    )

    assert run.exit_code == 0
    assert run.logged("WARNING") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stream_maps", "x"),
        ("stream_maps", {"restores": 7}),
        ("stream_maps", {"restores": {"id": "no such name"}}),
        ("stream_maps", {"restores": {"__key_properties__": ["nonesuch"]}}),
        ("flattening_enabled", "x"),
        ("flattening_max_depth", "x"),
        ("batch_config", "x"),
        ("batch_config", {"encoding": {"format": "nonesuch"}, "storage": {"root": "file:///x"}}),
    ],
)
def test_a_bad_setting_of_the_sdk_ends_with_one_line(
    server: Server, name: str, value: object
) -> None:
    run = sync(server, **{name: value})

    assert run.exit_code == 2
    assert run.error
    assert "Traceback" not in run.stderr
    assert run.requests == []


def test_the_api_takes_no_state_that_is_no_object() -> None:
    with pytest.raises(ConfigurationError, match="The state is not a JSON object"):
        TapNorthflankRestores(config={"api_token": TOKEN}, state=["x"])


# From the environment -----------------------------------------------------------------------


def from_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch, *arguments: str, **settings: str
) -> Run:
    """Run with `--config ENV` and nothing but variables."""
    for name, value in {"api_url": server.url, "api_token": server.token, **settings}.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    before = len(server.requests)
    run = tap("--config", "ENV", *arguments)
    return Run(run.exit_code, run.stdout, run.stderr, server.requests[before:])


def test_all_settings_may_come_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.world = small_world(a=2, b=2)

    run = from_environment(
        server,
        monkeypatch,
        team_id=server.world.team,
        addons='["p/b"]',
        start_date="2026-01-01T00:00:00Z",
        page_size="1",
        concurrency="2",
        rate_limit_reserve="0",
        rate_limit_max_wait="1",
        request_timeout="5",
        user_agent="acme/1",
    )

    assert run.exit_code == 0
    assert [request.path for request in run.requests] == [
        "/v1/teams/acme/projects/p/addons/b/restores"
    ] * 2
    assert run.requests[0].query == {"per_page": "1"}
    assert run.requests[0].headers["user-agent"] == "acme/1"


def test_variables_that_are_set_and_empty_are_not_set(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.world = small_world(a=2)
    for name in SCHEMA["properties"]:
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", "")

    run = from_environment(server, monkeypatch)

    assert run.exit_code == 0
    assert run.logged("WARNING") == []
    assert len(run.records["restores"]) == 2
    assert run.requests[0].query == {"per_page": "100"}


def test_an_empty_variable_leaves_the_file_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}PAGE_SIZE", "")

    run = sync(server, "--config", "ENV", page_size=7)

    assert run.requests[0].query == {"per_page": "7"}


def test_a_dotenv_of_the_working_folder_is_read_and_its_empty_lines_are_not_set(
    server: Server, tmp_path: Path
) -> None:
    server.world = small_world(a=1)
    lines = {"API_URL": server.url, "API_TOKEN": server.token, "TEAM_ID": "", "PROJECT_IDS": ""}
    text = "".join(f"{PREFIX}{name}={value}\n" for name, value in lines.items())
    (tmp_path / ".env").write_text(text, encoding="utf-8-sig")

    with process(["--config", "ENV"], cwd=tmp_path) as running:
        run = ended(running)

    assert run.exit_code == 0, run.stderr
    assert len(run.records["restores"]) == 1


def test_a_dotenv_that_is_no_text_ends_with_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfeA\0")

    with process(["--config", "ENV"], cwd=tmp_path) as running:
        run = ended(running)

    assert run.exit_code == 2
    assert run.error.startswith(f"The file {tmp_path / '.env'} cannot be read: ")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("value", [value for value in LISTS if isinstance(value, str)])
def test_a_list_in_the_environment_needs_no_json(
    server: Server, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    server.world.add_project("p")
    server.world.add_project("q-1")

    run = from_environment(server, monkeypatch, project_ids=value)

    assert run.exit_code == 0
    assert run.logged("WARNING") == []
    assert sorted(run.asked) == ["/v1/projects/p/addons", "/v1/projects/q-1/addons"]


def test_a_file_and_the_environment_go_together(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.world = small_world(a=1)
    monkeypatch.setenv(f"{PREFIX}API_TOKEN", server.token)

    run = sync(server, "--config", "ENV", api_token=None)

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page_size", "many"),
        ("page_size", "1.5"),
        ("page_size", "0"),
        ("concurrency", "x"),
        ("concurrency", "33"),
        ("rate_limit_reserve", "-1"),
        ("rate_limit_max_wait", "1h"),
        ("request_timeout", "60s"),
        ("project_ids", "[]"),
        ("project_ids", "[broken"),
        ("project_ids", "../x"),
        ("project_ids", "p q"),
        ("project_ids", ","),
        ("project_ids", '{"p": 1}'),
        ("addons", "a"),
        ("addons", '["p/a", "b"]'),
        ("team_id", "a b"),
        ("start_date", "yesterday"),
        ("api_url", "northflank"),
        ("api_token", ""),
    ],
)
def test_a_bad_value_in_the_environment_ends_with_one_line_that_names_the_setting(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    run = from_environment(server, monkeypatch, **{name: value})

    assert run.exit_code == 2
    assert run.error.startswith(f"Setting {name} ")
    assert "Traceback" not in run.stderr
    assert run.requests == []


@pytest.mark.parametrize("name", ["stream_maps", "stream_map_config", "batch_config"])
def test_a_setting_of_the_sdk_in_the_environment_that_is_no_json_ends_with_one_line(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run = from_environment(server, monkeypatch, **{name: "{broken"})

    assert run.exit_code == 2
    assert name in run.error
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("name", ["flattening_max_depth", "flattening_max_key_length"])
def test_a_number_of_the_sdk_in_the_environment_that_is_none_ends_with_one_line(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run = from_environment(server, monkeypatch, **{name: "deep"})

    assert run.exit_code == 2
    assert name in run.error
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("name", ["LOGLEVEL", f"{PREFIX}LOGLEVEL"])
def test_a_level_of_the_log_that_does_not_exist_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "chatty")

    run = tap("--version")

    assert run.exit_code == 2
    (line,) = run.stderr.splitlines()
    assert line == f"{name} takes DEBUG, INFO, WARNING or ERROR, not 'chatty'."


@pytest.mark.parametrize(
    "content",
    [b"", b"- 1", b"{{{", b"\xff", b"version: 1\nhandlers: {x: {class: no.such.Thing}}"],
    ids=repr,
)
def test_a_configuration_of_the_log_that_is_none_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "log.yml").write_bytes(content)
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", str(tmp_path / "log.yml"))

    run = tap("--version")

    assert run.exit_code == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("The file of SINGER_SDK_LOG_CONFIG cannot be used: ")


# The files of the command line --------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{broken", b"[1]", b"null", b'"x"', b"7", b"\xff\xfe{}"])
def test_a_config_that_is_no_json_object_ends_with_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)

    run = tap("--config", str(path))

    assert run.exit_code == 2
    assert "--config" in run.error
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_config_with_a_byte_order_mark_is_read(
    server: Server, tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps({"api_url": server.url, "api_token": server.token}), encoding=encoding
    )

    assert tap("--config", str(path)).exit_code == 0


@pytest.mark.parametrize("path", ["nonesuch.json", "."])
def test_a_config_that_cannot_be_read_ends_with_one_line_that_names_it(path: str) -> None:
    run = tap("--config", path)

    assert run.exit_code == 2
    assert path in run.error
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("option", ["--state", "--catalog"])
@pytest.mark.parametrize("content", [b"", b"{broken", b"\xff\xfe{}", b"[]", b'"x"', b"7", b"{}x"])
def test_a_state_or_catalog_that_is_none_ends_with_one_line(
    server: Server, tmp_path: Path, option: str, content: bytes
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)

    run = sync(server, option, str(path))

    assert run.exit_code == 2
    assert option.removeprefix("--") in run.error
    assert "Traceback" not in run.stderr
    assert run.requests == []


@pytest.mark.parametrize(
    "catalog",
    [
        {},
        {"streams": None},
        {"streams": {}},
        {"streams": [7]},
        {"streams": [{}]},
        {"streams": [{"tap_stream_id": "restores"}]},
        {"streams": [{"tap_stream_id": "restores", "schema": {}, "metadata": 7}]},
        {"streams": [{"tap_stream_id": "restores", "schema": {}, "metadata": [{}]}]},
    ],
)
def test_a_catalog_of_another_shape_ends_with_one_line(server: Server, catalog: object) -> None:
    run = sync(server, catalog=catalog)

    assert run.exit_code == 2
    assert "catalog" in run.error
    assert "Traceback" not in run.stderr
    assert run.requests == []


def test_null_is_a_state_but_no_catalog(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "null.json"
    path.write_text("null", encoding="utf-8")

    assert sync(server, "--state", str(path)).exit_code == 0
    assert sync(server, "--catalog", str(path)).exit_code == 2


def test_a_process_ends_with_the_exit_code_of_a_wrong_setting(server: Server) -> None:
    with command_line(server, page_size=0) as words, process(words) as running:
        run = ended(running)

    assert run.exit_code == 2
    assert run.error == "Setting page_size takes a whole number from 1 to 100, not 0."
    assert run.stdout == ""
    assert server.requests == []
