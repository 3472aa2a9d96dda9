"""Below HTTP's good manners: odd bytes, no server, certificates, proxies, and what else is sent."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import trustme
from hypothesis import example, given, settings
from hypothesis import strategies as st
from urllib3.util.response import assert_header_parsing

from simulator import World, serve
from tap_northflank_restores.client import Client
from tap_northflank_restores.errors import APIError, ExitCode
from tap_northflank_restores.quota import Quota
from tap_northflank_restores.transport import Transport, parse_headers
from tests.support import Run, command_line, small_world, sync, tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simulator import Server

pytestmark = pytest.mark.slow

EMPTY = json.dumps({"data": {"restores": []}, "pagination": {"hasNextPage": False}}).encode()
TRIES = 5


class OddServer:
    """Answers each connection with the same bytes, whatever is asked, and closes it."""

    def __init__(
        self,
        answer: bytes,
        tls: ssl.SSLContext | None = None,
        times: int = 1,
        *,
        hang_ups: int = 0,
        last_words: bytes = b"",
        pause: float = 0,
    ) -> None:
        """Listen on a free port; the first so many connections end before TLS is set up.

        Between two times that it sends the answer it makes a pause, of so many seconds.
        """
        self.pause = pause
        self.answer_later = b""
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
            time.sleep(self.pause)
        if self.answer_later:
            time.sleep(0.7)
            connection.sendall(self.answer_later)

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


def zeros(mebibytes: int, bits: int = 31) -> bytes:
    """Return so many MiB of JSON white space, packed to a thousandth."""
    packer = zlib.compressobj(wbits=bits)
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
    "data nested too deep": response(b'{"data":' * 100_000),
    "items nested too deep": response(EMPTY.replace(b"[]", b"[" * 50_000 + b"]" * 50_000)),
    "an item nested too deep": response(
        EMPTY.replace(b"[]", b'[{"id":"x","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}]")
    ),
    "gzip of gzip": response(gzip.compress(gzip.compress(EMPTY)), "Content-Encoding: gzip, gzip"),
    "gzip in two headers": response(
        gzip.compress(gzip.compress(EMPTY)), "Content-Encoding: gzip", "Content-Encoding: gzip"
    ),
    "a thousand encodings": response(EMPTY, "Content-Encoding: " + ", ".join(["gzip"] * 1000)),
    "brotli, which was not asked for": response(b"\x0b\x02\x80{}\x03", "Content-Encoding: br"),
    "zstd, which was not asked for": response(b"\x28\xb5\x2f\xfd", "Content-Encoding: zstd"),
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
        response(b"\xef\xbb\xbf" + EMPTY),
        response(gzip.compress(EMPTY), "Content-Encoding: X-GZip"),
        response(EMPTY, "Content-Encoding: identity"),
        b"HTTP/1.1 200 OK\r\n\r\n" + EMPTY,
        b"HTTP/1.0 200\r\n\r\n" + EMPTY,
        b"HTTP/1.1 100 Continue\r\n\r\n" + response(EMPTY),
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2 + response(EMPTY),
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + response(EMPTY),
        response(b"%x\r\n%b\r\n0\r\n\r\n" % (len(EMPTY), EMPTY), "Transfer-Encoding: chunked"),
    ],
    ids=range(14),
)
def test_what_http_allows_is_read(answer: bytes) -> None:
    with answering(answer) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert run.exit_code == 0, run.stderr
    assert len(odd.asked) == 1


@pytest.mark.parametrize(("encoding", "bits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_small_response_that_unpacks_to_more_than_64_mib_is_refused_at_once(
    encoding: str, bits: int
) -> None:
    with answering(response(zeros(65, bits), f"Content-Encoding: {encoding}")) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert_one_line(run, ExitCode.API)
    assert "larger than 64 MiB" in run.error
    assert len(odd.asked) == 1


def test_a_response_that_is_too_large_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tap_northflank_restores.transport.MAX_BODY", 1024 * 1024)
    head = response(b"", length=10**12)
    with answering(head + b" " * (1024 * 1024 - len(head)), times=1000) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

        assert "larger than 1 MiB" in run.error
        # What the sockets hold between the two has been sent as well.
        assert odd.sent <= 20 * 1024 * 1024


@pytest.mark.parametrize(("encoding", "bits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_response_that_unpacks_to_too_much_is_not_unpacked_to_its_end(
    monkeypatch: pytest.MonkeyPatch, encoding: str, bits: int
) -> None:
    monkeypatch.setattr("tap_northflank_restores.transport.MAX_BODY", 1024 * 1024)
    packed = zeros(100, bits)
    tracemalloc.start()
    with answering(response(packed, f"Content-Encoding: {encoding}")) as odd:
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
    monkeypatch.setattr("tap_northflank_restores.transport.MAX_BODY", limit)
    answer = response(gzip.compress(EMPTY), "Content-Encoding: gzip") if packed else response(EMPTY)
    with answering(answer) as odd:
        run = read(f"http://127.0.0.1:{odd.port}")

    assert run.exit_code == exit_code


DRIPS = {
    "the status line": (b"", b"H"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nx: ", b"y"),
    "headers before the answer": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
    "a body of no length": (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "the size of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "the end of chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"x: y\r\n",
    ),
    "a packed body": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10],
        b"\0",
    ),
    "an error": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 100000\r\n\r\n", b" "),
}


class Dripping(OddServer):
    """Sends a head, and then so many more bytes, one part after the other."""

    def __init__(self, head: bytes, drop: bytes, tls: ssl.SSLContext | None = None) -> None:
        """Listen."""
        self._head = head
        super().__init__(drop, tls, times=10_000, pause=0.02)

    def _answer(self, connection: socket.socket) -> None:
        connection.sendall(self._head)
        super()._answer(connection)


@pytest.mark.parametrize(("head", "drop"), DRIPS.values(), ids=DRIPS)
def test_a_response_without_end_is_given_up_though_each_part_comes_in_time(
    head: bytes, drop: bytes
) -> None:
    dripping = Dripping(head, drop)
    client = Client(
        api_url=f"http://127.0.0.1:{dripping.port}",
        token="nf-secret-token",  # noqa: S106 - it opens nothing
        quota=Quota(),
        request_timeout=0.1,
    )

    with pytest.raises(APIError) as caught:
        list(client.pages("projects", name="projects"))
    dripping.close()

    assert len(dripping.asked) == TRIES
    assert "no end of the response within 0.3 s, 5 times" in str(caught.value)


def test_a_proxy_that_answers_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    dripping = Dripping(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{dripping.port}")
    client = Client(
        api_url="https://api.northflank.example",
        token="nf-secret-token",  # noqa: S106 - it opens nothing
        quota=Quota(),
        request_timeout=0.1,
    )

    with pytest.raises(APIError, match="no end of the response"):
        list(client.pages("projects", name="projects"))
    dripping.close()

    assert len(dripping.asked) == TRIES


def test_a_slow_response_whose_parts_come_in_time_is_read() -> None:
    answer = response(b"", length=len(EMPTY)) + EMPTY[:-20]
    with answering(answer) as odd:
        odd.answer_later = EMPTY[-20:]
        client = Client(
            api_url=f"http://127.0.0.1:{odd.port}",
            token="nf-secret-token",  # noqa: S106 - it opens nothing
            quota=Quota(),
            request_timeout=1,
        )

        assert list(client.pages("projects", "p", "x", name="restores")) == [[]]
    assert len(odd.asked) == 1


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
    assert "unable to get local issuer certificate" in run.error
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


def through(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Send all requests through a proxy."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)


REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
each_scheme = pytest.mark.parametrize("scheme", ["http", "https"])


@each_scheme
@pytest.mark.parametrize("password", ["hunter2", "hun@ter2", "hun%40ter2", "hunter2@", "hun:ter2"])
def test_a_proxy_that_refuses_the_password_is_named_and_not_asked_again(
    monkeypatch: pytest.MonkeyPatch, scheme: str, password: str
) -> None:
    with answering(REFUSED) as odd:
        through(monkeypatch, f"http://me:{password}@127.0.0.1:{odd.port}")
        run = read(f"{scheme}://api.northflank.example")

    assert_one_line(run, ExitCode.CONFIGURATION)
    assert run.error.startswith(f"The proxy 127.0.0.1:{odd.port} refused the request (")
    assert "407 Proxy Authentication Required" in run.error
    assert len(odd.asked) == 1
    assert "ter2" not in run.stderr


def test_a_proxy_that_forbids_the_host_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as odd:
        through(monkeypatch, f"http://127.0.0.1:{odd.port}")
        run = read("https://api.northflank.example")

    assert_one_line(run, ExitCode.CONFIGURATION)
    assert "403 Forbidden" in run.error
    assert len(odd.asked) == 1


def test_a_proxy_that_does_not_reach_the_api_for_a_moment_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with answering(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") as odd:
        through(monkeypatch, f"http://127.0.0.1:{odd.port}")
        run = read("https://api.northflank.example")

    assert_one_line(run, ExitCode.API)
    assert f"proxy 127.0.0.1:{odd.port}: Tunnel connection failed: 502 Bad Gateway" in run.error
    assert len(odd.asked) == TRIES


@each_scheme
def test_a_proxy_that_is_down_is_named_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    through(monkeypatch, f"http://me:hunter2@127.0.0.1:{port}")

    run = read(f"{scheme}://api.northflank.example")

    assert_one_line(run, ExitCode.API)
    assert f"(proxy 127.0.0.1:{port}: Connection refused)" in run.error
    assert len(run.logged("WARNING")) >= TRIES - 1
    assert "hunter2" not in run.stderr


@each_scheme
@pytest.mark.parametrize(
    "proxy",
    [
        "socks5h://me:hunter2@127.0.0.1:1",
        "socks4://127.0.0.1:1",
        "quic://me:hunter2@127.0.0.1:1",
        "http://me:hunter2@127.0.0.1:port",
        "http://me:hunter2@127.0.0.1:99999",
        "http://me:hunter2@",
        "http://",
        "http://[::1",
        "://127.0.0.1:1",
    ],
)
def test_a_proxy_that_cannot_be_used_ends_the_sync_at_once(
    monkeypatch: pytest.MonkeyPatch, scheme: str, proxy: str
) -> None:
    through(monkeypatch, proxy)

    run = read(f"{scheme}://127.0.0.1:1")

    assert_one_line(run, ExitCode.CONFIGURATION)
    assert "proxy" in run.error
    assert "HTTPS_PROXY" in run.error
    assert "hunter2" not in run.stderr
    assert [line for line in run.logged("WARNING") if "try 2" in line] == []


CLEAR = "without encryption"


@pytest.mark.parametrize(
    ("url", "proxy", "reader"),
    [
        ("http://127.0.0.1:1", None, None),
        ("http://127.8.9.10:1", None, None),
        ("http://localhost:1", None, None),
        ("http://[::1]:1", None, None),
        ("http://127.0.0.1:1", "http://127.0.0.1:2", None),
        ("https://api.northflank.invalid", None, None),
        ("https://api.northflank.invalid", "http://me:hunter2@proxy.invalid:1", None),
        ("http://api.northflank.invalid", None, "api.northflank.invalid"),
        ("http://api.northflank.invalid", "http://127.0.0.1:2", "api.northflank.invalid"),
        ("http://127.0.0.1:1", "http://me:hunter2@proxy.invalid:1", "proxy.invalid:1"),
        ("http://localhost.example:1", None, "localhost.example:1"),
        ("http://10.0.0.1:1", None, "10.0.0.1:1"),
    ],
)
def test_a_token_that_others_can_read_on_the_way_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None, reader: str | None
) -> None:
    monkeypatch.setattr(Transport, "get", no_answer)
    if proxy:
        through(monkeypatch, proxy)

    run = read(url)

    warned = [line for line in run.logged("WARNING") if CLEAR in line]
    assert len(warned) == (0 if reader is None else 1)
    assert all(f"The token is sent to {reader} without" in line for line in warned)
    assert "hunter2" not in run.stderr


def no_answer(_self: Transport, _url: str) -> NoReturn:
    """Send nothing."""
    reason = "no answer"
    raise APIError(reason)


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


LINES = st.lists(
    st.tuples(
        st.sampled_from(
            ["Date", "x-ratelimit-reset", "Content-Type", " folded", "no colon", "", "ä"]
        )
        | st.text("ab-_ :\t", max_size=4),
        st.sampled_from([":", ": ", ":\t ", ""]),
        st.sampled_from(["3, 3", "multipart/mixed; boundary=x", "message/rfc822", "", "\0", "ü \t"])
        | st.text("ab: \t\r", max_size=5),
        st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r"]),
    ).map("".join),
    max_size=6,
).map("".join)


@settings(max_examples=1000)
@given(
    LINES,
    st.sampled_from(["\r\n", "\r\n", "\n", ""]),
    st.sampled_from(["", "body", "a: b\r\n\r\n"]),
)
@example("a: b\r\n", "\r\n", "x" * 100_000)
@example("Content-Type: Multipart/mixed\r\n", "\r\n", "")
@example("Content-Type: message/rfc822\r\n", "\r\n", "a: b\r\n\r\n")
def test_headers_are_read_as_python_reads_them(lines: str, end: str, body: str) -> None:
    files: list[Any] = [
        io.BufferedReader(io.BytesIO((lines + end + body).encode())) for _ in range(2)
    ]

    ours, pythons = parse_headers(files[0]), http.client.parse_headers(files[1])

    assert ours.items() == pythons.items()
    assert len(ours.defects) == len(pythons.defects)
    assert files[0].read() == files[1].read()
    with suppress(Exception):
        assert_header_parsing(pythons)
        assert_header_parsing(ours)


def test_too_many_headers_are_refused_as_python_refuses_them() -> None:
    lines = "".join(f"a{number}: b\r\n" for number in range(200)).encode() + b"\r\n"
    file: Any = io.BufferedReader(io.BytesIO(lines))
    with pytest.raises(http.client.HTTPException, match="more than 100 headers"):
        parse_headers(file)


def test_python_looks_up_where_headers_are_parsed_by_its_name() -> None:
    """Otherwise each response would be read the long way: right, but at more CPU."""
    assert "parse_headers" in http.client.HTTPResponse.begin.__code__.co_names
