"""Odd text and odd numbers: no character stops a load, and none is silently another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_northflank_restores import texts
from tests.support import Run, partitions, selecting, small_world, sync
from tests.test_batches import batches, records_of
from tests.test_transport import answering, read, response

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server

BAD = "\ufffd"


def body(name: str, *items: str) -> bytes:
    """Return the body of a list, of items as JSON."""
    text = f'{{"data":{{"{name}":[{",".join(items)}]}},"pagination":{{"hasNextPage":false}}}}'
    return text.encode()


def restore(value: str) -> str:
    """Return a restore whose backupId is this JSON."""
    return (
        '{"id":"r","status":"completed","restoreTimestamp":"2026-01-01T00:00:00.000Z",'
        f'"completedAt":"2026-01-01T00:01:00.000Z","backupId":{value}}}'
    )


def answered(content: bytes, **settings: Any) -> Run:
    with answering(response(content)) as odd:
        return read(f"http://127.0.0.1:{odd.port}", **settings)


@pytest.mark.parametrize(
    ("raw", "read_as"),
    [
        (rb"a\u0000b", f"a{BAD}b"),
        (rb"\u0000\u0000", BAD * 2),
        (rb"cut \ud83d", f"cut {BAD}"),
        (rb"\uD83D cut", f"{BAD} cut"),
        (rb"\ude00", BAD),
        (rb"\ude00\ud83d", BAD * 2),
        (rb"\ud83d\ude00", "😀"),
        (rb"\uD83D\uDE00", "😀"),
        (rb"\ud83d\ud83d\ude00", f"{BAD}😀"),
        (rb"\ud83d\u0041", f"{BAD}A"),
        (rb"\ud83d\n", f"{BAD}\n"),
        (rb"\u00e9\u0001", "é\x01"),
        (rb"\\u0000", r"\u0000"),
        (rb"\\\u0000", f"\\{BAD}"),
        (rb"\\\\ud83d", r"\\ud83d"),
        (rb"\"\ud83d\"", f'"{BAD}"'),
        ("é😀".encode(), "é😀"),
        (b"\xe9t\xe9", f"{BAD}t{BAD}"),
        (b"\xed\xa0\xbd", BAD * 3),
        (b"a\x00b", f"a{BAD}b"),
        ("\ufeff".encode(), "\ufeff"),
    ],
)
def test_a_character_that_no_loader_takes_is_replaced(raw: bytes, read_as: str) -> None:
    content = body("restores", restore('"?"')).replace(b"?", raw)

    run = answered(content)

    assert run.exit_code == 0, run.stderr
    (record,) = run.records["restores"]
    assert record["backupId"] == read_as
    assert r"\u0000" not in run.stdout.replace(r"\\", "")


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8"]
)
def test_a_body_in_another_encoding_of_unicode_is_read(encoding: str) -> None:
    content = body("restores", restore('"é😀"')).decode().encode(encoding)

    (record,) = answered(content).records["restores"]

    assert record["backupId"] == "é😀"


NESTED = r'{"type":"x","n\u0000te":{"\ud83d":["a\u0000",{"b":"\udfff"}]},"big":1}'
MENDED = {
    "type": "x",
    f"n{BAD}te": {BAD: [f"a{BAD}", {"b": BAD}]},
    "big": 1,
}


@pytest.mark.parametrize(
    "settings", [{}, {"stream_maps": {"backups": {}}}, {"batch": True}], ids=str
)
def test_keys_and_what_is_nested_are_mended_whichever_way_the_record_takes(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    content = body("backups", rf'{{"id":"b","config":{NESTED}}}')
    if settings.pop("batch", False):
        settings = batches(tmp_path, 7)

    with answering(response(content)) as odd:
        settings = {**settings, "catalog": selecting("backups")}
        run = read(f"http://127.0.0.1:{odd.port}", **settings)

    assert run.exit_code == 0, run.stderr
    found = run.records["backups"]
    for message in run.messages:
        if message["type"] == "BATCH":
            found += records_of(message)
    (record,) = found
    assert record["config"] == MENDED


def test_an_id_is_the_same_in_the_record_and_in_the_state(server: Server) -> None:
    server.world.add_project("p")
    server.world.add_addon("p", "a")
    odd = "r\x00\x00"
    server.world.add_restore("p", "a", odd, "in-progress")
    server.world.add_restore("p", "a", "b\x00")

    first = sync(server)
    second = sync(server, state=first.state)
    server.world.restores("p", "a")[0]["status"] = "failed"
    third = sync(server, state=second.state)

    assert {record["id"] for record in first.records["restores"]} == {f"r{BAD}{BAD}", f"b{BAD}"}
    assert f"r{BAD}{BAD}" in json.dumps(partitions(first.state)["p", "a"], ensure_ascii=False)
    assert second.records["restores"] == []
    assert [record["status"] for record in third.records["restores"]] == ["failed"]


def test_a_state_with_odd_text_is_read(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(rb'{"bookmarks": {"other": {"note": "\ud83d\u0000"}}}')

    run = sync(server, "--state", str(path))

    assert run.exit_code == 0
    assert run.state["bookmarks"]["other"] == {"note": BAD * 2}


def test_odd_text_in_the_settings_is_mended_too(server: Server, tmp_path: Path) -> None:
    server.world = small_world(a=1)
    path = tmp_path / "more.json"
    path.write_bytes(rb"""{"stream_maps": {"restores": {"note": "'\ud83d\u0000'"}}}""")

    run = sync(server, "--config", str(path))

    assert run.exit_code == 0
    assert run.records["restores"][0]["note"] == BAD * 2


@pytest.mark.parametrize(
    ("number", "read_as"),
    [
        (str(2**64), 2**64),
        (str(-(2**70)), -(2**70)),
        ("9" * 400, int("9" * 400)),
        ("1e300", 1e300),
        ("0.1", 0.1),
        ("-0", 0),
    ],
)
def test_a_number_of_any_size_is_passed_on(number: str, read_as: float) -> None:
    run = answered(body("restores", restore(f'{{"x":{number}}}')))

    assert run.exit_code == 0
    (record,) = run.records["restores"]
    assert json.loads(record["backupId"]) == {"x": read_as}  # a text, as its schema says


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "9" * 5000,
        "01",
        '"\\ud83"',
        '"\\x"',
        '{"a":' * 20_000 + "1" + "}" * 20_000,
    ],
    ids=lambda value: value[:9],
)
def test_what_is_no_json_or_no_number_ends_with_one_line(value: str) -> None:
    run = answered(body("restores", restore(value)))

    assert run.exit_code == 5
    assert "200 with a body that is not as documented" in run.error
    assert "Traceback" not in run.stderr


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    """As with JSON.parse, which the official client uses."""
    run = answered(body("restores", restore('"first","backupId":"last"')))

    assert run.records["restores"][0]["backupId"] == "last"


TEXT = st.text(st.sampled_from('a\\u"0{}dD8cC😀\x00\ud83d\ude00\ufffd'), max_size=12)


@given(st.recursive(TEXT, lambda each: st.lists(each) | st.dictionaries(TEXT, each)), st.booleans())
def test_all_else_of_a_body_stays_as_it_is(value: Any, ascii_only: bool) -> None:
    content = json.dumps([value], ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    mended = json.loads(texts.mended(content))

    if ascii_only:
        assert mended == [by_hand(value)]
    text = json.dumps(mended, ensure_ascii=False)
    assert text.encode()
    assert r"\u0000" not in text.replace(r"\\", "")


def by_hand(value: Any) -> Any:
    """Mend what was decoded, as a check: pairs of surrogates are one character by then."""
    if isinstance(value, str):
        return json.loads(json.dumps(value)).replace("\x00", BAD).translate(HALVES)
    if isinstance(value, list):
        return [by_hand(each) for each in value]
    return {by_hand(name): by_hand(each) for name, each in value.items()}


HALVES = dict.fromkeys(range(0xD800, 0xE000), BAD)
