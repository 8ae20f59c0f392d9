"""Stage 3, the past: states of models, revisions and refreshes as they were, a page at a time."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from cachetools import LRUCache
from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Text,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from service.catalog import Cause, Cursor, Kind, Origin, Outcome, Refresh, Revision, Row, Stored
from service.database import Database
from service.errors import AbsentError
from service.records import BATCH, to_refresh, to_revision, to_row
from service.tables import entries, refreshes, revisions, versions

MAX_READERS: Final = 3
"""Of the database's few connections; the others are for the refresh."""
ROWS_KEPT: Final = 4_096
"""Versions in memory: two catalogs of different times share most of theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A model's stored rows around one revision that opened one of them.

    There can be two at a time: a discovered one, and one of the fallback.
    """

    cursor: Cursor
    revision: Revision
    before: tuple[Row, ...]
    after: tuple[Row, ...]


class Archive:
    """Reads what the store has written. Raises StorageError when the database cannot be read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._readers = asyncio.Semaphore(MAX_READERS)
        self._known: LRUCache[tuple[int, int], Row] = LRUCache(ROWS_KEPT)

    # ── revisions and refreshes ───────────────────────────────────────────────────────────────

    async def head(self) -> Revision:
        """The newest revision."""
        return (await self.revisions(limit=1))[0]

    async def first(self) -> Revision:
        """The oldest revision that can be told whole.

        What was written back from memory after a loss has its old numbers, but of the catalogs
        before the newest of them only parts are known.
        """
        is_restored = revisions.c.cause == Cause.RESTORE
        oldest = select(
            func.coalesce(
                func.max(revisions.c.revision).filter(is_restored), func.min(revisions.c.revision)
            )
        )
        return await self._one(
            select(revisions).where(revisions.c.revision == oldest.scalar_subquery())
        )

    async def revision(self, moment: int | datetime) -> Revision | None:
        """That revision, or the newest one at a time; None where there is none."""
        if isinstance(moment, datetime):
            wanted = select(func.max(revisions.c.revision)).where(revisions.c.at <= moment)
            query = select(revisions).where(revisions.c.revision == wanted.scalar_subquery())
        else:
            query = select(revisions).where(revisions.c.revision == moment)
        async with self._read() as connection:
            values = (await connection.execute(query)).mappings().one_or_none()
        return None if values is None else to_revision(values)

    async def revisions(self, *, limit: int, before: int | None = None) -> list[Revision]:
        """Newest first, older than `before`."""
        query = select(revisions).order_by(revisions.c.revision.desc()).limit(limit)
        if before is not None:
            query = query.where(revisions.c.revision < before)
        async with self._read() as connection:
            found = [to_revision(values) for values in (await connection.execute(query)).mappings()]
        if not found and before is None:
            raise AbsentError("it holds no revision yet")
        return found

    async def refreshes(
        self, *, limit: int, before: int | None = None, outcomes: Collection[Outcome] = ()
    ) -> list[tuple[int, Refresh]]:
        """Newest first, each with its number in the log, which is lower than `before`."""
        query = select(refreshes).order_by(refreshes.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(refreshes.c.id < before)
        if outcomes:
            query = query.where(refreshes.c.outcome.in_(outcomes))
        async with self._read() as connection:
            found = (await connection.execute(query)).mappings().all()
        return [(values["id"], to_refresh(values)) for values in found]

    # ── models ────────────────────────────────────────────────────────────────────────────────

    async def stored_at(self, revision: Revision) -> Stored:
        """Every model's rows as they were then, tombstones too, without their positions."""
        query = select(versions.c.id).where(
            versions.c.since_revision <= revision.revision,
            _is_open_after(versions.c.until_revision, revision.revision),
        )
        async with self._read() as connection:
            rows = await self._rows(connection, (await connection.execute(query)).scalars().all())
        return Stored(
            rows=tuple(rows.values()),
            revision=revision.revision,
            updated_at=revision.at,
            modified_at=revision.at,
        )

    async def knows(self, cursor: Cursor) -> bool:
        """Whether a cursor is one that this history has given."""
        if cursor.revision == 0 and cursor.is_whole:
            return True
        query = select(revisions.c.revision).where(revisions.c.revision == cursor.revision)
        if not cursor.is_whole:
            query = select(versions.c.id).where(
                versions.c.id == cursor.version, versions.c.since_revision == cursor.revision
            )
        async with self._read() as connection:
            return (await connection.execute(query)).scalar() is not None

    async def steps(
        self,
        after: Cursor,
        *,
        until: int,
        limit: int,
        kinds: Collection[Kind] = (),
        fields: Collection[str] = (),
        models: Collection[str] = (),
    ) -> list[Step]:
        """What was opened after the cursor and not after the revision `until`, oldest first.

        The conditions leave out most of what they exclude; the caller has to look again.
        """
        opened = (
            _opened(kinds, fields, models)
            .where(_follows(after), versions.c.since_revision <= until)
            .order_by(versions.c.since_revision, versions.c.id)
            .limit(limit)
        )
        return await self._steps(opened)

    async def latest_steps(
        self,
        before: Cursor | None,
        *,
        limit: int,
        kinds: Collection[Kind] = (),
        fields: Collection[str] = (),
        models: Collection[str] = (),
    ) -> list[Step]:
        """The same, but what was opened last before the cursor, newest first."""
        opened = (
            _opened(kinds, fields, models)
            .order_by(versions.c.since_revision.desc(), versions.c.id.desc())
            .limit(limit)
        )
        if before is not None:
            place = tuple_(versions.c.since_revision, versions.c.id)
            at = tuple_(literal(before.revision), literal(before.version))
            opened = opened.where(place < at)
        return (await self._steps(opened))[::-1]

    async def steps_of(
        self, source: str, model_id: str, *, limit: int, before: int | None = None
    ) -> list[Step]:
        """Each state of one model, newest first, older than the revision `before`."""
        opened = (
            _opened_of(source, model_id).order_by(versions.c.since_revision.desc()).limit(limit)
        )
        if before is not None:
            opened = opened.where(versions.c.since_revision < before)
        return (await self._steps(opened))[::-1]

    async def steps_from(self, source: str, model_id: str, *, since: int, limit: int) -> list[Step]:
        """The same, but oldest first, and those of the revision `since` and later."""
        opened = _opened_of(source, model_id).where(versions.c.since_revision >= since)
        return await self._steps(opened.order_by(versions.c.since_revision).limit(limit))

    async def find(self, name: str) -> tuple[str, str] | None:
        """The source and the id of a model by its ref or, where there is no such ref, by its id."""
        source, _, rest = name.partition("/")
        is_ref = and_(versions.c.source == source, versions.c.model_id == rest)
        query = select(versions.c.source, versions.c.model_id).limit(1)
        async with self._read() as connection:
            for condition in (is_ref, versions.c.model_id == name):
                found = (await connection.execute(query.where(condition))).one_or_none()
                if found is not None:
                    return found.source, found.model_id
        return None

    async def entry(self, source: str, model_id: str, most: int) -> str | None:
        """The raw entry of the state that holds now, or so much of its beginning."""
        query = (
            select(func.substr(entries.c.body, 1, most))
            .join(versions, versions.c.entry_id == entries.c.id)
            .where(
                versions.c.source == source,
                versions.c.model_id == model_id,
                versions.c.until_revision.is_(None),
            )
        )
        async with self._read() as connection:
            body: str | None = (await connection.execute(query)).scalar()
        return body

    # ── the database ──────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        async with self._readers, self._database.read() as connection:
            yield connection

    async def _one(self, query: Select[Any]) -> Revision:
        async with self._read() as connection:
            values = (await connection.execute(query)).mappings().one_or_none()
        if values is None:
            raise AbsentError("it holds no revision yet")
        return to_revision(values)

    async def _steps(self, opened: Select[Any]) -> list[Step]:
        steps = opened.subquery("opened")
        query = (
            select(
                steps.c.id.label("step"),
                steps.c.since_revision.label("made_in"),
                _near.c.id,
                _near.c.until_revision,
            )
            .join(
                _near,
                and_(
                    _near.c.source == steps.c.source,
                    _near.c.model_id == steps.c.model_id,
                    _near.c.since_revision <= steps.c.since_revision,
                    _is_open_after(_near.c.until_revision, steps.c.since_revision - 1),
                ),
            )
            .order_by(steps.c.since_revision, steps.c.id)
        )
        async with self._read() as connection:
            found = (await connection.execute(query)).all()
            made = await _revisions_of(connection, {each.made_in for each in found})
            rows = await self._rows(connection, {each.id for each in found})
        groups = groupby(found, key=lambda each: (each.made_in, each.step))
        return [
            _step(made[revision], step, [(rows[each.id], each.until_revision) for each in group])
            for (revision, step), group in groups
        ]

    async def _rows(self, connection: AsyncConnection, ids: Collection[int]) -> dict[int, Row]:
        """Versions by their ids. What they hold never changes, so they are remembered."""
        opening = self._database.openings
        found = {id_: row for id_ in ids if (row := self._known.get((opening, id_))) is not None}
        lacking = [id_ for id_ in ids if id_ not in found]
        for first in range(0, len(lacking), BATCH):
            query = _ROWS.where(versions.c.id.in_(lacking[first : first + BATCH]))
            for values in (await connection.execute(query)).mappings():
                row = replace(to_row(values), position=None)
                found[values["id"]] = self._known[opening, values["id"]] = row
        return found


_ROWS: Final = select(versions, revisions.c.at).join(
    revisions, revisions.c.revision == versions.c.since_revision
)
_OPENED: Final = select(
    versions.c.id, versions.c.source, versions.c.model_id, versions.c.since_revision
)
_near: Final = versions.alias("near")

_other: Final = versions.alias("other")
_HAS_FALLBACK: Final = versions.c.model_id.in_(
    select(_other.c.model_id).where(_other.c.origin == Origin.FALLBACK)
)
"""What is served of such a model may change in other ways than the row that was opened."""

_later: Final = versions.alias("later")
_IS_LAST_OF_ITS_REVISION: Final = ~exists().where(
    _later.c.source == versions.c.source,
    _later.c.model_id == versions.c.model_id,
    _later.c.since_revision == versions.c.since_revision,
    _later.c.id > versions.c.id,
)

_FIELDS: Final = type_coerce(versions.c.fields, Text)
_IS_NEWS: Final = and_(
    or_(_FIELDS.is_(None), _FIELDS != "[]", _HAS_FALLBACK), _IS_LAST_OF_ITS_REVISION
)


def _opened(
    kinds: Collection[Kind], fields: Collection[str], models: Collection[str]
) -> Select[Any]:
    """What was opened and is news, without most of what these conditions exclude."""
    query = _OPENED.where(_IS_NEWS)
    if kinds:
        query = query.where(or_(versions.c.kind.in_(kinds), _HAS_FALLBACK))
    if fields:
        query = query.where(_may_touch(fields))
    if models:
        query = query.where(or_(*map(_is_like, models)))
    return query


def _opened_of(source: str, model_id: str) -> Select[Any]:
    """What was opened of one model, once a revision."""
    return _OPENED.where(
        versions.c.source == source, versions.c.model_id == model_id, _IS_LAST_OF_ITS_REVISION
    )


def _is_open_after(
    until: ColumnElement[int | None], revision: int | ColumnElement[int]
) -> ColumnElement[bool]:
    return or_(until.is_(None), until > revision)


def _follows(cursor: Cursor) -> ColumnElement[bool]:
    if cursor.is_whole:
        return versions.c.since_revision > cursor.revision
    place = tuple_(versions.c.since_revision, versions.c.id)
    return place > tuple_(literal(cursor.revision), literal(cursor.version))


def _may_touch(fields: Iterable[str]) -> ColumnElement[bool]:
    """By the JSON text of the list, which needs no function that only one database has."""
    return or_(
        _FIELDS.is_(None), _HAS_FALLBACK, *(_FIELDS.like(f'%"{field}"%') for field in fields)
    )


def _is_like(pattern: str) -> ColumnElement[bool]:
    ref = versions.c.source + literal("/", String) + versions.c.model_id
    escaped = pattern.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    like = escaped.replace("*", "%")
    return or_(versions.c.model_id.like(like, escape="\\"), ref.like(like, escape="\\"))


async def _revisions_of(
    connection: AsyncConnection, numbers: Collection[int]
) -> dict[int, Revision]:
    query = select(revisions).where(revisions.c.revision.in_(numbers))
    found = (await connection.execute(query)).mappings()
    return {values["revision"]: to_revision(values) for values in found}


def _step(revision: Revision, step: int, rows: Sequence[tuple[Row, int | None]]) -> Step:
    number = revision.revision
    return Step(
        cursor=Cursor(number, step),
        revision=revision,
        before=tuple(row for row, _ in rows if row.life.revision < number),
        after=tuple(row for row, until in rows if until is None or until > number),
    )
