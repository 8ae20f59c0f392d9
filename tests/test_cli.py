"""The command line as a person has it: what it prints, and how it ends.

A process of its own is started where how one starts or ends is the point, and once for most exit
codes; else the same program runs in this one.
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from fixtures.replay import Fault, ReplayGateway
from service import __version__
from service.cli.main import cli
from service.config import Settings
from tests.support import Run, Running, run, run_in_thread, running_service

COMMANDS: Final = (
    *("serve", "refresh", "import", "migrate"),
    *("list", "show", "pick", "export", "changes", "diff", "status"),
)
LOOKING: Final = (
    ("list",),
    ("list", "--at", "1"),
    ("pick",),
    ("export", "openai"),
    ("show", "kilo/auto"),
    ("show", "kilo/auto", "--history"),
    ("changes",),
    ("diff", "1"),
    ("status",),
)
HOSTILE = {
    "escape/one": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "lines/two": "first\r\nsecond\x0b\x0c\x85third\u2028fourth",
    "bidi/three": "safe \u202enwod-edispu\u2066 \u200b\ufeff",
    "markup/four": "[red]not red[/red] [link=https://evil.example]x[/link] \\[b]",
    "nul/five": "nul\x00and delete\x7f",
}
# Text with a NUL is no text to the normaliser, so it would hide the others.
HOSTILE["all/six"] = " ".join(text for text in HOSTILE.values() if "\0" not in text)
INERT: Final = frozenset("\n\u200d")


def listing(**names: str) -> bytes:
    """A gateway's list of models so named, each described by its name too."""
    rows = [
        {"id": id_, "name": name, "description": name, "context_length": 1000}
        for id_, name in names.items()
    ]
    return json.dumps({"data": rows}).encode()


@pytest.fixture
def environment(settings: Settings, gateway: ReplayGateway) -> dict[str, str]:
    """What points a process at this test's gateway and database."""
    return {
        "MODEL_CATALOG_GATEWAY_URL": gateway.url,
        "MODEL_CATALOG_DATABASE_URL": f"sqlite:///{settings.database_path}",
    }


@pytest.fixture
def first_start(environment: dict[str, str], database: Path) -> dict[str, str]:
    """The same, with no database there yet."""
    database.unlink()
    return environment


@pytest.fixture
async def stored(running: Running, environment: dict[str, str]) -> dict[str, str]:
    """The same, with a list stored."""
    await running.service.refresher.run()
    return environment


def only_line(text: str) -> str:
    [line] = text.splitlines()
    assert "Traceback" not in line
    return line


# ── asking for help ───────────────────────────────────────────────────────────────────────────


async def test_the_version_is_one_line() -> None:
    assert await run("--version") == Run(0, f"model-catalog {__version__}\n", "")


async def test_help_names_every_command_every_exit_code_and_where_settings_come_from() -> None:
    answer = await run("--help")

    assert answer.code == 0
    said = " ".join(answer.out.split())
    for command in COMMANDS:
        assert f" {command} " in said
    for code in (
        "0 well",
        "1 nothing",
        "2 wrong",
        "3 no",
        "4 list",
        "5 list",
        "6 no",
        "7 data",
        "8 cannot",
        "9 list",
    ):
        assert code in said
    assert "environment variable" in said


async def test_help_waits_for_nothing_that_only_commands_need() -> None:
    line = """
import sys
from service.cli.main import cli
cli(["--help"], standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", line), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await started.communicate()

    assert b"Pick the best models" in out
    modules = set(err.decode().split())
    heavy = {"aiohttp", "prompt_toolkit", "pydantic_settings", "rapidfuzz", "sqlalchemy"}
    assert modules & (heavy | {"service.query", "service.dialects"}) == set()


async def test_no_command_is_a_request_for_help() -> None:
    answer = await run()

    assert answer.code == 2
    assert all(command in answer.out + answer.err for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    answer = CliRunner().invoke(cli, [command, "--help"])

    assert answer.exit_code == 0
    assert f"model-catalog {command}" in answer.output
    assert "--database-url" in answer.output


async def test_wrong_usage_is_exit_code_2() -> None:
    answer = await run("list", "--frobnicate")

    assert (answer.code, answer.out) == (2, "")
    assert "Usage:" in answer.err
    assert "Traceback" not in answer.err
    for words in (["frobnicate"], ["show"], ["show", "a", "b"], ["serve", "extra"]):
        assert CliRunner().invoke(cli, words).exit_code == 2


# ── refreshing ────────────────────────────────────────────────────────────────────────────────


async def test_a_refresh_tells_in_one_line_what_came_of_it(first_start: dict[str, str]) -> None:
    answer = await run("refresh", **first_start)

    assert (answer.code, answer.err) == (0, "")
    assert only_line(answer.out).startswith("updated (first); 47 models at revision 2, ")


async def test_a_refresh_tells_programs_in_json(environment: dict[str, str]) -> None:
    first = await run_in_thread("refresh", "--json", **environment)
    second = await run_in_thread("refresh", "--json", **environment)

    assert first.code == second.code == 0
    assert first.json()["outcome"] == "updated"
    assert (first.json()["entries"], first.json()["revision"]) == (46, 2)
    assert (second.json()["outcome"], second.json()["httpStatus"]) == ("not_modified", 304)


async def test_a_held_list_is_exit_code_4_until_it_is_accepted(
    stored: dict[str, str], gateway: ReplayGateway
) -> None:
    gateway.serve(listing(**{"kilo-auto/balanced": "Balanced"}))

    held = await run("refresh", **stored)
    accepted = await run_in_thread("refresh", "--accept-held", **stored)

    assert held.code == 4
    assert only_line(held.out).startswith("held (shrink): 45 of 46 active models")
    assert accepted.code == 0
    assert only_line(accepted.out).startswith("updated (changes); ")


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (Fault.error(503), 5, "rejected (server_error)"),
        (Fault.web_page(), 5, "rejected (not_json)"),
        (Fault(truncate_after_bytes=100), 6, "failed (truncated)"),
    ],
)
async def test_no_list_is_exit_code_5_or_6_and_leaves_the_old_one(
    stored: dict[str, str], gateway: ReplayGateway, fault: Fault, code: int, told: str
) -> None:
    gateway.play_always(fault)

    answer = await run_in_thread("refresh", **stored)

    assert answer.code == code
    assert only_line(answer.out).startswith(told)
    assert "47 models at revision 2" in answer.out


async def test_no_gateway_is_exit_code_6(
    environment: dict[str, str], gateway: ReplayGateway
) -> None:
    await gateway.stop()

    answer = await run("refresh", **environment)

    assert answer.code == 6
    assert only_line(answer.out).startswith("failed (connect): ")


async def test_what_a_stranger_on_the_gateways_port_says_stays_on_one_line_and_inert(
    environment: dict[str, str],
) -> None:
    async with stranger(b"\x1b[31mSSH-2.0\r\nOpenSSH\r\n\r\n") as url:
        elsewhere = environment | {"MODEL_CATALOG_GATEWAY_URL": url}
        answer = await run_in_thread("refresh", **elsewhere)

    assert answer.code == 6
    assert only_line(answer.out).startswith("failed (protocol)")
    assert answer.out[:-1].isprintable()


@asynccontextmanager
async def stranger(greeting: bytes) -> AsyncIterator[str]:
    """A server that speaks something else than HTTP."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(greeting)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_an_unusable_database_is_exit_code_7(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as foreign:
        foreign.execute("CREATE TABLE theirs (id INTEGER)")
    before = (tmp_path / "foreign.db").read_bytes()

    for command, name in (
        ("refresh", "file/catalog.db"),
        ("refresh", "foreign.db"),
        ("list", "foreign.db"),
    ):
        database = {"MODEL_CATALOG_DATABASE_URL": f"sqlite:///{tmp_path / name}"}
        answer = await run_in_thread(command, **environment | database)
        assert (answer.code, answer.out) == (7, ""), command
        last = answer.err.splitlines()[-1]
        assert last.startswith("model-catalog: the database is "), command
        assert "Traceback" not in answer.err

    assert (tmp_path / "foreign.db").read_bytes() == before


# ── looking ───────────────────────────────────────────────────────────────────────────────────


async def test_the_list_in_json_is_what_is_served_byte_for_byte(
    stored: dict[str, str], running: Running
) -> None:
    served = (await running.client.get("/catalog/models")).body.decode()

    assert await run("list", "--json", **stored) == Run(0, served + "\n", "")


async def test_the_list_is_a_table_in_the_catalogs_order(
    stored: dict[str, str], running: Running
) -> None:
    models = (await running.client.json("/catalog/models"))["data"]

    answer = await run_in_thread("list", **stored)

    lines = answer.out.splitlines()
    assert (answer.code, answer.err) == (0, "")
    assert [line.split()[0] for line in lines[1:-1]] == [model["id"] for model in models]
    assert lines[-1] == "47 models, revision 2"
    assert "fallback" in lines[-2]
    assert "1M" in lines[-2]
    assert "128k" in lines[-2]


async def test_a_model_is_shown_by_id_and_by_ref(stored: dict[str, str], running: Running) -> None:
    table = await run_in_thread("show", "kilo/auto", **stored)
    report = await run_in_thread("show", "kilocode/kilo/auto", "--json", **stored)

    assert table.code == report.code == 0
    assert report.json() == await running.client.json("/catalog/models/kilo/auto")
    facts = dict(line.split(maxsplit=1) for line in table.out.splitlines())
    assert facts["name"].strip() == "Kilo Auto"
    assert facts["cost.input"].strip() == "?"
    assert facts["reasoning"].strip() == "yes"
    assert {key.partition(".")[0] for key in facts} == set(report.json())


async def test_an_unknown_model_is_exit_code_3_and_the_nearest(stored: dict[str, str]) -> None:
    answer = await run("show", "kilo/atuo", **stored)

    assert (answer.code, answer.out) == (3, "")
    assert "did you mean kilo/auto" in only_line(answer.err)


async def test_status_tells_of_the_last_refresh_and_of_the_last_good_one(
    stored: dict[str, str], running: Running, gateway: ReplayGateway, database: Path
) -> None:
    gateway.play(Fault.error(401))
    await running.service.refresher.run()

    table = await run_in_thread("status", **stored)
    report = await run_in_thread("status", "--json", **stored)

    told: dict[str, Any] = report.json()
    assert table.code == report.code == 0
    assert (told["database"], told["revision"]) == (str(database), 2)
    assert (told["models"]["total"], told["models"]["active"]) == (47, 47)
    assert told["lastRefresh"]["reason"] == "auth"
    assert told["lastGoodRefresh"]["reason"] == "first"
    assert told["checkedAt"] == told["lastGoodRefresh"]["at"]
    facts = dict(line.split(maxsplit=1) for line in table.out.splitlines())
    assert facts.keys() == told.keys()
    assert "reason auth" in facts["lastRefresh"]


async def test_migrating_makes_a_database_with_the_fallback_and_does_it_once(
    first_start: dict[str, str], database: Path
) -> None:
    first, second = [await run_in_thread("migrate", **first_start) for _ in range(2)]

    assert first == second == Run(0, first.out, "")
    assert only_line(first.out).startswith(f"{database}: schema ")
    assert first.out.endswith(", revision 1\n")
    shown = await run_in_thread("show", "kilo/auto", "--json", **first_start)
    assert shown.json()["default"] is True


@pytest.mark.parametrize("words", [("list",), ("status", "--json")])
async def test_looking_for_a_database_that_is_not_there_makes_none(
    first_start: dict[str, str], database: Path, words: tuple[str, ...]
) -> None:
    answer = await run_in_thread(*words, **first_start)

    assert (answer.code, answer.out) == (7, "")
    assert str(database) in only_line(answer.err)
    assert list(database.parent.glob("catalog*")) == []


async def test_looking_asks_no_gateway_and_writes_nothing(
    settings: Settings, environment: dict[str, str], gateway: ReplayGateway, database: Path
) -> None:
    async with running_service(settings) as served:
        await served.service.refresher.run()
    asked, before = len(gateway.requests), contents(database.parent)

    for words in LOOKING:
        assert (await run_in_thread(*words, **environment)).code == 0

    assert len(gateway.requests) == asked
    assert contents(database.parent) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("catalog*")}


# ── settings ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", [("serve",), ("list", "--json")])
async def test_a_bad_setting_is_one_line_and_exit_code_2(words: tuple[str, ...]) -> None:
    answer = await run_in_thread(*words, MODEL_CATALOG_PORT="http")

    assert (answer.code, answer.out) == (2, "")
    assert only_line(answer.err) == (
        "model-catalog: MODEL_CATALOG_PORT: accepts a whole number from 0 to 65535"
    )


async def test_a_flag_wins_and_a_file_of_settings_is_read(
    stored: dict[str, str], tmp_path: Path, database: Path
) -> None:
    (tmp_path / "settings.toml").write_text(f'database_url = "sqlite:///{database}"\n')
    (tmp_path / "bad.toml").write_text("prot = 1\n")
    flag = f"sqlite:///{database}"
    other = {"MODEL_CATALOG_DATABASE_URL": "sqlite:////nowhere/else.db"}

    by_file = await run_in_thread("status", "--json", "--config", str(tmp_path / "settings.toml"))
    by_flag = await run_in_thread("status", "--json", "--database-url", flag, **other)
    bad = await run_in_thread("status", "--config", str(tmp_path / "bad.toml"))

    assert by_file.json()["database"] == by_flag.json()["database"] == str(database)
    assert bad.code == 2
    assert only_line(bad.err).endswith("prot: no such setting in the TOML file; did you mean port?")


# ── what others wrote ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def hostile(
    running: Running, gateway: ReplayGateway, environment: dict[str, str]
) -> dict[str, str]:
    """A catalog of names that would steer a terminal."""
    gateway.serve(listing(**HOSTILE))
    await running.service.refresher.run()
    return environment


async def test_names_and_descriptions_cannot_steer_a_terminal(hostile: dict[str, str]) -> None:
    shown = await run_in_thread("show", "all/six", **hostile)
    listed = await run_in_thread("list", **hostile)
    in_columns = await run_in_thread("list", "--columns", "id,name,description", **hostile)
    picked = await run_in_thread(
        "pick", "--prefer", "largest-context", "--q", "\x1b[31m x", **hostile
    )
    unknown = await run_in_thread("show", "\x1b[31m\u202e\r", **hostile)

    for answer in (shown, listed, in_columns, picked, unknown):
        for text in (answer.out, answer.err):
            assert all(c.isprintable() or c in INERT for c in text), text
    assert (shown.code, listed.code, unknown.code) == (0, 0, 3)
    assert "[red]not red[/red] [link=https://evil.example]x[/link]" in " ".join(shown.out.split())
    ids = [line.split()[0] for line in listed.out.splitlines()[1:-1]]
    assert ids == [*HOSTILE, "kilo/auto"]  # no name has made a line of its own


@pytest.mark.parametrize("flags", [(), ("--json",)])
async def test_a_reader_that_leaves_early_is_no_error(
    stored: dict[str, str], flags: tuple[str, ...]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "service", "list", *flags),
            env={**os.environ, **stored},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writer,
            stderr=asyncio.subprocess.PIPE,
        )
    finally:
        os.close(writer)

    _, err = await started.communicate()

    assert err == b""
    assert started.returncode in {0, 1}
