"""What is measured beside requests and refreshes: versions, plans, what is held, what changes."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from fixtures.replay import ReplayGateway
from service import __version__
from service.catalog import Kind, Outcome
from service.config import Settings
from service.dialects import DIALECTS
from tests.stage import entry, listing, stage
from tests.support import Running


async def samples(running: Running, name: str) -> dict[tuple[str, ...], float]:
    """The values of one metric, by the values of its labels in alphabetical order."""
    text = (await running.client.get("/metrics")).body.decode()
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


async def test_the_version_is_told(running: Running) -> None:
    assert await samples(running, "model_catalog_build_info") == {(__version__,): 1}


async def test_no_refresh_is_due_before_the_schedule_begins_and_one_at_once_then(
    running: Running, gateway: ReplayGateway
) -> None:
    before = await samples(running, "model_catalog_next_refresh_timestamp_seconds")
    running.service.schedule.start()
    after = await samples(running, "model_catalog_next_refresh_timestamp_seconds")

    assert str(before) == str({("kilocode",): float("nan")})
    due = datetime.fromtimestamp(after[("kilocode",)], UTC)
    planned = running.service.schedule.next_run
    assert planned is not None
    assert abs((planned - due).total_seconds()) < 2000


async def test_a_held_list_is_counted_until_it_is_believed(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with stage(settings, gateway) as told:
        await told.tell(*map(entry, "abcd"))
        gateway.serve(listing([entry("a")]))
        counted = []
        for _ in range(3):
            refresh = await told.running.service.refresher.run()
            held = await samples(told.running, "model_catalog_held_refreshes")
            counted.append((refresh.outcome, held[("kilocode",)]))

    assert counted == [(Outcome.HELD, 1), (Outcome.HELD, 2), (Outcome.UPDATED, 0)]


async def test_a_catalog_is_stale_until_it_is_checked(running: Running) -> None:
    before = await samples(running, "model_catalog_stale")
    await running.service.refresher.run()
    after = await samples(running, "model_catalog_stale")

    assert (before, after) == ({(): 1}, {(): 0})


async def test_changes_are_counted_by_kind_from_nothing_on(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with stage(settings, gateway) as told:
        at_first = await samples(told.running, "model_catalog_changes_total")
        await told.tell(entry("a"), entry("b"), entry("c"))
        await told.tell(entry("a"), entry("b", price=2))
        await told.tell(entry("a"), entry("b", price=2), entry("c"))
        changed = await samples(told.running, "model_catalog_changes_total")

    assert at_first == {(kind, "kilocode"): 0 for kind in Kind}
    assert changed == at_first | {
        ("added", "kilocode"): 3,
        ("changed", "kilocode"): 1,
        ("missing", "kilocode"): 1,
        ("returned", "kilocode"): 1,
    }


async def test_what_a_dialect_leaves_out_is_what_status_says(running: Running) -> None:
    await running.service.refresher.run()

    omitted = await samples(running, "model_catalog_omitted_models")

    status = await running.client.json("/catalog/status")
    assert {name: count for (name,), count in omitted.items()} == status["omitted"]
    assert status["omitted"].keys() == {dialect.name for dialect in DIALECTS}
    assert any(omitted.values())
