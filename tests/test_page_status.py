"""The page of the service's state, over real HTTP."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

import fixtures
from fixtures.replay import Fault, ReplayGateway
from service.catalog import Outcome, Reason, Refresh
from service.config import Settings
from service.dialects import DIALECTS
from service.pages import status
from tests.markup import Element, assert_inert, read
from tests.stage import BEGIN, Stage, entry, stage
from tests.support import Client, Running, running_service

EMPTY = "/status"
MANY = [entry(f"a/model-{number}") for number in range(20)]


@pytest.fixture
async def told(settings: Settings, gateway: ReplayGateway) -> AsyncIterator[Stage]:
    """The seed at 12:00, twenty models at 13:00."""
    async with stage(settings, gateway, BEGIN) as made:
        await made.tell(*MANY)
        yield made


async def page(client: Client, address: str = EMPTY) -> Element:
    answer = await client.get(address)
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    found = read(answer.body)
    assert_inert(found)
    return found


def figures(found: Element) -> dict[str, str]:
    boxes = found.one("dl", class_="figures").find("div")
    return {box.one("dt").text: " | ".join(dd.text for dd in box.find("dd")) for box in boxes}


async def refresh(told: Stage, body: bytes | Fault, *, minutes: float = 15) -> Refresh:
    told.clock.advance(minutes=minutes)
    if isinstance(body, Fault):
        told.gateway.play(body)
    else:
        told.gateway.serve(body)
    return await told.running.service.refresher.run()


def test_every_outcome_and_reason_has_its_words() -> None:
    assert set(status.REASONS) == set(Reason)
    assert set(status.SIGNS) == set(Outcome)
    assert all(words and not words.endswith(".") for words in status.REASONS.values())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *[(0.2, "less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute")],
        *[(3_599, "59 minutes"), (3_600, "1 hour"), (4_800, "1 hour 20 minutes")],
        *[(36_000, "10 hours"), (86_400, "1 day"), (100_000, "1 day 3 hours"), (10**7, "115 days")],
    ],
)
def test_a_span_is_told_in_one_or_two_units(seconds: float, words: str) -> None:
    assert status.span(seconds) == words


async def test_fresh_data_is_said_to_be_fresh_and_counted(told: Stage) -> None:
    told.clock.advance(minutes=4)

    found = await page(told.client)

    assert found.one(id="verdict").text == "✓ Fresh"
    shown = figures(found)
    assert shown["Models on offer"] == "21 | 21 active, 0 missing, 0 removed before"
    assert shown["Revision"] == "2 | since 2026-10-01 13:00:00"
    assert shown["Last refresh"] == (
        "+ updated | the first list of this gateway was read and stored, 4 minutes ago"
    )
    assert shown["Database"] == "ok"


async def test_before_any_list_nothing_is_claimed(running: Running) -> None:
    found = await page(running.client)

    assert found.one(id="verdict").text == "! Not checked yet"
    assert figures(found)["Last good check"].startswith("—")
    assert "There was no refresh yet." in found.one(id="log").text
    assert "read no whole list yet" in found.one(id="list").text
    assert "None is configured." in found.one(id="webhooks").text


async def test_old_data_is_said_to_be_stale(settings: Settings) -> None:
    soon = settings.model_copy(update={"stale_after": 1e-9})
    async with running_service(soon) as running:
        await running.service.refresher.run()
        found = await page(running.client)

    assert found.one(id="verdict").text == f"{status.SIGNS[Outcome.REJECTED]} Stale"


async def test_refreshes_are_a_timeline_and_a_table_in_which_likes_are_one_line(
    told: Stage,
) -> None:
    for _ in range(3):
        await told.refresh()
    await refresh(told, b"<html>")

    found = await page(told.client)

    cells = found.one("ol", class_="timeline").find("a")
    assert [cell.one("span", aria_hidden="true").text for cell in cells] == [
        *"+===",
        status.SIGNS[Outcome.REJECTED],
    ]
    assert cells[-1].attributes["title"].endswith(": rejected, the answer was not JSON")
    ids = {one.attributes["id"] for one in found.all if "id" in one.attributes}
    assert {cell.attributes["href"].removeprefix("#") for cell in cells} <= ids
    rows = [row.text for row in found.one("table", class_="runs").one("tbody").find("tr")]
    assert len(rows) == 3
    assert "rejected The answer was not JSON" in rows[0]
    assert rows[1].split(" The ")[0].endswith("3")


async def test_a_failed_refresh_is_a_warning_while_the_data_is_fresh(told: Stage) -> None:
    await refresh(told, b"[]")

    found = await page(told.client)

    now = found.one(id="now")
    assert "verdict-warn" in now.attributes["class"]
    assert "The last refresh, just now, was rejected: the answer was JSON, but had no list" in (
        now.text
    )


async def test_a_held_list_says_what_it_would_remove_and_how_it_is_accepted(told: Stage) -> None:
    few = json.dumps({"data": MANY[:3]}).encode()
    assert (await refresh(told, few)).outcome is Outcome.HELD

    held = (await page(told.client)).one(id="held")

    assert "active models, 17 would go missing" in held.text
    assert "/catalog/refresh?accept=held" in held.one("pre").text
    gone = [link.text for link in held.one("ul", class_="ids").find("a")]
    assert gone == [one["id"] for one in MANY[3:]]
    assert held.hrefs[0] == "./models/a/model-3"


async def test_oddities_of_a_hostile_list_are_counted_and_inert(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with stage(settings, gateway, BEGIN) as made:
        await made.show(fixtures.path("hostile-2026-10-01.json"))
        found = await page(made.client)
        said = (await made.client.json("/catalog/status"))["sources"][0]["lastList"]

    tables = found.one(id="list").find("table")
    assert len(tables[0].one("tbody").find("tr")) == len(said["rejects"])
    assert len(tables[1].one("tbody").find("tr")) == len(said["badFields"])
    assert f"{said['rejected']} entries rejected" in found.one(id="list").text


async def test_each_format_says_how_many_models_it_leaves_out(told: Stage) -> None:
    found = await page(told.client)
    said = await told.client.json("/catalog/status")

    rows = found.one(id="formats").one("tbody").find("tr")
    assert len(rows) == len(DIALECTS)
    for row, dialect in zip(rows, DIALECTS, strict=True):
        left_out = said["omitted"][dialect.name]
        assert row.one("th").text == dialect.title
        assert row.find("td")[-1].text.split()[-1] == str(left_out)


async def test_the_log_goes_back_page_by_page(told: Stage) -> None:
    for _ in range(102):
        told.clock.advance(minutes=1)
        await told.running.service.refresher.run()

    found = await page(told.client)
    (older,) = found.find("a", rel="next")
    before = await page(told.client, older.attributes["href"].removeprefix("."))

    assert len(found.one("ol", class_="timeline").find("a")) == 100
    assert len(before.one("ol", class_="timeline").find("a")) == 3
    assert "./status" in before.one("nav", class_="turns").hrefs


async def test_without_its_database_the_page_says_so(told: Stage, settings: Settings) -> None:
    for suffix in ("", "-wal", "-shm"):
        settings.database_path.with_name(settings.database_path.name + suffix).unlink()

    found = await page(told.client)

    assert "The log cannot be read" in found.one(role="alert").text
    assert figures(found)["Models on offer"].startswith("21")


async def test_an_unknown_parameter_is_refused(told: Stage) -> None:
    assert (await told.client.get("/status?nothing=1")).status == 400


def test_a_moment_of_the_log_is_utc_to_the_second() -> None:
    at = datetime(2026, 10, 1, 12, 0, 5, tzinfo=UTC)
    one = Refresh(source="s", at=at, duration_ms=1, outcome=Outcome.FAILED, reason=Reason.DNS)
    assert status._cell(7, one).text == (
        "2026-10-01 12:00:05: failed, the gateway's name could not be resolved"
    )
