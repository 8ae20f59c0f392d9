"""`/catalog/changes/stream`: changes as server-sent events, resumed from the database."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Final

import orjson
import structlog
from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse

from service.api.problems import Problem
from service.catalog import Change, Cursor
from service.dialects import native
from service.diff import Wanted
from service.errors import StorageError
from service.history import History
from service.present import Present

CONTENT_TYPE: Final = "text/event-stream"
HEARTBEAT_SECONDS: Final = 15.0
"""A quiet stream notices that its client is gone only when it writes."""
SEND_SECONDS: Final = 10.0
"""A client that takes nothing for so long is dropped."""
RECONNECT_SECONDS: Final = 5
BACKLOG: Final = 2_000
"""Changes that are kept for streams; who is further behind reads the database."""
PAGE: Final = 200

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """A change as it is sent, encoded once for all streams."""

    change: Change
    data: str


class Backlog:
    """The newest changes, read from the database once for all streams.

    `_events` are all of those after `_begin`, up to and with the revision `_end`.
    """

    def __init__(self, history: History, size: int) -> None:
        self._history = history
        self._lock = asyncio.Lock()
        self._events: deque[Event] = deque(maxlen=size)
        self._begin = self._end = Cursor(0)

    async def after(self, cursor: Cursor, revision: int) -> tuple[Sequence[Event], Cursor]:
        """Some of what follows the cursor, and where to go on; nothing when that is all.

        `revision` is the newest that is known of.
        """
        async with self._lock:
            if self._end < Cursor(revision):
                await self._take_up()
        if cursor >= self._end:
            return (), cursor
        if cursor < self._begin:
            page = await self._history.changes(cursor, PAGE)
            following = page.next if isinstance(page.next, Cursor) else Cursor(page.head.revision)
            return [_event(one) for one in page.items], following
        first = bisect_right(self._events, cursor, key=lambda event: event.change.cursor)
        return list(islice(self._events, first, None)), self._end

    async def _take_up(self) -> None:
        """Read what is new. At first that is nothing: the past is read by who asks for it."""
        if not self._events and self._end == Cursor(0):
            self._begin = self._end = Cursor((await self._history.head()).revision)
            return
        while True:
            page = await self._history.changes(self._end, PAGE)
            for one in page.items:
                if len(self._events) == self._events.maxlen:
                    self._begin = self._events[0].change.cursor
                self._events.append(_event(one))
            if isinstance(page.next, Cursor):
                self._end = page.next
                continue
            self._end = Cursor(page.head.revision)
            return


def _event(change: Change) -> Event:
    return Event(change, orjson.dumps(native.change(change)).decode())


class Streams:
    """Opens streams, feeds them, and ends them all at once."""

    def __init__(
        self,
        history: History,
        present: Present,
        *,
        limit: int,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        send_seconds: float = SEND_SECONDS,
        backlog: int = BACKLOG,
    ) -> None:
        self._history = history
        self._present = present
        self._limit = limit
        self._heartbeat_seconds = heartbeat_seconds
        self._send_seconds = send_seconds
        self._backlog_size = backlog
        self._backlog = Backlog(history, backlog)
        self._revision = 0
        self._news = asyncio.Event()
        self._is_closing = False
        self.open = 0
        present.subscribe(self._follow)

    async def close(self) -> None:
        """End every stream now; clients come back with the id of what they saw last."""
        self._is_closing = True
        self._wake()

    def _follow(self) -> None:
        """Wake the streams; end them where revisions went back, which is another history's."""
        revision = self._present.require().catalog.revision
        if revision < self._revision:
            self._backlog = Backlog(self._history, self._backlog_size)
        self._revision = revision
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def serve(
        self,
        request: web.Request,
        *,
        since: Cursor | None,
        wanted: Wanted,
        headers: dict[str, str],
        on_open: Callable[[], None],
    ) -> web.StreamResponse:
        """Send what follows `since`, or what the client saw last, or now; then what comes.

        Raises Problem when there are too many streams, and StorageError before anything is sent.
        """
        self._refuse_too_many()
        self.open += 1
        try:
            start = await self._start(request, since)
            if request.method == hdrs.METH_HEAD:
                on_open()
                return web.Response(headers=headers | {hdrs.CONTENT_TYPE: CONTENT_TYPE})
            stream = EventSourceResponse(
                headers=headers,
                sep="\n",
                ping_interval=self._heartbeat_seconds,
                send_timeout=self._send_seconds,
            )
            await stream.prepare(request)
            on_open()
            await self._feed(stream, start, wanted)
            return stream
        finally:
            self.open -= 1

    def _refuse_too_many(self) -> None:
        if self.open >= self._limit or self._is_closing:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the service is stopping"
                if self._is_closing
                else f"{self.open} streams are open, and no more are allowed",
                headers={hdrs.RETRY_AFTER: str(RECONNECT_SECONDS)},
            )

    async def _start(self, request: web.Request, since: Cursor | None) -> "_Start":
        """Where to begin. An id that this history has not given cannot be resumed from."""
        seen = request.headers.get("Last-Event-ID")
        if seen is None:
            head = Cursor((await self._history.head()).revision)
            return _Start(since or head, is_known=True)
        try:
            cursor = Cursor.parse(seen)
        except ValueError:
            cursor = None
        if cursor is not None and await self._history.knows(cursor):
            return _Start(cursor, is_known=True)
        return _Start(Cursor((await self._history.head()).revision), is_known=False)

    async def _feed(self, stream: EventSourceResponse, start: "_Start", wanted: Wanted) -> None:
        try:
            async with stream:
                await self._greet(stream, start)
                await self._send_all(stream, start.cursor, wanted)
        except (ConnectionResetError, TimeoutError):
            return  # the client is gone, or takes nothing
        except StorageError as error:  # it comes back, and is told by a status then
            _log.warning("stream_ended", state=error.state, detail=error.detail)

    async def _greet(self, stream: EventSourceResponse, start: "_Start") -> None:
        """Tell where the stream begins, so that a client that is cut at once resumes there."""
        place = str(start.cursor)
        data = orjson.dumps({"revision": start.cursor.revision}).decode()
        name = "ready" if start.is_known else "resync"
        await stream.send(data, id=place, event=name, retry=RECONNECT_SECONDS * 1000)

    async def _send_all(self, stream: EventSourceResponse, cursor: Cursor, wanted: Wanted) -> None:
        backlog = self._backlog
        while self._is_good(backlog) and stream.is_connected():
            news = self._news  # before looking, so that what comes meanwhile is not missed
            revision = self._present.require().catalog.revision
            events, cursor = await backlog.after(cursor, revision)
            for event in events:
                if wanted.matches(event.change):
                    await stream.send(event.data, id=str(event.change.cursor), event="change")
            if not events and self._is_good(backlog):
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._heartbeat_seconds):
                        await news.wait()

    def _is_good(self, backlog: Backlog) -> bool:
        """Whether there will be more of this: a client that is cut comes back, and is told."""
        return not self._is_closing and backlog is self._backlog


@dataclass(frozen=True, slots=True)
class _Start:
    cursor: Cursor
    is_known: bool
