"""The page of a model over real HTTP: what it tells, of whom, and what becomes of hostile words."""

import ast
import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, cast
from urllib.parse import urljoin

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import fixtures
from fixtures.replay import ReplayGateway
from service.config import Settings
from service.dialects import DIALECTS
from service.dialects.dialect import Provider
from service.errors import StorageError
from service.fields import FIELDS
from service.history import History, Page
from service.pages.cells import path_of
from service.pages.raw import MAX_SHOWN, laid_out
from service.pages.steps import WIDTH, Point, axis, panel
from service.pages.telling import GROUPS, LABELS
from service.pages.usage import NO_WORD, Place, uses
from tests.elements import Element, assert_inert, parse
from tests.stage import Stage, entry, stage
from tests.support import Answer, Client, Running, client_of

MERIDIAN: Final = "orrery/meridian-5"
PROVIDER: Final = Provider(url="https://gateway.example/api")
PLACE: Final = Place(address="http://127.0.0.1:8788", provider=PROVIDER)
NAUGHTY: Final = (
    "<img src=x onerror=alert(1)>\"'&</pre></code></script>{{ 7*7 }}javascript:alert(1)"
)


@pytest.fixture
async def scene(settings: Settings, gateway: ReplayGateway) -> AsyncIterator[Stage]:
    async with stage(settings, gateway) as made:
        yield made


@pytest.fixture
async def client(october: Running) -> AsyncIterator[Client]:
    async with client_of(october.client.url) as made:
        yield made


@asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[Client]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with client_of(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()


async def page(client: Client, name: str, status: int = 200) -> Element:
    answer = await client.get(f"/models/{name}")
    assert answer.status == status, answer
    return read(answer)


def read(answer: Answer) -> Element:
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    made = parse(answer.body)
    assert_inert(made)
    return made


def facts(made: Element) -> dict[str, str]:
    """What the groups say, by the path of each field."""
    return {
        one.one("code", "path").text: one.one("dd")
        .text.removesuffix(
            one.one("dd").all("span", "hint")[0].text if one.one("dd").all("span", "hint") else ""
        )
        .strip()
        for one in made.all("div", "fact")
    }


# ── the present ───────────────────────────────────────────────────────────────────────────────


def test_every_field_is_in_one_group_and_has_a_label() -> None:
    paths = [path for group in GROUPS for path in group.paths]

    assert sorted(paths) == sorted(FIELDS)
    assert LABELS.keys() == FIELDS.keys()


async def test_a_page_tells_every_field_with_its_unit(client: Client) -> None:
    made = await page(client, MERIDIAN)

    told = facts(made)
    elsewhere = {"name", "description", "missingSince", "removedAt"}
    assert told.keys() == FIELDS.keys() - elsewhere
    assert made.one("h1").text == "Orrery: Meridian 5"
    assert told["contextWindow"] == "1M tokens 1,000,000"
    assert told["maxTokens"] == "128k tokens 128,000"
    assert told["cost.input"] == "$3 per million tokens"
    assert told["cost.cacheRead"] == "$0.3 per million tokens"
    assert told["input"] == "text image file pdf"
    assert told["tools"] == "✓ yes"
    assert told["free"] == "✕ no"
    assert told["created"] == "2026-09-15"
    assert told["expiresAt"] == "no date is said"


async def test_the_limits_say_which_of_them_they_are(client: Client) -> None:
    made = await page(client, "orrery/meridian-4.5")

    limits = made.one("section", id="limits").text
    assert "tokens that the model itself can hold" in limits
    assert "tokens that the gateway's first provider accepts" in limits
    assert "tokens of the longest answer" in limits


async def test_what_nobody_says_is_told_as_unknown_and_never_as_0(client: Client) -> None:
    told = facts(await page(client, "kilo/auto"))

    unknown = {path for path, text in told.items() if text == "unknown"}
    assert {"cost.input", "cost.output", "tools", "created", "free"} <= unknown
    assert not [text for text in told.values() if text.startswith(("$0", "0"))]


async def test_a_price_of_0_is_told_as_costing_nothing(client: Client) -> None:
    told = facts(await page(client, "juniper-grove/sprig-mini"))

    assert told["cost.input"].split() == ["$0", "per", "million", "tokens", "(costs", "nothing)"]
    assert told["free"] == "✓ yes"


async def test_an_id_and_a_ref_find_the_same_page_with_slashes_escaped_or_not(
    client: Client,
) -> None:
    forms = [
        MERIDIAN,
        MERIDIAN.replace("/", "%2F"),
        f"kilocode/{MERIDIAN}",
        f"kilocode%2F{MERIDIAN}",
    ]
    for form in forms:
        made = await page(client, form)
        assert made.one("h1").text == "Orrery: Meridian 5"
        for link in (*made.all("a"), *made.all("link"), *made.all("script")):
            target = link["href"] or link["src"]
            if not target.startswith("#"):
                path = urljoin(f"/models/{form}", target)
                assert (await client.get(path)).status == 200, (form, path)


async def test_a_page_has_a_tag_of_its_own_that_a_change_of_the_model_changes(scene: Stage) -> None:
    await scene.tell(entry("a/b", 1), entry("c/d", 1))
    first = await scene.client.get("/models/a/b")
    again = await scene.client.get("/models/a/b", If_None_Match=first.headers["ETag"])
    other = await scene.client.get("/models/c/d")

    await scene.tell(entry("a/b", 2), entry("c/d", 1))
    later = await scene.client.get("/models/a/b", If_None_Match=first.headers["ETag"])
    assert (first.status, again.status, later.status) == (200, 304, 200)
    assert len({one.headers["ETag"] for one in (first, other, later)}) == 3
    assert "script-src 'self'" in first.headers["Content-Security-Policy"]
    assert "unsafe" not in first.headers["Content-Security-Policy"]
    assert first.headers["Cache-Control"] == "public, no-cache"


async def test_what_others_hang_on_a_link_is_ignored(client: Client) -> None:
    plain = await client.get(f"/models/{MERIDIAN}")
    decorated = await client.get(f"/models/{MERIDIAN}?utm_source=somewhere&fbclid=1")

    assert decorated.body == plain.body


# ── those that are not there ──────────────────────────────────────────────────────────────────


async def test_a_model_that_there_is_not_gets_a_page_with_those_like_it(client: Client) -> None:
    answer = await client.get("/models/orrery/meridain-5")

    made = read(answer)
    assert answer.status == 404
    assert answer.headers["Cache-Control"] == "no-store"
    near = made.one("ul", "near").all("a")
    assert near[0].text == MERIDIAN
    found = await client.get(urljoin("/models/orrery/meridain-5", near[0]["href"]))
    assert found.status == 200


async def test_a_long_and_hostile_name_that_nobody_has_is_told_short_and_inert(
    client: Client,
) -> None:
    made = await page(client, "%3Cscript%3Ealert(1)%3C%2Fscript%3E" * 50, 404)

    assert len(made.one("main").text) < 700
    assert made.one("h1").text == "There is no such model"


async def test_a_missing_model_says_since_when_and_a_removed_one_keeps_its_page(
    scene: Stage,
) -> None:
    await scene.tell(entry("a/b"), entry("c/d"), entry("e/f"))
    await scene.tell(entry("c/d"), entry("e/f"))
    missing = await page(scene.client, "a/b")
    await scene.tell(entry("c/d"), entry("e/f"), hours=30)
    removed = await page(scene.client, "a/b")

    assert "Missing from the gateway's list since 2026-10-01 14:00 UTC" in missing.text
    assert removed.one("span", "state-removed").text == "removed"
    assert "Removed at 2026-10-02 20:00 UTC" in removed.text
    assert "no format tells of it any more" in removed.one("section", id="use").text
    assert facts(removed)["missingSince"] == "2026-10-01 14:00 UTC"
    kinds = [one.text for one in removed.one("ol", "changes").all("bdi")]
    assert kinds == [
        "removed: missing for longer than the grace",
        "missing from the gateway's list",
        "added",
    ]


# ── the past ──────────────────────────────────────────────────────────────────────────────────


async def test_prices_are_drawn_as_steps_and_told_as_a_table(scene: Stage) -> None:
    for price in (3, 2, 2, 5):
        await scene.tell(entry("a/b", price), entry("c/d"))
    made = await page(scene.client, "a/b")

    chart = made.one("figure", id="prices-chart")
    drawn = chart.all("svg", "steps")
    assert [one.one("desc").text for one in drawn] == [
        "Since 2026-10-01 13:00 UTC between $2 and $5; now $5."
    ] * 2
    assert [one.text for one in drawn[0].all("rect")[0].all("title")] == [
        "$3 per million tokens, from 2026-10-01 13:00 UTC until 2026-10-01 14:00 UTC"
    ]
    for svg in drawn:
        named = svg["aria-labelledby"].split()
        assert [one["id"] for one in svg.walk() if one.name in {"title", "desc"} and one["id"]] == (
            named
        )
    rows = [[cell.text for cell in row.all("td")] for row in chart.one("tbody").all("tr")]
    assert rows == [["$5 ▲up", "$5 ▲up"], ["$2 ▼down", "$2 ▼down"], ["$3", "$3"]]


async def test_changes_are_told_in_words_newest_first_with_their_links(scene: Stage) -> None:
    await scene.tell(entry("a/b", 3), entry("c/d"))
    await scene.tell(entry("a/b", 2), entry("c/d"))
    await scene.tell(entry("a/b", 2, name="(new) A"), entry("c/d"))
    made = await page(scene.client, "a/b")

    told = [one.text for one in made.one("ol", "changes").all("bdi")]
    assert told == [
        "name a/b → (new) A",
        "cost.input 3 → 2",
        "cost.output 3 → 2",
        "added",
    ]
    links = {one["href"] for one in made.one("section", id="history").all("a")}
    assert links == {
        "../../catalog/history/a/b",
        "../../catalog/changes.atom?model=kilocode%2Fa%2Fb",
    }


async def test_a_price_that_became_unknown_leaves_a_gap(scene: Stage) -> None:
    await scene.tell(entry("a/b", 3), entry("c/d"))
    await scene.tell({"id": "a/b", "context_length": 1000}, entry("c/d"))
    made = await page(scene.client, "a/b")

    svg = made.one("figure", id="prices-chart").all("svg", "steps")[0]
    assert [one["class"] for one in svg.all("rect")] == ["stretch", "stretch blank"]
    assert svg.one("path", "line")["d"].count("H") == 1


class Lost:
    """A history that cannot be read."""

    async def versions(self, *asked: object) -> Page[Any]:
        raise StorageError(f"gone: {asked}")


async def test_the_present_comes_even_when_the_database_cannot_be_read(running: Running) -> None:
    await running.service.refresher.run()
    broken = replace(running.service, history=cast("History", Lost()))
    async with serving(broken.application()) as client:
        answer = await client.get(f"/models/{MERIDIAN}")
    made = read(answer)
    assert answer.status == 200
    assert "The history cannot be read now." in made.one("section", id="history").text
    assert facts(made)["cost.input"] == "$3 per million tokens"
    assert not made.all("svg", "steps")


async def test_a_page_without_its_history_is_not_kept(running: Running) -> None:
    await running.service.refresher.run()
    api = running.service.api()
    lost = replace(api.model_pages, history=cast("History", Lost()))
    async with serving(replace(api, model_pages=lost).application()) as client:
        without = await client.get(f"/models/{MERIDIAN}")
    async with serving(api.application()) as client:
        whole = await client.get(f"/models/{MERIDIAN}")
    assert len(whole.body) > len(without.body)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**8),
            st.none() | st.integers(0, 10**9) | st.floats(0, 1e6),
            st.booleans(),
        ),
        min_size=1,
        max_size=30,
        unique_by=lambda one: one[0],
    ),
    st.integers(0, 10**8),
)
def test_the_stretches_of_a_chart_cover_all_of_it_and_keep_in_it(
    states: list[tuple[int, float | None, bool]], end: int
) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    points = [
        Point(begin + timedelta(seconds=at), figure, is_gone)
        for at, figure, is_gone in sorted(states, key=lambda one: one[0])
    ]
    along = axis([point.at for point in points], begin + timedelta(seconds=end))
    made = panel(points, along)

    if made is None:
        assert all(point.figure is None for point in points)
        return
    stretches = made.stretches
    assert (stretches[0].left, stretches[-1].right) == (0, WIDTH)
    assert all(one.right == after.left for one, after in pairwise(stretches))
    assert all(one.width >= 0 for one in stretches)
    assert stretches[-1].width >= WIDTH * 0.059
    assert all(one.y is None or 0 <= one.y <= 100 for one in stretches)
    assert len(made.turns) < len(stretches)


# ── the raw entry ─────────────────────────────────────────────────────────────────────────────


async def test_the_raw_entry_is_there_folded_and_as_the_gateway_sent_it(client: Client) -> None:
    made = await page(client, MERIDIAN)

    listed = json.loads(fixtures.path("kilo-2026-10-01.json").read_bytes())["data"]
    sent = next(one for one in listed if one["id"] == MERIDIAN)
    raw = made.one("details", "raw")
    assert "open" not in raw.attributes
    assert json.loads(raw.one("pre").raw_text) == sent


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    max_leaves=20,
)


@given(json_values, st.booleans())
def test_a_laid_out_entry_means_the_same(value: Any, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    shown, is_whole = laid_out(text)

    assert is_whole
    assert json.loads(shown) == value
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x7f-\x9f]", shown)


def test_numbers_and_members_that_are_there_twice_stay_as_they_were_written() -> None:
    shown, _ = laid_out('{"a":1.40e-06,"a":8192.0,"b":[],"c":{},"d":[1,{"e":"x\\u00e9:,{"}]}')

    assert shown == (
        '{\n  "a": 1.40e-06,\n  "a": 8192.0,\n  "b": [],\n  "c": {},\n  "d": [\n    1,\n    {\n'
        '      "e": "x\\u00e9:,{"\n    }\n  ]\n}'
    )


@pytest.mark.parametrize("text", ['{"a": "' + "x" * 200_000, '["x"' * 100_000, "[" * 100_000])
def test_an_entry_of_any_size_is_shown_to_a_bound(text: str) -> None:
    shown, is_whole = laid_out(text)

    assert not is_whole
    assert len(shown) <= MAX_SHOWN


# ── how it is used ────────────────────────────────────────────────────────────────────────────


async def test_each_tool_calls_a_model_as_the_documents_for_it_do(client: Client) -> None:
    made = await page(client, MERIDIAN)

    names = {
        one.one("h3").text: one.one("p", "called").one("bdi").text
        for one in made.all("section", "use")
    }
    assert names["opencode, Kilo CLI"] == f"kilo/{MERIDIAN}"
    assert names["LiteLLM, aider"] == f"openrouter/{MERIDIAN}"
    assert names["llm, the command-line tool"] == f"kilo/{MERIDIAN}"
    assert names["Codex CLI"] == MERIDIAN
    assert names["Kilo Gateway, by OpenAI's SDK"] == MERIDIAN
    assert f'llm -m kilo/{MERIDIAN} "Hello"' in made.text


async def test_a_format_that_cannot_tell_a_model_says_why(client: Client) -> None:
    made = await page(client, "kilo/auto")

    why = {one.one("strong").text: one.text for one in made.one("ul", "unused").all("li")}
    assert "read as free" in why["LiteLLM, aider"]
    assert "read as free" in why["Crush"]
    assert not {"Codex CLI", "opencode, Kilo CLI"} & why.keys()


@pytest.mark.parametrize("listing", ["kilo-2026-10-01.json", "hostile-2026-10-01.json"])
async def test_every_use_is_truthful_and_its_example_can_be_pasted(
    scene: Stage, listing: str
) -> None:
    await scene.show(fixtures.path(listing))
    catalog = scene.running.service.present.require().catalog
    for row in catalog.rows:
        found = uses(row, PLACE)
        told = {one.name for one in DIALECTS if one.row(row, PROVIDER) is not None}
        assert len(found) == 1 + len(DIALECTS)
        assert sum(bool(one.name) for one in found) == 1 + len(told)
        for use in found:
            assert bool(use.name) is not bool(use.why)
            assert use.why != NO_WORD
            assert not use.name or use.name.endswith(row.model.id)
            assert_can_be_pasted(use.example, row.model.id)


def assert_can_be_pasted(example: str, model_id: str) -> None:
    """Python that parses, JSON, or shell that hands over the very id."""
    if example.startswith("{"):
        assert json.loads(example)["models"]["large"]["model"] == model_id
    elif "import " in example:
        texts = [one.value for one in ast.walk(ast.parse(example)) if isinstance(one, ast.Constant)]
        is_called = "model=" in example or "model_ref=" in example
        assert not is_called or any(str(text).endswith(model_id) for text in texts)
    elif re.search(r"--model |-m ", example):
        last = shlex.split(example.splitlines()[-1])
        assert any(part.endswith(model_id) for part in last), example


async def test_what_is_copied_is_what_is_shown(client: Client) -> None:
    made = await page(client, MERIDIAN)

    copied = {one["data-copy"] for one in made.all("button", "copy")}
    assert {MERIDIAN, f"kilocode/{MERIDIAN}"} <= copied
    assert {one.raw_text for one in made.one("section", id="use").all("pre")} <= copied
    assert all("hidden" in one.attributes for one in made.all("button", "copy"))


# ── hostile words ─────────────────────────────────────────────────────────────────────────────


async def test_every_model_of_a_hostile_list_has_an_inert_page_at_an_address_that_finds_it(
    scene: Stage,
) -> None:
    await scene.show(fixtures.path("hostile-2026-10-01.json"))
    catalog = scene.running.service.present.require().catalog
    assert len(catalog.rows) > 100
    for row in catalog.rows:
        made = await page(scene.client, path_of(row, catalog))
        assert made.one("h1").text == " ".join(row.model.name.split())
        assert facts(made)["ref"] == " ".join(row.model.ref.split())


async def test_words_that_are_code_stay_words(scene: Stage) -> None:
    await scene.tell(
        {
            "id": "a/x'$(id)",
            "name": NAUGHTY,
            "description": NAUGHTY * 20,
            "context_length": 10,
            "hugging_face_id": "javascript:alert(1)",
            "architecture": {"input_modalities": ["text", NAUGHTY], "tokenizer": NAUGHTY},
            "supported_parameters": [NAUGHTY, "tools"],
        },
        entry("c/d"),
    )
    made = await page(scene.client, "a/x'$(id)")

    assert made.one("h1").text == NAUGHTY
    assert not made.all("img", src="x")
    assert facts(made)["tokenizer"] == NAUGHTY
    assert facts(made)["input"] == f"text {NAUGHTY.lower()}"
    assert facts(made)["supportedParameters"].endswith("tools")
