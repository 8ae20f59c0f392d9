"""Choosing a model by hand: on a real terminal, and key by key."""

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input

import fixtures
from service import app
from service.cli import picker
from service.cli.picker import _Picker
from service.cli.reading import catalog
from service.config import Settings
from service.query.shelf import Shelf
from service.saved import SavedList
from tests.support import Clock, read_to_end

UP, DOWN, PAGE_UP, PAGE_DOWN = "\x1b[A", "\x1b[B", "\x1b[5~", "\x1b[6~"
ENTER, ESCAPE, CONTROL_C, BACKSPACE = "\r", "\x1b", "\x03", "\x7f"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that name a catalog of our own."""
    folder = tmp_path_factory.mktemp("picker")
    made = Settings.load({"database_url": f"sqlite:///{folder / 'catalog.db'}"})
    lists = [SavedList(file=fixtures.path("kilo-2026-10-01.json"), at=Clock().at)]
    imports = app.import_lists(made, lists, accept_held=False, on_import=lambda _: None)
    asyncio.run(imports)
    return made


# ── on a terminal ─────────────────────────────────────────────────────────────────────────────


class Person:
    """Somebody at a terminal, in front of a command whose output goes elsewhere."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int) -> None:
        self._process = process
        self._terminal = terminal
        self._seen = b""

    async def sees(self, text: str) -> str:
        """Wait for a text; what is seen until then."""
        async with asyncio.timeout(60):
            while text not in self.screen:
                self._seen += await asyncio.to_thread(os.read, self._terminal, 4096)
        return self.screen

    @property
    def screen(self) -> str:
        """What was written, less what places and colours it."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._seen.decode(errors="ignore"))

    def types(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    async def ends(self) -> tuple[int, str]:
        """The exit code, and what a script gets."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            self._seen += await asyncio.to_thread(read_to_end, os.dup(self._terminal))
            out = await self._process.stdout.read()
            return await self._process.wait(), out.decode()


@asynccontextmanager
async def choosing(settings: Settings, *words: str) -> AsyncIterator[Person]:
    terminal, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "pick", "--interactive", *words),
        stdin=end,
        stdout=asyncio.subprocess.PIPE,
        stderr=end,
        env={
            **os.environ,
            "MODEL_CATALOG_DATABASE_URL": f"sqlite:///{settings.database_path}",
            "TERM": "xterm",
            "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody here answers where the cursor is
        },
    )
    os.close(end)
    try:
        yield Person(started, terminal)
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        os.close(terminal)


async def test_a_script_gets_the_ref_that_a_person_chose_and_nothing_else(
    settings: Settings,
) -> None:
    async with choosing(settings, "--tools", "true", "--author", "orrery") as person:
        screen = await person.sees("Enter chooses")
        person.types(f"meridan fast{ENTER}")

        assert await person.ends() == (0, "kilocode/orrery/meridian-5-fast\n")
    assert "context   in $/M  out $/M" in screen
    assert re.search(r"> orrery/meridian-5 +1M +3 +15 ", screen)


@pytest.mark.parametrize(("key", "code"), [(ESCAPE, 1), (CONTROL_C, 130)])
async def test_who_leaves_without_a_choice_leaves_nothing_but_an_exit_code(
    settings: Settings, key: str, code: int
) -> None:
    async with choosing(settings) as person:
        await person.sees("Enter chooses")
        person.types(key)

        assert await person.ends() == (code, "")
    assert "Traceback" not in person.screen


async def test_where_nothing_fits_a_person_is_told_and_asked_nothing(settings: Settings) -> None:
    async with choosing(settings, "--min-context", "9m") as person:
        assert await person.ends() == (3, "")
        assert person.screen.startswith("model-catalog: no model fits; ")


# ── key by key ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def shelf(settings: Settings) -> Shelf:
    return Shelf(catalog(settings))


def chosen(shelf: Shelf, *keys: str, places: Sequence[int] = ()) -> str | None:
    """The id that these keys choose."""
    with create_pipe_input() as keyboard, create_app_session(input=keyboard):
        keyboard.send_text("".join(keys))
        ref = _Picker(shelf, places or range(len(shelf.rows))).ask()
    return ref and ref.partition("/")[2]


def test_the_first_is_chosen_unless_another_is_pointed_at(shelf: Shelf) -> None:
    listed = [row.model.id for row in shelf.rows]

    for keys, place in (
        ((), 0),
        ((DOWN,), 1),
        ((DOWN, DOWN, UP), 1),
        ((UP,), 0),
        ((PAGE_DOWN,), 12),
        ((PAGE_DOWN, PAGE_DOWN, PAGE_UP, DOWN), 13),
        ((PAGE_DOWN,) * 9, len(listed) - 1),
        (("\x0e", "\x0e", "\x10"), 1),
    ):
        assert chosen(shelf, *keys, ENTER) == listed[place], keys


def test_typing_narrows_the_list_in_spite_of_typos_and_the_best_comes_first(shelf: Shelf) -> None:
    assert chosen(shelf, "meridan", ENTER) == "orrery/meridian-5"
    assert chosen(shelf, "fjordline", ENTER) == "fjordline/sound-3"
    assert chosen(shelf, "fast meridian", ENTER) == "orrery/meridian-5-fast"
    # What was pointed at before is not what is pointed at then.
    assert chosen(shelf, PAGE_DOWN, "meridian", ENTER) == "orrery/meridian-5"
    assert chosen(shelf, "meridianx", BACKSPACE, ENTER) == "orrery/meridian-5"
    assert chosen(shelf, "zzz", BACKSPACE * 3, DOWN, ENTER) == shelf.rows[1].model.id


def test_only_what_fits_the_needs_can_be_found(shelf: Shelf) -> None:
    places = [place for place, row in enumerate(shelf.rows) if row.model.author == "fjordline"]

    assert chosen(shelf, "meridian", ENTER, ESCAPE, places=places) is None
    assert chosen(shelf, ENTER, places=places) == shelf.rows[places[0]].model.id


def test_where_nothing_is_left_nothing_can_be_chosen(shelf: Shelf) -> None:
    assert chosen(shelf, "zzz", ENTER, DOWN, ENTER, ESCAPE) is None


def test_names_cannot_steer_the_terminal(shelf: Shelf) -> None:
    row = shelf.rows[0]
    hostile = replace(row, model=replace(row.model, name="\x1b[31mred\r\n\u202e\x9b2J"))

    heading, lines = picker._in_columns({0: hostile})

    assert heading.isprintable()
    assert lines[0].isprintable()
