"""The accounts to sync: whose token, and how each is split into shards. No Airflow here."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ID = re.compile(r"[A-Za-z0-9-]+")
_CONNECTION = re.compile(r"[A-Za-z0-9_.-]+")
_FIELDS = ("name", "connection", "team_id", "projects", "shards")


class AccountsError(Exception):
    """The file of accounts cannot be used; the message is one line that says what to do."""


class Shard(TypedDict):
    """A part of an account that one `meltano run` reads, with a state of its own.

    name: Added to the account's name in the state id; empty for an account that is not split.
    projects: The ids of the projects to read; empty for all that the token may see.
    """

    name: str
    projects: list[str]


@dataclass(frozen=True)
class Account:
    """What one token opens.

    Attributes:
        name: Stands in task ids, state ids and, for lack of a `team_id`, in the warehouse.
        connection: The Airflow connection that keeps the token, and the pool for what uses it.
        team_id: For organisation tokens: the team to read.
        projects: The ids of the projects to read; empty for all that the token may see.
        shards: How many tasks to split it into.
    """

    name: str
    connection: str
    team_id: str | None
    projects: tuple[str, ...]
    shards: int


def read(path: Path) -> list[Account]:
    """Read a file of accounts; accounts.example.yml says what is in it.

    Raises:
        AccountsError: It is missing, or something in it is wrong.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"The accounts cannot be read: {path}: {error.strerror}. See accounts.example.yml."
        raise AccountsError(msg) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{path} is not YAML: {' '.join(str(error).split())}"
        raise AccountsError(msg) from error
    try:
        return _accounts(content)
    except AccountsError as error:
        msg = f"{path}: {error}"
        raise AccountsError(msg) from None


def split(projects: Iterable[str], shards: int) -> list[Shard]:
    """Divide projects among shards, the same ones for the same shard at each sync.

    A project changes its shard, and so is sent in full once more, only when `shards` changes.

    Args:
        projects: Their ids.
        shards: How many shards to fill; those that stay empty are left out.
    """
    parts: dict[int, list[str]] = {}
    for project in sorted(set(projects)):
        parts.setdefault(zlib.crc32(project.encode()) % shards + 1, []).append(project)
    return [{"name": str(number), "projects": parts[number]} for number in sorted(parts)]


def _accounts(content: object) -> list[Account]:
    if not isinstance(content, dict) or list(content) != ["accounts"]:
        msg = "it takes one field, `accounts`"
        raise AccountsError(msg)
    entries = content["accounts"]
    if not isinstance(entries, list) or not entries:
        msg = "`accounts` takes a list of one or more accounts"
        raise AccountsError(msg)
    accounts = [_account(entry) for entry in entries]
    names = [account.name for account in accounts]
    for name in names:
        if names.count(name) > 1:
            msg = f"account {name} is there twice"
            raise AccountsError(msg)
    for account in accounts:
        _refuse_other_team(account, {one.name for one in accounts if one.team_id is None})
    return accounts


def _refuse_other_team(account: Account, named: set[str]) -> None:
    """Refuse a team that goes by the name of an account: their rows would meet on their keys."""
    if account.team_id in named:
        msg = (
            f"accounts {account.team_id} and {account.name} would both be team {account.team_id} "
            "in the warehouse: rename the first, or give it its `team_id`"
        )
        raise AccountsError(msg)


def _account(entry: object) -> Account:
    if not isinstance(entry, dict):
        msg = f"an account takes the fields {', '.join(_FIELDS)}, not {entry!r}"
        raise AccountsError(msg)
    name = entry.get("name")
    if not _is(name, _ID):
        msg = f"the `name` of an account takes letters, digits and hyphens, not {name!r}"
        raise AccountsError(msg)
    fields: dict[Any, Any] = {
        "connection": f"northflank_{name}",
        "team_id": None,
        "projects": [],
        "shards": 1,
        **entry,
    }
    for wrong in _problems(fields):
        msg = f"account {name}: {wrong}"
        raise AccountsError(msg)
    return Account(**{**fields, "projects": tuple(fields["projects"])})


def _problems(fields: dict[Any, Any]) -> Iterable[str]:
    for unknown in sorted(map(str, fields.keys() - set(_FIELDS))):
        yield f"there is no field `{unknown}`; it takes {', '.join(_FIELDS)}"
    if not _is(fields["connection"], _CONNECTION):
        yield f"`connection` takes the id of an Airflow connection, not {fields['connection']!r}"
    if fields["team_id"] is not None and not _is(fields["team_id"], _ID):
        yield f"`team_id` takes letters, digits and hyphens, not {fields['team_id']!r}"
    projects, shards = fields["projects"], fields["shards"]
    if not isinstance(projects, list) or not all(_is(project, _ID) for project in projects):
        yield f"`projects` takes a list of project ids, not {projects!r}"
    if not isinstance(shards, int) or isinstance(shards, bool) or shards < 1:
        yield f"`shards` takes a whole number, 1 or more, not {shards!r}"


def _is(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
