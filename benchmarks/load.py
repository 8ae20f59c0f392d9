"""A load of identical requests over kept-alive connections, and a paced probe of latencies."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import uvloop


class _Connection(asyncio.Protocol):
    """Asks again as soon as the whole answer is there. All answers are of one length."""

    def __init__(self, request: bytes, answer_bytes: int) -> None:
        self._request = request
        self._answer_bytes = answer_bytes
        self._received = 0
        self._transport: asyncio.Transport | None = None
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received >= self._answer_bytes:
            self._received = 0
            self.answers += 1
            if self._transport is not None:
                self._transport.write(self._request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def request(path: str, port: int, headers: dict[str, str]) -> bytes:
    """An HTTP/1.1 GET as bytes."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class First:
    """One answer, whole."""

    status: int
    head: bytes
    body: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.head) + 4 + len(self.body)

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(": ") for line in lines)
        return {name.lower(): text for name, _, text in pairs}


async def first(port: int, asked: bytes) -> First:
    """Ask once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    answer = First(int(head.split(b" ", 2)[1]), head, b"")
    body = await reader.readexactly(int(answer.headers.get("content-length", 0)))
    writer.close()
    await writer.wait_closed()
    return First(answer.status, head, body)


async def _rate(port: int, asked: bytes, size: int, connections: int, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Connection(asked, size), "127.0.0.1", port)
        for _ in range(connections)
    ]
    began = time.perf_counter()
    before = sum(protocol.answers for _, protocol in made)
    await asyncio.sleep(seconds)
    answers = sum(protocol.answers for _, protocol in made) - before
    rate = answers / (time.perf_counter() - began)
    for _, protocol in made:
        protocol.close()
    return rate


def rate(port: int, asked: bytes, size: int, *, connections: int = 16, seconds: float = 1) -> float:
    """Answers a second."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_rate(port, asked, size, connections, seconds))


async def latencies(port: int, paths: Iterable[str]) -> list[float]:
    """Seconds from each question to the whole of its answer, one after the other."""
    found: list[float] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path in paths:
        began = time.perf_counter()
        writer.write(request(path, port, {"Accept-Encoding": "gzip"}))
        head = await reader.readuntil(b"\r\n\r\n")
        answer = First(int(head.split(b" ", 2)[1]), head[:-4], b"")
        await reader.readexactly(int(answer.headers["content-length"]))
        found.append(time.perf_counter() - began)
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"{path}: {answer.status}")
    writer.close()
    return found


async def probe(
    port: int, asked: bytes, *, every_seconds: float, until: asyncio.Event
) -> list[float]:
    """Latencies in seconds of requests sent at a steady pace, whether or not answers are late."""
    latencies: list[float] = []
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    number = 0
    while not until.is_set():
        due = began + number * every_seconds
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(First(200, head[:-4], b"").headers["content-length"]))
        latencies.append(time.perf_counter() - due)  # from when it was due: no omission
        number += 1
    writer.close()
    return latencies
