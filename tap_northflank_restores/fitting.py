"""Values of another type than their schema says: loaders refuse them, and all that comes along."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    OnMisfit = Callable[[str, str, Any], None]

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_LARGEST = 2**63 - 1  # The integers of warehouses have 64 bits.

_MISFIT = object()


def is_text(schema: Mapping[str, Any]) -> bool:
    """Tell whether a value of a schema is a text, or null."""
    return "string" in _types(schema)


def fitted(value: Any, schema: Mapping[str, Any], path: str, on_misfit: OnMisfit) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value as its schema has it, or null.

    What is no text is written as JSON where the schema asks for a text: nothing of it is lost. A
    whole number may come as a text or with a zero behind the point. An element that does not fit is
    left out of its array, if that may not hold null.

    Args:
        value: Any JSON value.
        schema: Its JSON schema: `type`, `properties` and `items` are looked at.
        path: Where it is, such as `spec.config`.
        on_misfit: Called with the path, what should be there ("an object") and what is.
    """
    found = _fitted(value, schema, path, on_misfit)
    return None if found is _MISFIT else found


def _types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    given = schema.get("type", ())
    return (given,) if isinstance(given, str) else tuple(given)


def _fitted(value: Any, schema: Mapping[str, Any], path: str, on_misfit: OnMisfit) -> Any:  # noqa: ANN401
    types = _types(schema)
    kinds = [kind for kind in types if kind in _KINDS]
    if not kinds:
        return value  # The schema says nothing of its type.
    if value is not None:
        for kind in kinds:
            if (found := _KINDS[kind](value, schema, path, on_misfit)) is not _MISFIT:
                return found
    if value is not None or "null" not in types:
        on_misfit(path, " or ".join(_NAMES[kind] for kind in kinds), value)
    return None if "null" in types else _MISFIT


def as_text(value: Any, *_: Any) -> str:  # noqa: ANN401
    """Return a text as it is, and any other JSON value as JSON."""
    if isinstance(value, str):
        return value
    # msgspec takes no integer of more than 64 bits.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _integer(value: Any, *_: Any) -> Any:  # noqa: ANN401
    if isinstance(value, bool):
        return _MISFIT
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and abs(value) <= _LARGEST else _MISFIT


def _boolean(value: Any, *_: Any) -> Any:  # noqa: ANN401
    return value if isinstance(value, bool) else _MISFIT


def _array(value: Any, schema: Mapping[str, Any], path: str, on_misfit: OnMisfit) -> Any:  # noqa: ANN401
    if not isinstance(value, list):
        return _MISFIT
    items = schema.get("items", {})
    fit = [_fitted(item, items, f"{path}[]", on_misfit) for item in value]
    return [item for item in fit if item is not _MISFIT]


def _object(value: Any, schema: Mapping[str, Any], path: str, on_misfit: OnMisfit) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        return _MISFIT
    known = schema.get("properties", {})
    return {
        name: fitted(inner, known[name], f"{path}.{name}", on_misfit) if name in known else inner
        for name, inner in value.items()
    }


_KINDS = {
    "string": as_text,
    "integer": _integer,
    "boolean": _boolean,
    "array": _array,
    "object": _object,
}
_NAMES = {
    "string": "a text",
    "integer": "a whole number of 64 bits",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
}
