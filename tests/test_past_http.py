"""The past over real HTTP: changes, states, differences and logs, and how they are refused."""

import asyncio
import gzip
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, example, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from yarl import URL

import fixtures
from fixtures.replay import Fault, ReplayGateway
from service.config import Settings
from tests.stage import BEGIN, Json, Stage, all_of, entry, once, pages, stage
from tests.support import Answer, Client, Running, client_of, held, run, running_service

CHANGES: Final = "/catalog/changes"
FEED: Final = "/catalog/changes.atom"
STREAM: Final = "/catalog/changes/stream"
HISTORY: Final = "/catalog/history"
DIFF: Final = "/catalog/diff"
MODELS: Final = "/catalog/models"
REVISIONS: Final = "/catalog/revisions"
REFRESHES: Final = "/catalog/refreshes"

PAST: Final = (
    CHANGES,
    FEED,
    f"{HISTORY}/orrery/meridian-5",
    f"{DIFF}?from=1",
    f"{MODELS}?at=3",
    REVISIONS,
    REFRESHES,
)
"""One question to each path that reads the database."""

OCTOBER: Final = fixtures.path("kilo-2026-10-01.json")
NOVEMBER: Final = fixtures.path("kilo-2026-11-01.json")
HOSTILE: Final = fixtures.path("hostile-2026-10-01.json")
SETTLED: Final = "public, max-age=31536000, immutable"
GROWING: Final = "public, no-cache"
DECODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "identity": lambda body: body,
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where databases are kept that several tests begin with."""
    return tmp_path_factory.mktemp("shelf")


async def show_autumn(empty: Stage) -> None:
    """The seed was at 12:00; October made revision 2 at 13:00, November revision 3 at 14:00."""
    assert await empty.show(OCTOBER) == 2
    assert await empty.show(NOVEMBER) == 3


@pytest.fixture
async def told(settings: Settings, gateway: ReplayGateway, shelf: Path) -> AsyncIterator[Stage]:
    """That autumn, at 14:00."""
    await once(shelf / "autumn.db", show_autumn, settings, gateway)
    gateway.serve(NOVEMBER)
    async with stage(settings, gateway, BEGIN + timedelta(hours=2)) as made:
        yield made


@asynccontextmanager
async def shown_autumn(folder: Path) -> AsyncIterator[Stage]:
    """The same in that folder."""
    async with ReplayGateway(NOVEMBER) as gateway:
        url = f"sqlite:///{folder / 'catalog.db'}"
        settings = Settings.load({"gateway_url": gateway.url, "database_url": url})
        async with stage(settings, gateway) as made:
            await show_autumn(made)
            yield made


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The same for all tests that only read, in a thread of its own."""
    with held(shown_autumn(tmp_path_factory.mktemp("autumn"))) as made:
        yield made


@pytest.fixture
async def client(autumn: Stage) -> AsyncIterator[Client]:
    """A client of a service with that past. Others ask the same service."""
    async with client_of(autumn.client.url) as made:
        yield made


LIVES: Final[list[tuple[float, list[Json]]]] = [
    (1, [entry("a/one"), entry("a/two"), entry("b/three"), entry("b/four")]),
    (1, [entry("a/one", 2), entry("a/two"), entry("b/three"), entry("b/four")]),
    (1, [entry("a/one", 2), entry("b/three"), entry("b/four")]),
    (30, [entry("a/one", 2), entry("b/three", name="Three"), entry("b/four")]),
    (1, [entry("a/one", 2), entry("a/two", 5), entry("b/three"), entry("b/four")]),
    (1, [entry("a/one", 2), entry("a/two", 5), entry("b/three"), entry("kilo/auto", 0)]),
    (1, [entry("b/three"), entry("a/two", 5), entry("a/one", 3)]),
    (30, [entry("b/three"), entry("a/two", 5), entry("a/one", 3)]),
    (1, [entry(id_, 7) for id_ in ("a/one", "a/two", "b/three", "b/four", "kilo/auto")]),
    (1, [entry(id_, 7) for id_ in ("a/one", "a/two", "b/three", "b/four")]),
    (
        1,
        [
            entry("a/one", 7, preferredIndex=1),
            *(entry(id_, 7) for id_ in ("a/two", "b/three", "b/four")),
        ],
    ),
]
"""Hours and lists in which models are born, change, go, are buried and come back, the one of the
fallback too. Each makes a revision, the first of them the second; the last is nobody's news."""


LAST: Final = len(LIVES) + 1


@dataclass(frozen=True)
class Lives:
    """The stage after all that, and what was served of it: revision → id → model."""

    stage: Stage
    served: Mapping[int, Mapping[str, Json]]

    @property
    def client(self) -> Client:
        return self.stage.client


@pytest.fixture
async def lives(settings: Settings, gateway: ReplayGateway, shelf: Path) -> AsyncIterator[Lives]:
    notes = shelf / "served.json"

    async def live(empty: Stage) -> None:
        served = {1: await shown(empty.client)}
        for number, (hours, entries) in enumerate(LIVES, start=2):
            assert await empty.tell(*entries, hours=hours) == number
            served[number] = await shown(empty.client)
        notes.write_text(json.dumps(list(served.items())))

    await once(shelf / "lives.db", live, settings, gateway)
    hours = sum(hours for hours, _ in LIVES)
    async with stage(settings, gateway, BEGIN + timedelta(hours=hours)) as made:
        yield Lives(made, dict(json.loads(notes.read_text())))


async def shown(client: Client, query: str = "") -> dict[str, Json]:
    """The models of the list, by id."""
    data = (await client.json(f"{MODELS}{query}"))["data"]
    found = {model["id"]: model for model in data}
    assert len(found) == len(data)
    return found


async def refused(client: Client, path: str, parameter: str | None, status: int = 400) -> Json:
    """The problem that this is answered with; it names the parameter."""
    answer = await client.get(path)
    assert answer.status == status, (path, answer)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    problem: Json = answer.json()
    assert problem.keys() >= {"type", "title", "status", "detail"}
    assert (problem["status"], problem["title"]) == (status, HTTPStatus(status).phrase)
    assert problem.get("parameter") == parameter, (path, problem)
    return problem


# ── changes ───────────────────────────────────────────────────────────────────────────────────


async def test_changes_come_oldest_first_in_their_declared_shape(client: Client) -> None:
    body = await client.json(CHANGES)

    assert list(body) == ["revision", "next", "data"]
    assert (body["revision"], body["next"]) == (3, None)
    for change in body["data"]:
        assert list(change) == ["revision", "at", "ref", "id", "kind", "fields", "bulk"]
        assert change["ref"] == f"kilocode/{change['id']}"
        assert all(list(pair) == ["from", "to"] for pair in change["fields"].values())
        assert all(pair["from"] != pair["to"] for pair in change["fields"].values())
    assert [one["revision"] for one in body["data"]] == [1] + [2] * 46 + [3] * 17
    assert {(one["revision"], one["at"]) for one in body["data"]} == {
        (1, "2026-10-01T12:00:00Z"),
        (2, "2026-10-01T13:00:00Z"),
        (3, "2026-10-01T14:00:00Z"),
    }


async def test_a_change_tells_each_field_before_and_after(client: Client) -> None:
    [change] = await all_of(client, f"{CHANGES}?since=2&model=orrery/meridian-5")

    assert change == {
        "revision": 3,
        "at": "2026-10-01T14:00:00Z",
        "ref": "kilocode/orrery/meridian-5",
        "id": "orrery/meridian-5",
        "kind": "changed",
        "fields": {
            "cost.input": {"from": 3, "to": 2.5},
            "cost.output": {"from": 15, "to": 12.5},
            "cost.cacheRead": {"from": 0.3, "to": 0.25},
        },
        "bulk": [],
    }


@pytest.mark.parametrize("query", ["", "kind=changed&kind=missing", "field=price&model=*e*"])
async def test_following_next_gives_every_change_once(client: Client, query: str) -> None:
    whole = await all_of(client, f"{CHANGES}?limit=1000&{query}")
    assert len(whole) > 5

    for limit in (len(whole) // 7, len(whole) - 1, len(whole), len(whole) + 1):
        found = await pages(client, f"{CHANGES}?{query}&limit={limit}")
        assert [one for page in found for one in page["data"]] == whole
        assert [len(page["data"]) for page in found[:-1]] == [limit] * (len(found) - 1)
        assert found[-1]["data"]


async def test_next_is_a_path_that_asks_the_same_from_there_on(client: Client) -> None:
    page = await client.json(f"{CHANGES}?limit=2&since=7d&kind=added,changed&model=o*&model=*e")

    assert page["next"].startswith(f"{CHANGES}?")
    since, *others = URL(page["next"]).query.items()
    assert since[0] == "since"
    assert since[1].startswith("2.")
    assert others == [
        ("limit", "2"),
        ("kind", "added,changed"),
        ("model", "o*"),
        ("model", "*e"),
    ]


SINCE: Final[list[tuple[str, int | None]]] = [
    ("0", 1),
    ("1", 2),
    ("2", 3),
    ("3", None),
    ("002", 3),
    ("2026-10-01", 1),
    ("2026-10-02", None),
    ("1999-12-31", 1),
    ("2099-01-01T00:00:00Z", None),
    ("2026-10-01T12:59:59Z", 2),
    ("2026-10-01T13:00:01Z", 3),
    ("2026-10-01T13:00:00Z", 2),
    ("2026-10-01t13:00:00z", 2),
    ("2026-10-01T13:00:00.999Z", 2),
    ("2026-10-01T13:00:00", 2),
    ("2026-10-01T13:00", 2),
    ("2026-10-01%2013:00", 2),
    ("2026-10-01T15:00:00%2B02:00", 2),
    ("2026-10-01T15:00:00+02:00", 2),
    ("2026-10-01T15:00:00.5+02:00", 2),
    ("2026-10-01T15:00+02:00", 2),
    ("2026-10-01T10:30:00-02:30", 2),
    ("90m", 2),
    ("60m", 2),
    ("1h", 2),
    ("0s", 3),
    ("7d", 1),
]
"""Places to begin at, when it is 14:00, and the revision of the first change that follows."""


async def test_since_is_a_revision_a_time_or_an_age(client: Client) -> None:
    for since, first in SINCE:
        data = (await client.json(f"{CHANGES}?limit=1&since={since}"))["data"]
        assert [one["revision"] for one in data] == ([first] if first else []), since


async def test_since_is_a_place_within_a_revision_too(client: Client) -> None:
    whole = await all_of(client, CHANGES)
    page = await client.json(f"{CHANGES}?limit=20")
    place = URL(page["next"]).query["since"]

    assert place.startswith("2.")
    assert await all_of(client, f"{CHANGES}?since={place}") == whole[20:]


IsAsked = Callable[[Json], bool]


def of_kind(*kinds: str) -> IsAsked:
    return lambda one: one["kind"] in kinds


def of_fields(*patterns: str) -> IsAsked:
    return lambda one: any(fnmatchcase(path, like) for path in one["fields"] for like in patterns)


def of_models(*patterns: str) -> IsAsked:
    return lambda one: any(
        fnmatchcase(name, like) for name in (one["id"], one["ref"]) for like in patterns
    )


PRICE: Final = of_fields("cost.*", "pricing", "free")
FILTERS: Final[list[tuple[str, list[IsAsked]]]] = [
    ("kind=added", [of_kind("added")]),
    ("kind=missing,changed", [of_kind("missing", "changed")]),
    ("kind=missing&kind=changed", [of_kind("missing", "changed")]),
    ("kind=missing,%20changed", [of_kind("missing", "changed")]),
    ("kind=added,added", [of_kind("added")]),
    ("kind=removed", [of_kind("removed")]),
    ("field=cost.input", [of_fields("cost.input")]),
    ("field=cost", [of_fields("cost.*")]),
    ("field=price", [PRICE]),
    ("field=limits", [of_fields("contextWindow", "servedContextWindow", "maxTokens")]),
    ("field=name,expiresAt", [of_fields("name", "expiresAt")]),
    ("field=name&field=expiresAt", [of_fields("name", "expiresAt")]),
    ("model=orrery/meridian-5", [of_models("orrery/meridian-5")]),
    ("model=kilocode/orrery/meridian-5", [of_models("orrery/meridian-5")]),
    ("model=orrery/*", [of_models("orrery/*")]),
    ("model=*", []),
    ("model=*/*-1,vulpine/reynard", [of_models("*/*-1", "vulpine/reynard")]),
    ("model=ORRERY/*", [of_models("ORRERY/*")]),
    ("model=orrery_meridian-5", [of_models("orrery_meridian-5")]),
    ("model=o%25", [of_models("o%")]),
    (
        "kind=changed&field=price&model=orrery/*&model=stealth/*",
        [of_kind("changed"), PRICE, of_models("orrery/*", "stealth/*")],
    ),
]
"""Queries, and the conditions that they stand for."""


async def test_changes_are_filtered_by_kind_field_and_model(client: Client) -> None:
    whole = await all_of(client, CHANGES)

    for query, conditions in FILTERS:
        expected = [one for one in whole if all(is_met(one) for is_met in conditions)]
        assert await all_of(client, f"{CHANGES}?{query}") == expected, query


async def test_the_same_question_in_other_words_has_the_same_answer(client: Client) -> None:
    first, *others = [
        await client.json(f"{CHANGES}?{query}")
        for query in (
            "kind=added,changed&field=price",
            "field=price&kind=changed&kind=added",
            "&&kind=changed,added&field=cost,pricing,free",
        )
    ]

    assert first["data"]
    assert others == [first, first]


async def test_what_is_nobodys_news_is_a_revision_without_a_change(lives: Lives) -> None:
    assert await lives.client.json(f"{CHANGES}?since=11") == {
        "revision": 12,
        "next": None,
        "data": [],
    }


async def test_a_reader_of_the_log_while_it_grows_reads_each_change_once(
    settings: Settings, gateway: ReplayGateway
) -> None:
    news: asyncio.Queue[int] = asyncio.Queue()
    async with stage(settings, gateway) as scene, asyncio.TaskGroup() as tasks:
        for price in range(1, 71):
            await scene.tell(*(entry(f"a/{n}", price) for n in range(3)))
        reader = tasks.create_task(follow(scene.client, news, until=201))  # it is behind already
        for price in range(71, 201):
            revision = await scene.tell(*(entry(f"a/{n}", price) for n in range(3)))
            if revision % 3 == 0:  # the last one too
                news.put_nowait(revision)
        read = await reader
        whole = await all_of(scene.client, f"{CHANGES}?limit=1000")

    assert len(whole) == 1 + 200 * 3
    assert read == whole


async def follow(client: Client, news: asyncio.Queue[int], *, until: int) -> list[Json]:
    """Poll as clients do: `next` where there is one, else since the revision that was told."""
    read: list[Json] = []
    revision, more = 0, None
    while more or revision < until:
        page = await client.json(more or f"{CHANGES}?since={revision}&limit=50")
        read += page["data"]
        revision, more = page["revision"], page["next"]
        if not more and revision < until:
            await news.get()  # while the next one is written
    return read


# ── states of a model ─────────────────────────────────────────────────────────────────────────

IDS: Final = ("a/one", "a/two", "b/three", "b/four", "kilo/auto")


async def test_a_history_is_every_state_of_a_model_newest_first(lives: Lives) -> None:
    found = {id_: await all_of(lives.client, f"{HISTORY}/{id_}") for id_ in IDS}

    told = {id_: [(one["revision"], one["kind"]) for one in found[id_]] for id_ in IDS}
    assert told == {
        "a/one": [
            *[(12, "changed"), (10, "changed"), (8, "changed"), (3, "changed"), (2, "added")]
        ],
        "a/two": [
            *[(10, "changed"), (6, "returned"), (5, "removed"), (4, "missing"), (2, "added")]
        ],
        "b/three": [(10, "changed"), (6, "changed"), (5, "changed"), (2, "added")],
        "b/four": [(10, "returned"), (9, "removed"), (7, "missing"), (2, "added")],
        "kilo/auto": [
            *[(11, "missing"), (10, "changed"), (9, "returned"), (8, "missing")],
            *[(7, "changed"), (1, "added")],
        ],
    }


async def test_a_state_holds_until_the_next_and_is_the_model_that_was_served(
    lives: Lives,
) -> None:
    for id_ in IDS:
        states = await all_of(lives.client, f"{HISTORY}/{id_}")
        assert [one["untilRevision"] for one in states[1:]] == [
            one["revision"] for one in states[:-1]
        ]
        assert [one["until"] for one in states[1:]] == [one["at"] for one in states[:-1]]
        assert (states[0]["untilRevision"], states[0]["until"]) == (None, None)
        for state in states:
            for revision in range(state["revision"], state["untilRevision"] or LAST + 1):
                if state["model"]["status"] == "removed":
                    assert id_ not in lives.served[revision]
                else:
                    assert lives.served[revision][id_] == state["model"]


async def test_a_state_tells_what_the_log_tells_of_it(lives: Lives) -> None:
    for id_ in IDS:
        states = await all_of(lives.client, f"{HISTORY}/{id_}")
        changes = await all_of(lives.client, f"{CHANGES}?model={id_}")

        assert [
            (one["revision"], one["at"], one["kind"], one["fields"])
            for one in reversed(states)
            if one["fields"]
        ] == [(one["revision"], one["at"], one["kind"], one["fields"]) for one in changes]


async def test_a_state_has_its_declared_shape(lives: Lives) -> None:
    body = await lives.client.json(f"{HISTORY}/a/two?limit=2")

    assert list(body) == ["revision", "next", "data"]
    assert (body["revision"], body["next"]) == (12, f"{HISTORY}/a/two?before=6&limit=2")
    for state in body["data"]:
        assert list(state) == [
            *["revision", "at", "untilRevision", "until", "kind", "fields", "model"]
        ]
    assert body["data"][1]["fields"]["cost.input"] == {"from": 1, "to": 5}
    assert body["data"][1]["fields"]["status"] == {"from": "removed", "to": "active"}


async def test_a_long_history_comes_in_pages(lives: Lives) -> None:
    for id_ in IDS:
        whole = await all_of(lives.client, f"{HISTORY}/{id_}")
        for limit in (1, 2, len(whole)):
            assert await all_of(lives.client, f"{HISTORY}/{id_}?limit={limit}") == whole


async def test_what_a_state_says_does_not_depend_on_where_a_page_begins(lives: Lives) -> None:
    whole = await all_of(lives.client, f"{HISTORY}/a/two")

    for before in range(1, 14):
        page = await all_of(lives.client, f"{HISTORY}/a/two?before={before}")
        assert page == [one for one in whole if one["revision"] < before], before


async def test_a_history_is_found_by_id_and_ref_escaped_or_not(lives: Lives) -> None:
    whole = await lives.client.json(f"{HISTORY}/a/two")

    for form in ("a%2Ftwo", "a%2ftwo", "%61/two", "kilocode/a/two", "kilocode%2Fa%2Ftwo"):
        assert await lives.client.json(f"{HISTORY}/{form}") == whole
    page = await lives.client.json(f"{HISTORY}/kilocode%2Fa%2Ftwo?limit=1")
    assert (await lives.client.json(page["next"]))["data"] == whole["data"][1:2]


async def test_every_odd_id_has_a_history(settings: Settings, gateway: ReplayGateway) -> None:
    async with stage(settings, gateway) as scene:
        await scene.show(HOSTILE)
        rows = (await scene.client.json(MODELS))["data"]
        odd = [row for row in rows if not row["id"].startswith("awful/") or row["id"][6:7] in "%?#"]
        odd += [row for row in rows if row["name"] == "odd id"]
        assert {row["id"] for row in odd} >= {
            "..",
            "/",
            "~",
            "awful/%2Fencoded",
            "awful/?query=a&b=c",
        }
        for row in odd:
            for name in (quote(row["id"], safe=""), quote(row["ref"], safe="/:~.")):
                [state] = (await scene.client.json(f"{HISTORY}/{name}"))["data"]
                assert state["model"] == row


async def test_an_unknown_model_is_answered_with_the_nearest(client: Client) -> None:
    problem = await refused(client, f"{HISTORY}/orrery/meridian-5-fats", "id", 404)

    assert problem["nearest"][0] == "orrery/meridian-5-fast"
    assert "did you mean orrery/meridian-5-fast" in problem["detail"]
    for name in ("%00", "%0dX:%20y", "%E2%80%AE", "x" * 4000, "orrery%252Fmeridian-5"):
        await refused(client, f"{HISTORY}/{name}", "id", 404)


# ── differences ───────────────────────────────────────────────────────────────────────────────


async def test_between_neighbours_a_difference_is_what_the_log_tells(lives: Lives) -> None:
    whole = await all_of(lives.client, CHANGES)

    for revision in range(2, LAST + 1):
        body = await lives.client.json(f"{DIFF}?from={revision - 1}&to={revision}")
        logged = [one | {"bulk": []} for one in whole if one["revision"] == revision]
        assert body["data"] == sorted(logged, key=lambda one: one["ref"])


async def test_a_difference_tells_each_model_once_from_end_to_end(lives: Lives) -> None:
    body = await lives.client.json(f"{DIFF}?from=2&to=10")

    assert list(body) == ["from", "to", "data"]
    assert body["from"] == {"revision": 2, "at": "2026-10-01T13:00:00Z"}
    assert body["to"] == {"revision": 10, "at": "2026-10-04T07:00:00Z"}
    origin = {"from": "fallback", "to": "discovered"}
    assert {one["id"]: one["kind"] for one in body["data"]} == dict.fromkeys(IDS, "changed")
    assert {one["id"]: one["fields"].get("cost.input") for one in body["data"]} == {
        **{id_: {"from": 1, "to": 7} for id_ in IDS[:-1]},
        "kilo/auto": {"from": None, "to": 7},
    }
    assert {one["id"]: one["fields"].get("origin") for one in body["data"]} == {
        **dict.fromkeys(IDS[:-1]),
        "kilo/auto": origin,
    }


async def test_a_difference_is_asked_by_revision_time_or_age_and_ends_now_unless_told(
    told: Stage,
) -> None:
    expected = (await told.client.json(f"{DIFF}?from=2&to=3"))["data"]
    assert len(expected) == 17

    for query in (
        "from=2",
        "to=3&from=2",
        "from=2026-10-01T13:00:00Z",
        "from=2026-10-01T15:30:00+02:00&to=3",
        "from=2026-10-01T13:59:59Z&to=2026-10-01T14:00:00Z",
        "from=1h&to=0s",
        "from=2&to=2099-01-01",
    ):
        assert (await told.client.json(f"{DIFF}?{query}"))["data"] == expected, query
    for query in ("from=3", "from=2&to=2", "from=0s", "from=2&to=1h", "from=0s&to=2099-01-01"):
        assert (await told.client.json(f"{DIFF}?{query}"))["data"] == [], query


async def test_a_difference_backwards_is_refused(client: Client) -> None:
    for query in ("from=3&to=2", "from=2&to=1", "from=0s&to=90m", "from=3&to=2026-10-01T13:30"):
        problem = await refused(client, f"{DIFF}?{query}", "from")
        assert "came after to" in problem["detail"]


async def test_a_difference_without_a_beginning_is_refused(client: Client) -> None:
    for query in ("", "?", "?to=2"):
        assert "from is missing" in (await refused(client, f"{DIFF}{query}", "from"))["detail"]


# ── the catalog as it was ─────────────────────────────────────────────────────────────────────


async def test_the_list_of_a_revision_is_the_one_that_was_served(lives: Lives) -> None:
    now = await lives.client.json(MODELS)

    for revision, served in lives.served.items():
        body = await lives.client.json(f"{MODELS}?at={revision}")
        assert list(body) == list(now)
        assert (body["revision"], body["total"], body["next"]) == (revision, len(served), None)
        assert [list(model) for model in body["data"]] == [list(now["data"][0])] * len(served)
        assert {model["id"]: model for model in body["data"]} == served
        discovered = [m["id"] for m in body["data"] if m["origin"] == "discovered"]
        assert discovered == sorted(discovered)


async def test_the_list_of_a_time_is_the_one_that_was_served_then(lives: Lives) -> None:
    revisions = await all_of(lives.client, REVISIONS)

    for made in revisions:
        at = made["at"]
        body = await lives.client.json(f"{MODELS}?at={at}")
        assert (body["revision"], body["updatedAt"]) == (made["revision"], at)
        assert await shown(lives.client, f"?at={at}") == lives.served[made["revision"]]
    assert await shown(lives.client, "?at=30m") == lives.served[11]
    assert await shown(lives.client, "?at=2026-10-01T13:59:59Z") == lives.served[2]
    assert await shown(lives.client, "?at=2099-01-01") == lives.served[12]


async def test_only_what_is_settled_may_be_kept_for_ever(told: Stage) -> None:
    for at, caching in (
        ("1", SETTLED),
        ("2", SETTLED),
        ("3", GROWING),
        ("2026-10-01T13:00:00Z", SETTLED),
        ("2026-10-01T13:59:59Z", SETTLED),
        ("2026-10-01T15:59:59+02:00", SETTLED),
        ("2026-10-01T14:00:00Z", GROWING),
        ("2026-10-01T14:00:01Z", GROWING),
        ("2099-01-01", GROWING),
        ("1h", GROWING),
        ("2h", GROWING),
        ("0s", GROWING),
    ):
        answer = await told.client.get(f"{MODELS}?at={at}")
        assert (answer.status, answer.headers["Cache-Control"]) == (200, caching), at


async def test_what_is_settled_tells_its_own_revision_and_not_how_fresh_the_present_is(
    told: Stage,
) -> None:
    for at, revision in (("1", "1"), ("2026-10-01T13:30:00Z", "2")):
        headers = (await told.client.get(f"{MODELS}?at={at}")).headers
        assert headers["Catalog-Revision"] == revision
        assert "Catalog-Checked" not in headers
        assert "Catalog-Stale" not in headers


async def test_what_is_settled_keeps_its_bytes(lives: Lives) -> None:
    asked = [f"{MODELS}?at={at}" for at in (*range(1, 12), "2026-10-02", "2026-10-04T06:00:00Z")]
    before = [await lives.client.get(path, accept_encoding="br") for path in asked]
    assert {answer.headers["Cache-Control"] for answer in before} == {SETTLED}

    await lives.stage.tell(*(entry(id_, 8) for id_ in IDS))
    after = [await lives.client.get(path, accept_encoding="br") for path in asked]

    assert [one.body for one in after] == [one.body for one in before]
    assert [one.headers["ETag"] for one in after] == [one.headers["ETag"] for one in before]


async def test_a_settled_answer_outlives_a_restart(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with stage(settings, gateway) as scene:
        await scene.show(OCTOBER)
        await scene.show(NOVEMBER)
        before = [await scene.client.get(path) for path in PAST]
    async with running_service(settings) as again:
        after = [await again.client.get(path) for path in PAST]

    assert [one.body for one in after] == [one.body for one in before]
    assert [one.headers["ETag"] for one in after] == [one.headers["ETag"] for one in before]


async def test_where_the_history_does_not_reach_is_refused_with_how_far_it_does(
    client: Client,
) -> None:
    beyond = ("0", "4", "999999999999999999", "1999-01-01", "2026-10-01T11:59:59Z", "3h", "700d")
    for at in beyond:
        for path, parameter in ((f"{MODELS}?at={at}", "at"), (f"{DIFF}?from={at}", "from")):
            detail = (await refused(client, path, parameter))["detail"]
            assert "from revision 1 (2026-10-01T12:00:00Z) to 3 (2026-10-01T14:00:00Z)" in detail
    for path in (f"{DIFF}?from=1&to=4", f"{DIFF}?from=1&to=1999-01-01"):
        await refused(client, path, "to")
    for since in ("4", "4.1", "999999999999999999"):
        await refused(client, f"{CHANGES}?since={since}", "since")
        await refused(client, f"{STREAM}?since={since}", "since")


# ── the logs ──────────────────────────────────────────────────────────────────────────────────


async def test_revisions_come_newest_first_with_their_cause_and_counts(client: Client) -> None:
    body = await client.json(REVISIONS)

    assert list(body) == ["revision", "next", "data"]
    assert (body["revision"], body["next"]) == (3, None)
    assert body["data"][0] == {
        "revision": 3,
        "at": "2026-10-01T14:00:00Z",
        "cause": "refresh",
        "source": "kilocode",
        "counts": {"added": 3, "changed": 14, "missing": 3, "removed": 0, "returned": 0},
        "bulk": {},
    }
    assert [(one["revision"], one["cause"], one["bulk"]) for one in body["data"][1:]] == [
        (2, "refresh", {"added": 46}),
        (1, "seed", {}),
    ]


async def test_revisions_come_in_pages(lives: Lives) -> None:
    whole = await all_of(lives.client, REVISIONS)

    assert [one["revision"] for one in whole] == [*range(12, 0, -1)]
    for limit in (1, 5, 11, 12, 13):
        assert await all_of(lives.client, f"{REVISIONS}?limit={limit}") == whole
    for before in range(1, 15):
        older = [one for one in whole if one["revision"] < before]
        assert await all_of(lives.client, f"{REVISIONS}?before={before}") == older


ATTEMPTS: Final = [
    (7, "not_modified", "validators_match"),
    (6, "unchanged", "same_content"),
    (5, "failed", "truncated"),
    (4, "rejected", "not_json"),
    (3, "rejected", "server_error"),
    (2, "updated", "changes"),
    (1, "updated", "first"),
]
"""Number, outcome and reason of refreshes, newest first."""


@pytest.fixture
async def tried(told: Stage) -> Stage:
    """The stage after all of these."""
    for fault in (Fault.error(503), Fault.web_page(), Fault(truncate_after_bytes=9)):
        told.gateway.play(fault)
        await told.running.service.refresher.run()
    await told.show(NOVEMBER.read_bytes() + b"\n")  # other bytes, the same list
    await told.refresh()
    return told


async def test_refreshes_come_newest_first_and_by_outcome(tried: Stage) -> None:
    async def asked(query: str) -> list[tuple[int, str, str]]:
        found = await all_of(tried.client, f"{REFRESHES}?{query}")
        return [(one["id"], one["outcome"], one["reason"]) for one in found]

    assert await asked("") == ATTEMPTS
    for limit in (1, 3, 7):
        assert await asked(f"limit={limit}") == ATTEMPTS
    assert await asked("before=4") == ATTEMPTS[-3:]
    for query in ("outcome=updated,rejected", "limit=1&outcome=updated&outcome=rejected"):
        assert await asked(query) == ATTEMPTS[3:]
    assert await asked("outcome=held") == []


async def test_a_refresh_tells_what_the_status_tells(tried: Stage) -> None:
    status = (await tried.client.json("/catalog/status"))["sources"][0]["lastRefresh"]

    body = await tried.client.json(f"{REFRESHES}?limit=1")

    assert list(body) == ["revision", "next", "data"]
    assert (body["revision"], body["next"]) == (3, f"{REFRESHES}?before=7&limit=1")
    assert {**body["data"][0], "durationMs": 0} == {"id": 7, **status, "durationMs": 0}


# ── what is refused ───────────────────────────────────────────────────────────────────────────

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    CHANGES: ("since", "limit", "kind", "field", "model"),
    FEED: ("limit", "kind", "field", "model"),
    STREAM: ("since", "kind", "field", "model"),
    f"{HISTORY}/orrery/meridian-5": ("limit", "before"),
    DIFF: ("from", "to"),
    MODELS: ("at",),
    REVISIONS: ("limit", "before"),
    REFRESHES: ("limit", "before", "outcome"),
}
"""What each path reads of a query."""
NEEDED: Final = {DIFF: "from=1", MODELS: "at=1"}
"""What a path is not asked without."""
OF_MANY_VALUES: Final = {"kind", "field", "model", "outcome"}
LONG: Final = "x" * 5_000
MOMENTS: Final = (
    *("", " ", "x", "-1", "1.", ".5", "1.2.3", "1e3", "+1", "0x1", "1_000", "null"),
    *("\N{ARABIC-INDIC DIGIT THREE}", "\N{FULLWIDTH DIGIT THREE}", "\N{SUPERSCRIPT THREE}"),
    *("9" * 19, "2026-13-01", "2026-02-30", "2026-10-01T25:00:00Z", "2026-10-01T13:00:00+99:99"),
    *("2026-W40-4", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    *("7w", "d", "-7d", "7 d", "7D", "999999999999d", "2026-10-01Z", "2026-10-01\n"),
    *("\0", "3\0", "now", LONG),
)
NUMBERS: Final = (
    *("", " ", "x", "-1", "0", "1.0", "1e1", "+5", "0x1", "1_0", "null"),
    *("\N{ARABIC-INDIC DIGIT THREE}", "\N{FULLWIDTH DIGIT THREE}", "\N{SUPERSCRIPT THREE}"),
    *("9" * 19, "5,6", "5\n", "\0", LONG),
)
BAD: Final[Mapping[str, tuple[str, ...]]] = {
    "since": MOMENTS,
    "from": (*MOMENTS, "1.1"),
    "to": (*MOMENTS, "1.1"),
    "at": (*MOMENTS, "1.1"),
    "limit": (*NUMBERS, "1001"),
    "before": NUMBERS,
    "kind": ("", "x", "ADDED", "added;changed", "added,", ",", "added,,changed", "\0", LONG),
    "field": ("", "x", "price,", "Price", "cost.", "cost.*", "*", "badges", "id", "\0", LONG),
    "model": ("", ",", "a,", "\0", "a\0b", "a\nb", "a\x7fb", "a\x85b", LONG),
    "outcome": ("", "x", "UPDATED", "updated,", "\0", LONG),
}
"""Values that no parameter of that name takes."""


def asking(path: str, query: str) -> str:
    """A question that has this in it, beside what it cannot do without."""
    needed = NEEDED.get(path, "")
    is_there = not needed or needed.partition("=")[0] == query.partition("=")[0]
    return f"{path}?{query}" if is_there else f"{path}?{needed}&{query}"


async def test_a_bad_value_is_refused_by_the_name_of_its_parameter(client: Client) -> None:
    for path, parameters in PARAMETERS.items():
        for name in parameters:
            for value in BAD[name]:
                query = f"{name}={quote(value, safe=',')}"
                problem = await refused(client, asking(path, query), name)
                assert problem["detail"].startswith(f"{name}="), problem
                assert isinstance(problem["nearest"], list)
                assert len(problem["detail"]) < 500


async def test_a_bad_value_is_quoted_not_sent_back(client: Client) -> None:
    for query, told in (
        ("limit=1001", "limit='1001' is not valid"),
        ("since=%00", r"since='\x00' is not valid"),
        ("kind=added,%0D%0ASet-Cookie:x", r"kind='Set-Cookie:x' is not valid"),
        ("model=a%0D%0Ab", r"model='a\r\nb' is not valid"),
        (f"since={LONG}", f"since='{'x' * 100}' is not valid"),
    ):
        problem = await refused(client, f"{CHANGES}?{query}", query.partition("=")[0])
        assert problem["detail"].startswith(told)


async def test_a_misspelt_word_is_answered_with_the_nearest(client: Client) -> None:
    for path, parameter, value, nearest in (
        (CHANGES, "kind", "addd", "added"),
        (FEED, "kind", "mising", "missing"),
        (STREAM, "kind", "RETURNED", "returned"),
        (CHANGES, "field", "prices", "price"),
        (CHANGES, "field", "contextwindow", "contextWindow"),
        (CHANGES, "field", "cost.inptu", "cost.input"),
        (STREAM, "field", "capability", "capabilities"),
        (REFRESHES, "outcome", "update", "updated"),
        (REFRESHES, "outcome", "not-modified", "not_modified"),
    ):
        problem = await refused(client, f"{path}?{parameter}={value}", parameter)
        assert problem["nearest"] == [nearest]
        assert repr(value) in problem["detail"]
        assert f"did you mean {nearest}?" in problem["detail"]


async def test_a_value_without_a_nearest_is_answered_with_what_is_accepted(client: Client) -> None:
    for path, accepted in (
        (f"{CHANGES}?since=x", "a revision, a date or time in UTC, or an age (13, 2026-01-15"),
        (f"{CHANGES}?limit=0", "a whole number from 1 to 1000"),
        (f"{CHANGES}?kind=qqq", "added, changed, missing, removed, returned"),
        (f"{CHANGES}?field=qqq", "price, limits, capabilities, identity, lifecycle"),
        (f"{CHANGES}?model=", "in which * stands for any characters"),
    ):
        answer = await client.get(path)
        assert accepted in answer.json()["detail"]
        assert "accepts: " in answer.json()["detail"]


async def test_an_unknown_parameter_is_answered_with_the_nearest(client: Client) -> None:
    for path, parameters in PARAMETERS.items():
        for name in parameters:
            unknown = f"{name}x"
            problem = await refused(client, asking(path, f"{unknown}=1"), unknown)
            assert problem["nearest"] == [name]
            assert repr(unknown) in problem["detail"]
        for unknown in ("", "\0", "zzz", "\r\n", LONG):
            query = f"{quote(unknown)}=1"
            problem = await refused(client, asking(path, query), unknown[:300])
            assert "unknown query parameter" in problem["detail"]


async def test_a_parameter_of_one_value_is_refused_two(client: Client) -> None:
    for path, parameters in PARAMETERS.items():
        for name in {*parameters} - OF_MANY_VALUES:
            problem = await refused(client, asking(path, f"{name}=1&{name}=1"), name)
            assert problem["detail"] == f"{name} is given more than once"


async def test_a_parameter_of_many_values_takes_a_hundred(client: Client) -> None:
    for path, name, value in (
        (CHANGES, "kind", "added"),
        (FEED, "field", "name"),
        (CHANGES, "model", "a/*"),
        (REFRESHES, "outcome", "held"),
    ):
        most = ",".join([value] * 100)
        assert (await client.get(f"{path}?{name}={most}")).status == 200
        for more in (f"{name}={most},{value}", f"{name}={most}&{name}={value}"):
            problem = await refused(client, f"{path}?{more}", name)
            assert problem["detail"] == f"{name} has 101 values; at most 100"


async def test_a_request_too_long_for_http_is_refused_and_harms_nobody(client: Client) -> None:
    for path, parameters in PARAMETERS.items():
        for name in parameters:
            answer = await client.get(asking(path, f"{name}={'x' * 10_000}"))
            assert answer.status == 400
            assert b"Traceback" not in answer.body
    assert (await client.get(CHANGES)).status == 200


LIMITS: Final = limits(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES: Final = sorted({name for known in PARAMETERS.values() for name in known})
WORDS: Final = (
    *("1", "2", "3", "2.1", "2.60", "0", "7d", "1h", "2026-10-01", "2026-10-01T13:00:00+02:00"),
    *("added", "changed,missing", "price", "cost.input", "orrery/*", "*", "**", "%", "_", "\\"),
    *("updated", "held", ",", "'", '"', "--", "\0", "\n", "\N{FOX FACE}", "\ud800", "+", ";"),
)

Ask = Callable[[bytes], Answer]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Ask a running service with a past. Hypothesis calls no coroutines."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        running = runner.run(stack.enter_async_context(scene(tmp_path)))
        port = int(running.client.url.rpartition(":")[2])
        try:
            yield lambda request: runner.run(spoken(port, request))
        finally:
            runner.run(stack.aclose())


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Running]:
    database = f"sqlite:///{folder / 'catalog.db'}"
    async with ReplayGateway(OCTOBER) as gateway:
        chosen = Settings.load({"gateway_url": gateway.url, "database_url": database})
        async with stage(chosen, gateway) as made:
            await made.show(OCTOBER)
            await made.show(NOVEMBER)
            yield made.running


async def spoken(port: int, request: bytes) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        answer = await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    top, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    return Answer(int(first.split(" ")[1]), dict(line.split(": ", 1) for line in lines), body)


@LIMITS
@given(
    path=st.sampled_from([*PARAMETERS]),
    pairs=st.lists(
        st.tuples(
            st.sampled_from(NAMES) | st.text(max_size=9),
            st.sampled_from(WORDS) | st.lists(st.sampled_from(WORDS)).map("".join) | st.text(),
        ),
        max_size=4,
    ),
)
@example(path=CHANGES, pairs=[("model", "*" * 150 + "x")])
@example(path=CHANGES, pairs=[("model", "%_\\" * 90)])
@example(path=CHANGES, pairs=[("since", "2.999999999999999999")])
@example(path=DIFF, pairs=[("from", "1"), ("to", "9999-12-31T23:59:59Z")])
@example(path=f"{HISTORY}/orrery/meridian-5", pairs=[("before", "999999999999999999")])
@example(path=REFRESHES, pairs=[("before", "999999999999999999"), ("outcome", "held")])
def test_any_query_is_answered_or_refused_by_name(
    ask: Ask, path: str, pairs: list[tuple[str, str]]
) -> None:
    query = "&".join(
        "=".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in pair)
        for pair in pairs
    )
    method = "HEAD" if path == STREAM else "GET"  # what a stream answers has no end

    head = (f"{method} {path}?{query} HTTP/1.1", "Host: x", "Connection: close", "", "")
    answer = ask("\r\n".join(head).encode())

    assert answer.status in {200, 400}, answer
    if answer.status == 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
    if answer.status == 400 and method == "GET":
        problem = answer.json()
        assert problem.keys() >= {"type", "title", "status", "detail", "parameter"}
        assert problem["parameter"] in {name[:300] for name, _ in pairs} | {"from"}


# ── headers ───────────────────────────────────────────────────────────────────────────────────


async def test_every_coding_is_the_same_bytes_under_a_tag_of_its_own(client: Client) -> None:
    for path in PAST:
        plain = await client.get(path)
        assert "Content-Encoding" not in plain.headers
        assert len(plain.body) > 256

        answers = {coding: await client.get(path, accept_encoding=coding) for coding in DECODERS}

        for coding, answer in answers.items():
            assert answer.headers.get("Content-Encoding", "identity") == coding
            assert DECODERS[coding](answer.body) == plain.body
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert int(answer.headers["Content-Length"]) == len(answer.body)
        tags = {answer.headers["ETag"] for answer in answers.values()}
        assert len(tags) == len(DECODERS)
        assert plain.headers["ETag"] in tags
        assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


async def test_a_small_answer_is_sent_as_it_is(client: Client) -> None:
    answer = await client.get(f"{CHANGES}?since=3", accept_encoding="gzip, br, zstd")

    assert "Content-Encoding" not in answer.headers
    assert answer.json() == {"revision": 3, "next": None, "data": []}


KEPT: Final = (
    *("ETag", "Cache-Control", "Vary", "Catalog-Revision", "Catalog-Checked", "Catalog-Stale"),
    *("Access-Control-Allow-Origin", "Access-Control-Expose-Headers"),
)
"""Headers that a 304 has too."""


async def test_who_has_it_already_is_told_so(client: Client) -> None:
    for path in PAST:
        full = await client.get(path, accept_encoding="br")
        own, other = full.headers["ETag"], (await client.get(path)).headers["ETag"]

        for value in (own, f"W/{own}", f'"x", {own}', "*"):
            bare = await client.get(path, accept_encoding="br", if_none_match=value)
            assert (bare.status, bare.body) == (304, b"")
            assert "Content-Type" not in bare.headers
            assert "Content-Encoding" not in bare.headers
            for name in KEPT:
                assert bare.headers[name] == full.headers[name]
        for value in ("", other, own.strip('"'), '"x"', '"unterminated', "\u00e9", '"x",' * 1000):
            answer = await client.get(path, accept_encoding="br", if_none_match=value)
            assert (answer.status, answer.body) == (200, full.body)


async def test_an_answer_tells_of_what_revision_it_is_and_how_it_may_be_kept(
    client: Client,
) -> None:
    for path in PAST:
        headers = (await client.get(path, origin="https://reader.example")).headers

        assert headers["Catalog-Revision"] == "3"
        assert headers["Catalog-Checked"] == "2026-10-01T14:00:00Z"
        assert headers["Catalog-Stale"] == "false"
        assert headers["Cache-Control"] == GROWING
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert {*headers["Access-Control-Expose-Headers"].split(", ")} >= {
            *("ETag", "Catalog-Revision", "Catalog-Checked", "Catalog-Stale")
        }
        form = "atom+xml" if path == FEED else "json"
        assert headers["Content-Type"] == f"application/{form}; charset=utf-8"
        assert headers["Server"].startswith("model-catalog/")
        assert "Set-Cookie" not in headers


async def test_what_is_no_read_is_told_what_is(client: Client) -> None:
    for path in PAST:
        get, head = await client.get(path), await client.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert {k: v for k, v in head.headers.items() if k != "Date"} == {
            k: v for k, v in get.headers.items() if k != "Date"
        }
        options = await client.ask("OPTIONS", path, {"Access-Control-Request-Method": "GET"})
        assert (options.status, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
        assert options.headers["Access-Control-Allow-Origin"] == "*"
        for method in ("POST", "PUT", "DELETE", "TRACE"):
            answer = await client.ask(method, path)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
            assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_new_revision_makes_a_new_answer(told: Stage) -> None:
    before = {path: await told.client.get(path) for path in PAST}
    for path, was in before.items():
        assert (await told.client.get(path)).body == was.body

    await told.show(OCTOBER)

    for path, was in before.items():
        tag = was.headers["ETag"]
        after = await told.client.get(path, if_none_match=tag)
        if path.endswith("at=3"):
            assert (after.status, after.headers["ETag"]) == (304, tag)
            assert after.headers["Cache-Control"] == SETTLED
        else:
            assert (after.status, after.headers["Catalog-Revision"]) == (200, "4")
            assert after.body != was.body
            assert after.headers["ETag"] != tag


async def test_many_questions_at_once_are_answered(client: Client) -> None:
    paths = [*(f"{CHANGES}?limit={limit}" for limit in range(1, 21)), *PAST, *PAST]

    answers = await asyncio.gather(*(client.get(path) for path in paths))

    assert {answer.status for answer in answers} == {200}
    assert [len(answer.json()["data"]) for answer in answers[:20]] == [*range(1, 21)]


# ── when there is no database to read ─────────────────────────────────────────────────────────


async def unreadable(client: Client) -> None:
    """Every question to the past is answered by when to ask again; the present is served."""
    for path in (*PAST, STREAM, f"{CHANGES}?since=2026-10-01", f"{MODELS}?at=1h"):
        answer = await client.get(path)
        problem = answer.json()
        assert (answer.status, problem["status"]) == (503, 503), path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
        assert "the past cannot be read" in problem["detail"]
        assert (await client.ask("HEAD", path)).status == 503
    for path in (MODELS, "/v1/models", "/healthz", "/readyz", "/catalog/status"):
        assert (await client.get(path)).status == 200


async def test_a_catalog_in_memory_alone_has_no_past_and_a_present(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    nowhere = {"database_url": f"sqlite+aiosqlite:///{tmp_path / 'file' / 'catalog.db'}"}
    async with running_service(settings.model_copy(update=nowhere)) as running:
        await running.service.refresher.run()

        await unreadable(running.client)
        assert len(await shown(running.client)) == 47


async def test_a_deleted_database_has_no_past_until_it_is_made_anew(
    told: Stage, database: Path
) -> None:
    present = await shown(told.client)
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)

    await unreadable(told.client)
    await told.refresh()

    assert await shown(told.client) == present
    assert await shown(told.client, "?at=3") == present
    assert {one["id"] for one in await all_of(told.client, CHANGES)} == {*present}
    for path in PAST:  # what is before the restored revision is not known whole
        assert (await told.client.get(path.replace("from=1", "from=3"))).status == 200


async def test_after_a_loss_no_catalog_is_told_that_never_was(lives: Lives, database: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    await lives.stage.tell(*LIVES[-1][1])

    for revision, served in lives.served.items():
        answer = await lives.client.get(f"{MODELS}?at={revision}")
        if answer.status == 200:
            assert {model["id"] for model in answer.json()["data"]} == {*served}
        else:
            await refused(lives.client, f"{MODELS}?at={revision}", "at")


async def test_an_older_database_put_in_place_is_the_past_from_then_on(
    told: Stage, database: Path, shelf: Path
) -> None:
    await told.show(OCTOBER)
    before = {path: await told.client.get(path) for path in PAST}
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    copy = database.with_name("copy.db")
    shutil.copy(shelf / "autumn.db", copy)
    copy.replace(database)

    november = json.loads(NOVEMBER.read_bytes())["data"]
    assert await told.tell(*november, entry("z/new")) == 4

    async with running_service(told.running.service.settings) as again:
        for path, was in before.items():
            answer = await told.client.get(path)
            assert answer.body == (await again.client.get(path)).body
            assert (answer.body == was.body) is path.endswith("at=3")


async def test_a_database_that_is_locked_from_the_start_has_no_past(
    settings: Settings, database: Path
) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        async with running_service(settings) as running:
            await unreadable(running.client)
            other.execute("ROLLBACK")
            await running.service.refresher.run()

            assert [one["revision"] for one in await all_of(running.client, REVISIONS)] == [2, 1]


async def test_a_writer_that_holds_the_database_keeps_nobody_from_the_past(
    told: Stage, database: Path
) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for path in PAST:
            assert (await told.client.get(path)).status == 200
        other.execute("ROLLBACK")


async def test_what_another_process_did_is_seen_after_the_next_refresh(
    told: Stage, settings: Settings
) -> None:
    told.gateway.serve(OCTOBER)
    environment = {
        "MODEL_CATALOG_GATEWAY_URL": settings.gateway_url,
        "MODEL_CATALOG_DATABASE_URL": f"sqlite:///{settings.database_path}",
    }
    before = [await told.client.get(path) for path in PAST]

    assert (await run("refresh", **environment)).code == 0
    await told.refresh()

    body = await told.client.json(f"{CHANGES}?since=3")
    assert body["revision"] == 4
    assert body["data"]
    assert {one["revision"] for one in body["data"]} == {4}
    assert (await told.client.json(MODELS))["revision"] == 4
    for path, was in zip(PAST, before, strict=True):
        answer = await told.client.get(path)
        assert (answer.body == was.body) is path.endswith("at=3")
