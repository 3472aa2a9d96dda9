"""What ends a command: one line for its user."""

from __future__ import annotations


class ReportError(Exception):
    """A command cannot do what it was asked for; the message is one line that says what to do."""
