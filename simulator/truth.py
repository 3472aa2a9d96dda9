"""What the API does not show: where a restored backup came from, and when a restore began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.world import Item


class Key(NamedTuple):
    """An addon by its ids."""

    project: str
    addon: str


@dataclass
class Life:
    """An addon, as long as the world remembers: also after it was deleted."""

    key: Key
    type: str
    created: datetime
    deleted: datetime | None = None


@dataclass(frozen=True)
class Truth:
    """What really happened in one restore: also after the addon that shows it was deleted."""

    target: Key
    """The addon that it ran in, and that lists it."""
    source: Key
    """The addon that the backup is of."""
    started: datetime
    """When it began, whatever `restoreTimestamp` says."""
    backup: str | None
    """Id of the backup, unique among those of the source only."""
    backup_created: datetime | None
    """When the backup was made; None if the source has never had it."""
    is_fork: bool
    """Whether the addon was made out of the backup, and not restored into later."""
    item: Item
    """The restore as the world has it, with its status and `completedAt` of this moment."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether it ran in another addon than the one that the backup is of."""
        return self.source != self.target
