"""One GET over HTTP, bounded in time and size, and the cause when it fails. No retries.

Knows nothing of Northflank: what an answer means is for `client.py`.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
from copy import copy
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from types import FunctionType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from typing_extensions import override

from tap_northflank_restores.errors import APIError, ConfigurationError
from tap_northflank_restores.masking import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests.auth import AuthBase
    from urllib3 import BaseHTTPResponse

MAX_BODY = 64 * 1024 * 1024
# A whole page mostly, where Python would read 8 KiB: other threads get in between each two reads.
READ_AT_ONCE = 64 * 1024
# `request_timeout` starts anew with each byte, so the response as a whole needs a bound as well.
WHOLE_RESPONSE = 3
# Other encodings are not asked for: with some versions of their libraries, the size of what they
# unpack has no limit.
ENCODINGS = "gzip, deflate"
_PACKED = {"", "identity", "gzip", "x-gzip", "deflate"}
_SERVER = re.compile(r"[^/?#]*//[^/?#]*")
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


class FailedTryError(Exception):
    """A failure after which another try is made; `str(error)` says what came back.

    Attributes:
        retry_after: Seconds that the answer asks to wait before the next try, if it does.
        was_sent: Whether the request may have reached the server.
    """

    def __init__(
        self, said: str, *, retry_after: float | None = None, was_sent: bool = True
    ) -> None:
        """Keep what came back."""
        super().__init__(said)
        self.retry_after = retry_after
        self.was_sent = was_sent


@dataclass(frozen=True)
class Response:
    """A response that has been read to its end.

    Attributes:
        status: Such as 200.
        reason: The words beside it, perhaps none.
        headers: By name in any case; the values of one that came twice are joined by a comma.
        body: Unpacked.
        seconds: How long it took.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Transport:
    """Sends GET requests to one server, from several threads."""

    def __init__(
        self, base: str, *, auth: AuthBase, user_agent: str, connections: int, timeout: float
    ) -> None:
        """Prepare a session; nothing is sent.

        Args:
            base: The URL that all others begin with.
            auth: Sets the `Authorization` header.
            user_agent: Value of the `User-Agent` header.
            connections: How many are kept open.
            timeout: Seconds to wait for a connection, and for each part of a response. The whole
                response may take `WHOLE_RESPONSE` times as long.
        """
        self._base = base
        self._timeout = timeout
        self._longest = WHOLE_RESPONSE * timeout
        # The session prepares requests and the adapter sends them: what `Session.send` adds to each
        # (cookies, hooks, redirects) is a fifth of its CPU, and none of it is wanted here.
        self._adapter = _Adapter(self._longest, connections)
        self._session = requests.Session()
        # As `auth`, the token wins over an entry for the host in ~/.netrc.
        self._session.auth = auth
        self._session.headers.update(
            {
                "User-Agent": user_agent,
                "Accept": "application/json",
                "Accept-Encoding": ENCODINGS,
            }
        )
        # Proxies and certificates from the environment, looked up once and not for each request.
        self._options: Any = self._session.merge_environment_settings(
            base, proxies={}, stream=True, verify=None, cert=None
        )
        self._template = self._session.prepare_request(requests.Request("GET", base))

    def reads_in_clear(self) -> str | None:
        """Return the host that gets the requests without encryption, if it is another machine."""
        if urlsplit(self._base).scheme == "https":
            return None
        hosts = (_place(self._proxy(self._base)), _place(self._base))
        return next((host for host in hosts if host and not _is_this_machine(host)), None)

    def may_follow(self, url: str, target: str) -> bool:
        """Tell whether the token may be sent to where a URL redirects.

        Another host, port or scheme must not see it; http to https may.

        Raises:
            ValueError: The target is no URL.
        """
        return not self._session.should_strip_auth(url, target)  # type: ignore[no-untyped-call]

    def get(self, url: str) -> Response:
        """Send a GET request and read the response.

        Raises:
            FailedTryError: No response came, or not all of it.
            APIError: Another try would not help: a certificate, a response that is too large.
            ConfigurationError: A proxy or a file of certificates cannot be used.
        """
        request = copy(self._template)
        request.url = url
        started = time.perf_counter()
        try:
            response: Any = self._adapter.send(request, timeout=self._timeout, **self._options)
            with response:
                body = _read(response, url)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._failure(url, error) from error
        except OSError as error:  # of requests, which could not read a file
            msg = f"No request could be sent: {one_line(error)}. Check REQUESTS_CA_BUNDLE."
            raise ConfigurationError(msg) from error
        except (TypeError, ValueError) as error:  # of both, which could not read a proxy's URL
            if self._proxy(url) is None:
                raise
            raise self._unusable_proxy(url, error) from error
        refused = response.status == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        if refused and self._proxy(url):
            raise self._refused_by_proxy(url, f"407 {response.reason}")
        return Response(
            response.status,
            response.reason or "",
            response.headers,
            body,
            time.perf_counter() - started,
        )

    def _proxy(self, url: str) -> str | None:
        return select_proxy(url, self._options["proxies"])

    def _failure(self, url: str, error: Exception) -> Exception:
        """Return the error: a try that failed, or an end where another try would not help."""
        cause = _innermost(error)
        proxy = self._proxy(url)
        place = f"proxy {_place(proxy)}" if proxy else _place(url)
        if isinstance(cause, _ResponseTooLongError):
            return FailedTryError(f"no end of the response within {self._longest:g} s")
        if isinstance(cause, TimeoutError) or isinstance(
            error, (requests.Timeout, urllib3.exceptions.TimeoutError)
        ):
            was_sent = not isinstance(error, requests.ConnectTimeout)
            return FailedTryError(f"no answer within request_timeout ({place})", was_sent=was_sent)
        if isinstance(error, requests.exceptions.SSLError) and _certificate_at_fault(cause):
            msg = (
                f"The certificate of {place} is not trusted ({_said(cause)}). "
                "Check api_url; for a company's own authority set REQUESTS_CA_BUNDLE."
            )
            return APIError(masked(msg))
        if (tunnel := _TUNNEL.match(str(cause))) and not _may_pass(int(tunnel[1])):
            return self._refused_by_proxy(url, _said(cause))
        if proxy and isinstance(error, (ValueError, urllib3.exceptions.URLSchemeUnknown)):
            return self._unusable_proxy(url, cause)
        # urllib3 tells these apart from all else: there was no connection yet.
        was_sent = not isinstance(
            getattr(error.args[0] if error.args else None, "reason", None),
            (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProxyError),
        )
        said = f"the connection failed ({place}: {_said(cause)})"
        return FailedTryError(said, was_sent=was_sent)

    def _unusable_proxy(self, url: str, cause: BaseException) -> ConfigurationError:
        msg = (
            f"The proxy {_place(self._proxy(url))} cannot be used ({_said(cause)}). Check "
            "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; a SOCKS proxy needs the package PySocks beside "
            "the tap."
        )
        return ConfigurationError(masked(msg))

    def _refused_by_proxy(self, url: str, said: str) -> ConfigurationError:
        msg = (
            f"The proxy {_place(self._proxy(url))} refused the request ({one_line(said)}). Check "
            "HTTPS_PROXY or HTTP_PROXY, with the user and the password in it."
        )
        return ConfigurationError(masked(msg))


class _ResponseTooLongError(TimeoutError):
    """A response has not come to its end in the time that it may take as a whole."""


class _Bounded(io.RawIOBase):
    """What comes from a socket, up to a time after which nothing more is waited for."""

    def __init__(self, source: io.RawIOBase, sock: socket.socket, seconds: float) -> None:
        self._source = source
        self._sock = sock
        self._until = time.monotonic() + seconds

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise _ResponseTooLongError
        a_part = self._sock.gettimeout()
        if a_part is None or left < a_part:
            self._sock.settimeout(left)
        try:
            return self._source.readinto(buffer)
        except TimeoutError:
            if time.monotonic() >= self._until:
                raise _ResponseTooLongError from None
            raise

    @override
    def close(self) -> None:
        self._source.close()
        super().close()


class _Adapter(HTTPAdapter):
    """Requests' adapter, with a bound for the whole of each response, its headers too.

    It keeps the pool of connections to a server, which requests looks up for each request, and
    returns urllib3's response and no `requests.Response`. That saves a third of a request's CPU.
    """

    def __init__(self, seconds: float, connections: int) -> None:
        super().__init__(pool_maxsize=connections)
        self._seconds = seconds
        self._pools: dict[str, Any] = {}

    @override
    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> Any:
        server = _server(request.url or "")
        pool: Any = self._pools.get(server)
        if pool is None:
            pool = super().get_connection_with_tls_context(request, *args, **kwargs)
            if not hasattr(pool.ConnectionCls, "whole_response"):
                pool.ConnectionCls = _bounded(pool.ConnectionCls, self._seconds)
            self._pools[server] = pool
        return pool

    @override
    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        url = request.url or ""
        server = _server(url)
        path = url[len(server) :]
        is_plain = self._pools[server].proxy is None and path[:1] == "/" and "#" not in path
        return path if is_plain else super().request_url(request, proxies)

    @override
    def build_response(self, req: requests.PreparedRequest, resp: Any) -> Any:
        """Return urllib3's own response: it has all that is wanted here."""
        return resp


def _server(url: str) -> str:
    """Return scheme, host and port of a URL, as they are written there."""
    server = _SERVER.match(url)
    return server[0] if server else url


# Names and values as nearly all servers write them, without the empty line behind them.
_USUAL_HEADERS = re.compile(rb"(?:[A-Za-z0-9_-]+:[ -~]*\r\n){1,50}")
# Of an email in parts, or with another in it, Python would go on to read these.
_EMAIL = re.compile(rb"multipart|message", re.IGNORECASE)


def parse_headers(file: io.BufferedReader, **options: Any) -> http.client.HTTPMessage:  # noqa: ANN401
    """Read headers as `http.client.parse_headers` does; usual ones at a tenth of its CPU.

    Python reads them as those of an email, which is a sixth of all that a request costs.

    Args:
        file: Where they come from; they are looked at before they are taken.
        options: Of `http.client.parse_headers`, to which what is not usual is left.
    """
    ahead = file.peek()
    head = ahead[: ahead.find(b"\r\n\r\n") + 2]
    if not _USUAL_HEADERS.fullmatch(head) or _EMAIL.search(head):
        unusual: http.client.HTTPMessage = http.client.parse_headers(file, **options)
        return unusual
    file.read(len(head) + 2)
    message = http.client.HTTPMessage()
    for line in head.decode("ascii").split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        message.set_raw(name, value.lstrip(" \t"))
    return message


def _with_other(function: Any, **names: Any) -> Any:  # noqa: ANN401 - as it was given
    """Return a function that finds other objects than its module has under these names."""
    changed = FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__)
    changed.__defaults__, changed.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return changed


_INTERIM = range(102, 200)
"""Statuses behind which the answer is still to come; 100 is skipped by Python, 101 is an answer."""

_begin = _with_other(http.client.HTTPResponse.begin, parse_headers=parse_headers)


@cache
def _bounded(connection: type, seconds: float) -> type:
    """Return a class of connections whose responses end in time, those of a proxy too."""

    class Bounded(http.client.HTTPResponse):
        begin = _begin

        def __init__(
            self,
            sock: socket.socket,
            debuglevel: int = 0,
            method: str | None = None,
            url: str | None = None,
        ) -> None:
            super().__init__(sock, debuglevel, method, url)
            self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock, seconds), READ_AT_ONCE)

        def _read_status(self) -> tuple[str, int, str]:
            # Python skips 100 alone. It would take 103 for the answer, and on this connection each
            # answer for that of the next request.
            while True:
                version, status, reason = super()._read_status()  # type: ignore[misc]
                if status not in _INTERIM:
                    return version, status, reason
                http.client.parse_headers(self.fp)

    return type(
        connection.__name__,
        (connection,),
        {"response_class": Bounded, "whole_response": seconds},
    )


def _read(response: BaseHTTPResponse, url: str) -> bytes:
    packed = response.headers.get("Content-Encoding", "").strip().lower()
    if packed not in _PACKED:
        raise FailedTryError(f"an encoding that was not asked for ({one_line(packed)})")
    # One read of at most the limit: `response.content` would take whatever comes.
    body: bytes = response.read(MAX_BODY + 1, decode_content=True)
    if len(body) > MAX_BODY:
        msg = (
            f"GET {urlsplit(url).path}: the response is larger than {MAX_BODY >> 20} MiB "
            "and was refused. Check api_url, or lower page_size."
        )
        raise APIError(masked(msg))
    return body


def one_line(value: object) -> str:
    """Return a text as it may stand in a line of the log: masked, short, without line ends."""
    # What must stay secret is masked before the text is cut, or a part of it might be left.
    text = re.sub(r"://\S*@", "://", " ".join(masked(str(value)).split()))
    return text if len(text) <= 200 else f"{text[:199]}…"  # noqa: PLR2004 - a line's length


def _innermost(error: BaseException) -> BaseException:
    """Return what an error of requests or urllib3 is about: they wrap it up to four times."""
    for _ in range(20):
        wrapped = (getattr(error, "reason", None), *error.args, error.__cause__)
        inner = next((each for each in wrapped if isinstance(each, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _said(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return one_line(cause.verify_message)
    if isinstance(cause, socket.gaierror):
        return one_line(f"the name does not resolve, {cause.strerror}")
    strerror = cause.strerror if isinstance(cause, OSError) else None
    return one_line(strerror or cause) or type(cause).__name__


def _certificate_at_fault(cause: BaseException) -> bool:
    """Tell whether a certificate was refused, or ours cannot be read.

    All else of TLS, such as a balancer that hangs up in the middle of the handshake, is a
    connection that failed, and another try may do.
    """
    return isinstance(cause, ssl.SSLCertVerificationError) or (
        isinstance(cause, ssl.SSLError) and cause.library == "X509"
    )


def _may_pass(status: int) -> bool:
    """Tell whether another try may not meet this status: of a server, or of a proxy."""
    return status >= http.HTTPStatus.INTERNAL_SERVER_ERROR or status in {
        http.HTTPStatus.REQUEST_TIMEOUT,
        http.HTTPStatus.TOO_MANY_REQUESTS,
    }


def _place(url: str | None) -> str:
    """Return host and port of a URL, without what may be secret in it."""
    where = (url or "").rpartition("://")[2].rpartition("@")[2]
    return one_line(re.split(r"[/?#]", where, maxsplit=1)[0])


def _is_this_machine(place: str) -> bool:
    host = place.rpartition(":")[0] if re.search(r":\d+$", place) else place
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")
