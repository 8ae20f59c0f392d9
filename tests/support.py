"""Helpers of the tests: the service in this process or in its own, and what to ask of them."""

import asyncio
import gc
import io
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
)
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from unittest import mock

import aiohttp
from aiohttp import web

from fixtures.replay import ReplayGateway
from service import log
from service.app import Service, service
from service.catalog import utc_now
from service.cli.main import main
from service.config import Settings

T = TypeVar("T")


class Clock:
    """A wall clock that moves only when it is told to."""

    def __init__(self, at: datetime = datetime(2026, 10, 1, 12, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **step: float) -> None:
        self.at += timedelta(**step)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read whole and not inflated."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks one server; adds no header of its own but Host."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """`path` is sent as it is, escapes and all."""
        from yarl import URL

        async with self._session.request(
            method,
            URL(self.url + path, encoded=True),
            headers=headers,
            data=body,
            skip_auto_headers=("Accept-Encoding", "Accept", "User-Agent"),
            allow_redirects=False,
        ) as response:
            return Answer(response.status, response.headers.copy(), await response.read())

    async def get(self, path: str, **headers: str) -> Answer:
        """Header names are given with underscores: accept_encoding="gzip"."""
        return await self.ask("GET", path, {k.replace("_", "-"): v for k, v in headers.items()})

    async def json(self, path: str) -> Any:
        answer = await self.get(path)
        assert answer.status == 200, answer
        return answer.json()


@dataclass(frozen=True)
class Running:
    """The service in this process, and a client of it."""

    service: Service
    client: Client


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Client(session, url)


@asynccontextmanager
async def running_service(
    settings: Settings, clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[Running]:
    """Everything but the scheduler: a test refreshes when it wants to."""
    async with service(settings, clock=clock) as made:
        runner = web.AppRunner(made.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with client_of(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
                yield Running(made, client)
        finally:
            await runner.cleanup()


@contextmanager
def held(opening: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Keep it open in a thread and an event loop of its own, while tests have theirs one by one."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)

    def done(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    thread.start()
    try:
        yield done(opening.__aenter__())
        done(opening.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@asynccontextmanager
async def fed(listing: Path, folder: Path) -> AsyncIterator[Running]:
    """The service after its first refresh from a gateway with that list."""
    async with ReplayGateway(listing) as gateway:
        flags = {
            "gateway_url": gateway.url,
            "database_url": f"sqlite:///{folder / 'catalog.db'}",
            "admin_token": "let-me-in",
        }
        async with running_service(Settings.load(flags)) as running:
            await running.service.refresher.run()
            yield running


class Process:
    """The real program in its own process. Its log lines are JSON on standard error."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, Any]] = []
        self.stray: list[str] = []
        self._new_line = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        return self._process.pid

    async def event(self, name: str, count: int = 1) -> dict[str, Any]:
        """Wait for the nth log line of that name."""
        async with asyncio.timeout(30), self._new_line:
            await self._new_line.wait_for(lambda: len(self._of(name)) >= count or self._is_over)
        found = self._of(name)
        assert len(found) >= count, f"ended without {name}: {self.lines} {self.stray}"
        return found[count - 1]

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal this very process, and wait for its exit code."""
        if self._process.returncode is None:
            os.kill(self._process.pid, number)
        return await self.wait()

    async def wait(self) -> int:
        async with asyncio.timeout(30):
            await self._reader
            return await self._process.wait()

    def _of(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("event") == name]

    @property
    def _is_over(self) -> bool:
        return self._reader.done() or self._process.returncode is not None

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            async with self._new_line:
                try:
                    self.lines.append(json.loads(line))
                except ValueError:
                    self.stray.append(line.decode(errors="replace").rstrip())
                self._new_line.notify_all()
        async with self._new_line:
            self._new_line.notify_all()


async def _start(
    arguments: Sequence[str], environment: Mapping[str, str], *, stdout: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service",
        *arguments,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def process(*arguments: str, **environment: str) -> AsyncIterator[Process]:
    """`python -m service …` with these variables; ended by its own process id."""
    started = await _start(arguments, environment, stdout=asyncio.subprocess.DEVNULL)
    running = Process(started)
    try:
        yield running
    finally:
        if started.returncode is None:
            started.kill()
        await running.wait()


@dataclass(frozen=True)
class Run:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


async def run(*arguments: str, **environment: str) -> Run:
    """`python -m service …` to its end."""
    started = await _start(arguments, environment, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        out, err = await started.communicate()
    assert started.returncode is not None
    return Run(started.returncode, out.decode(), err.decode())


async def run_in_thread(*words: str, **environment: str) -> Run:
    """The same in this process, as a process for each takes long."""
    return await asyncio.to_thread(run_here, *words, **environment)


def run_here(*words: str, **environment: str) -> Run:
    """The same where no event loop runs."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    try:
        with (
            mock.patch.object(sys, "argv", ["model-catalog", *words]),
            mock.patch.dict(os.environ, environment),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        # What a process leaves behind goes with it.
        log.configure("error", "json")
        gc.unfreeze()
    assert isinstance(code, int)
    told, complained = (stream.buffer.getvalue().decode() for stream in (out, err))
    return Run(code, told, complained)


async def at_terminal(*words: str, **environment: str) -> list[str]:
    """The lines that `python -m service …` prints on a wide terminal without colours, less trailing
    spaces."""
    plain = {"TERM": "dumb", "COLUMNS": "200", "LINES": "50"}
    reader, writer = os.openpty()
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=writer,
        env={**os.environ, **plain, **environment},
    )
    os.close(writer)
    seen = asyncio.create_task(asyncio.to_thread(read_to_end, reader))
    assert await started.wait() == 0
    return [line.rstrip() for line in (await seen).decode().splitlines()]


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Look into a database as a person with `sqlite3` would."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def read_to_end(reader: int) -> bytes:
    """All that a program wrote to a terminal whose other end this descriptor is."""
    parts: list[bytes] = []
    with os.fdopen(reader, "rb", buffering=0) as terminal:
        while True:
            try:
                part = terminal.read(4096)
            except OSError:  # what Linux says when the other end is closed
                part = b""
            if not part:
                return b"".join(parts)
            parts.append(part)
