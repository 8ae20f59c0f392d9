"""The stored catalog, as the commands that look read it: as it is, and as it was."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from service.archive import Archive
from service.catalog import Catalog, utc_now
from service.config import Settings
from service.database import Database
from service.errors import UsageError
from service.history import History
from service.merge import catalog_of
from service.query.moments import moment
from service.store import Store

_T = TypeVar("_T")


def with_store(chosen: Settings, use: Callable[[Store], Awaitable[_T]]) -> _T:
    """What is done with the store; it is closed then."""

    async def opened() -> _T:
        store = Store(Database(chosen.database_path))
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def catalog(chosen: Settings) -> Catalog:
    """The catalog as it is stored now. Writes nothing. Raises StorageError."""
    return catalog_of(with_store(chosen, Store.open_read_only))


def catalog_at(chosen: Settings, at: int | datetime) -> Catalog:
    """The catalog of that revision or time, in the order of ids. Raises MomentError too."""

    async def found() -> Catalog:
        async with past(chosen) as history:
            return await history.catalog(await history.resolve(at))

    return asyncio.run(found())


@asynccontextmanager
async def past(chosen: Settings) -> AsyncIterator[History]:
    """The past. Writes nothing."""
    database = Database(chosen.database_path)
    try:
        await database.open_read_only()
        yield History(Archive(database))
    finally:
        await database.close()


def moment_of(word: str, text: str) -> int | datetime:
    """What an option or argument of that name means. Raises UsageError."""
    try:
        return moment(text, utc_now())
    except ValueError as error:
        raise UsageError(word, str(error)) from None
