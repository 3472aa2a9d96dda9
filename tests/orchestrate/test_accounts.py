"""The file of accounts: what it may hold, and the line that says what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from northflank.accounts import Account, AccountsError, read, split

from demo.account import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = "accounts.example.yml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of accounts."""
    return tmp_path / "accounts.yml"


def test_the_example_can_be_used_as_it_is() -> None:
    accounts = {account.name: account for account in read(ROOT / "orchestrate" / EXAMPLE)}
    assert accounts["acme"] == Account("acme", "northflank_acme", None, (), 1)
    assert accounts["umbrella"].projects == ("shop", "payments")
    assert accounts["globex"].shards == 4
    assert accounts["initech-web"].connection == accounts["initech-data"].connection
    assert accounts["initech-web"].team_id == "web"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "it takes one field, `accounts`"),
        ("account: []", "it takes one field, `accounts`"),
        ("accounts: []", "a list of one or more accounts"),
        ("accounts: {name: acme}", "a list of one or more accounts"),
        ("accounts: [acme]", "an account takes the fields name, connection.* not 'acme'"),
        ("accounts: [{team_id: web}]", "the `name` of an account takes .* not None"),
        ("accounts: [{name: a/b}]", "the `name` of an account takes .* not 'a/b'"),
        ("accounts: [{name: a}, {name: a}]", "account a is there twice"),
        ("accounts: [{name: a}, {name: b, team_id: a}]", "accounts a and b would both be team a"),
        ("accounts: [{name: a, token: x}]", "account a: there is no field `token`"),
        ("accounts: [{name: a, connection: a b}]", "account a: `connection` takes .* not 'a b'"),
        ("accounts: [{name: a, team_id: 7}]", "account a: `team_id` takes .* not 7"),
        ("accounts: [{name: a, projects: web}]", "account a: `projects` takes a list .* not 'web'"),
        ("accounts: [{name: a, projects: [../x]}]", "account a: `projects` takes a list"),
        ("accounts: [{name: a, shards: 0}]", "account a: `shards` takes a whole number.* not 0"),
        ("accounts: [{name: a, shards: true}]", "account a: `shards` takes .* not True"),
        ("accounts: [", "is not YAML: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(
    file: Path, content: str, line: str
) -> None:
    file.write_text(content)
    with pytest.raises(AccountsError, match=line) as error:
        read(file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_a_team_may_be_in_several_accounts(file: Path) -> None:
    parts = "{name: a, team_id: t, projects: [x]}, {name: b, team_id: t, projects: [y]}"
    file.write_text(f"accounts: [{parts}, {{name: t2}}, {{name: u, team_id: u}}]")
    assert [account.team_id for account in read(file)] == ["t", "t", None, "u"]


def test_a_missing_file_is_named_with_what_to_do(file: Path) -> None:
    with pytest.raises(AccountsError, match=f"{file}: No such file.* See {EXAMPLE}"):
        read(file)


def test_each_project_is_in_one_shard_and_stays_there_when_others_come_and_go() -> None:
    projects = [f"project-{number}" for number in range(200)]
    before = split(projects, 4)
    assert [shard["name"] for shard in before] == ["1", "2", "3", "4"]
    assert sorted(id_ for shard in before for id_ in shard["projects"]) == sorted(projects)
    after = split([*projects[50:], "another", "another"], 4)
    for old, new in zip(before, after, strict=True):
        stayed = set(old["projects"]) - set(projects[:50])
        assert set(new["projects"]) - {"another"} == stayed
    assert sum("another" in shard["projects"] for shard in after) == 1


def test_a_shard_without_projects_is_left_out() -> None:
    assert split([], 4) == []
    assert split(["shop"], 4) == [{"name": split(["shop"], 4)[0]["name"], "projects": ["shop"]}]
