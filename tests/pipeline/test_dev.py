"""`./dev` says in one line what a machine lacks; that it works shows in each run of the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from demo.account import ROOT
from tests.means import bound_by_permissions

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ("sh", "dirname", "mkdir", "cat")
FAILING = "#!/bin/sh\nexit 127\n"
TOO_OLD = f"""#!/bin/sh
exec {sys.executable} -c "import sys; sys.version_info = (3, 9)
$2"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout on a machine whose only programs are a few of the shell's."""
    shutil.copy(ROOT / "dev", tmp_path)
    (tmp_path / "bin").mkdir()
    for name in TOOLS:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or pytest.fail(name))
    return tmp_path


def program(machine: Path, name: str, text: str) -> None:
    """Put a program on the machine."""
    path = machine / "bin" / name
    path.write_text(text)
    path.chmod(0o755)


def dev(machine: Path, *arguments: str) -> tuple[int, str, str]:
    """Run it from another folder; return exit code, stdout and stderr."""
    env = {"PATH": str(machine / "bin"), "HOME": str(machine / "home")}
    done = subprocess.run(  # noqa: S603 - the script under test
        [machine / "dev", *arguments], cwd="/", env=env, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_without_arguments_it_says_what_it_can_do(machine: Path) -> None:
    code, shown, errors = dev(machine)
    assert (code, errors) == (0, "")
    assert "  demo " in shown
    assert "  test " in shown


def test_an_unknown_command_is_an_error(machine: Path) -> None:
    code, shown, errors = dev(machine, "tset")
    assert (code, shown) == (1, "")
    assert errors.splitlines()[-1] == "dev: there is no command tset"


def test_no_python(machine: Path) -> None:
    assert dev(machine, "test") == (
        1,
        "",
        "dev: no Python 3.10 or later found: install one, with venv, and try again\n",
    )


def test_a_python_that_is_too_old_or_only_a_stand_in_is_passed_over(machine: Path) -> None:
    program(machine, "python3", FAILING)
    program(machine, "python3.13", TOO_OLD)
    program(machine, "python3.11", '#!/bin/sh\ncase $1 in -c) ;; *) echo "$*"; exit 1 ;; esac\n')
    code, _, errors = dev(machine, "test")
    assert code == 1
    assert errors.splitlines()[-1].startswith("dev: python3.11 cannot make a venv")
    assert (machine / ".dev/venv.log").read_text() == "-m venv --clear .dev/uv\n"


def test_an_old_uv_is_passed_over(machine: Path) -> None:
    program(machine, "uv", '#!/bin/sh\necho "uv 0.7.22 (Linux)"\n')
    assert "no Python 3.10 or later found" in dev(machine, "test")[2]


RECENT = '[ "$1" = --version ] && echo "uv 0.8.0 (x)" && exit\n'


def test_a_recent_uv_is_used_with_the_lock_and_the_machines_certificates(machine: Path) -> None:
    sync = '[ "$1" = venv ] && exit\necho "$UV_SYSTEM_CERTS $*"\nexit 2\n'
    program(machine, "uv", f"#!/bin/sh\n{RECENT}{sync}")
    code, shown, errors = dev(machine, "test")
    assert code == 1
    assert shown == "true sync --frozen --quiet\n"
    assert errors.splitlines()[-1] == "dev: uv could not set up .venv, see above"


def test_a_python_that_dbt_runs_on_is_found_or_fetched_before_another(machine: Path) -> None:
    fails = 'shift 3\necho "$UV_PYTHON_INSTALL_DIR $*"\necho why >&2\nexit 2\n'
    program(machine, "uv", f"#!/bin/sh\n{RECENT}{fails}")
    code, shown, errors = dev(machine, "test")
    assert code == 1
    assert shown.splitlines() == [
        " --no-python-downloads --python >=3.10,<3.14",
        f"{machine}/.dev/python --python >=3.10,<3.14",
        " --no-python-downloads --python 3.14",
        f"{machine}/.dev/python --python 3.14",
    ]
    assert errors.splitlines()[-1].startswith("dev: uv found no Python from 3.10 to 3.14")
    assert (machine / ".dev/venv.log").read_text() == "why\n"


UV = f"""#!/bin/sh
{RECENT}
exit 0
"""
PYTHON = """#!/bin/sh
umask
echo "$*"
"""


def set_up(machine: Path) -> None:
    """Let the checkout have an environment whose Python tells what it is given."""
    program(machine, "uv", UV)
    folder = machine / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o755)


@pytest.mark.parametrize("command", ["demo", "psql", "airflow"])
def test_what_runs_with_secrets_writes_files_that_its_user_alone_can_read(
    machine: Path, command: str
) -> None:
    set_up(machine)
    code, shown, _ = dev(machine, command, "--an-option")
    assert code == 0
    mask, words = shown.splitlines()
    assert mask == "0077"
    assert words.endswith(" --an-option")


@pytest.mark.parametrize(
    ("command", "module"), [("meltano", "demo.meltano"), ("report", "demo.report")]
)
def test_meltano_is_started_by_what_closes_its_files(
    machine: Path, command: str, module: str
) -> None:
    set_up(machine)
    assert dev(machine, command, "run", "sync")[1].splitlines()[1] == f"-m {module} run sync"


@pytest.mark.parametrize("name", ["a b", "it's", "-n", "$HOME", "*", "a;b"])
def test_a_checkout_may_have_any_name(machine: Path, name: str) -> None:
    folder = machine / name
    folder.mkdir()
    shutil.copy(machine / "dev", folder)
    env = {"PATH": str(machine / "bin"), "CDPATH": str(machine / "elsewhere")}
    (machine / "elsewhere" / name).mkdir(parents=True)
    shutil.copy(machine / "dev", machine / "elsewhere" / name)
    program(machine, "uv", f"#!/bin/sh\n{RECENT}pwd; exit 1\n")
    command = ["sh", "--", f"{name}/dev", "test"]
    done = subprocess.run(  # noqa: S603 - the script under test
        command, cwd=machine, env=env, capture_output=True, text=True, check=False
    )
    assert str(folder) in done.stdout.splitlines()
    assert (folder / ".dev").is_dir()
    assert not (machine / "elsewhere" / name / ".dev").exists()


def test_a_link_leads_to_the_checkout(machine: Path) -> None:
    program(machine, "uv", f"#!/bin/sh\n{RECENT}pwd; exit 1\n")
    (machine / "bin" / "readlink").symlink_to(shutil.which("readlink") or "readlink")
    (machine / "links").mkdir()
    (machine / "links" / "one").symlink_to("../dev")
    (machine / "links" / "two").symlink_to(machine / "links" / "one")
    done = subprocess.run(  # noqa: S603 - the script under test
        [machine / "links" / "two", "test"],
        cwd="/",
        env={"PATH": str(machine / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert str(machine) in done.stdout.splitlines()
    assert not (machine / "links" / ".dev").exists()


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_who_sources_it_keeps_the_shell(machine: Path, shell: str) -> None:
    done = subprocess.run(  # noqa: S603 - the script under test
        [shutil.which(shell) or pytest.skip(shell), "-c", ". ./dev; echo $?; false; pwd"],
        cwd=machine,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"1\n{machine}\n"
    assert done.stderr == "dev: run it as a program, with its path: ./dev\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lint", "--help"], "dev: lint takes no arguments\n"),
        (["loaders", "x"], "dev: loaders takes no arguments\n"),
        (["docs", "x"], "dev: docs takes no arguments\n"),
        (["exact", "--help"], "dev: exact takes a number, not: --help\n"),
        (["exact", ""], "dev: exact takes a number, not: \n"),
    ],
)
def test_wrong_arguments_do_nothing(machine: Path, words: list[str], told: str) -> None:
    assert dev(machine, *words) == (1, "", told)
    assert not (machine / ".dev").exists()


@pytest.mark.parametrize("has_run", [False, True])
def test_a_checkout_that_is_not_ours(machine: Path, has_run: bool) -> None:
    set_up(machine)
    if has_run:
        dev(machine, "meltano")
    folders = [machine, *(path for path in machine.iterdir() if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    done = subprocess.run(  # noqa: S603 - the script under test
        bound_by_permissions(machine / "dev", "meltano"),
        env={"PATH": str(machine / "bin"), "HOME": str(machine)},
        capture_output=True,
        text=True,
        check=False,
    )
    for folder in folders:
        folder.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"dev: cannot write to {machine}"


@pytest.mark.parametrize("mode", [0o755, 0o555])
def test_what_goes_into_the_home_goes_into_the_checkout_if_the_home_is_closed(
    machine: Path, mode: int
) -> None:
    told = 'echo "${XDG_STATE_HOME-} ${UV_CACHE_DIR-}"\nexit 1\n'
    program(machine, "uv", f'#!/bin/sh\n{RECENT}[ "$1" = sync ] || exit 0\n{told}')
    home = machine / "home"
    home.mkdir(mode=mode)
    done = subprocess.run(  # noqa: S603 - the script under test
        bound_by_permissions(machine / "dev", "meltano"),
        env={"PATH": str(machine / "bin"), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    closed = f"{machine}/.dev/state {machine}/.dev/cache"
    assert done.stdout.strip() == (closed if mode == 0o555 else "")


@pytest.mark.parametrize(
    ("given", "had"), [("LC_ALL=C", "C.UTF-8"), ("LANG=C", "C.UTF-8"), ("LANG=de_DE.UTF-8", "")]
)
def test_names_beyond_ascii_are_read_in_any_locale(machine: Path, given: str, had: str) -> None:
    program(
        machine,
        "uv",
        f'#!/bin/sh\n{RECENT}[ "$1" = sync ] || exit 0\necho "${{LC_ALL-}}"\nexit 1\n',
    )
    name, _, value = given.partition("=")
    done = subprocess.run(  # noqa: S603 - the script under test
        [machine / "dev", "meltano"],
        env={"PATH": str(machine / "bin"), "HOME": str(machine), name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == had
