"""The page that sets models side by side, over real HTTP."""

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

import pytest

import fixtures
from fixtures.replay import ReplayGateway
from service.config import Settings
from service.fields import FIELDS
from tests.elements import Element, assert_inert, parse
from tests.forms import followed
from tests.stage import Stage, entry, stage
from tests.support import Client, Running, client_of

FIVE: Final = "orrery/meridian-5"
OLDER: Final = "orrery/meridian-4.5"
EMBER: Final = "cinderpeak/ember-4.1"
AUTO: Final = "kilo/auto"


@pytest.fixture
async def scene(settings: Settings, gateway: ReplayGateway) -> AsyncIterator[Stage]:
    async with stage(settings, gateway) as made:
        yield made


@pytest.fixture
async def client(october: Running) -> AsyncIterator[Client]:
    async with client_of(october.client.url) as made:
        yield made


async def page(client: Client, query: str, status: int = 200) -> Element:
    answer = await followed(client, f"/compare?{query}" if query else "/compare")
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    made = parse(answer.body)
    assert_inert(made)
    return made


def columns(made: Element) -> list[str]:
    return [one.one("code", "head-id").text for one in made.all("th", "head")]


def lines(made: Element) -> dict[str, list[str]]:
    """The cells of each row by its path."""
    return {
        row.one("code", "path").text: [cell.text for cell in row.all("td")]
        for row in made.all("tr")
        if row.all("code", "path")
    }


def differing(made: Element) -> set[str]:
    return {row.one("code", "path").text for row in made.all("tr", "differs")}


def costs(made: Element) -> list[str]:
    return [cell.text for cell in made.one("tr", "cost").all("td")]


def unless_told(made: Element) -> list[str]:
    """What the form says that each part of the mix is where it is left empty."""
    named = [one for one in made.one("form", "asked").all("input") if "Tokens" in one["name"]]
    return [one["placeholder"] for one in named]


def faults(made: Element) -> list[str]:
    return [one.text for notice in made.all("div", "callout") for one in notice.all("p")]


# ── side by side ──────────────────────────────────────────────────────────────────────────────


async def test_models_stand_side_by_side_with_a_row_for_every_field(client: Client) -> None:
    made = await page(client, f"ids={FIVE},{OLDER},{AUTO}")

    assert columns(made) == [FIVE, OLDER, AUTO]
    told = lines(made)
    assert told.keys() == FIELDS.keys() - {"id", "ref", "name"}
    assert [text.split()[0] for text in told["contextWindow"]] == ["1M", "1M", "1M"]
    assert told["cost.input"] == ["$3", "$3", "unknown"]


async def test_rows_that_differ_are_marked_by_a_sign_too(client: Client) -> None:
    made = await page(client, f"ids={FIVE},{EMBER}")

    models = [await client.json(f"/catalog/models/{id_}") for id_ in (FIVE, EMBER)]
    flat = [{**one, **{f"cost.{name}": usd for name, usd in one["cost"].items()}} for one in models]
    assert differing(made) == {path for path in lines(made) if flat[0][path] != flat[1][path]}
    for row in made.all("tr", "differs"):
        assert "differs" in row.one("th").text


async def test_rows_that_are_the_same_can_be_left_out_by_a_link(client: Client) -> None:
    made = await page(client, f"ids={FIVE},{OLDER}&inputTokens=8k")

    link = made.one("p", "tools").one("a")
    brief = await page(client, urlsplit(link["href"]).query)
    assert lines(brief).keys() == differing(made) == differing(brief)
    assert costs(brief) == costs(made)
    back = brief.one("p", "tools").one("a")
    assert lines(await page(client, urlsplit(back["href"]).query)) == lines(made)


async def test_the_best_limits_and_prices_are_marked_and_nothing_unknown_is_best(
    scene: Stage,
) -> None:
    await scene.tell(
        entry("a/cheap", 1),
        entry("a/large", 2, context_length=9000),
        {"id": "a/unknown"},
    )
    made = await page(scene.client, "ids=a/cheap,a/large,a/unknown")

    told = lines(made)
    assert told["cost.input"] == ["$1 ★ lowest", "$2", "unknown"]
    assert told["contextWindow"] == ["1k", "9k ★ largest", "unknown"]
    same = lines(await page(scene.client, "ids=a/cheap,a/unknown"))
    assert same["cost.input"] == ["$1", "unknown"]


# ── what it costs ─────────────────────────────────────────────────────────────────────────────


async def test_a_mix_costs_what_a_pick_estimates(client: Client) -> None:
    mix = "inputTokens=8k&outputTokens=1k&cachedTokens=2k"
    made = await page(client, f"ids={FIVE},{EMBER}&{mix}")

    picked = await client.json(f"/catalog/pick?id={FIVE},{EMBER}&{mix}")
    estimates = {one["id"]: one["estimatedCost"] for one in picked["data"]}
    shown = [cell.one("data")["title"] for cell in made.one("tr", "cost").all("td")]
    assert [float(text.removeprefix("$")) for text in shown] == [
        estimates[FIVE],
        estimates[EMBER],
    ]
    assert "of 8,000 input, 2,000 cached, 1,000 output tokens" in made.one("tr", "cost").text
    assert "★ lowest" in costs(made)[1]
    assert "times the lowest" in costs(made)[0]


async def test_an_unknown_price_makes_an_unknown_cost_only_where_it_is_needed(
    scene: Stage,
) -> None:
    await scene.tell(entry("a/b", 1), entry("c/d", 2))
    without = await page(scene.client, f"ids=a/b,c/d,{AUTO}&inputTokens=1m")
    cached = await page(scene.client, "ids=a/b,c/d&inputTokens=1m&cachedTokens=1")

    assert costs(without) == ["$1 ★ lowest", "$2 2 times the lowest", "unknown"]
    assert costs(cached) == ["unknown", "unknown"]


async def test_without_a_mix_the_one_of_a_pick_is_taken(client: Client) -> None:
    made = await page(client, f"ids={FIVE},{OLDER}")

    assert "of 750,000 input, 250,000 output tokens" in made.one("tr", "cost").text
    assert unless_told(made) == ["750k", "250k", "0"]
    assert unless_told(await page(client, f"ids={FIVE}&outputTokens=1k")) == ["0", "0", "0"]


# ── the question ──────────────────────────────────────────────────────────────────────────────


async def test_names_may_be_ids_or_refs_repeated_or_separated_and_count_once(
    client: Client,
) -> None:
    made = await page(client, f"ids={FIVE}&ids=kilocode/{FIVE},%20{OLDER}&ids=")

    assert columns(made) == [FIVE, OLDER]


async def test_a_comma_may_be_in_a_name(scene: Stage) -> None:
    await scene.tell(entry("a/b,c"), entry("a/b"))

    made = await page(scene.client, urlencode([("ids", "a/b,c"), ("ids", "a/b")]))
    assert columns(made) == ["a/b,c", "a/b"]


async def test_the_form_asks_for_the_same_again_and_one_more(client: Client) -> None:
    made = await page(client, f"ids={FIVE},{OLDER}&inputTokens=8k&rows=differing")

    form = made.one("form", "asked")
    assert (form["method"], urljoin("/compare", form["action"])) == ("get", "/compare")
    sent = [(one["name"], one["value"]) for one in form.all("input")]
    sent[sent.index(("ids", ""))] = ("ids", EMBER)
    again = await page(client, urlencode(sent))
    assert columns(again) == [FIVE, OLDER, EMBER]
    assert differing(again) == lines(again).keys()
    offered = {one["value"] for one in made.one("datalist").all("option")}
    assert {FIVE, AUTO} <= offered


async def test_a_model_is_removed_by_a_link(client: Client) -> None:
    made = await page(client, f"ids={FIVE},{OLDER},{EMBER}&outputTokens=1k")

    link = made.all("th", "head")[1].one("a", "remove")
    pairs = parse_qsl(urlsplit(link["href"]).query)
    assert pairs == [("ids", FIVE), ("ids", EMBER), ("outputTokens", "1k")]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "Choose two models or more, up to 6."),
        (f"ids={FIVE}", "Choose at least one more model, up to 6 in all."),
    ],
)
async def test_fewer_than_two_are_a_beginning_and_no_error(
    client: Client, query: str, said: str
) -> None:
    made = await page(client, query)

    assert made.one("p", "callout").text == said
    assert faults(made) == []
    assert made.one("form", "asked").all("input", id="add")


async def test_a_name_that_nobody_has_is_told_with_those_like_it_beside_the_others(
    client: Client,
) -> None:
    made = await page(client, f"ids={FIVE},orrery/meridain-4.5", 400)

    assert columns(made) == [FIVE]
    (said,) = faults(made)
    assert said.startswith("There is no model orrery/meridain-4.5; did you mean ")
    links = [one["href"] for one in made.one("div", "callout").all("a")]
    mended = [columns(await page(client, urlsplit(one).query)) for one in links]
    assert [FIVE, OLDER] in mended


async def test_of_more_than_six_the_first_six_are_shown(client: Client) -> None:
    ids = [one["id"] for one in (await client.json("/catalog/models"))["data"]][:8]
    made = await page(client, urlencode([("ids", id_) for id_ in ids]), 400)

    assert columns(made) == ids[:6]
    assert faults(made) == ["at most 6 models can be compared; these are the first 6"]
    six = await page(client, urlencode([("ids", id_) for id_ in ids[:6]]))
    assert "disabled" in six.one("input", id="add").attributes


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("inputTokens=lots", "inputTokens='lots' is not valid; accepts: a number of tokens"),
        ("rows=some", "rows='some' is not valid; accepts: all, differing"),
        ("inputToken=1", "unknown query parameter 'inputToken'; did you mean inputTokens?"),
        ("inputTokens=1&inputTokens=2", "inputTokens is given more than once"),
        ("outputTokens=-1", "outputTokens='-1' is not valid"),
    ],
)
async def test_what_cannot_be_used_is_told_and_the_rest_is_answered(
    client: Client, query: str, said: str
) -> None:
    made = await page(client, f"ids={FIVE},{OLDER}&{query}", 400)

    assert columns(made) == [FIVE, OLDER]
    assert faults(made)[0].startswith(said)


async def test_whatever_is_asked_the_answer_is_a_page(client: Client) -> None:
    for query in (
        "ids=" + "x" * 3000,
        "ids=" + ",".join(f"x{number}" for number in range(500)),
        "ids=%00&ids=%ff&ids=%F0%9F%A6%8A&" + quote("<script>alert(1)</script>") + "=1",
        "inputTokens=%3Cimg%20src=x%20onerror=alert(1)%3E&=&&ids",
        "cachedTokens=9007199254740993",
    ):
        made = await page(client, query, 400)
        assert len(made.text) < 20_000


async def test_a_page_has_a_tag_and_a_304(client: Client) -> None:
    path = f"/compare?ids={FIVE},{OLDER}"
    first = await client.get(path)
    again = await client.get(path, If_None_Match=first.headers["ETag"])

    assert (first.status, again.status) == (200, 304)
    assert "script-src 'self'" in first.headers["Content-Security-Policy"]


async def test_what_was_removed_can_be_compared_too(scene: Stage) -> None:
    await scene.tell(entry("a/b"), entry("c/d"), entry("e/f"))
    await scene.tell(entry("c/d"), entry("e/f"))
    await scene.tell(entry("c/d"), entry("e/f"), hours=30)
    made = await page(scene.client, "ids=a/b,c/d")

    assert lines(made)["status"] == ["removed", "active"]
    assert made.one("span", "state-removed").text == "removed"


async def test_hostile_models_are_inert_side_by_side(scene: Stage) -> None:
    await scene.show(fixtures.path("hostile-2026-10-01.json"))
    rows = scene.running.service.present.require().catalog.rows
    for begin in range(0, len(rows), 6):
        refs = [row.model.ref for row in rows[begin : begin + 6]]
        made = await page(scene.client, urlencode([("ids", ref) for ref in refs]))
        assert len(columns(made)) == len(refs)
        for head in made.all("th", "head"):
            target = urljoin("/compare", head.one("a", "head-name")["href"])
            assert (await scene.client.get(target)).status == 200


async def test_every_page_leads_here_and_this_one_says_where_one_is(client: Client) -> None:
    assert page_links(await page(client, ""))["Compare"] == ("./compare", "page")
    for path, here in (("/", "Models"), ("/status", "Status"), (f"/models/{FIVE}", None)):
        made = parse((await client.get(path)).body)
        links = page_links(made)
        assert "Compare" in links
        assert [name for name, (_, current) in links.items() if current] == [here] * bool(here)


def page_links(made: Element) -> dict[str, tuple[str, str | None]]:
    """The names of the pages in the head of each: where they lead, and which one this is."""
    return {
        link.text: (link["href"], link.attributes.get("aria-current"))
        for link in made.one("nav", "site").all("a")
    }


async def test_of_very_many_models_no_list_is_sent_and_an_id_is_typed(scene: Stage) -> None:
    await scene.tell(*(entry(f"a/m{number}") for number in range(1_001)))
    made = await page(scene.client, "")

    assert not made.all("datalist")
    assert "list" not in made.one("input", id="add").attributes
    assert columns(await page(scene.client, "ids=a/m7&ids=a/m1000")) == ["a/m7", "a/m1000"]
