"""Scenes of history that several tests set: a real database written list by list, and an oracle."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson

from service.archive import Archive
from service.catalog import (
    FALLBACK,
    KILOCODE,
    Catalog,
    Cause,
    Change,
    Cursor,
    Life,
    Model,
    Origin,
    Outcome,
    Reason,
    Refresh,
    Row,
    Stored,
    Transition,
    Version,
)
from service.database import Database
from service.dialects import DIALECTS, native
from service.dialects.dialect import Provider
from service.diff import ANY, Wanted
from service.history import History, Page
from service.lifecycle import advance, reread
from service.merge import catalog_of
from service.snapshot import Document, Snapshot, snapshot
from service.store import Store

_T = TypeVar("_T")
Json = dict[str, Any]

START = datetime(2026, 10, 1, 12, tzinfo=UTC)
GRACE = timedelta(hours=24)
BEGINNING = Cursor(0)

NO_NEWS = frozenset(
    {
        *("ref", "source", "id", "default"),
        *("badges", "preferredIndex"),
        *("missingSince", "removedAt", "firstSeen", "updatedAt", "revision"),
    }
)
"""Keys of a model's JSON that name it, or that are versioned or dated without being a change."""


# ── the oracle: changes once more, naively, from the JSON alone ───────────────────────────────


def as_json(document: object) -> Any:
    """As a client reads it."""
    return json.loads(orjson.dumps(document))


def facts(row: Row) -> Json:
    """A model's JSON without levels: `cost.input`; only what is news when it differs."""
    flat: Json = {}
    for key, value in as_json(native.model(row)).items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": below for name, below in value.items()}
        elif key not in NO_NEWS:
            flat[key] = value
    return flat


PATHS = tuple(
    facts(Row(model=FALLBACK[0], life=Life(first_seen=START, updated_at=START, revision=1)))
)
"""Every path of a model's JSON that can be news."""


def facts_of(catalog: Catalog) -> dict[str, Json]:
    """Every model's, by id, tombstones too."""
    return {row.model.id: facts(row) for row in (*catalog.rows, *catalog.removed)}


def kind_between(before: Json | None, after: Json) -> str:
    if before is None:
        return "added"
    if before["status"] == after["status"]:
        return "changed"
    return "returned" if after["status"] == "active" else str(after["status"])


def told(before: Mapping[str, Json], after: Mapping[str, Json]) -> dict[str, Json]:
    """What a change says of each model that differs: `{"kind": …, "fields": {path: …}}`."""
    news = {}
    for model_id, now in after.items():
        was = before.get(model_id, dict.fromkeys(now))
        fields = {
            path: {"from": was[path], "to": now[path]} for path in now if was[path] != now[path]
        }
        if fields:
            news[model_id] = {"kind": kind_between(before.get(model_id), now), "fields": fields}
    return news


def said(changes: Iterable[Change]) -> dict[str, Json]:
    """The same of changes; each model once."""
    found = [as_json(native.change(one)) for one in changes]
    by_id = {one["id"]: {"kind": one["kind"], "fields": one["fields"]} for one in found}
    assert len(by_id) == len(found)
    return by_id


def replay(catalog: dict[str, Json], changes: Iterable[Change]) -> dict[str, Json]:
    """The catalog after these changes; each must begin where the one before has ended."""
    after = {model_id: dict(known) for model_id, known in catalog.items()}
    for one in (as_json(native.change(one)) for one in changes):
        if one["kind"] == "added":
            assert one["id"] not in after
            after[one["id"]] = dict.fromkeys(PATHS)
        model = after[one["id"]]
        for path, pair in one["fields"].items():
            assert model[path] == pair["from"], (one, model)
            model[path] = pair["to"]
    return after


def is_like(pattern: str, text: str) -> bool:
    """Whether a text is like a pattern in which `*`, and nothing else, stands for anything."""
    expression = "".join(".*" if sign == "*" else re.escape(sign) for sign in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def is_wanted(wanted: Wanted, one: Change) -> bool:
    names = (one.id, one.ref)
    return (
        (not wanted.kinds or one.kind in wanted.kinds)
        and (not wanted.fields or bool(wanted.fields & set(one.fields)))
        and (not wanted.models or any(is_like(p, n) for p in wanted.models for n in names))
    )


def placeless(rows: Iterable[Row]) -> dict[str, Row]:
    """Rows by id, without the gateway's order, which history does not keep."""
    return {row.model.id: replace(row, position=None) for row in rows}


# ── models ────────────────────────────────────────────────────────────────────────────────────


def model(model_id: str, name: str = "Same", **said: Any) -> Model:
    return Model(source=KILOCODE, id=model_id, name=name, **said)


def models(ids: Iterable[str], **said: Any) -> list[Model]:
    return [model(model_id, **said) for model_id in ids]


def raw_entry(said: Model) -> str:
    """Any text will do that is another one for another model."""
    return json.dumps({"id": said.id, "name": said.name})


# ── a database written list by list ───────────────────────────────────────────────────────────


@dataclass
class Chronicle:
    """The real store, driven without a gateway, and what was true after each revision."""

    file: Path
    store: Store
    archive: Archive
    history: History
    at: datetime = START
    grace: timedelta = GRACE
    ours: tuple[Row, ...] = ()
    fallback: tuple[Row, ...] = ()
    revision: int = 0
    catalogs: dict[int, Catalog] = field(default_factory=dict)

    async def see(self, seen: Sequence[Model], *, hours: float = 1) -> Transition:
        """One good list, so many hours after the last."""
        self.at += timedelta(hours=hours)
        step = advance(self.ours, seen, at=self.at, revision=self.revision + 1, grace=self.grace)
        if step.opened or step.moved:
            raw = {each.id: raw_entry(each) for each in seen}
            made = step.revision if step.opened else self.revision
            await self.store.commit(step, raw, _refresh(self.at, made), Cause.REFRESH)
        self._take(step)
        return step

    async def reread(self, found: Iterable[Model], *, hours: float = 1) -> Transition:
        """Newer rules that make these models of what is stored."""
        self.at += timedelta(hours=hours)
        by_id = {each.id: each for each in found}
        step = reread(self.ours, by_id, at=self.at, revision=self.revision + 1)
        await self.store.upgrade(step, KILOCODE, self.revision)
        self._take(step)
        return step

    async def open(self, fallback: Sequence[Model] = FALLBACK) -> None:
        """Open, or open anew with other fallback rows, and take what is stored for the truth."""
        await self.store.close()
        self.adopt(await self.store.open(fallback, self.at))

    def adopt(self, stored: Stored) -> None:
        self.ours = tuple(row for row in stored.rows if row.origin is Origin.DISCOVERED)
        self.fallback = tuple(row for row in stored.rows if row.origin is Origin.FALLBACK)
        self.revision = stored.revision
        loaded = catalog_of(stored)
        known = self.catalogs.setdefault(self.revision, loaded)
        assert placeless(known.rows) == placeless(loaded.rows)
        assert placeless(known.removed) == placeless(loaded.removed)

    def _take(self, step: Transition) -> None:
        self.ours = step.rows
        if step.opened:
            self.revision = step.revision
            stored = Stored(
                rows=(*self.fallback, *self.ours),
                revision=step.revision,
                updated_at=step.at,
                modified_at=step.at,
            )
            self.catalogs[step.revision] = catalog_of(stored)


@asynccontextmanager
async def chronicle(file: Path, *, grace: timedelta = GRACE) -> AsyncIterator[Chronicle]:
    """A chronicle that begins with what is in that file, or at its first revision."""
    database = Database(file)
    store, archive = Store(database), Archive(database)
    made = Chronicle(file=file, store=store, archive=archive, history=History(archive), grace=grace)
    try:
        await made.open()
        yield made
    finally:
        await store.close()


def _refresh(at: datetime, revision: int) -> Refresh:
    return Refresh(
        source=KILOCODE,
        at=at,
        duration_ms=1,
        outcome=Outcome.UPDATED,
        reason=Reason.CHANGES,
        revision=revision,
    )


# ── reading page by page, as clients do ───────────────────────────────────────────────────────


async def all_changes(
    history: History, *, limit: int = 1000, wanted: Wanted = ANY, after: Cursor = BEGINNING
) -> list[Change]:
    """Every change after the cursor, by following `next`."""
    found: list[Change] = []
    while True:
        page = await history.changes(after, limit, wanted)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            return found
        assert isinstance(page.next, Cursor)
        assert page.next > after
        assert len(page.items) == limit
        after = page.next


async def all_versions(history: History, name: str, *, limit: int = 1000) -> list[Version]:
    """Every state of a model, newest first, by following `next`."""
    return await all_pages(partial(history.versions, name, limit))


async def all_pages(ask: Callable[..., Awaitable[Page[_T]]]) -> list[_T]:
    """Every item of a log that is read backwards, by handing `next` on as `before`."""
    found: list[_T] = []
    before: int | None = None
    while True:
        page = await ask(before=before)
        found += page.items
        if page.next is None:
            return found
        assert isinstance(page.next, int)
        assert before is None or page.next < before
        before = page.next


# ── what is served ────────────────────────────────────────────────────────────────────────────

PROVIDER = Provider(url="https://gateway.example/api/gateway")


def snapshot_of(catalog: Catalog) -> Snapshot:
    return snapshot(catalog, PROVIDER)


def spoken(made: Snapshot, path: str, **asked: str) -> Document:
    """What the endpoint at that pattern answers."""
    for dialect in DIALECTS:
        for endpoint in dialect.endpoints:
            if path in endpoint.paths:
                return made.spoken[dialect.name].answer(endpoint, asked)
    raise LookupError(path)
