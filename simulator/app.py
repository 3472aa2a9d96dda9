"""The simulated API as an ASGI application: paths, access, answers, and what goes wrong."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections import OrderedDict
from email.utils import formatdate
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import parse_qsl, urlencode

import msgspec

from simulator.behaviour import Behaviour
from simulator.pages import BadQueryError, page, place
from simulator.quota import Quota
from simulator.request_log import Request, RequestLog
from simulator.world import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from simulator.faults import Fault
    from simulator.world import Item, ListKind, World

TRANSPORT = "simulator.transport"
CONNECTION = "connection"
"""The ASGI extension, and its key, by which a fault gets at the connection to close it."""

ROUTE = re.compile(
    r"/v1(?:/teams/(?P<team>[^/]+))?/projects"
    r"(?:/(?P<project>[^/]+)/(?P<addons>addons)"
    r"(?:/(?P<addon>[^/]+)(?:/(?P<list>restores|backups|backup-schedules)"
    r"|/backups/(?P<backup>[^/]+)/(?P<of_backup>restores|restore))?)?)?"
)
NAMES = {"backup-restores": "restores", "backup-schedules": "schedules"}
"""The name of a list in the body, where it is not that of its kind."""

LISTINGS_REMEMBERED = 1000
HTML = b"<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
CHUNK = b" " * 65536


class Target(NamedTuple):
    """What a path asks for."""

    kind: ListKind
    team: str | None
    project: str
    addon: str
    backup: str
    starts_restore: bool = False
    """Whether it is the path that a restore is started by, and no list."""


class Answer(NamedTuple):
    """A whole response."""

    status: int
    body: bytes
    headers: dict[str, str]


class ApiError(Exception):
    """A status other than 200, with the documented body."""

    def __init__(self, status: int, message: str) -> None:
        """Keep what the body will say."""
        super().__init__(message)
        self.status = status
        self.message = message


class Api:
    """The ASGI application. Its attributes may be changed while it serves."""

    def __init__(self, world: World, behaviour: Behaviour | None, token: str) -> None:
        """Serve `world` to those who bring `token`."""
        self.world = world
        self.behaviour = behaviour or Behaviour()
        self.token = token
        self.faults: list[Fault] = []
        self.before_response: Callable[[Request, World], object] | None = None
        self.log = RequestLog()
        self.failures: list[Exception] = []
        """What went wrong in the simulator itself, or in `before_response`."""
        self.quota = Quota()
        self._listings = count(1)
        self._given: OrderedDict[int, list[str]] = OrderedDict()
        self._errors = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["raw_path"].decode("ascii")
        target = _target(path)
        request = Request(
            method=scope["method"],
            path=path,
            query=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
            headers=_decoded(tuple(scope["headers"])),
            page_of=target.kind if target and not target.starts_restore else None,
        )
        self.log.arrived(request)
        try:
            if delay := self.behaviour.delay(request):
                await asyncio.sleep(delay)
            fault = self._fault(request)
            if fault and fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            answer = self._answer(request, target, fault)
            if fault and fault.kind in {"drop", "cut", "gzip-cut", "huge"}:
                await _break(fault, answer, request, scope, receive, send)
            else:
                request.status = answer.status
                await _send(send, answer)
        except Exception as error:
            self.failures.append(error)
            raise
        finally:
            self.log.left(request)

    def _fault(self, request: Request) -> Fault | None:
        if not self.faults:
            return None
        number = None
        if request.page_of:
            try:
                number = place(request.query, 0).cursor.page + 1
            except BadQueryError:
                number = None
        return next((f for f in list(self.faults) if f.strikes(request.path, number)), None)

    def _answer(self, request: Request, target: Target | None, fault: Fault | None) -> Answer:
        headers: dict[str, str] = {}
        try:
            self._authenticate(request)
            spent = self.quota.spend(self.behaviour)
            headers = spent.headers
            if self.behaviour.clock_ahead:
                date = formatdate(time.time() + self.behaviour.clock_ahead, usegmt=True)
                headers = {"date": date, **headers}
            if not spent.allowed:
                return self._error(ApiError(429, "Too many requests"), headers)
            if fault and fault.kind == "body":
                return Answer(fault.status or 404, fault.body, dict(fault.headers))
            if fault and (replaced := _instead(fault, request)):
                return replaced._replace(headers={**headers, **replaced.headers})
            body = self._body(request, target)
            if fault and fault.kind == "change" and fault.change:
                changed = msgspec.json.decode(msgspec.json.encode(body))
                result = fault.change(changed)
                body = changed if result is None else result
            return _json(200, body, headers)
        except ApiError as error:
            return self._error(error, headers)

    def _authenticate(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise ApiError(401, "Unauthorized")
        if self.behaviour.token_expired:
            raise ApiError(401, "Token has expired")

    def _body(self, request: Request, target: Target | None) -> Item:
        if target is None or request.method != ("POST" if target.starts_restore else "GET"):
            raise ApiError(404, "Not found")
        self._permit(target)
        with self.world.lock:
            if self.before_response:
                self.before_response(request, self.world)
            try:
                if target.starts_restore:
                    return {"data": {"restoreId": self._start_restore(target, request.query)}}
                if target.kind == "addon-details":
                    return {"data": self._detail(target)}
                at = place(request.query, next(self._listings))
                items = self._visible(target)
                given = self._given_by(at.cursor.listing)
                answer = page(items, at, target.kind, self.behaviour, given)
            except NotFoundError as error:
                raise ApiError(404, str(error)) from None
            except BadQueryError as error:
                raise ApiError(400, str(error)) from None
            shown = self.on_the_wire(target.kind, target.project, target.addon, answer.items)
            return answer._replace(items=shown).body(NAMES.get(target.kind, target.kind))

    def _detail(self, target: Target) -> Item:
        item = self.world.detail(target.project, target.addon)
        (shown,) = self.on_the_wire(target.kind, target.project, target.addon, [item])
        return shown

    def _start_restore(self, target: Target, query: dict[str, str]) -> str:
        """Restore a backup of the addon, or a global one of another addon, into the addon."""
        source = (
            query.get("sourceProjectId", target.project),
            query.get("sourceAddonId", target.addon),
        )
        if all(item["id"] != target.backup for item in self.world.backups(*source)):
            message = f"Backup '{target.backup}' not found"
            raise NotFoundError(message)
        item = self.world.add_restore(
            target.project,
            target.addon,
            status="scheduled",
            source=source,
            backupId=target.backup,
        )
        return str(item["id"])

    def _given_by(self, listing: int) -> list[str]:
        given = self._given.setdefault(listing, [])
        if len(self._given) > LISTINGS_REMEMBERED:
            self._given.popitem(last=False)
        return given

    def _permit(self, target: Target) -> None:
        behaviour = self.behaviour
        if behaviour.team_id and target.team is None:
            raise ApiError(403, "An organisation token needs a team: /v1/teams/{teamId}/projects")
        if target.team not in {None, behaviour.team_id or self.world.team}:
            raise ApiError(404, f"Team '{target.team}' not found")
        if target.kind == "projects":
            if not behaviour.may_list_projects:
                raise ApiError(403, "Missing permission: Project > Projects > Manage > Read")
        elif not behaviour.may_read_addons:
            raise ApiError(403, "Missing permission: Project > Addons > General > Read")
        elif not self._reaches(target.project):
            raise ApiError(403, f"The token has no access to project '{target.project}'")

    def _reaches(self, project: str) -> bool:
        return self.behaviour.token_projects is None or project in self.behaviour.token_projects

    def _visible(self, target: Target) -> Sequence[Item]:
        kind, project, addon, backup = target.kind, target.project, target.addon, target.backup
        items = self.world.listed(kind, project, addon, backup)
        if kind == "projects" and self.behaviour.token_projects is not None:
            return [item for item in items if self._reaches(item["id"])]
        if kind in {"restores", "backup-restores"} and not self.behaviour.forks_leave_restores:
            return [item for item in items if not self.world.is_fork(project, addon, item)]
        return items

    def on_the_wire(
        self, kind: ListKind, project: str, addon: str, items: list[Item]
    ) -> list[Item]:
        """Return items of the world as a response carries them; the world's stay as they are."""
        dated_by_backup = self.behaviour.restore_timestamp == "backup_created"
        if dated_by_backup and kind in {"restores", "backup-restores"}:
            items = [self.world.dated_by_backup(project, addon, item) for item in items]
        return self.behaviour.on_the_wire(kind, items)

    def served_restores(self) -> Iterator[Item]:
        """Yield all restores as responses carry them, with `projectId` and `addonId` added."""
        for project, addon in self.world.addon_keys():
            items = list(self._visible(Target("restores", None, project, addon, "")))
            for item in self.on_the_wire("restores", project, addon, items):
                yield {"projectId": project, "addonId": addon, **item}

    def _error(self, error: ApiError, headers: dict[str, str]) -> Answer:
        return _json(
            error.status,
            error_body(error.status, error.message, f"nf-error-{next(self._errors)}"),
            headers,
        )


def error_body(status: int, message: str, name: str) -> Item:
    """Return the documented body of an error; `name` is its id."""
    return {"error": {"status": status, "message": message, "id": name, "details": {}}}


def _target(path: str) -> Target | None:
    if not (match := ROUTE.fullmatch(path)):
        return None
    team, project, addons, addon, name, backup, of_backup = match.groups()
    kind = name or ("backup-restores" if backup else "addon-details" if addon else addons)
    starts_restore = of_backup == "restore"
    return Target(
        cast("ListKind", kind or "projects"),
        team,
        project or "",
        addon or "",
        backup or "",
        starts_restore,
    )


@lru_cache(maxsize=64)
def _decoded(headers: tuple[tuple[bytes, bytes], ...]) -> Mapping[str, str]:
    # One object for all requests with the same headers: the log keeps them all.
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def _json(status: int, body: object, headers: dict[str, str]) -> Answer:
    return Answer(
        status, msgspec.json.encode(body), {"content-type": "application/json", **headers}
    )


def _instead(  # noqa: PLR0911 - a table of answers
    fault: Fault, request: Request
) -> Answer | None:
    """Return what a fault answers in place of the regular body, if it does."""
    if fault.kind == "status":
        status = fault.status or 500
        message = fault.message or "Something went wrong"
        return _json(status, error_body(status, message, "nf-fault"), fault.headers)
    if fault.kind == "not_found":
        return _json(404, error_body(404, fault.message or "Not found", "nf-fault"), {})
    if fault.kind == "html":
        return Answer(fault.status or 502, HTML, {"content-type": "text/html", **fault.headers})
    if fault.kind == "wrong_shape":
        return _json(fault.status or 200, fault.shape, {})
    if fault.kind == "malformed":
        return Answer(
            200, b'{"data": {"restores": [{"id": "66', {"content-type": "application/json"}
        )
    if fault.kind == "redirect":
        path = f"{request.path}?{urlencode(request.query)}".rstrip("?")
        where = fault.to.replace("{path}", path)
        return Answer(fault.status or 302, b"", {"location": where, **fault.headers})
    return None


async def _send(send: Send, answer: Answer, *, content_length: int | None = None) -> None:
    length = len(answer.body) if content_length is None else content_length
    headers = [(k.encode(), v.encode("latin-1")) for k, v in answer.headers.items()]
    headers.append((b"content-length", b"%d" % length))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    more = length > len(answer.body)
    await send({"type": "http.response.body", "body": answer.body, "more_body": more})


async def _break(  # noqa: PLR0917
    fault: Fault, answer: Answer, request: Request, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send an answer as a broken connection or an endless body would have it."""
    body = answer.body
    if fault.kind != "drop":
        request.status = answer.status
    if fault.kind == "huge":
        await _send(send, answer._replace(body=b""), content_length=fault.size)
        for start in range(0, fault.size, len(CHUNK)):
            rest = fault.size - start - len(CHUNK)
            piece = CHUNK if rest >= 0 else CHUNK[:rest]
            await send({"type": "http.response.body", "body": piece, "more_body": rest > 0})
    elif fault.kind == "gzip-cut":
        packed = gzip.compress(body)
        headers = {**answer.headers, "content-encoding": "gzip"}
        await _send(send, Answer(answer.status, packed[: len(packed) // 2], headers))
    else:
        if fault.kind == "cut":
            half = answer._replace(body=body[: len(body) // 2])
            await _send(send, half, content_length=len(body))
        scope["extensions"][TRANSPORT][CONNECTION].close()
        while (await receive())["type"] != "http.disconnect":
            pass
