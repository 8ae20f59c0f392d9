"""What a shell completes: commands, options, declared words, and ids of the stored models."""

import asyncio
import io
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final

import pytest

from service.cli.main import cli
from service.dialects import DIALECTS
from service.fields import FIELDS
from service.query.pick import Preference
from tests.support import Running, run_here

SCRIPT: Final = Path(sys.executable).with_name("model-catalog")


@pytest.fixture
async def stored(running: Running) -> Running:
    """A service that has a list."""
    await running.service.refresher.run()
    return running


def completed(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What Bash offers for the last word, in this process."""
    monkeypatch.setenv("COMP_WORDS", "\n".join(["model-catalog", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    monkeypatch.setenv("_MODEL_CATALOG_COMPLETE", "complete_bash")
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit) as end:
        cli(prog_name="model-catalog")
    assert end.value.code == 0
    return out.getvalue().split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("pi", ["pick"]),
        ("list --min-s", ["--min-served-context"]),
        ("list --status mis", ["missing"]),
        ("list --status missing,", ["missing,active", "missing,removed"]),
        ("list --tools t", ["true"]),
        ("list --sort contextW", ["contextWindow"]),
        ("list --columns id,cost.inp", ["id,cost.input"]),
        ("pick --prefer ", [*Preference]),
        ("export o", [one.name for one in DIALECTS if one.name.startswith("o")]),
        ("changes --kind re", ["removed", "returned"]),
        ("changes --field cost.web", ["cost.webSearch"]),
        ("show zzz", []),
    ],
)
def test_declared_words_are_offered(
    monkeypatch: pytest.MonkeyPatch, words: str, offered: list[str]
) -> None:
    assert completed(monkeypatch, *words.split(" ")) == offered


def test_every_field_is_offered_as_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(FIELDS) <= set(completed(monkeypatch, "list", "--columns", ""))


async def test_the_ids_of_the_stored_models_are_offered_in_the_catalogs_order(
    stored: Running, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_CATALOG_DATABASE_URL", f"sqlite:///{database}")
    models = (await stored.client.json("/catalog/models"))["data"]

    assert completed(monkeypatch, "show", "") == [model["id"] for model in models]
    for words in (("show",), ("list", "--tools", "true", "--id"), ("changes", "--model")):
        assert completed(monkeypatch, *words, "orrery/meridian-5-") == ["orrery/meridian-5-fast"]


async def test_the_database_that_is_named_on_the_line_is_the_one_that_is_read(
    stored: Running, database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MODEL_CATALOG_DATABASE_URL", "sqlite:////nowhere/catalog.db")
    (tmp_path / "mine.toml").write_text(f'database_url = "sqlite:///{database}"\n')

    for words in (
        ("show", "--database-url", f"sqlite:///{database}"),
        ("list", "--database-url", f"sqlite:///{database}", "--id"),
    ):
        assert completed(monkeypatch, *words, "kilo/a") == ["kilo/auto"]
    monkeypatch.delenv("MODEL_CATALOG_DATABASE_URL")
    assert completed(monkeypatch, "show", "--config", f"{tmp_path}/mine.toml", "kilo/a") == [
        "kilo/auto"
    ]


@pytest.mark.parametrize("content", [None, b"no database", b""])
def test_where_no_ids_can_be_had_nothing_is_offered_and_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: bytes | None,
) -> None:
    file = tmp_path / "catalog.db"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("MODEL_CATALOG_DATABASE_URL", f"sqlite:///{file}")

    assert completed(monkeypatch, "show", "k") == []
    monkeypatch.setenv("MODEL_CATALOG_PORT", "http")
    assert completed(monkeypatch, "show", "k") == []

    assert capfd.readouterr().err == ""
    assert [path.name for path in tmp_path.glob("catalog*")] == [file.name] * (content is not None)


def test_looking_for_ids_leaves_no_trace_beside_a_database_that_nobody_has_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MODEL_CATALOG_DATABASE_URL", f"sqlite:///{tmp_path / 'catalog.db'}")
    assert run_here("migrate").code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.glob("catalog*")}

    assert completed(monkeypatch, "show", "k") == ["kilo/auto"]

    assert {path.name: path.read_bytes() for path in tmp_path.glob("catalog*")} == before


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
async def test_bash_itself_completes_with_the_script_that_is_shown(
    stored: Running, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_CATALOG_DATABASE_URL", f"sqlite:///{database}")
    line = f"""
        PATH="{SCRIPT.parent}:$PATH"
        eval "$(model-catalog --show-completion)"
        COMP_WORDS=(model-catalog show orrery/meridian-5-)
        COMP_CWORD=2
        complete -p model-catalog
        _model_catalog_completion model-catalog
        echo "${{COMPREPLY[@]}}"
    """

    shell = await asyncio.create_subprocess_exec(
        *("bash", "--norc", "-c", line), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await shell.communicate()

    assert err == b""
    assert out.decode().splitlines() == [
        "complete -o default -F _model_catalog_completion model-catalog",
        "orrery/meridian-5-fast",
    ]
