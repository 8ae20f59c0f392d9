"""`list` and `pick`: every need of the API as an option, and what a person and a program get."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

import fixtures
from service import app
from service.cli.options import option
from service.config import Settings
from service.parameters import Parameter
from service.query.pick import PICK
from service.query.question import CURSOR, QUERY
from service.saved import SavedList
from tests.support import Run, Running, at_terminal, run_here, run_in_thread, running_service

OCTOBER: Final = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER: Final = datetime(2026, 11, 1, tzinfo=UTC)
LISTED: Final = [parameter for parameter in QUERY if parameter is not CURSOR]
URL: Final = "MODEL_CATALOG_DATABASE_URL"
Question = list[tuple[str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog of two months."""
    made = tmp_path_factory.mktemp("looking")
    lists = [
        SavedList(file=fixtures.path(f"kilo-{at:%Y-%m-%d}.json"), at=at)
        for at in (OCTOBER, NOVEMBER)
    ]
    settings = Settings.load({"database_url": f"sqlite:///{made / 'catalog.db'}"})
    imports = app.import_lists(settings, lists, accept_held=False, on_import=lambda _: None)
    asyncio.run(imports)
    return made


@pytest.fixture
def url(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The catalog's address, which the environment has as well."""
    made = f"sqlite:///{folder / 'catalog.db'}"
    monkeypatch.setenv(URL, made)
    return made


@pytest.fixture
async def served(url: str, tmp_path: Path) -> Any:
    """The same catalog over HTTP."""
    async with running_service(Settings.load({"database_url": url})) as running:
        yield running


def refused(*words: str) -> str:
    """The one line by which a command is refused."""
    answer = run_here(*words)
    assert (answer.code, answer.out) == (2, ""), answer
    [line] = answer.err.splitlines()
    return line.removeprefix("model-catalog: ")


def ids(answer: Run) -> list[str]:
    """The ids of a table."""
    assert (answer.code, answer.err) == (0, ""), answer
    return [line.split()[0] for line in answer.out.splitlines()[1:-1]]


# ── the same question as that of the API ──────────────────────────────────────────────────────


@pytest.mark.parametrize(("command", "declared"), [("list", LISTED), ("pick", PICK)])
def test_help_has_an_option_for_every_parameter_and_its_meaning(
    command: str, declared: list[Parameter[Any]]
) -> None:
    answer = run_here(command, "--help")

    assert (answer.code, answer.err) == (0, "")
    said = " ".join(answer.out.replace("│", " ").split())
    for parameter in declared:
        assert f" {option(parameter.name)}" in said
        meaning = parameter.meaning.replace("`sort`", "--sort")
        assert meaning[1:] in said
        if parameter.name not in {"sort", "fields"}:  # whose words are the fields of a model
            assert all(word in said for word in parameter.words)


async def test_programs_get_what_is_served_for_the_same_question(served: Running) -> None:
    questions = [
        *([(one.name, one.example)] for one in LISTED),
        [("tools", "true"), ("minContext", "200k"), ("sort", "cost.input,-contextWindow")],
        [("input", "image"), ("input", "text"), ("limit", "3"), ("fields", "id,cost")],
    ]
    for question in questions:
        assert await listed(question, "json") == (await asked(served, "", question)) + "\n"


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_rows_for_programs_are_those_that_are_served(served: Running, form: str) -> None:
    for question in (
        [],
        [("q", "meridan"), ("maxInputCost", "5"), ("status", "active,missing,removed")],
        [("createdAfter", "2026-01-01"), ("free", "unknown"), ("fields", "cost,name")],
    ):
        assert await listed(question, form) == await asked(served, f".{form}", question)


async def listed(question: Question, form: str) -> str:
    """What the command prints."""
    words = [word for name, text in question for word in (option(name), text)]
    answer = await run_in_thread("list", f"--{form}", *words)
    assert (answer.code, answer.err) == (0, "")
    return answer.out


async def asked(served: Running, form: str, question: Question) -> str:
    """What the API answers."""
    answer = await served.client.get(f"/catalog/models{form}?{urlencode(question)}")
    assert answer.status == 200
    return answer.body.decode()


async def test_a_list_of_then_is_the_list_that_is_served_of_then(served: Running) -> None:
    for at in ("2", "2026-10-15", "2026-11-01"):
        told = await served.client.get(f"/catalog/models?at={at}&author=orrery")
        answer = await run_in_thread("list", "--at", at, "--author", "orrery", "--json")
        assert answer.out == told.body.decode() + "\n"


async def test_programs_get_the_pick_that_is_served_for_the_same_needs(served: Running) -> None:
    for query in ("", "tools=true&prefer=newest&limit=2", "minContext=9m", "inputTokens=10k"):
        told = await served.client.get(f"/catalog/pick?{query}")
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        words = [word for name, _, text in pairs for word in (option(name), text)]
        answer = await run_in_thread("pick", "--json", *words)
        assert answer.out == told.body.decode() + "\n"
        assert answer.code == (0 if told.json()["data"] else 3)


def test_values_are_repeated_or_separated_by_commas(url: str) -> None:
    expected = ids(run_here("list", "--author", "orrery,kestrelmind"))

    assert ids(run_here("list", "--author", "orrery", "--author", "kestrelmind")) == expected
    assert ids(run_here("list", "--author=kestrelmind, orrery")) == expected
    assert {name.split("/")[0].lstrip("~") for name in expected} == {"orrery", "kestrelmind"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("list --tools yes", "--tools: 'yes' is not valid; accepts: true, false, unknown"),
        ("list --status activ", "--status: 'activ' is not valid; did you mean active?"),
        ("list --min-context lots", "--min-context: 'lots' is not valid; accepts: a number of tok"),
        ("list --sort=-creatd", "--sort: '-creatd' is not valid; did you mean -created?"),
        ("list --columns id,cost.inptu", "--columns: 'cost.inptu' is not valid; did you mean cost"),
        ("list --limit 0", "--limit: '0' is not valid; accepts: a whole number from 1 to 10000"),
        ("list --created-after soon", "--created-after: 'soon' is not valid; accepts: a date or "),
        ("list --at soon", "--at: 'soon' is not a revision, a date or time in UTC, or an age"),
        ("list --json --csv", "--csv: it cannot go with --json"),
        ("pick --prefer cheap", "--prefer: 'cheap' is not valid; did you mean cheapest?"),
        ("pick --limit 101", "--limit: '101' is not valid; accepts: a whole number from 1 to 100"),
        ("pick --json --interactive", "--json: it cannot go with --interactive"),
        ("pick --interactive", "--interactive: there is no terminal to choose on"),
    ],
)
def test_what_cannot_be_used_is_told_by_the_name_of_its_option(
    url: str, words: str, told: str
) -> None:
    assert refused(*words.split()).startswith(told)


def test_too_many_values_are_told_by_the_name_of_their_option(url: str) -> None:
    assert refused("list", "--author", ",".join("a" * 101)) == (
        "--author: has 101 values; at most 100"
    )


@pytest.mark.parametrize("words", [["list", "--cursor", "x"], ["list", "--tools"], ["pick", "x"]])
def test_what_the_command_line_cannot_read_is_exit_code_2(words: list[str]) -> None:
    assert run_here(*words).code == 2


# ── a list for a person ───────────────────────────────────────────────────────────────────────


def test_columns_are_those_that_are_asked_for_in_that_order(url: str) -> None:
    answer = run_here(
        *("list", "--id", "orrery/meridian-5"),
        *("--columns", "contextWindow,id,tools", "--columns", "cost.input,input,created,expiresAt"),
    )

    heading, row, count = answer.out.splitlines()
    assert heading.split() == [
        *("contextWindow", "id", "tools", "cost.input", "input", "created", "expiresAt")
    ]
    assert row.split() == [
        *("1M", "orrery/meridian-5", "yes", "2.5", "text", "image", "file", "pdf"),
        *("2026-09-15T00:00:00Z", "?"),
    ]
    assert count == "1 model, revision 3"


def test_the_line_below_tells_how_many_of_how_many(url: str) -> None:
    def count(*words: str) -> str:
        return run_here("list", *words).out.splitlines()[-1]

    assert count() == "50 models, revision 3"
    assert count("--limit", "7") == "7 of 50 models, revision 3"
    assert count("--author", "orrery", "--limit", "2").startswith("2 of ")
    assert count("--at", "2") == "47 models, revision 2"


def test_where_no_model_fits_that_is_told_and_is_no_error(url: str) -> None:
    answer = run_here("list", "--min-context", "9m")

    assert (answer.code, answer.out) == (0, "")
    assert answer.err == (
        "model-catalog: no model fits; `model-catalog pick` tells what rules them out\n"
    )
    assert run_here("list", "--min-context", "9m", "--ndjson") == Run(0, "", "")


def test_a_line_of_a_pipe_is_whole_whatever_its_length(url: str) -> None:
    table = run_here("list", "--columns", "id,description,supportedParameters,cost")
    models = json.loads(run_here("list", "--json").out)["data"]

    lines = table.out.splitlines()
    assert len(lines) == len(models) + 2
    for line, model in zip(lines[1:], models, strict=False):
        assert (model["description"] or "?").replace("\n", " ") in line
        assert len(line) > 200


@pytest.mark.parametrize(
    ("columns", "headings", "left_out"),
    [
        ("64", "id context in $/M out $/M", "name, output, input, can, status"),
        ("80", "id context output in $/M out $/M status", "name, input, can"),
        ("100", "id context output in $/M out $/M can status", "name, input"),
    ],
)
async def test_a_terminal_gets_the_columns_that_it_has_room_for(
    url: str, columns: str, headings: str, left_out: str
) -> None:
    lines = await at_terminal("list", COLUMNS=columns)

    assert " ".join(lines[0].split()) == headings
    assert max(map(len, lines)) <= int(columns)
    # 50 models, each on one line.
    assert " ".join(lines[51:]) == f"50 models, revision 3; no room for {left_out}"


# ── a pick for a person ───────────────────────────────────────────────────────────────────────


def test_a_pick_is_ranked_with_what_each_would_cost_and_why(url: str) -> None:
    answer = run_here("pick", "--tools", "true", "--input", "image", "--limit", "2")
    told = json.loads(
        run_here("pick", "--tools", "true", "--input", "image", "--limit", "2", "--json").out
    )

    lines = answer.out.splitlines()
    assert (answer.code, answer.err) == (0, "")
    assert lines[0].split() == [*("id", "context", "output", "in", "$/M", "out", "$/M", "cost")]
    for rank, (one, line, why) in enumerate(
        zip(told["data"], lines[1::2], lines[2::2], strict=False), start=1
    ):
        assert line.split()[:2] == [str(rank), one["id"]]
        assert why.strip() == "; ".join(one["reasons"])
    assert lines[5:] == [
        f"2 of {told['total']} that fit, of {told['considered']} in revision 3",
        "cost: USD for 750,000 input, 250,000 output tokens",
    ]


def test_where_few_fit_each_need_tells_what_it_rules_out_and_what_giving_it_up_would_bring(
    url: str,
) -> None:
    needs = ("--min-context", "200k", "--author", "kestrelmind", "--tools", "true")
    answer = run_here("pick", *needs)
    told = json.loads(run_here("pick", *needs, "--json").out)

    assert answer.code == 0
    ruled = {one["parameter"]: one for one in told["ruledOut"]}
    lines = answer.out.partition("the others are ruled out:\n")[2].splitlines()
    alone = ruled["author"]["alone"]
    assert alone > 0
    assert (
        f"  --author kestrelmind rules out {ruled['author']['models']} "
        f"({ruled['author']['unknown']} as unknown); without it {alone} more would fit"
    ) in lines
    assert any(line.startswith("  --min-context 200000 rules out ") for line in lines)


def test_where_none_fits_the_exit_code_is_3_and_the_needs_are_told(url: str) -> None:
    answer = run_here("pick", "--min-context", "9m", "--author", "orrery", "--prefer", "newest")

    assert (answer.code, answer.err) == (3, "")
    first, *needs = answer.out.splitlines()
    assert first.startswith("none fits, of ")
    assert first.endswith(" in revision 3:")
    assert needs[0].startswith("  --author orrery rules out ")
    assert needs[1].startswith("  --min-context 9000000 rules out ")
    assert needs[2].startswith("  --prefer newest, for which created has to be known, rules out ")


def test_where_giving_up_one_need_is_not_enough_that_is_told(url: str) -> None:
    answer = run_here("pick", "--min-context", "9m", "--author", "nobody")

    assert answer.code == 3
    assert answer.out.splitlines()[-1] == "  to give up one of these is not enough"
