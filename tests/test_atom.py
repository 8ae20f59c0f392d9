"""The log of changes as feed readers meet it."""

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from xml.etree import ElementTree as ET

import feedparser  # type: ignore[import-untyped]  # it carries no types
import pytest

import fixtures
from fixtures.replay import ReplayGateway
from service.config import Settings
from tests.stage import Stage, all_of, entry, once, stage
from tests.support import Client, running_service

FEED: Final = "/catalog/changes.atom"
CHANGES: Final = "/catalog/changes"
ATOM: Final = "{http://www.w3.org/2005/Atom}"
OCTOBER: Final = fixtures.path("kilo-2026-10-01.json")
NOVEMBER: Final = fixtures.path("kilo-2026-11-01.json")
HOSTILE: Final = fixtures.path("hostile-2026-10-01.json")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
URN: Final = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True)
class Entry:
    id: str
    title: str
    updated: str
    link: str
    terms: tuple[str, ...]
    content: str


@dataclass(frozen=True)
class Feed:
    """A feed as an XML parser reads it, after its form was checked."""

    id: str
    title: str
    updated: str
    links: dict[str, str]
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, document: bytes) -> Self:
        root = ET.fromstring(document)  # noqa: S314 — it is ours
        assert root.tag == f"{ATOM}feed"
        entries = tuple(_entry(node) for node in root.findall(f"{ATOM}entry"))
        assert _names(node for node in root if node.tag != f"{ATOM}entry") == [
            *["id", "title", "updated", "author", "link", "link"]
        ]
        [author] = root.findall(f"{ATOM}author")
        assert _names(author) == ["name"]
        links = {node.attrib["rel"]: node.attrib["href"] for node in root.findall(f"{ATOM}link")}
        assert links.keys() == {"self", "alternate"}
        updated = _text(root, "updated")
        assert TIME.fullmatch(updated)
        assert URN.fullmatch(_text(root, "id"))
        return cls(_text(root, "id"), _text(root, "title"), updated, links, entries)

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.entries]

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.entries]


def _entry(node: ET.Element) -> Entry:
    terms = tuple(each.attrib["term"] for each in node.findall(f"{ATOM}category"))
    assert _names(each for each in node if each.tag != f"{ATOM}category") == [
        *["id", "title", "updated", "published", "link", "content"]
    ]
    [link] = node.findall(f"{ATOM}link")
    assert link.attrib["rel"] == "alternate"
    [content] = node.findall(f"{ATOM}content")
    assert content.attrib == {"type": "text"}
    assert not list(content)
    assert URN.fullmatch(_text(node, "id"))
    assert TIME.fullmatch(_text(node, "updated"))
    assert _text(node, "updated") == _text(node, "published")
    return Entry(
        id=_text(node, "id"),
        title=_text(node, "title"),
        updated=_text(node, "updated"),
        link=link.attrib["href"],
        terms=terms,
        content=content.text or "",
    )


def _names(nodes: Iterable[ET.Element]) -> list[str]:
    found = [node.tag for node in nodes]
    assert all(name.startswith(ATOM) for name in found)
    return [name.removeprefix(ATOM) for name in found]


def _text(parent: ET.Element, name: str) -> str:
    [node] = parent.findall(ATOM + name)
    assert not list(node)
    assert node.text
    return node.text


async def document(client: Client, query: str = "") -> bytes:
    answer = await client.get(FEED + query)
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    return answer.body


async def read(client: Client, query: str = "") -> Feed:
    feed = Feed.of(await document(client, query))
    assert len({*feed.ids}) == len(feed.ids)
    assert [one.updated for one in feed.entries] == sorted(
        (one.updated for one in feed.entries), reverse=True
    )
    assert not feed.entries or feed.entries[0].updated == feed.updated
    return feed


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where databases are kept that several tests begin with."""
    return tmp_path_factory.mktemp("shelf")


MANY: Final = tuple(f"m/{n}" for n in range(6))


async def tell_a_story(empty: Stage) -> None:
    """Revision 2: all are new; 3: one price; 4: two names; 5: every price, and two names;
    6: one is missing."""
    same = {id_: entry(id_) for id_ in MANY}
    await empty.tell(*same.values())
    same["m/0"] = entry("m/0", 2)
    await empty.tell(*same.values())
    same |= {id_: entry(id_, name=f"Named {id_}") for id_ in ("m/1", "m/2")}
    await empty.tell(*same.values())
    same = {id_: entry(id_, 3, name=known["name"]) for id_, known in same.items()}
    same["m/3"]["name"], same["m/4"]["name"] = "Named m/3", "Named m/4"
    await empty.tell(*same.values())
    del same["m/5"]
    assert await empty.tell(*same.values()) == 6


@pytest.fixture
async def story(settings: Settings, gateway: ReplayGateway, shelf: Path) -> AsyncIterator[Stage]:
    await once(shelf / "story.db", tell_a_story, settings, gateway)
    async with stage(settings, gateway) as made:
        made.clock.advance(hours=5)
        yield made


TOLD: Final = [
    "m/5: missing from the gateway's list",
    "m/4: name m/4 → Named m/4",
    "m/3: name m/3 → Named m/3",
    "cost.output changed on 6 models",
    "cost.input changed on 6 models",
    "m/2: name m/2 → Named m/2",
    "m/1: name m/1 → Named m/1",
    "m/0: cost.input 1 → 2, cost.output 1 → 2",
    "6 models added",
    "kilo/auto: added",
]


async def show_autumn(empty: Stage) -> None:
    await empty.show(OCTOBER)
    await empty.show(NOVEMBER)


@pytest.fixture
async def autumn(settings: Settings, gateway: ReplayGateway, shelf: Path) -> AsyncIterator[Client]:
    await once(shelf / "autumn.db", show_autumn, settings, gateway)
    async with running_service(settings) as running:
        yield running.client


# ── its form ──────────────────────────────────────────────────────────────────────────────────

QUERIES: Final = (
    "",
    "?limit=1",
    "?kind=missing",
    "?field=price&kind=changed&model=orrery/*",
    "?model=no/such",
)


async def test_a_feed_is_well_formed_for_libxml2(autumn: Client, tmp_path: Path) -> None:
    if (xmllint := shutil.which("xmllint")) is None:
        pytest.skip("xmllint is not installed (Debian: libxml2-utils)")

    for number, query in enumerate(QUERIES):
        file = tmp_path / f"{number}.atom"
        file.write_bytes(await document(autumn, query))
        checked = subprocess.run(  # noqa: ASYNC221 — it takes milliseconds
            [xmllint, "--noout", "--nonet", file], capture_output=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, b"")


async def test_a_feed_has_the_elements_that_rfc_4287_demands(autumn: Client) -> None:
    for query in QUERIES:
        feed = await read(autumn, query)
        assert bool(feed.entries) is ("no/such" not in query)
        assert feed.title.startswith("Model catalog: changes")
        assert (await document(autumn, feed.links["self"].removeprefix(FEED))) == (
            await document(autumn, query)
        )
        assert all(one.title and one.content for one in feed.entries)


async def test_a_feed_without_entries_is_as_old_as_the_history(story: Stage) -> None:
    feed = await read(story.client, "?model=no/such")

    assert (feed.entries, feed.updated) == ((), "2026-10-01T12:00:00Z")


def parsed(body: bytes) -> Any:
    found = feedparser.parse(body)
    assert not found.bozo, found.get("bozo_exception")
    assert found.version == "atom10"
    return found


async def test_a_feed_reader_reads_it(autumn: Client) -> None:
    for query in QUERIES:
        body = await document(autumn, query)
        found, feed = parsed(body), Feed.of(body)

        assert found.feed.title == feed.title
        assert found.feed.updated == feed.updated
        assert [one.id for one in found.entries] == feed.ids
        assert [one.title for one in found.entries] == feed.titles
        assert [one.updated for one in found.entries] == [one.updated for one in feed.entries]
        assert [one.summary for one in found.entries] == [one.content for one in feed.entries]


# ── what it tells ─────────────────────────────────────────────────────────────────────────────


async def test_news_are_told_newest_first_and_what_was_done_in_bulk_once(story: Stage) -> None:
    feed = await read(story.client)

    assert feed.titles == TOLD
    assert feed.updated == "2026-10-01T17:00:00Z"
    assert [one.updated for one in feed.entries] == [
        *["2026-10-01T17:00:00Z"],
        *["2026-10-01T16:00:00Z"] * 4,
        *["2026-10-01T15:00:00Z"] * 2,
        *["2026-10-01T14:00:00Z", "2026-10-01T13:00:00Z", "2026-10-01T12:00:00Z"],
    ]
    assert [one.terms for one in feed.entries[:5]] == [
        ("missing", "status"),
        ("changed", "name"),
        ("changed", "name"),
        ("cost.output",),
        ("cost.input",),
    ]


async def test_a_price_change_is_told_with_its_figures(autumn: Client) -> None:
    feed = await read(autumn, "?field=price&kind=changed&model=orrery/*")

    [one] = feed.entries
    assert one.title == (
        "orrery/meridian-5: cost.input 3 → 2.5, cost.output 15 → 12.5, cost.cacheRead 0.3 → 0.25"
    )
    assert one.content.splitlines() == [
        "cost.input 3 → 2.5",
        "cost.output 15 → 12.5",
        "cost.cacheRead 0.3 → 0.25",
    ]
    assert one.terms == ("changed", "cost.input", "cost.output", "cost.cacheRead")


async def test_a_feed_is_filtered_as_the_log_is(autumn: Client) -> None:
    for query in ("since=2&kind=missing", "since=2&model=*e*", "since=2&field=name,limits"):
        logged = await all_of(autumn, f"{CHANGES}?{query}")
        feed = await read(autumn, "?" + query.removeprefix("since=2&"))
        told = [one.title.partition(": ")[0] for one in feed.entries]
        assert told[: len(logged)] == [one["id"] for one in reversed(logged)]
        assert len(logged) > 1


async def test_a_feed_is_as_long_as_it_is_asked_to_be(story: Stage) -> None:
    whole = await read(story.client)

    for limit in range(1, len(TOLD) + 2):
        assert (await read(story.client, f"?limit={limit}")).entries == whole.entries[:limit]


async def test_what_is_told_once_does_not_hide_what_came_before_it(
    settings: Settings, gateway: ReplayGateway
) -> None:
    ids = [f"m/{n}" for n in range(150)]
    async with stage(settings, gateway) as scene:
        await scene.tell(*map(entry, ids))
        await scene.tell(entry("m/0", 2), *map(entry, ids[1:]))
        await scene.tell(*(entry(id_, 3) for id_ in ids))
        await scene.tell(*(entry(id_, 4) for id_ in ids))

        feed = await read(scene.client)

    assert [title for title in feed.titles if not title.startswith("cost.")] == [
        "m/0: cost.input 1 → 2, cost.output 1 → 2",
        "150 models added",
        "kilo/auto: added",
    ]
    assert sorted(feed.titles[:4]) == [
        *["cost.input changed on 150 models"] * 2,
        *["cost.output changed on 150 models"] * 2,
    ]


async def test_what_was_done_in_bulk_is_counted_whole_however_short_the_feed(
    autumn: Client,
) -> None:
    for query in ("?limit=1&kind=added&model=o*&model=a*", "?limit=2&kind=added&model=o*&model=a*"):
        bulk = [one for one in (await read(autumn, query)).entries if "models" in one.title]
        logged = await all_of(autumn, f"{CHANGES}?kind=added&model=o*&model=a*")
        assert [one.title for one in bulk] == [f"{len(logged)} models added"]


async def test_a_long_list_of_models_is_cut_and_counted(autumn: Client) -> None:
    [bulk] = [one for one in (await read(autumn)).entries if one.title == "46 models added"]

    *named, rest = bulk.content.splitlines()
    assert len(named) == 20
    assert rest == "and 26 more"
    assert {*named} <= {one["id"] for one in await all_of(autumn, f"{CHANGES}?kind=added")}


async def test_a_feed_about_a_field_leaves_out_what_came_along_with_it(story: Stage) -> None:
    names = await read(story.client, "?field=name&kind=changed")
    prices = await read(story.client, "?field=cost.input&kind=changed")

    assert names.titles == [title for title in TOLD if ": name " in title]
    assert prices.titles == ["cost.input changed on 6 models", TOLD[7]]


async def test_an_entry_leads_to_what_it_tells_of(story: Stage) -> None:
    feed = await read(story.client)

    for one in feed.entries:
        data = await all_of(story.client, one.link)
        if one.link.startswith("/catalog/history/"):
            assert one.title.startswith(data[0]["model"]["id"])
            assert one.updated in {state["at"] for state in data}
        else:
            assert one.title.split()[0] == "6" or "on 6 models" in one.title
            assert len([each for each in data if each["at"] == one.updated]) == 6
    assert (await story.client.get(feed.links["self"])).body == await document(story.client)
    assert (await story.client.get(feed.links["alternate"])).status == 200


# ── what stays the same ───────────────────────────────────────────────────────────────────────


async def test_a_restart_changes_nothing(settings: Settings, gateway: ReplayGateway) -> None:
    bodies = []
    for _ in range(2):
        async with running_service(settings) as running:
            await running.service.refresher.run()
            bodies.append([await document(running.client, query) for query in QUERIES])

    assert bodies[0] == bodies[1]


async def test_a_piece_of_news_has_one_name_in_every_feed(story: Stage) -> None:
    whole = {one.id: one for one in (await read(story.client)).entries}
    seen = set()
    for query in (
        "?limit=3",
        "?kind=changed",
        "?kind=missing,added",
        "?field=price",
        "?field=name&kind=changed",
        "?model=m/*",
        "?model=kilocode/*",
    ):
        for one in (await read(story.client, query)).entries:
            assert one == whole[one.id]
            seen.add(one.id)

    assert seen == whole.keys()


async def test_feeds_of_different_questions_are_different_feeds(story: Stage) -> None:
    feeds = [await read(story.client, query) for query in QUERIES]
    assert len({feed.id for feed in feeds}) == len({feed.title for feed in feeds}) == len(QUERIES)

    one, other = [
        await document(story.client, query)
        for query in ("?limit=5&kind=added", "?kind=added&limit=5")
    ]
    assert one == other


async def test_what_was_told_stays_told_and_dates_never_go_back(
    settings: Settings, gateway: ReplayGateway
) -> None:
    updated = []
    async with stage(settings, gateway) as scene:
        known = [*(await read(scene.client)).entries]
        for price, hours in enumerate((1, 1, -5, 0, 2, -1, 9), start=1):
            others = (entry("m/same"), entry("m/other"))
            await scene.tell(entry("m/0", price), *others, hours=hours)
            feed = await read(scene.client)
            updated.append(feed.updated)
            assert [*feed.entries[1:]] == known
            known = [*feed.entries]

    assert updated == sorted(updated)
    assert updated[-1] > updated[0]


async def test_a_reader_that_has_it_already_is_told_so(story: Stage) -> None:
    async def again() -> int:
        return (await story.client.get(FEED, accept_encoding="gzip", if_none_match=tag)).status

    await story.tell(*(entry(id_, 8) for id_ in MANY))
    tag = (await story.client.get(FEED, accept_encoding="gzip")).headers["ETag"]

    assert await again() == 304
    await story.tell(*(entry(id_, 8) for id_ in MANY))
    assert await again() == 304
    await story.tell(*(entry(id_, 9) for id_ in MANY))
    assert await again() == 200


# ── where it leads ────────────────────────────────────────────────────────────────────────────

SPOOFED: Final = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "host=evil.example;proto=https",
    "X-Original-URL": "https://evil.example/",
}


async def addresses(client: Client) -> set[str]:
    """Every address in a feed that was asked for under another's name."""
    answer = await client.ask("GET", f"{FEED}?limit=5", SPOOFED)
    assert b"evil" not in answer.body
    feed = Feed.of(answer.body)
    return {*feed.links.values(), *(one.link for one in feed.entries)}


async def test_addresses_are_relative_where_no_public_one_is_set(autumn: Client) -> None:
    assert all(re.match(r"/catalog/", address) for address in await addresses(autumn))


@pytest.mark.parametrize("public", ["https://models.example", "http://[::1]:8788/some/prefix/"])
async def test_addresses_begin_with_the_public_one_that_is_set(
    settings: Settings, gateway: ReplayGateway, public: str
) -> None:
    chosen = settings.model_copy(
        update={"public_url": Settings.load({"public_url": public}).public_url}
    )
    async with running_service(chosen) as running:
        await running.service.refresher.run()

        found = await addresses(running.client)

    begin = public.rstrip("/") + "/catalog/"
    assert len(found) > 2
    assert all(address.startswith(begin) for address in found)


# ── what it lets nobody do ────────────────────────────────────────────────────────────────────

NAMES: Final = {
    "markup": "<script>alert('name')</script>",
    "entity": "&lt;b&gt; &amp; &#60; &unknown;",
    "cdata": "]]> <![CDATA[ x ]]>",
    "quotes": "\"'><img src=x onerror=alert(1)>",
    "lines": "a\r\nb\ndata: c\rd",
    "escape": "\x1b[31mred\x1b[0m \x00 \x07 \x7f \x9b",
    "bidi": "\u202egnihton\u202c \u2066x\u2069 \u200f",
    "nonsense": "\ufffe\uffff \ud800 \udfff",
    "fox": "🦊 \U0010ffff",
    "doctype": "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y;",
}
IDS: Final = (
    *("../../up", "a/../b", "..", ".", "/", "//host/x", "<script>alert('id')</script>", "a/]]>"),
    *("a/?q=1&r=2", "a/#x", "a/%2F", "a/100%", "a/with space", 'a/"quoted"', "a/ü🦊", "~", "null"),
)
FORBIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)
"""What no reader should have to show, whatever a gateway says; tabs are made spaces."""


@pytest.fixture
async def hostile(settings: Settings, gateway: ReplayGateway) -> AsyncIterator[Client]:
    """A story in which strange things are added, renamed and described, few enough at a time to
    be told one by one."""
    calm = [entry(f"calm/{n}") for n in range(60)]
    async with stage(settings, gateway) as scene:
        await scene.tell(*calm)
        await scene.tell(*calm, *(entry(f"x/{key}") for key in NAMES), *map(entry, IDS))
        await scene.tell(
            *calm,
            *(entry(f"x/{key}", name=name, tokenizer=name) for key, name in NAMES.items()),
            *(entry(id_, 2) for id_ in IDS),
        )
        await scene.tell(
            *calm,
            *(
                entry(f"x/{key}", name=name, description=name, hugging_face_id=name)
                for key, name in NAMES.items()
            ),
            *(entry(id_, 2) for id_ in IDS),
        )
        yield scene.client


async def test_names_and_ids_stay_text(hostile: Client) -> None:
    body = await document(hostile)
    feed, found = await read(hostile), parsed(body)

    assert b"<script" not in body
    assert b"<!DOCTYPE" not in body
    assert b"<![CDATA[" not in body
    assert {node.tag for node in ET.fromstring(body).iter()} == {  # noqa: S314
        ATOM + name
        for name in (
            *("feed", "id", "title", "updated", "author", "name", "link"),
            *("entry", "published", "category", "content"),
        )
    }
    assert [one.title for one in found.entries] == feed.titles
    assert any("<script>alert('name')</script>" in title for title in feed.titles)
    assert any("]]> <![CDATA[ x ]]>" in title for title in feed.titles)
    assert any(title.startswith("<script>alert('id')</script>: ") for title in feed.titles)


async def test_nothing_in_a_feed_steers_what_shows_it(hostile: Client) -> None:
    for query in ("", "?kind=added", "?model=x/*"):
        for one in (await read(hostile, query)).entries:
            for text in (one.title, one.link, *one.terms, *one.content.split("\n")):
                assert not FORBIDDEN.search(text), text
            assert "\n" not in one.title


async def test_the_whole_hostile_list_is_told_in_form(
    settings: Settings, gateway: ReplayGateway
) -> None:
    rows = [entry(f"calm/{n}") for n in range(200)]
    async with stage(settings, gateway) as scene:
        await scene.tell(*rows)
        await scene.tell(*rows, *json.loads(HOSTILE.read_bytes(), strict=False)["data"])

        feed = await read(scene.client, "?limit=1000")
        parsed(await document(scene.client, "?limit=1000"))

    assert len(feed.entries) == 166 + 2
    assert not [one for one in feed.entries if FORBIDDEN.search(one.title + one.link)]


async def test_every_odd_id_has_a_link_that_leads_to_it(hostile: Client) -> None:
    feed = await read(hostile, "?field=price&kind=changed")

    assert {one.title.partition(": cost")[0] for one in feed.entries} == {*IDS}
    for one in feed.entries:
        assert re.fullmatch(r"/catalog/history/[A-Za-z0-9._~%-]+", one.link, re.ASCII)
        data = await all_of(hostile, one.link)
        assert one.title.startswith(f"{data[0]['model']['id']}: cost")


async def test_a_question_is_no_markup_in_its_feed(hostile: Client) -> None:
    for model in ("%3Cscript%3E", "%5D%5D%3E", "%22%3E%3Cx", "%26amp;", "%E2%80%AE", "%EF%BF%BE"):
        feed = await read(hostile, f"?model={model}")
        assert not FORBIDDEN.search(feed.title + "".join(feed.links.values()))
        assert "<" not in feed.title
