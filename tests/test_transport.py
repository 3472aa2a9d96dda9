"""Below HTTP's good manners: odd bytes, no server, certificates, proxies, and what else is sent."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import tracemalloc
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from simulator import World, serve
from tap_northflank_restores.errors import ExitCode
from tests.support import Run, command_line, small_world, sync, tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simulator import Server

EMPTY = json.dumps({"data": {"restores": []}, "pagination": {"hasNextPage": False}}).encode()
TRIES = 5


class OddServer:
    """Answers each connection with the same bytes, whatever is asked, and closes it."""

    def __init__(
        self,
        answer: bytes,
        tls: ssl.SSLContext | None = None,
        times: int = 1,
        hang_ups: int = 0,
        last_words: bytes = b"",
    ) -> None:
        """Listen on a free port; the first so many connections end before TLS is set up."""
        self.answer = answer
        self.times = times
        self.hang_ups = hang_ups
        self.hung_up = 0
        self._last_words = last_words
        self.asked: list[bytes] = []
        self.sent = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # The tap may turn away, as some tests expect.
            with connection, suppress(OSError):
                connection.settimeout(5)
                if self.hung_up < self.hang_ups:
                    self.hung_up += 1
                    connection.recv(65536)
                    connection.sendall(self._last_words)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(65536)
                elif self._tls:
                    with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                        self._answer(wrapped)
                else:
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := connection.recv(65536)):
                return
            head += more
        self.asked.append(head)
        for _ in range(self.times):
            connection.sendall(self.answer)
            self.sent += len(self.answer)

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@contextmanager
def answering(
    answer: bytes, tls: ssl.SSLContext | None = None, times: int = 1, **odd: Any
) -> Iterator[OddServer]:
    """Serve the same bytes until the block is left, so many times for each request."""
    server = OddServer(answer, tls, times, **odd)
    try:
        yield server
    finally:
        server.close()


def response(body: bytes, *headers: str, status: str = "200 OK", length: object = None) -> bytes:
    """Return an HTTP response."""
    length = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read(url: str, **settings: Any) -> Run:
    """Read one addon from a server that is not the simulator."""
    settings = {"api_url": url, "api_token": "nf-secret-token", "addons": ["p/a"], **settings}
    with command_line(None, **settings) as words:
        return tap(*words)


def zeros(mebibytes: int) -> bytes:
    """Return so many MiB of JSON white space, packed to a thousandth."""
    packer = zlib.compressobj(wbits=31)
    packed = [packer.compress(b" " * 1024 * 1024) for _ in range(mebibytes)]
    return b"".join([*packed, packer.flush()])


def assert_one_line(run: Run, exit_code: int) -> None:
    assert run.exit_code == exit_code, run.stderr
    assert run.error
    assert "Traceback" not in run.stderr
    assert "nf-secret-token" not in run.stderr


ODD: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "half a status line": b"HTTP/1.1 20",
    "no number as status": b"HTTP/1.1 OK\r\n\r\n",
    "HTTP/2 without being asked": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "headers that end early": b"HTTP/1.1 200 OK\r\nContent-Le",
    "more headers than any client takes": response(EMPTY, *(f"x-{n}: y" for n in range(200))),
    "a header of a megabyte": response(EMPTY, "x: " + "y" * 1_000_000),
    "a length that is too long": response(EMPTY, length=len(EMPTY) + 1),
    "a length that is too short": response(EMPTY, length=len(EMPTY) - 1),
    "no body": response(b""),
    "a body of null bytes": response(b"\0" * 100),
    "no UTF-8": response(EMPTY.replace(b"restores", b"rest\xffres")),
    "chunks that end early": response(b'5\r\n{"da', "Transfer-Encoding: chunked", length=""),
    "chunks without a size": response(b"zz\r\n{}\r\n", "Transfer-Encoding: chunked", length=""),
    "gzip that is none": response(EMPTY, "Content-Encoding: gzip"),
    "gzip cut in the middle": response(gzip.compress(EMPTY)[:20], "Content-Encoding: gzip"),
    "an unknown encoding": response(zlib.compress(EMPTY), "Content-Encoding: x-own"),
    "a status beyond all": response(EMPTY, status="999 Odd"),
    "JSON nested too deep": response(b"[" * 100_000),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_odd_bytes_are_tried_five_times_and_end_in_one_line(answer: bytes) -> None:
    with answering(answer) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert len(odd.asked) == TRIES
    assert "5 times" in run.error


UNDOCUMENTED = "a body that is not as documented"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\n <html>Sign in</html>", "HTML (JSON is malformed: "),
        (EMPTY.replace(b"restores", b"x"), f"{UNDOCUMENTED} (no 'restores')"),
        (EMPTY.replace(b"[]", b"7"), f"{UNDOCUMENTED} (Expected `array`, got `int`)"),
    ],
)
def test_an_odd_body_is_told_with_what_is_odd_about_it(body: bytes, said: str) -> None:
    with answering(response(body)) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert run.error.startswith(f"GET /v1/projects/p/addons/a/restores: 200 with {said}")


@pytest.mark.parametrize(
    "answer",
    [
        response(EMPTY),
        response(EMPTY, "x: \xff\xfe"),
        response(gzip.compress(EMPTY), "Content-Encoding: gzip"),
        response(zlib.compress(EMPTY), "Content-Encoding: deflate"),
        response(b"\r\n \t" + EMPTY + b"\n"),
        b"HTTP/1.1 200 OK\r\n\r\n" + EMPTY,
        b"HTTP/1.0 200\r\n\r\n" + EMPTY,
        b"HTTP/1.1 100 Continue\r\n\r\n" + response(EMPTY),
        response(b"%x\r\n%b\r\n0\r\n\r\n" % (len(EMPTY), EMPTY), "Transfer-Encoding: chunked"),
    ],
    ids=range(9),
)
def test_what_http_allows_is_read(answer: bytes) -> None:
    with answering(answer) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert run.exit_code == 0, run.stderr
    assert len(odd.asked) == 1


def test_a_small_response_that_unpacks_to_more_than_64_mib_is_refused_at_once() -> None:
    with answering(response(zeros(65), "Content-Encoding: gzip")) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert "larger than 64 MiB" in run.error
    assert len(odd.asked) == 1


def test_a_response_that_is_too_large_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tap_northflank_restores.client.MAX_BODY", 1024 * 1024)
    head = response(b"", length=10**12)
    with answering(head + b" " * (1024 * 1024 - len(head)), times=1000) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

        assert "larger than 1 MiB" in run.error
        # What the sockets hold between the two has been sent as well.
        assert odd.sent <= 20 * 1024 * 1024


def test_a_response_that_unpacks_to_too_much_is_not_unpacked_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tap_northflank_restores.client.MAX_BODY", 1024 * 1024)
    packed = zeros(100)
    tracemalloc.start()
    with answering(response(packed, "Content-Encoding: gzip")) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "larger than 1 MiB" in run.error
    assert most <= 20 * 1024 * 1024


@pytest.mark.parametrize(("limit", "exit_code"), [(len(EMPTY), 0), (len(EMPTY) - 1, ExitCode.API)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_response_of_just_the_limit_is_read(
    monkeypatch: pytest.MonkeyPatch, limit: int, exit_code: int, *, packed: bool
) -> None:
    monkeypatch.setattr("tap_northflank_restores.client.MAX_BODY", limit)
    answer = response(gzip.compress(EMPTY), "Content-Encoding: gzip") if packed else response(EMPTY)
    with answering(answer) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert run.exit_code == exit_code


def test_an_error_as_long_as_a_book_is_cut_to_one_line() -> None:
    body = json.dumps({"error": {"message": "No! " * 100_000, "id": "x" * 100_000}}).encode()
    with answering(response(body, status="400 Bad Request")) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert len(run.error) < 1000


@pytest.mark.parametrize("reason", ["No! " * 10_000, "No\rreally", "No\x85really"])
def test_a_reason_beside_the_status_is_told_in_one_short_line(reason: str) -> None:
    head = f"HTTP/1.1 400 {reason}\r\nContent-Length: 0\r\n\r\n"
    with answering(head.encode("latin-1")) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert run.error.endswith("Check api_url and the settings that name ids.")
    assert len(run.error) < 1000


@pytest.mark.parametrize(
    "body",
    [
        {"error": None},
        {"error": "no"},
        {"error": ["no"]},
        {"error": {"message": {"de": "nein"}, "id": 7}},
        {"error": {"message": "no\x1b[31m", "id": None}},
        {"message": "no"},
        [],
        None,
    ],
    ids=str,
)
def test_an_error_of_another_shape_is_told_all_the_same(body: object) -> None:
    with answering(response(json.dumps(body).encode(), status="400 Bad Request")) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert "400 Bad Request" in run.error


def test_nobody_at_the_address_is_tried_five_times_and_ends_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    run = read(f"http://127.0.0.1:{port}")

    assert_one_line(run, ExitCode.API)
    assert len(run.logged("WARNING")) == TRIES - 1
    assert "the connection failed" in run.error
    assert str(port) in run.error


def test_a_host_that_does_not_exist_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    run = read("https://api.nonesuch.invalid")

    assert_one_line(run, ExitCode.API)
    assert "api.nonesuch.invalid" in run.error


# Certificates -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A company's own certificate authority."""
    return trustme.CA()


def tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_certificate_that_is_not_trusted_ends_the_sync_at_once(authority: trustme.CA) -> None:
    with answering(response(EMPTY), tls(authority, "127.0.0.1")) as odd:
        run = read(f"https://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert "certificate" in run.error
    assert "REQUESTS_CA_BUNDLE" in run.error
    assert odd.asked == []
    assert run.logged("WARNING") == []


def test_a_certificate_for_another_host_ends_the_sync_at_once(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with answering(response(EMPTY), tls(authority, "northflank.example")) as odd:
        run = read(f"https://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert odd.asked == []


def test_a_certificate_of_the_authority_in_requests_ca_bundle_is_trusted(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with answering(response(EMPTY), tls(authority, "127.0.0.1")) as odd:
        run = read(f"https://127.0.0.1:{odd.port}")

    assert run.exit_code == 0, run.stderr
    assert len(odd.asked) == 1


LAST_WORDS = {"none": b"", "internal error": b"\x15\x03\x03\x00\x02\x02\x50"}


@pytest.mark.parametrize("last_words", LAST_WORDS.values(), ids=LAST_WORDS)
def test_a_server_that_hangs_up_before_tls_is_set_up_is_tried_again(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_words: bytes
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = tls(authority, "127.0.0.1")
    with answering(response(EMPTY), context, hang_ups=4, last_words=last_words) as odd:
        run = read(f"https://127.0.0.1:{odd.port}")

    assert run.exit_code == 0, run.stderr
    assert (odd.hung_up, len(odd.asked)) == (4, 1)


def test_a_server_that_hangs_up_each_time_is_not_said_to_have_a_wrong_certificate(
    authority: trustme.CA,
) -> None:
    with answering(response(EMPTY), tls(authority, "127.0.0.1"), hang_ups=99) as odd:
        run = read(f"https://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert "the connection failed" in run.error
    assert "5 times" in run.error
    assert "certificate" not in run.error
    assert odd.hung_up == TRIES


def test_a_ca_bundle_that_holds_no_certificate_ends_in_one_line(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text("a certificate", encoding="utf-8")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with answering(response(EMPTY), tls(authority, "127.0.0.1")) as odd:
        run = read(f"https://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert "REQUESTS_CA_BUNDLE" in run.error
    assert odd.asked == []
    assert run.logged("WARNING") == []


def test_a_ca_bundle_that_is_not_there_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nonesuch.pem"))

    run = read("https://127.0.0.1:1")

    assert_one_line(run, ExitCode.CONFIGURATION)
    assert "nonesuch.pem" in run.error


def test_https_to_a_server_that_speaks_http_ends_in_one_line(server: Server) -> None:
    run = read(server.url.replace("http://", "https://"))

    assert_one_line(run, ExitCode.API)
    assert server.requests == []


# What is sent besides -----------------------------------------------------------------------


def test_a_request_carries_the_token_the_tap_and_its_version(server: Server) -> None:
    run = sync(server)

    headers = run.requests[0].headers
    assert headers["authorization"] == f"Bearer {server.token}"
    assert headers["user-agent"].startswith("tap-northflank-restores/")
    assert headers["accept"] == "application/json"
    assert "gzip" in headers["accept-encoding"]


def test_an_entry_in_netrc_does_not_replace_the_token(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    run = sync(server)

    assert run.exit_code == 0
    assert run.requests[0].headers["authorization"] == f"Bearer {server.token}"


def test_cookies_are_not_sent_back() -> None:
    page = json.dumps({"data": {"restores": []}, "pagination": {"hasNextPage": True, "cursor": 1}})
    with answering(response(page.encode(), "Set-Cookie: session=1; Path=/")) as odd:
        read(f"http://127.0.0.1:{odd.port}")

    assert len(odd.asked) == 2
    assert b"cookie" not in odd.asked[1].lower()


def test_a_proxy_of_the_environment_is_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)

    run = sync(server, api_url="http://api.northflank.example", addons=["p/a"])

    # The simulator is no proxy: it takes the URL in the request line for a path.
    assert_one_line(run, ExitCode.CONFIGURATION)
    assert server.requests[0].headers["host"] == "api.northflank.example"


def test_no_proxy_keeps_a_host_from_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.world = small_world(a=1)
    with serve(World()) as other:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, other.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1")

        run = sync(server, addons=["p/a"])

        assert other.requests == []
    assert run.exit_code == 0
