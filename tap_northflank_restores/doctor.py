"""The command tap-northflank-restores-doctor: which reading of the API's documents holds here.

The tap was written without access to the API. This asks an account a few questions, and prints what
a public bug report may hold. The tap never imports it.
"""

from __future__ import annotations

import logging
import math
import re
import signal
import sys
import textwrap
from contextlib import closing, contextmanager
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

from tap_northflank_restores import openapi, texts
from tap_northflank_restores.client import Client
from tap_northflank_restores.command import Command
from tap_northflank_restores.doubts import DOUBTS, Listing, Page, Seen
from tap_northflank_restores.errors import ExitCode, NotFoundError, TapError
from tap_northflank_restores.streams import STREAMS
from tap_northflank_restores.tap import TapNorthflankRestores
from tap_northflank_restores.transport import FailedTryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_northflank_restores.transport import Response, Transport

NAME = f"{TapNorthflankRestores.name}-doctor"
REQUESTS = 20
"""The most that is sent, further tries and redirects counted."""
PROJECTS, ADDONS, BACKUPS, PAGES = 3, 4, 2, 5
"""How many projects, addons with restores, lists of backups, and pages of one list to look at."""
AFTERWARDS = BACKUPS + PAGES + 4
"""What is asked after the lists of restores; the last is the OpenAPI document."""
DOCUMENT = "/v1/swagger-json"
WIDTH = 78

# The path of each stream's list, with `{}` for ids, and the list's name in the body.
_IN_DOCUMENT: dict[str, tuple[str, str | None]] = {
    "projects": ("/projects", "projects"),
    "addons": ("/projects/{}/addons", "addons"),
    "addon_details": ("/projects/{}/addons/{}", None),
    "backups": ("/projects/{}/addons/{}/backups", "backups"),
    "backup_schedules": ("/projects/{}/addons/{}/backup-schedules", "schedules"),
    "restores": ("/projects/{}/addons/{}/restores", "restores"),
}

logger = logging.getLogger("tap-northflank-restores")


class _SpentError(Exception):
    """All requests are made that may be made."""


class _Recorder:
    """The transport, with a bound for all requests, and a memory of what was answered."""

    def __init__(self, transport: Transport, seen: Seen) -> None:
        self._transport = transport
        self._seen = seen
        self.sent = 0
        self.body = b""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the transport's
        return getattr(self._transport, name)

    def get(self, url: str) -> Response:
        if self.sent >= REQUESTS:
            raise _SpentError
        self.sent += 1
        response = self._transport.get(url)
        lower = {name.lower(): value for name, value in response.headers.items()}
        self._seen.answers.append((response.status, lower))
        self.body = response.body
        return response


class Probe(Client):
    """The tap's client, which also keeps each answer as it came."""

    def __init__(self, seen: Seen, **settings: Any) -> None:  # noqa: ANN401 - the client's
        """Send nothing yet; see `Client`."""
        super().__init__(**settings)
        self.recorder = _Recorder(self._transport, seen)
        self._transport = cast("Transport", self.recorder)

    def read(self, listing: Listing, *path: str, name: str, size: int, pages: int) -> None:
        """Read pages of a list into a listing, no more than `pages`, of `size` items each.

        Raises:
            Exception: As `Client.pages`; what came before stays in the listing.
        """
        self._page_size = size
        with closing(cast("Any", self.pages(*path, name=name))) as read:
            for _ in islice(read, pages):
                body = self.answer()
                listing.pages.append(Page(body["data"][name], body["pagination"]))

    def answer(self) -> Any:  # noqa: ANN401 - JSON
        """Return the last body, as JSON."""
        return msgspec.json.decode(texts.mended(self.recorder.body))

    def document(self) -> tuple[object, str]:
        """Return the OpenAPI document, or None and why there is none; it is asked for once."""
        why_not = ""
        try:
            response = self._request(f"{self._base}{DOCUMENT}")
            if response.status == HTTPStatus.OK:
                document = self.answer()
                return (
                    (document, "") if _is_openapi(document) else (None, "no OpenAPI document came")
                )
            why_not = f"the answer is {response.status}"
        except _SpentError:
            why_not = "the requests were spent before"
        except FailedTryError:
            why_not = "no answer came"
        except TapError as error:
            why_not = f"asking for it would end the tap with code {int(error.exit_code)}"
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            why_not = "the answer is no JSON"
        return None, why_not


def _is_openapi(document: object) -> bool:
    return isinstance(document, dict) and isinstance(document.get("paths"), dict)


class Visit:
    """A look at an account."""

    def __init__(self, config: Mapping[str, Any], client: Probe, seen: Seen) -> None:
        """Ask nothing yet."""
        self._config = config
        self._client = client
        self.seen = seen
        self.error: TapError | None = None
        """What would end a sync; the first that came."""
        self.names = {str(config[key]) for key in ("team_id",) if config.get(key)}
        """The ids and names that were met, which must not be shown."""

    def make(self) -> None:
        """Ask, until all is asked, the requests are spent, or the API refuses."""
        try:
            addons = self._with_restores(self._addons())
            for addon in addons[:BACKUPS]:
                self._list("backups", addon, "backups")
            if addons:
                first = self._by_foreign_backup(addons)
                self._detail(first)
                self._list("backup_schedules", first, "backup-schedules", "schedules")
                self._restores_of_a_backup()
            self._pages()
        except _SpentError:
            pass
        except TapError as error:
            self.error = self.error or error

    def _addons(self) -> list[tuple[str, str]]:
        config = self._config
        for key in ("addons", "project_ids"):
            self.names.update(part for text in config.get(key) or () for part in text.split("/"))
        if named := config.get("addons"):
            return [cast("tuple[str, str]", tuple(text.split("/"))) for text in named]
        projects = list(config.get("project_ids") or ())
        if not projects:
            listing = self._read("projects", None, "projects", name="projects")
            projects = [str(item["id"]) for item in listing.items]
        found = []
        for project in projects[:PROJECTS]:
            listing = self._read("addons", None, "projects", project, "addons", name="addons")
            found.append([(project, str(item["id"])) for item in listing.items])
        # One of each project in turn, so that the sample is of all of them.
        longest = max(map(len, found), default=0)
        return [each[at] for at in range(longest) for each in found if at < len(each)]

    def _with_restores(self, addons: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Read the restores of addons until enough have some; return those that were asked."""
        asked: list[tuple[str, str]] = []
        for addon in addons:
            enough = sum(bool(self._restores(each)) for each in asked) == ADDONS
            if enough or self._client.recorder.sent >= REQUESTS - AFTERWARDS:
                break
            self._list("restores", addon, "restores")
            asked.append(addon)
        return self._by_restores(asked)

    def _list(
        self, kind: str, addon: tuple[str, str], segment: str, name: str | None = None
    ) -> None:
        project, id_ = addon
        path = ("projects", project, "addons", id_, segment)
        self._read(kind, addon, *path, name=name or segment)

    def _read(self, kind: str, addon: tuple[str, str] | None, *path: str, name: str) -> Listing:
        listing = Listing(kind, addon)
        self.seen.listings.append(listing)
        try:
            # A second page only if the first is empty.
            self._client.read(listing, *path, name=name, size=100, pages=1)
            if listing.pages and listing.pages[0].says_more and not listing.items:
                listing.pages.clear()
                self._client.read(listing, *path, name=name, size=100, pages=2)
        except NotFoundError as error:
            if self._config.get("addons") or self._config.get("project_ids") or addon is None:
                self.error = self.error or error
        self._hide(listing.items)
        return listing

    def _hide(self, items: Iterable[dict[str, Any]]) -> None:
        for item in items:
            self.names.update(str(item[key]) for key in ("id", "name") if item.get(key))
            # Such as `/team/project/addon`: a team's token does not tell the team otherwise.
            self.names.update(part for part in str(item.get("appId", "")).split("/") if part)

    def _restores(self, addon: tuple[str, str]) -> list[dict[str, Any]]:
        return [
            item for each in self.seen.of("restores") if each.addon == addon for item in each.items
        ]

    def _by_restores(self, addons: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return sorted(addons, key=lambda addon: -len(self._restores(addon)))

    def _by_foreign_backup(self, addons: list[tuple[str, str]]) -> tuple[str, str]:
        """Return the addon with a restore of a backup that its list does not have, or the first."""
        for listing in self.seen.of("backups"):
            own = {str(item.get("id")) for item in listing.items}
            if listing.addon and any(
                str(item.get("backupId")) not in own for item in self._restores(listing.addon)
            ):
                return listing.addon
        return addons[0]

    def _detail(self, addon: tuple[str, str]) -> None:
        path = ("projects", addon[0], "addons", addon[1])
        try:
            for _ in self._client.item(*path, name="addon_details"):
                self.seen.details[addon] = self._client.answer()["data"]
        except NotFoundError:
            return  # deleted meanwhile

    def _restores_of_a_backup(self) -> None:
        for listing in list(self.seen.of("backups")):
            ids = {str(item.get("id")) for item in listing.items}
            used = (str(item.get("backupId")) for item in self._restores(listing.addon or ("", "")))
            if listing.addon and (backup := next((each for each in used if each in ids), None)):
                project, id_ = listing.addon
                read = Listing("backup-restores", listing.addon, backup)
                path = ("projects", project, "addons", id_, "backups", backup, "restores")
                try:
                    self._client.read(read, *path, name="restores", size=100, pages=1)
                except TapError:
                    return  # The tap does not need this list.
                self.seen.listings.append(read)
                return

    def _pages(self) -> None:
        """Read one list once more, in small pages, to see how pages follow each other."""
        several = [each for each in self.seen.listings if len(each.items) > 1]
        kinds = ("restores", "backups", "addons", "projects")
        chosen = max(
            (each for each in several if each.kind in kinds),
            key=lambda each: (each.kind == "restores", each.is_whole, len(each.items)),
            default=None,
        )
        if chosen is None:
            return
        path = self._path_of(chosen)
        again = Listing(chosen.kind, chosen.addon)
        self.seen.listings.append(again)
        size = math.ceil(len(chosen.items) / 3)
        self._client.read(again, *path, name=chosen.kind, size=size, pages=PAGES)

    def _path_of(self, listing: Listing) -> tuple[str, ...]:
        if listing.addon:
            project, id_ = listing.addon
            return ("projects", project, "addons", id_, listing.kind)
        if listing.kind == "projects":
            return ("projects",)
        return ("projects", self._project_of(listing), "addons")

    def _project_of(self, listing: Listing) -> str:
        projects = list(self._config.get("project_ids") or ())
        projects = projects or [
            str(i["id"]) for each in self.seen.of("projects") for i in each.items
        ]
        return str(projects[list(self.seen.of("addons")).index(listing)])


def main() -> None:
    """Run the command."""
    tap = TapNorthflankRestores.cli
    Command(
        name=NAME,
        callback=_run,
        params=[each for each in tap.params if each.name in {"config", "version"}],
        context_settings={"help_option_names": ["--help"]},
        help="Ask the account a few questions, and tell how the API behaves. "
        f"Sends at most {REQUESTS} requests, all of them GET. Prints no data of the account.",
    ).main()


def _run(config: Any) -> None:  # noqa: ANN401 - the SDK's
    tap = TapNorthflankRestores(config=config.config, parse_env_config=config.parse_env)
    # The tap's own would wait for a state to be written.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seen, settings = Seen(), tap.config
    version = f"{tap.name} {tap.plugin_version}"
    client = Probe(
        seen,
        api_url=settings["api_url"],
        token=settings["api_token"],
        quota=tap.quota,
        team_id=settings.get("team_id"),
        request_timeout=settings["request_timeout"],
        user_agent=settings.get("user_agent") or version.replace(" ", "/"),
    )
    # `list_reads` is made by the tap: no answer of the API has it.
    schemas = {
        each.name: tap.streams[each.name].schema for each in STREAMS if each.name in _IN_DOCUMENT
    }
    visit = Visit(settings, client, seen)
    try:
        with _without(visit.names):
            visit.make()
            if seen.listings and any(each.pages for each in seen.listings):
                document = client.document()
                click.echo(
                    "\n".join(
                        report(
                            version=version,
                            schemas=schemas,
                            seen=seen,
                            document=document,
                            error=visit.error,
                            spent=client.recorder.sent,
                        )
                    )
                )
    except KeyboardInterrupt:
        logger.error("Interrupted; the doctor has changed nothing.")  # noqa: TRY400
        sys.exit(ExitCode.INTERRUPTED)
    if visit.error is not None:
        visit.error.args = (_without_names(str(visit.error), visit.names),)
        raise visit.error


@contextmanager
def _without(names: set[str]) -> Iterator[None]:
    """Keep ids and names of the account out of the log."""

    def clean(record: logging.LogRecord) -> bool:
        record.msg, record.args = _without_names(record.getMessage(), names), ()
        return True

    logger.addFilter(clean)
    try:
        yield
    finally:
        logger.removeFilter(clean)


def _without_names(line: str, names: Iterable[str]) -> str:
    line = re.sub(r"(/(?:teams|addons|backups)/)(?!restores\b)[^/\s:?]+", r"\1{id}", line)
    line = re.sub(r"(/projects/)[^/\s:?]+", r"\1{id}", line)
    for name in sorted(names, key=len, reverse=True):
        line = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "{id}", line)
    return line


# The report ---------------------------------------------------------------------------------


def report(
    *,
    version: str,
    schemas: Mapping[str, dict[str, Any]],
    seen: Seen,
    document: tuple[object, str],
    error: TapError | None,
    spent: int,
) -> Iterator[str]:
    """Yield the lines for the terminal, none longer than 80 columns.

    Args:
        version: Name and version of the tap.
        schemas: The schema of each stream.
        seen: What the API answered.
        document: The OpenAPI document, or None and why there is none.
        error: What would end a sync of the tap, if anything would.
        spent: How many requests were sent.
    """
    yield f"First contact of {version} with the Northflank API"
    yield ""
    yield from _wrapped(
        "The tap was written without access to the API. These are the readings of its documents "
        "that hold on this account. No data of the account is in this text: no ids, names or "
        f"times, and no token. {spent} of at most {REQUESTS} requests were sent."
    )
    yield ""
    yield "What the documents leave open"
    for doubt in DOUBTS:
        finding = doubt.find(seen)
        yield ""
        yield from _wrapped(f"[{doubt.name}] {doubt.about}")
        here = finding.reading or f"not seen: {finding.why_not}"
        yield from _wrapped(f"  here: {here}", "        ")
        yield from _wrapped(f"  tap:  {doubt.tap}", "        ")
    yield ""
    yield "Properties in the answers, and in the tap's schemas"
    yield ""
    yield from _of_answers(seen, schemas)
    yield ""
    yield f"The OpenAPI document, {DOCUMENT}"
    yield ""
    yield from _of_document(*document, schemas)
    yield ""
    if error is None:
        yield "No answer was met that would end a sync at once."
    else:
        yield from _wrapped(
            f"A sync of this account would end with code {int(error.exit_code)}; the line on "
            "standard error says why. What is asked after such an end was not seen."
        )


def _of_answers(seen: Seen, schemas: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    for stream, schema in schemas.items():
        items = list(seen.details.values()) if stream == "addon_details" else seen.items(stream)
        if not items:
            yield f"{stream}: no item was seen"
            continue
        ours = openapi.declared(schema)
        new, missing, other = openapi.differences(openapi.observed(items, schema), ours)
        # The ids of restores may be numbers, see above.
        yield from _differences(stream, new, missing, other, "never seen here")


def _of_document(
    document: object, why_not: str, schemas: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    if document is None:
        yield f"Not compared: {why_not}."
        return
    for stream, schema in schemas.items():
        path, name = _IN_DOCUMENT[stream]
        if (given := openapi.documented(document, path, name)) is None:
            yield f"{stream}: not in the document, or in a form that is not known here"
            continue
        differences = openapi.differences(given, openapi.declared(schema))
        yield from _differences(stream, *differences, "not in the document")


def _differences(
    stream: str, new: list[str], missing: list[str], other: list[str], absent: str
) -> Iterator[str]:
    if not (new or missing or other):
        yield f"{stream}: no difference"
    said = (("not in the schema", new), (absent, missing), ("of another type", other))
    for what, properties in said:
        if properties:
            yield from _wrapped(f"{stream}, {what}: {', '.join(properties)}", "    ")


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


if __name__ == "__main__":
    main()
