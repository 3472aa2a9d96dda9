"""What must stay secret, and how a text is masked before it is cut or shown."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from html.entities import codepoint2name
from string import ascii_letters, digits
from urllib.parse import unquote

MASK = "***"
# A shorter secret is not looked for: "abc" would put stars into words that tell nothing.
SHORTEST = 4
# Base64 of less has too few letters of its own.
SHORTEST_ENCODED = 6
# A text that begins with so many characters of a longer secret is taken for a part of it.
HEAD = 8

_PLAIN = set(ascii_letters + digits + ".~%+/_-")

# Also where an escaped text went into a URL.
_BACKSLASH = r"(?:\\|%5[Cc])"

_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def hide(secret: str) -> None:
    """Mask this text from now on, in any form that a server, a library or `repr` makes of it.

    Args:
        secret: A token or a password; one of fewer than `SHORTEST` characters is not masked.
    """
    global _pattern  # noqa: PLW0603 - what is secret is so for the whole process
    if len(secret) < SHORTEST or secret in _secrets:
        return
    _secrets.update((secret, secret.lower()))  # Hosts are put into lower case.
    # The longest first: a secret may be a part of another.
    forms = [_forms(each) for each in sorted(_secrets, key=len, reverse=True)]
    _pattern = re.compile("|".join(forms))


def masked(text: str) -> str:
    """Return the text with each secret replaced by `***`."""
    return text if _pattern is None else _pattern.sub(MASK, text)


def hide_proxies() -> None:
    """Mask the user and the password of each proxy that the environment names."""
    for name, url in list(os.environ.items()):
        if not name.lower().endswith("_proxy"):
            continue
        # Not `urlsplit`: a password may have characters that belong encoded and are not.
        user_info, at, _ = url.rpartition("://")[2].rpartition("@")
        if at:
            user, _, password = user_info.partition(":")
            for secret in (user_info, password or user):
                hide(secret)
                hide(unquote(secret))


def _forms(secret: str) -> str:
    """Return an expression for a secret: as it is, with its punctuation escaped, or in base64."""
    forms = [_escaped(secret)]
    data = secret.encode(errors="surrogatepass")
    if len(data) >= SHORTEST_ENCODED:
        for before in range(3):  # `user:` and the like move the borders of the letters
            first = (before * 8 + 5) // 6
            last = (before + len(data)) * 8 // 6
            letters = b64encode(b"\0" * before + data).decode()[first:last]
            # The next letter is made of the secret's end and of what follows it.
            forms.append("".join(map(_letters, letters)) + "(?:[A-Za-z0-9+/_-]|%2B|%2F)?")
            if len(data) >= 2 * HEAD:
                forms.append("".join(map(_letters, letters[:HEAD])) + "[A-Za-z0-9+/_-]*")
    if len(data) >= 2 * HEAD:
        rest = "|".join([r"[A-Za-z0-9.~%+/_;#&-]", *map(_escapes, sorted({*secret} - _PLAIN))])
        forms.append(f"{_escaped(secret[:HEAD])}(?:{rest})*")
    return "|".join(forms)


def _escaped(secret: str) -> str:
    return re.sub(r"\\+|[^A-Za-z0-9]", lambda found: _escapes(found[0]), secret)


def _escapes(text: str) -> str:
    """Return an expression for a character, or for several backslashes, as escapes write it."""
    count, character = len(text), text[0]
    # Each bound keeps a search in a long text of backslashes or zeros short.
    if character == "\\":  # `repr` and JSON, perhaps of one another
        plain = rf"{_BACKSLASH}{{{count},{8 * count}}}"
    else:
        plain = rf"{_BACKSLASH}{{0,8}}(?:{re.escape(character)}|%{ord(character):02X})"
    code = ord(character)
    hex_code = "".join(f"[{digit}{digit.upper()}]" for digit in f"{code:02x}")
    forms = [
        rf"{_BACKSLASH}{{1,8}}u00{hex_code}",  # JSON
        f"%(?:25){{0,3}}{hex_code}",  # URLs, also twice
        f"&#0{{0,5}}{code};",  # HTML
        f"&#[xX]0{{0,5}}{hex_code};",
    ]
    if code in codepoint2name:
        forms.append(f"&{codepoint2name[code]};")
    return f"(?:{plain}|(?:{'|'.join(forms)}){{{count}}})"


def _letters(letter: str) -> str:
    return {"+": "(?:[+-]|%2[Bb])", "/": r"(?:\\?[/_]|%2[Ff])"}.get(letter, letter)
