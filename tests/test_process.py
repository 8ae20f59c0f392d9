"""The real `serve` process: how it starts, what it serves without help, and how it ends."""

import asyncio
import json
import os
import signal
import socket
import sysconfig
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fixtures.replay import Fault, ReplayGateway
from service.config import Settings
from tests.support import Process, client_of, process, run, running_service

STOPS_WITHIN_SECONDS = 10
"""Twice what is promised, as this machine may be busy; far less than the hanging fetch's minute."""


@pytest.fixture
def environment(settings: Settings, gateway: ReplayGateway) -> dict[str, str]:
    """What points a process at this test's gateway and database, and at any free port."""
    return {
        "MODEL_CATALOG_GATEWAY_URL": gateway.url,
        "MODEL_CATALOG_DATABASE_URL": f"sqlite:///{settings.database_path}",
        "MODEL_CATALOG_PORT": "0",
        "MODEL_CATALOG_REFRESH_DEADLINE": "60",
    }


@pytest.fixture
def first_start(environment: dict[str, str], database: Path) -> dict[str, str]:
    """The same, with no database there yet."""
    database.unlink()
    return environment


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that is listened on already."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def closed_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ── starting ──────────────────────────────────────────────────────────────────────────────────


async def test_without_a_network_the_fallback_is_served_at_once_and_status_tells_why(
    first_start: dict[str, str],
) -> None:
    nowhere = {"MODEL_CATALOG_GATEWAY_URL": f"http://127.0.0.1:{closed_port()}/"}
    async with process("serve", **first_start | nowhere) as served:
        listening = await served.event("listening")
        await served.event("refresh")

        async with client_of(listening["url"]) as client:
            [model] = (await client.json("/catalog/models"))["data"]
            status = await client.json("/catalog/status")
            ready = await client.get("/readyz")

    assert listening["models"] == 1
    assert (model["id"], model["origin"], model["default"]) == ("kilo/auto", "fallback", True)
    assert (model["contextWindow"], model["maxTokens"]) == (1_000_000, 128_000)
    last = status["sources"][0]["lastRefresh"]
    assert (last["outcome"], last["reason"]) == ("failed", "connect")
    assert status["stale"] is True
    assert (ready.status, ready.json()["status"]) == (200, "degraded")


async def test_a_warm_database_is_served_though_the_gateway_hangs(
    environment: dict[str, str], settings: Settings, gateway: ReplayGateway
) -> None:
    async with running_service(settings) as earlier:
        await earlier.service.refresher.run()
        stored = await earlier.client.get("/catalog/models")
    gateway.play_always(Fault(hang=True))

    async with process("serve", **environment) as served:
        listening = await served.event("listening")
        async with client_of(listening["url"]) as client:
            answer = await client.get("/catalog/models")

    assert (listening["models"], listening["revision"]) == (47, 2)
    assert answer.body == stored.body
    assert answer.headers["ETag"] == stored.headers["ETag"]
    assert answer.headers["Catalog-Stale"] == "false"


async def test_a_start_refreshes_at_once_and_by_itself(first_start: dict[str, str]) -> None:
    async with process("serve", **first_start) as served:
        listening = await served.event("listening")
        refresh = await served.event("refresh")
        async with client_of(listening["url"]) as client:
            total = (await client.json("/catalog/models"))["total"]
        code = await served.stop()

    assert (refresh["outcome"], refresh["reason"], refresh["entries"]) == ("updated", "first", 46)
    assert total == 47
    assert code == 0


async def test_it_listens_on_ipv6_too(environment: dict[str, str]) -> None:
    try:
        with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)):
            pass
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")

    async with process("serve", "--host", "::1", **environment) as served:
        url = (await served.event("listening"))["url"]
        async with client_of(url) as client:
            answer = await client.get("/healthz")

    assert url.startswith("http://[::1]:")
    assert answer.status == 200


# ── not starting ──────────────────────────────────────────────────────────────────────────────


async def test_a_port_in_use_is_one_line_and_exit_code_8(
    environment: dict[str, str], taken_port: int
) -> None:
    answer = await run("serve", "--port", str(taken_port), **environment)

    assert (answer.code, answer.out) == (8, "")
    [line] = answer.err.splitlines()
    assert line.startswith(f"model-catalog: cannot listen on 127.0.0.1:{taken_port}: ")
    assert line.endswith("choose another with --port")


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "203.0.113.1"])
async def test_a_host_that_cannot_be_had_is_one_line_and_exit_code_8(
    environment: dict[str, str], host: str
) -> None:
    answer = await run("serve", "--host", host, **environment)

    assert (answer.code, answer.out) == (8, "")
    [line] = answer.err.splitlines()
    assert line.startswith(f"model-catalog: cannot listen on {host}:0: ")


async def test_every_bad_setting_is_one_line_of_its_own_and_exit_code_2() -> None:
    bad = {"MODEL_CATALOG_REMOVAL_GRACE": "99999999999d", "MODEL_CATALOG_LOG_LEVEL": "loud"}

    answer = await run("serve", "--port", "http", **bad)

    assert (answer.code, answer.out) == (2, "")
    lines = answer.err.splitlines()
    assert len(lines) == 3
    for name in ("MODEL_CATALOG_PORT", *bad):
        assert [line for line in lines if line.startswith(f"model-catalog: {name}: accepts ")]


# ── stopping ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_well_while_a_refresh_hangs(
    environment: dict[str, str], gateway: ReplayGateway, number: signal.Signals
) -> None:
    gateway.play_always(Fault(hang=True))
    async with process("serve", **environment) as served:
        await served.event("listening")
        await gateway.wait_for_requests(1)

        async with asyncio.timeout(STOPS_WITHIN_SECONDS):
            code = await served.stop(number)

    assert (code, served.stray) == (0, [])
    assert [line["event"] for line in served.lines] == ["listening", "stopping"]


# ── the log ───────────────────────────────────────────────────────────────────────────────────


async def refresh_by_http(served: Process, token: str) -> int:
    listening = await served.event("listening")
    async with client_of(listening["url"]) as client:
        headers = {"Authorization": f"Bearer {token}"}
        return (await client.ask("POST", "/catalog/refresh", headers)).status


async def test_a_refresh_is_one_line_of_json(
    environment: dict[str, str], gateway: ReplayGateway
) -> None:
    async with process("serve", MODEL_CATALOG_ADMIN_TOKEN="t", **environment) as served:
        await served.event("refresh")
        await refresh_by_http(served, "t")
        gateway.play(Fault.error(404))
        await refresh_by_http(served, "t")
        await served.event("refresh", 3)
        await served.stop()

    told = [
        (line["level"], line["outcome"], line["reason"])
        for line in served.lines
        if line["event"] == "refresh"
    ]
    assert told == [
        ("info", "updated", "first"),
        ("info", "not_modified", "validators_match"),
        ("warning", "rejected", "not_found"),
    ]
    assert served.stray == []


async def test_no_secret_is_in_the_log(environment: dict[str, str], gateway: ReplayGateway) -> None:
    secrets = {"KILOCODE_API_KEY": "sk-kept", "MODEL_CATALOG_ADMIN_TOKEN": "tok-kept"}
    gateway.play(Fault.error(401), Fault(reset=True), Fault(reset=True))
    debug = {"MODEL_CATALOG_LOG_LEVEL": "debug"}
    async with process("serve", **environment, **secrets, **debug) as served:
        await served.event("refresh")
        statuses = [await refresh_by_http(served, token) for token in ("tok-kept", "sk-kept")]
        await served.event("refresh", 2)
        await served.stop()

    assert statuses == [502, 401]
    assert {r.headers["Authorization"] for r in gateway.requests} == {"Bearer sk-kept"}
    assert "-kept" not in json.dumps(served.lines) + "".join(served.stray)


async def test_what_is_no_http_is_refused_without_a_line_in_the_log(
    environment: dict[str, str],
) -> None:
    async with process("serve", **environment) as served:
        url = (await served.event("listening"))["url"]
        await served.event("refresh")
        port = int(url.rpartition(":")[2])
        for junk in (b"GET /\xff HTTP/1.1", b"GET /" + b"x" * 9000 + b" HTTP/1.1", b"junk"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(junk + b"\r\nHost: x\r\n\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            assert b" 400 " in answer
            assert b"Traceback" not in answer
        await served.stop()

    assert served.stray == []
    assert [line["event"] for line in served.lines] == ["listening", "refresh", "stopping"]


async def test_a_variable_that_is_misspelt_is_told_and_no_error(
    environment: dict[str, str],
) -> None:
    async with process("serve", MODEL_CATALOG_PROT="1", **environment) as served:
        line = await served.event("unknown_variable")
        await served.event("listening")

    assert (line["name"], line["nearest"]) == ("MODEL_CATALOG_PROT", "MODEL_CATALOG_PORT")


async def test_lines_are_text_for_a_person_who_asks_for_it(environment: dict[str, str]) -> None:
    text = {"MODEL_CATALOG_LOG_FORMAT": "text"}

    answer = await run("refresh", "--log-level", "info", **environment, **text)

    lines = answer.err.splitlines()
    assert [line for line in lines if "refresh" in line and "outcome=updated" in line]
    assert not [line for line in lines if line.startswith("{")]


# ── two names ─────────────────────────────────────────────────────────────────────────────────


async def test_the_console_script_serves_as_the_module_does(environment: dict[str, str]) -> None:
    script = Path(sysconfig.get_path("scripts")) / "model-catalog"
    started = await asyncio.create_subprocess_exec(
        script,
        "serve",
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    served = Process(started)
    try:
        listening = await served.event("listening")
        code = await served.stop()
    finally:
        if started.returncode is None:
            started.kill()
        await served.wait()

    assert (listening["models"], code) == (1, 0)
