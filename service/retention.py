"""What is forgotten: old refreshes and messages. Versions and changes are kept for ever."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from service.errors import StorageError
from service.outbox import Outbox
from service.store import Store

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Forgets what is older than is to be kept."""

    store: Store
    outbox: Outbox
    source: str
    webhooks: Collection[str]
    """The names of those that are configured: what they are still to be told is kept."""
    clock: Callable[[], datetime]
    keep_refreshes: timedelta
    keep_messages: timedelta

    async def run(self) -> None:
        """Forget. Where that cannot be stored now, the next run does it."""
        now = self.clock()
        try:
            refreshes = await self.store.prune(self.source, now - self.keep_refreshes)
            messages = await self.outbox.prune(now - self.keep_messages, self.webhooks)
        except StorageError as error:
            _log.warning("not_forgotten", state=error.state, detail=error.detail)
            return
        if refreshes or messages:
            _log.info("forgotten", refreshes=refreshes, messages=messages)
