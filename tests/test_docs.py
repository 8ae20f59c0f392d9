"""The documents hold: what they name is there, and what is there is named."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

import service
from service.api.past import AT
from service.api.route import plain
from service.config import describe
from service.dialects import DIALECTS
from service.diff import fields_of
from service.fields import Topic
from service.parameters import Asked
from service.query import pick
from service.query.pick import MIX, PREFER
from service.query.question import CHOSEN, CURSOR, LIMIT, NEEDS, SORT
from service.tables import metadata
from tests.support import Running, query

ROOT: Final = Path(__file__).parent.parent
MODULES: Final = Path(service.__file__).parent


def table(document: str, *heading: str) -> list[list[str]]:
    """The rows under that heading, as they are written."""
    lines = iter((ROOT / document).read_text(encoding="utf-8").splitlines())
    for line in lines:
        if cells(line) == list(heading):
            next(lines)
            rows = []
            for row in lines:
                if not row.startswith("|"):
                    break
                rows.append(cells(row))
            return rows
    pytest.fail(f"{document} has no table {heading}")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def code(cell: str) -> str:
    """What stands in backticks; nothing for a dash."""
    return "" if cell == "—" else cell.removeprefix("`").removesuffix("`")


def test_the_docs_tell_of_every_setting_as_the_code_does() -> None:
    told = table("docs/settings.md", "Variable", "Default", "Accepts", "Meaning")

    assert [(code(variable), code(default), meaning) for variable, default, _, meaning in told] == [
        (info.variable, info.default, info.description) for info in describe()
    ]
    assert [accepts for _, _, accepts, _ in told] == [info.accepts for info in describe()]


async def test_the_docs_tell_of_every_route_and_of_no_other(running: Running) -> None:
    told = table("docs/api.md", "Method", "Path", "Answer")

    foreign = {path for dialect in DIALECTS for one in dialect.endpoints for path in one.paths}
    declared = {
        (route.method, route.resource.canonical)
        for route in running.service.application().router.routes()
        if route.resource and route.method not in {"HEAD", "*"}
    }
    own = {(method, path) for method, path in declared if path not in set(map(plain, foreign))}
    assert sorted((code(method), code(path)) for method, path, _ in told) == sorted(own)
    assert all(answer for _, _, answer in told)


def test_the_readme_tells_of_every_dialect_and_of_no_other() -> None:
    told = table("README.md", "Path", "Format", "`export`", "Read by")

    assert [(code(path), title, code(name), readers) for path, title, name, readers in told] == [
        (plain(dialect.endpoints[0].paths[0]), dialect.title, dialect.name, dialect.readers)
        for dialect in DIALECTS
    ]


def test_the_docs_tell_of_every_parameter_of_a_question_as_the_code_does() -> None:
    text = (ROOT / "docs/queries.md").read_text(encoding="utf-8")

    told = [cells(line) for line in text.splitlines() if line.startswith("| `")]
    declared = (*NEEDS, SORT, LIMIT, CURSOR, CHOSEN, AT, PREFER, *MIX, pick.LIMIT)
    assert [[code(name), accepts, meaning] for name, accepts, meaning, _ in told] == [
        [one.name, one.accepts, one.meaning] for one in declared
    ]
    examples = [code(example) for _, _, _, example in told]
    assert examples == [one.example and f"{one.name}={one.example}" for one in declared]
    for one in declared:
        if one.example:
            Asked([(one.name, one.example)], [one]).many(one)


def test_every_address_that_a_tool_is_pointed_at_is_one_or_the_beginning_of_one() -> None:
    text = (ROOT / "docs/clients.md").read_text(encoding="utf-8")

    paths = [plain(path) for one in DIALECTS for end in one.endpoints for path in end.paths]
    named = set(re.findall(r"http://127\.0\.0\.1:8788(/[\w./-]*)", text))
    assert "/catalog/models.csv" in named
    for address in named - {"/catalog/models.csv"}:
        like = re.sub(r"^/as/\w+/", "/as/{provider}/", address)
        assert any(path == like or path.startswith(f"{like}/") for path in paths), address


def test_every_format_that_the_docs_export_is_one() -> None:
    text = (ROOT / "docs/clients.md").read_text(encoding="utf-8")

    named = set(re.findall(r"model-catalog export ([a-z-]+)", text))
    assert {"litellm", "codex", "llm", "openai"} <= named <= {one.name for one in DIALECTS}


def test_the_architecture_has_one_line_for_every_module_and_no_other() -> None:
    told = table("docs/architecture.md", "Module", "Job")

    files = [file.relative_to(MODULES) for file in MODULES.rglob("*.py")]
    modules = [
        file.as_posix()
        for file in files
        if file.name != "__init__.py" and file.parts[0] != "migrations"
    ]
    assert sorted(code(module) for module, _ in told) == sorted(modules)
    assert all(job for _, job in told)


@pytest.mark.parametrize(
    "document", ["docs/architecture.md", "docs/database.md", "docs/decisions.md", "README.md"]
)
def test_every_module_that_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")

    named = {name for name in re.findall(r"`([\w/]+\.py)`", text) if name != "__init__.py"}
    there = {
        path
        for folder in (MODULES, *(ROOT / name for name in ("migrations", "fixtures", "tests")))
        for file in folder.rglob("*.py")
        for path in (file.name, file.relative_to(folder).as_posix())
    }
    assert named <= there


def fenced(document: str, language: str) -> list[str]:
    """The blocks of a language."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_picture_of_the_schema_has_every_table_and_column() -> None:
    (picture,) = fenced("docs/database.md", "mermaid")

    drawn = {
        name: re.findall(r"^ +\w+ (\w+)", columns, re.MULTILINE)
        for name, columns in re.findall(
            r"^    (\w+) \{\n(.*?)^    \}", picture, re.MULTILINE | re.DOTALL
        )
    }
    assert drawn == {name: table.columns.keys() for name, table in metadata.tables.items()}


def test_the_picture_of_the_schema_draws_every_reference() -> None:
    (picture,) = fenced("docs/database.md", "mermaid")

    drawn = Counter(re.findall(r"^    (\w+) \S+--o\{ (\w+) :", picture, re.MULTILINE))
    declared = Counter(
        (key.column.table.name, table.name)
        for table in metadata.tables.values()
        for key in table.foreign_keys
    )
    assert declared <= drawn
    assert drawn - declared == Counter({("webhooks", "deliveries"): 1})  # by name, not by a key


def test_the_topics_of_fields_are_told_as_the_code_has_them() -> None:
    told = table("docs/history.md", "`field=`", "Stands for")

    assert {code(topic): set(re.findall(r"`([\w.]+)`", fields)) for topic, fields in told} == {
        topic: set(fields_of(topic)) for topic in Topic
    }


async def test_the_queries_of_the_documents_run(running: Running, database: Path) -> None:
    await running.service.refresher.run()

    queries = fenced("docs/database.md", "sql")
    assert len(queries) >= 5
    for sql in queries:
        query(database, sql)


def test_the_changelog_tells_what_is_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    _, found, rest = text.partition("\n## Unreleased\n")
    assert found
    assert re.search(r"^- \S", rest.partition("\n## ")[0], re.MULTILINE)


def test_every_make_target_that_the_readme_names_is_in_the_makefile() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", readme, re.MULTILINE))
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    assert {"serve", "test", "demo", "check"} <= named
    assert named <= targets


def test_every_file_that_the_readme_links_to_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    links = [to for to in re.findall(r"\]\(([^)#]+)", readme) if "://" not in to]
    assert links
    assert [to for to in links if not (ROOT / to).exists()] == []
