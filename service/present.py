"""What readers see now: the one cell that a refresh writes and every request reads."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from service.errors import NotPublishedError
from service.snapshot import Snapshot

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)  # Linux; elsewhere monotonic is as good

uptime: Callable[[], float] = (
    time.monotonic if _BOOTTIME is None else partial(time.clock_gettime, _BOOTTIME)
)
"""Seconds by a clock that never jumps, and that goes on while the machine sleeps."""


class Present:
    """The published snapshot and how fresh it is. Swapped whole, so no reader sees a mixture."""

    def __init__(self, *, stale_after_seconds: float, now: Callable[[], float] = uptime) -> None:
        self._stale_after_seconds = stale_after_seconds
        self._now = now
        self._stale_from = float("-inf")
        self.version = 0
        """One more with each snapshot and check: tells whether what was derived still holds."""
        self.generation = 0
        """One more with each snapshot."""
        self.snapshot: Snapshot | None = None
        self._listeners: list[Callable[[], None]] = []
        self.checked_at: datetime | None = None
        """When the gateway's list was last known to be the served one."""

    def require(self) -> Snapshot:
        """The published snapshot. Raises NotPublishedError before the first."""
        if self.snapshot is None:
            raise NotPublishedError
        return self.snapshot

    def publish(self, snapshot: Snapshot) -> None:
        """Serve this from now on."""
        self.snapshot = snapshot
        self.generation += 1
        self.version += 1
        for tell in self._listeners:
            tell()

    def subscribe(self, tell: Callable[[], None]) -> None:
        """Call this after each publication; it must neither wait nor raise."""
        self._listeners.append(tell)

    def confirm(self, checked_at: datetime, age_seconds: float = 0.0) -> None:
        """The served list was checked at that time, which is so long ago."""
        self.checked_at = checked_at
        self.version += 1
        self._stale_from = self._now() - max(0.0, age_seconds) + self._stale_after_seconds

    @property
    def is_stale(self) -> bool:
        """Whether the last good check is too long ago, by a clock that never jumps."""
        return self._now() >= self._stale_from

    @property
    def age_seconds(self) -> float | None:
        """Time since the last good check; None where there was none."""
        if self.checked_at is None:
            return None
        return self._now() - (self._stale_from - self._stale_after_seconds)
