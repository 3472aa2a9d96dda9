"""The command's start: what the SDK imports and a sync does not use waits until it is used."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Half of the time that `import singer_sdk` takes: how its targets work in parallel, the files of
# BATCH messages, what its REST streams read bodies with, what checks its own settings (the tap
# checks its own, see `TapNorthflankRestores`), what `--about` says of versions, and the event loop
# of backoff's other half.
POSTPONED = (
    "asyncio",
    "joblib",
    "jsonpath_ng",
    "jsonpath_ng.ext",
    "jsonschema",
    "packaging.specifiers",
    "packaging.version",
    "referencing",
    "referencing.jsonschema",
    "upath",
)


class _Part:
    """What comes of a module that is imported when the part is first used."""

    def __init__(self, whole: Callable[[], Any]) -> None:
        self._whole = whole

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - of any module
        return self._later(lambda whole: whole(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of any module
        return self._later(lambda whole: getattr(whole, name))

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 - of any module
        return self._later(lambda whole: whole[key])

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._whole())

    def _later(self, use: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - of any module
        """Use the part; while others are being imported, give a part that does so in its turn."""
        return _Part(lambda: use(self._whole())) if _Postponed.importing else use(self._whole())


class _Postponed(ModuleType):
    """Stands for a module while another imports names of it."""

    importing = False

    def __getattr__(self, name: str) -> _Part:
        if name.startswith("__"):  # The import looks whether it is a package, and such.
            raise AttributeError(name)
        return _Part(lambda: getattr(import_module(self.__name__), name))


def main() -> Any:  # noqa: ANN401 - what the SDK's command returns
    """Run the tap as a command."""
    try:
        tap = _imported(POSTPONED)
    except ImportError:
        # Another release of a library may import a module within one that was to wait.
        tap = _imported(())
    return tap.cli()


def _imported(postponed: Iterable[str]) -> Any:  # noqa: ANN401 - its import is what takes long
    """Return the tap's class, imported without these modules."""
    absent = [name for name in postponed if name not in sys.modules]
    sys.modules.update({name: _Postponed(name) for name in absent})
    # Nothing of what is imported becomes garbage: looking for it is a tenth of the start.
    gc.disable()
    _Postponed.importing = True
    try:
        from tap_northflank_restores.tap import TapNorthflankRestores  # noqa: PLC0415
    finally:
        _Postponed.importing = False
        for name in absent:
            del sys.modules[name]  # Whoever imports it from now on gets it.
        gc.freeze()
        gc.enable()
    return TapNorthflankRestores
