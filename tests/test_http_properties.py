"""Whatever is asked, the answer is never a 5xx, and every refusal has a declared shape."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import fixtures
from fixtures.replay import ReplayGateway
from service.api.questions import LIST
from service.config import Settings
from service.query.pick import PICK
from service.query.question import NEEDS
from tests.support import Answer, Running, running_service

PATHS: Final = (
    "/",
    "/catalog/models",
    "/catalog/models/kilo/auto",
    "/catalog/models.csv",
    "/catalog/models.ndjson",
    "/catalog/facets",
    "/catalog/pick",
    "/catalog/status",
    "/v1/models",
    "/v1/models/kilo/auto",
    "/healthz",
    "/readyz",
    "/metrics",
)
HEADERS: Final = (
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "If-None-Match",
    "If-Modified-Since",
    "If-Match",
    "If-Range",
    "Range",
    "Origin",
    "Cookie",
    "Content-Type",
    "X-Forwarded-Host",
    "Last-Event-ID",
)
PIECES: Final = (
    *(
        "W/",
        '"',
        "*",
        ",",
        ";",
        "=",
        "q=",
        "0.5",
        "-1",
        " ",
        "\t",
        "gzip",
        "br",
        "zstd",
        "identity",
    ),
    *("Mon, 01 Jan 2026 00:00:00 GMT", "99999999999", "bytes=", "version=", "text/plain"),
    *("application/openmetrics-text", "Bearer", "escaping="),
)
LIMITS: Final = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Ask = Callable[[bytes], Answer]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Ask a running service, a connection a request. Hypothesis calls no coroutines."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        running = runner.run(stack.enter_async_context(_scene(tmp_path)))
        port = int(running.client.url.rpartition(":")[2])
        try:
            yield lambda request: runner.run(_ask(port, request))
        finally:
            runner.run(stack.aclose())


@asynccontextmanager
async def _scene(folder: Path) -> AsyncIterator[Running]:
    async with ReplayGateway(fixtures.path("kilo-2026-10-01.json")) as gateway:
        chosen = Settings.load(
            {"gateway_url": gateway.url, "database_url": f"sqlite:///{folder / 'catalog.db'}"}
        )
        async with running_service(chosen) as running:
            await running.service.refresher.run()
            yield running


async def _ask(port: int, request: bytes) -> Answer:
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


def request(target: bytes, *headers: tuple[str, bytes]) -> bytes:
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: x", b"Connection: close"]
    lines += [name.encode() + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def assert_well_answered(answer: Answer, path: str) -> None:
    """A document, or a refusal of the shape that is declared for the path or what is below it."""
    assert answer.status < 500, answer
    if answer.status in {200, 303, 304}:
        return
    if path == "/" and answer.headers["Content-Type"] == "text/html; charset=utf-8":
        assert answer.body.startswith(b"<!doctype html>")  # a page says it to a person
        return
    body = json.loads(answer.body)
    if path.startswith("/v1/"):
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert body.keys() == {"error"}
        assert body["error"].keys() == {"message", "type", "param", "code"}
    else:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert body.keys() >= {"type", "title", "status", "detail"}
        assert body["status"] == answer.status


@LIMITS
@given(
    path=st.sampled_from(PATHS),
    rest=st.text(max_size=60),
    safe=st.sampled_from(["", "/", "/:~.@!$&'()*+,;="]),
)
@example(path="/v1/models", rest="/\0", safe="/")
@example(path="/v1/", rest="\n", safe="/")
@example(path="/catalog/models", rest="/..", safe="/")
@example(path="/catalog/models", rest="/" + "\N{FOX FACE}" * 400, safe="/")
def test_any_path_is_well_answered(ask: Ask, path: str, rest: str, safe: str) -> None:
    text = rest.encode("utf-8", "surrogatepass")

    answer = ask(request((path + quote(text, safe=safe)).encode()))

    assert_well_answered(answer, path)


@LIMITS
@given(
    path=st.sampled_from(PATHS),
    parameters=st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5),
)
@example(path="/catalog/models", parameters=[("\ud800", "")])
@example(path="/catalog/status", parameters=[("", "")])
@example(path="/catalog/models", parameters=[("accept", "held"), ("accept", "held")])
def test_any_query_is_well_answered(ask: Ask, path: str, parameters: list[tuple[str, str]]) -> None:
    query = "&".join(
        "=".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in pair)
        for pair in parameters
    )

    answer = ask(request(f"{path}?{query}".encode()))

    assert_well_answered(answer, path)
    if path.startswith("/v1/"):
        assert answer.status == 200


QUESTIONS: Final = {
    "/catalog/models": LIST,
    "/catalog/models.csv": LIST,
    "/catalog/models.ndjson": LIST,
    "/catalog/facets": NEEDS,
    "/catalog/pick": PICK,
}
# Some of it is nearly what some parameter takes.
ASKED: Final = st.lists(
    st.sampled_from(
        [
            *("0", "1", "9" * 40, ".", ",", "-", "+", "e3", "k", "m", "1.5m", "30d", "T", "Z", ":"),
            *("2026-01-01", "true", "unknown", "fixed", "text", "kilo/auto", "*", "id", "cost"),
            *(
                "-cost.input",
                "cheapest",
                "WyJhIl0",
                "\0",
                "\n",
                "\x7f",
                "\u0663",
                "\uff11",
                "\ud800",
            ),
            *(" ", "%", "&", "=", "+", "\u202e", "\N{FOX FACE}"),
        ]
    )
    | st.text(max_size=4),
    max_size=4,
).map("".join)


@LIMITS
@given(
    path=st.sampled_from(list(QUESTIONS)),
    asked=st.lists(st.tuples(st.integers(0, 99), ASKED), min_size=1, max_size=4),
)
@example(path="/catalog/pick", asked=[(33, "9" * 15 + "m"), (0, "\ud800")])
def test_any_value_of_any_parameter_is_well_answered(
    ask: Ask, path: str, asked: list[tuple[int, str]]
) -> None:
    known = QUESTIONS[path]
    pairs = [(known[number % len(known)].name, text) for number, text in asked]
    query = "&".join(
        f"{name}={quote(text.encode('utf-8', 'surrogatepass'), safe='')}" for name, text in pairs
    )

    answer = ask(request(f"{path}?{query}".encode()))

    assert_well_answered(answer, path)
    assert answer.status in {200, 400}
    if answer.status == 400:
        assert json.loads(answer.body)["parameter"] in dict(pairs)


# What may stand in a header: any byte but controls; some of it looks like something.
VALUES: Final = st.lists(
    st.sampled_from([piece.encode() for piece in PIECES])
    | st.binary(max_size=8).map(lambda raw: bytes(b for b in raw if b >= 0x20 and b != 0x7F)),
    max_size=12,
).map(b"".join)


@LIMITS
@given(
    path=st.sampled_from(PATHS),
    headers=st.dictionaries(st.sampled_from(HEADERS), VALUES, min_size=1, max_size=4),
)
@example(
    path="/catalog/models",
    headers={"If-Modified-Since": b"Mon, 01 Jan 99999999999 00:00:00 GMT"},
)
@example(path="/metrics", headers={"Accept": b"application/openmetrics-text;version=junk"})
def test_any_headers_are_well_answered(ask: Ask, path: str, headers: dict[str, bytes]) -> None:
    answer = ask(request(path.encode(), *headers.items()))

    assert answer.status in {200, 304}, answer


@LIMITS
@given(
    target=st.binary(min_size=1, max_size=40).map(
        lambda raw: bytes(b for b in raw if b not in b" \r\n")
    ),
    path=st.sampled_from(PATHS),
)
def test_any_bytes_for_a_target_are_answered_by_the_service_or_refused_by_the_server(
    ask: Ask, target: bytes, path: str
) -> None:
    answer = ask(request(path.encode() + target))

    assert b"Traceback" not in answer.body
    if answer.headers["Content-Type"].startswith("text/plain") and path != "/metrics":
        assert answer.status == 400  # not HTTP: it never reached a route
    elif answer.status != 400 or path != "/metrics":
        assert_well_answered(answer, path)
