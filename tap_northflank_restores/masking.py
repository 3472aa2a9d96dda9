"""What must stay secret, and how a text is masked before it is cut or shown."""

from __future__ import annotations

MASK = "***"

_secrets: set[str] = set()


def hide(secret: str) -> None:
    """Mask this text from now on.

    Args:
        secret: A token or a password, not empty.
    """
    _secrets.add(secret)


def masked(text: str) -> str:
    """Return the text with each secret replaced by `***`."""
    for secret in _secrets:
        text = text.replace(secret, MASK)
    return text
