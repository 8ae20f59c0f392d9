"""The front of one address, with a real nginx: lists from the catalog, chats to the gateway."""

import asyncio
import json
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from tests.support import Client, Running, client_of

CONF: Final = Path(__file__).parent.parent / "deploy" / "nginx" / "model-catalog.conf"
NGINX: Final = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed (Debian: nginx-light)"
)

LISTS: Final = (
    "/v1/models",
    "/v1/models?limit=3",
    "/api/v1/models",
    "/api/gateway/models",
    "/api/openrouter/models",
    "/v1/models/count",
    "/v1/models/halcyon-row/kingfisher-3:thinking",
    "/v1/models/halcyon-row%2Fkingfisher-3%3Athinking",
    "/v1/model/halcyon-row/kingfisher-3:thinking",
    "/v1/models/kilo/auto/endpoints",
    "/v1/model/info",
    "/model/info",
    "/api.json",
    "/as/openrouter/api.json",
)
OTHERS: Final = (
    ("POST", "/v1/chat/completions", "/api/gateway/chat/completions"),
    ("POST", "/api/v1/chat/completions?x=1", "/api/gateway/chat/completions?x=1"),
    ("POST", "/api/openrouter/chat/completions", "/api/gateway/chat/completions"),
    ("POST", "/api/gateway/chat/completions", "/api/gateway/chat/completions"),
    ("POST", "/v1/models", "/api/gateway/models"),
    ("GET", "/api/profile/balance", "/api/profile/balance"),
    ("GET", "/v1/modelsmith", "/api/gateway/modelsmith"),
)
"""A request, and what the gateway is asked instead."""

MAIN: Final = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    include {folder}/front.conf;
}}
"""


@asynccontextmanager
async def chatting() -> AsyncIterator[str]:
    """A gateway that answers any request with what it was asked."""

    async def told(request: web.Request) -> web.Response:
        said: dict[str, Any] = {
            "method": request.method,
            "path": request.raw_path,
            "host": request.headers["Host"],
            "key": request.headers.get("Authorization"),
            "body": (await request.read()).decode(),
        }
        return web.json_response(said)

    application = web.Application()
    application.router.add_route("*", "/{anything:.*}", told)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
async def front(running: Running, tmp_path: Path) -> AsyncIterator[Client]:
    """The front as it is shipped, but for the addresses of the two behind it and its own."""
    await running.service.refresher.run()
    port = free_port()
    async with chatting() as gateway:
        conf = CONF.read_text(encoding="utf-8")
        for shipped, here in (
            ("127.0.0.1:8788", running.client.url.removeprefix("http://")),
            ("127.0.0.1:8789", f"127.0.0.1:{port}"),
            ("https://api.kilo.ai", gateway),
        ):
            assert shipped in conf
            conf = conf.replace(shipped, here)
        (tmp_path / "front.conf").write_text(conf, encoding="utf-8")
        main = tmp_path / "nginx.conf"
        main.write_text(MAIN.format(folder=tmp_path), encoding="utf-8")
        async with listening(main, port), client_of(f"http://127.0.0.1:{port}") as client:
            yield client


@asynccontextmanager
async def listening(main: Path, port: int) -> AsyncIterator[None]:
    assert NGINX is not None
    arguments = ("-p", str(main.parent), "-c", str(main), "-e", "stderr")
    process = await asyncio.create_subprocess_exec(
        NGINX, *arguments, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            while not await accepts(port):
                assert process.returncode is None, await process.communicate()
        yield
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGTERM)
        await process.communicate()


async def accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        await asyncio.sleep(0)
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_lists_come_from_the_catalog_as_they_are(front: Client, running: Running) -> None:
    for path in LISTS:
        theirs, ours = await front.get(path), await running.client.get(path)

        assert (theirs.status, theirs.body) == (200, ours.body), path
        assert theirs.headers["ETag"] == ours.headers["ETag"]
        again = await front.get(path, if_none_match=ours.headers["ETag"])
        assert again.status == 304


async def test_everything_else_goes_to_the_gateway_with_the_clients_key(front: Client) -> None:
    for method, path, there in OTHERS:
        answer = await front.ask(method, path, {"Authorization": "Bearer my-own"})

        said = json.loads(answer.body)
        assert (said["method"], said["path"]) == (method, there)
        assert (said["host"], said["key"]) == ("api.kilo.ai", "Bearer my-own")
