"""The page of the log, over real HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import fixtures
from fixtures.replay import ReplayGateway
from service.config import Settings
from tests.forms import followed
from tests.markup import Element, assert_inert, read
from tests.stage import BEGIN, Stage, entry, once, stage
from tests.support import Client, query

EMPTY = "/changes"


async def show_four_lists(empty: Stage) -> None:
    """The seed at 12:00; four lists, the last on the next day."""
    await empty.tell(entry("a/one", 3), entry("a/two", 5), entry("b/three", 1))
    await empty.tell(entry("a/one", 2.5), entry("a/two", 5), entry("b/three", 1))
    await empty.tell(entry("a/one", 2.5), entry("a/two", 6))
    names = ("a/one", "a/two", "b/three")
    await empty.tell(*(entry(name, 6, context_length=2000) for name in names), hours=21)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
async def told(settings: Settings, gateway: ReplayGateway, shelf: Path) -> AsyncIterator[Stage]:
    await once(shelf / "four.db", show_four_lists, settings, gateway)
    async with stage(settings, gateway, BEGIN + timedelta(days=1)) as made:
        yield made


@pytest.fixture
async def client(told: Stage) -> Client:
    return told.client


async def page(client: Client, address: str = EMPTY, status: int = 200) -> Element:
    answer = await followed(client, address)
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    found = read(answer.body)
    assert_inert(found)
    return found


def lines(found: Element) -> list[str]:
    """The log, line by line, without the members of what is told in bulk."""
    return [
        " ".join(
            part.text
            for part in line.all
            if part.tag == "summary" or {"mark", "model", "text", "detail"} & classes(part)
        )
        if not line.find("details")
        else line.one("summary").text
        for line in found.find("li", class_="line")
    ]


def classes(one: Element) -> set[str]:
    return set(one.attributes.get("class", "").split())


async def test_the_log_is_told_by_day_newest_first(client: Client) -> None:
    found = await page(client)

    days = [one.one("time").text for one in found.find("h2") if one.find("time")]
    assert days == ["Friday, 2 October 2026", "Thursday, 1 October 2026"]
    steps = [one.one("time").attributes["datetime"] for one in found.find("p", class_="when")]
    assert steps == sorted(steps, reverse=True)
    assert len(steps) == 5


async def test_a_line_says_what_happened_to_which_model_and_links_it(client: Client) -> None:
    found = await page(client)

    told = lines(found)
    assert "Δ changed a/one cost.input 3 → 2.5 ▼ down 17 % cost.output 3 → 2.5 ▼ down 17 %" in (
        told
    )
    assert "? missing b/three missing from the gateway's list" in told
    assert "./models/a/one" in found.hrefs


async def test_a_new_model_is_told_with_what_is_known_of_it(client: Client) -> None:
    found = await page(client, "/changes?kind=added&model=kilo/auto")

    assert lines(found) == ["+ added kilo/auto context 1,000,000 answers to 128,000"]


async def test_what_was_done_to_many_is_one_line_that_names_them(client: Client) -> None:
    found = await page(client, "/changes?field=contextWindow&kind=changed")

    assert lines(found) == ["contextWindow changed on 2 models"]
    assert [one.text for one in found.one("ul", class_="members").find("li")] == [
        "a/one contextWindow 1000 → 2000",
        "a/two contextWindow 1000 → 2000",
    ]


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ("kind=missing", {"missing"}),
        ("kind=returned&kind=missing", {"missing", "returned"}),
        ("kind=returned,missing&field=&model=", {"missing", "returned"}),
        ("field=price&kind=changed&model=a/two", {"changed"}),
    ],
)
async def test_filters_are_those_of_the_api_and_the_form_shows_them(
    client: Client, asked: str, kinds: set[str]
) -> None:
    found = await page(client, f"/changes?{asked}")

    marks = {one.text.split()[-1] for one in found.find("span", class_="mark")}
    assert marks == kinds
    chosen = {
        one.attributes["value"]
        for one in found.find("input", name="kind")
        if "checked" in one.attributes
    }
    assert chosen == kinds


async def test_one_field_that_is_chosen_can_be_taken_back(client: Client) -> None:
    found = await page(client, "/changes?field=cost.input&field=limits")

    boxes = found.find("input", name="field")
    chosen = [one.attributes["value"] for one in boxes if "checked" in one.attributes]
    assert chosen == ["limits", "cost.input"]


async def test_feed_and_json_are_offered_with_the_same_filters(client: Client) -> None:
    found = await page(client, "/changes?kind=removed,added&model=a/*&limit=3&before=4")

    query_text = "?kind=removed%2Cadded&model=a%2F%2A"
    (feed,) = [one for one in found.find("link") if one.attributes.get("rel") == "alternate"]
    assert feed.attributes["href"] == f"./catalog/changes.atom{query_text}"
    assert {f"./catalog/changes.atom{query_text}", f"./catalog/changes{query_text}"} <= set(
        found.hrefs
    )
    for address in (feed.attributes["href"], f"./catalog/changes{query_text}"):
        assert (await client.get(address.removeprefix("."))).status == 200


async def test_pages_go_back_to_the_beginning_and_tell_every_revision_once(client: Client) -> None:
    address: str | None = "/changes?limit=1"
    seen: list[str] = []
    while address:
        found = await page(client, address)
        seen += [one.one("time").attributes["datetime"] for one in found.find("p", class_="when")]
        older = found.find("a", rel="next")
        address = older[0].attributes["href"].removeprefix(".") if older else None

    whole = await page(client)
    assert seen == [
        one.one("time").attributes["datetime"] for one in whole.find("p", class_="when")
    ]
    assert whole.one("p", class_="end").text == "That is all: the log begins here."


@pytest.mark.parametrize(
    ("before", "days"),
    [("2026-10-02", 1), ("2026-10-01", 0), ("2", 1), ("1", 0), ("2030-01-01", 2)],
)
async def test_the_log_can_be_read_from_any_moment_back(
    client: Client, before: str, days: int
) -> None:
    found = await page(client, f"/changes?before={before}")

    assert len(found.find("section", class_="day")) == days
    assert bool(found.find("div", class_="panel")) is (days == 0)


async def test_a_fresh_catalog_has_its_own_words(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with stage(settings, gateway, BEGIN) as made:
        found = await page(made.client, "/changes?kind=changed")

    assert found.one("div", class_="panel").one("h2").text == "Nothing like that"


@pytest.mark.parametrize(
    "asked", ["kind=bogus", "nothing=1", "limit=0", "before=never", "model=%00"]
)
async def test_what_cannot_be_used_is_named_on_the_page(client: Client, asked: str) -> None:
    found = await page(client, f"/changes?{asked}", 400)

    assert asked.partition("=")[0] in found.one(role="alert").text


async def test_without_its_database_the_page_says_so_and_the_catalog_is_served_still(
    told: Stage, settings: Settings
) -> None:
    for suffix in ("", "-wal", "-shm"):
        settings.database_path.with_name(settings.database_path.name + suffix).unlink()

    found = await page(told.client, "/changes?limit=7", 503)

    assert "The past cannot be read" in found.one(role="alert").text
    assert (await told.client.get("/catalog/models")).status == 200


async def test_the_page_has_a_tag_and_is_made_once_a_revision(told: Stage) -> None:
    first = await told.client.get(EMPTY)
    again = await told.client.get(EMPTY, if_none_match=first.headers["ETag"])
    await told.tell(entry("a/one", 9), entry("a/two", 6))
    later = await told.client.get(EMPTY, if_none_match=first.headers["ETag"])

    assert (again.status, again.headers["Content-Security-Policy"]) == (
        304,
        first.headers["Content-Security-Policy"],
    )
    assert later.status == 200


async def test_whatever_a_gateway_says_stays_inert(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with stage(settings, gateway, BEGIN - timedelta(days=1)) as made:
        await made.show(fixtures.path("hostile-2026-10-01.json"))
        for address in ("/changes", "/changes?kind=added&limit=1000", "/changes?model=awful/*"):
            found = await page(made.client, address)
            models: list[Any] = query(settings.database_path, "SELECT count(*) FROM versions")
            assert models[0][0] > 100
            for link in found.find("a", class_="model"):
                href = link.attributes["href"]
                assert href.startswith("./models/")
                assert not {".", "..", ""} & set(href.split("/")[2:]), href
