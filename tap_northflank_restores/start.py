"""The command's start: what the SDK imports and a sync does not use waits until it is used."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# A third of the time that `import singer_sdk` takes: how its targets work in parallel, and the
# files of BATCH messages.
POSTPONED = ("joblib", "upath")


class _Part:
    """A function or class of a module that is imported when it is first used."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - of any module
        return self._whole()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of any module
        return getattr(self._whole(), name)

    def _whole(self) -> Any:  # noqa: ANN401 - of any module
        return getattr(import_module(self._module), self._name)


class _Postponed(ModuleType):
    """Stands for a module while another imports names of it."""

    def __getattr__(self, name: str) -> _Part:
        if name.startswith("__"):  # The import looks whether it is a package, and such.
            raise AttributeError(name)
        return _Part(self.__name__, name)


def main() -> Any:  # noqa: ANN401 - what the SDK's command returns
    """Run the tap as a command."""
    absent = [name for name in POSTPONED if name not in sys.modules]
    sys.modules.update({name: _Postponed(name) for name in absent})
    # Nothing of what is imported becomes garbage: looking for it is a tenth of the start.
    gc.disable()
    try:
        from tap_northflank_restores.tap import TapNorthflankRestores  # noqa: PLC0415
    finally:
        for name in absent:
            del sys.modules[name]  # Whoever imports it from now on gets it.
        gc.freeze()
        gc.enable()
    return TapNorthflankRestores.cli()
