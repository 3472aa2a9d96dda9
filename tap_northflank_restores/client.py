"""All HTTP: the token, the pages of a list, retries, and what each error means to the user.

The SDK's RESTStream has a session, a retry loop and a cursor of its own for each stream and reads
one request at a time. Here one budget is shared by all requests, several of which fly at once, and
what an error means depends on whether a list was found or named; so the streams get their pages
from this client instead.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import backoff
import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from singer_sdk.authenticators import BearerTokenAuthenticator

from tap_northflank_restores.errors import (
    AccessError,
    APIError,
    ConfigurationError,
    InterruptedSyncError,
    NotFoundError,
    QuotaExhaustedError,
)
from tap_northflank_restores.quota import (
    Allowance,
    Quota,
    QuotaWaitTooLongError,
    ReserveTooLargeError,
    StoppedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from backoff.types import Details

    _Decode = Callable[[bytes, str], tuple[list["Item"], "_Pagination"]]

MAX_TRIES = 5
MAX_BODY = 64 * 1024 * 1024
# A page may be empty with more behind it. A server that gives empty pages for ever, or the same one
# with a fresh cursor each time, must not hold us.
MAX_STALE_PAGES = 1000
MAX_REDIRECTS = 5

LIST_PROJECTS_PERMISSION = "Project > Projects > Manage > Read"
READ_ADDONS_PERMISSION = "Project > Addons > General > Read"

Item = dict[str, Any]

logger = logging.getLogger("tap-northflank-restores")


class _Pagination(msgspec.Struct):
    hasNextPage: bool  # noqa: N815 - the API's name
    cursor: str | int | None = None


class _Body(msgspec.Struct):
    data: dict[str, msgspec.Raw]
    pagination: _Pagination


class _ObjectBody(msgspec.Struct):
    data: dict[str, Any]


_body_decoder = msgspec.json.Decoder(_Body)
_items_decoder = msgspec.json.Decoder(list[dict[str, Any]])
_object_decoder = msgspec.json.Decoder(_ObjectBody)


class _TransientError(Exception):
    """A failure that another try may not meet; `str(error)` says what came back."""


@dataclass(frozen=True)
class _Response:
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Client:
    """A client for the lists of the Northflank API, for use by several threads."""

    def __init__(
        self,
        *,
        api_url: str,
        token: str,
        quota: Quota,
        team_id: str | None = None,
        page_size: int = 100,
        concurrency: int = 1,
        request_timeout: float = 60,
        user_agent: str = "tap-northflank-restores",
        on_response: Callable[[str, int, float], None] = lambda _list, _status, _seconds: None,
    ) -> None:
        """Prepare a session; nothing is sent.

        Args:
            api_url: Where the API is, such as `https://api.northflank.com`.
            token: Bearer token.
            quota: The budget that all requests share.
            team_id: For organisation tokens: all paths are then under `/v1/teams/{team_id}`.
            page_size: Items a page, 1 to 100.
            concurrency: How many requests may be in flight at once.
            request_timeout: Seconds to wait for a connection, and for each part of a response.
            user_agent: Value of the `User-Agent` header.
            on_response: Called after each response with the list's name, its status and seconds,
                from any thread.
        """
        self._base = api_url.rstrip("/")
        self._prefix = ["v1"] if team_id is None else ["v1", "teams", team_id]
        self._token = token
        self._quota = quota
        self._page_size = page_size
        self._timeout = request_timeout
        self._on_response = on_response
        self._slots = threading.BoundedSemaphore(concurrency)
        # The session prepares requests and the adapter sends them: what `Session.send` adds to each
        # (cookies, hooks, redirects) is a fifth of its CPU, and none of it is wanted here.
        self._adapter = HTTPAdapter(pool_maxsize=concurrency)
        self._session = requests.Session()
        # As `auth`, the token wins over an entry for the host in ~/.netrc.
        self._session.auth = BearerTokenAuthenticator(token=token)
        self._session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})
        # Proxies and certificates from the environment, looked up once and not for each request.
        self._transport: Any = self._session.merge_environment_settings(
            self._base, proxies={}, stream=True, verify=None, cert=None
        )
        self._template = self._session.prepare_request(requests.Request("GET", self._base))
        self._fetch_with_retries = backoff.on_exception(
            backoff.expo,
            _TransientError,
            max_tries=MAX_TRIES,
            jitter=backoff.full_jitter,
            on_backoff=self._log_retry,
            logger=None,
        )(self._fetch)

    def pages(self, *path: str, name: str) -> Iterator[list[Item]]:
        """Read a list, page by page.

        Exactly the pages that exist are asked for: `hasNextPage` decides, the cursor carries on.

        Args:
            path: Segments of the list's path after `/v1`, such as `"projects", "p", "addons"`.
            name: The list's name in the body: `{"data": {name: […]}}`.

        Yields:
            The items of each page, empty ones too; each item has a string `id`.

        Raises:
            AccessError: 401 or 403.
            NotFoundError: 404.
            QuotaExhaustedError: The quota resets only after too long a wait.
            APIError: Any other failure, at once or after retries.
            InterruptedSyncError: The sync was asked to stop.
        """
        url_path = self._url_path(path)
        cursor: str | int | None = None
        cursors: set[str | int] = set()
        last: list[Item] = []
        stale_pages = 0
        while True:
            query: dict[str, str | int] = {"per_page": self._page_size}
            if cursor is not None:
                query["cursor"] = cursor
            items, pagination = self._fetch_page(url_path, urlencode(query), name)
            yield items
            if not pagination.hasNextPage:
                return
            cursor = pagination.cursor
            if cursor is None or cursor == "":
                raise APIError(
                    f"GET {url_path}: the API says that there is more but gives no cursor to it. "
                    "Run the sync again; if it lasts, report it to Northflank."
                )
            if cursor in cursors:
                raise APIError(
                    f"GET {url_path}: the API gave the same cursor twice, so the list has no end. "
                    "Run the sync again; if it lasts, report it to Northflank."
                )
            cursors.add(cursor)
            stale_pages = 0 if items and items != last else stale_pages + 1
            last = items
            if stale_pages >= MAX_STALE_PAGES:
                raise APIError(
                    f"GET {url_path}: {stale_pages} pages in a row with nothing new, and no end of "
                    "the list. Run the sync again; if it lasts, report it to Northflank."
                )

    def item(self, *path: str, name: str) -> Iterator[list[Item]]:
        """Read one object, as a list of one page.

        Args:
            path: Segments of the object's path after `/v1`.
            name: What the requests for it are counted as; the body does not name it.

        Yields:
            The object alone; it has a string `id`.

        Raises:
            Exception: As `pages`.
        """
        items, _ = self._fetch_page(self._url_path(path), "", name, _decode_object)
        yield items

    def _url_path(self, path: tuple[str, ...]) -> str:
        return "/" + "/".join(quote(part, safe="") for part in (*self._prefix, *path))

    def _fetch_page(
        self, path: str, query: str, name: str, decode: _Decode | None = None
    ) -> tuple[list[Item], _Pagination]:
        try:
            return self._fetch_with_retries(path, query, name, decode or _decode)
        except _TransientError as error:
            msg = (
                f"GET {path}: {error}, {MAX_TRIES} times. "
                "Run the sync again later; if it lasts, check api_url. What was finished is not "
                "sent twice."
            )
            raise APIError(msg) from error
        except StoppedError as error:
            raise InterruptedSyncError from error
        except ReserveTooLargeError as error:
            msg = (
                f"Setting rate_limit_reserve leaves nothing of the account's {error.limit} "
                "requests a window: set it to less than that."
            )
            raise ConfigurationError(msg) from error
        except QuotaWaitTooLongError as error:
            msg = (
                f"The account's quota of API requests is used up and resets in "
                f"{error.seconds:.0f} s, longer than rate_limit_max_wait allows. The state is "
                "written: run again after the reset and the sync goes on from there."
            )
            raise QuotaExhaustedError(msg) from error

    def _fetch(
        self, path: str, query: str, name: str, decode: _Decode
    ) -> tuple[list[Item], _Pagination]:
        response = self._request(f"{self._base}{path}{query and '?'}{query}")
        self._on_response(name, response.status, response.seconds)
        status = response.status
        if status == HTTPStatus.OK:
            return decode(response.body, name)
        message = _api_message(response.body, self._without_token)
        said = _one_line(self._without_token(f"{status} {response.reason}")) + message
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _TransientError(said)
        raise _final_error(path, status, said)

    def _request(self, url: str) -> _Response:
        """Send a GET, follow redirects on the same host, and wait out what the quota asks for."""
        asked = url
        for _ in range(MAX_REDIRECTS):
            response = self._send_within_quota(url)
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or target is None:
                return response
            url = self._redirected(url, target)
        msg = f"GET {urlsplit(asked).path}: more than {MAX_REDIRECTS} redirects. Check api_url."
        raise APIError(msg)

    def _redirected(self, url: str, location: str) -> str:
        asked = f"GET {urlsplit(url).path}: the API redirects to"
        try:
            target = urljoin(url, location)
            there = urlsplit(target)
            # Another host, port or scheme must not see the token; http to https may.
            elsewhere = self._session.should_strip_auth(url, target)  # type: ignore[no-untyped-call]
        except ValueError:
            msg = f"{asked} {location!r}, which is no URL. Check api_url."
            raise APIError(self._without_token(msg)) from None
        if elsewhere:
            msg = (
                f"{asked} {there.scheme}://{there.netloc}, where the token is not sent. If that is "
                "the API, set api_url to it."
            )
            raise APIError(self._without_token(msg))
        return target

    def _send_within_quota(self, url: str) -> _Response:
        while True:
            self._quota.acquire()
            try:
                response = self._send(url)
            except BaseException:
                self._quota.release(None)
                raise
            allowance = _allowance(response.headers)
            if response.status != HTTPStatus.TOO_MANY_REQUESTS:
                self._quota.release(allowance)
                return response
            self._quota.refuse(_retry_after(response.headers), allowance)

    def _send(self, url: str) -> _Response:
        request = self._template.copy()
        request.url = url
        try:
            with self._slots:
                started = time.perf_counter()
                with self._adapter.send(
                    request, timeout=self._timeout, **self._transport
                ) as response:
                    body = self._read(response)
                seconds = time.perf_counter() - started
        except requests.exceptions.SSLError as error:
            if not _certificate_at_fault(error):
                raise _TransientError(self._without_token(_connection_trouble(error))) from error
            msg = (
                f"The certificate of {urlsplit(url).netloc} is not trusted ({_one_line(error)}). "
                "Check api_url; for a company's own authority set REQUESTS_CA_BUNDLE."
            )
            raise APIError(self._without_token(msg)) from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _TransientError(self._without_token(_connection_trouble(error))) from error
        except OSError as error:  # of requests, which could not read a file
            msg = f"No request could be sent: {_one_line(error)}. Check REQUESTS_CA_BUNDLE."
            raise ConfigurationError(msg) from error
        return _Response(
            response.status_code, response.reason or "", response.headers, body, seconds
        )

    def _read(self, response: requests.Response) -> bytes:
        # One read of at most the limit: `response.content` would take whatever comes.
        body: bytes = response.raw.read(MAX_BODY + 1, decode_content=True)
        if len(body) > MAX_BODY:
            path = urlsplit(response.url).path
            raise APIError(
                f"GET {path}: the response is larger than {MAX_BODY >> 20} MiB and was refused. "
                "Check api_url, or lower page_size."
            )
        return body

    def _log_retry(self, details: Details) -> None:
        path = details["args"][0]
        logger.warning(
            "GET %s: %s; try %d of %d in %.1f s",
            path,
            details.get("exception"),
            details["tries"] + 1,
            MAX_TRIES,
            details["wait"],
        )

    def _without_token(self, text: str) -> str:
        return text.replace(self._token, "***")


_REDIRECTS = {
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
}


def _decode(body: bytes, name: str) -> tuple[list[Item], _Pagination]:
    with _refusing(body):
        decoded = _body_decoder.decode(body)
        return _with_text_ids(_items_decoder.decode(decoded.data[name])), decoded.pagination


def _decode_object(body: bytes, _name: str) -> tuple[list[Item], _Pagination]:
    with _refusing(body):
        return _with_text_ids([_object_decoder.decode(body).data]), _Pagination(hasNextPage=False)


def _with_text_ids(items: list[Item]) -> list[Item]:
    for item in items:
        if type(id_ := item["id"]) is not str:
            # The reference shows ids that may be numbers; everything else is not documented.
            item["id"] = str(msgspec.convert(id_, int))
    return items


@contextmanager
def _refusing(body: bytes) -> Iterator[None]:
    """Raise what another try may not meet, where a body is not as documented."""
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else _one_line(error)
        kind = "HTML" if body.lstrip()[:1] == b"<" else "a body that is not as documented"
        msg = f"200 with {kind} ({what})"
        raise _TransientError(msg) from error


def _api_message(body: bytes, without_token: Callable[[str], str]) -> str:
    """Return what the documented error body says, as `: Not found (error id …)`."""
    try:
        error = msgspec.json.decode(body)["error"]
        message, id_ = error.get("message"), error.get("id")
    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, AttributeError):
        return " with HTML" if body.lstrip()[:1] == b"<" else ""
    # Before the line is cut, or a part of the token might be left at its end.
    message, id_ = (_one_line(without_token(str(part))) if part else "" for part in (message, id_))
    return (f": {message}" if message else "") + (f" (error id {id_})" if id_ else "")


def _final_error(path: str, status: int, said: str) -> Exception:
    lists_projects = path.endswith("/projects")
    if status == HTTPStatus.UNAUTHORIZED:
        return AccessError(
            f"GET {path}: {said}. Northflank does not accept the api_token: it is mistyped, "
            "expired or revoked, or an organisation's and needs team_id. In doubt, make a new one."
        )
    if status == HTTPStatus.FORBIDDEN:
        permission = LIST_PROJECTS_PERMISSION if lists_projects else READ_ADDONS_PERMISSION
        way_out = " or name the projects in project_ids" if lists_projects else ""
        return AccessError(
            f"GET {path}: {said}. The role of the api_token lacks the permission "
            f'"{permission}", or the token is restricted to other projects: grant it{way_out}.'
        )
    if status == HTTPStatus.NOT_FOUND:
        absent = "It does not exist, or not for this token."
        hint = "Check api_url and team_id." if lists_projects else absent
        return NotFoundError(f"GET {path}: {said}. {hint}")
    return APIError(f"GET {path}: {said}. Check api_url and the settings that name ids.")


def _connection_trouble(error: Exception) -> str:
    if isinstance(error, (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)):
        return f"no answer within request_timeout ({_one_line(error)})"
    return f"the connection failed ({_one_line(error)})"


def _certificate_at_fault(error: requests.exceptions.SSLError) -> bool:
    """Tell whether a certificate was refused, or ours cannot be read.

    All else of TLS, such as a balancer that hangs up in the middle of the handshake, is a
    connection that failed, and another try may do.
    """
    # It wraps urllib3's SSLError, within a MaxRetryError or not, and that what `ssl` raised.
    wrapped = getattr(error.args[0], "reason", error.args[0])
    cause = wrapped.args[0]
    return isinstance(cause, ssl.SSLCertVerificationError) or (
        isinstance(cause, ssl.SSLError) and cause.library == "X509"
    )


def _one_line(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else f"{text[:199]}…"  # noqa: PLR2004 - a line's length


def _allowance(headers: Mapping[str, str]) -> Allowance | None:
    try:
        limit = headers.get("x-ratelimit-limit")
        return Allowance(
            limit=None if limit is None else int(limit),
            remaining=int(headers["x-ratelimit-remaining"]),
            reset=max(0.0, float(headers["x-ratelimit-reset"])),
        )
    except (KeyError, ValueError):
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return `Retry-After` in seconds; it is a number of seconds or a date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
