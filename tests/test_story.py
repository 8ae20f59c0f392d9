"""The main job on the fixtures: what a refresh does to the database and to what is served."""

from pathlib import Path

import fixtures
from fixtures.replay import ReplayGateway
from service.catalog import Outcome, Reason
from tests.support import Running, query


async def test_a_first_refresh_puts_discovered_models_ahead_of_the_fallback(
    running: Running,
) -> None:
    refresh = await running.service.refresher.run()

    assert (refresh.outcome, refresh.reason) == (Outcome.UPDATED, Reason.FIRST)
    data = (await running.client.json("/catalog/models"))["data"]
    assert len(data) == 47
    assert data[-1]["id"] == "kilo/auto"
    assert data[-1]["origin"] == "fallback"
    assert {model["origin"] for model in data[:-1]} == {"discovered"}


async def test_the_same_list_again_writes_one_row_and_keeps_the_etag(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await running.service.refresher.run()
    before = await running.client.get("/catalog/models")
    tables = ("revisions", "versions", "entries")
    rows = {table: query(database, f"SELECT * FROM {table}") for table in tables}
    gateway.serve(fixtures.path("kilo-2026-10-01.json").read_bytes() + b"\n")  # another ETag

    refresh = await running.service.refresher.run()

    assert (refresh.outcome, refresh.reason) == (Outcome.UNCHANGED, Reason.SAME_CONTENT)
    assert rows == {table: query(database, f"SELECT * FROM {table}") for table in tables}
    assert query(database, "SELECT outcome FROM refreshes") == [("updated",), ("unchanged",)]
    after = await running.client.get("/catalog/models")
    assert (after.body, after.headers["ETag"]) == (before.body, before.headers["ETag"])
