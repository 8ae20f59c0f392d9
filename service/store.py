"""Stage 3, save and load: rows ⇄ tables, one transaction a refresh."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, takewhile
from types import MappingProxyType
from typing import Final, TypeVar

from sqlalchemy import and_, bindparam, delete, func, insert, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.catalog import (
    Cause,
    Kind,
    Life,
    Model,
    Origin,
    Outcome,
    Refresh,
    Row,
    Status,
    Stored,
    Transition,
)
from service.database import Database
from service.diff import bulk
from service.errors import CorruptError, ForeignError, StaleError
from service.records import (
    BATCH,
    in_batches,
    key_of,
    refresh_values,
    to_refresh,
    to_row,
    version_values,
)
from service.tables import entries, refreshes, revisions, sources, versions

_T = TypeVar("_T")
_HELD_LIMIT: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """The latest of a source's refreshes that matter to the next one."""

    last: Refresh | None = None
    last_good: Refresh | None = None
    """The latest whose list was believed: its validators are the stored list's."""
    held: tuple[Refresh, ...] = ()
    """Held ones in a row, newest first; empty unless the latest list was held."""

    def after(self, refresh: Refresh) -> "Recent":
        """The same, one refresh later."""
        held = self.held
        if refresh.outcome is Outcome.HELD:
            held = (refresh, *held)[:_HELD_LIMIT]
        return Recent(
            last=refresh,
            last_good=refresh if refresh.outcome.is_good else self.last_good,
            held=() if refresh.outcome.is_good else held,
        )


class Store:
    """The catalog's memory. Raises StorageError when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ── opening ───────────────────────────────────────────────────────────────────────────────

    @property
    def is_open(self) -> bool:
        """Whether the database answered last time."""
        return self._database.is_open

    @property
    def is_writable(self) -> bool:
        """Whether it can also be written."""
        return self._database.is_open and not self._database.is_read_only

    async def open(
        self, fallback: Sequence[Model], at: datetime, known: Stored | None = None
    ) -> Stored:
        """Open, migrate, make sure that the fallback rows are there as shipped, and load.

        `known` is the catalog in memory: it is written back where the file was lost, so that
        numbers, dates and bodies stay what they were. The past is lost with the file.
        """
        await self._database.open()
        try:
            return await self._load_seeded(fallback, at, known)
        except CorruptError:
            await self._database.open()  # sets the damaged file aside
            return await self._load_seeded(fallback, at, known)

    async def open_read_only(self) -> Stored:
        """Open to look, changing nothing, and load."""
        await self._database.open_read_only()
        return await self.load()

    async def close(self) -> None:
        """Close every connection."""
        await self._database.close()

    async def _load_seeded(
        self, fallback: Sequence[Model], at: datetime, known: Stored | None
    ) -> Stored:
        async with self._database.read() as connection:
            is_whole = not await _lost(connection, known) and not await _outdated(
                connection, fallback
            )
        if not is_whole and not self._database.is_read_only:
            async with self._database.write() as connection:
                await _restore(connection, await _lost(connection, known), known)
                await _seed(connection, fallback, at)
        return await self.load()

    # ── loading ───────────────────────────────────────────────────────────────────────────────

    async def load(self) -> Stored:
        """The present: every open version, tombstones too, and the newest revision."""
        async with self._database.read() as connection:
            head = (await connection.execute(_LAST_REVISION)).mappings().one_or_none()
            if head is None:
                raise ForeignError("it holds no catalog yet and cannot be written")
            rows = tuple([row async for row in _open_rows(connection)])
            modified_at = (await connection.execute(_LAST_UPDATE)).scalar()
            lacks_entries = (await connection.execute(_ANY_WITHOUT_ENTRY)).scalar()
        return Stored(
            rows=rows,
            revision=head["revision"],
            updated_at=head["at"],
            modified_at=modified_at or head["at"],
            lacks_entries=lacks_entries is not None,
        )

    async def head(self) -> int:
        """The newest revision that is stored, whoever made it."""
        async with self._database.read() as connection:
            return await _head(connection)

    async def recent(self, source: str) -> Recent:
        """What happened last to a source."""
        good = [outcome for outcome in Outcome if outcome.is_good]
        async with self._database.read() as connection:
            return Recent(
                last=await _latest(connection, source, Outcome),
                last_good=await _latest(connection, source, good),
                held=await _held_in_a_row(connection, source),
            )

    async def entry(self, source: str, model_id: str) -> str | None:
        """The raw entry of a discovered model's open version, exactly as received."""
        query = (
            select(entries.c.body)
            .join(versions, versions.c.entry_id == entries.c.id)
            .where(_IS_OPEN, versions.c.source == source, versions.c.model_id == model_id)
        )
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar()

    # ── saving ────────────────────────────────────────────────────────────────────────────────

    async def commit(
        self,
        transition: Transition,
        raw: Mapping[str, str],
        refresh: Refresh,
        cause: Cause = Cause.REFRESH,
    ) -> None:
        """Save a source's next state and the refresh that found it, together or not at all.

        Raises StaleError when another process has made a revision in between.
        """
        makes_revision = bool(transition.opened)
        expected = transition.revision - 1 if makes_revision else refresh.revision
        async with self._database.write() as connection:
            await _expect_head(connection, expected)
            if makes_revision:
                await _add_revision(connection, transition, refresh.source, cause)
                await _open_versions(connection, transition, raw)
            await _move(connection, transition.moved)
            await connection.execute(insert(refreshes).values(refresh_values(refresh)))

    async def log(self, refresh: Refresh, raw: Mapping[str, str] | None = None) -> None:
        """Save that a refresh changed nothing: one row.

        `raw` are entries to fill in where a rebuilt database lacks them. Raises StaleError when
        another process has made a revision in between.
        """
        async with self._database.write() as connection:
            if refresh.outcome.is_good:
                await _expect_head(connection, refresh.revision)
            await connection.execute(insert(refreshes).values(refresh_values(refresh)))
            if raw:
                await _fill_entries(connection, refresh.source, raw)

    # ── newer rules ───────────────────────────────────────────────────────────────────────────

    async def entries_read_before(self, source: str, normaliser: int) -> Mapping[str, str] | None:
        """The raw entries of a source's open versions, by id, where other rules have read them.

        None when these very rules have read them already.
        """
        async with self._database.read() as connection:
            rules = select(sources.c.normaliser).where(sources.c.source == source)
            if (await connection.execute(rules)).scalar() == normaliser:
                return None
            query = (
                select(versions.c.id, versions.c.model_id, entries.c.body)
                .join(entries, entries.c.id == versions.c.entry_id)
                .where(_IS_OPEN, versions.c.source == source)
            )
            found = in_batches(connection, query)
            return {values["model_id"]: values["body"] async for values in found}

    async def upgrade(self, transition: Transition, source: str, normaliser: int) -> None:
        """Save what these rules made of the stored entries, and that they have read them.

        Raises StaleError when another process has made a revision in between.
        """
        async with self._database.write() as connection:
            await _expect_head(connection, transition.revision - 1)
            if transition.opened:
                await _add_revision(connection, transition, source, Cause.UPGRADE)
                await _open_versions(connection, transition, {})
            await connection.execute(delete(sources).where(sources.c.source == source))
            values = {"source": source, "normaliser": normaliser}
            await connection.execute(insert(sources).values(values))

    # ── forgetting ────────────────────────────────────────────────────────────────────────────

    async def prune(self, source: str, before: datetime) -> int:
        """Forget refreshes older than that, and return how many.

        Kept whatever their age: all since the last good one, and the last that changed the list.
        """
        of_source = refreshes.c.source == source
        good = [outcome for outcome in Outcome if outcome.is_good]
        is_update = refreshes.c.outcome == Outcome.UPDATED
        last_good = select(func.max(refreshes.c.id)).where(of_source, refreshes.c.outcome.in_(good))
        last_update = select(func.max(refreshes.c.at)).where(of_source, is_update)
        statement = delete(refreshes).where(
            of_source,
            refreshes.c.at < before,
            refreshes.c.id < last_good.scalar_subquery(),
            ~and_(is_update, refreshes.c.at == last_update.scalar_subquery()),
        )
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount


# ── reading ───────────────────────────────────────────────────────────────────────────────────

_LAST_REVISION = (
    select(revisions.c.revision, revisions.c.at).order_by(revisions.c.revision.desc()).limit(1)
)
_LAST_UPDATE = select(func.max(refreshes.c.at)).where(refreshes.c.outcome == Outcome.UPDATED)
_IS_OPEN = versions.c.until_revision.is_(None)
_ANY_WITHOUT_ENTRY = (
    select(versions.c.id)
    .where(
        _IS_OPEN,
        versions.c.origin == Origin.DISCOVERED,
        versions.c.status == Status.ACTIVE,
        versions.c.entry_id.is_(None),
    )
    .limit(1)
)
_OPEN_VERSIONS = (
    select(versions, revisions.c.at)
    .join(revisions, revisions.c.revision == versions.c.since_revision)
    .where(_IS_OPEN)
)


async def _head(connection: AsyncConnection) -> int:
    """The newest revision; 0 where there is none."""
    return (await connection.execute(_LAST_REVISION)).scalar() or 0


async def _open_rows(connection: AsyncConnection) -> AsyncIterator[Row]:
    """Every open version."""
    async for values in in_batches(connection, _OPEN_VERSIONS):
        yield to_row(values)


async def _latest(
    connection: AsyncConnection, source: str, outcomes: Iterable[Outcome]
) -> Refresh | None:
    query = (
        select(refreshes)
        .where(refreshes.c.source == source, refreshes.c.outcome.in_(list(outcomes)))
        .order_by(refreshes.c.id.desc())
        .limit(1)
    )
    values = (await connection.execute(query)).mappings().one_or_none()
    return None if values is None else to_refresh(values)


async def _held_in_a_row(connection: AsyncConnection, source: str) -> tuple[Refresh, ...]:
    """The latest held refreshes, newest first. One that got no list does not break the row."""
    listed = [outcome for outcome in Outcome if outcome.is_good or outcome is Outcome.HELD]
    query = (
        select(refreshes)
        .where(refreshes.c.source == source, refreshes.c.outcome.in_(listed))
        .order_by(refreshes.c.id.desc())
        .limit(_HELD_LIMIT)
    )
    latest = map(to_refresh, (await connection.execute(query)).mappings())
    return tuple(takewhile(lambda refresh: refresh.outcome is Outcome.HELD, latest))


async def _outdated(
    connection: AsyncConnection, fallback: Iterable[Model]
) -> list[tuple[Model, Row | None]]:
    """The fallback models that are not stored as they are shipped, each with what is stored."""
    query = _OPEN_VERSIONS.where(versions.c.origin == Origin.FALLBACK)
    rows = map(to_row, (await connection.execute(query)).mappings())
    stored = {row.model.ref: row for row in rows}
    found = [(model, stored.get(model.ref)) for model in fallback]
    return [(model, row) for model, row in found if row is None or row.model != model]


async def _lost(connection: AsyncConnection, known: Stored | None) -> list[Row]:
    """The rows in memory that a database without any discovered model should have."""
    if known is None:
        return []
    kinds = select(versions.c.origin).distinct()
    stored = {row.origin for row in await connection.execute(kinds)}
    if Origin.DISCOVERED in stored:
        return []
    is_worth_it = known.revision or any(row.origin is Origin.DISCOVERED for row in known.rows)
    return [row for row in known.rows if is_worth_it and row.origin not in stored]


_OPEN_VERSION = update(versions).where(
    _IS_OPEN,
    versions.c.source == bindparam("of_source"),
    versions.c.model_id == bindparam("of_model"),
    versions.c.origin == bindparam("of_origin"),
)


# ── writing ───────────────────────────────────────────────────────────────────────────────────


async def _expect_head(connection: AsyncConnection, expected: int | None) -> None:
    head = await _head(connection)
    if head != (expected or 0):
        raise StaleError(f"revision {head} was made by another process")


async def _not_before_history(connection: AsyncConnection, at: datetime) -> datetime:
    """The clock may go back; the dates of revisions may not."""
    head = (await connection.execute(_LAST_REVISION)).one_or_none()
    return at if head is None else max(at, head.at)


async def _seed(connection: AsyncConnection, fallback: Iterable[Model], at: datetime) -> None:
    """One revision that opens what is shipped. Safe when two processes start at once."""
    outdated = await _outdated(connection, fallback)
    if not outdated:
        return
    revision = await _head(connection) + 1
    at = await _not_before_history(connection, at)
    added = sum(1 for _, before in outdated if before is None)
    values = {"revision": revision, "at": at, "cause": Cause.SEED, "added": added}
    values["changed"] = len(outdated) - added
    await connection.execute(insert(revisions).values(values))
    opened = [_seeded(model, before, at, revision) for model, before in outdated]
    await _close_versions(connection, (row for _, row, _ in opened), revision)
    await _insert_versions(connection, opened)


def _seeded(
    model: Model, before: Row | None, at: datetime, revision: int
) -> tuple[Kind, Row, int | None]:
    first_seen = before.life.first_seen if before else at
    life = Life(first_seen=first_seen, updated_at=at, revision=revision)
    kind = Kind.CHANGED if before else Kind.ADDED
    return kind, Row(model=model, life=life, origin=Origin.FALLBACK), None


async def _restore(connection: AsyncConnection, lost: Sequence[Row], known: Stored | None) -> None:
    """Write back what is in memory only, with its dates, and its numbers where it has any."""
    if not lost or known is None:
        return
    if known.revision == 0:
        revision = await _head(connection) + 1
        lost = [replace(row, life=replace(row.life, revision=revision)) for row in lost]
        times = {revision: await _not_before_history(connection, known.updated_at)}
    else:
        times = {row.life.revision: row.life.updated_at for row in lost}
        times[known.revision] = known.updated_at
    there = {row.revision for row in await connection.execute(select(revisions.c.revision))}
    added = Counter(row.life.revision for row in lost)
    values = [
        {
            "revision": revision,
            "at": at,
            "cause": Cause.RESTORE,
            "added": added[revision],
            "bulk": bulk([(Kind.ADDED, ())] * added[revision], len(lost)) or None,
        }
        for revision, at in sorted(times.items())
        if revision not in there
    ]
    if values:
        await connection.execute(insert(revisions), values)
    await _insert_versions(connection, ((Kind.ADDED, row, None) for row in lost))


async def _add_revision(
    connection: AsyncConnection, transition: Transition, source: str, cause: Cause
) -> None:
    values = {
        "revision": transition.revision,
        "at": transition.at,
        "cause": cause,
        "source": source,
        "bulk": dict(transition.bulk) or None,
        **{str(kind): count for kind, count in transition.counts.items()},
    }
    await connection.execute(insert(revisions).values(values))


async def _open_versions(
    connection: AsyncConnection, transition: Transition, raw: Mapping[str, str]
) -> None:
    opened = transition.opened
    await _close_versions(connection, (row for _, row in opened), transition.revision)
    entry_ids = await _save_entries(
        connection, {row.model.id: raw[row.model.id] for _, row in opened if row.model.id in raw}
    )
    unlisted = [row.model.id for _, row in opened if row.model.id not in raw]
    entry_ids |= await _kept_entries(connection, unlisted, transition.revision)
    await _insert_versions(
        connection,
        ((kind, row, entry_ids.get(row.model.id)) for kind, row in opened),
        transition.fields,
    )


async def _kept_entries(
    connection: AsyncConnection, model_ids: Iterable[str], revision: int
) -> dict[str, int]:
    """A model that goes missing keeps the entry it had: that of the version just closed."""
    kept: dict[str, int] = {}
    for batch in _batches(model_ids):
        query = select(versions.c.model_id, versions.c.entry_id).where(
            versions.c.until_revision == revision,
            versions.c.model_id.in_(batch),
            versions.c.entry_id.is_not(None),
        )
        kept |= {row.model_id: row.entry_id for row in await connection.execute(query)}
    return kept


async def _close_versions(connection: AsyncConnection, rows: Iterable[Row], revision: int) -> None:
    statement = _OPEN_VERSION.values(until_revision=revision, position=null())
    for batch in _batches(key_of(row) for row in rows):
        await connection.execute(statement, batch)


async def _move(connection: AsyncConnection, rows: Iterable[Row]) -> None:
    statement = _OPEN_VERSION.values(position=bindparam("place"))
    for batch in _batches(key_of(row) | {"place": row.position} for row in rows):
        await connection.execute(statement, batch)


async def _insert_versions(
    connection: AsyncConnection,
    opened: Iterable[tuple[Kind, Row, int | None]],
    fields: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    for batch in _batches(
        version_values(row)
        | {"kind": kind, "entry_id": entry_id, "fields": fields.get(row.model.id)}
        for kind, row, entry_id in opened
    ):
        await connection.execute(insert(versions), batch)


async def _save_entries(connection: AsyncConnection, raw: Mapping[str, str]) -> dict[str, int]:
    """Keep each distinct raw entry once. Returns the entries' numbers by model id."""
    saved: dict[str, int] = {}
    for batch in _batches(raw.items()):
        bodies = {_digest(body): body for _, body in batch}
        numbers = await _entry_numbers(connection, bodies)
        new = [{"digest": key, "body": bodies[key]} for key in bodies if key not in numbers]
        if new:
            await connection.execute(insert(entries), new)
            numbers |= await _entry_numbers(connection, [entry["digest"] for entry in new])
        saved |= {model_id: numbers[_digest(body)] for model_id, body in batch}
    return saved


async def _entry_numbers(connection: AsyncConnection, digests: Iterable[str]) -> dict[str, int]:
    query = select(entries.c.digest, entries.c.id).where(entries.c.digest.in_(list(digests)))
    return {row.digest: row.id for row in await connection.execute(query)}


async def _fill_entries(connection: AsyncConnection, source: str, raw: Mapping[str, str]) -> None:
    numbers = await _save_entries(connection, raw)
    statement = (
        update(versions)
        .where(
            _IS_OPEN,
            versions.c.source == source,
            versions.c.origin == Origin.DISCOVERED,
            versions.c.entry_id.is_(None),
            versions.c.model_id == bindparam("of_model"),
        )
        .values(entry_id=bindparam("number"))
    )
    for batch in _batches({"of_model": key, "number": number} for key, number in numbers.items()):
        await connection.execute(statement, batch)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch
