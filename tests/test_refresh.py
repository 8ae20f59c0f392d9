"""What comes of a refresh: what is stored, what is served, and when a list is not believed."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import fixtures
from fixtures.faults import Fault
from fixtures.replay import RecordedRequest, ReplayGateway
from service.catalog import Outcome, Reason, Refresh
from service.config import Settings
from tests.support import Answer, Clock, Running, query, running_service

OCTOBER = fixtures.path("kilo-2026-10-01.json")
NOVEMBER = fixtures.path("kilo-2026-11-01.json")
GONE = ["alderworks/alder-8b:free", "gannet/plunge-1.5", "stealth/bittern"]
TOKEN = {"authorization": "Bearer let-me-in"}

ALL = tuple(f"a/{number}" for number in range(10))
FEW = ALL[:4]  # lacks six of ten
OTHER_FEW = ALL[5:9]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def running(settings: Settings, clock: Clock) -> AsyncIterator[Running]:
    async with running_service(settings, clock) as served:
        yield served


def listing(ids: Iterable[str], **fields: object) -> bytes:
    return json.dumps({"data": [{"id": model_id, **fields} for model_id in ids]}).encode()


def entries_of(file: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(file.read_bytes())["data"]
    return entries


def rewritten(entries: list[dict[str, Any]]) -> bytes:
    return json.dumps({"data": entries}).encode()


async def refreshed(running: Running) -> tuple[Outcome, Reason]:
    refresh = await running.service.refresher.run()
    return refresh.outcome, refresh.reason


async def seen(running: Running, gateway: ReplayGateway, ids: Iterable[str]) -> Outcome:
    """The outcome of a refresh in which the gateway lists these."""
    gateway.serve(listing(ids))
    return (await running.service.refresher.run()).outcome


async def served(running: Running) -> Answer:
    return await running.client.get("/catalog/models")


async def rows(running: Running) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in (await served(running)).json()["data"]}


async def source_status(running: Running) -> dict[str, Any]:
    sources = (await running.client.json("/catalog/status"))["sources"]
    found: dict[str, Any] = sources[0]
    return found


async def count_of(running: Running, outcome: str, reason: str) -> float:
    """What the refresh metric says."""
    labels = f'{{outcome="{outcome}",reason="{reason}",source="kilocode"}}'
    return await metric(running, f"model_catalog_refresh_total{labels}")


async def metric(running: Running, series: str) -> float:
    text = (await running.client.get("/metrics")).body.decode()
    values = [line.split()[-1] for line in text.splitlines() if line.startswith(f"{series} ")]
    return float(values[0]) if values else 0.0


# ── good lists ────────────────────────────────────────────────────────────────────────────────


async def test_a_first_list_is_stored_with_its_validators(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    assert await refreshed(running) == (Outcome.UPDATED, Reason.FIRST)

    found = query(database, "SELECT outcome, reason, http_status, entries, revision FROM refreshes")
    assert found == [("updated", "first", 200, 46, 2)]
    assert query(database, "SELECT etag, last_modified FROM refreshes") == [
        (f'"{gateway_tag(gateway)}"', await gateway_date(running, gateway))
    ]
    assert await count_of(running, "updated", "first") == 1
    assert await metric(running, 'model_catalog_upstream_up{source="kilocode"}') == 1


def gateway_tag(gateway: ReplayGateway) -> str:
    return gateway._listings[None].etag("gzip")


async def gateway_date(running: Running, gateway: ReplayGateway) -> str:
    await running.service.refresher.run()
    return gateway.requests[-1].headers["if-modified-since"]


async def test_304_makes_one_row_and_nothing_else(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    await refreshed(running)
    before, tables = await served(running), everything_but_refreshes(database)
    clock.advance(minutes=15)

    assert await refreshed(running) == (Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH)

    assert everything_but_refreshes(database) == tables
    assert query(database, "SELECT outcome, http_status FROM refreshes") == [
        ("updated", 200),
        ("not_modified", 304),
    ]
    after = await served(running)
    assert (after.body, after.headers["etag"]) == (before.body, before.headers["etag"])
    assert before.headers["catalog-checked"] == "2026-10-01T12:00:00Z"
    assert after.headers["catalog-checked"] == "2026-10-01T12:15:00Z"
    assert "if-none-match" in gateway.requests[-1].headers


def everything_but_refreshes(database: Path) -> list[list[tuple[Any, ...]]]:
    return [
        query(database, f"SELECT * FROM {table}") for table in ("revisions", "versions", "entries")
    ]


async def test_november_changes_what_the_fixtures_say(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    await refreshed(running)
    clock.advance(days=31)
    gateway.serve(NOVEMBER)

    assert await refreshed(running) == (Outcome.UPDATED, Reason.CHANGES)

    counted = "SELECT revision, cause, added, changed, missing, removed, returned FROM revisions"
    assert query(database, counted) == [
        (1, "seed", 1, 0, 0, 0, 0),
        (2, "refresh", 46, 0, 0, 0, 0),
        (3, "refresh", 3, 14, 3, 0, 0),
    ]
    opened = "SELECT kind, count(*) FROM versions WHERE since_revision = 3 GROUP BY kind"
    assert dict(query(database, opened)) == {"added": 3, "changed": 14, "missing": 3}
    closed = "SELECT since_revision, count(*) FROM versions WHERE until_revision = 3 GROUP BY 1"
    assert query(database, closed) == [(2, 17)]
    assert query(database, "SELECT count(*) FROM versions WHERE until_revision IS NULL") == [(50,)]


async def test_what_november_dropped_is_served_behind_what_it_lists(
    running: Running, gateway: ReplayGateway, clock: Clock
) -> None:
    await refreshed(running)
    clock.advance(days=31)
    gateway.serve(NOVEMBER)
    await refreshed(running)

    catalog = await rows(running)
    listed = [entry["id"] for entry in entries_of(NOVEMBER)]
    assert list(catalog)[: len(listed)] == listed
    assert sorted(list(catalog)[len(listed) :]) == sorted([*GONE, "kilo/auto"])
    for model_id in GONE:
        gone = catalog[model_id]
        assert (gone["status"], gone["missingSince"]) == ("missing", "2026-11-01T12:00:00Z")
        assert (gone["revision"], gone["firstSeen"]) == (3, "2026-10-01T12:00:00Z")
    assert {row["status"] for row in catalog.values()} == {"active", "missing"}
    changed = [row["id"] for row in catalog.values() if row["revision"] == 3]
    assert len(changed) == 3 + 14 + 3


async def test_another_order_is_published_without_a_revision(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await refreshed(running)
    before = await served(running)
    gateway.serve(rewritten(entries_of(OCTOBER)[::-1]))

    assert await refreshed(running) == (Outcome.UPDATED, Reason.REORDERED)

    after = await served(running)
    assert after.headers["etag"] != before.headers["etag"]
    assert after.headers["catalog-revision"] == before.headers["catalog-revision"] == "2"
    ids = [row["id"] for row in before.json()["data"]]
    assert [row["id"] for row in after.json()["data"]] == [*ids[-2::-1], "kilo/auto"]
    assert query(database, "SELECT count(*) FROM revisions") == [(2,)]
    assert query(database, "SELECT count(*) FROM versions") == [(47,)]
    assert await refreshed(running) == (Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH)


async def test_another_order_outlives_a_restart(
    settings: Settings, gateway: ReplayGateway, clock: Clock
) -> None:
    async with running_service(settings, clock) as running:
        await refreshed(running)
        gateway.serve(rewritten(entries_of(OCTOBER)[::-1]))
        await refreshed(running)
        before = await served(running)

    async with running_service(settings, clock) as running:
        after = await served(running)

    assert (after.body, after.headers["etag"]) == (before.body, before.headers["etag"])


def _in_other_words(entry: dict[str, Any]) -> dict[str, Any]:
    """The same, said differently."""
    entry = dict(reversed(entry.items()))
    if isinstance(prices := entry.get("pricing"), dict):
        texts = {
            name: f"{value}00" if isinstance(value, str) and "." in value else value
            for name, value in prices.items()
        }
        entry["pricing"] = texts
    if parameters := entry.get("supported_parameters"):
        entry["supported_parameters"] = parameters[::-1]
    return entry | {"a_field_of_tomorrow": {"x": 1}}


async def test_the_same_in_other_words_is_no_change(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await refreshed(running)
    before, tables = await served(running), everything_but_refreshes(database)
    gateway.serve(rewritten([_in_other_words(entry) for entry in entries_of(OCTOBER)]))

    assert await refreshed(running) == (Outcome.UNCHANGED, Reason.SAME_CONTENT)

    assert everything_but_refreshes(database) == tables
    after = await served(running)
    assert (after.body, after.headers["etag"]) == (before.body, before.headers["etag"])


async def test_the_longer_text_of_a_price_is_no_change_and_another_price_is(
    running: Running, gateway: ReplayGateway
) -> None:
    gateway.serve(listing(["a/1"], pricing={"prompt": "0.0000014", "completion": "0"}))
    await refreshed(running)
    gateway.serve(listing(["a/1"], pricing={"prompt": "0.000001400000", "completion": "0.0"}))
    assert await refreshed(running) == (Outcome.UNCHANGED, Reason.SAME_CONTENT)
    gateway.serve(listing(["a/1"], pricing={"prompt": "0.0000015", "completion": "0"}))
    assert await refreshed(running) == (Outcome.UPDATED, Reason.CHANGES)
    assert (await rows(running))["a/1"]["cost"]["input"] == 1.5


async def test_what_the_hostile_list_has_of_use_is_served(
    running: Running, gateway: ReplayGateway
) -> None:
    gateway.serve(fixtures.path("hostile-2026-10-01.json"))

    refresh = await running.service.refresher.run()

    assert (refresh.outcome, refresh.entries, refresh.rejected) == (Outcome.UPDATED, 183, 14)
    assert len(await rows(running)) == 183 - 14 - 3 + 1
    status = await source_status(running)
    assert status["lastList"]["rejected"] == len(status["lastList"]["rejects"]) == 14


async def test_two_answers_in_turn_are_two_versions_each_time(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    one, two = (listing(["a/1"], name=name) for name in ("One", "Two"))
    tags = []
    for body in (one, two, one, two):
        gateway.serve(body)
        await refreshed(running)
        tags.append((await served(running)).headers["etag"])

    assert len(set(tags)) == 4  # each has its own dates
    names = "SELECT name FROM versions WHERE model_id = 'a/1' ORDER BY since_revision"
    assert query(database, names) == [("One",), ("Two",), ("One",), ("Two",)]
    assert query(database, "SELECT count(*) FROM entries") == [(2,)]


# ── lists that are refused ────────────────────────────────────────────────────────────────────

_GROWN = listing(f"b/{number}" for number in range(5001))
REFUSED = {
    "html": (Fault.web_page(), "rejected", "not_json"),
    "html as json": (Fault.web_page(content_type="application/json"), "rejected", "not_json"),
    "nothing": (Fault(body=b""), "rejected", "empty_body"),
    "no content": (Fault(status=204, body=b""), "rejected", "empty_body"),
    "space": (Fault(body=b" \r\n"), "rejected", "empty_body"),
    "null": (Fault(body=b"null"), "rejected", "empty_body"),
    "cut json": (Fault(body=OCTOBER.read_bytes()[:9999]), "rejected", "not_json"),
    "two documents": (Fault(body=listing("a") * 2), "rejected", "not_json"),
    "nan": (Fault(body=b'{"data": [{"id": "a/1", "x": NaN}]}'), "rejected", "not_json"),
    "1e400": (Fault(body=b'{"data": [{"id": "a/1", "x": 1e400}]}'), "rejected", "not_json"),
    "deep": (Fault(body=b'{"data": [' + b"[" * 100_000), "rejected", "not_json"),
    "latin-1": (Fault(body='{"data": ["é"]}'.encode("latin-1")), "rejected", "charset"),
    "utf-16": (Fault(body=OCTOBER.read_text().encode("utf-16")), "rejected", "charset"),
    "a list": (Fault(body=b'[{"id": "a/1"}]'), "rejected", "schema"),
    "no data": (Fault(body=b"{}"), "rejected", "schema"),
    "data null": (Fault(body=b'{"data": null}'), "rejected", "schema"),
    "data an object": (Fault(body=b'{"data": {"id": "a/1"}}'), "rejected", "schema"),
    "an error": (Fault(body=b'{"error": "Failed to fetch models"}'), "rejected", "schema"),
    "empty": (Fault(body=b'{"data": []}'), "rejected", "empty"),
    "half": (Fault(body=listing(["a/1", ""])), "rejected", "malformed_ratio"),
    "all": (Fault(body=b'{"data": [1, 2, 3]}'), "rejected", "malformed_ratio"),
    "grown": (Fault(body=_GROWN), "rejected", "too_many"),
    "401": (Fault.error(401), "rejected", "auth"),
    "404": (Fault.error(404), "rejected", "not_found"),
    "410": (Fault.error(410), "rejected", "not_found"),
    "429": (Fault.error(429), "rejected", "rate_limited"),
    "503": (Fault.error(503, retry_after="9"), "rejected", "server_error"),
    "206": (Fault(status=206), "rejected", "status"),
    "redirect": (Fault(redirect_to="/api/gateway/models"), "rejected", "redirect"),
    "br": (Fault(encoding="br"), "rejected", "encoding"),
    "reset": (Fault(reset=True), "failed", "connect"),
    "truncated": (Fault(encoding="truncated-gzip"), "failed", "truncated"),
}


@pytest.mark.parametrize("how", REFUSED.values(), ids=REFUSED)
async def test_a_refused_list_leaves_everything_as_it_was(
    running: Running,
    gateway: ReplayGateway,
    database: Path,
    how: tuple[Fault, str, str],
) -> None:
    fault, outcome, reason = how
    await refreshed(running)
    before, tables = await served(running), everything_but_refreshes(database)
    gateway.play_always(fault)

    assert await refreshed(running) == (outcome, reason)

    after = await served(running)
    assert (after.status, after.body, dict(after.headers) | {"Date": ""}) == (
        200,
        before.body,
        dict(before.headers) | {"Date": ""},
    )
    assert everything_but_refreshes(database) == tables
    logged = query(database, "SELECT outcome, reason, revision FROM refreshes")
    assert logged == [("updated", "first", 2), (outcome, reason, 2)]
    assert await count_of(running, outcome, reason) == 1
    assert await metric(running, 'model_catalog_upstream_up{source="kilocode"}') == 0
    status = await source_status(running)
    assert (status["lastRefresh"]["outcome"], status["lastRefresh"]["reason"]) == (outcome, reason)
    assert status["lastGoodRefresh"]["outcome"] == "updated"
    gateway.play_always(None)
    assert await refreshed(running) == (Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH)


# At first there is nothing that a list could be ten times of.
REFUSED_AT_FIRST = {name: how for name, how in REFUSED.items() if name != "grown"}


@pytest.mark.parametrize("how", REFUSED_AT_FIRST.values(), ids=REFUSED_AT_FIRST)
async def test_the_fallback_is_served_whatever_the_gateway_says_first(
    running: Running, gateway: ReplayGateway, how: tuple[Fault, str, str]
) -> None:
    fault, outcome, reason = how
    gateway.play_always(fault)

    assert await refreshed(running) == (outcome, reason)

    (row,) = (await served(running)).json()["data"]
    said = {name: row[name] for name in ("id", "name", "input", "output", "reasoning", "tools")}
    assert said == {
        "id": "kilo/auto",
        "name": "Kilo Auto",
        "input": ["text", "image"],
        "output": ["text"],
        "reasoning": True,
        "tools": None,
    }
    assert (row["contextWindow"], row["maxTokens"]) == (1_000_000, 128_000)
    assert (row["origin"], row["default"]) == ("fallback", True)
    assert set(row["cost"].values()) == {None}


async def test_the_fallback_is_stored_and_served_before_any_request(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    assert list(await rows(running)) == ["kilo/auto"]
    assert query(database, "SELECT id, origin, status FROM models") == [
        ("kilo/auto", "fallback", "active")
    ]
    assert gateway.requests == []


async def test_a_gateway_that_is_down_at_the_start_is_a_failure_that_names_itself(
    running: Running, gateway: ReplayGateway
) -> None:
    await gateway.stop()
    assert await refreshed(running) == (Outcome.FAILED, Reason.CONNECT)
    assert list(await rows(running)) == ["kilo/auto"]
    await gateway.start()
    assert await refreshed(running) == (Outcome.UPDATED, Reason.FIRST)


async def test_growth_of_ten_times_beyond_five_thousand_is_refused_and_less_is_not(
    running: Running, gateway: ReplayGateway
) -> None:
    await refreshed(running)
    ids = [f"b/{number}" for number in range(5001)]

    assert await seen(running, gateway, ids) is Outcome.REJECTED
    listed = [entry["id"] for entry in entries_of(OCTOBER)] + ids
    assert await seen(running, gateway, listed[:5000]) is Outcome.UPDATED
    assert len(await rows(running)) == 5001
    assert await seen(running, gateway, listed) is Outcome.UPDATED  # now far from ten times


# ── lists that lack too much ──────────────────────────────────────────────────────────────────


async def test_a_list_that_lacks_half_is_believed(running: Running, gateway: ReplayGateway) -> None:
    await seen(running, gateway, ALL)

    assert await seen(running, gateway, ALL[:5]) is Outcome.UPDATED


async def test_a_list_that_lacks_more_than_half_is_held_and_shown(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await seen(running, gateway, ALL)
    before = await served(running)
    assert (await source_status(running))["held"] is None

    assert await seen(running, gateway, FEW) is Outcome.HELD

    after = await served(running)
    assert (after.body, after.headers["etag"]) == (before.body, before.headers["etag"])
    status = await source_status(running)
    assert status["held"] == {
        "since": "2026-10-01T12:00:00Z",
        "detail": "6 of 10 active models would go missing; seen 1 of 3 times",
        "active": 10,
        "missing": 6,
        "ids": list(ALL[4:]),
    }
    assert (status["lastRefresh"]["outcome"], status["lastRefresh"]["reason"]) == (
        "held",
        "shrink",
    )
    assert query(database, "SELECT outcome, observed NOT NULL FROM refreshes") == [
        ("updated", 0),
        ("held", 1),
    ]
    assert await count_of(running, "held", "shrink") == 1
    assert await metric(running, 'model_catalog_upstream_up{source="kilocode"}') == 1


async def test_a_held_list_is_believed_the_third_time(
    running: Running, gateway: ReplayGateway
) -> None:
    await seen(running, gateway, ALL)

    outcomes = [await seen(running, gateway, FEW) for _ in range(3)]

    assert outcomes == [Outcome.HELD, Outcome.HELD, Outcome.UPDATED]
    statuses = [row["status"] for row in (await rows(running)).values()]
    assert statuses == ["active"] * 4 + ["missing"] * 6 + ["active"]
    assert (await source_status(running))["held"] is None


async def test_a_held_list_is_the_same_in_any_order_and_with_other_prices(
    running: Running, gateway: ReplayGateway
) -> None:
    await seen(running, gateway, ALL)
    await seen(running, gateway, FEW)
    await seen(running, gateway, FEW[::-1])
    gateway.serve(listing(FEW, name="another"))

    assert await refreshed(running) == (Outcome.UPDATED, Reason.CHANGES)


async def test_another_list_that_lacks_too_much_is_counted_from_the_start(
    running: Running, gateway: ReplayGateway
) -> None:
    await seen(running, gateway, ALL)
    lists = [FEW, FEW, OTHER_FEW, FEW, OTHER_FEW, OTHER_FEW, OTHER_FEW]

    outcomes = [await seen(running, gateway, few) for few in lists]

    assert outcomes == [Outcome.HELD] * 6 + [Outcome.UPDATED]


@pytest.mark.parametrize("fault", [Fault.error(503), Fault(encoding="truncated-gzip")], ids=str)
async def test_a_refresh_that_gets_no_list_does_not_reset_the_count(
    running: Running, gateway: ReplayGateway, fault: Fault
) -> None:
    await seen(running, gateway, ALL)
    await seen(running, gateway, FEW)
    gateway.play(fault)
    assert not (await running.service.refresher.run()).outcome.is_good
    assert (await source_status(running))["held"]["missing"] == 6
    await seen(running, gateway, FEW)

    assert await seen(running, gateway, FEW) is Outcome.UPDATED


async def test_a_good_list_resets_the_count(running: Running, gateway: ReplayGateway) -> None:
    await seen(running, gateway, ALL)
    await seen(running, gateway, FEW)
    await seen(running, gateway, FEW)
    assert await seen(running, gateway, ALL) is Outcome.NOT_MODIFIED
    assert (await source_status(running))["held"] is None

    assert await seen(running, gateway, FEW) is Outcome.HELD


async def test_the_count_of_a_held_list_outlives_restarts(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with running_service(settings) as running:
        await seen(running, gateway, ALL)
    outcomes = []
    for _ in range(3):
        async with running_service(settings) as running:
            outcomes.append(await seen(running, gateway, FEW))

    assert outcomes == [Outcome.HELD, Outcome.HELD, Outcome.UPDATED]


async def accepted(running: Running) -> dict[str, Any]:
    answer = await running.client.ask("POST", "/catalog/refresh?accept=held", TOKEN)
    assert answer.status == 200
    document: dict[str, Any] = answer.json()
    return document


async def test_an_operator_accepts_a_held_list(running: Running, gateway: ReplayGateway) -> None:
    await seen(running, gateway, ALL)
    await seen(running, gateway, FEW)

    assert (await accepted(running))["outcome"] == "updated"

    assert (await rows(running))[ALL[-1]]["status"] == "missing"
    assert (await source_status(running))["held"] is None


async def test_an_operator_accepts_a_held_list_after_a_restart(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with running_service(settings) as running:
        await seen(running, gateway, ALL)
        await seen(running, gateway, FEW)
    async with running_service(settings) as running:
        held = (await source_status(running))["held"]
        assert held["detail"].startswith("6 of 10 active models would go missing")
        assert (await accepted(running))["outcome"] == "updated"


async def test_an_operator_accepts_while_another_refresh_is_under_way(
    running: Running, gateway: ReplayGateway
) -> None:
    await seen(running, gateway, ALL)
    await seen(running, gateway, FEW)
    gateway.serve(listing(OTHER_FEW))
    gateway.play(Fault(delay_seconds=0.1))
    under_way = asyncio.create_task(running.service.refresher.run())
    await gateway.wait_for_requests(3)

    assert (await accepted(running))["outcome"] == "updated"

    assert (await under_way).outcome is Outcome.HELD


async def test_an_operator_accepts_only_the_list_that_was_held(
    running: Running, gateway: ReplayGateway
) -> None:
    await seen(running, gateway, ALL)
    gateway.serve(listing(FEW))
    assert (await accepted(running))["outcome"] == "held"  # none was held yet
    gateway.serve(listing(OTHER_FEW))
    assert (await accepted(running))["outcome"] == "held"  # another one was
    assert (await accepted(running))["outcome"] == "updated"


# ── absence and return ────────────────────────────────────────────────────────────────────────


async def test_a_model_is_removed_when_it_was_absent_for_longer_than_the_grace(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    await seen(running, gateway, ALL)
    clock.advance(hours=1)
    await seen(running, gateway, ALL[:-1])
    clock.advance(hours=24)
    gateway.serve(listing(ALL[:-1]) + b"\n")
    assert await refreshed(running) == (Outcome.UNCHANGED, Reason.SAME_CONTENT)
    assert (await rows(running))["a/9"]["status"] == "missing"
    clock.advance(seconds=1)
    gateway.serve(listing(ALL[:-1]) + b"\n\n")
    assert await refreshed(running) == (Outcome.UPDATED, Reason.CHANGES)

    assert "a/9" not in await rows(running)
    tombstone = await running.client.json("/catalog/models/a/9")
    assert tombstone["status"] == "removed"
    assert tombstone["missingSince"] == "2026-10-01T13:00:00Z"
    assert tombstone["removedAt"] == "2026-10-02T13:00:01Z"
    assert await running.client.json("/catalog/models/kilocode/a/9") == tombstone
    assert query(database, "SELECT removed FROM revisions WHERE revision = 4") == [(1,)]
    assert query(database, "SELECT status FROM models WHERE id = 'a/9'") == [("removed",)]
    assert (await running.client.json("/catalog/status"))["models"]["removed"] == 1


async def test_a_model_is_removed_on_304_too(
    running: Running, gateway: ReplayGateway, clock: Clock
) -> None:
    await refreshed(running)
    gateway.serve(NOVEMBER)
    await refreshed(running)
    clock.advance(hours=24)
    assert await refreshed(running) == (Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH)
    assert set(GONE) <= set(await rows(running))
    clock.advance(seconds=1)

    refresh = await running.service.refresher.run()

    assert (refresh.outcome, refresh.reason, refresh.http_status) == (
        Outcome.UPDATED,
        Reason.CHANGES,
        304,
    )
    assert not set(GONE) & set(await rows(running))
    for model_id in GONE:
        answer = await running.client.json(f"/catalog/models/{model_id}")
        assert (answer["id"], answer["status"]) == (model_id, "removed")
    assert await refreshed(running) == (Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH)


@pytest.mark.parametrize("hours", [1, 30])
async def test_a_model_returns_with_its_first_date(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock, hours: int
) -> None:
    await seen(running, gateway, ALL)
    clock.advance(hours=1)
    await seen(running, gateway, ALL[1:])
    clock.advance(hours=hours)
    await seen(running, gateway, ALL[1:])
    clock.advance(hours=1)
    await seen(running, gateway, ALL)

    row = (await rows(running))["a/0"]
    assert (row["status"], row["missingSince"], row["removedAt"]) == ("active", None, None)
    assert row["firstSeen"] == "2026-10-01T12:00:00Z"
    assert list(await rows(running)) == [*ALL, "kilo/auto"]
    kinds = query(database, "SELECT kind FROM versions WHERE model_id = 'a/0' ORDER BY id")
    removed = [("removed",)] if hours > 24 else []
    assert kinds == [("added",), ("missing",), *removed, ("returned",)]


async def test_a_clock_set_back_removes_nothing_and_breaks_nothing(
    running: Running, gateway: ReplayGateway, clock: Clock
) -> None:
    await seen(running, gateway, ALL)
    await seen(running, gateway, ALL[1:])
    clock.advance(hours=-48)

    assert await seen(running, gateway, ALL[1:]) is Outcome.NOT_MODIFIED
    assert (await rows(running))["a/0"]["status"] == "missing"
    assert (await running.client.json("/catalog/status"))["ageSeconds"] >= 0
    assert await seen(running, gateway, ALL) is Outcome.UPDATED


# ── the fallback and its discovered twin ──────────────────────────────────────────────────────


async def test_a_discovered_kilo_auto_wins_and_the_fallback_row_stays(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await seen(running, gateway, ["kilo/auto", "a/1"])

    catalog = await rows(running)
    assert list(catalog) == ["kilo/auto", "a/1"]
    assert (catalog["kilo/auto"]["origin"], catalog["kilo/auto"]["default"]) == ("discovered", True)
    assert catalog["kilo/auto"]["contextWindow"] is None  # theirs, not a mixture
    by_name = await running.client.json("/catalog/models/kilo/auto")
    assert by_name["origin"] == "discovered"
    stored = "SELECT origin FROM versions WHERE model_id = 'kilo/auto' AND until_revision IS NULL"
    assert sorted(query(database, stored)) == [("discovered",), ("fallback",)]
    assert query(database, "SELECT origin FROM models WHERE id = 'kilo/auto'") == [("discovered",)]


async def test_the_fallback_is_back_when_the_discovered_kilo_auto_is_removed(
    running: Running, gateway: ReplayGateway, clock: Clock
) -> None:
    await seen(running, gateway, ["kilo/auto", "a/1", "a/2"])
    await seen(running, gateway, ["a/1", "a/2"])
    assert (await rows(running))["kilo/auto"]["status"] == "missing"
    clock.advance(hours=25)
    await seen(running, gateway, ["a/1", "a/2"])

    row = (await rows(running))["kilo/auto"]
    assert (row["origin"], row["status"], row["contextWindow"]) == ("fallback", "active", 1_000_000)
    assert (await running.client.json("/catalog/models/kilo/auto"))["origin"] == "fallback"


# ── validators ────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def _with_key(settings: Settings, key: str | None) -> AsyncIterator[Running]:
    flags = settings.model_dump() | {"KILOCODE_API_KEY": key}
    flags.pop("kilocode_api_key")
    async with running_service(Settings.load(flags)) as running:
        yield running


async def test_validators_are_dropped_when_the_key_is_set_changed_and_removed(
    settings: Settings, gateway: ReplayGateway
) -> None:
    outcomes = []
    for key in (None, None, "one", "one", "two", "two", None, None):
        async with _with_key(settings, key) as running:
            outcomes.append((await running.service.refresher.run()).outcome)
            sent = gateway.requests[-1].headers.get("authorization")
            assert sent == (key and f"Bearer {key}")

    assert [is_conditional(request) for request in gateway.requests] == [False, True] * 4
    assert (
        outcomes
        == [Outcome.UPDATED, Outcome.NOT_MODIFIED]
        + [
            Outcome.UNCHANGED,
            Outcome.NOT_MODIFIED,
        ]
        * 3
    )


def is_conditional(request: RecordedRequest) -> bool:
    return "if-none-match" in request.headers or "if-modified-since" in request.headers


async def test_validators_are_dropped_when_the_address_changes(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with running_service(settings) as running:
        await refreshed(running)
    async with ReplayGateway(OCTOBER) as moved:
        there = settings.model_copy(update={"gateway_url": moved.url})
        async with running_service(there) as running:
            assert await refreshed(running) == (Outcome.UNCHANGED, Reason.SAME_CONTENT)
            assert await refreshed(running) == (Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH)

        assert [is_conditional(request) for request in moved.requests] == [False, True]


async def test_validators_of_a_held_or_refused_list_are_never_sent(
    running: Running, gateway: ReplayGateway
) -> None:
    await seen(running, gateway, ALL)
    good = gateway_tag(gateway)
    await seen(running, gateway, FEW)
    gateway.play(Fault(body=b"{}", headers={"ETag": '"refused"'}))
    await running.service.refresher.run()
    await running.service.refresher.run()

    tags = [request.headers.get("if-none-match") for request in gateway.requests]
    assert tags == [None, *[f'"{good}"'] * 3]


@pytest.mark.parametrize("etag", ['"another"', 'W/"another"'])
async def test_304_for_another_list_is_asked_again_once_without_conditions(
    running: Running, gateway: ReplayGateway, etag: str
) -> None:
    await refreshed(running)
    gateway.play(Fault.not_modified(etag=etag))

    assert await refreshed(running) == (Outcome.UNCHANGED, Reason.SAME_CONTENT)

    assert [is_conditional(request) for request in gateway.requests] == [False, True, False]


async def test_304_to_everything_is_rejected_after_one_more_question(
    running: Running, gateway: ReplayGateway
) -> None:
    await refreshed(running)
    gateway.play_always(Fault.not_modified(etag='"another"'))

    assert await refreshed(running) == (Outcome.REJECTED, Reason.UNASKED_304)
    assert len(gateway.requests) == 3


async def test_304_to_a_first_question_is_rejected(
    running: Running, gateway: ReplayGateway
) -> None:
    gateway.play_always(Fault.not_modified())

    assert await refreshed(running) == (Outcome.REJECTED, Reason.UNASKED_304)
    assert len(gateway.requests) == 1


# ── restart ───────────────────────────────────────────────────────────────────────────────────


async def test_a_restart_serves_what_is_stored_before_any_request(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with running_service(settings) as running:
        await refreshed(running)
        gateway.serve(NOVEMBER)
        await refreshed(running)
        before = [await running.client.get(path) for path in _PATHS]
    gateway.requests.clear()

    async with running_service(settings) as running:
        after = [await running.client.get(path) for path in _PATHS]
        assert gateway.requests == []
        assert [(answer.body, answer.headers["etag"]) for answer in after] == [
            (answer.body, answer.headers["etag"]) for answer in before
        ]
        assert after[0].headers["catalog-checked"] == before[0].headers["catalog-checked"]
        assert (await source_status(running))["lastRefresh"]["outcome"] == "updated"

        assert await refreshed(running) == (Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH)
        assert gateway.requests[0].headers["if-none-match"] == f'"{gateway_tag(gateway)}"'


_PATHS = ["/catalog/models", "/v1/models", "/catalog/models/stealth/bittern"]


# ── one at a time ─────────────────────────────────────────────────────────────────────────────


async def test_a_hundred_operators_at_once_make_one_request(
    running: Running, gateway: ReplayGateway
) -> None:
    gateway.play(Fault(delay_seconds=1))
    posts = [running.client.ask("POST", "/catalog/refresh", TOKEN) for _ in range(100)]

    answers = await asyncio.gather(*posts)

    assert {(answer.status, answer.json()["outcome"]) for answer in answers} == {(200, "updated")}
    assert len({answer.body for answer in answers}) == 1
    assert len(gateway.requests) == 1


async def test_who_joins_a_refresh_and_goes_away_does_not_end_it(
    running: Running, gateway: ReplayGateway
) -> None:
    gateway.play(Fault(delay_seconds=0.1))
    first = asyncio.create_task(running.service.refresher.run())
    second = asyncio.create_task(running.service.refresher.run())
    await gateway.wait_for_requests(1)
    first.cancel()

    refresh: Refresh = await second

    assert refresh.outcome is Outcome.UPDATED
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(gateway.requests) == 1


async def test_readers_are_answered_while_the_gateway_hangs(
    running: Running, gateway: ReplayGateway
) -> None:
    gateway.play(Fault(hang=True))
    asked = asyncio.create_task(running.service.refresher.run())
    await gateway.wait_for_requests(1)

    assert (await source_status(running))["refreshing"] is True
    assert list(await rows(running)) == ["kilo/auto"]

    await gateway.stop()
    assert not (await asked).outcome.is_good
