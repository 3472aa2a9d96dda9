"""Odd text in a body, which loaders or JSON's own rules refuse: one character must not stop a load.

PostgreSQL takes no NUL. JavaScript cuts a text in the middle of an emoji, and writes the half that
is left as an escape that is no character. A gateway may change bytes so that they are not UTF-8.
Each such character becomes U+FFFD, the replacement character, before anything reads the body: so
records, ids and the state have the same text.
"""

from __future__ import annotations

import json
import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Every escape, so that the backslash of one is never taken for the start of another.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    r"|(?P<odd>u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"  # NUL, or half a pair
    r"|.)",
    re.DOTALL,
)


def mended(body: bytes) -> bytes:
    """Return a JSON body as UTF-8 without NUL, half pairs of surrogates and byte order mark.

    A body without any, and without other characters escaped by number, is returned as it is after a
    look at its bytes.

    Args:
        body: JSON in any encoding of Unicode; it need not be valid.
    """
    # One byte is found much faster than two.
    escapes = b"\\" in body and b"\\u" in body
    if not escapes and b"\0" not in body and body[:1] in b"{[" and _is_utf_8(body):
        return body
    text = body.decode(json.detect_encoding(body), "replace").replace("\0", REPLACEMENT)
    return _ESCAPE.sub(_without_odd, text).encode()


def _without_odd(escape: re.Match[str]) -> str:
    return REPLACEMENT if escape["odd"] else escape[0]


def _is_utf_8(body: bytes) -> bool:
    try:
        return body.isascii() or bool(body.decode())
    except UnicodeDecodeError:
        return False
