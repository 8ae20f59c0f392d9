"""The page of all models, over real HTTP."""

import gzip
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest

import fixtures
from fixtures.replay import ReplayGateway
from service.config import Settings
from service.fields import FIELDS
from service.pages import cells, site
from service.pages.asked import address
from service.pages.browse import CHOOSABLE, PAGE, read
from tests.forms import followed
from tests.markup import Element, assert_inert
from tests.markup import read as parsed
from tests.stage import Stage, entry, listing, stage
from tests.support import Answer, Client, Running, client_of

Json = dict[str, Any]


@pytest.fixture
async def scene(settings: Settings, gateway: ReplayGateway) -> AsyncIterator[Stage]:
    async with stage(settings, gateway) as made:
        yield made


@pytest.fixture
async def client(october: Running) -> AsyncIterator[Client]:
    async with client_of(october.client.url) as made:
        yield made


async def ask(client: Client, query: str = "", status: int = 200) -> Answer:
    answer = await followed(client, f"/?{query}" if query else "/")
    assert answer.status == status, answer
    return answer


async def page(client: Client, query: str = "", status: int = 200) -> Element:
    made = parsed((await ask(client, query, status)).body)
    assert_inert(made)
    return made


def rows(made: Element) -> list[Element]:
    return [one for body in made.find("tbody") for one in body.find("tr")]


def ids(made: Element) -> list[str]:
    return [row.one("code", class_="id").text for row in rows(made)]


def count(made: Element) -> str:
    return made.one("p", id="count").text


def cell(row: Element, path: str) -> str:
    return row.one("td", class_=f"c-{path.replace('.', '-')}").text


def options(made: Element, name: str) -> dict[str, int]:
    """How many models stand behind each value of a filter."""
    found = {}
    for label in made.find("label"):
        for box in label.find("input", name=name):
            if box.attributes["value"] and (number := label.find("span", class_="n")):
                found[box.attributes["value"]] = int(number[0].text)
    return found


def chips(made: Element) -> dict[str, str]:
    return {
        one.text.partition(" ×")[0]: one.attributes["href"]  # noqa: RUF001 — as it is shown
        for one in made.find("a", class_="chip")
    }


async def listed(client: Client, query: str = "") -> list[Json]:
    return list((await client.json(f"/catalog/models?{query}"))["data"])


# ── the table ─────────────────────────────────────────────────────────────────────────────────


async def test_every_model_is_a_row_in_the_catalogs_order(client: Client) -> None:
    made = await page(client)

    models = await listed(client)
    assert ids(made) == [model["id"] for model in models]
    assert count(made) == f"{len(models)} models"
    assert [th.attributes["scope"] for th in made.one("thead").find("th")]
    assert all(row.one("th").attributes["scope"] == "row" for row in rows(made))


async def test_a_row_says_what_the_json_says_of_the_model(client: Client) -> None:
    by_id = {model["id"]: model for model in await listed(client)}
    for row in rows(await page(client)):
        model = by_id[row.one("code", class_="id").text]
        assert row.one("th").find("a")[0].text == model["name"].strip()
        assert cell(row, "author") == (model["author"] or "unknown")
        assert cell(row, "input").split() == model["input"]
        assert cell(row, "output").split() == model["output"]
        for path in ("reasoning", "tools", "free"):
            assert cell(row, path) == {True: "yes", False: "no", None: "unknown"}[model[path]]
        limit = row.one("td", class_="c-maxTokens")
        if model["maxTokens"] is None:
            assert limit.text == "unknown"
        else:
            assert limit.attributes["title"] == f"{model['maxTokens']:,}"
        for kind in ("input", "output"):
            price, said = model["cost"][kind], cell(row, f"cost.{kind}")
            if price is None:
                assert said == ("varies" if model["pricing"] == "dynamic" else "unknown")
            else:
                assert Decimal(said) == Decimal(str(price))
        assert cell(row, "firstSeen") == model["firstSeen"][:10]


async def test_a_served_window_that_is_smaller_is_said_beside_the_models_own(
    scene: Stage,
) -> None:
    served = {"context_length": 32_000, "max_completion_tokens": 8192}
    await scene.tell(entry("a/one", context_length=262_144, top_provider=served))

    made = await page(scene.client)

    assert cell(rows(made)[0], "contextWindow") == "262k served 32k"
    assert "32,000" in rows(made)[0].one("td", class_="c-contextWindow").attributes["title"]


async def test_missing_and_removed_models_are_told_as_such(scene: Stage) -> None:
    await scene.tell(entry("a/one"), entry("a/two"), entry("a/three"))
    await scene.tell(entry("a/one"), entry("a/two"))
    made = await page(scene.client)
    missing = {row.one("code").text: cell(row, "status") for row in rows(made)}["a/three"]
    assert missing == f"missing since {scene.clock.at:%Y-%m-%d}"

    await scene.tell(entry("a/one"), entry("a/two"), hours=48)

    assert "a/three" not in ids(await page(scene.client))
    made = await page(scene.client, "status=removed")
    assert ids(made) == ["a/three"]
    assert cell(rows(made)[0], "status") == f"removed {scene.clock.at:%Y-%m-%d}"
    assert count(made) == "1 of 4 models"


async def test_the_fallback_is_told_as_such(client: Client) -> None:
    made = await page(client, "id=kilo/auto")

    assert cell(rows(made)[0], "status") == "fallback"
    assert cell(rows(made)[0], "cost.input") == "unknown"


async def test_every_field_can_be_a_column(client: Client) -> None:
    assert set(CHOOSABLE) == set(FIELDS) - {"id", "name", "description"}
    assert set(cells.HEADINGS) == set(CHOOSABLE)

    made = await page(client, f"columns={','.join(CHOOSABLE)}")

    headings = [th.text for th in made.one("thead").find("th")]
    assert headings == ["Compare", "Model", *(cells.HEADINGS[path] for path in CHOOSABLE)]
    for row in rows(made):
        assert len(row.find("td")) == 1 + len(CHOOSABLE)


async def test_columns_are_shown_in_the_order_in_which_they_are_asked_for(client: Client) -> None:
    made = await page(client, "columns=cost.output,author&columns=tools")

    headings = [th.text for th in made.one("thead").find("th")][2:]
    assert headings == ["Out $/M", "Author", "Tools"]
    sheet = next(href for href in made.hrefs if "models.csv" in href)
    assert "fields=id,name,cost.output,author,tools" in sheet


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (1, "1"),
        (999, "999"),
        (1000, "1k"),
        (8192, "8.19k"),
        (200_000, "200k"),
        (262_144, "262k"),
        (999_999, "1M"),
        (1_048_576, "1.05M"),
        (10_000_000, "10M"),
        (2**53, "9010T"),
    ],
)
def test_sizes_are_told_in_three_digits(tokens: int, said: str) -> None:
    assert cells.short(tokens) == said


@pytest.mark.parametrize(
    ("usd", "said"),
    [(0.0, "0"), (3.0, "3"), (0.3, "0.3"), (1e-8, "0.00000001"), (150.0, "150"), (1e6, "1000000")],
)
def test_prices_are_told_with_all_of_their_digits(usd: float, said: str) -> None:
    assert cells.exact(usd) == said


# ── questions ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "query",
    [
        "q=meridain",
        "tools=true&minContext=200k&sort=cost.input",
        "author=orrery,halcyon-row&sort=-contextWindow,name",
        "input=text,image&output=text&free=unknown",
        "id=kilo*&reasoning=true",
        "maxInputCost=1&sort=-cost.output",
        "sort=-firstSeen&supports=seed",
        "createdAfter=2026-01-01&status=active",
        "q=no+such+words+anywhere",
    ],
)
async def test_a_question_finds_what_the_api_finds(client: Client, query: str) -> None:
    made = await page(client, query)

    models = await listed(client, query)
    assert ids(made) == [model["id"] for model in models]
    assert count(made).startswith(f"{len(models)} ")
    assert made.one("div", id="faults").text == ""


async def test_the_same_view_is_a_link_away_as_json_and_as_csv(client: Client) -> None:
    made = await page(client, "q=meridian&tools=true&sort=cost.input")

    links = {one.text: one.attributes["href"] for one in made.one("div", id="links").find("a")}
    body = await client.json("/" + links["JSON"].removeprefix("./"))
    assert [model["id"] for model in body["data"]] == ids(made)
    sheet = (await client.get("/" + links["CSV"].removeprefix("./"))).body.decode()
    assert len(sheet.splitlines()) == 1 + len(ids(made))


async def test_counts_beside_the_filters_are_those_of_the_facets(client: Client) -> None:
    query = "tools=true&input=image"
    made = await page(client, query)
    told = (await client.json(f"/catalog/facets?{query}"))["facets"]

    for name in ("author", "input", "output", "effort", "supports", "status"):
        expected = {one["value"]: one["count"] for one in told[name]["values"]}
        assert options(made, name) == dict(list(expected.items())[:60]), name
    flags = {str(one["value"]).lower(): one["count"] for one in told["tools"]["values"]}
    unknown = told["tools"]["unknown"]
    assert options(made, "tools") == flags | ({"unknown": unknown} if unknown else {})
    checked = [one for one in made.find("input", name="tools") if "checked" in one.attributes]
    assert [one.attributes["value"] for one in checked] == ["true"]


async def test_what_is_chosen_can_be_removed_one_by_one(client: Client) -> None:
    made = await page(client, "author=orrery,halcyon-row&minContext=200k&sort=cost.input")

    found = chips(made)
    assert list(found) == ["Author orrery", "Author halcyon-row", "Context ≥ 200k"]
    assert found["Author orrery"] == "./?author=halcyon-row&minContext=200k&sort=cost.input"
    assert found["Context ≥ 200k"] == "./?author=orrery,halcyon-row&sort=cost.input"
    clear = made.one("a", class_="clear").attributes["href"]
    assert clear == "./?sort=cost.input"


async def test_a_value_that_no_model_has_any_more_stays_chosen_and_can_be_removed(
    client: Client,
) -> None:
    made = await page(client, "author=nobody")

    assert ids(made) == []
    assert "No model fits" in made.one("div", id="results").text
    assert options(made, "author")["nobody"] == 0
    assert chips(made) == {"Author nobody": "./"}


async def test_headings_sort_by_their_usual_direction_then_the_other_then_neither(
    client: Client,
) -> None:
    query, seen = "", []
    for _ in range(4):
        made = await page(client, query)
        heading = made.one("thead").one("th", class_="c-contextWindow")
        seen.append((query, heading.attributes.get("aria-sort")))
        query = heading.one("a").attributes["href"].removeprefix("./").removeprefix("?")

    assert seen == [
        ("", None),
        ("sort=-contextWindow", "descending"),
        ("sort=contextWindow", "ascending"),
        ("", None),
    ]
    price = (await page(client)).one("thead").one("th", class_="c-cost-input")
    assert price.one("a").attributes["href"] == "./?sort=cost.input"
    assert not (await page(client)).one("thead").one("th", class_="c-input").find("a")


async def test_a_form_that_leaves_fields_empty_asks_nothing_by_them(client: Client) -> None:
    made = await page(client, "q=&minContext=&tools=&author=orrery&author=halcyon-row&sort=")

    assert set(ids(made)) == {m["id"] for m in await listed(client, "author=orrery,halcyon-row")}
    assert list(chips(made)) == ["Author orrery", "Author halcyon-row"]


@pytest.mark.parametrize(
    ("sent", "tidy"),
    [
        ("/?q=&tools=&sort=", "./"),
        ("/?q=+&author=a/b&author=c,d&minContext=", "./?author=a/b&author=c,d"),
        ("/compare?ids=kilo/auto&ids=&inputTokens=&rows=", "compare?ids=kilo/auto"),
        ("/changes?kind=missing&field=&before=", "changes?kind=missing"),
        ("/explore?q=&color=&price=output", "explore?price=output"),
        ("/explore?q", "explore"),
        ("/?q=%C3%A9%26x&tools=", "./?q=%C3%A9%26x"),
    ],
)
async def test_what_a_form_leaves_empty_is_in_no_address(
    client: Client, sent: str, tidy: str
) -> None:
    answer = await client.get(sent)

    assert (answer.status, answer.headers["Location"]) == (303, tidy)
    assert (answer.headers["Cache-Control"], answer.body) == ("no-store", b"")
    assert (await client.get(urljoin(sent, tidy))).status == 200


async def test_filters_without_a_field_of_their_own_outlive_the_form(client: Client) -> None:
    made = await page(client, "id=kilo*,orrery/*&minCacheReadCost=0.1&columns=author&q=o")

    hidden = {
        one.attributes["name"]: one.attributes["value"]
        for one in made.one("form", id="ask").find("input", type="hidden")
    }
    assert hidden == {"id": "kilo*,orrery/*", "minCacheReadCost": "0.1", "columns": "author"}


async def test_the_form_asks_for_what_is_shown(client: Client) -> None:
    query = "q=meridian&author=orrery&input=image&tools=true&minContext=200k&sort=cost.input"
    form = (await page(client, query)).one("form", id="ask")

    told = [
        (one.attributes["name"], one.attributes.get("value", ""))
        for one in form.find("input")
        if one.attributes.get("type") not in {"checkbox", "radio"} or "checked" in one.attributes
    ]
    told += [
        ("sort", one.attributes["value"])
        for one in form.find("option")
        if "selected" in one.attributes
    ]
    assert address(read(told).pairs) == address(read(_pairs(query)).pairs)


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, text) for name, _, text in (part.partition("=") for part in query.split("&"))]


# ── what cannot be used ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "said", "fix"),
    [
        ("sort=cost.imput", "did you mean cost.input?", "./?sort=cost.input"),
        ("minContex=200k", "did you mean minContext?", "./?minContext=200k"),
        ("tools=ture", "did you mean true?", "./?tools=true"),
        ("columns=authr,tools", "did you mean author?", "./?columns=author,tools"),
        ("status=activ&q=a", "did you mean active?", "./?status=active&q=a"),
        ("minContext=lots", "a number of tokens", None),
        ("limit=0", "a whole number from 1", None),
        ("cursor=zzz", "cursor", None),
        ("q=a&q=b", "more than once", None),
        ("nothing-like-it=1", "unknown query parameter", None),
    ],
)
async def test_what_is_mistyped_is_told_on_the_page_with_what_was_meant(
    client: Client, query: str, said: str, fix: str | None
) -> None:
    answer = await ask(client, query, 400)

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    made = parsed(answer.body)
    faults = made.one("div", id="faults")
    assert said in faults.text
    assert faults.hrefs == ([fix] if fix else [])
    assert ids(made), "the rest is answered"


async def test_the_rest_of_a_question_is_answered(client: Client) -> None:
    made = await page(client, "author=orrery&sort=nmae&tools=true", 400)

    expected = await listed(client, "author=orrery&tools=true")
    assert ids(made) == [model["id"] for model in expected]
    assert list(chips(made)) == ["Author orrery", "Calls tools yes"]


@pytest.mark.parametrize(
    "query",
    [
        "%00=%00",
        "q=%00",
        "q=" + "a" * 2000,
        "author=" + ",".join(f"a{n}" for n in range(300)),
        "&".join(f"x{n}=1" for n in range(200)),
        "q=%3Cscript%3Ealert(1)%3C/script%3E&%3Cimg%20src=x%3E=1",
        "cursor=W10&limit=5",
        "sort=" + ",".join(["name"] * 50),
        "minContext=99999999999999999999",
        "createdAfter=0001-01-01",
        "q=%ED%A0%80",
        "id=****",
        "%FF=%FF",
    ],
)
async def test_nothing_that_is_asked_breaks_the_page(client: Client, query: str) -> None:
    answer = await client.get(f"/?{query}")

    assert answer.status in {200, 400}
    assert_inert(parsed(answer.body))


# ── pages of the list ─────────────────────────────────────────────────────────────────────────


async def test_a_long_list_goes_on_at_the_next_page_and_none_is_told_twice(scene: Stage) -> None:
    many = [entry(f"a/m{n:04}", price=n % 7) for n in range(PAGE + 120)]
    await scene.show(listing(many))

    first = await page(scene.client, "sort=cost.input")
    onward = first.one("nav", class_="pages").one("a", rel="next").attributes["href"]
    second = await page(scene.client, onward.removeprefix("./?"))

    assert len(ids(first)) == PAGE
    assert sorted([*ids(first), *ids(second)]) == sorted([e["id"] for e in many] + ["kilo/auto"])
    assert count(first) == count(second) == f"{PAGE + 121} models"
    back = second.one("nav", class_="pages").find("a")
    assert [link.attributes["href"] for link in back] == ["./?sort=cost.input"]


async def test_a_cursor_of_another_question_begins_anew_and_says_so(client: Client) -> None:
    first = await page(client, "limit=5&sort=name")
    onward = first.one("a", rel="next").attributes["href"].removeprefix("./?")

    made = await page(client, onward.replace("sort=name", "sort=cost.input"), 400)

    assert "cursor belongs to another question" in made.one("div", id="faults").text
    assert ids(made) == [m["id"] for m in await listed(client, "limit=5&sort=cost.input")]


# ── HTTP ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_page_may_load_and_ask_nothing_but_this_service(client: Client) -> None:
    answer = await ask(client)

    policy = answer.headers["Content-Security-Policy"]
    assert policy == site.HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    made = parsed(answer.body)
    loaded = [one.attributes["src"] for one in made.find("script")]
    loaded += [one.attributes["href"] for one in made.find("link")]
    for address_ in loaded:
        assert (await client.get("/" + address_.removeprefix("./"))).status == 200, address_


async def test_the_page_is_asked_for_anew_and_answered_by_a_304(client: Client) -> None:
    answer = await ask(client, "tools=true")

    assert "no-cache" in answer.headers["Cache-Control"]
    again = await client.get("/?tools=true", if_none_match=answer.headers["ETag"])
    assert again.status == 304
    assert again.headers["Catalog-Stale"] == "false"


async def test_a_page_is_made_once_for_a_question_and_anew_for_another_catalog(
    scene: Stage,
) -> None:
    await scene.tell(entry("a/one"))
    before = await ask(scene.client)
    assert (await ask(scene.client)).headers["ETag"] == before.headers["ETag"]

    await scene.tell(entry("a/one"), entry("a/two"))

    after = await ask(scene.client)
    assert after.headers["ETag"] != before.headers["ETag"]
    assert ids(parsed(after.body)) == ["a/one", "a/two", "kilo/auto"]


async def test_the_page_says_of_which_revision_it_is(scene: Stage) -> None:
    revision = await scene.tell(entry("a/one"))

    made = await page(scene.client)

    assert made.one("html").attributes["data-revision"] == str(revision)


PAGES = (
    *("/", "/?author=nonsense&limit=0", "/models/a/one", "/models/a/two"),
    *("/compare?ids=a/one", "/compare?ids=a/two", "/changes", "/changes?kind=nonsense"),
    *("/explore", "/explore?tools=nonsense", "/status"),
)


async def test_a_stale_catalog_is_told_by_the_server_on_every_page(
    settings: Settings, gateway: ReplayGateway
) -> None:
    stale = settings.model_copy(update={"stale_after": 0.000_001})
    async with stage(stale, gateway) as scene:
        await scene.tell(entry("a/one"))

        for path in PAGES:
            answer = await scene.client.get(path)

            assert answer.headers["Catalog-Stale"] == "true"
            assert "may be old" in parsed(answer.body).one("p", id="stale").text, path


async def test_a_fresh_catalog_has_an_empty_banner(client: Client) -> None:
    made = await page(client)

    assert made.one("p", id="stale").text == ""
    assert made.one("p", id="news").text == ""


async def test_the_whole_page_is_small(running: Running, captures: Path) -> None:
    gateway_list = captures / "kilo-2026-07-28.json"
    async with ReplayGateway(gateway_list) as replayed:
        settings = running.service.settings.model_copy(update={"gateway_url": replayed.url})
        async with stage(settings, replayed) as scene:
            await scene.refresh()
            answer = await scene.client.get("/", accept_encoding="gzip")
            made = parsed(gzip.decompress(answer.body))
            sizes = [len(answer.body)]
            for one in (*made.find("script"), *made.find("link")):
                path = one.attributes.get("src") or one.attributes["href"]
                loaded = await scene.client.get(
                    "/" + path.removeprefix("./"), accept_encoding="gzip"
                )
                sizes.append(len(loaded.body))

    assert len(rows(made)) == 349
    assert sum(sizes) < 150_000


# ── what a gateway says stays inert ───────────────────────────────────────────────────────────


async def test_a_hostile_list_stays_inert_and_every_model_is_found_by_its_link(
    settings: Settings,
) -> None:
    async with (
        ReplayGateway(fixtures.path("hostile-2026-10-01.json")) as gateway,
        stage(
            settings.model_copy(update={"gateway_url": gateway.url}),
            gateway,
        ) as scene,
    ):
        await scene.refresh()
        answer = await ask(scene.client, f"columns={','.join(CHOOSABLE)}")
        made = parsed(answer.body)
        assert_inert(made)
        models = await listed(scene.client)
        assert len(rows(made)) == len(models)

        base = f"{scene.client.url}/"
        for row, model in zip(rows(made), models, strict=True):
            assert len(row.one("th").find("a")[0].text) <= cells.LONGEST + 1
            link = urljoin(base, row.one("th").find("a")[0].attributes["href"])
            path = urlsplit(link).path.removeprefix("/models")
            found = await scene.client.json(f"/catalog/models{path}")
            assert found["ref"] == model["ref"]


@pytest.mark.parametrize("model_id", ["a/../b", "a//b", "./a", "a/.", "x?y#z", "a b", "ü/%2F"])
async def test_an_id_that_a_browser_would_resolve_is_linked_all_the_same(
    scene: Stage, model_id: str
) -> None:
    await scene.tell(entry(model_id))

    made = await page(scene.client, f"id={quote(model_id, safe='')}")

    (row,) = rows(made)
    link = urljoin(f"{scene.client.url}/", row.one("th").find("a")[0].attributes["href"])
    parts = urlsplit(link)
    assert not parts.query
    assert not parts.fragment
    found = await scene.client.json(f"/catalog/models{parts.path.removeprefix('/models')}")
    assert found["id"] == model_id


async def test_a_value_that_cannot_be_written_into_a_query_is_not_offered(scene: Stage) -> None:
    await scene.tell(entry("a,b/one"), entry("fine/two"))

    assert set(options(await page(scene.client), "author")) == {"fine", "kilo"}
