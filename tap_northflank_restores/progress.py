"""How far the sync is, told every few seconds and at its end."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_northflank_restores.quota import Quota

INTERVAL = 5.0

logger = logging.getLogger("tap-northflank-restores")


class Progress:
    """Counts of the sync, written as one INFO line every few seconds.

    Attributes:
        addons: Addons whose restores are to be read; None while they are being listed.
        done: Addons read to their end.
        read: Restores read.
        sent: Restores handed to the loader; whether it loads them, only its own log tells.
    """

    def __init__(self, quota: Quota) -> None:
        """Start at nothing, now."""
        self.addons: int | None = None
        self.done = 0
        self.read = 0
        self.sent = 0
        self._quota = quota
        self._started = self._told = time.monotonic()

    def tick(self) -> None:
        """Write a line if the last is a few seconds old."""
        if time.monotonic() - self._told >= INTERVAL:
            self._told = time.monotonic()
            logger.info("%s%s", self._counts(), self._to_go())

    def summarise(self) -> None:
        """Write the last line."""
        seconds = time.monotonic() - self._started
        if self.addons is None:
            logger.info("Done in %.1f s: restores not read, %s", seconds, self._requests())
        else:
            logger.info("Done in %.1f s: %s", seconds, self._counts())

    def _counts(self) -> str:
        return (
            f"{self.done} of {'?' if self.addons is None else self.addons} addons, "
            f"{self.read} restores read, {self.sent} handed to the loader, {self._requests()}"
        )

    def _requests(self) -> str:
        left = self._quota.remaining
        known = "no limit known" if left is None else f"{left} left"
        return f"{self._quota.spent} requests made, {known}"

    def _to_go(self) -> str:
        if waiting := self._quota.waiting:
            return f"; waiting {waiting:.0f} s for the quota"
        if not self.addons or not self.done:
            return ""
        seconds = (time.monotonic() - self._started) * (self.addons - self.done) / self.done
        return f"; about {seconds:.0f} s to go"
