"""How answers of the API, or its OpenAPI document, differ from the schemas of the streams. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
Types = dict[str, set[str]]
"""The JSON types of each property, by its dotted path."""

ADDED_BY_THE_TAP = {"teamId", "projectId", "addonId"}
# Names of properties are shown. What does not look like one might be a user's own text.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}", re.ASCII)
# A schema of a document may refer to itself. Ours are no deeper.
_DEEPEST = 6


def declared(schema: Schema) -> Types:
    """Return the properties that a stream's schema has and that the API is to send."""
    return {
        path: types
        for path, types in _of_schema(schema, schema, "", 0).items()
        if path not in ADDED_BY_THE_TAP
    }


def observed(items: list[dict[str, Any]], schema: Schema) -> Types:
    """Return the properties that items have.

    Below an object that the schema does not describe nothing is looked at: the names in it may be
    the user's.
    """
    found: Types = {}
    for item in items:
        for path, value in _of_value(item, schema, ""):
            found.setdefault(path, set()).add(_type(value))
    return found


def documented(document: object, path: str, name: str | None) -> Types | None:
    """Return the properties that an OpenAPI document gives for the items of a list.

    Args:
        document: The document as decoded; OpenAPI 3 or Swagger 2.
        path: The list's path with `{}` for each id, such as `/projects/{}/addons`.
        name: The list's name in the body; None if the body has a single object.

    Returns:
        None if the document has no such path, or no schema of its answer.
    """
    if not isinstance(document, dict) or not isinstance(paths := document.get("paths"), dict):
        return None
    for given, operations in paths.items():
        plain = re.sub(r"\{[^}]*\}", "{}", str(given)).rstrip("/").removeprefix("/v1")
        if plain == path and isinstance(operations, dict):
            schema = _answer(operations.get("get"), document)
            steps = ("data",) if name is None else ("data", name)
            for step in steps:
                schema = _expanded(schema, document)["properties"].get(step, {})
            if name is not None:
                schema = _expanded(schema, document)["items"]
            return _of_schema(schema, document, "", 0) or None
    return None


def differences(given: Types, ours: Types) -> tuple[list[str], list[str], list[str]]:
    """Return the properties that are new, those that are missing, and those of another type.

    What is new below an object counts only if the schema describes that object.

    Args:
        given: What the API sends or documents.
        ours: What the schema of the stream has.
    """
    new = [path for path in sorted(given.keys() - ours.keys()) if _is_described(path, ours)]
    missing = sorted(ours.keys() - given.keys())
    other = []
    for path in sorted(given.keys() & ours.keys()):
        foreign = {kind for kind in given[path] - {"null"} if not _takes(ours[path], kind)}
        if foreign and ours[path]:
            wanted = " or ".join(sorted(ours[path] - {"null"}))
            other.append(f"{path} ({' or '.join(sorted(foreign))}, not {wanted})")
    return new, missing, other


def _is_described(path: str, ours: Types) -> bool:
    parent, dot, _ = path.rpartition(".")
    return any(each.startswith(parent + dot) for each in ours)


def _takes(types: set[str], kind: str) -> bool:
    return kind in types or (kind == "integer" and "number" in types)


def _of_value(value: dict[str, Any], schema: Schema, path: str) -> Iterator[tuple[str, object]]:
    properties = schema.get("properties", {})
    for name, each in value.items():
        if _NAME.fullmatch(name):
            yield path + name, each
            below = properties.get(name, {})
            if isinstance(each, dict) and "properties" in below:
                yield from _of_value(each, below, f"{path}{name}.")
            elif isinstance(each, list) and "properties" in below.get("items", {}):
                for item in each:
                    if isinstance(item, dict):
                        yield from _of_value(item, below["items"], f"{path}{name}[].")


def _type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _of_schema(schema: object, document: Schema, path: str, depth: int) -> Types:
    found: Types = {}
    if depth > _DEEPEST:
        return found
    for name, given in _expanded(schema, document)["properties"].items():
        if isinstance(name, str) and _NAME.fullmatch(name):
            below = _expanded(given, document)
            found[path + name] = below["types"]
            found |= _of_schema(below, document, f"{path}{name}.", depth + 1)
            found |= _of_schema(below["items"], document, f"{path}{name}[].", depth + 1)
    return found


def _answer(operation: object, document: Schema) -> object:
    """Return the schema of the body that an operation answers with 200."""
    response = _at(operation, "responses", "200")
    if reference := _at(response, "$ref"):
        response = _referred(reference, document)
    if (schema := _at(response, "schema")) is not None:  # Swagger 2
        return schema
    return _at(response, "content", "application/json", "schema")


def _at(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _referred(reference: object, document: Schema) -> object:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    names = (part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/"))
    return _at(document, *names)


def _expanded(schema: object, document: Schema, depth: int = 0) -> dict[str, Any]:
    """Return types, properties and items of a schema, with all that it refers to."""
    found: dict[str, Any] = {"types": set(), "properties": {}, "items": {}}
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return found
    types = schema.get("type", schema.get("types", ()))
    if isinstance(types, (str, list, tuple, set)):
        named = [types] if isinstance(types, str) else types
        found["types"].update(each for each in named if isinstance(each, str))
    for key in ("properties", "items"):
        if isinstance(schema.get(key), dict):
            found[key] = dict(schema[key])
    parts = [_referred(schema["$ref"], document)] if "$ref" in schema else []
    for key in ("allOf", "oneOf", "anyOf"):
        if isinstance(schema.get(key), list):
            parts += schema[key]
    for part in parts:
        more = _expanded(part, document, depth + 1)
        found["types"] |= more["types"]
        found["properties"] = more["properties"] | found["properties"]
        found["items"] = found["items"] or more["items"]
    if found["properties"]:
        found["types"].add("object")
    if found["items"]:
        found["types"].add("array")
    return found
