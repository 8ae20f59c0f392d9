"""When to refresh: at the start, periodically with jitter, sooner or later after a failure.

And once a day, what is too old is forgotten.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from service.errors import RefreshError
from service.present import uptime
from service.refresh import Refresher

JITTER: Final = 0.1
"""Share of the interval by which a run may be late, so that instances drift apart."""
BACKOFF_BASE_SECONDS: Final = 5.0
WATCHDOG_SLACK_SECONDS: Final = 5.0
WATCHDOG_LOOKS_SECONDS: Final = 30.0
DAILY_AFTER_SECONDS: Final = 60.0
"""From a start to the first daily run, so that the refresh at the start has the disk to itself."""
_JOB: Final = "refresh"
_DAILY_JOB: Final = "daily"

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def delay_after(
    failure: RefreshError,
    *,
    failures: int,
    interval_seconds: float,
    retry_after_max_seconds: float,
    random_share: float,
) -> float | None:
    """Seconds until the next try after so many failures in a row; None: at the next period.

    A failure that may pass is tried again after a random share of a doubling wait, never longer
    than the interval. What the gateway asks for is obeyed up to a cap, where it is longer.
    """
    asked = _asked_for(failure, retry_after_max_seconds)
    if not failure.is_transient:
        return asked if asked > interval_seconds else None
    ceiling = min(interval_seconds, BACKOFF_BASE_SECONDS * 2.0 ** min(failures - 1, 30))
    return max(asked, ceiling * random_share)


def _asked_for(failure: RefreshError, retry_after_max_seconds: float) -> float:
    return min(failure.retry_after_seconds or 0.0, retry_after_max_seconds)


class _FromNow(IntervalTrigger):  # type: ignore[misc]  # the library carries no types
    """An interval without a past.

    The library's own lists every run that was missed, and after a clock that was wrong by years is
    set right, there are millions.
    """

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        latest = previous and max(previous, now)
        return cast("datetime | None", super().get_next_fire_time(latest, now))


class Schedule:
    """Runs a refresher by APScheduler, and sees to it that no jump of the clock stops it."""

    def __init__(
        self,
        refresher: Refresher,
        *,
        interval_seconds: float,
        retry_after_max_seconds: float,
        daily: Callable[[], Awaitable[None]],
    ) -> None:
        self._refresher = refresher
        self._daily = daily
        self._interval_seconds = interval_seconds
        self._retry_after_max_seconds = retry_after_max_seconds
        self._failures = 0
        self._not_before: float = 0.0
        self._overdue_from = 0.0
        self._watchdog: asyncio.TimerHandle | None = None
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        refresher.on_landed = self._plan

    @property
    def next_run(self) -> datetime | None:
        """When the next refresh is due; None when stopped."""
        job = self._scheduler.get_job(_JOB) if self._scheduler.running else None
        return job and job.next_run_time

    @property
    def wait_seconds(self) -> float:
        """How long the gateway still wants to be left alone; an operator's refresh waits too."""
        return max(0.0, self._not_before - asyncio.get_running_loop().time())

    def start(self) -> None:
        """Begin with a refresh at once."""
        trigger = _FromNow(
            seconds=max(1, round(self._interval_seconds)),
            jitter=self._interval_seconds * JITTER,
            timezone=UTC,
        )
        self._add(self._run, trigger, id=_JOB, in_seconds=0)
        daily = _FromNow(days=1, timezone=UTC)
        self._add(self._run_daily, daily, id=_DAILY_JOB, in_seconds=DAILY_AFTER_SECONDS)
        self._scheduler.start()
        self._watch()

    def _add(
        self,
        run: Callable[[], Awaitable[None]],
        trigger: IntervalTrigger,
        *,
        id: str,  # noqa: A002 — the library's own word
        in_seconds: float,
    ) -> None:
        self._scheduler.add_job(
            run,
            trigger,
            id=id,
            next_run_time=datetime.now(UTC) + timedelta(seconds=in_seconds),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,  # a loop that stalled runs late, not never
        )

    async def stop(self, drain_seconds: float) -> None:
        """Start nothing more, let a refresh under way end, then stop."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._scheduler.running:
            self._scheduler.pause()
        await self._refresher.drain(drain_seconds)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)  # waiting would cancel what was just drained
            await asyncio.sleep(0)  # it happens in the loop's next turn

    async def _run(self) -> None:
        with suppress(asyncio.CancelledError):  # stopped with the service: APScheduler would log it
            await self._refresher.run()

    async def _run_daily(self) -> None:
        with suppress(asyncio.CancelledError):  # as above
            await self._daily()

    def _plan(self) -> None:
        """Decide when to refresh next, now that a refresh has ended."""
        failure = self._refresher.failure
        self._not_before = 0.0
        if failure is None:
            self._failures = 0
        else:
            self._failures += 1
            self._plan_after(failure)
        self._watch()

    def _plan_after(self, failure: RefreshError) -> None:
        asked = _asked_for(failure, self._retry_after_max_seconds)
        self._not_before = asyncio.get_running_loop().time() + asked
        delay = delay_after(
            failure,
            failures=self._failures,
            interval_seconds=self._interval_seconds,
            retry_after_max_seconds=self._retry_after_max_seconds,
            random_share=random.uniform(0.5, 1.0),  # noqa: S311 — spreads load, guards nothing
        )
        if delay is not None:
            self._run_in(delay)

    def _run_in(self, seconds: float) -> None:
        if self._scheduler.running:
            at = datetime.now(UTC) + timedelta(seconds=seconds)
            self._scheduler.modify_job(_JOB, next_run_time=at)

    def _watch(self) -> None:
        """Watch the next run by a clock that never jumps.

        APScheduler compares wall-clock times: after the clock is set back an hour it would do
        nothing for an hour.
        """
        if self._watchdog is not None:
            self._watchdog.cancel()
        if (due := self.next_run) is not None:
            wait = max(0.0, (due - datetime.now(UTC)).total_seconds()) + WATCHDOG_SLACK_SECONDS
            self._overdue_from = uptime() + wait
            self._look_in(wait)

    def _look_in(self, seconds: float) -> None:
        """Look now and then: a timer of the event loop stands still while the machine sleeps."""
        wait = min(seconds, WATCHDOG_LOOKS_SECONDS)
        self._watchdog = asyncio.get_running_loop().call_later(wait, self._look)

    def _look(self) -> None:
        left = self._overdue_from - uptime()
        if left <= 0:
            self._overdue()
        else:
            self._look_in(left)

    def _overdue(self) -> None:
        if not self._refresher.is_running:
            _log.warning("schedule_overdue", detail="the clock jumped or stood; refreshing now")
            self._run_in(0)
        self._watch()
