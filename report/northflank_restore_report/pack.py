"""The zip of an evidence pack: the same files give the same bytes, and each changed byte is found.

Nothing is compressed, as other versions of a compressor write other bytes; all times are those of
1980. `SHA256SUMS` is in the form that `sha256sum -c` reads, so a reader needs nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from northflank_restore_report.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"

FORM = "northflank-restore-evidence/1"
"""What the manifest names its form by."""

FIRST_TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3
MODE = 0o644 << 16
ZIP64_FROM = 1 << 31

DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What reading a zip raises of which some byte is another one."""


class PackError(ReportError):
    """A pack is not what was written, or cannot be written."""


@dataclass(frozen=True)
class Pack:
    """A pack that has been checked.

    Attributes:
        digest: SHA-256 of the zip, as hexadecimal digits.
        manifest: the content of its manifest.
    """

    path: Path
    digest: str
    manifest: dict[str, Any]

    def read(self, name: str) -> bytes:
        """Return the content of a file in it."""
        with zipfile.ZipFile(self.path) as opened:
            return opened.read(name)


def write(folder: Path, names: Sequence[str], manifest: dict[str, Any], out: Path) -> str:
    """Write a pack and return the SHA-256 of the zip.

    Args:
        folder: where the files are; manifest and sums are added to them.
        names: of the files, in their order in the zip.
        manifest: what it says of them, by name under `files`; the digests are added.
        out: the zip. One that is there is left if it has the same bytes.

    Raises:
        PackError: there is another file of that name.
    """
    files = [
        {"name": name, **manifest["files"][name], **_measured(folder / name)} for name in names
    ]
    content = json.dumps({"form": FORM, **manifest, "files": files}, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(content + "\n", encoding="utf-8", newline="\n")
    sums = [f"{_sha256(folder / name)}  {name}\n" for name in (*names, MANIFEST)]
    (folder / SUMS).write_text("".join(sums), encoding="utf-8", newline="\n")

    out.parent.mkdir(parents=True, exist_ok=True)
    with _beside(out) as partial:
        _zip(((name, folder / name) for name in (*names, MANIFEST, SUMS)), partial)
        digest = _sha256(partial)
        if out.exists() and _sha256(out) != digest:
            raise PackError(
                f"{out} is there and differs, and a pack is not written over: give another --out"
            )
        partial.replace(out)
    return digest


def verify(path: Path, digest: str = "") -> Pack:
    """Check a pack, byte by byte.

    Args:
        path: the zip.
        digest: the SHA-256 that was printed when it was written. Without it, a pack that somebody
            has made anew, sums and all, is taken for the one that was written.

    Raises:
        PackError: it is not what was written; the message names the first thing that differs.
    """
    if not path.is_file():
        raise PackError(f"There is no file {path}")
    try:
        found = _sha256(path)
    except OSError as error:
        raise PackError(f"{path} cannot be read: {error.strerror or error}") from error
    if digest and found != digest.lower().removeprefix("sha256:"):
        raise PackError(f"{path} is not the pack of that digest: its SHA-256 is {found}")
    try:
        with zipfile.ZipFile(path) as opened:
            manifest = _checked(opened, path)
    except DAMAGED as error:
        raise PackError(f"{path} is not a pack, or was changed: {error}") from error
    return Pack(path, found, manifest)


def _checked(opened: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """Return the manifest of a zip of which each byte is as it was written."""
    names, sums = _listed(opened, path)
    for name, expected in sums.items():
        with opened.open(name) as file:
            if _digest(file) != expected:
                raise PackError(f"{path} was changed: {name} has another content")
    manifest: dict[str, Any] = json.loads(opened.read(MANIFEST))
    if manifest["form"] != FORM:
        form = manifest["form"]
        raise PackError(f"{path} is of the form {form!r}, of another version of this command")
    listed = {file["name"]: file["sha256"] for file in manifest["files"]}
    if {**listed, MANIFEST: sums[MANIFEST]} != sums:
        raise PackError(f"{path} was changed: {MANIFEST} and {SUMS} do not agree")
    # What is between the files, such as their times, is as we would write it.
    try:
        with _beside(path, elsewhere=True) as again:
            _zip(((name, opened.open(name)) for name in names), again)
            same = _sha256(again) == _sha256(path)
    except OSError as error:
        reason = f"no copy of it could be written, {error.strerror or error}"
        raise PackError(f"{path} cannot be checked: {reason}; TMPDIR says where") from error
    if not same:
        raise PackError(f"{path} was changed: the zip around its files is another one")
    return manifest


def _listed(opened: zipfile.ZipFile, path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the names of the files in a zip, and the digest of each that has one."""
    entries = opened.infolist()
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise PackError(f"{path} was changed: {entry.filename!r} is compressed in it")
    sums = dict(_sums(opened.read(SUMS).decode()))
    names = [entry.filename for entry in entries]
    if names != [*sums, SUMS]:
        raise PackError(f"{path} was changed: {_difference(names, [*sums, SUMS])}")
    expected = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    if opened.read(SUMS) != expected.encode():
        raise PackError(f"{path} was changed: {SUMS} is not as it was written")
    return names, sums


def _difference(names: list[str], expected: list[str]) -> str:
    for name in names:
        if name not in expected:
            return f"{name!r} was added"
    for name in expected:
        if name not in names:
            return f"{name!r} is missing"
    return "its files are in another order, or twice in it"


def _sums(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        digest, separator, name = line.partition("  ")
        if not separator:
            raise ValueError(f"{SUMS} cannot be read")
        yield name, digest


def _zip(files: Iterable[tuple[str, Path | Any]], out: Path) -> None:
    """Write a zip that depends on the names and contents of its files, and on nothing else."""
    with zipfile.ZipFile(out, "w") as written:
        for name, source in files:
            entry = zipfile.ZipInfo(name, FIRST_TIME)
            entry.create_system = UNIX
            entry.external_attr = MODE
            with source.open("rb") if isinstance(source, Path) else source as content:
                size = content.seek(0, 2)
                content.seek(0)
                large = size >= ZIP64_FROM
                with written.open(entry, "w", force_zip64=large) as place:
                    shutil.copyfileobj(content, place)


@contextmanager
def _beside(path: Path, *, elsewhere: bool = False) -> Iterator[Path]:
    """Give the path of a file that is not there when the block ends, unless it was moved away."""
    with tempfile.TemporaryDirectory(
        prefix=".evidence-", dir=None if elsewhere else path.parent
    ) as folder:
        yield Path(folder) / "pack.zip"


def _measured(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: BinaryIO | Any) -> str:  # noqa: ANN401 - what zipfile opens is no BinaryIO
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
