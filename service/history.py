"""The past, as it is asked for: changes, states of a model, the catalog at a time, what differs."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from service.archive import Archive, Step
from service.catalog import Catalog, Change, Cursor, Outcome, Refresh, Revision, Version
from service.diff import ANY, Wanted, between, change, difference, kind_of
from service.errors import MomentError, UnknownModelError
from service.merge import best, catalog_of

_T = TypeVar("_T")
_SCAN = 200
"""Steps that are read at once: between two such pages the event loop serves others."""
_LONG_SCAN = 800
"""The same of a revision that is read whole: it may be thousands, and each page costs by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_T]):
    """Part of a list: `next` is where the following part begins, None at the end.

    `head` is the newest revision that this answer has taken into account.
    """

    head: Revision
    items: tuple[_T, ...]
    next: Cursor | int | None


class History:
    """Answers from the archive. Raises StorageError when the database cannot be read."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def head(self) -> Revision:
        """The newest revision."""
        return await self._archive.head()

    async def first(self) -> Revision:
        """The oldest revision that can be told whole."""
        return await self._archive.first()

    async def knows(self, cursor: Cursor) -> bool:
        """Whether a cursor is one that this history has given."""
        return await self._archive.knows(cursor)

    async def resolve(self, moment: int | datetime) -> Revision:
        """The revision of that number, or in force at that time. Raises MomentError."""
        found, first = await self._archive.revision(moment), await self._archive.first()
        if found is None or found.revision < first.revision:
            raise MomentError(moment, first, await self._archive.head())
        return found

    async def place(self, since: int | datetime) -> Cursor:
        """Behind that revision, or before all that was made at that time or later."""
        if isinstance(since, int):
            return Cursor(since)
        if since <= (await self._archive.first()).at:
            return Cursor(0)
        # Lists that are saved by the day are of its first instant, and belong to it.
        return Cursor((await self.resolve(since - timedelta(seconds=1))).revision)

    # ── what changed ──────────────────────────────────────────────────────────────────────────

    async def changes(self, after: Cursor, limit: int, wanted: Wanted = ANY) -> Page[Change]:
        """Oldest first after the cursor.

        Raises MomentError when the cursor is ahead of the history: it is another one's.
        """
        head = await self._archive.head()
        if after.revision > head.revision:
            raise MomentError(after.revision, await self._archive.first(), head)
        found: list[Change] = []
        scan = min(limit + 1, _SCAN) if wanted == ANY else _SCAN
        while len(found) <= limit:
            steps = await self._archive.steps(
                after,
                until=head.revision,
                limit=scan,
                kinds=wanted.kinds,
                fields=wanted.fields,
                models=wanted.models,
            )
            found += _wanted_of(steps, wanted)
            if len(steps) < scan:
                break
            after = steps[-1].cursor
        more = found[limit - 1].cursor if len(found) > limit else None
        return Page(head=head, items=tuple(found[:limit]), next=more)

    async def latest(
        self, limit: int, wanted: Wanted = ANY, before: Cursor | None = None
    ) -> list[Change]:
        """The last changes, oldest first: at least so many, where there are, in whole revisions."""
        found: list[Change] = []
        scan = min(limit + 1, _SCAN) if wanted == ANY else _SCAN
        while True:
            steps = await self._latest_steps(before, scan, wanted)
            found += _wanted_of(steps, wanted)
            oldest = found[limit - 1].revision if len(found) >= limit else 0
            if len(steps) < scan or steps[-1].cursor.revision < oldest:
                return [one for one in reversed(found) if one.revision >= oldest]
            before = steps[-1].cursor
            scan = min(2 * scan, _LONG_SCAN)

    async def has_before(self, before: Cursor, wanted: Wanted = ANY) -> bool:
        """Whether there is any change before that."""
        scan = 1 if wanted == ANY else _SCAN
        while True:
            steps = await self._latest_steps(before, scan, wanted)
            if _wanted_of(steps, wanted):
                return True
            if len(steps) < scan:
                return False
            before, scan = steps[-1].cursor, _SCAN

    async def _latest_steps(self, before: Cursor | None, limit: int, wanted: Wanted) -> list[Step]:
        return await self._archive.latest_steps(
            before,
            limit=limit,
            kinds=wanted.kinds,
            fields=wanted.fields,
            models=wanted.models,
        )

    async def diff(self, begin: Revision, end: Revision) -> list[Change]:
        """What happened from one revision to a later one, each model once, in the order of ids."""
        before, after = await self._archive.stored_at(begin), await self._archive.stored_at(end)
        return between(catalog_of(before), catalog_of(after), end)

    # ── what was ──────────────────────────────────────────────────────────────────────────────

    async def catalog(self, revision: Revision) -> Catalog:
        """The catalog of that revision. The gateway's order is not kept: it is that of the ids."""
        return catalog_of(await self._archive.stored_at(revision))

    async def versions(self, name: str, limit: int, before: int | None = None) -> Page[Version]:
        """Every state of one model, by id or ref, newest first. Raises UnknownModelError."""
        head = await self._archive.head()
        found = await self._archive.find(name)
        if found is None:
            raise UnknownModelError(name, [])
        until = None if before is None else await self._next_of(*found, before)
        versions: list[Version] = []
        while len(versions) <= limit:
            steps = await self._archive.steps_of(*found, limit=limit + 1, before=before)
            for step in steps:
                if (version := _version_of(step, until)) is not None:
                    versions.append(version)
                    until = step.revision
            if len(steps) <= limit:
                break
            before = steps[-1].revision.revision
        more = versions[limit - 1].since.revision if len(versions) > limit else None
        return Page(head=head, items=tuple(versions[:limit]), next=more)

    async def entry(self, source: str, model_id: str, most: int) -> str | None:
        """What the gateway said last of a model, as received, or so much of its beginning.

        None where it has said nothing: of a fallback row, or in a database that was rebuilt.
        """
        return await self._archive.entry(source, model_id, most)

    async def _next_of(self, source: str, model_id: str, since: int) -> Revision | None:
        """The first revision since that one, itself included, that gave the model a new state."""
        while steps := await self._archive.steps_from(source, model_id, since=since, limit=_SCAN):
            for step in steps:
                if _version_of(step, None) is not None:
                    return step.revision
            since = steps[-1].revision.revision + 1
        return None

    # ── the logs ──────────────────────────────────────────────────────────────────────────────

    async def revisions(self, limit: int, before: int | None = None) -> Page[Revision]:
        """Newest first."""
        head = await self._archive.head()
        found = await self._archive.revisions(limit=limit + 1, before=before)
        more = found[limit - 1].revision if len(found) > limit else None
        return Page(head=head, items=tuple(found[:limit]), next=more)

    async def refreshes(
        self, limit: int, before: int | None = None, outcomes: Collection[Outcome] = ()
    ) -> Page[tuple[int, Refresh]]:
        """Newest first, each with its number in the log."""
        head = await self._archive.head()
        found = await self._archive.refreshes(limit=limit + 1, before=before, outcomes=outcomes)
        more = found[limit - 1][0] if len(found) > limit else None
        return Page(head=head, items=tuple(found[:limit]), next=more)


def _wanted_of(steps: Iterable[Step], wanted: Wanted) -> list[Change]:
    changes = map(_change_of, steps)
    return [one for one in changes if one is not None and wanted.matches(one)]


def _change_of(step: Step) -> Change | None:
    after = best(step.after)
    if after is None:
        return None
    return change(
        best(step.before),
        after,
        cursor=step.cursor,
        at=step.revision.at,
        bulk=step.revision.bulk,
    )


def _version_of(step: Step, until: Revision | None) -> Version | None:
    before, after = best(step.before), best(step.after)
    if after is None or after is before:
        return None
    return Version(
        since=step.revision,
        until=until,
        kind=kind_of(before, after),
        fields=difference(before, after),
        row=after,
    )
