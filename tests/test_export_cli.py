"""The catalog in other tools' formats, as files: the very bytes that are served."""

import json
import os
import stat
from pathlib import Path

import pytest

from service.api.route import plain
from service.dialects import DIALECTS
from tests.support import Run, Running, at_terminal, run, run_here, run_in_thread


@pytest.fixture
async def url(running: Running, database: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a stored catalog, which the environment has as well."""
    await running.service.refresher.run()
    made = f"sqlite:///{database}"
    monkeypatch.setenv("MODEL_CATALOG_DATABASE_URL", made)
    monkeypatch.setenv("MODEL_CATALOG_GATEWAY_URL", str(running.service.settings.gateway_url))
    return made


async def test_every_dialect_is_written_as_it_is_served_and_what_it_leaves_out_is_counted(
    url: str, running: Running
) -> None:
    for dialect in DIALECTS:
        served = await running.client.get(plain(dialect.endpoints[0].paths[0]))
        answer = await run_in_thread("export", dialect.name)

        assert (answer.code, answer.out) == (0, served.body.decode()), dialect.name
        omitted = int(served.headers.get("Catalog-Omitted", "0"))
        assert bool(answer.err) == bool(omitted)
        if omitted:
            models = "1 model" if omitted == 1 else f"{omitted} models"
            assert answer.err == f"model-catalog: {models} cannot be told in this format\n"


async def test_a_process_writes_the_same_bytes(url: str, running: Running) -> None:
    served = await running.client.get("/v1/models")

    assert (await run("export", "openai")).out.encode() == served.body


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_is_made_or_replaced_whole_and_nothing_is_left_beside_it(
    url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old.json").write_text("old")
    (folder / "old.json").chmod(0o640)
    (folder / "link.json").symlink_to("old.json")
    expected = (await run_in_thread("export", "openai")).out

    for name in ("new.json", "old.json", "link.json"):
        answer = await run_in_thread("export", "openai", "--out", str(folder / name))
        assert (answer.code, answer.out) == (0, "")
        assert (folder / name).read_text() == expected

    assert names(folder) == ["link.json", "new.json", "old.json"]
    assert (folder / "link.json").is_symlink()
    assert stat.S_IMODE((folder / "old.json").stat().st_mode) == 0o640


def test_who_has_the_old_file_open_goes_on_with_it(url: str, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text("old")

    with file.open() as reader:
        assert run_here("export", "openai", "--out", str(file)).code == 0
        assert reader.read() == "old"
    assert file.read_text() != "old"


def test_the_output_and_devices_are_written_to_as_they_are(url: str) -> None:
    assert run_here("export", "openai", "--out", "-").out.startswith("{")
    assert run_here("export", "openai", "--out", os.devnull).code == 0
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing/models.json", "No such file or directory"),
        ("", "Is a directory"),
        ("n" * 300, "File name too long"),
    ],
)
async def test_a_file_that_cannot_be_written_is_one_line_and_exit_code_2(
    url: str, tmp_path: Path, name: str, why: str
) -> None:
    before = names(tmp_path)

    answer = await run_in_thread("export", "openai", "--out", str(tmp_path / name))

    assert answer == Run(2, "", f"model-catalog: --out: {tmp_path / name}: {why}\n")
    assert names(tmp_path) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_a_full_disk_is_one_line_and_exit_code_2(url: str) -> None:
    answer = await run_in_thread("export", "openai", "--out", "/dev/full")

    assert answer == Run(2, "", "model-catalog: --out: /dev/full: No space left on device\n")


@pytest.mark.parametrize(
    ("name", "told"),
    [("opnai", "did you mean openai?"), ("zzz", f"there are {DIALECTS[0].name}, ")],
)
def test_an_unknown_format_is_told_the_nearest(name: str, told: str) -> None:
    answer = run_here("export", name)

    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"model-catalog: DIALECT: there is no '{name}'; {told}")
    assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "x.json"], "--out: it goes with a DIALECT"),
        (["openai", "--json"], "--json: it goes with --list"),
    ],
)
def test_what_would_be_ignored_is_refused(words: list[str], told: str) -> None:
    assert run_here("export", *words) == Run(2, "", f"model-catalog: {told}\n")


async def test_which_formats_there_are_is_told_without_a_database() -> None:
    facts = [[one.name, one.title, one.file, one.readers] for one in DIALECTS]

    bare, listed = await run_in_thread("export"), await run_in_thread("export", "openai", "--list")
    assert bare == listed == Run(0, "".join("\t".join(fact) + "\n" for fact in facts), "")
    assert [
        list(one.values()) for one in json.loads((await run_in_thread("export", "--json")).out)
    ] == facts
    seen = " ".join(await at_terminal("export"))
    assert all(f"{one.title}, as {one.file}" in seen for one in DIALECTS)
