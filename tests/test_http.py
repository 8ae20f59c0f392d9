"""Every route over real HTTP: what is answered, under which headers, and how it is refused."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import brotli
import pytest
import zstandard
from aiohttp import web
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

import fixtures
from fixtures.replay import Fault, ReplayGateway
from service.api.route import plain
from service.config import Settings
from service.dialects import DIALECTS
from service.pages import site
from service.present import Present
from service.snapshot import Snapshot
from tests.support import Answer, Client, Clock, Running, client_of, running_service

LIST: Final = "/catalog/models"
PRESENT: Final = (LIST, f"{LIST}/kilo/auto", "/v1/models", "/v1/models/kilo/auto")
KNOWN_ID: Final = "halcyon-row/kingfisher-3:thinking"
OPENAI_PATHS: Final = ("/v1/", "/api/v1/", "/api/gateway/", "/api/openrouter/")
ADMIN: Final = {"Authorization": "Bearer let-me-in"}
KEYS: Final = """
    ref source id name author description badges input output reasoning reasoningEfforts tools
    structuredOutput contextWindow servedContextWindow maxTokens cost pricing free
    supportedParameters tokenizer moderated mayTrainOnPrompts huggingFaceId family created
    knowledgeCutoff expiresAt status missingSince removedAt origin default preferredIndex
    firstSeen updatedAt revision
"""
PRICES: Final = "input output cacheRead cacheWrite reasoning image request webSearch"
DECODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "identity": lambda body: body,
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


@pytest.fixture
async def hostile(running: Running, gateway: ReplayGateway) -> Client:
    """A client of the service that knows the hostile list."""
    gateway.serve(fixtures.path("hostile-2026-10-01.json"))
    await running.service.refresher.run()
    return running.client


@asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[Client]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with client_of(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.fixture
async def unpublished(running: Running) -> AsyncIterator[Client]:
    """A client of a service that has nothing to serve yet."""
    starting = replace(running.service, present=Present(stale_after_seconds=60))
    async with serving(starting.application()) as client:
        yield client


async def spoken(client: Client, head: bytes, body: bytes = b"") -> Answer:
    """What a request gets that no well-behaved client would send. `head` lacks its end."""
    url = URL(client.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(head + b"\r\nConnection: close\r\n\r\n" + body)
        answer = await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    top, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split(" ")[1]), headers, rest)


def listing(*ids: str) -> bytes:
    """A gateway's list of such models."""
    return json.dumps({"data": [{"id": id_, "context_length": 1000} for id_ in ids]}).encode()


def resources(running: Running, method: str) -> list[str]:
    """The paths that are declared for a method, with patterns where there are any."""
    routes = running.service.application().router.routes()
    return [
        route.resource.canonical for route in routes if route.method == method and route.resource
    ]


def filled(pattern: str, model_id: str = "kilo/auto") -> str:
    """A path of that pattern."""
    author, _, slug = model_id.partition("/")
    values = {"id": model_id, "author": author, "slug": slug, "provider": "openrouter"}
    return pattern.format_map(
        values | {"file": site.assets()["site.css"].address, "chart": "prices.json"}
    )


REFRESH: Final = "/catalog/refresh"
NEEDED: Final = {"/catalog/diff": "?from=1"}
"""What some paths cannot be asked without."""


def ending(running: Running) -> list[str]:
    """The paths whose answers end: the stream of changes has tests of its own."""
    return [path for path in resources(running, "GET") if path != "/catalog/changes/stream"]


def assert_shaped(answer: Answer, path: str, status: int) -> Any:
    """The one shape of an error on that side of the house; returns its body."""
    assert answer.status == status, (path, answer)
    body = answer.json()
    if path.startswith(OPENAI_PATHS):
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert body.keys() == {"error"}
        assert body["error"].keys() == {"message", "type", "param", "code"}
        assert body["error"]["message"]
        assert body["error"]["type"] == (
            "invalid_request_error" if status < 500 else "server_error"
        )
    else:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert body.keys() >= {"type", "title", "status", "detail"}
        assert (body["status"], body["title"]) == (status, HTTPStatus(status).phrase)
        assert body["detail"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"Traceback" not in answer.body
    return body


# ── the present ───────────────────────────────────────────────────────────────────────────────


async def test_the_list_is_an_envelope_around_rows_that_have_every_key(client: Client) -> None:
    answer = await client.get(LIST)

    body = answer.json()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert list(body) == ["revision", "updatedAt", "total", "next", "data"]
    assert (body["revision"], body["total"], body["next"]) == (2, 47, None)
    assert len(body["data"]) == 47
    for model in body["data"]:
        assert list(model) == KEYS.split()
        assert list(model["cost"]) == PRICES.split()


async def test_a_model_on_its_own_is_its_row_of_the_list(client: Client) -> None:
    rows = (await client.json(LIST))["data"]

    for row in rows:
        assert await client.json(f"{LIST}/{row['id']}") == row
        assert await client.json(f"{LIST}/{row['ref']}") == row


async def test_head_has_the_headers_of_get_and_no_body(client: Client, october: Running) -> None:
    unknown = ["/nothing", f"{LIST}/nothing", "/v1/models/nothing", f"{LIST}?nothing=1"]
    for pattern in [*ending(october), *unknown]:
        path = filled(pattern) if "{" in pattern else pattern
        get, head = await client.get(path), await client.ask("HEAD", path)
        tells_ages = path in {"/metrics", "/status", "/catalog/status"}
        moving = {"Date"} | ({"Content-Length"} if tells_ages else set())
        assert head.status == get.status
        assert head.body == b""
        assert get.body
        assert {k: v for k, v in head.headers.items() if k not in moving} == {
            k: v for k, v in get.headers.items() if k not in moving
        }, path


async def test_the_openapi_document_names_every_path(client: Client, october: Running) -> None:
    told = (await client.json("/openapi.json"))["paths"]

    assert set(told) == {*resources(october, "GET"), *resources(october, "POST")}


async def test_an_id_and_a_ref_may_be_escaped_or_not(client: Client) -> None:
    for form in (
        "halcyon-row/kingfisher-3:thinking",
        "halcyon-row%2Fkingfisher-3:thinking",
        "halcyon-row%2fkingfisher-3%3athinking",
        "halcyon-row/kingfisher-3%3Athinking",
        "%68alcyon-row/kingfisher-3:thinking",
        "kilocode/halcyon-row/kingfisher-3:thinking",
        "kilocode%2Fhalcyon-row%2Fkingfisher-3%3Athinking",
    ):
        for base in (LIST, "/v1/models"):
            assert (await client.json(f"{base}/{form}"))["id"] == KNOWN_ID


async def test_every_odd_id_is_found_in_every_form(hostile: Client) -> None:
    rows = (await hostile.json(LIST))["data"]
    ids = {row["id"] for row in rows}
    assert ids >= {"..", "/", "//awful/host", "awful/?query=a&b=c", "awful/%2Fencoded", "awful/🦊"}

    for row in rows:
        for name in (row["id"], row["ref"]):
            for safe in ("", "/", "/:~.@!$&'()*+,;="):
                assert await hostile.json(f"{LIST}/{quote(name, safe=safe)}") == row, name


async def test_every_odd_id_is_found_by_clients_of_openai(hostile: Client) -> None:
    ids = [row["id"] for row in (await hostile.json("/v1/models"))["data"]]
    assert "awful/#fragment" in ids

    for id_ in ids:
        for safe in ("", "/"):
            assert (await hostile.json(f"/v1/models/{quote(id_, safe=safe)}"))["id"] == id_


async def test_an_id_is_unescaped_once(hostile: Client) -> None:
    for form in ("awful%252Fcase", "awful%25252Fcase", "fine%252ffirst"):
        assert_shaped(await hostile.get(f"{LIST}/{form}"), LIST, 404)


async def test_a_ref_wins_over_an_id_that_looks_like_it(
    running: Running, gateway: ReplayGateway
) -> None:
    gateway.serve(listing("kilocode/a", "a"))
    await running.service.refresher.run()

    ids = [
        (await running.client.json(f"{LIST}/{name}"))["id"]
        for name in ("a", "kilocode/a", "kilocode/kilocode/a")
    ]

    assert ids == ["a", "a", "kilocode/a"]


async def test_a_removed_model_is_out_of_the_lists_and_resolves_still(
    settings: Settings, gateway: ReplayGateway
) -> None:
    clock = Clock()
    async with running_service(settings, clock) as running:
        await running.service.refresher.run()
        gateway.serve(fixtures.path("kilo-2026-11-01.json"))
        await running.service.refresher.run()
        clock.advance(days=2)
        await running.service.refresher.run()

        client, gone = running.client, "gannet/plunge-1.5"
        model = await client.json(f"{LIST}/{gone}")
        assert (model["status"], model["removedAt"]) == ("removed", "2026-10-03T12:00:00Z")
        assert gone not in [row["id"] for row in (await client.json(LIST))["data"]]
        assert gone not in [row["id"] for row in (await client.json("/v1/models"))["data"]]
        assert_shaped(await client.get(f"/v1/models/{gone}"), "/v1/models/", 404)


async def test_an_unknown_id_is_answered_with_the_nearest(client: Client) -> None:
    native = assert_shaped(await client.get(f"{LIST}/orrery/meridian-5-fats"), LIST, 404)
    openai = assert_shaped(await client.get("/v1/models/orrery/meridian-5-fats"), "/v1/m", 404)

    assert native["nearest"][0] == "orrery/meridian-5-fast"
    assert native["parameter"] == "id"
    assert "did you mean orrery/meridian-5-fast" in native["detail"]
    assert openai["error"]["message"] == native["detail"]
    assert (openai["error"]["param"], openai["error"]["code"]) == ("model", "model_not_found")


# ── conditional requests ──────────────────────────────────────────────────────────────────────


def if_none_match(own: str, other: str) -> dict[str, list[str]]:
    """Header values by what they must get."""
    return {
        "304": [
            own,
            f"W/{own}",
            f'"x", {own}',
            f'{own},"x"',
            f'W/"x" ,\tW/{own}',
            "*",
            " * ",
            f'"a,b", {own}',
        ],
        "200": [
            "",
            '""',
            '"x"',
            other,
            f"W/{other}",
            own.strip('"'),
            own[:-1],
            own[1:],
            own.upper(),
            '"unterminated',
            ",,,",
            "w/",
            "é",
            '"' + "x" * 8000 + '"',
            '"x",' * 2000,
        ],
    }


@pytest.mark.parametrize("path", PRESENT)
async def test_a_tag_is_compared_as_rfc_9110_says(client: Client, path: str) -> None:
    own = (await client.get(path, accept_encoding="gzip")).headers["ETag"]
    other = (await client.get(path, accept_encoding="br")).headers["ETag"]
    assert own != other

    for status, values in if_none_match(own, other).items():
        for value in values:
            answer = await client.get(path, accept_encoding="gzip", if_none_match=value)
            assert answer.status == int(status), value
            assert bool(answer.body) is (status == "200")


async def test_a_tag_of_bytes_that_are_no_text_matches_nothing(client: Client) -> None:
    for value in (b'"\xff', b"\xed\xa0\x80", b'\x80"\x80"'):
        head = b"GET /catalog/models HTTP/1.1\r\nHost: x\r\nIf-None-Match: " + value
        assert (await spoken(client, head)).status == 200


async def test_a_date_counts_where_no_tag_is_sent(client: Client) -> None:
    last_modified = (await client.get(LIST)).headers["Last-Modified"]
    at = parsedate_to_datetime(last_modified)
    later = format_datetime(at + timedelta(days=1), usegmt=True)
    earlier = format_datetime(at - timedelta(seconds=1), usegmt=True)
    junk = [
        "",
        "junk",
        "0",
        "99999999999",
        at.isoformat(),
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "Mon, 01 Jan 2099 00:00:00 +99999999999999999999",
        "Mon, 99 Foo 2099 99:99:99 GMT",
        "é",
        "x" * 8000,
    ]

    for value, status in [(last_modified, 304), (later, 304), (earlier, 200)]:
        assert (await client.get(LIST, if_modified_since=value)).status == status, value
    for value in junk:
        assert (await client.get(LIST, if_modified_since=value)).status == 200, value
    both = await client.get(LIST, if_modified_since=later, if_none_match='"x"')
    assert both.status == 200


@pytest.mark.parametrize("path", PRESENT)
async def test_a_304_says_what_a_200_says_of_the_answer_and_has_no_body(
    client: Client, path: str
) -> None:
    full = await client.get(path, accept_encoding="br")

    bare = await client.get(path, accept_encoding="br", if_none_match=full.headers["ETag"])

    assert (bare.status, bare.body) == (304, b"")
    assert "Content-Type" not in bare.headers
    assert "Content-Encoding" not in bare.headers
    for name in (
        "ETag",
        "Last-Modified",
        "Cache-Control",
        "Vary",
        "Catalog-Revision",
        "Catalog-Checked",
        "Catalog-Stale",
        "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers",
    ):
        assert bare.headers[name] == full.headers[name]


async def test_what_is_posted_is_answered_anew_each_time(client: Client) -> None:
    body = b'{"model": "kilo/auto"}'
    head = b"POST /api/show HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nContent-Length: 22"

    answer = await spoken(client, head, body)

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


# ── representation ────────────────────────────────────────────────────────────────────────────


ACCEPTED: Final[list[tuple[str, str]]] = [
    ("", "identity"),
    ("gzip", "gzip"),
    ("br", "br"),
    ("zstd", "zstd"),
    ("GZip", "gzip"),
    ("x-gzip", "gzip"),
    ("gzip, deflate", "gzip"),
    ("gzip, deflate, br, zstd", "zstd"),
    ("br;q=0.1,gzip;q=0.9", "gzip"),
    ("br ; q=0.9 , gzip ; q=0.1", "br"),
    ("*", "zstd"),
    ("zstd;q=0, *", "br"),
    ("gzip;q=0", "identity"),
    ("*;q=0", "identity"),
    ("gzip;q=0.000", "identity"),
    ("identity;q=0", "identity"),
    ("identity;q=0, *;q=0", "identity"),
    ("identity;q=0, gzip;q=0.001", "gzip"),
    ("identity, gzip;q=0.5", "identity"),
    ("gzip;q=junk", "identity"),
    ("gzip;q=2", "identity"),
    ("gzip;q=-1", "identity"),
    ("deflate", "identity"),
    (",;=,,;q", "identity"),
    ("é", "identity"),
    ("gzip" * 2000, "identity"),
]
"""What is accepted, and what is sent."""


@pytest.mark.parametrize("path", PRESENT)
async def test_every_coding_is_the_same_bytes_under_a_tag_of_its_own(
    client: Client, path: str
) -> None:
    plain = await client.get(path)
    assert "Content-Encoding" not in plain.headers
    for accepted, coding in ACCEPTED:
        answer = await client.get(path, accept_encoding=accepted)

        assert answer.headers.get("Content-Encoding", "identity") == coding, accepted
        assert DECODERS[coding](answer.body) == plain.body
        assert (answer.headers["ETag"] == plain.headers["ETag"]) is (coding == "identity")
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert int(answer.headers["Content-Length"]) == len(answer.body)


async def test_every_document_and_coding_has_a_strong_tag_of_its_own(client: Client) -> None:
    tags = [
        (await client.get(path, accept_encoding=coding)).headers["ETag"]
        for path in PRESENT
        for coding in DECODERS
    ]

    assert len(set(tags)) == len(PRESENT) * len(DECODERS)
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


async def test_an_answer_tells_how_long_it_may_be_kept_and_of_what_revision_it_is(
    settings: Settings,
) -> None:
    async with running_service(settings, Clock()) as running:
        await running.service.refresher.run()

        for path in PRESENT:
            headers = (await running.client.get(path)).headers
            assert headers["Cache-Control"] == (
                "public, max-age=60, stale-while-revalidate=900, stale-if-error=86400"
            )
            assert headers["Last-Modified"] == "Thu, 01 Oct 2026 12:00:00 GMT"
            assert headers["Catalog-Revision"] == "2"
            assert headers["Catalog-Checked"] == "2026-10-01T12:00:00Z"
            assert headers["Catalog-Stale"] == "false"


async def test_a_check_that_finds_nothing_new_moves_the_check_alone(
    settings: Settings,
) -> None:
    clock = Clock()
    async with running_service(settings, clock) as running:
        await running.service.refresher.run()
        before = await running.client.get(LIST)
        clock.advance(hours=1)
        await running.service.refresher.run()
        after = await running.client.get(LIST)

    assert after.body == before.body
    assert after.headers["Catalog-Checked"] == "2026-10-01T13:00:00Z"
    for name in ("ETag", "Last-Modified", "Catalog-Revision"):
        assert after.headers[name] == before.headers[name]


async def test_staleness_is_in_the_headers_and_never_in_the_body(running: Running) -> None:
    await running.service.refresher.run()
    seconds = [0.0]
    present = Present(stale_after_seconds=2700, now=lambda: seconds[0])
    present.publish(running.service.present.require())
    present.confirm(running.service.refresher.recent.last.at)  # type: ignore[union-attr]
    async with serving(replace(running.service, present=present).application()) as client:
        fresh = await client.get(LIST)
        seconds[0] = 2699.0
        nearly = await client.get(LIST)
        seconds[0] = 2700.0
        stale = await client.get(LIST)

        told = [answer.headers["Catalog-Stale"] for answer in (fresh, nearly, stale)]
        assert told == ["false", "false", "true"]
        assert (stale.body, stale.headers["ETag"]) == (fresh.body, fresh.headers["ETag"])
        not_modified = await client.get(LIST, if_none_match=fresh.headers["ETag"])
        assert (not_modified.status, not_modified.headers["Catalog-Stale"]) == (304, "true")


async def test_staleness_begins_where_the_setting_says(settings: Settings) -> None:
    soon = settings.model_copy(update={"stale_after": 1e-9})
    async with running_service(soon) as running:
        await running.service.refresher.run()

        assert (await running.client.get(LIST)).headers["Catalog-Stale"] == "true"


async def test_before_the_first_check_the_catalog_is_stale_and_unchecked(running: Running) -> None:
    headers = (await running.client.get(LIST)).headers

    assert headers["Catalog-Stale"] == "true"
    assert "Catalog-Checked" not in headers


async def test_rows_that_a_format_cannot_say_are_counted_in_a_header(hostile: Client) -> None:
    every = (await hostile.json(LIST))["total"]
    answer = await hostile.get("/v1/models")

    assert int(answer.headers["Catalog-Omitted"]) == every - answer.json()["total_count"] > 0
    assert "Catalog-Omitted" not in (await hostile.get(LIST)).headers


async def test_a_range_is_ignored(client: Client) -> None:
    whole = await client.get(LIST)
    for value in ("bytes=0-1", "bytes=-5", "bytes=9-1", "junk", "bytes=" + "0-0," * 500):
        answer = await client.get(LIST, range=value)
        assert (answer.status, answer.body) == (200, whole.body)
        assert "Content-Range" not in answer.headers


# ── browsers and other people's clients ───────────────────────────────────────────────────────


async def test_a_page_of_any_origin_may_read(client: Client) -> None:
    for path in (*PRESENT, "/", "/catalog/status", "/healthz", "/readyz", "/nothing"):
        answer = await client.get(path, origin="https://picker.example")
        assert answer.headers["Access-Control-Allow-Origin"] == "*", path


async def test_a_page_may_see_what_the_headers_tell(client: Client) -> None:
    exposed = (await client.get(LIST)).headers["Access-Control-Expose-Headers"].split(", ")

    assert {*exposed} >= {
        "ETag",
        "Last-Modified",
        "Catalog-Revision",
        "Catalog-Checked",
        "Catalog-Stale",
        "Catalog-Omitted",
    }


@pytest.mark.parametrize("path", PRESENT)
async def test_a_preflight_allows_the_headers_that_sdks_send(client: Client, path: str) -> None:
    answer = await client.ask(
        "OPTIONS",
        path,
        {
            "Origin": "https://picker.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,x-stainless-lang",
        },
    )

    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    assert {*allowed} >= {"*", "Authorization"}
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_a_foreign_authorization_is_ignored_by_reads(client: Client) -> None:
    for path in PRESENT:
        plain = await client.get(path)
        for value in ("Bearer sk-foreign", "Basic eDp5", "junk", "Bearer é", ""):
            answer = await client.get(path, authorization=value)
            assert (answer.status, answer.body) == (200, plain.body)


# ── query parameters ──────────────────────────────────────────────────────────────────────────


async def test_an_unknown_parameter_is_named(client: Client) -> None:
    for path in (LIST, f"{LIST}/kilo/auto", "/catalog/status"):
        for query in ("limt=5", "limt=5&limt=6", "limt", "%6Cimt=%zz"):
            problem = assert_shaped(await client.get(f"{path}?{query}"), path, 400)

            assert problem["parameter"] == "limt"
            assert "'limt'" in problem["detail"]


async def test_an_empty_query_is_none(client: Client) -> None:
    for query in ("", "&", "&&&"):
        assert (await client.get(f"{LIST}?{query}")).status == 200


async def test_a_misspelt_parameter_is_answered_with_the_nearest(client: Client) -> None:
    answer = await client.ask("POST", "/catalog/refresh?acept=held", ADMIN)

    problem = assert_shaped(answer, "/catalog/refresh", 400)
    assert problem["nearest"] == ["accept"]
    assert "did you mean accept?" in problem["detail"]


async def test_a_repeated_parameter_is_refused(own_client: Client, gateway: ReplayGateway) -> None:
    asked = len(gateway.requests)
    answer = await own_client.ask("POST", "/catalog/refresh?accept=held&accept=held", ADMIN)

    assert "more than once" in assert_shaped(answer, "/catalog/refresh", 400)["detail"]
    assert len(gateway.requests) == asked


async def test_a_dialect_ignores_parameters_it_does_not_know(client: Client) -> None:
    for path in ("/v1/models", "/v1/models/kilo/auto"):
        plain = await client.get(path)
        for query in ("lmit=9", "limt=9&limt=8", "q=%ff&q=x", "=", "a;b"):
            asked = await client.get(f"{path}?{query}")
            assert (asked.status, asked.body) == (200, plain.body), query


# ── what is refused ───────────────────────────────────────────────────────────────────────────


async def test_a_wrong_method_is_told_the_right_ones_on_every_route(
    client: Client, october: Running
) -> None:
    for pattern in resources(october, "GET"):
        path = filled(pattern)
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "LOCK"):
            answer = await client.ask(method, path)
            detail = str(assert_shaped(answer, path, 405))
            assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
            assert method in detail
    for path in resources(october, "POST"):
        for method in ("GET", "HEAD", "PUT", "DELETE", "TRACE"):
            answer = await client.ask(method, path, ADMIN)
            assert (answer.status, answer.headers["Allow"]) == (405, "OPTIONS, POST")


async def test_an_unknown_path_is_answered_with_the_nearest(client: Client) -> None:
    for path, nearest in (
        ("/catalog/model", LIST),
        ("/catalog/models/", LIST),
        ("/catalog/modles", LIST),
        ("/Catalog/Models", LIST),
        ("/catalog/statsu", "/catalog/status"),
        ("/metric", "/metrics"),
        ("/helthz", "/healthz"),
        ("/v1/model", "/v1/models"),
    ):
        assert nearest in str(assert_shaped(await client.get(path), path, 404))


async def test_a_path_like_no_other_is_told_where_the_list_of_paths_is(client: Client) -> None:
    problem = assert_shaped(await client.get("/%F0%9F%A6%8A" * 9), "/", 404)

    assert problem["nearest"] == []
    assert "/openapi.json lists the paths" in problem["detail"]


def get(target: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: x", *lines])


STRANGE: Final[list[tuple[bytes, int]]] = [
    (get(b"/%00"), 404),
    (get(b"/catalog/models/%00"), 404),
    (get(b"/v1/models/%00%0d%0aX:%20y"), 404),
    (get(b"/%0A"), 404),
    (get(b"/catalog/models/%0A"), 404),
    (get(b"//"), 404),
    (get(b"//catalog/models"), 404),
    (get(b"//evil.example/catalog/models"), 404),
    (get(b"http://evil.example/catalog/models"), 200),
    (get(b"http://evil.example/nothing"), 404),
    (get(b"http://[::1/catalog/models"), 400),
    (get(b"/catalog/../catalog/models"), 404),
    (get(b"/catalog/models?" + b"a=1&" * 1000), 400),
    (get(b"/catalog/models#fragment"), 200),
    (get(b"catalog/models"), 400),
    (get(b"*"), 400),
    (get(b"/\x00"), 400),
    (get(b"/catalog/models/\xff"), 400),
    (get(b"/catalog/models?\xff=1"), 400),
    (get(b"/" + b"x" * 9000), 400),
    (get(b"/catalog/models?" + b"x" * 9000), 400),
    (get(b"/catalog/models", b"X-Long: " + b"x" * 9000), 400),
    (get(b"/catalog/models", *(b"X-%d: 1" % n for n in range(200))), 400),
    (get(b"/catalog/models", b"no colon"), 400),
    (get(b"/catalog/models", b"Host: y"), 400),
    (get(b"/catalog/models", b"Transfer-Encoding: chunked", b"Content-Length: 1"), 400),
    (get(b"/catalog/models", b"Content-Length: -1"), 400),
    (b"GET /catalog/models HTTP/9.9\r\nHost: x", 400),
    (b"BREW /catalog/models HTTP/1.1\r\nHost: x", 400),
    (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x", 404),
    (b"OPTIONS * HTTP/1.1\r\nHost: x", 404),
    (b"\x16\x03\x01\x02\x00\x01", 400),
]
"""Requests, and the status that each must get."""


async def test_no_request_breaks_the_server(client: Client) -> None:
    for head, status in STRANGE:
        answer = await spoken(client, head)

        assert answer.status == status, (head, answer)
        if status == 404 and head.startswith(b"GET "):
            assert_shaped(answer, head.decode("latin-1").split(" ")[1], 404)
        assert b"Traceback" not in answer.body
        assert b"web_protocol" not in answer.body
        assert (await client.get("/healthz")).status == 200


# ── one shape for every error ─────────────────────────────────────────────────────────────────


class Broken(Present):
    """A present with a defect."""

    def require(self) -> Snapshot:
        raise RuntimeError("let-me-in")

    @property
    def is_stale(self) -> bool:
        raise RuntimeError("let-me-in")


async def test_every_error_of_every_route_has_the_shape_of_its_side(
    running: Running, unpublished: Client
) -> None:
    await running.service.refresher.run()
    client = running.client
    for pattern in ending(running):
        path = filled(pattern, "nothing/like-it")
        assert_shaped(await client.ask("DELETE", path), path, 405)
        if not pattern.startswith("/models/"):  # where a person is told by a page
            assert_shaped(await client.get(f"{path}/%20/nothing"), path, 404)
            if "{id}" in pattern or "{slug}" in pattern:
                assert_shaped(await client.get(path), path, 404)
        if pattern.startswith("/catalog/"):
            assert_shaped(await client.get(f"{path}?nothing=1"), path, 400)
        answer = await unpublished.get(path + NEEDED.get(path, ""))
        if answer.status != 200 and path != "/readyz":
            assert_shaped(answer, path, 503)
    for path in resources(running, "POST"):
        assert_shaped(await client.ask("DELETE", path), path, 405)
    assert_shaped(await client.ask("POST", REFRESH), REFRESH, 401)
    assert_shaped(await client.ask("POST", f"{REFRESH}?nothing=1", ADMIN), REFRESH, 400)
    assert_shaped(await client.ask("POST", "/api/show"), "/api/show", 400)


async def test_a_defect_is_a_500_of_the_same_shape_that_tells_nothing(running: Running) -> None:
    broken = replace(running.service, present=Broken(stale_after_seconds=1))
    async with serving(broken.application()) as client:
        statuses = set()
        for pattern in ending(running):
            path = filled(pattern)
            answer = await client.get(path + NEEDED.get(path, ""))
            statuses.add(answer.status)
            assert b"let-me-in" not in answer.body
            if answer.status != 200:
                assert_shaped(answer, path, 500)

    assert 500 in statuses


@pytest.mark.parametrize("path", PRESENT)
async def test_nothing_is_served_before_there_is_a_catalog(unpublished: Client, path: str) -> None:
    answer = await unpublished.get(path)

    assert_shaped(answer, path, 503)
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


# ── the operator ──────────────────────────────────────────────────────────────────────────────


async def test_refreshing_by_http_is_off_without_a_token(
    running: Running, settings: Settings, gateway: ReplayGateway
) -> None:
    tokenless = replace(running.service, settings=settings.model_copy(update={"admin_token": None}))
    async with serving(tokenless.application()) as client:
        for headers in ({}, ADMIN, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
            answer = await client.ask("POST", "/catalog/refresh", headers)
            problem = assert_shaped(answer, "/catalog/refresh", 403)
            assert "MODEL_CATALOG_ADMIN_TOKEN" in problem["detail"]

    assert gateway.requests == []


async def test_a_refresh_needs_the_token(running: Running, gateway: ReplayGateway) -> None:
    path = "/catalog/refresh"
    assert_shaped(await running.client.ask("POST", path), path, 401)
    for authorization in (
        "",
        "Bearer",
        "Bearer ",
        "let-me-in",
        "Basic let-me-in",
        "Bearer let-me-i",
        "Bearer let-me-inn",
        "Bearer LET-ME-IN",
        "Bearer lét-me-in",
        "Bearer 🦊",
        "Bearer let-me-in, Bearer let-me-in",
    ):
        answer = await running.client.ask("POST", path, {"Authorization": authorization})
        assert_shaped(answer, path, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")

    assert gateway.requests == []


async def test_a_token_of_bytes_that_are_no_text_is_wrong(running: Running) -> None:
    for token in (b"\xff", b"\xed\xa0\x80", b"let-me-in\xff"):
        head = b"POST /catalog/refresh HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token
        assert_shaped(await spoken(running.client, head), "/catalog/refresh", 401)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_refresh_tells_what_came_of_it(running: Running, scheme: str) -> None:
    answer = await running.client.ask(
        "POST", "/catalog/refresh", {"Authorization": f"{scheme} let-me-in"}
    )

    body = answer.json()
    assert answer.status == 200
    assert (body["outcome"], body["reason"], body["revision"]) == ("updated", "first", 2)
    assert answer.headers["Cache-Control"] == "no-store"
    assert not [name for name in answer.headers if name.startswith("Access-Control-")]
    assert (await running.client.json(LIST))["total"] == 47


async def test_no_page_of_another_origin_may_refresh(running: Running) -> None:
    answer = await running.client.ask(
        "OPTIONS",
        "/catalog/refresh",
        {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )

    assert answer.headers["Allow"] == "OPTIONS, POST"
    assert not [name for name in answer.headers if name.startswith("Access-Control-")]


async def test_only_a_held_list_can_be_accepted(running: Running, gateway: ReplayGateway) -> None:
    for value in ("", "all", "HELD", "%00", "x" * 1000):
        answer = await running.client.ask("POST", f"/catalog/refresh?accept={value}", ADMIN)

        problem = assert_shaped(answer, "/catalog/refresh", 400)
        assert (problem["parameter"], problem["nearest"]) == ("accept", ["held"])
    assert gateway.requests == []


async def test_a_held_list_is_applied_when_the_operator_accepts_it(
    own_client: Client, gateway: ReplayGateway
) -> None:
    gateway.serve(listing("kilo-auto/balanced", "vulpine/reynard"))

    held = (await own_client.ask("POST", "/catalog/refresh", ADMIN)).json()
    accepted = (await own_client.ask("POST", "/catalog/refresh?accept=held", ADMIN)).json()

    assert (held["outcome"], held["reason"]) == ("held", "shrink")
    assert (accepted["outcome"], accepted["revision"]) == ("updated", 3)


async def test_a_gateway_that_fails_is_a_502_that_tells_why(
    own_client: Client, gateway: ReplayGateway
) -> None:
    gateway.play(Fault.error(503))
    before = (await own_client.get(LIST)).body

    answer = await own_client.ask("POST", "/catalog/refresh", ADMIN)

    problem = assert_shaped(answer, "/catalog/refresh", 502)
    assert problem["refresh"]["outcome"] == "rejected"
    assert problem["refresh"]["reason"] == "server_error"
    assert problem["refresh"]["httpStatus"] == 503
    assert (await own_client.get(LIST)).body == before


async def test_a_gateway_that_asked_for_peace_is_left_in_peace(
    own_client: Client, gateway: ReplayGateway
) -> None:
    gateway.play(Fault.error(429, retry_after="600"))
    assert (await own_client.ask("POST", "/catalog/refresh", ADMIN)).status == 502
    asked = len(gateway.requests)

    answer = await own_client.ask("POST", "/catalog/refresh", ADMIN)

    assert_shaped(answer, "/catalog/refresh", 429)
    assert 0 < int(answer.headers["Retry-After"]) <= 600
    assert len(gateway.requests) == asked


# ── plumbing ──────────────────────────────────────────────────────────────────────────────────


async def test_status_tells_of_the_last_refresh_and_its_oddities(hostile: Client) -> None:
    answer = await hostile.get("/catalog/status")

    status, source = answer.json(), answer.json()["sources"][0]
    assert answer.headers["Cache-Control"] == "no-store"
    assert (status["stale"], status["revision"], status["storage"]["state"]) == (False, 2, "ok")
    assert status["models"]["total"] == 167
    assert source["lastRefresh"]["outcome"] == source["lastGoodRefresh"]["outcome"] == "updated"
    assert (source["lastList"]["rejected"], source["lastList"]["duplicates"]) == (14, 3)
    assert len(source["lastList"]["rejects"]) == 14


async def test_the_service_is_alive_and_ready_once_a_list_was_read(client: Client) -> None:
    checks = {"snapshot": "ok", "storage": "ok", "data": "ok"}

    assert await client.json("/healthz") == {"status": "ok"}
    assert await client.json("/readyz") == {"status": "ok", "checks": checks}


async def test_the_service_is_ready_and_degraded_on_the_fallback_alone(running: Running) -> None:
    body = await running.client.json("/readyz")

    assert (body["status"], body["checks"]["data"]) == ("degraded", "stale")


async def test_a_starting_service_is_alive_and_not_ready(unpublished: Client) -> None:
    ready = await unpublished.get("/readyz")

    assert (await unpublished.get("/healthz")).status == 200
    assert ready.status == 503
    assert ready.json()["status"] == "starting"


async def samples(client: Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = (await client.get("/metrics")).body.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"model_catalog_{name}", frozenset(labels.items())


async def test_requests_are_counted_by_declared_route_never_by_path(
    own_client: Client, running: Running
) -> None:
    for path in (LIST, LIST, f"{LIST}/kilo/auto", f"{LIST}/wanted-secretly", "/hidden-path"):
        await own_client.get(path)
    for method in ("PROPFIND", "LOCK"):
        await own_client.ask(method, LIST)

    found = await samples(own_client)

    requests = "http_requests_total"
    assert found[key(requests, route=LIST, method="GET", status="200")] == 2
    assert found[key(requests, route=f"{LIST}/{{id}}", method="GET", status="200")] == 1
    assert found[key(requests, route=f"{LIST}/{{id}}", method="GET", status="404")] == 1
    assert found[key(requests, route="(unmatched)", method="GET", status="404")] == 1
    assert found[key(requests, route="(unmatched)", method="(other)", status="405")] == 2
    assert found[key("http_request_duration_seconds_count", route=LIST)] == 2
    routes = {dict(labels)["route"] for _, labels in found if "route" in dict(labels)}
    declared = {*resources(running, "GET"), *resources(running, "POST"), "(unmatched)"}
    assert routes <= declared
    text = (await own_client.get("/metrics")).body
    assert b"secretly" not in text
    assert b"hidden" not in text
    assert b"PROPFIND" not in text


async def test_refreshes_models_rejects_and_ages_are_measured(
    hostile: Client, running: Running, gateway: ReplayGateway
) -> None:
    gateway.play(Fault.error(401))
    await running.service.refresher.run()
    rejects = running.service.refresher.listing
    assert rejects is not None

    found = await samples(hostile)

    source = {"source": "kilocode"}
    assert found[key("refresh_total", **source, outcome="updated", reason="first")] == 1
    assert found[key("refresh_total", **source, outcome="rejected", reason="auth")] == 1
    assert found[key("refresh_duration_seconds_count", **source)] == 2
    assert found[key("upstream_up", **source)] == 0
    assert found[key("models", **source, status="active", origin="discovered")] == 166
    assert found[key("models", **source, status="active", origin="fallback")] == 1
    assert found[key("revision")] == 2
    assert found[key("storage_up")] == 1
    assert found[key("data_age_seconds", **source)] >= 0
    rejected = [value for (name, _), value in found.items() if name.endswith("entry_rejects_total")]
    assert sum(rejected) == len(rejects.rejects) == 14
    bad = [value for (name, _), value in found.items() if name.endswith("bad_fields_total")]
    assert sum(bad) == sum(rejects.bad_fields.values()) > 0


async def test_an_unknown_age_is_no_number(running: Running) -> None:
    age = (await samples(running.client))[key("data_age_seconds", source="kilocode")]

    assert age != age  # noqa: PLR0124 — true of NaN alone


async def test_metrics_come_in_the_format_asked_for(client: Client) -> None:
    plain = await client.get("/metrics")
    openmetrics = await client.get("/metrics", accept="application/openmetrics-text;version=1.0.0")

    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text;")
    families = openmetrics_families(openmetrics.body.decode())  # type: ignore[no-untyped-call]
    assert list(families)


async def test_metrics_come_whatever_is_asked_for(client: Client) -> None:
    for accept in (
        b"application/openmetrics-text; version=junk",
        b"application/openmetrics-text; version=99.x; escaping=\xff",
        b"application/openmetrics-text; version=2.\xff",
        b"text/plain; version=\xff",
        b"text/plain; version=1.0.0; escaping=junk",
        b"text/plain; version=1.\xed\xa0\x80",
        b"," * 8000,
    ):
        answer = await spoken(client, get(b"/metrics", b"Accept: " + accept))

        assert answer.status == 200, accept
        assert b"model_catalog_revision 2.0" in answer.body


async def test_no_secret_is_in_any_answer(settings: Settings, gateway: ReplayGateway) -> None:
    secret = Settings.load({"KILOCODE_API_KEY": "sk-kept", "admin_token": "tok-kept"})
    secrets = {name: getattr(secret, name) for name in ("kilocode_api_key", "admin_token")}
    async with running_service(settings.model_copy(update=secrets)) as running:
        gateway.play(Fault.error(401))
        client, mine = running.client, {"Authorization": "Bearer tok-kept"}
        answers = [
            await client.ask("POST", "/catalog/refresh", mine),
            await client.ask("POST", "/catalog/refresh", mine),
            await client.ask("POST", "/catalog/refresh?accept=tok", mine),
            await client.ask("POST", "/catalog/refresh", {"Authorization": "Bearer sk-kept"}),
        ]
        for pattern in [*ending(running), "/nothing"]:
            path = pattern.replace("{id}", "nothing")
            answers += [await client.ask(method, path, mine) for method in ("GET", "PUT")]

    assert [answer.status for answer in answers[:4]] == [502, 200, 400, 401]
    assert [r.headers["Authorization"] for r in gateway.requests] == ["Bearer sk-kept"] * 2
    for answer in answers:
        told = answer.body + repr(dict(answer.headers)).encode()
        assert b"-kept" not in told


async def test_a_dialect_that_can_tell_of_no_model_is_no_empty_list(running: Running) -> None:
    """Before the first refresh there is the fallback, whose price nobody knows."""
    told = dict[str, int]()
    for dialect in DIALECTS:
        path = plain(dialect.endpoints[0].paths[0])
        answer = await running.client.get(path)
        told[dialect.name] = answer.status
        if answer.status == 503:
            assert_shaped(answer, path, 503)
            assert answer.headers["Retry-After"]

    untold = {name for name, status in told.items() if status == 503}
    assert untold == {"catwalk", "genai-prices", "litellm"}
    assert set(told.values()) == {200, 503}
