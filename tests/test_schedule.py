"""When a refresh happens: at the start, periodically, after failures, and on any clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import time_machine
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from fixtures.faults import Fault
from fixtures.replay import RecordedRequest, ReplayGateway
from service.app import Service, service
from service.catalog import Outcome, Reason
from service.config import Settings
from service.errors import RefreshError, UnbelievableError, UnreachableError
from service.gateway import Gateway
from service.schedule import BACKOFF_BASE_SECONDS, delay_after
from tests.support import Running, query, running_service

HOUR = 3600.0
TOKEN = {"authorization": "Bearer let-me-in"}


def passing(retry_after_seconds: float | None = None) -> RefreshError:
    return UnbelievableError(
        Reason.SERVER_ERROR, "", is_transient=True, retry_after_seconds=retry_after_seconds
    )


def lasting(retry_after_seconds: float | None = None) -> RefreshError:
    return UnbelievableError(Reason.NOT_JSON, "", retry_after_seconds=retry_after_seconds)


def delay(
    failure: RefreshError, failures: int = 1, random_share: float = 1.0, interval: float = HOUR
) -> float | None:
    return delay_after(
        failure,
        failures=failures,
        interval_seconds=interval,
        retry_after_max_seconds=600,
        random_share=random_share,
    )


# ── the arithmetic ────────────────────────────────────────────────────────────────────────────


def test_a_failure_that_may_pass_is_tried_again_after_a_doubling_wait() -> None:
    waits = [delay(passing(), failures) for failures in range(1, 13)]

    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


def test_the_wait_is_a_random_share() -> None:
    assert delay(passing(), 2, random_share=0.5) == 5


def test_the_wait_is_never_longer_than_the_interval() -> None:
    assert delay(passing(), interval=2) == 2
    assert delay(passing(), failures=10**6) == HOUR


def test_a_failure_that_lasts_waits_for_the_next_period() -> None:
    assert delay(lasting()) is None
    assert delay(lasting(), failures=50) is None


@pytest.mark.parametrize(("asked", "waited"), [(7, 7), (600, 600), (601, 600), (1e9, 600)])
def test_what_the_gateway_asks_for_is_obeyed_up_to_a_cap(asked: float, waited: float) -> None:
    assert delay(passing(asked)) == waited
    assert delay(lasting(asked), failures=9) is None
    assert delay(lasting(asked), interval=1) == waited


def test_a_short_wait_that_is_asked_for_does_not_defeat_the_back_off() -> None:
    assert [delay(passing(1), failures) for failures in (1, 2, 3, 50)] == [5, 10, 20, HOUR]


def test_no_wait_that_is_asked_for_is_none_at_all() -> None:
    assert delay(passing(0)) == 5
    assert delay(lasting(0)) is None


@given_settings(deadline=None)
@given(
    is_transient=st.booleans(),
    failures=st.integers(1, 10**9),
    interval=st.floats(1, 1e9),
    cap=st.floats(0, 1e9),
    share=st.floats(0.5, 1),
    asked=st.none() | st.floats(0, 1e300),
)
def test_every_wait_is_within_its_bounds(
    *,
    is_transient: bool,
    failures: int,
    interval: float,
    cap: float,
    share: float,
    asked: float | None,
) -> None:
    failure = UnreachableError(
        Reason.CONNECT, "", is_transient=is_transient, retry_after_seconds=asked
    )

    wait = delay_after(
        failure,
        failures=failures,
        interval_seconds=interval,
        retry_after_max_seconds=cap,
        random_share=share,
    )

    obeyed = min(asked or 0.0, cap)
    if is_transient:
        assert wait is not None
        assert max(obeyed, min(interval, BACKOFF_BASE_SECONDS) / 2) <= wait
        assert wait <= max(obeyed, interval)
    else:
        assert wait == (obeyed if obeyed > interval else None)


# ── the clockwork ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def _unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refreshed is refreshed as planned, and not because the watchdog found it overdue."""
    monkeypatch.setattr("service.schedule.WATCHDOG_SLACK_SECONDS", HOUR)


@asynccontextmanager
async def scheduled(settings: Settings, **flags: object) -> AsyncIterator[Service]:
    """The service with its schedule started, as `serve` does it."""
    async with service(settings.model_copy(update=flags)) as made:
        made.schedule.start()
        yield made


def gaps(requests: list[RecordedRequest]) -> list[float]:
    """Seconds between requests, by a clock that never jumps."""
    return [later.at - earlier.at for earlier, later in pairwise(requests)]


@pytest.mark.usefixtures("_unwatched")
async def test_it_refreshes_at_the_start_and_then_periodically(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    async with scheduled(settings, refresh_interval=1):
        requests = await gateway.wait_for_requests(3)

    assert all(gap > 0.5 for gap in gaps(requests))
    outcomes = query(database, "SELECT outcome FROM refreshes")
    assert outcomes[:2] == [("updated",), ("not_modified",)]


async def test_it_plans_the_next_period_with_a_tenth_of_jitter(
    settings: Settings, gateway: ReplayGateway
) -> None:
    began = datetime.now(UTC)
    async with scheduled(settings, refresh_interval=HOUR) as made:
        await ended(made, gateway)
        due = made.schedule.next_run
        assert due is not None
        assert timedelta(minutes=53) < due - began < timedelta(minutes=67)
    assert made.schedule.next_run is None


async def ended(made: Service, gateway: ReplayGateway) -> None:
    """Wait until the refresh at the start has ended, and the next one is planned."""
    await gateway.wait_for_requests(1)
    await made.refresher.drain(30)


@pytest.mark.usefixtures("_unwatched")
async def test_two_refreshes_never_run_at_once(settings: Settings, gateway: ReplayGateway) -> None:
    gateway.play_always(Fault(delay_seconds=1.3))  # longer than the interval

    async with scheduled(settings, refresh_interval=1) as made:
        await gateway.wait_for_requests(1)
        await made.refresh()  # joins it
        requests = await gateway.wait_for_requests(2)
        gateway.play_always(None)

    assert gaps(requests)[0] >= 1.3


@pytest.mark.usefixtures("_unwatched")
async def test_failures_that_may_pass_are_tried_again_sooner_than_the_period(
    settings: Settings, gateway: ReplayGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.schedule.BACKOFF_BASE_SECONDS", 0.1)
    gateway.play(Fault.error(503), Fault(encoding="truncated-gzip"), Fault(body=b""))

    async with scheduled(settings, refresh_interval=HOUR) as made:
        requests = await gateway.wait_for_requests(4)
        await made.refresher.drain(5)

        assert made.refresher.recent.last is not None
        assert made.refresher.recent.last.outcome is Outcome.UPDATED
        assert made.refresher.failure is None
    for gap, least in zip(gaps(requests), (0.05, 0.1, 0.2), strict=True):
        assert gap >= least


async def test_a_success_resets_the_waits(
    settings: Settings, gateway: ReplayGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.schedule.BACKOFF_BASE_SECONDS", 100)
    async with scheduled(settings, refresh_interval=HOUR) as made:
        await ended(made, gateway)
        waits = []
        for fault in (Fault.error(503), Fault.error(503), None, Fault.error(503)):
            gateway.play_always(fault)
            await made.refresh()
            due = made.schedule.next_run
            assert due is not None
            waits.append((due - datetime.now(UTC)).total_seconds())

    first, second, _, again = waits
    assert 40 < first <= 100 < second <= 200
    assert 40 < again <= 100


async def test_a_failure_that_lasts_is_left_for_the_next_period(
    settings: Settings, gateway: ReplayGateway
) -> None:
    gateway.play(Fault.web_page())
    async with scheduled(settings, refresh_interval=HOUR) as made:
        await ended(made, gateway)
        due = made.schedule.next_run

        assert due is not None
        assert due - datetime.now(UTC) > timedelta(minutes=50)


@pytest.mark.usefixtures("_unwatched")
@pytest.mark.parametrize("status", [429, 503])
async def test_it_waits_as_long_as_the_gateway_asks(
    settings: Settings, gateway: ReplayGateway, status: int
) -> None:
    gateway.play(Fault.error(status, retry_after="1"))

    async with scheduled(settings, refresh_interval=HOUR):
        requests = await gateway.wait_for_requests(2)

    assert gaps(requests)[0] >= 1


@pytest.mark.usefixtures("_unwatched")
@pytest.mark.parametrize("asked", ["1000000000", "Thu, 01 Jan 2099 00:00:00 GMT"])
async def test_it_waits_no_longer_than_the_cap(
    settings: Settings, gateway: ReplayGateway, asked: str
) -> None:
    gateway.play(Fault.error(429, retry_after=asked))

    async with scheduled(settings, refresh_interval=HOUR, retry_after_max=0.2):
        requests = await gateway.wait_for_requests(2)

    assert gaps(requests)[0] >= 0.2


@pytest.mark.usefixtures("_unwatched")
@pytest.mark.parametrize("asked", ["Thu, 01 Jan 1970 00:00:00 GMT", "0", "-1", "soon"])
async def test_what_asks_for_no_wait_is_a_failure_like_others(
    settings: Settings, gateway: ReplayGateway, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.schedule.BACKOFF_BASE_SECONDS", 0.1)
    gateway.play(Fault.error(429, retry_after=asked))

    async with scheduled(settings, refresh_interval=HOUR) as made:
        requests = await gateway.wait_for_requests(2, within_seconds=10)
        assert made.wait_seconds == 0

    assert gaps(requests)[0] >= 0.05


async def test_however_many_join_a_refresh_it_fails_once(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with scheduled(settings, refresh_interval=HOUR) as made:
        await ended(made, gateway)
        gateway.play(Fault(status=503, delay_seconds=0.1))
        refreshes = await asyncio.gather(*(made.refresh() for _ in range(50)))
        due = made.schedule.next_run

        assert {refresh.outcome for refresh in refreshes} == {Outcome.REJECTED}
        assert due is not None
        assert (due - datetime.now(UTC)).total_seconds() <= BACKOFF_BASE_SECONDS


async def test_an_operator_waits_too(settings: Settings, gateway: ReplayGateway) -> None:
    gateway.play(Fault.error(429, retry_after="100"))
    async with running_service(settings) as running:
        first = await posted(running)
        second = await posted(running)

    assert first == (502, None)
    assert second in {(429, "100"), (429, "99")}
    assert len(gateway.requests) == 1


async def test_an_operator_is_never_told_to_wait_no_time(
    settings: Settings, gateway: ReplayGateway
) -> None:
    gateway.play(Fault.error(429, retry_after="100"))
    async with running_service(settings.model_copy(update={"retry_after_max": 0.45})) as running:
        await posted(running)
        assert await posted(running) == (429, "1")


async def posted(running: Running) -> tuple[int, str | None]:
    answer = await running.client.ask("POST", "/catalog/refresh", TOKEN)
    return answer.status, answer.headers.get("retry-after")


async def test_an_operator_may_ask_again_when_the_gateway_asked_for_no_wait(
    settings: Settings, gateway: ReplayGateway
) -> None:
    gateway.play(Fault.error(503))
    async with running_service(settings) as running:
        assert await posted(running) == (502, None)
        assert await posted(running) == (200, None)


# ── clocks that jump ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_jumps_does_not_stop_the_refreshes(
    settings: Settings, gateway: ReplayGateway, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr("service.schedule.WATCHDOG_SLACK_SECONDS", 0.1)
    async with scheduled(settings, refresh_interval=1) as made:
        await ended(made, gateway)
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
            requests = await gateway.wait_for_requests(4, within_seconds=10)
            assert (made.present.age_seconds or 0) >= 0

    assert sum(gaps(requests)) > 1.5  # nor does it make a storm of them


# ── stopping ──────────────────────────────────────────────────────────────────────────────────


async def test_stopping_lets_a_refresh_under_way_end(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    gateway.play(Fault(delay_seconds=0.2))
    async with scheduled(settings) as made:
        await gateway.wait_for_requests(1)
        await made.schedule.stop(10)

        assert made.refresher.recent.last is not None
        assert made.refresher.recent.last.outcome is Outcome.UPDATED
    assert query(database, "SELECT outcome FROM refreshes") == [("updated",)]


async def test_stopping_ends_a_refresh_that_hangs_and_stores_nothing_of_it(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    gateway.play_always(Fault(hang=True))
    async with scheduled(settings.model_copy(update={"refresh_deadline": 60})) as made:
        await gateway.wait_for_requests(1)
        async with asyncio.timeout(20):
            await made.schedule.stop(0.1)

        assert not made.refresher.is_running
        assert made.schedule.next_run is None
    assert query(database, "SELECT count(*) FROM refreshes") == [(0,)]
    assert query(database, "SELECT id FROM models") == [("kilo/auto",)]


async def test_nothing_is_asked_after_the_stop(
    settings: Settings, gateway: ReplayGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.schedule.WATCHDOG_SLACK_SECONDS", 0.0)
    async with scheduled(settings, refresh_interval=1) as made:
        await ended(made, gateway)
        await made.schedule.stop(1)
        with pytest.raises(TimeoutError):
            await gateway.wait_for_requests(2, within_seconds=1.3)


async def test_a_schedule_that_never_started_stops_too(settings: Settings) -> None:
    async with service(settings) as made:
        assert made.schedule.next_run is None
        await made.schedule.stop(0)


async def test_a_defect_in_a_refresh_does_not_stop_the_schedule(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with scheduled(settings, refresh_interval=HOUR) as made:
        await ended(made, gateway)
        # Its session is closed under it, which nothing expects.
        asked = made.refresher._gateway
        assert isinstance(asked, Gateway)
        await asked._session.close()
        await made.refresh()

        assert made.refresher.failure is not None
        assert made.refresher.failure.reason is Reason.INTERNAL
        due = made.schedule.next_run
        assert due is not None
        assert due - datetime.now(UTC) < timedelta(seconds=6)
