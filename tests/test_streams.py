"""Changes as server-sent events, as browsers and programs receive them."""

import asyncio
import json
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Final

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

import fixtures
from fixtures.replay import ReplayGateway
from service.api.streams import Streams
from service.config import Settings
from tests.stage import Json, Stage, all_of, entry, once, stage
from tests.support import Client, client_of, process

STREAM: Final = "/catalog/changes/stream"
CHANGES: Final = "/catalog/changes"
HOSTILE: Final = fixtures.path("hostile-2026-10-01.json")
PATIENCE_SECONDS: Final = 30
STOPS_WITHIN_SECONDS: Final = 5
BEAT_SECONDS: Final = 0.05


# ── a client ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Event:
    """As a browser would dispatch it."""

    name: str
    data: str
    id: str
    retry_ms: int | None

    def json(self) -> Json:
        body: Json = json.loads(self.data)
        return body


class Stream:
    """Reads events as https://html.spec.whatwg.org/multipage/server-sent-events.html says."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.headers = response.headers
        self.last_id = ""
        self.beats = 0
        self._content = response.content

    async def event(self) -> Event:
        """The next one. Raises EOFError at the end of the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (event := await self._block()) is None:
                pass
            return event

    async def changes(self, count: int) -> list[Json]:
        """The next ones, which are changes."""
        events = [await self.event() for _ in range(count)]
        assert {event.name for event in events} <= {"change"}
        return [event.json() for event in events]

    async def beat(self) -> None:
        """Wait for the next heartbeat, and for no event before it."""
        beats = self.beats
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.beats == beats:
                assert await self._block() is None

    async def end(self) -> list[Event]:
        """What is left of a stream that was ended."""
        events = []
        try:
            while True:
                events.append(await self.event())
        except EOFError:
            return events

    async def _block(self) -> Event | None:
        block = await self._content.readuntil(b"\n\n")
        if not block.endswith(b"\n\n"):
            assert block == b"", "cut within an event"
            raise EOFError
        name, data, retry_ms = "message", list[str](), None
        for line in re.split("\r\n|\r|\n", block.decode().removesuffix("\n\n")):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match field:
                case "":
                    self.beats += 1
                case "event":
                    name = value
                case "data":
                    data.append(value)
                case "id":
                    self.last_id = value
                case "retry":
                    retry_ms = int(value)
                case _:
                    pytest.fail(f"no such field: {line!r}")
        return Event(name, "\n".join(data), self.last_id, retry_ms) if data else None


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as made:
        yield made


class Opener:
    """Opens streams of one server; they are cut when it is left."""

    def __init__(self, session: aiohttp.ClientSession, url: str, stack: AsyncExitStack) -> None:
        self._session = session
        self._url = url
        self._stack = stack

    async def respond(self, query: str = "", seen: str | None = None) -> aiohttp.ClientResponse:
        headers = {} if seen is None else {"Last-Event-ID": seen}
        url = URL(self._url + STREAM + query, encoded=True)
        response = await self._session.get(url, headers=headers)
        self._stack.callback(response.close)
        return response

    async def open(self, query: str = "", seen: str | None = None) -> Stream:
        """A stream; `seen` is what the client saw last."""
        response = await self.respond(query, seen)
        assert response.status == 200, await response.text()
        return Stream(response)

    async def ready(self, query: str = "", seen: str | None = None) -> Stream:
        """The same, after its first event, which is that it is ready."""
        stream = await self.open(query, seen)
        assert (await stream.event()).name == "ready"
        return stream


@asynccontextmanager
async def opening(session: aiohttp.ClientSession, url: str) -> AsyncIterator[Opener]:
    async with AsyncExitStack() as stack:
        yield Opener(session, url, stack)


# ── a server ──────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def serving(
    scene: Stage,
    *,
    limit: int = 500,
    heartbeat_seconds: float = 60,
    send_seconds: float = 10,
    backlog: int = 2_000,
    send_buffer_bytes: int | None = None,
) -> AsyncIterator[Client]:
    """The service of that stage once more, with streams as a test needs them."""
    service = scene.running.service
    streams = Streams(
        service.history,
        service.present,
        limit=limit,
        heartbeat_seconds=heartbeat_seconds,
        send_seconds=send_seconds,
        backlog=backlog,
    )
    api = replace(service.api(), streams=streams)
    service.metrics.watch_streams(lambda: streams.open)
    async with listening(api.application(), send_buffer_bytes) as url, client_of(url) as client:
        yield client


@asynccontextmanager
async def listening(
    application: web.Application, send_buffer_bytes: int | None
) -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        if send_buffer_bytes is not None:  # connections inherit it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        try:
            await web.SockSite(runner, listener).start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await runner.cleanup()


async def open_streams(client: Client) -> int:
    """How many are open, as Prometheus is told."""
    text = (await client.get("/metrics")).body.decode()
    [count] = re.findall(r"^model_catalog_streams (\d+)\.0$", text, re.MULTILINE)
    return int(count)


async def opened_streams(client: Client) -> int:
    """How many were opened since the start, whatever became of them."""
    text = (await client.get("/metrics")).body.decode()
    labels = f'method="GET",route="{STREAM}",status="200"'
    [count] = re.findall(
        f"^model_catalog_http_requests_total{{{labels}}} (.+)$", text, re.MULTILINE
    )
    return int(float(count))


# ── a past ────────────────────────────────────────────────────────────────────────────────────

SAME: Final = ("b/same", "b/other", "b/third")


def priced(price: float, *ids: str) -> list[Json]:
    """A list in which these cost so much, and the others what they did in the end."""
    prices = {"a/one": 3.0, "a/two": 3.0} | dict.fromkeys(SAME, 1.0) | dict.fromkeys(ids, price)
    return [entry(id_, usd) for id_, usd in prices.items()]


async def tell_three(empty: Stage) -> None:
    """Revision 2 adds five models, 3 and 4 change the price of two."""
    for price in (1, 2, 3):
        await empty.tell(*priced(price, "a/one", "a/two"))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where databases are kept that several tests begin with."""
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
async def scene(settings: Settings, gateway: ReplayGateway, shelf: Path) -> AsyncIterator[Stage]:
    await once(shelf / "three.db", tell_three, settings, gateway)
    async with stage(settings, gateway) as made:
        made.clock.advance(hours=3)
        yield made


@pytest.fixture
async def streams(scene: Stage, session: aiohttp.ClientSession) -> AsyncIterator[Opener]:
    """Opens streams of the service as it is made."""
    async with opening(session, scene.client.url) as made:
        yield made


# ── what is sent ──────────────────────────────────────────────────────────────────────────────


async def test_a_stream_says_first_where_it_begins(streams: Opener) -> None:
    stream = await streams.open()

    assert await stream.event() == Event("ready", '{"revision":4}', "4", 5000)
    assert stream.headers["Content-Type"] == "text/event-stream"
    assert stream.headers["Cache-Control"] == "no-cache"
    assert stream.headers["Access-Control-Allow-Origin"] == "*"
    assert stream.headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in stream.headers


async def test_changes_are_sent_as_they_are_made_and_as_the_log_has_them(
    scene: Stage, streams: Opener
) -> None:
    stream = await streams.ready()
    for price in (4, 5):
        revision = await scene.tell(*priced(price, "a/one", "a/two"))

        events = [await stream.event(), await stream.event()]

        logged = await all_of(scene.client, f"{CHANGES}?since={revision - 1}")
        assert [event.json() for event in events] == logged
        assert {event.name for event in events} == {"change"}
        assert {event.retry_ms for event in events} == {None}


async def test_an_id_is_a_place_in_the_log(scene: Stage, streams: Opener) -> None:
    whole = await all_of(scene.client, CHANGES)
    stream = await streams.ready("?since=0")

    for place in range(1, len(whole) + 1):
        event = await stream.event()
        assert event.id.startswith(f"{event.json()['revision']}.")
        assert await all_of(scene.client, f"{CHANGES}?since={event.id}") == whole[place:]


async def test_a_stream_sends_what_it_is_asked_for(scene: Stage, streams: Opener) -> None:
    queries = ("kind=added", "field=price&kind=changed", "model=*/one,b/*", "model=kilocode/a/*")
    opened = {query: await streams.ready(f"?since=0&{query}") for query in queries}
    nothing = await streams.ready("?kind=removed,returned&model=a/one")

    await scene.tell(*priced(9, "a/one", "a/two"), entry("a/new"))
    await scene.tell(*priced(9, "a/one", "a/two"), entry("a/new"), entry("b/new"))

    for query, stream in opened.items():
        logged = await all_of(scene.client, f"{CHANGES}?{query}")
        assert await stream.changes(len(logged)) == logged
    assert nothing.last_id == "4"


SINCE: Final = {
    "0": 0,
    "1": 1,
    "2": 2,
    "4": 4,
    "1999-12-31": 0,
    "2026-10-01": 0,
    "2026-10-01T14:30:00+02:00": 1,
    "2026-10-01T13:00:00Z": 1,
    "2099-01-01": 4,
    "90m": 2,
    "0s": 3,
    "7d": 0,
}
"""Places to begin at, when it is 15:00, and the revision that they come to: the first four were
made at 12:00, 13:00, 14:00 and 15:00."""


async def test_a_stream_begins_where_it_is_asked_to(scene: Stage, streams: Opener) -> None:
    opened = {since: await streams.ready(f"?since={since}") for since in SINCE}

    await scene.tell(*priced(9, "a/one"))

    for since, stream in opened.items():
        logged = await all_of(scene.client, f"{CHANGES}?since={SINCE[since]}")
        assert await stream.changes(len(logged)) == logged, since


# ── cut and resumed ───────────────────────────────────────────────────────────────────────────


async def test_cut_fifty_times_while_there_is_writing_a_client_gets_each_change_once(
    scene: Stage, session: aiohttp.ClientSession
) -> None:
    received: list[Json] = []

    async def receive() -> int:
        """Comes back as often as it is cut, with the id of what it saw last."""
        seen, cuts = "0", 0
        while True:
            async with opening(session, scene.client.url) as streams:
                stream = await streams.ready(seen=seen)
                assert stream.last_id == seen
                for _ in range(1 + cuts % 5):
                    received.append((await stream.event()).json())
                    if received[-1]["id"] == "z/last":
                        return cuts
                seen, cuts = stream.last_id, cuts + 1

    async with asyncio.TaskGroup() as tasks:
        receiver = tasks.create_task(receive())
        for price in range(4, 64):
            await scene.tell(*priced(price, "a/one", "a/two", "a/three"))
        await scene.tell(*priced(63, "a/one", "a/two", "a/three"), entry("z/last"))
        cuts = await receiver

    assert received == await all_of(scene.client, f"{CHANGES}?limit=1000")
    assert cuts > 50


async def test_what_a_client_saw_last_counts_more_than_what_its_address_says(
    scene: Stage, streams: Opener
) -> None:
    stream = await streams.ready("?since=0", seen="3")

    assert await stream.changes(2) == await all_of(scene.client, f"{CHANGES}?since=3")


async def test_a_client_that_is_cut_before_any_change_resumes_where_it_began(
    scene: Stage, streams: Opener
) -> None:
    idle = await streams.ready()
    await scene.tell(*priced(9, "a/one"))

    again = await streams.ready(seen=idle.last_id)

    assert await again.changes(1) == await all_of(scene.client, f"{CHANGES}?since=4")


UNKNOWN: Final = (
    *("x", "-1", "5", "4.", ".4", "4.999999", "3.1", "0.1", "4.1.1", " ", "4;", "1e1", "null"),
    *("999999999999999999", "9" * 30, "999999999999999999.999999999999999999", "x" * 4_000),
    *("\N{ARABIC-INDIC DIGIT FOUR}", "4\N{FOX FACE}", "'; DROP TABLE versions --"),
)


async def test_a_client_whose_place_is_unknown_is_told_so_and_gets_what_comes(
    scene: Stage, streams: Opener
) -> None:
    opened = [await streams.open(seen=seen) for seen in UNKNOWN]
    for stream in opened:
        assert await stream.event() == Event("resync", '{"revision":4}', "4", 5000)

    await scene.tell(*priced(9, "a/one"))

    expected = await all_of(scene.client, f"{CHANGES}?since=4")
    for stream in opened:
        assert await stream.changes(1) == expected


async def test_a_place_within_a_revision_is_resumed_from(scene: Stage, streams: Opener) -> None:
    whole = await all_of(scene.client, CHANGES)
    first = await streams.ready("?since=0")
    places = [(await first.event()).id for _ in whole]

    for number, place in enumerate(places, start=1):
        again = await streams.ready(seen=place)
        assert await again.changes(len(whole) - number) == whole[number:]


# ── many, slow and gone ───────────────────────────────────────────────────────────────────────


async def test_a_quiet_stream_is_kept_alive_by_heartbeats(
    scene: Stage, session: aiohttp.ClientSession
) -> None:
    async with (
        serving(scene, heartbeat_seconds=BEAT_SECONDS) as client,
        opening(session, client.url) as streams,
    ):
        stream = await streams.ready()
        for _ in range(3):
            await stream.beat()
        await scene.tell(*priced(9, "a/one"))
        [change] = await stream.changes(1)
        place = stream.last_id
        await stream.beat()

    assert change["id"] == "a/one"
    assert stream.last_id == place != "4"


async def test_more_streams_than_may_be_are_refused_until_one_is_gone(
    scene: Stage, session: aiohttp.ClientSession
) -> None:
    async with (
        serving(scene, limit=2, heartbeat_seconds=BEAT_SECONDS) as client,
        opening(session, client.url) as streams,
    ):
        stays = await streams.ready()
        goes = await streams.respond()
        assert await open_streams(client) == 2
        for method in ("GET", "HEAD"):
            refused = await client.ask(method, STREAM)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
            assert refused.headers["Content-Type"] == "application/problem+json"
        assert "2 streams are open" in (await client.get(STREAM)).json()["detail"]
        assert (await client.get("/catalog/models")).status == 200

        goes.close()
        while await open_streams(client) == 2:
            await stays.beat()
        comes = await streams.ready()
        assert await open_streams(client) == 2
        await scene.tell(*priced(9, "a/one"))
        assert await stays.changes(1) == await comes.changes(1)


async def test_two_hundred_streams_get_a_change_each_while_the_present_is_read(
    scene: Stage, streams: Opener
) -> None:
    opened = await asyncio.gather(*(streams.ready() for _ in range(200)))
    assert await open_streams(scene.client) == 200

    for price in (8, 9):
        asked = asyncio.gather(*(scene.client.get("/catalog/models") for _ in range(20)))
        revision = await scene.tell(*priced(price, "a/one"))
        [change] = await all_of(scene.client, f"{CHANGES}?since={revision - 1}")
        received = await asyncio.gather(*(stream.changes(1) for stream in opened))
        assert received == [[change]] * 200
        assert {answer.status for answer in await asked} == {200}


async def test_a_client_that_takes_nothing_is_dropped_and_keeps_nobody_waiting(
    settings: Settings, gateway: ReplayGateway, session: aiohttp.ClientSession
) -> None:
    many = [entry(f"m/{n}", description="x" * 500) for n in range(300)]
    async with (
        stage(settings, gateway) as scene,
        serving(
            scene, heartbeat_seconds=BEAT_SECONDS, send_seconds=0.5, send_buffer_bytes=4096
        ) as client,
        opening(session, client.url) as streams,
    ):
        await scene.tell(*many)
        takes = await streams.ready()
        with closing(deaf(client.url)):
            while await opened_streams(client) < 2:
                await takes.beat()
            await scene.tell(*many, entry("z/new"))
            [change] = await takes.changes(1)
            while await open_streams(client) > 1:
                await takes.beat()
        assert change["id"] == "z/new"


def deaf(url: str) -> socket.socket:
    """A client that asks for all there was and reads nothing of it."""
    address = URL(url)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect((address.host, address.port))
    made.sendall(f"GET {STREAM}?since=0 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return made


async def test_who_is_far_behind_is_read_to_from_the_database(
    scene: Stage, session: aiohttp.ClientSession
) -> None:
    async with (
        serving(scene, backlog=3) as client,
        opening(session, client.url) as streams,
    ):
        live, late = await streams.ready(), await streams.ready("?since=0")
        filtered = await streams.ready("?since=0&model=a/one")
        for price in range(5, 12):
            await scene.tell(*priced(price, "a/one", "a/two", "a/three", "a/four", "a/five"))
        later = await streams.ready("?since=1")
        whole = await all_of(scene.client, f"{CHANGES}?limit=1000")

        assert len(whole) > 40
        assert await live.changes(len([one for one in whole if one["revision"] > 4])) == [
            one for one in whole if one["revision"] > 4
        ]
        assert await late.changes(len(whole)) == whole
        assert await later.changes(len(whole) - 1) == whole[1:]
        ones = [one for one in whole if one["id"] == "a/one"]
        assert await filtered.changes(len(ones)) == ones


# ── ended ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_service_that_stops_ends_every_stream_well(
    scene: Stage, session: aiohttp.ClientSession
) -> None:
    async with AsyncExitStack() as server:
        client = await server.enter_async_context(serving(scene))
        async with opening(session, client.url) as streams:
            quiet = [await streams.ready(query) for query in ("", "?kind=removed")]
            told = await streams.ready("?since=0")
            await told.changes(3)
            await server.aclose()

            assert [await stream.end() for stream in quiet] == [[], []]
            assert {event.name for event in await told.end()} <= {"change"}


async def test_a_signal_ends_the_program_and_its_streams_at_once(
    settings: Settings, gateway: ReplayGateway, session: aiohttp.ClientSession
) -> None:
    environment = {
        "MODEL_CATALOG_GATEWAY_URL": gateway.url,
        "MODEL_CATALOG_DATABASE_URL": f"sqlite:///{settings.database_path}",
        "MODEL_CATALOG_PORT": "0",
    }
    async with process("serve", **environment) as served:
        url = (await served.event("listening"))["url"]
        await served.event("refresh")
        async with opening(session, url) as streams:
            opened = [await streams.ready("?since=2") for _ in range(20)]
            began = monotonic()
            code = await served.stop()
            took_seconds = monotonic() - began
            assert [await stream.end() for stream in opened] == [[]] * 20

    print(f"20 streams: {took_seconds:.2f} s from SIGTERM to the end")  # noqa: T201 — for -s
    assert (code, served.stray) == (0, [])
    assert [line["event"] for line in served.lines] == ["listening", "refresh", "stopping"]
    assert took_seconds < STOPS_WITHIN_SECONDS


async def test_a_stream_outlives_the_loss_of_the_database(
    scene: Stage, streams: Opener, database: Path
) -> None:
    stream = await streams.ready()
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)

    await scene.tell(*priced(9, "a/one"))

    assert await stream.changes(1) == await all_of(scene.client, f"{CHANGES}?since=4")


async def test_an_older_database_put_in_place_ends_what_was_told_from_the_other(
    scene: Stage, streams: Opener, database: Path, shelf: Path
) -> None:
    stream = await streams.ready()
    for price in (7, 8, 9):
        await scene.tell(*priced(price, "a/one"))
    await stream.changes(3)
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    copy = database.with_name("copy.db")
    shutil.copy(shelf / "three.db", copy)
    copy.replace(database)

    assert await scene.tell(*priced(10, "a/two")) == 5
    assert await stream.end() == []
    again = await streams.open(seen=stream.last_id)
    assert (await again.event()).name == "resync"
    assert await scene.tell(*priced(11, "a/two")) == 6
    assert await again.changes(1) == await all_of(scene.client, f"{CHANGES}?since=5")


# ── requests that are no stream ───────────────────────────────────────────────────────────────


async def test_head_has_the_headers_and_takes_no_place(scene: Stage) -> None:
    async with serving(scene, limit=1) as client:
        for _ in range(3):
            answer = await client.ask("HEAD", STREAM)
            assert (answer.status, answer.body) == (200, b"")
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert await open_streams(client) == 0


async def test_only_reads_are_for_it(scene: Stage) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = await scene.client.ask(method, STREAM)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    answer = await scene.client.ask("OPTIONS", STREAM)
    assert answer.status == 204
    assert "*" in answer.headers["Access-Control-Allow-Headers"]


async def test_an_old_client_gets_a_stream_that_ends_with_its_connection(scene: Stage) -> None:
    async with AsyncExitStack() as server:
        client = await server.enter_async_context(serving(scene))
        url = URL(client.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(f"GET {STREAM}?since=4 HTTP/1.0\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 OK\r\n" in head
        assert b"chunked" not in head
        assert await reader.readuntil(b"\n\n") == (
            b'id: 4\nevent: ready\ndata: {"revision":4}\nretry: 5000\n\n'
        )
        await server.aclose()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


# ── what it lets nobody do ────────────────────────────────────────────────────────────────────

TEXTS: Final = (
    "a\r\nevent: change\r\ndata: {}\r\n\r\nb",
    "a\n\ndata: b\n\n",
    "a\rdata: b\r\rid: 9",
    "\u2028data: a\u2029\u0085",
    ": comment\nretry: 1",
    "<script>alert('name')</script>",
    "\x00\x1b[2J\ufffe\ud800",
)


async def test_no_text_can_split_an_event(scene: Stage, streams: Opener) -> None:
    stream = await streams.ready()
    texts = [
        entry(f"x/{number}", name=text, description=text, tokenizer=text)
        for number, text in enumerate(TEXTS)
    ]

    await scene.tell(*priced(3, "a/one", "a/two"), *texts)

    events = [await stream.event() for _ in TEXTS]
    assert {event.name for event in events} == {"change"}
    assert not [event for event in events if "\n" in event.data]
    logged = await all_of(scene.client, f"{CHANGES}?since=4")
    assert [event.json() for event in events] == logged
    assert [one["id"] for one in logged] == [f"x/{number}" for number in range(len(TEXTS))]


async def test_a_hostile_list_is_sent_event_by_event(scene: Stage, streams: Opener) -> None:
    stream = await streams.ready()
    hostile = json.loads(HOSTILE.read_bytes(), strict=False)["data"]

    await scene.tell(*priced(3, "a/one", "a/two"), *hostile)

    logged = await all_of(scene.client, f"{CHANGES}?since=4&limit=1000")
    assert len(logged) > 150
    assert await stream.changes(len(logged)) == logged
