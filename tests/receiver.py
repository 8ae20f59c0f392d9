"""The other end of a webhook: real HTTP on loopback, which keeps what arrives and can go wrong."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_a2VlcCB0aGlzIGtleSB0byB5b3Vyc2VsZiE="
PATH = "/hook/a-secret-path"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """How one message is answered."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    """It is answered only when the receiver lets go."""
    cut: bool = False
    """The connection is closed without an answer; with a good status, the message was taken."""


OK = Reply()


@dataclass(frozen=True)
class Arrival:
    """A message as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    """By a clock that never jumps."""

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def revision(self) -> int:
        revision: int = self.json["data"]["revision"]
        return revision

    def verified(self) -> Any:
        """The document, if it is signed with the secret, and now."""
        return Webhook(SECRET).verify(self.body, dict(self.headers))


class Receiver:
    """Answers 204 unless it is told otherwise."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.taken: list[Arrival] = []
        """Those that were answered 2xx."""
        self._replies: deque[Reply] = deque()
        self._always = OK
        self._change = asyncio.Condition()
        self._release = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{PATH}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.02, access_log=None
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Listen no longer, and end what hangs."""
        self.let_go()
        runner, self._runner = self._runner, None
        if runner:
            await runner.cleanup()

    def play(self, *replies: Reply) -> None:
        """One for each of the next messages."""
        self._replies.extend(replies)

    def play_always(self, reply: Reply) -> None:
        """For all messages for which none is queued."""
        self._always = reply

    def let_go(self) -> None:
        """Answer all messages that hang now."""
        release, self._release = self._release, asyncio.Event()
        release.set()

    async def arrived(self, count: int) -> list[Arrival]:
        """Wait for so many messages in all."""
        await self.until(lambda: len(self.arrivals) >= count)
        return self.arrivals[:count]

    async def took(self, count: int) -> list[Arrival]:
        """Wait until so many were answered 2xx."""
        await self.until(lambda: len(self.taken) >= count)
        return self.taken[:count]

    async def took_revision(self, revision: int) -> None:
        """Wait until a message of that revision was answered 2xx."""
        await self.until(lambda: any(one.revision == revision for one in self.taken))

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for what another message may bring about."""
        async with asyncio.timeout(30), self._change:
            await self._change.wait_for(is_so)

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        arrival = Arrival(request.path_qs, request.headers, body, monotonic())
        reply = self._replies.popleft() if self._replies else self._always
        await self._keep(self.arrivals, arrival)
        if reply.hang:
            await self._release.wait()
        if 200 <= reply.status < 300:
            await self._keep(self.taken, arrival)
        if reply.cut and request.transport:
            request.transport.abort()
        return web.Response(status=reply.status, headers=reply.headers)

    async def _keep(self, kept: list[Arrival], arrival: Arrival) -> None:
        async with self._change:
            kept.append(arrival)
            self._change.notify_all()
