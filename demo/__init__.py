"""The whole pipeline on one machine: a simulated account, Meltano and an embedded PostgreSQL."""


class DemoError(Exception):
    """What is in the way of the demo; the message is one line for its user."""
