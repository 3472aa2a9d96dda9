"""`./dev meltano`: Meltano, whose files with secrets nobody else reads, nor a killed run leaves.

Meltano writes the settings of a plugin, the token and the warehouse's password among them, to
`run/<plugin>/….config.json` in its system folder, and removes the file when the run ends. A run
that is killed leaves the file. So each start removes what is there, unless a Meltano runs that uses
the folder: the file may be its own.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE = 0o077
"""For `umask`: what all others than a file's owner may do."""

EVERYBODY = 0o007


def main() -> None:
    """Close and sweep, then become Meltano with the arguments given to us."""
    os.umask(PRIVATE)
    root = Path(os.environ.get("MELTANO_PROJECT_ROOT") or Path.cwd())
    system = Path(os.environ.get("MELTANO_SYS_DIR_ROOT") or root / ".meltano").resolve()
    for path in (root / ".env", system / "run", system / "logs", system / "meltano.db"):
        _close_to_others(path)
    sweep(system)
    meltano = str(Path(sysconfig.get_path("scripts")) / "meltano")
    os.execv(meltano, [meltano, *sys.argv[1:]])  # noqa: S606 - it goes on as this process


def sweep(system: Path) -> None:
    """Remove the settings that killed runs have left in a system folder of Meltano."""
    # In this order: who has written one of these files and still runs is seen.
    left = list((system / "run").glob("**/*config.json"))
    if left and not any(map(_uses(system), psutil.process_iter())):
        for path in left:
            with suppress(OSError):  # It is another user's, or a sweep of the same moment has it.
                path.unlink()


def _close_to_others(path: Path) -> None:
    """Close a file or folder to all but its owner if it is open to everybody, as `cp` leaves it."""
    try:
        mode = path.stat().st_mode & 0o777
        if mode & EVERYBODY:  # A group alone was let in on purpose.
            path.chmod(mode & ~PRIVATE)
    except FileNotFoundError:
        pass
    except OSError:
        sys.stderr.write(f"Everybody can read {path}, which holds secrets; it is not yours\n")


def _uses(system: Path) -> Callable[[psutil.Process], bool]:
    """Return whether a process is a Meltano that works in a system folder, or may be."""

    def uses(process: psutil.Process) -> bool:
        try:
            if "meltano" not in {Path(part).name for part in process.cmdline()[:3]}:
                return False
            environment, folder = process.environ(), Path(process.cwd())
        except psutil.AccessDenied:
            return True
        except psutil.Error:
            return False  # It has ended.
        if own := environment.get("MELTANO_SYS_DIR_ROOT"):
            return (folder / own).resolve() == system
        root = folder / environment.get("MELTANO_PROJECT_ROOT", "")
        return any((place / ".meltano").resolve() == system for place in (root, *root.parents))

    return uses


if __name__ == "__main__":
    main()
