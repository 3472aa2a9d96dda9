"""Builds the image without a daemon and without a registry, and runs it.

buildah does both, with chroot isolation and vfs storage. The base is Debian's smallest and Python,
by debootstrap. All of it is kept in `.dev/image`, and built again when one of its files changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from demo.account import ROOT
from tests.means import missing

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = ROOT / ".dev" / "image"
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
PROGRAMS = ("buildah", "debootstrap", "unshare", "chroot")
USER = 54321
"""No user of the base, nor that of the image."""

MARK = "this-stands-in-a-secret-of-the-build"
NETWORK = re.compile(
    r"PIP_(EXTRA_)?INDEX_URL|PIP_(TRUSTED_HOST|PROXY|DEFAULT_TIMEOUT|RETRIES)"
    r"|UV_\w*INDEX\w*|UV_(INSECURE_HOST|HTTP_TIMEOUT|SYSTEM_CERTS|NATIVE_TLS)"
    r"|\w+_PROXY",
    re.IGNORECASE,
)
"""Variables that lead to the package index."""

READ_ONLY = """
mount --make-rprivate /
mount --bind "$1" "$1"
mount --options remount,bind,ro "$1"
mount --types tmpfs tmpfs "$1/tmp"
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
for shell in bash dash; do mount --bind /dev/null "$1/usr/bin/$shell"; done
mkdir "$1/tmp/output"
mount --bind "$2" "$1/tmp/output"
shift 2
exec chroot "$@"
"""
"""Closes the root file system, and takes the shells away."""


COPIED = ("LICENSE", "README.md", "deploy/entrypoint.py", "meltano.yml", "pyproject.toml")
RECIPE = ("deploy/Containerfile", "deploy/Containerfile.dockerignore")
FOLDERS = ("report", "requirements", "tap_northflank_restores", "transform")


def build() -> str:
    """Build the image, unless it is there as its files are, and return its name."""
    if os.geteuid() != 0:
        missing("The tests of the image need root, for debootstrap and buildah's chroot isolation")
    for name in PROGRAMS:
        if not shutil.which(name):
            missing(f"The tests of the image need {name}: apt-get install buildah debootstrap")
    HERE.mkdir(parents=True, exist_ok=True)
    name = f"localhost/northflank-restores:{_digest()}"
    if _has(name):
        return name
    buildah("rm", "--all")
    buildah("rmi", "--all", "--force")
    with TemporaryDirectory(prefix="image-") as folder:
        base = _base(Path(folder))
        environment = Path(folder) / "environment"
        environment.write_text(_network(), encoding="utf-8")
        buildah(
            *("build", "--isolation=chroot", "--layers=false", f"--build-arg=BASE={base}"),
            f"--secret=id=environment,src={environment}",
            f"--secret=id=ca.crt,src={_certificates()}",
            f"--ignorefile={ROOT / 'deploy' / 'Containerfile.dockerignore'}",
            f"--file={ROOT / 'deploy' / 'Containerfile'}",
            f"--tag={name}",
            str(ROOT),
        )
    return name


def buildah(*arguments: str) -> str:
    """Run buildah on the images kept here, and return its output."""
    (HERE / "tmp").mkdir(exist_ok=True)  # Here its cache of packages is, too.
    done = subprocess.run(  # noqa: S603 - arguments of our own
        _buildah(*arguments),
        env={**os.environ, "TMPDIR": str(HERE / "tmp")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"buildah {arguments[0]}: {done.stdout}{done.stderr}"
    return done.stdout


def _buildah(*arguments: str) -> list[str]:
    places = [f"--root={HERE / 'storage'}", f"--runroot={HERE / 'run'}"]
    return ["buildah", *places, "--storage-driver=vfs", *arguments]


def _has(name: str) -> bool:
    command = _buildah("inspect", "--type=image", name)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _digest() -> str:
    """Return what changes with any file that a build may take."""
    files = [ROOT / name for name in (*COPIED, *RECIPE)]
    for folder in FOLDERS:
        files += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    digest = hashlib.sha256(SUITE.encode())
    for path in sorted(path for path in files if "__pycache__" not in path.parts):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _base(folder: Path) -> str:
    """Make the base image, and return its name."""
    archive = HERE / f"{SUITE}.tar"
    if not archive.exists():
        tree = folder / "base"
        _run(
            "debootstrap",
            "--variant=minbase",
            "--include=python3,python3-venv",
            SUITE,
            tree,
            _mirror(),
        )
        for name in ("proc", "sys"):  # debootstrap leaves them mounted on some machines
            subprocess.run(["umount", tree / name], capture_output=True, check=False)  # noqa: S603, S607
        left = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*"]
        _run("tar", "--one-file-system", *left, "-C", tree, "-cf", archive.with_suffix(".new"), ".")
        archive.with_suffix(".new").rename(archive)
    context = folder / "context"
    context.mkdir()
    (context / "Containerfile").write_text("FROM scratch\nADD base.tar /\n", encoding="utf-8")
    shutil.copyfile(archive, context / "base.tar")
    buildah("build", "--isolation=chroot", "--layers=false", "--tag=localhost/base", str(context))
    return "localhost/base"


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr}"


def _mirror() -> str:
    """Return the mirror of Debian that this machine takes its own packages from."""
    for path in [*Path("/etc/apt").glob("sources.list*/*.sources"), Path("/etc/apt/sources.list")]:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if found := re.search(r"^[^#\n]*?(https?://\S+/debian)/?\s", text, re.MULTILINE):
            return found[1]
    return MIRROR


def _network() -> str:
    """Return what leads to the package index, as lines of a shell, and a mark to look for."""
    found = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
    lines = [f"{name}={shlex.quote(value)}" for name, value in {**found, "MARK": MARK}.items()]
    return "\n".join([*lines, ""])


def _certificates() -> str:
    named = [os.environ.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE")]
    return next(filter(None, [*named, ssl.get_default_verify_paths().cafile]), os.devnull)


class Container:
    """A container of the image: its files, and what its configuration says."""

    def __init__(self, image: str) -> None:
        """Make it; nothing runs yet."""
        self.name = buildah("from", image).strip()
        self.root = Path(buildah("mount", self.name).strip())
        self.inspected = buildah("inspect", "--type=image", image)
        self.configuration: dict[str, Any] = json.loads(self.inspected)["OCIv1"]["config"]
        self.entrypoint: list[str] = self.configuration["Entrypoint"]

    def isolated(self, settings: Mapping[str, str], *arguments: str) -> list[str]:
        """Return the command that runs the image by buildah, as another user."""
        given = [f"--env={name}={value}" for name, value in settings.items()]
        user = f"--user={USER}:{USER}"
        run = ["run", "--isolation=chroot", user, *given, self.name, "--"]
        return _buildah(*run, *self.entrypoint, *arguments)

    def closed(self, settings: Mapping[str, str], output: Path, *arguments: str) -> list[str]:
        """Return the command that runs the image as another user, read-only and without a shell.

        The process of this command becomes that of the image.
        """
        environment = [*self.configuration["Env"], *(f"{k}={v}" for k, v in settings.items())]
        return [
            *("unshare", "--mount", "sh", "-euc", READ_ONLY, "sh", str(self.root), str(output)),
            *(f"--userspec={USER}:{USER}", str(self.root), "/usr/bin/env", "--ignore-environment"),
            *(f"--chdir={self.configuration['WorkingDir']}", *environment),
            *self.entrypoint,
            *arguments,
        ]

    def remove(self) -> None:
        """Remove it."""
        buildah("rm", self.name)
