"""The servers under load, each in a process of its own on the first core."""

import asyncio
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from aiohttp import web

from benchmarks.load import First

TOKEN = "bench"  # noqa: S105 — of a server that lives for a minute
SERVER_CORE = {0}
LOAD_CORES = set(os.sched_getaffinity(0)) - SERVER_CORE or SERVER_CORE


@dataclass(frozen=True)
class Server:
    """A process that listens."""

    pid: int
    port: int
    seconds_to_listen: float

    @property
    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextmanager
def _spawn(*command: str, cores: set[int] = SERVER_CORE, **environment: str) -> Iterator[Server]:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),  # noqa: PLW1509 — no threads yet
    )
    try:
        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
        while line.get("event") != "listening":
            line = json.loads(process.stderr.readline())
        port = int(line["url"].rpartition(":")[2])
        with process.stderr:
            yield Server(process.pid, port, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@contextmanager
def catalog(folder: Path, gateway_url: str, cores: set[int] = SERVER_CORE) -> Iterator[Server]:
    """The service, on a database in the folder."""
    with _spawn(
        "service",
        "serve",
        cores=cores,
        MODEL_CATALOG_PORT="0",
        MODEL_CATALOG_GATEWAY_URL=gateway_url,
        MODEL_CATALOG_DATABASE_URL=f"sqlite:///{folder}/catalog.db",
        MODEL_CATALOG_ADMIN_TOKEN=TOKEN,
        MODEL_CATALOG_LOG_FORMAT="json",
    ) as server:
        yield server


@contextmanager
def bare(folder: Path, answers: list[First]) -> Iterator[Server]:
    """Nothing but aiohttp: the same answers, headers and all, each from a handler of one line."""
    file = folder / "answers"
    file.write_bytes(pickle.dumps(answers))
    with _spawn("benchmarks.servers", str(file)) as server:
        yield server


@contextmanager
def gateway(list_file: Path) -> Iterator[str]:
    """The replayed gateway, off the servers' core. Gives its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fixtures.replay", "--port", "0", str(list_file)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            line = process.stdout.readline()
            address = next(word for word in line.split() if word.startswith("http"))
            yield address.removesuffix("models")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _handler(answer: First) -> Callable[[web.Request], Awaitable[web.Response]]:
    made_anew = {"content-length", "date"}
    headers = {name: text for name, text in answer.headers.items() if name not in made_anew}

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=answer.status, body=answer.body or None, headers=headers)

    return handler


async def _serve_bare(answers: list[First]) -> None:
    application = web.Application()
    for answer in answers:
        application.router.add_get(f"/{answer.status}", _handler(answer))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    print(json.dumps({"event": "listening", "url": url}), file=sys.stderr, flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_runner:
        answers = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 — our parent's own
        loop_runner.run(_serve_bare(answers))
