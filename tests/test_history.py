"""The past, as it is asked for, against what was true then. Real files, the real store."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as properties
from hypothesis import strategies as st

from fixtures.replay import ReplayGateway
from service.archive import Archive
from service.catalog import (
    FALLBACK,
    KILOCODE,
    Cause,
    Change,
    Cost,
    Cursor,
    Kind,
    Life,
    Model,
    Origin,
    Outcome,
    Row,
    Stored,
    Version,
)
from service.config import Settings
from service.database import Database
from service.dialects import native
from service.diff import TOPICS, Wanted, fields_of
from service.errors import MomentError, UnbelievableError, UnknownModelError
from service.fields import Topic
from service.history import History
from service.normalise import NORMALISER, normalise
from service.store import Store
from tests.scenes import (
    START,
    Chronicle,
    Json,
    all_changes,
    all_pages,
    all_versions,
    as_json,
    chronicle,
    facts,
    facts_of,
    is_like,
    is_wanted,
    model,
    models,
    placeless,
    replay,
    said,
    told,
)
from tests.support import Clock, Running, query, running_service

CALM = properties(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
"""A busy machine is no finding."""


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database at its first revision, made once."""
    file = tmp_path_factory.mktemp("blank") / "catalog.db"

    async def make() -> None:
        store = Store(Database(file))
        await store.open(FALLBACK, START)
        await store.close()

    asyncio.run(make())
    return file.read_bytes()


def listing(ids: Iterable[str], **more: Any) -> bytes:
    entries = [{"id": model_id, "name": "x", **more} for model_id in ids]
    return json.dumps({"data": entries}).encode()


# ── any sequence of lists ─────────────────────────────────────────────────────────────────────

IDS = ("a/1", "a/x_1", "a/x%1", "A/X_1", "b/'\",*\\", "kilo/auto")
SAID = st.builds(
    model,
    st.sampled_from(IDS),
    name=st.sampled_from(["One", "Two"]),
    badges=st.sampled_from([(), ("new",)]),
    cost=st.sampled_from([Cost(), Cost(input=3.0, output=0.0), Cost(input=2.5, output=0.0)]),
    expires_at=st.sampled_from([None, START]),
)
SEEN = st.lists(SAID, max_size=6, unique_by=lambda said: said.id)


@dataclass(frozen=True)
class Listed:
    """The gateway lists these, so many hours later."""

    hours: int
    seen: list[Model]

    async def happen(self, to: Chronicle) -> None:
        await to.see(self.seen, hours=self.hours)


@dataclass(frozen=True)
class Reread:
    """Newer rules read these out of the stored entries."""

    found: list[Model]

    async def happen(self, to: Chronicle) -> None:
        await to.reread(self.found)


@dataclass(frozen=True)
class Shipped:
    """A release ships the fallback under this name."""

    name: str

    async def happen(self, to: Chronicle) -> None:
        await to.open([replace(FALLBACK[0], name=self.name)])


Event = Listed | Reread | Shipped
LISTED = st.builds(Listed, st.sampled_from([0, 1, 25, 30]), SEEN)
EVENT = st.one_of(
    *[LISTED] * 8, st.builds(Reread, SEEN), st.builds(Shipped, st.sampled_from(["Kilo", "Auto"]))
)


def chronicled(
    check: Callable[[Chronicle], Awaitable[None]], blank: bytes, events: Iterable[Event]
) -> None:
    """Let the events happen to a database of their own, and check it."""

    async def run(file: Path) -> None:
        async with chronicle(file) as made:
            for event in events:
                await event.happen(made)
            await check(made)

    with TemporaryDirectory() as folder:
        file = Path(folder) / "catalog.db"
        file.write_bytes(blank)
        asyncio.run(run(file))


@properties(CALM, max_examples=6)
@given(events=st.lists(EVENT, max_size=6))
def test_whatever_happened_any_two_revisions_differ_by_what_their_catalogs_do(
    blank: bytes, events: list[Event]
) -> None:
    async def check(made: Chronicle) -> None:
        ends = [await made.history.resolve(number) for number in made.catalogs]
        for begin in ends:
            for end in ends[ends.index(begin) :]:
                found = await made.history.diff(begin, end)
                before, after = (facts_of(made.catalogs[r.revision]) for r in (begin, end))
                assert said(found) == told(before, after)
                assert [one.id for one in found] == sorted(one.id for one in found)
                assert {(one.cursor, one.at) for one in found} <= {(Cursor(end.revision), end.at)}

    chronicled(check, blank, events)


@properties(CALM, max_examples=6)
@given(events=st.lists(EVENT, max_size=9))
def test_whatever_happened_the_catalog_of_each_revision_and_time_is_what_it_was(
    blank: bytes, events: list[Event]
) -> None:
    async def check(made: Chronicle) -> None:
        for number, catalog in made.catalogs.items():
            revision = await made.history.resolve(number)
            found = await made.history.catalog(revision)
            assert placeless(found.rows) == placeless(catalog.rows)
            assert placeless(found.removed) == placeless(catalog.removed)
            assert (found.revision, found.updated_at) == (number, catalog.updated_at)
            assert {row.position for row in (*found.rows, *found.removed)} == {None}
        await check_times(made)

    chronicled(check, blank, events)


async def check_times(made: Chronicle) -> None:
    """The revision in force at a time is the newest that was made by then."""
    dated = {number: catalog.updated_at for number, catalog in made.catalogs.items()}
    assert list(dated.values()) == sorted(dated.values())
    for at in {*dated.values(), *(at + timedelta(minutes=30) for at in dated.values())}:
        in_force = max(number for number, made_at in dated.items() if made_at <= at)
        assert (await made.history.resolve(at)).revision == in_force


@properties(CALM, max_examples=6)
@given(
    events=st.lists(EVENT, max_size=9),
    limits=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    back=st.integers(1, 9),
)
def test_whatever_happened_its_changes_page_by_page_make_the_last_catalog_of_the_first(
    blank: bytes, events: list[Event], limits: list[int], back: int
) -> None:
    async def check(made: Chronicle) -> None:
        history = made.history
        changes = await all_changes(history)
        assert replay({}, changes) == facts_of(made.catalogs[made.revision])
        assert [one.cursor for one in changes] == sorted({one.cursor for one in changes})
        await check_each_revision(made, changes)
        for limit in limits:
            assert await all_changes(history, limit=limit) == changes
        latest = await history.latest(back)
        assert latest == tail(changes, back)
        for place in {0, len(changes) // 2, len(changes) - 1}:
            after = changes[place].cursor
            assert await all_changes(history, limit=7, after=after) == changes[place + 1 :]
            assert await history.knows(after)

    chronicled(check, blank, events)


async def check_each_revision(made: Chronicle, changes: Sequence[Change]) -> None:
    """What each revision's changes say is what it did to the catalog before it."""
    before: dict[str, Any] = {}
    for number, catalog in made.catalogs.items():
        after = facts_of(catalog)
        of_it = [one for one in changes if one.revision == number]
        assert said(of_it) == told(before, after)
        assert {one.at for one in of_it} <= {catalog.updated_at}
        before = after


def tail(changes: Sequence[Change], back: int) -> list[Change]:
    """The last changes in whole revisions."""
    oldest = changes[-back].revision if len(changes) >= back else 0
    return [one for one in changes if one.revision >= oldest]


PATTERNS = st.sampled_from(
    [
        *IDS,
        "*",
        "a/*",
        "*_1",
        "a/x*1",
        "%",
        "a/x%",
        "A/*",
        "*'*",
        "*\\",
        "kilocode/*",
        "*/auto",
        "a",
    ]
) | st.text("ax/_%1*\\", min_size=1, max_size=5)
WANTED = st.builds(
    Wanted,
    kinds=st.frozensets(st.sampled_from(Kind), max_size=2),
    fields=st.just(frozenset()) | st.sampled_from([*Topic, "cost", *TOPICS]).map(fields_of),
    models=st.frozensets(PATTERNS, max_size=2),
)


@properties(CALM, max_examples=6)
@given(
    events=st.lists(EVENT, min_size=2, max_size=8),
    asked=st.lists(WANTED, min_size=3, max_size=5),
    limit=st.integers(1, 5),
)
def test_whatever_is_asked_for_the_changes_are_those_of_all_that_match(
    blank: bytes, events: list[Event], asked: list[Wanted], limit: int
) -> None:
    async def check(made: Chronicle) -> None:
        changes = await all_changes(made.history)
        for wanted in asked:
            expected = [one for one in changes if is_wanted(wanted, one)]
            found = await all_changes(made.history, limit=limit, wanted=wanted)
            assert found == expected
            assert await made.history.latest(limit, wanted) == tail(expected, limit)
            for before in range(made.revision + 2):
                is_any = any(one.revision < before for one in expected)
                assert await made.history.has_before(Cursor(before, 0), wanted) == is_any

    chronicled(check, blank, events)


@properties(CALM, max_examples=6)
@given(events=st.lists(EVENT, max_size=9), limit=st.integers(1, 3))
@example(
    events=[
        Listed(1, [model("kilo/auto"), model("a/1")]),
        Listed(1, [model("a/1")]),
        Listed(30, [model("a/1")]),
        Reread([model("kilo/auto", "Better")]),
        Shipped("Auto"),
    ],
    limit=1,
)
def test_whatever_happened_the_versions_of_a_model_are_its_states_without_a_gap(
    blank: bytes, events: list[Event], limit: int
) -> None:
    async def check(made: Chronicle) -> None:
        changes = await all_changes(made.history)
        for row in (*(last := made.catalogs[made.revision]).rows, *last.removed):
            versions = await all_versions(made.history, row.model.ref, limit=limit)
            assert versions == await all_versions(made.history, row.model.id)
            check_versions(made, versions, [one for one in changes if one.id == row.model.id])

    chronicled(check, blank, events)


def check_versions(made: Chronicle, versions: Sequence[Version], changes: Sequence[Change]) -> None:
    oldest_first = versions[::-1]
    untils = [version.until for version in oldest_first]
    assert untils == [*(version.since for version in oldest_first[1:]), None]
    states = states_of(made, oldest_first[0].row.model.id)
    assert {v.since.revision: placeless([v.row]) for v in oldest_first} == states
    news = [(v.since.revision, v.kind, v.fields) for v in oldest_first if v.fields]
    assert news == [(one.revision, one.kind, one.fields) for one in changes]


def states_of(made: Chronicle, model_id: str) -> dict[int, dict[str, Row]]:
    """Every state that was served of a model, by the revision that it began with."""
    states: dict[int, dict[str, Row]] = {}
    last: Row | None = None
    for number, catalog in made.catalogs.items():
        row = placeless((*catalog.rows, *catalog.removed)).get(model_id)
        if row is not None and row != last:
            states[number], last = {model_id: row}, row
    return states


async def test_a_fallback_that_the_gateway_lists_for_a_while_is_told_by_what_is_served(
    tmp_path: Path,
) -> None:
    async with chronicle(tmp_path / "catalog.db") as made:
        theirs = model("kilo/auto", name="Theirs", max_tokens=1)
        for listed in ([theirs], [], [], [], [theirs]):
            await made.see([model("a"), *listed], hours=20)

        states = (await all_versions(made.history, "kilo/auto"))[::-1]
        assert [
            (str(v.kind), v.row.origin, str(v.row.life.status), v.row.model.name) for v in states
        ] == [
            ("added", "fallback", "active", "Kilo Auto"),
            ("changed", "discovered", "active", "Theirs"),
            ("missing", "discovered", "missing", "Theirs"),
            ("returned", "fallback", "active", "Kilo Auto"),
            ("changed", "discovered", "active", "Theirs"),
        ]
        assert states[1].fields["origin"] == ("fallback", "discovered")
        assert states[1].fields["maxTokens"] == (128_000, 1)
        for wanted, revisions in {
            Wanted(models=frozenset(["kilo/auto"])): [1, 2, 3, 4, 5],
            Wanted(fields=frozenset(["origin"]), models=frozenset(["*auto"])): [1, 2, 4, 5],
            Wanted(fields=frozenset(["status"]), models=frozenset(["kilo/*"])): [1, 3, 4],
            Wanted(kinds=frozenset([Kind.CHANGED])): [2, 5],
            Wanted(kinds=frozenset([Kind.REMOVED])): [],
            Wanted(kinds=frozenset([Kind.RETURNED])): [4],
        }.items():
            found = await all_changes(made.history, wanted=wanted)
            assert [one.revision for one in found] == revisions
            assert await made.history.latest(99, wanted) == found


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7])
async def test_the_latest_changes_are_whole_revisions(tmp_path: Path, limit: int) -> None:
    async with chronicle(tmp_path / "catalog.db") as made:
        await made.see(models("abcdef"))
        await made.see(models("abcdef", name="Other"))

        found = await made.history.latest(limit)

        assert [one.revision for one in found] == [3] * 6 if limit < 7 else [2] * 6 + [3] * 6


async def test_whether_there_is_more_is_told_without_reading_a_revision_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chronicle(tmp_path / "catalog.db") as made:
        await made.see([model(f"m{number}") for number in range(700)])
        read: list[int] = []
        latest_steps = Archive.latest_steps

        async def counted(self: Archive, *args: Any, **more: Any) -> list[Any]:
            steps = await latest_steps(self, *args, **more)
            read.append(len(steps))
            return steps

        monkeypatch.setattr(Archive, "latest_steps", counted)

        assert await made.history.has_before(Cursor(3, 0))
        assert read == [1]
        read.clear()
        assert len(await made.history.latest(10)) == 700
        assert len(read) < 10, "ever larger parts"


async def test_states_before_any_revision_end_when_they_did(tmp_path: Path) -> None:
    async with chronicle(tmp_path / "catalog.db") as made:
        for name in ("One", "One", "Two", "Two", "Three"):
            await made.see([model("a", name=name), model("b", name=f"{made.revision}")])
        found = (await all_versions(made.history, "a"))[::-1]
        assert [v.since.revision for v in found] == [2, 4, 6]

        for before in range(1, 9):
            page = await made.history.versions("a", 5, before)
            assert page.items == tuple(v for v in found[::-1] if v.since.revision < before)


# ── logs ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [1, 2, 99])
async def test_revisions_and_refreshes_are_told_page_by_page_newest_first(
    running: Running, gateway: ReplayGateway, limit: int
) -> None:
    for body in (listing("ab"), b"{}", listing("abc"), listing("abc"), b"[]"):
        gateway.serve(body)
        await running.service.refresher.run()
    history = running.service.history

    revisions = await all_pages(partial(history.revisions, limit))
    refreshes = await all_pages(partial(history.refreshes, limit))
    bad = await all_pages(partial(history.refreshes, limit, outcomes=[Outcome.REJECTED]))

    assert [each.revision for each in revisions] == [3, 2, 1]
    assert [number for number, _ in refreshes] == [5, 4, 3, 2, 1]
    assert [refresh.revision for _, refresh in refreshes] == [3, 3, 3, 2, 2]
    assert [number for number, _ in bad] == [5, 2]
    assert {refresh.outcome for _, refresh in bad} == {Outcome.REJECTED}


# ── real lists ────────────────────────────────────────────────────────────────────────────────

INCIDENT = {
    "openrouter-2026-01-15T2020": datetime(2026, 1, 15, 20, 20, tzinfo=UTC),
    "openrouter-2026-01-15T2218": datetime(2026, 1, 15, 22, 18, tzinfo=UTC),
    "openrouter-2026-01-16T1420": datetime(2026, 1, 16, 14, 20, tzinfo=UTC),
}
NIGHT = datetime(2026, 1, 15, 23, 30, tzinfo=UTC)


@dataclass
class Incident:
    """A running service that was told the lists of the incident, and what it served of each."""

    running: Running
    ids: list[set[str]]
    served: dict[int, dict[str, Json]] = field(default_factory=dict)

    @property
    def history(self) -> History:
        return self.running.service.history

    @property
    def gone(self) -> set[str]:
        return self.ids[0] - self.ids[1]

    @property
    def back(self) -> set[str]:
        return self.gone & self.ids[2]

    async def of_kind(self, kind: str) -> dict[int, set[str]]:
        """Which models that befell, by revision; not those of the first list."""
        changes = await all_changes(self.history, wanted=Wanted(kinds=frozenset({Kind(kind)})))
        found: dict[int, set[str]] = {}
        for one in changes:
            if one.revision > 2:
                found.setdefault(one.revision, set()).add(one.id)
        return found

    async def look(self) -> None:
        document = await self.running.client.json("/catalog/models")
        self.served[document["revision"]] = {row["id"]: row for row in document["data"]}


@asynccontextmanager
async def incident(
    settings: Settings, gateway: ReplayGateway, captures: Path, *, grace_hours: int
) -> AsyncIterator[Incident]:
    """The second list is seen once more in the night."""
    files = {name: captures / f"{name}.json" for name in INCIDENT}
    ids = [{each["id"] for each in json.loads(f.read_bytes())["data"]} for f in files.values()]
    dated = [(INCIDENT[name], file) for name, file in files.items()]
    dated.insert(2, (NIGHT, dated[1][1]))
    clock = Clock(dated[0][0])
    graced = settings.model_copy(update={"removal_grace": 3600.0 * grace_hours})
    async with running_service(graced, clock) as running:
        found = Incident(running=running, ids=ids)
        for clock.at, file in dated:
            gateway.serve(file)
            await running.service.refresher.run()
            await found.look()
        yield found


async def test_what_vanished_for_a_night_returned_and_nothing_was_removed(
    settings: Settings, gateway: ReplayGateway, captures: Path
) -> None:
    async with incident(settings, gateway, captures, grace_hours=24) as told_of:
        gone, back, ids = told_of.gone, told_of.back, told_of.ids
        assert (len(gone), len(back)) == (16, 11)
        assert await told_of.of_kind("missing") == {3: gone, 4: ids[1] - ids[2]}
        assert await told_of.of_kind("returned") == {4: back}
        assert await told_of.of_kind("added") == {3: ids[1] - ids[0]}
        assert await told_of.of_kind("removed") == {}
        made = (await told_of.history.revisions(9)).items[::-1]
        assert [each.at for each in made[1:]] == [*INCIDENT.values()]
        assert (made[2].counts[Kind.MISSING], made[3].counts[Kind.RETURNED]) == (16, 11)
        still = {i for i, row in told_of.served[4].items() if row["status"] == "missing"}
        assert still == (gone | ids[1]) - ids[2]


async def test_with_an_hours_grace_what_vanished_was_removed_and_returned_at_the_right_times(
    settings: Settings, gateway: ReplayGateway, captures: Path
) -> None:
    async with incident(settings, gateway, captures, grace_hours=1) as told_of:
        gone, back, ids = told_of.gone, told_of.back, told_of.ids
        assert await told_of.of_kind("missing") == {3: gone, 5: ids[1] - ids[2]}
        assert await told_of.of_kind("removed") == {4: gone}
        assert await told_of.of_kind("returned") == {5: back}
        listed, vanished, returned = INCIDENT.values()
        made = (await told_of.history.revisions(9)).items[::-1]
        assert [each.at for each in made[1:]] == [listed, vanished, NIGHT, returned]
        for model_id in gone:
            states = (await all_versions(told_of.history, model_id))[::-1]
            lives = [(v.since.at, v.row.life.missing_since, v.row.life.removed_at) for v in states]
            assert lives[0][1:] == (None, None)
            assert lives[-2 if model_id in back else -1] == (NIGHT, vanished, NIGHT)
            assert model_id not in back or lives[-1] == (returned, None, None)
        for number, served in told_of.served.items():
            catalog = await told_of.history.catalog(await told_of.history.resolve(number))
            assert {row.model.id: as_json(native.model(row)) for row in catalog.rows} == served


# ── any two captures ──────────────────────────────────────────────────────────────────────────


def readable(captures: Path) -> dict[str, list[Model]]:
    """The lists of real gateways that our rules accept."""
    found: dict[str, list[Model]] = {}
    for file in sorted(captures.glob("*.json")):
        with suppress(UnbelievableError):
            found[file.stem] = list(normalise(file.read_bytes(), KILOCODE).models)
    return found


def listed_facts(seen: Iterable[Model], before: dict[str, Json]) -> dict[str, Json]:
    """Each model as the list has it; who was there before and is not now is missing."""
    gone = {model_id: known | {"status": "missing"} for model_id, known in before.items()}
    life = Life(first_seen=START, updated_at=START, revision=1)
    fallback = {FALLBACK[0].id: facts(Row(model=FALLBACK[0], life=life, origin=Origin.FALLBACK))}
    return fallback | gone | {each.id: facts(Row(model=each, life=life)) for each in seen}


async def test_real_lists_differ_by_what_their_normal_forms_do(
    captures: Path, tmp_path: Path
) -> None:
    """Each against the one before it, and the last against the first."""
    lists = readable(captures)
    assert len(lists) >= 6
    states: dict[int, dict[str, Json]] = {}
    async with chronicle(tmp_path / "catalog.db", grace=timedelta(days=9999)) as made:
        known: dict[str, Json] = {}
        for name in [*lists, next(iter(lists))]:
            await made.see(lists[name])
            states[made.revision] = listed_facts(lists[name], known)
            known = {i: of for i, of in states[made.revision].items() if i != FALLBACK[0].id}
        for begin, end in [*pairwise(states), (min(states), max(states))]:
            first, last = await made.history.resolve(begin), await made.history.resolve(end)
            assert said(await made.history.diff(first, last)) == told(states[begin], states[end])
        for number, state in states.items():
            catalog = await made.history.catalog(await made.history.resolve(number))
            assert facts_of(catalog) == state
            assert placeless(catalog.rows) == placeless(made.catalogs[number].rows)


# ── what many have in common ──────────────────────────────────────────────────────────────────


async def in_bulk(made: Chronicle) -> tuple[dict[str, int], set[tuple[str, ...]]]:
    """What the newest revision says was done in bulk, and what its changes say of themselves."""
    head = await made.history.head()
    changes = await all_changes(made.history, after=Cursor(head.revision - 1))
    return dict(head.bulk), {one.bulk for one in changes}


async def test_what_befalls_more_than_half_of_the_models_is_marked(tmp_path: Path) -> None:
    async with chronicle(tmp_path / "catalog.db") as made:
        await made.see(models("abcd"))
        assert await in_bulk(made) == ({"added": 4}, {("added",)})

        await made.see(models("abcd", expires_at=START))
        assert await in_bulk(made) == ({"expiresAt": 4}, {("expiresAt",)})

        half = [*models("ab", name="New"), *models("cd")]
        await made.see([replace(each, expires_at=START) for each in half])
        assert await in_bulk(made) == ({}, {()})

        more = [*models("ab"), *models("c", name="New", tools=True), *models("d")]
        await made.see([replace(each, expires_at=START) for each in more])
        assert await in_bulk(made) == ({"name": 3}, {("name",)})

        await made.see([model("d", expires_at=START)])
        assert await in_bulk(made) == ({"missing": 3}, {("missing",)})

        await made.see(models("abc", name="Back"), hours=2)
        assert await in_bulk(made) == ({"returned": 3}, {("returned",), ()})


# ── why a revision was made ───────────────────────────────────────────────────────────────────


async def causes(running: Running) -> list[tuple[int, str, str | None]]:
    """Of every revision, oldest first."""
    found = (await running.service.history.revisions(99)).items
    return [(each.revision, str(each.cause), each.source) for each in found[::-1]]


async def test_a_start_and_a_refresh_say_why(running: Running) -> None:
    assert await causes(running) == [(1, "seed", None)]
    (one,) = await all_changes(running.service.history)
    assert (one.id, one.kind, one.revision) == ("kilo/auto", Kind.ADDED, 1)

    await running.service.refresher.run()

    assert (await causes(running))[1:] == [(2, "refresh", KILOCODE)]


@pytest.mark.parametrize(("accepted", "cause"), [(True, "operator"), (False, "refresh")])
async def test_a_held_list_that_is_applied_says_why(
    running: Running, gateway: ReplayGateway, accepted: bool, cause: str
) -> None:
    gateway.serve(listing("abcdefghij"))
    await running.service.refresher.run()
    gateway.serve(listing("abc"))
    await running.service.refresher.run()
    if not accepted:
        await running.service.refresher.run()
    assert len(await causes(running)) == 2  # it was held

    await running.service.refresher.run(accept_held=accepted)

    assert (await causes(running))[2:] == [(3, cause, KILOCODE)]
    head = await running.service.history.head()
    assert head.counts[Kind.MISSING] == 7
    assert head.bulk == {"missing": 7}


async def test_newer_rules_mend_what_is_stored_and_nobodys_life_moves_on(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    clock = Clock()
    graced = settings.model_copy(update={"removal_grace": 3600.0})
    async with running_service(graced, clock) as running:
        for ids in ("abcdef", "abcde", "abcde", "abcd"):  # f is removed, e is missing
            gateway.serve(listing(ids))
            await running.service.refresher.run()
            clock.advance(hours=2)
        before = await lives(running)
        assert [before[i]["status"] for i in "adef"] == ["active", "active", "missing", "removed"]
    wrong = "UPDATE versions SET name = 'wrong', tools = 1"
    wrong += " WHERE until_revision IS NULL AND model_id IN ('a', 'e', 'f')"
    execute(database, wrong, "UPDATE sources SET normaliser = 0")
    asked = len(gateway.requests)

    for _ in range(2):
        async with running_service(graced, clock) as running:
            assert (await causes(running))[5:] == [(6, "upgrade", KILOCODE)]
            mended = {i: {"revision": 6, "updatedAt": "2026-10-01T20:00:00Z"} for i in "aef"}
            known = {i: row | mended.get(i, {}) for i, row in before.items()}
            assert await lives(running) == known
            pair = {"name": ("wrong", "x"), "tools": (True, None)}
            news = await all_changes(running.service.history, after=Cursor(5))
            assert {one.id: (one.kind, one.fields) for one in news} == dict.fromkeys(
                "aef", (Kind.CHANGED, pair)
            )
            assert (await running.service.history.head()).counts[Kind.CHANGED] == 3
        clock.advance(days=9)
    assert query(database, "SELECT normaliser FROM sources") == [(NORMALISER,)]
    assert len(gateway.requests) == asked


async def lives(running: Running) -> dict[str, Json]:
    """Every model as it is served one by one, tombstones too."""
    catalog = running.service.present.require().catalog
    ids = [row.model.id for row in (*catalog.rows, *catalog.removed)]
    return {i: await running.client.json(f"/catalog/models/{i}") for i in ids}


def execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount
        connection.commit()


async def test_what_newer_rules_find_in_a_missing_model_is_there_when_it_returns(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    async with running_service(settings) as running:
        for ids in ("abc", "bc"):
            gateway.serve(listing(ids, context_length=1000))
            await running.service.refresher.run()
    execute(
        database,
        "UPDATE versions SET context_window = 1 WHERE model_id = 'a'",
        "UPDATE sources SET normaliser = 0",
    )
    async with running_service(settings) as running:
        gateway.serve(listing("abc", context_length=1000))
        await running.service.refresher.run()

        states = await all_versions(running.service.history, "a")
        assert [(str(v.kind), v.row.model.context_window) for v in states] == [
            ("returned", 1000),
            ("changed", 1000),
            ("missing", 1),
            ("added", 1),
        ]
        store = Store(Database(database))
        await store.open_read_only()
        assert '"id": "a"' in str(await store.entry(KILOCODE, "a"))
        await store.close()


async def test_another_fallback_is_a_revision_of_its_own(tmp_path: Path) -> None:
    async with chronicle(tmp_path / "catalog.db") as made:
        await made.see(models("ab"))
        made.at += timedelta(hours=1)
        await made.open([replace(FALLBACK[0], name="Kilo")])

        head = await made.history.head()
        assert (head.revision, head.cause, head.source, head.at) == (3, Cause.SEED, None, made.at)
        assert (head.counts[Kind.ADDED], head.counts[Kind.CHANGED]) == (0, 1)
        (one,) = await all_changes(made.history, after=Cursor(2))
        assert (one.id, one.kind) == ("kilo/auto", Kind.CHANGED)
        assert one.fields == {"name": ("Kilo Auto", "Kilo")}


# ── what was lost ─────────────────────────────────────────────────────────────────────────────


async def test_a_lost_history_begins_anew_with_what_memory_knows(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    clock = Clock()
    async with running_service(settings, clock) as running:
        for ids in ("abc", "bcd"):
            gateway.serve(listing(ids))
            await running.service.refresher.run()
            clock.advance(hours=1)
        history = running.service.history
        before = await history.catalog(await history.head())
        for suffix in ("", "-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        await running.service.refresher.run()

        assert await causes(running) == [(1, "restore", None), (2, "restore", None),
                                         (3, "restore", None)]  # fmt: skip
        head = await history.head()
        assert (head.revision, head.at) == (3, before.updated_at)
        after = await history.catalog(head)
        assert placeless(after.rows) == placeless(before.rows)
        changes = await all_changes(history)
        assert {(one.id, str(one.kind)) for one in changes} == {
            (i, "added") for i in ["a", "b", "c", "d", "kilo/auto"]
        }
        counted = {each.revision: each.counts for each in (await history.revisions(9)).items}
        for number, counts in counted.items():
            of_it = Counter(one.kind for one in changes if one.revision == number)
            assert counts == {kind: of_it[kind] for kind in Kind}

        gateway.serve(listing("bcde"))
        await running.service.refresher.run()
        news = await all_changes(history, after=Cursor(3))
        assert [(one.id, str(one.kind)) for one in news] == [("e", "added")]


def in_memory(*ids: str, at: datetime) -> Stored:
    """What is known after a refresh while nothing could be stored."""
    life = Life(first_seen=at, updated_at=at, revision=0)
    rows = [Row(model=each, life=life) for each in models(ids)]
    fallback = Row(model=FALLBACK[0], life=life, origin=Origin.FALLBACK)
    return Stored(rows=(fallback, *rows), revision=0, updated_at=at, modified_at=at)


async def test_what_was_learnt_without_a_database_is_one_revision_when_there_is_one(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "catalog.db")
    store, history = Store(database), History(Archive(database))
    known = in_memory("a", "b", "kilo/auto", at=START)

    await store.open(FALLBACK, START + timedelta(hours=1), known)

    (made,) = (await history.revisions(9)).items
    assert (made.revision, made.cause, made.at) == (1, Cause.RESTORE, START)
    assert "added" in made.bulk
    changes = await all_changes(history)
    assert sorted(one.id for one in changes) == ["a", "b", "kilo/auto"]
    assert {(one.kind, one.bulk) for one in changes} == {(Kind.ADDED, ("added",))}
    for limit in (1, 5):
        (state,) = await all_versions(history, "kilo/auto", limit=limit)
        assert (state.since, state.until, state.row.origin) == (made, None, Origin.DISCOVERED)
    await store.close()


# ── clocks ────────────────────────────────────────────────────────────────────────────────────


async def test_dates_of_revisions_never_go_back_though_the_clock_does(
    settings: Settings, gateway: ReplayGateway
) -> None:
    clock = Clock()
    async with running_service(settings, clock) as running:
        for ids, hours in [("abc", 1), ("abd", -5), ("abe", 2), ("abf", 3), ("abg", -100)]:
            clock.advance(hours=hours)
            gateway.serve(listing(ids))
            await running.service.refresher.run()
        history = running.service.history
        made = (await history.revisions(9)).items[::-1]
        ages = [(each.at - Clock().at) / timedelta(hours=1) for each in made]
        assert ages == [0, 1, 1, 1, 1, 1]
        assert (await history.resolve(made[-1].at)).revision == 6
        assert (await history.resolve(made[0].at)).revision == 1
        with pytest.raises(MomentError, match="it goes from revision 1"):
            await history.resolve(clock.at)


async def test_another_fallback_is_not_dated_before_what_is_stored(tmp_path: Path) -> None:
    async with chronicle(tmp_path / "catalog.db") as made:
        await made.see(models("ab"), hours=5)
        last, made.at = made.at, START - timedelta(days=1)
        await made.open([replace(FALLBACK[0], name="Kilo")])

        assert (await made.history.head()).at == last


async def test_what_was_learnt_without_a_database_is_not_dated_before_what_another_stored(
    tmp_path: Path,
) -> None:
    async with chronicle(tmp_path / "catalog.db") as made:
        known = in_memory("a", "b", at=START - timedelta(hours=1))
        await made.store.open(FALLBACK, START, known)

        head = await made.history.head()
        assert (head.revision, head.cause, head.at) == (2, Cause.RESTORE, START)


async def test_newer_rules_are_not_dated_before_what_is_stored(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    clock = Clock()
    async with running_service(settings, clock) as running:
        gateway.serve(listing("ab"))
        await running.service.refresher.run()
    execute(
        database,
        "UPDATE versions SET name = 'wrong' WHERE model_id = 'a'",
        "UPDATE sources SET normaliser = 0",
    )
    clock.advance(days=-1)
    async with running_service(settings, clock) as running:
        head = await running.service.history.head()
        assert (head.cause, head.at) == (Cause.UPGRADE, Clock().at)


# ── readers and a writer ──────────────────────────────────────────────────────────────────────

REVISIONS = 200


async def test_a_reader_by_cursor_gets_each_change_once_while_200_revisions_are_written(
    tmp_path: Path,
) -> None:
    async with chronicle(tmp_path / "catalog.db") as made:
        database = Database(made.file)
        await database.open()
        reader = History(Archive(database))
        news = asyncio.Event()
        writer = asyncio.create_task(write(made, news))
        found: list[Change] = []
        after = Cursor(0)
        while not writer.done() or after != Cursor(made.revision):
            page = await reader.changes(after, 3)
            found += page.items
            assert isinstance(page.next, Cursor | None)
            after = page.next or Cursor(page.head.revision)
            if not page.items:
                await news.wait()
                news.clear()
        await writer
        await database.close()

        assert found == await all_changes(made.history)
        assert len({one.revision for one in found}) == REVISIONS + 1
        assert replay({}, found) == facts_of(made.catalogs[made.revision])


async def write(made: Chronicle, news: asyncio.Event) -> None:
    for number in range(REVISIONS):
        ids = "abcdef" if number % 5 else "abcd"
        await made.see([model(i, name=str(number % 2) if i < "c" else "x") for i in ids])
        news.set()


# ── strange names ─────────────────────────────────────────────────────────────────────────────

STRANGE = (
    *("a/%", "a/_", "a/*", "a/\\", "a/b'c", 'a/b"c', "a/b,c", "a/[b]", "a/?", "A/%", "é/ß"),
    *("b", "kilocode/b", "%2F", "-- ", "a" * 256),
)


async def test_strange_names_are_found_by_themselves_alone(
    running: Running, gateway: ReplayGateway
) -> None:
    entries = [{"id": model_id} for model_id in (*STRANGE, "a/\\n", "a/\\r")]
    gateway.serve(json.dumps({"data": [*entries, {"id": "a/\n"}]}).encode())
    refresh = await running.service.refresher.run()
    assert (refresh.entries, refresh.rejected) == (len(entries) + 1, 1)
    history = running.service.history

    for model_id in STRANGE:
        for name in {model_id, f"kilocode/{model_id}"} - {"kilocode/b"}:
            (state,) = (await history.versions(name, 5)).items
            assert state.row.model.id == model_id
        wanted = Wanted(models=frozenset([model_id]))
        alike = [i for i in STRANGE if is_like(model_id, i) or is_like(model_id, f"kilocode/{i}")]
        found = await all_changes(history, wanted=wanted)
        assert [one.id for one in found if one.id in STRANGE] == alike
    (state,) = (await history.versions("kilocode/b", 5)).items
    assert state.row.model.id == "b"  # a ref goes before an id


async def test_only_the_star_stands_for_anything_in_the_log_too(tmp_path: Path) -> None:
    expected = {
        "*" * 200: len(STRANGE) + 1,
        "*a" * 100 + "*b": 0,
        "*a" * 100: 1,
        "A*": 1,
        "*%*": 3,
        "*_*": 1,
        "*\\*": 1,
        "kilocode/kilocode/*": 1,
    }
    async with chronicle(tmp_path / "catalog.db") as made:
        await made.see(models(STRANGE))

        for pattern, count in expected.items():
            wanted = Wanted(models=frozenset([pattern]))
            assert len(await all_changes(made.history, wanted=wanted)) == count


async def test_a_name_that_nobody_has_is_unknown_and_a_moment_out_of_reach_is_told(
    running: Running,
) -> None:
    history = running.service.history
    for name in ("", "/", "nobody", "kilocode/", "kilo/AUTO", "kilo/%", "kilo/*", "a" * 999):
        with pytest.raises(UnknownModelError):
            await history.versions(name, 5)
    for moment in (0, 2, 10**18 - 1, START - timedelta(days=9999)):
        with pytest.raises(MomentError):
            await history.resolve(moment)
    with pytest.raises(MomentError):
        await history.changes(Cursor(2), 5)
    assert await history.knows(Cursor(0))
    for cursor in (Cursor(2), Cursor(1, 999), Cursor(0, 1), Cursor(10**18 - 1, 10**18 - 1)):
        assert not await history.knows(cursor)
