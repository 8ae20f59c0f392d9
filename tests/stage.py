"""A stage for tests of the past: a service that is told one list after another, and its readers."""

import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from fixtures.replay import ReplayGateway
from service.config import Settings
from tests.support import Client, Clock, Running, running_service

Json = dict[str, Any]

BEGIN: Final = Clock().at


def entry(model_id: str, price: float = 1, **said: Any) -> Json:
    """A gateway's entry; `price` is USD per million tokens, of input and of output."""
    per_token = format(Decimal(str(price)).scaleb(-6), "f")
    pricing = {"prompt": per_token, "completion": per_token}
    return {"id": model_id, "name": model_id, "context_length": 1000, "pricing": pricing, **said}


def listing(entries: Iterable[Json]) -> bytes:
    return json.dumps({"data": list(entries)}).encode()


async def pages(client: Client, path: str) -> list[Json]:
    """Every page of a list, by following `next`."""
    found: list[Json] = []
    following: str | None = path
    while following is not None:
        found.append(await client.json(following))
        following = found[-1]["next"]
        assert len(found) < 1000, "pages without end"
    return found


async def all_of(client: Client, path: str) -> list[Any]:
    """The data of every page."""
    return [one for page in await pages(client, path) for one in page["data"]]


@dataclass(frozen=True)
class Stage:
    """A running service whose clock and gateway a test holds."""

    running: Running
    gateway: ReplayGateway
    clock: Clock

    @property
    def client(self) -> Client:
        return self.running.client

    async def tell(self, *entries: Json, hours: float = 1) -> int:
        """So much later the gateway lists these. Returns the revision."""
        return await self.show(listing(entries), hours=hours)

    async def show(self, body: bytes | Path, *, hours: float = 1) -> int:
        """The same with a whole body."""
        self.clock.advance(hours=hours)
        self.gateway.serve(body)
        return await self.refresh()

    async def refresh(self) -> int:
        refresh = await self.running.service.refresher.run()
        assert refresh.outcome.is_good, refresh
        return refresh.revision or 0


@asynccontextmanager
async def stage(
    settings: Settings, gateway: ReplayGateway, at: datetime = BEGIN
) -> AsyncIterator[Stage]:
    """The service on its database, which may be there already, at that time."""
    clock = Clock(at)
    async with running_service(settings, clock) as running:
        yield Stage(running, gateway, clock)


async def once(
    file: Path,
    write: Callable[[Stage], Awaitable[None]],
    settings: Settings,
    gateway: ReplayGateway,
) -> None:
    """Set a database where the settings say: a copy of `file`, or made by `write` and kept there.

    Making one takes ten times as long as copying it, and many tests begin with the same past.
    """
    if file.exists():  # noqa: ASYNC240 — small local files
        shutil.copy(file, settings.database_path)
        return
    async with stage(settings, gateway) as made:
        await write(made)
    shutil.copy(settings.database_path, file)
