"""The API: the token, the pages of a list, retries, and what each answer means to the user.

The SDK's RESTStream has a session, a retry loop and a cursor of its own for each stream and reads
one request at a time. Here one budget is shared by all requests, several of which fly at once, and
what an error means depends on whether a list was found or named; so the streams get their pages
from this client instead.
"""

from __future__ import annotations

import logging
import re
import threading
from codecs import BOM_UTF8
from contextlib import contextmanager
from datetime import datetime, timezone
from http import HTTPStatus
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urljoin, urlsplit

import backoff
import msgspec
from singer_sdk.authenticators import BearerTokenAuthenticator

from tap_northflank_restores import headers, texts
from tap_northflank_restores.errors import (
    AccessError,
    APIError,
    ConfigurationError,
    InterruptedSyncError,
    NotFoundError,
    QuotaExhaustedError,
)
from tap_northflank_restores.masking import hide, masked
from tap_northflank_restores.quota import (
    Quota,
    QuotaWaitTooLongError,
    ReserveTooLargeError,
    StoppedError,
)
from tap_northflank_restores.seen import Seen
from tap_northflank_restores.transport import FailedTryError, Response, Transport, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from backoff.types import Details

    _Decode = Callable[[bytes, str], tuple[list["Item"], "_Pagination"]]

# Seconds between the tries, of which chance takes up to a half: what is left is still more than the
# half minute that a gateway needs to come back.
WAITS = (1.0, 4.0, 16.0, 64.0)
MAX_TRIES = len(WAITS) + 1
# A page may be empty, or repeat earlier items, and others may follow it. A server that never stops
# to give such pages must not keep the sync from ending.
MAX_STALE_PAGES = 50
MAX_REDIRECTS = 5

LIST_PROJECTS_PERMISSION = "Project > Projects > Manage > Read"
READ_ADDONS_PERMISSION = "Project > Addons > General > Read"

Item = dict[str, Any]

# What needs no escape in a URL, at a small part of the cost of `quote`.
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")

logger = logging.getLogger("tap-northflank-restores")


class Page(list[Item]):
    """A page of a list."""

    __slots__ = ("_date",)

    def __init__(self, items: list[Item], date: str | None) -> None:
        """Take over the items.

        Args:
            items: What the page has.
            date: The header `Date` of the response.
        """
        super().__init__(items)
        self._date = date

    @property
    def read_at(self) -> datetime:
        """When it was answered, by the server's clock, or else now by this machine's."""
        return headers.moment(self._date) or datetime.now(timezone.utc).replace(microsecond=0)


class _Pagination(msgspec.Struct):
    hasNextPage: bool  # noqa: N815 - the API's name
    cursor: str | int | None = None


class _Body(msgspec.Struct):
    data: dict[str, msgspec.Raw]
    pagination: _Pagination


class _ObjectBody(msgspec.Struct):
    data: dict[str, Any]


_id = itemgetter("id")
_body_decoder = msgspec.json.Decoder(_Body)
_items_decoder = msgspec.json.Decoder(list[dict[str, Any]])
_object_decoder = msgspec.json.Decoder(_ObjectBody)


class _AsksTooMuchError(Exception):
    """A server asks for a longer wait before the next try than the settings allow."""

    def __init__(self, said: str, seconds: float) -> None:
        super().__init__(said)
        self.seconds = seconds


class _CursorRefusedError(Exception):
    """A page was refused that a cursor led to; perhaps the cursor has expired."""

    def __init__(self, refusal: Exception) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


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
            request_timeout: Seconds to wait for a connection, and for each part of a response. The
                whole response may take three times as long.
            user_agent: Value of the `User-Agent` header.
            on_response: Called after each response with the list's name, its status and seconds,
                from any thread.
        """
        hide(token)
        # As Northflank's own documents write it, with the version, or without.
        self._base = api_url.rstrip("/").removesuffix("/v1").rstrip("/")
        self._prefix = ["v1"] if team_id is None else ["v1", "teams", team_id]
        self._quota = quota
        self._page_size = page_size
        self._on_response = on_response
        self._slots = threading.BoundedSemaphore(concurrency)
        self._transport = Transport(
            self._base,
            auth=BearerTokenAuthenticator(token=token),  # type: ignore[arg-type]
            user_agent=user_agent,
            connections=concurrency,
            timeout=request_timeout,
        )
        if (reader := self._transport.reads_in_clear()) is not None:
            logger.warning(
                "The token is sent to %s without encryption, so whoever is on the way can read it: "
                "set api_url to an https URL.",
                reader,
            )
        self._fetch_with_retries = backoff.on_exception(
            _waits,
            FailedTryError,
            max_tries=MAX_TRIES,
            jitter=None,
            on_backoff=self._log_retry,
            logger=None,
            longest=quota.max_wait,
        )(self._fetch)

    def pages(self, *path: str, name: str) -> Iterator[Page]:
        """Read a list, page by page.

        Exactly the pages that exist are asked for: `hasNextPage` decides, the cursor carries on.
        When a cursor is refused, as one may be that has expired in a wait for the quota, the list
        is read from its start once more: items that were given already then come again.

        Args:
            path: Segments of the list's path after `/v1`, such as `"projects", "p", "addons"`.
            name: The list's name in the body: `{"data": {name: […]}}`.

        Yields:
            The items of each page, empty ones too; each item has a string `id`, not empty.

        Raises:
            AccessError: 401 or 403.
            NotFoundError: 404, in the API's own words.
            QuotaExhaustedError: The quota resets only after too long a wait.
            APIError: Any other failure, at once or after retries.
            InterruptedSyncError: The sync was asked to stop.
        """
        url_path = self._url_path(path)
        try:
            yield from self._pages(url_path, name)
        except _CursorRefusedError as error:
            logger.info("%s Reading that list from its start once more.", error)
        else:
            return
        try:
            yield from self._pages(url_path, name)
        except _CursorRefusedError as error:
            raise error.refusal from error

    def item(self, *path: str, name: str) -> Iterator[Page]:
        """Read one object, as a list of one page.

        Args:
            path: Segments of the object's path after `/v1`.
            name: What the requests for it are counted as; the body does not name it.

        Yields:
            The object alone; it has a string `id`.

        Raises:
            Exception: As `pages`.
        """
        items, _ = self._fetch_page(self._url_path(path), name, _decode_object)
        yield items

    def _url_path(self, path: tuple[str, ...]) -> str:
        for part in path:
            # To encode the dots does not help: clients and servers on the way read `%2E` as a dot.
            if part in {"", ".", ".."}:
                msg = (
                    f"The API lists the id {part!r} (in {'/'.join(path)}), which would lead to "
                    "another path. Report it to Northflank."
                )
                raise APIError(masked(msg))
        parts = (*self._prefix, *path)
        if not all(map(_PLAIN.fullmatch, parts)):
            parts = tuple(quote(part, safe="") for part in parts)
        return "/" + "/".join(parts)

    def _pages(self, url_path: str, name: str) -> Iterator[Page]:
        asked = f"GET {urlsplit(self._base).path}{url_path}"
        cursor: str | int | None = None
        cursors: set[str | int] = set()
        seen = Seen()
        stale_pages = 0
        while True:
            query = f"per_page={self._page_size}"
            if cursor is not None:
                query += f"&cursor={quote_plus(str(cursor))}"
            items, pagination = self._fetch_page(f"{url_path}?{query}", name)
            yield items
            if not pagination.hasNextPage:
                return
            cursor = pagination.cursor
            if cursor is None or cursor == "":
                msg = (
                    f"{asked}: the API says that there is more but gives no cursor to it. "
                    "Run the sync again; if it lasts, report it to Northflank."
                )
                raise APIError(masked(msg))
            if cursor in cursors:
                msg = (
                    f"{asked}: the API gave the same cursor twice, so the list has no end. "
                    "Run the sync again; if it lasts, report it to Northflank."
                )
                raise APIError(masked(msg))
            cursors.add(cursor)
            stale_pages = 0 if seen.add(map(_id, items)) else stale_pages + 1
            if stale_pages >= MAX_STALE_PAGES:
                msg = (
                    f"{asked}: {stale_pages} pages in a row with nothing new, and no end of the "
                    "list. Run the sync again; if it lasts, report it to Northflank."
                )
                raise APIError(masked(msg))

    def _fetch_page(
        self, target: str, name: str, decode: _Decode | None = None
    ) -> tuple[Page, _Pagination]:
        try:
            return self._fetch_with_retries(f"{self._base}{target}", name, decode or _decode)
        except FailedTryError as error:
            msg = (
                f"GET {self._path(target)}: {error}, {MAX_TRIES} times. Run the sync again later; "
                "if it lasts, check api_url. What was finished is not sent twice."
            )
            raise APIError(masked(msg)) from error
        except _AsksTooMuchError as error:
            msg = (
                f"GET {self._path(target)}: {error}, and asks to wait {error.seconds:.0f} s for "
                "the next try, longer than rate_limit_max_wait allows. Run the sync again then."
            )
            raise APIError(masked(msg)) from error
        except StoppedError as error:
            raise InterruptedSyncError from error
        except ReserveTooLargeError as error:
            msg = (
                f"Setting rate_limit_reserve leaves nothing of the account's {error.limit} "
                "requests a window: set it to less than that."
            )
            raise ConfigurationError(msg) from error
        except QuotaWaitTooLongError as error:
            raise QuotaExhaustedError(_no_more_waiting(error)) from error

    def _path(self, target: str) -> str:
        return urlsplit(self._base).path + target.partition("?")[0]

    def _fetch(self, url: str, name: str, decode: _Decode) -> tuple[Page, _Pagination]:
        response = self._request(url)
        self._on_response(name, response.status, response.seconds)
        if response.status == HTTPStatus.OK:
            items, pagination = decode(response.body, name)
            return Page(items, response.headers.get("Date")), pagination
        parts = urlsplit(url)
        refusal = _refusal(parts.path, response)
        may_be_the_cursor = response.status in _CURSOR_REFUSED and "cursor=" in parts.query
        if may_be_the_cursor and not isinstance(refusal, FailedTryError):
            raise _CursorRefusedError(refusal)
        raise refusal

    def _request(self, url: str) -> Response:
        """Send a GET, follow redirects on the same host, and wait out what the quota asks for."""
        asked = url
        for _ in range(MAX_REDIRECTS):
            response = self._send_within_quota(url)
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or target is None:
                return response
            url = self._redirected(url, target)
        msg = f"GET {urlsplit(asked).path}: more than {MAX_REDIRECTS} redirects. Check api_url."
        raise APIError(masked(msg))

    def _redirected(self, url: str, location: str) -> str:
        asked = f"GET {urlsplit(url).path}: the API redirects to"
        try:
            target = urljoin(url, location)
            there = urlsplit(target)
            may_follow = self._transport.may_follow(url, target)
        except ValueError:
            msg = f"{asked} {location!r}, which is no URL. Check api_url."
            raise APIError(masked(msg)) from None
        if not may_follow:
            msg = (
                f"{asked} {there.scheme}://{there.netloc}, where the token is not sent. If that is "
                "the API, set api_url to it."
            )
            raise APIError(masked(msg))
        return target

    def _send_within_quota(self, url: str) -> Response:
        while True:
            place = self._quota.acquire()
            try:
                with self._slots:
                    response = self._transport.get(url)
            except BaseException as error:
                if isinstance(error, FailedTryError) and not error.was_sent:
                    self._quota.withdraw()
                else:
                    self._quota.lose()
                raise
            allowance = headers.allowance(response.headers)
            if response.status != HTTPStatus.TOO_MANY_REQUESTS:
                is_success = response.status == HTTPStatus.OK
                self._quota.release(place, allowance, is_success=is_success)
                return response
            self._quota.refuse(place, headers.retry_after(response.headers), allowance)

    def _log_retry(self, details: Details) -> None:
        logger.warning(
            "GET %s: %s; try %d of %d in %.1f s",
            urlsplit(details["args"][0]).path,
            details.get("exception"),
            details["tries"] + 1,
            MAX_TRIES,
            details["wait"],
        )


def jittered(seconds: float) -> float:
    """Return between a half and all of a wait, so that many do not try again at once."""
    return seconds / 2 + backoff.full_jitter(seconds / 2)


def _waits(longest: float) -> Generator[float, FailedTryError, None]:
    """Yield the wait before each further try, given what the last one ended with.

    Raises:
        _AsksTooMuchError: The waits that the server asks for are longer together than `longest`.
    """
    error = yield 0.0  # as backoff starts it
    for seconds in WAITS:
        asked = error.retry_after or 0.0
        longest -= asked
        if longest < 0:
            raise _AsksTooMuchError(str(error), asked) from error
        error = yield max(jittered(seconds), asked)


# What a server may answer to a cursor that it does not know any more.
_CURSOR_REFUSED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}

_BELIEVED_OF_THE_API_ONLY = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
}

_REDIRECTS = {
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
}


def _decode(body: bytes, name: str) -> tuple[list[Item], _Pagination]:
    with _refusing(body):
        decoded = _body_decoder.decode(texts.mended(body))
        return _with_text_ids(_items_decoder.decode(decoded.data[name])), decoded.pagination


def _decode_object(body: bytes, _name: str) -> tuple[list[Item], _Pagination]:
    with _refusing(body):
        decoded = _object_decoder.decode(texts.mended(body))
        return _with_text_ids([decoded.data]), _Pagination(hasNextPage=False)


def _with_text_ids(items: list[Item]) -> list[Item]:
    for item in items:
        if type(id_ := item["id"]) is not str:
            # The reference shows ids that may be numbers; everything else is not documented.
            item["id"] = str(msgspec.convert(id_, int))
        elif not id_:
            raise msgspec.ValidationError("an id is empty")
    return items


@contextmanager
def _refusing(body: bytes) -> Iterator[None]:
    """Where a body is not as documented, raise an error after which another try is made."""
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, RecursionError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else one_line(error)
        kind = "HTML" if _is_html(body) else "a body that is not as documented"
        raise FailedTryError(f"200 with {kind} ({what})") from error


def _refusal(path: str, response: Response) -> Exception:
    """Return the error for a status other than 200: a try that failed, or the end of the sync."""
    status = response.status
    error = _error_of(response.body)
    said = one_line(f"{status} {response.reason}") + _message(error)
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FailedTryError(said, retry_after=headers.retry_after(response.headers))
    # A gateway in front of the API, while it is reloaded or has no backend, answers 404 for addons
    # that exist. So these statuses count as the API's only with the body that is documented.
    is_documented = type(error.get("status")) is int and error["status"] == status
    if status in _BELIEVED_OF_THE_API_ONLY and not is_documented:
        with_html = " with HTML" if _is_html(response.body) else ""
        return FailedTryError(
            f"{said}{with_html}, not as Northflank's API says it, so perhaps of a gateway between",
            retry_after=headers.retry_after(response.headers),
        )
    return _final_error(path, status, said)


def _error_of(body: bytes) -> dict[str, Any]:
    """Return what the documented body has as `error`; nothing if there is no such thing."""
    try:
        body.decode()  # Odd characters are the API's own, odd bytes are not.
        error = msgspec.json.decode(texts.mended(body))["error"]
    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _message(error: dict[str, Any]) -> str:
    """Return what the documented error body says, as `: Not found (error id …)`."""
    message, id_ = (one_line(error[key]) if error.get(key) else "" for key in ("message", "id"))
    return (f": {message}" if message else "") + (f" (error id {id_})" if id_ else "")


def _is_html(body: bytes) -> bool:
    return body.removeprefix(BOM_UTF8).lstrip()[:1] == b"<"


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


def _no_more_waiting(error: QuotaWaitTooLongError) -> str:
    if error.used_up:
        return (
            f"The account's quota of API requests is used up and resets in {error.seconds:.0f} s, "
            "longer than rate_limit_max_wait allows. The state is written: run again after the "
            "reset and the sync goes on from there."
        )
    if error.told:
        return (
            f"The API refuses requests (429) for the next {error.seconds:.0f} s, longer than "
            "rate_limit_max_wait allows. The state is written: run again then and the sync goes on "
            "from there."
        )
    return (
        f"The API refuses requests (429) and was waited for in vain for {error.seconds:.0f} s, "
        "though it does not say that the account's quota is used up. The state is written: run "
        "again later, with a lower concurrency if it lasts."
    )
