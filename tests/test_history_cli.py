"""The commands that look back: what they print, for a person, a pipe and a program."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from service import app
from service.catalog import Cursor
from service.cli import reading, recall
from service.cli.main import cli
from service.config import Settings
from service.diff import ANY
from service.errors import UsageError
from service.saved import SavedList
from tests.support import Run, at_terminal, run, run_in_thread, running_service

DAY: Final = timedelta(days=1)
FIRST: Final = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE: Final = "\x1b[31mred\x1b[0m [bold]not bold[/bold] :smile:\x07\r\n\u202eback\tnext"

Entry = dict[str, Any]


def entry(model_id: str, **said: object) -> Entry:
    price = {"prompt": "0.000003", "completion": "0.000015"}
    return {"id": model_id, "name": model_id, "context_length": 1000, "pricing": price, **said}


class Scene:
    """A gateway's list that changes from day to day, and the database that has seen it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings.load({"database_url": f"sqlite:///{folder / 'catalog.db'}"})
        self.entries: dict[str, Entry] = {}
        self.at = FIRST

    @property
    def database(self) -> Path:
        return self.settings.database_path

    @property
    def environment(self) -> dict[str, str]:
        return {"MODEL_CATALOG_DATABASE_URL": f"sqlite:///{self.database}"}

    async def day(self, *entries: Entry, without: str = "") -> None:
        """One more list, a day later: the last one with these entries, and without that one."""
        self.entries |= {one["id"]: one for one in entries}
        self.entries.pop(without, None)
        file = self.folder / "list.json"
        file.write_text(json.dumps({"data": list(self.entries.values())}))
        saved = [SavedList(file=file, at=self.at)]
        await app.import_lists(self.settings, saved, accept_held=False, on_import=lambda _: None)
        self.at += DAY

    def copied_to(self, folder: Path) -> "Scene":
        """The same in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        made = Scene(folder)
        made.entries, made.at = dict(self.entries), self.at
        return made

    async def run(self, *words: str) -> Run:
        return await run_in_thread(*words, **self.environment)

    async def at_terminal(self, *words: str) -> list[str]:
        return await at_terminal(*words, **self.environment)


async def five_days(made: Scene) -> None:
    """40 models; a price; one vanishes, one comes; it is back, larger; all expire."""
    await made.day(*(entry(f"maker/model-{number}") for number in range(40)))
    await made.day(
        entry("maker/model-1", pricing={"prompt": "0.0000025", "completion": "0.000015"})
    )
    await made.day(entry("other/new"), without="maker/model-2")
    await made.day(entry("maker/model-2", context_length=2000))
    expiring = (one | {"expiration_date": "2026-12-01"} for one in made.entries.values())
    await made.day(*list(expiring))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Those five days, for every test to copy."""
    made = Scene(tmp_path_factory.mktemp("past"))
    asyncio.run(five_days(made))
    return made


@pytest.fixture
def scene(past: Scene, tmp_path: Path) -> Scene:
    """Five days, to go on from."""
    return past.copied_to(tmp_path)


STORY: Final = """\
2026-01-01T00:00:00Z\tkilo/auto\tadded
2026-01-01T00:00:00Z\t*\t40 models added
2026-01-02T00:00:00Z\tmaker/model-1\tcost.input 3 → 2.5
2026-01-03T00:00:00Z\tother/new\tadded
2026-01-03T00:00:00Z\tmaker/model-2\tmissing from the gateway's list
2026-01-04T00:00:00Z\tmaker/model-2\treturned: contextWindow 1000 → 2000
2026-01-05T00:00:00Z\t*\texpiresAt set on 41 models
"""


def lines(*places: int) -> str:
    told = STORY.splitlines(keepends=True)
    return "".join(told[place] for place in places)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# ── the log of changes ────────────────────────────────────────────────────────────────────────


async def test_the_log_is_a_line_a_change_newest_last_and_folds_what_befell_most(
    scene: Scene,
) -> None:
    before = contents(scene.folder)

    assert await run("changes", **scene.environment) == Run(0, STORY, "")
    assert contents(scene.folder) == before


async def test_programs_are_told_of_each_change_as_the_api_tells_it(scene: Scene) -> None:
    answer = await scene.run("changes", "--json", "--since", "0")
    async with running_service(scene.settings) as served:
        api = await served.client.json("/catalog/changes?limit=1000")

    assert (answer.code, answer.err) == (0, "")
    assert [json.loads(line) for line in answer.out.splitlines()] == api["data"]
    assert len(api["data"]) == 86


MODEL_1: Final = (
    "2026-01-01T00:00:00Z\tmaker/model-1\tadded\n"
    "2026-01-02T00:00:00Z\tmaker/model-1\tcost.input 3 → 2.5\n"
    "2026-01-05T00:00:00Z\tmaker/model-1\texpiresAt set to 2026-12-01\n"
)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"limit": 1}, lines(6)),
        ({"limit": 3}, lines(4, 5, 6)),
        ({"limit": 6}, lines(1, 2, 3, 4, 5, 6)),
        ({"since": "4"}, lines(5, 6)),
        ({"since": "6"}, ""),
        ({"since": "2026-01-03"}, lines(3, 4, 5, 6)),
        ({"since": "2026-01-03T00:00:01Z"}, lines(5, 6)),
        ({"since": "2026-01-02T23:59:59Z"}, lines(3, 4, 5, 6)),
        ({"since": "2026-01-03T01:00+02:00"}, lines(3, 4, 5, 6)),
        ({"since": "2", "limit": 2}, lines(5, 6)),
        ({"since": "2026-01-01"}, STORY),
        ({"since": "0001-01-01"}, STORY),
        ({"since": "36500d", "limit": 1}, lines(6)),
        ({"since": "0s"}, ""),
        ({"kinds": ["missing"]}, lines(4)),
        ({"kinds": ["missing", "returned"]}, lines(4, 5)),
        ({"fields": ["contextWindow"], "kinds": ["returned"]}, lines(5)),
        ({"fields": ["limits"], "kinds": ["returned", "changed"]}, lines(5)),
        ({"fields": ["price", "lifecycle"], "kinds": ["changed"]}, lines(2, 6)),
        ({"models": ["maker/model-1"]}, MODEL_1),
        ({"models": ["other/*"], "kinds": ["added"]}, lines(3)),
        ({"models": ["kilocode/*", "x"], "kinds": ["missing"]}, lines(4)),
        ({"models": ["nobody/*"]}, ""),
    ],
)
async def test_the_log_can_be_cut_and_filtered(
    scene: Scene, options: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await changes(scene, **options)

    answer = capsys.readouterr()
    assert answer.out == told
    assert answer.err == ("" if told else "model-catalog: no change to show\n")


async def changes(
    scene: Scene,
    *,
    since: str | None = None,
    limit: int | None = None,
    as_json: bool = False,
    **filters: list[str],
) -> None:
    """The command in this process, as a process for each would take long."""
    asked = recall.wanted(*(filters.get(name, ()) for name in ("kinds", "fields", "models")))
    await asyncio.to_thread(
        recall.changes,
        scene.settings,
        asked,
        since=since,
        limit=limit,
        follow=False,
        as_json=as_json,
    )


async def test_the_last_fifty_lines_are_told_unless_more_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = Scene(tmp_path)
    models = [entry(f"maker/model-{number:03}") for number in range(130)]
    await many.day(*models)
    await many.day(*(one | {"context_length": 2000} for one in models[:60]))

    await changes(many)
    usual = capsys.readouterr().out.splitlines()
    await changes(many, limit=1000)
    everything = capsys.readouterr().out.splitlines()
    await changes(many, as_json=True)
    objects = capsys.readouterr().out.splitlines()

    assert len(usual) == len(objects) == 50
    assert usual == everything[-50:]
    assert [line.split("\t")[1] for line in usual] == [json.loads(one)["id"] for one in objects]
    assert len(everything) == 62  # the fallback, a fold, and sixty


async def test_nothing_to_show_says_so_and_prints_nothing(scene: Scene) -> None:
    expected = Run(0, "", "model-catalog: no change to show\n")

    assert await scene.run("changes", "--since", "6") == expected
    assert await scene.run("changes", "--since", "6", "--json") == expected


@pytest.mark.parametrize(
    ("kinds", "fields", "told"),
    [
        (["aded"], [], "--kind: there is no 'aded'; did you mean added?"),
        (["Removed"], [], "--kind: there is no 'Removed'; did you mean removed?"),
        (["zzz"], [], "--kind: there is no 'zzz'; there are added, changed, missing, removed, ret"),
        ([], ["prize"], "--field: there is no 'prize'; did you mean price?"),
        ([], ["cost.inptu"], "--field: there is no 'cost.inptu'; did you mean cost.input?"),
        (
            [],
            ["qqq"],
            "--field: there is no 'qqq'; there are price, limits, capabilities, identity",
        ),
        ([], ["badges"], "--field: there is no 'badges'; "),
    ],
)
def test_a_wrong_word_is_told_the_nearest_right_one(
    kinds: list[str], fields: list[str], told: str
) -> None:
    with pytest.raises(UsageError) as raised:
        recall.wanted(kinds, fields, [])

    assert str(raised.value).startswith(told)


async def test_wrong_usage_is_exit_code_2_and_a_moment_out_of_reach_3(scene: Scene) -> None:
    reach = "it goes from revision 1 (2026-01-01T00:00:00Z) to 6 (2026-01-05T00:00:00Z)"
    for words, code, told in (
        (("changes", "--since", "soon"), 2, "--since: 'soon' is not a revision, a date or time"),
        (("changes", "--since", "7"), 3, f"the history does not reach revision 7; {reach}"),
        (("diff", "4", "2"), 2, "FROM: revision 4 is later than TO, revision 2"),
        (("diff", "2025-12-31"), 3, f"the history does not reach 2025-12-31T00:00:00Z; {reach}"),
        (("show", "maker/model-99x", "--history"), 3, "there is no model 'maker/model-99x'; did"),
    ):
        answer = await scene.run(*words)
        assert (answer.code, answer.out) == (code, ""), words
        assert len(answer.err.splitlines()) == 1
        assert answer.err.startswith(f"model-catalog: {told}")


@pytest.mark.parametrize("words", [["changes", "--limit", "0"], ["diff"], ["diff", "1", "2", "3"]])
def test_what_the_command_line_cannot_read_is_exit_code_2(words: list[str]) -> None:
    assert CliRunner().invoke(cli, words).exit_code == 2


async def test_where_there_is_no_database_none_is_made(tmp_path: Path) -> None:
    empty = Scene(tmp_path)

    for words in (["changes", "--follow"], ["diff", "1"]):
        answer = await run(*words, **empty.environment)
        assert (answer.code, answer.out) == (7, "")
        assert str(empty.database) in answer.err
    assert contents(tmp_path) == {}


# ── a model's states ──────────────────────────────────────────────────────────────────────────


async def test_the_states_of_a_model_are_told_newest_first(scene: Scene) -> None:
    scene.entries["maker/model-2"]["name"] = "maker/model-2 (new)"
    await scene.day()

    answer = await scene.run("show", "kilocode/maker/model-2", "--history")

    assert answer == Run(
        0,
        "2026-01-06T00:00:00Z\tchanged\tonly what is no news: badges, preferredIndex or hints\n"
        "2026-01-05T00:00:00Z\tchanged\texpiresAt set to 2026-12-01\n"
        "2026-01-04T00:00:00Z\treturned\tcontextWindow 1000 → 2000\n"
        "2026-01-03T00:00:00Z\tmissing\n"
        "2026-01-01T00:00:00Z\tadded\n",
        "",
    )


async def test_programs_are_told_the_states_as_the_api_tells_them(scene: Scene) -> None:
    answer = await scene.run("show", "maker/model-2", "--history", "--json")
    async with running_service(scene.settings) as served:
        api = await served.client.json("/catalog/history/maker/model-2?limit=1000")

    assert (answer.code, answer.err) == (0, "")
    report = answer.json()
    assert (report["ref"], report["id"]) == ("kilocode/maker/model-2", "maker/model-2")
    assert report["data"] == api["data"]
    assert [state["kind"] for state in report["data"]] == [
        *("changed", "returned", "missing", "added")
    ]


async def test_what_is_more_than_is_read_at_once_is_all_told(scene: Scene) -> None:
    async with reading.past(scene.settings) as history:
        for limit in (1, 2, 3, 500):
            states = await recall._versions(history, "kilocode/maker/model-2", limit)
            found, end = await recall._changes_after(history, Cursor(0), ANY, limit)
            assert [state.since.revision for state in states] == [6, 5, 4, 2]
            assert (len(found), end) == (86, Cursor(6))


# ── a difference ──────────────────────────────────────────────────────────────────────────────


async def test_a_difference_is_a_line_a_model_and_what_it_comes_to(scene: Scene) -> None:
    ends = "from revision 2 (2026-01-01T00:00:00Z) to revision 5 (2026-01-04T00:00:00Z)"

    assert await scene.run("diff", "2026-01-01", "5") == Run(
        0,
        "maker/model-1\tcost.input 3 → 2.5\n"
        "maker/model-2\tcontextWindow 1000 → 2000\n"
        "other/new\tadded\n"
        f"1 model added, 2 changed {ends}\n",
        "",
    )


async def test_programs_are_told_the_difference_and_its_ends(scene: Scene) -> None:
    answer = await scene.run("diff", "2", "--json")
    async with running_service(scene.settings) as served:
        api = await served.client.json("/catalog/diff?from=2")

    assert (answer.code, answer.err) == (0, "")
    report = answer.json()
    assert report["from"] == {"revision": 2, "at": "2026-01-01T00:00:00Z"}
    assert report["to"] == {"revision": 6, "at": "2026-01-05T00:00:00Z"}
    assert report["data"] == api["data"]
    assert len(report["data"]) == 41


async def test_where_nothing_differs_that_is_told(scene: Scene) -> None:
    answer = await scene.run("diff", "6", "0s")

    ends = "from revision 6 (2026-01-05T00:00:00Z) to revision 6 (2026-01-05T00:00:00Z)"
    assert answer == Run(0, f"no difference {ends}\n", "")


# ── on a terminal ─────────────────────────────────────────────────────────────────────────────


async def test_a_person_at_a_terminal_sees_aligned_columns(scene: Scene) -> None:
    log = await scene.at_terminal("changes", "--since", "4")
    states = await scene.at_terminal("show", "maker/model-2", "--history")
    difference = await scene.at_terminal("diff", "2", "5")

    assert log == [
        "2026-01-04 00:00  maker/model-2  returned: contextWindow 1000 → 2000",
        "2026-01-05 00:00  *              expiresAt set on 41 models",
    ]
    assert states[1] == "2026-01-04 00:00  returned  contextWindow 1000 → 2000"
    assert difference[1] == "maker/model-2  contextWindow 1000 → 2000"
    assert difference[-1].startswith("1 model added, 2 changed from revision 2 ")


async def test_what_others_wrote_cannot_steer_a_terminal_or_make_a_line(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    models = [entry(f"maker/model-{number}") for number in range(5)]
    await scene.day(*models)
    await scene.day(models[0] | {"description": HOSTILE, "name": HOSTILE})
    await scene.day(models[0] | {"description": HOSTILE[::-1], "name": "x"})

    for words in (
        ("changes", "--since", "2"),
        ("show", "maker/model-0", "--history"),
        ("diff", "2", "3"),
    ):
        piped = await scene.run(*words)
        assert all(c.isprintable() or c in "\t\n" for c in piped.out), piped.out
        assert len(piped.out.splitlines()) <= 3
        assert "[bold]not bold[/bold] :smile:" in piped.out
        shown = await scene.at_terminal(*words)
        assert all(line.isprintable() for line in shown)
        assert "[bold]not bold[/bold] :smile:" in " ".join(shown)


# ── following ─────────────────────────────────────────────────────────────────────────────────


class Follower:
    """`changes --follow` in its own process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self.out = process.stdout
        self.err = process.stderr

    async def line(self) -> str:
        """The next line that it prints."""
        async with asyncio.timeout(60):
            return (await self.out.readline()).decode()

    async def complaint(self) -> str:
        """The next line on standard error."""
        async with asyncio.timeout(60):
            return (await self.err.readline()).decode()

    async def end(self, number: int) -> tuple[int, bytes, bytes]:
        """Signal it; its exit code and what it printed besides."""
        os.kill(self._process.pid, number)
        return await self.ended()

    async def ended(self) -> tuple[int, bytes, bytes]:
        async with asyncio.timeout(60):
            code = await self._process.wait()
            return code, await self.out.read(), await self.err.read()


@asynccontextmanager
async def following(scene: Scene, *words: str) -> AsyncIterator[Follower]:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "changes", "--follow", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **scene.environment},
    )
    try:
        yield Follower(started)
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_who_follows_sees_what_comes_until_a_signal(
    scene: Scene, number: signal.Signals
) -> None:
    async with following(scene, "--limit", "1") as follower:
        assert await follower.line() == lines(6)
        await scene.day(entry("other/newer"))
        assert await follower.line() == "2026-01-06T00:00:00Z\tother/newer\tadded\n"
        await scene.day(without="other/newer")
        assert "other/newer\tmissing" in await follower.line()

        assert await follower.end(number) == (0, b"", b"")


async def test_who_follows_filtered_json_sees_only_that_from_nothing_on(scene: Scene) -> None:
    async with following(scene, "--json", "--since", "6", "--model", "other/*") as follower:
        assert await follower.complaint() == "model-catalog: no change to show\n"
        await scene.day(entry("maker/newer"))
        await scene.day(entry("other/newer"))
        change = json.loads(await follower.line())

        assert (change["revision"], change["id"], change["kind"]) == (8, "other/newer", "added")
        assert await follower.end(signal.SIGINT) == (0, b"", b"")


async def test_who_follows_outlives_the_loss_of_the_file(scene: Scene) -> None:
    async with following(scene, "--limit", "1") as follower:
        assert await follower.line() == lines(6)
        aside = move(scene.database, scene.folder / "aside")
        assert (await follower.complaint()).startswith("model-catalog: the database is absent: ")
        move(aside, scene.database)
        await scene.day(entry("other/newer"))
        assert await follower.line() == "2026-01-06T00:00:00Z\tother/newer\tadded\n"

        assert await follower.end(signal.SIGTERM) == (0, b"", b"")


def move(file: Path, to: Path) -> Path:
    return file.rename(to)


async def test_a_reader_that_leaves_ends_the_following_quietly(scene: Scene) -> None:
    reader, writer = os.pipe()
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "changes", "--follow"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=writer,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **scene.environment},
    )
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert await asyncio.to_thread(pipe.readline) == lines(0)

    async with asyncio.timeout(60):
        _, err = await started.communicate()

    assert (started.returncode, err) == (0, b"")
