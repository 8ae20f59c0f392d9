"""Stage 5 and the end: encode what is stored, then show it to every reader at once."""

import asyncio
import gc
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import count
from typing import Final

from service.catalog import Stored
from service.dialects.dialect import Provider
from service.merge import catalog_of
from service.metrics import Metrics
from service.present import Present
from service.snapshot import Snapshot, snapshot

FULL_COLLECTION_EVERY: Final = 50
"""Publications after which the garbage collector looks at everything once."""
_settled = count(1)


class Publisher:
    """Makes snapshots, and swaps them in for whoever reads the present."""

    def __init__(self, present: Present, metrics: Metrics, provider: Provider) -> None:
        self._present = present
        self._metrics = metrics
        self._provider = provider

    async def prepare(self, stored: Stored) -> Callable[[], None]:
        """Encode it. The call that is returned shows it to every reader."""
        return partial(self._show, await asyncio.to_thread(self._snapshot_of, stored))

    def confirm(self, checked_at: datetime, age_seconds: float = 0.0) -> None:
        """What is shown was what the source says at that time, which is so long ago."""
        self._present.confirm(checked_at, age_seconds)

    def _snapshot_of(self, stored: Stored) -> Snapshot:
        return snapshot(catalog_of(stored), self._provider)

    def _show(self, made: Snapshot) -> None:
        self._present.publish(made)
        omitted = {name: spoken.omitted for name, spoken in made.spoken.items()}
        self._metrics.observe_snapshot(made.catalog.revision, made.census, omitted)
        _settle_memory()


class Nobody:
    """Takes a publisher's place where nobody reads: encoding is the longest part of a refresh."""

    async def prepare(self, stored: Stored) -> Callable[[], None]:
        """Encode nothing, and show it to nobody."""
        del stored
        return lambda: None

    def confirm(self, checked_at: datetime, age_seconds: float = 0.0) -> None:
        """Nobody asks."""


def _settle_memory() -> None:
    """Take what was just published, and will live long, out of the garbage collector's sight.

    Else each of its full passes walks the whole catalog and delays readers: 200 ms at 10 000
    models. What is replaced later is freed by its reference counts all the same.
    """
    if next(_settled) % FULL_COLLECTION_EVERY == 0:
        gc.unfreeze()  # for cycles that died since they were frozen
    gc.collect()
    gc.freeze()
