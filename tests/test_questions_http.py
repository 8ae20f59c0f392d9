"""Questions over HTTP: lists, facets and picks, of now and of any time."""

import csv
import gzip
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import product
from typing import Any, Final
from urllib.parse import quote, urlencode

import brotli
import pytest
import zstandard
from aiohttp.test_utils import make_mocked_request

import fixtures
from fixtures.replay import ReplayGateway
from service.api.answers import Answers, size_bytes
from service.api.conditional import Responder
from service.api.past import Past
from service.api.questions import Questions
from service.config import Settings
from service.fields import FIELDS
from service.query.filters import FILTERS
from service.query.listing import Form
from service.query.pick import PICK
from service.query.question import QUERY
from service.snapshot import Document
from tests import oracle
from tests.support import Answer, Client, Clock, Running, client_of, running_service

Json = dict[str, Any]
LIST: Final = "/catalog/models"
FORMS: Final = (LIST, f"{LIST}.csv", f"{LIST}.ndjson")
PATHS: Final = (*FORMS, "/catalog/facets", "/catalog/pick")
TYPES: Final = {
    LIST: "application/json; charset=utf-8",
    f"{LIST}.csv": "text/csv; charset=utf-8; header=present",
    f"{LIST}.ndjson": "application/x-ndjson; charset=utf-8",
    "/catalog/facets": "application/json; charset=utf-8",
    "/catalog/pick": "application/json; charset=utf-8",
}
DECODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "identity": bytes,
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body),
}


@pytest.fixture
async def client(october: Running) -> AsyncIterator[Client]:
    """A client of a service that has read a list. Others ask the same service."""
    async with client_of(october.client.url) as made:
        yield made


@pytest.fixture
async def own_client(running: Running) -> Client:
    """The same of the test's own service."""
    await running.service.refresher.run()
    return running.client


def refused(answer: Answer) -> Json:
    """The problem that a question is refused by."""
    assert answer.status == 400, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    body: Json = answer.json()
    assert body["title"] == HTTPStatus.BAD_REQUEST.phrase
    assert body.keys() >= {"type", "title", "status", "detail", "parameter", "nearest"}
    return body


def refs(answer: Answer) -> list[str]:
    """The refs of an answer in any form."""
    assert answer.status == 200, answer
    match answer.headers["Content-Type"].split(";")[0]:
        case "text/csv":
            rows = csv.DictReader(io.StringIO(answer.body.decode(), newline=""), strict=True)
            return [row["ref"] for row in rows]
        case "application/x-ndjson":
            return [json.loads(line)["ref"] for line in answer.body.splitlines()]
        case _:
            return [model["ref"] for model in answer.json()["data"]]


# ── what is meant ─────────────────────────────────────────────────────────────────────────────

ASKED: Final[Sequence[Sequence[tuple[str, str]]]] = (
    [],
    [("author", "orrery")],
    [("author", "ORRERY,cinderpeak"), ("author", "estuary")],
    [("id", "*/meridian-*,kilo/auto")],
    [("input", "text,image"), ("input", "file")],
    [("tools", "true"), ("reasoning", "false")],
    [("reasoning", "unknown")],
    [("minContext", "200k"), ("maxInputCost", "3")],
    [("minContext", "1m")],
    [("minContext", "0.0655m"), ("minOutput", "8K")],
    [("free", "true"), ("sort", "-contextWindow,name")],
    [("sort", "cost.input"), ("sort", "-created")],
    [("createdAfter", "2025-06-01"), ("sort", "created")],
    [("createdAfter", "2025-06-01T02:00:00+02:00")],
    [("pricing", "dynamic,unknown")],
    [("status", "removed")],
    [("author", "nobody at all & others?")],
)


async def test_a_question_is_answered_as_the_whole_list_says(client: Client) -> None:
    models = (await client.json(LIST))["data"]
    now = datetime(2026, 10, 1, tzinfo=UTC)
    for pairs in ASKED:
        keys = [key for name, text in pairs if name == "sort" for key in text.split(",")]
        meant = oracle.ordered(oracle.meant(models, pairs, now), keys)
        for query in (urlencode(pairs), urlencode(pairs, quote_via=quote, safe=",:*/+")):
            for path in FORMS:
                assert refs(await client.get(f"{path}?{query}")) == oracle.refs(meant), query
        body = await client.json(f"{LIST}?{urlencode(pairs)}")
        assert body["data"] == meant
        assert (body["total"], body["next"]) == (len(meant), None)


async def test_an_empty_question_is_the_whole_list(client: Client) -> None:
    whole = await client.get(LIST)

    for query in ("?", "?&", "?&&", "?status=active,missing", f"?fields={','.join(FIELDS)}"):
        answer = await client.get(LIST + query)
        assert (answer.body, answer.headers["ETag"]) == (whole.body, whole.headers["ETag"])


async def test_fields_are_told_in_the_order_asked_for(client: Client) -> None:
    query = "?fields=cost.output,id&fields=name,cost.input&limit=1"

    (model,) = (await client.json(LIST + query))["data"]
    lines = (await client.get(f"{LIST}.csv{query}")).body.split(b"\r\n")
    row = json.loads((await client.get(f"{LIST}.ndjson{query}")).body)

    assert list(model) == ["cost", "id", "name"]
    assert list(model["cost"]) == ["output", "input"]
    assert lines[0] == b"cost.output,id,name,cost.input"
    assert list(row) == ["cost.output", "id", "name", "cost.input"]


async def test_facets_and_picks_are_of_the_models_that_are_meant(client: Client) -> None:
    total = (await client.json(f"{LIST}?tools=true&minContext=200k"))["total"]

    counted = await client.json("/catalog/facets?tools=true&minContext=200k")
    picked = await client.json("/catalog/pick?tools=true&minContext=200k&prefer=largest-context")

    assert counted["total"] == picked["total"] == total > 0
    assert counted["facets"]["tools"]["values"][0]["value"] is True
    for one in counted["facets"]["author"]["values"]:
        query = urlencode({"author": one["value"], "tools": "true", "minContext": "200k"})
        assert (await client.json(f"{LIST}?{query}"))["total"] == one["count"]
    assert [one["model"]["tools"] for one in picked["data"]] == [True] * len(picked["data"])


async def test_removed_models_are_meant_where_they_are_asked_for(
    settings: Settings, gateway: ReplayGateway
) -> None:
    clock = Clock()
    async with running_service(settings, clock) as running:
        await running.service.refresher.run()
        gateway.serve(fixtures.path("kilo-2026-11-01.json"))
        await running.service.refresher.run()
        clock.advance(days=2)
        await running.service.refresher.run()
        client = running.client

        on_offer = refs(await client.get(LIST))
        removed = refs(await client.get(f"{LIST}?status=removed"))
        every = refs(await client.get(f"{LIST}?status=active,missing,removed"))

        assert "kilocode/gannet/plunge-1.5" in removed
        assert not {*removed} & {*on_offer}
        assert every == on_offer + removed
        # In its old days it was still on offer, and the list was in the order of ids.
        assert refs(await client.get(f"{LIST}?at=2&id=gannet/*")) == [
            "kilocode/gannet/plunge-1.5",
            "kilocode/gannet/plunge-2",
        ]


# ── refusals ──────────────────────────────────────────────────────────────────────────────────


DIGITS: Final = "\u0661\u0662\u0663"


async def test_every_parameter_refuses_what_it_cannot_read_by_its_name(client: Client) -> None:
    takes_text = {"q", *(one.name for one in FILTERS if one.is_many)} - {"pricing", "status"}
    for path, parameters in ((LIST, QUERY), ("/catalog/pick", PICK)):
        for parameter, value in product(
            parameters, ("", "\0", "a\0", "a\nb", "a\x85b", "x" * 2000, DIGITS)
        ):
            if value == DIGITS and parameter.name in takes_text:
                continue
            answer = await client.get(f"{path}?{parameter.name}={quote(value)}")
            body = refused(answer)
            assert body["parameter"] == parameter.name
            assert body["detail"].startswith(f"{parameter.name}={value[:100]!r} is not valid; ")


REFUSED: Final[Sequence[tuple[str, str, str, list[str] | None]]] = (
    ("tools=ture", "tools", "'ture'", ["true"]),
    ("free=unkown", "free", "'unkown'", ["unknown"]),
    ("pricing=dynamc", "pricing", "'dynamc'", ["dynamic"]),
    ("status=remove", "status", "'remove'", ["removed"]),
    ("status=active&status=mising", "status", "'mising'", ["missing"]),
    ("sort=cost.imput", "sort", "'cost.imput'", ["cost.input"]),
    ("sort=name,-contextwindow", "sort", "'-contextwindow'", ["-contextWindow"]),
    ("fields=id,discription", "fields", "'discription'", ["description"]),
    ("fields=cost.cacheread", "fields", "'cost.cacheread'", ["cost.cacheRead"]),
    ("minContext=200kb", "minContext", "'200kb'", []),
    ("minContext=-1", "minContext", "'-1'", []),
    ("minContext=1.5", "minContext", "'1.5'", []),
    ("maxInputCost=3e0", "maxInputCost", "'3e0'", []),
    ("maxInputCost=%243", "maxInputCost", "'$3'", []),
    ("createdAfter=soon", "createdAfter", "'soon'", []),
    ("createdAfter=13", "createdAfter", "'13'", []),
    ("limit=0", "limit", "'0'", []),
    ("limit=ten", "limit", "'ten'", []),
    ("cursor=nonsense", "cursor", "'nonsense'", []),
    ("at=never", "at", "'never'", []),
    ("id=%00", "id", repr("\0"), []),
    ("minPrice=3", "minPrice", "'minPrice'", None),
    ("author=a&autor=b", "autor", "'autor'", ["author"]),
    ("maxInputcost=1", "maxInputcost", "'maxInputcost'", ["maxInputCost"]),
    ("Tools=true", "Tools", "'Tools'", ["tools"]),
    ("=", "", "''", []),
    ("limit=1&limit=2", "limit", "more than once", []),
    ("q=a&q=b", "q", "more than once", []),
    ("tools=true&tools=true", "tools", "more than once", []),
    ("author=" + "a," * 100 + "a", "author", "101 values", []),
    ("&".join(["author=a"] * 101), "author", "101 values", []),
)


async def test_a_refusal_names_the_parameter_the_value_and_what_was_meant(client: Client) -> None:
    for path, (query, parameter, value, nearest) in product(FORMS, REFUSED):
        body = refused(await client.get(f"{path}?{query}"))

        assert body["parameter"] == parameter
        assert value in body["detail"]
        assert nearest is None or body["nearest"] == nearest
        assert all(f"did you mean {one}?" in body["detail"] for one in body["nearest"])


async def test_what_is_not_for_a_path_is_refused_there(client: Client) -> None:
    for path, names in (
        ("/catalog/facets", ("sort", "limit", "cursor", "fields", "at", "prefer")),
        ("/catalog/pick", ("sort", "cursor", "fields", "at")),
        (LIST, ("prefer", "inputTokens", "outputTokens", "cachedTokens")),
    ):
        for name in names:
            assert refused(await client.get(f"{path}?{name}=1"))["parameter"] == name


async def test_a_cursor_is_for_its_own_question(client: Client) -> None:
    following = (await client.json(f"{LIST}?sort=name&limit=2"))["next"]
    cursor = following.partition("cursor=")[2]

    assert (await client.get(f"{LIST}?sort=name&limit=7&cursor={cursor}")).status == 200
    assert (await client.get(f"{LIST}.csv?sort=name&cursor={cursor}")).status == 200
    for query in ("", "sort=-name&", "sort=name&tools=true&", "q=a&"):
        body = refused(await client.get(f"{LIST}?{query}cursor={cursor}"))
        assert (body["parameter"], body["detail"]) == (
            "cursor",
            "cursor belongs to another question",
        )
    for broken in (cursor[:-1], cursor + "A", cursor[1:], cursor.swapcase(), cursor * 2):
        assert (
            refused(await client.get(f"{LIST}?sort=name&cursor={broken}"))["parameter"] == "cursor"
        )


async def test_numbers_too_large_for_an_answer_are_refused_and_the_largest_are_not(
    client: Client,
) -> None:
    for name in ("inputTokens", "outputTokens", "cachedTokens"):
        assert refused(await client.get(f"/catalog/pick?{name}=999999999999999m"))
        made = await client.json(f"/catalog/pick?{name}=9007199254740992")
        assert made["mix"][name] == 2**53
    assert refused(await client.get(f"{LIST}?minContext=9007199254740993"))
    assert (await client.json(f"{LIST}?minContext=9007199254740992"))["total"] == 0


# ── pages ─────────────────────────────────────────────────────────────────────────────────────


async def followed(client: Client, target: str) -> list[str]:
    """The refs of all pages, from one to the next by their links."""
    path, found = target.partition("?")[0], list[str]()
    for _ in range(50):
        answer = await client.get(target)
        found += refs(answer)
        link = answer.headers.get("Link")
        if path == LIST:
            following = answer.json()["next"]
            assert link == (f'<{following}>; rel="next"' if following else None)
        if link is None:
            return found
        target = link.removeprefix("<").removesuffix('>; rel="next"')
        assert target.startswith(f"{path}?")
    raise AssertionError("it never ends")


async def test_pages_are_followed_by_their_links(client: Client) -> None:
    for query, limit in (
        ("", 10),
        ("sort=-created,name&fields=ref", 7),
        ("sort=knowledgeCutoff", 20),
        ("q=mini+free%26", 1),
        ("at=2", 9),
        ("seenAfter=99999d&tools=true&at=2", 20),
    ):
        for path in FORMS:
            whole = refs(await client.get(f"{path}?{query}"))
            assert await followed(client, f"{path}?{query}&limit={limit}") == whole, query


async def test_a_page_that_ends_with_the_list_has_no_next(client: Client) -> None:
    for query in ("limit=47", "limit=10000", "author=orrery&limit=5", "author=nobody&limit=1"):
        answer = await client.get(f"{LIST}?{query}")
        assert answer.json()["next"] is None
        assert "Link" not in answer.headers


async def test_pages_go_on_while_the_catalog_changes(
    own_client: Client, running: Running, gateway: ReplayGateway
) -> None:
    first = await own_client.json(f"{LIST}?limit=20&sort=id")
    gateway.serve(fixtures.path("kilo-2026-11-01.json"))
    await running.service.refresher.run()

    second = await own_client.json(first["next"].replace("limit=20", "limit=1000"))

    found = [model["id"] for model in [*first["data"], *second["data"]]]
    now = {model["id"] for model in (await own_client.json(LIST))["data"]}
    assert len(found) == len(set(found))
    assert found == sorted(found, key=str.casefold)
    assert {one for one in now if one > first["data"][-1]["id"]} <= set(found)


# ── conditional requests, codings ─────────────────────────────────────────────────────────────

DOCUMENTS: Final = (
    f"{LIST}?tools=true",
    f"{LIST}?limit=3&sort=-created",
    f"{LIST}.csv",
    f"{LIST}.csv?fields=id,name&q=mini",
    f"{LIST}.ndjson?free=true",
    "/catalog/facets",
    "/catalog/facets?author=orrery",
    "/catalog/pick",
    "/catalog/pick?tools=true&prefer=newest",
)


async def test_every_answer_has_its_own_tag_and_no_news_is_a_304(client: Client) -> None:
    tags = set()
    for target in DOCUMENTS:
        first = await client.get(target)
        tag = first.headers["ETag"]
        tags.add(tag)
        assert first.headers["Content-Type"] == TYPES[target.partition("?")[0]]
        assert first.headers["Cache-Control"].startswith("public, max-age=60")
        assert first.headers["Access-Control-Allow-Origin"] == "*"
        assert "Link" in first.headers["Access-Control-Expose-Headers"]
        assert (first.headers["Vary"], first.headers["Catalog-Revision"]) == (
            "Accept-Encoding",
            "2",
        )
        for value in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = await client.get(target, if_none_match=value)
            assert (again.status, again.body) == (304, b"")
            assert again.headers["ETag"] == tag
            assert again.headers.get("Link") == first.headers.get("Link")
        since = first.headers["Last-Modified"]
        assert (await client.get(target, if_modified_since=since)).status == 304
        assert (await client.get(target, if_none_match='"x"')).body == first.body
    assert len(tags) == len(DOCUMENTS)


async def test_every_answer_comes_in_every_coding(client: Client) -> None:
    for target in DOCUMENTS:
        plain = await client.get(target)
        tags = {plain.headers["ETag"]}
        for coding, decode in DECODERS.items():
            answer = await client.get(target, accept_encoding=coding)
            told = answer.headers.get("Content-Encoding", "identity")
            assert told == (coding if len(plain.body) >= 256 else "identity")
            assert (decode if told == coding else bytes)(answer.body) == plain.body
            tags.add(answer.headers["ETag"])
        assert len(tags) == (len(DECODERS) if len(plain.body) >= 256 else 1)


async def test_head_says_what_get_says(client: Client) -> None:
    for target in (*DOCUMENTS, f"{LIST}?tools=ture", f"{LIST}?at=1", f"{LIST}?seenAfter=1d"):
        get, head = await client.get(target), await client.ask("HEAD", target)
        assert (head.status, head.body) == (get.status, b"")
        assert {name: value for name, value in head.headers.items() if name != "Date"} == {
            name: value for name, value in get.headers.items() if name != "Date"
        }


async def test_an_answer_is_new_once_the_catalog_is(
    own_client: Client, running: Running, gateway: ReplayGateway
) -> None:
    before = {target: await own_client.get(target) for target in DOCUMENTS}
    gateway.serve(fixtures.path("kilo-2026-11-01.json"))
    await running.service.refresher.run()

    for target, old in before.items():
        new = await own_client.get(target)
        assert (new.status, new.headers["Catalog-Revision"]) == (200, "3")
        if ".csv" not in target:
            again = await own_client.get(target, if_none_match=old.headers["ETag"])
            assert (again.status, again.body) == (200, new.body)
            assert new.body != old.body


# ── any time ──────────────────────────────────────────────────────────────────────────────────


async def test_the_past_can_be_asked_like_the_present(
    own_client: Client, running: Running, gateway: ReplayGateway
) -> None:
    asked = ("tools=true", "author=orrery,gannet&sort=-cost.input&fields=ref", "q=meridan", "")
    now = {query: await own_client.get(f"{LIST}?{query}") for query in asked}
    gateway.serve(fixtures.path("kilo-2026-11-01.json"))
    await running.service.refresher.run()

    for query, old in now.items():
        for path in FORMS:
            then = await own_client.get(f"{path}?{query}&at=2")
            assert sorted(refs(then)) == sorted(refs(old)), query
            assert then.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert then.headers["Content-Type"] == TYPES[path]
    assert refs(await own_client.get(f"{LIST}?at=1&sort=name")) == ["kilocode/kilo/auto"]
    assert refs(await own_client.get(f"{LIST}?at=1&author=orrery")) == []


async def test_the_past_refuses_what_the_present_does(client: Client) -> None:
    for query in ("tools=ture", "limit=0", "cursor=x", "sort=nothing", "nothing=1"):
        body = refused(await client.get(f"{LIST}?at=1&{query}"))
        assert body["parameter"] == query.partition("=")[0]
    assert refused(await client.get(f"{LIST}?at=99&tools=true"))["parameter"] == "at"


async def test_an_age_is_counted_from_the_time_of_each_request(
    settings: Settings, gateway: ReplayGateway
) -> None:
    clock = Clock()
    async with running_service(settings, clock) as running:
        await running.service.refresher.run()
        client = running.client
        dated = (await client.get(LIST)).headers["Last-Modified"]
        for query in ("seenAfter=2d", "seenAfter=2d&at=2", "seenAfter=2d&limit=99&sort=id"):
            clock.at, tags = Clock().at, dict[str, str]()
            for path in FORMS:
                fresh = await client.get(f"{path}?{query}")
                assert len(refs(fresh)) == 47
                assert "immutable" not in fresh.headers["Cache-Control"]
                same = await client.get(f"{path}?{query}", if_none_match=fresh.headers["ETag"])
                assert same.status == 304
                tags[path] = fresh.headers["ETag"]
            clock.advance(days=2)
            assert len(refs(await client.get(f"{LIST}?{query}"))) == 47
            clock.advance(seconds=1)
            for path in FORMS:
                later = await client.get(f"{path}?{query}", if_none_match=tags[path])
                assert refs(later) == []
                assert refs(await client.get(f"{path}?{query}", if_modified_since=dated)) == []
        counted = await client.get("/catalog/facets?seenAfter=2d", if_modified_since=dated)
        picked = await client.get("/catalog/pick?seenAfter=2d", if_modified_since=dated)
        assert counted.json()["total"] == picked.json()["total"] == 0
        clock.at = Clock().at
        assert (await client.json("/catalog/facets?seenAfter=2d"))["total"] == 47
        assert (await client.json("/catalog/pick?seenAfter=2d"))["total"] > 0


async def test_a_date_is_the_same_whenever_it_is_asked(
    settings: Settings, gateway: ReplayGateway
) -> None:
    clock = Clock()
    async with running_service(settings, clock) as running:
        await running.service.refresher.run()
        first = await running.client.get(f"{LIST}?createdAfter=2025-06-01")
        clock.advance(days=999)
        again = await running.client.get(f"{LIST}?createdAfter=2025-06-01")

    assert 0 < len(refs(first)) < 47
    assert again.body == first.body
    assert "Last-Modified" in first.headers


# ── answers that are kept ─────────────────────────────────────────────────────────────────────


class Counting(Clock):
    """A clock that counts how often it is looked at: once for each answer that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def __call__(self) -> datetime:
        self.looks += 1
        return self.at


class Asking:
    """The handlers alone, with room for so many bytes of answers."""

    def __init__(self, running: Running, max_bytes: int) -> None:
        service = running.service
        self.clock = Counting()
        self.answers = Answers(max_bytes)
        responder = Responder(service.present, max_age_seconds=60, revalidate_seconds=900)
        self.questions = Questions(
            present=service.present,
            past=Past(
                history=service.history,
                present=service.present,
                responder=responder,
                clock=self.clock,
                public_url="",
            ),
            responder=responder,
            answers=self.answers,
            clock=self.clock,
        )

    async def __call__(self, query: str, form: Form = Form.JSON) -> bytes:
        made = self.questions.models(form, make_mocked_request("GET", f"{LIST}{form}?{query}"))
        return await _body(made)

    async def picked(self, query: str) -> bytes:
        return await _body(self.questions.pick(make_mocked_request("GET", f"/?{query}")))

    async def counted(self, query: str) -> bytes:
        return await _body(self.questions.facets(make_mocked_request("GET", f"/?{query}")))


async def _body(made: Any) -> bytes:
    body: bytes = (made if hasattr(made, "status") else await made).body
    return body


async def test_the_same_question_is_answered_once(running: Running, own_client: Client) -> None:
    ask = Asking(running, 2**20)

    for query in ("tools=true", "limit=2&sort=name", "q=meridan"):
        for form in Form:
            before = ask.clock.looks
            assert await ask(query, form) is await ask(query, form)
            assert ask.clock.looks == before + 1
        for other in (ask.picked, ask.counted):
            if query != "limit=2&sort=name":
                before = ask.clock.looks
                assert await other(query) is await other(query)
                assert ask.clock.looks == before + 1
    before = ask.clock.looks
    assert (await ask("")) is running.service.present.require().models.body
    assert ask.clock.looks == before


async def test_what_changes_as_time_goes_by_is_not_kept(
    running: Running, own_client: Client
) -> None:
    ask = Asking(running, 2**20)

    for query in ("createdAfter=30d", "seenAfter=1h&limit=3"):
        for _ in range(3):
            before = ask.clock.looks
            await ask(query)
            assert ask.clock.looks > before
    await ask.picked("createdAfter=30d")
    await ask.counted("createdAfter=30d")

    assert ask.answers.size_bytes == 0


async def test_any_number_of_questions_stays_in_its_room(
    running: Running, own_client: Client
) -> None:
    ask = Asking(running, 128 * 1024)
    largest = 0

    for number in range(40):
        for form in Form:
            await ask(f"limit={number % 46 + 1}&minContext={number}", form)
        await ask.picked(f"minContext={number}")
        assert ask.answers.size_bytes <= 128 * 1024
        largest = max(largest, ask.answers.size_bytes)

    assert largest > 64 * 1024
    assert len(await ask("minContext=0")) > 32_000
    assert ask.answers.size_bytes <= 128 * 1024


async def test_an_answer_that_alone_would_fill_the_room_is_not_kept(
    running: Running, own_client: Client
) -> None:
    ask = Asking(running, 32 * 1024)

    small = await ask("limit=1")
    large = await ask("minContext=0")

    assert await ask("limit=1") is small
    assert await ask("minContext=0") == large
    assert ask.answers.size_bytes == size_bytes(Document(small))


@asynccontextmanager
async def serving_many(
    settings: Settings, gateway: ReplayGateway, count: int
) -> AsyncIterator[Running]:
    gateway.serve(
        json.dumps(
            {
                "data": [
                    {"id": f"a/{number:04}", "context_length": number + 1}
                    for number in range(count)
                ]
            }
        ).encode()
    )
    async with running_service(settings) as running:
        await running.service.refresher.run()
        yield running


async def test_a_large_catalog_is_asked_in_the_same_words(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with serving_many(settings, gateway, 1_100) as running:
        client = running.client
        for path in FORMS:
            target = f"{path}?author=a&minContext=101&sort=-id&limit=1000"
            first = await client.get(target)
            again = await client.get(target)
            assert first.body == again.body
            assert (
                refs(first) == [f"kilocode/a/{number:04}" for number in range(1099, 99, -1)][:1000]
            )
        assert (await client.json("/catalog/facets?author=a&minContext=101"))["total"] == 1_000
        assert refused(await client.get(f"{LIST}?tools=ture"))["nearest"] == ["true"]
        cursor = (await client.json(f"{LIST}?limit=1"))["next"].partition("cursor=")[2]
        assert refused(await client.get(f"{LIST}?cursor={cursor[:-2]}"))
        assert refs(await client.get(f"{LIST}?q=0042&seenAfter=1d")) == ["kilocode/a/0042"]
