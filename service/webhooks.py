"""Changes told to others: each revision into the outbox, and from there to each webhook in order.

A message is pending until its receiver has answered 2xx and that is stored: so it arrives at least
once, whatever is killed meanwhile. No refresh waits for any of this: it reads what is committed.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from math import inf
from typing import Final

import aiohttp
import orjson
import structlog

from service.catalog import Change, Cursor, Fold
from service.config import Webhook
from service.courier import TIMEOUT_SECONDS, Courier, Receipt
from service.dialects import native
from service.diff import fold
from service.errors import StorageError
from service.history import History
from service.metrics import Metrics
from service.outbox import Account, Attempt, Delivery, Outbox, State
from service.present import Present, uptime

MAX_CHANGES: Final = 100
"""Changes of one message, and of one look into the history."""
LOOKS_SECONDS: Final = 30.0
"""A timer of the event loop stands still while the machine sleeps."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long an attempt may take, when the next one is due, and when there is none any more."""

    timeout_seconds: float = TIMEOUT_SECONDS
    backoff_base_seconds: float = 5.0
    backoff_max_seconds: float = 3600.0
    """Longest wait, also of those that a receiver asks for."""
    give_up_after_seconds: float = 86_400.0
    """Age from which a message that fails is not tried again."""

    def wait_seconds(
        self, failures: int, *, random_share: float, asked_seconds: float | None = None
    ) -> float:
        """After so many failures in a row: a share of a doubling wait, or what was asked for."""
        ceiling = self.backoff_base_seconds * 2.0 ** min(failures - 1, 30)
        return min(self.backoff_max_seconds, max(asked_seconds or 0.0, ceiling * random_share))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookHealth:
    """How one webhook is doing."""

    name: str
    origin: str
    """Scheme and host of its URL."""
    account: Account


class Webhooks:
    """Tells every webhook of every change, each in a task of its own."""

    def __init__(
        self,
        configured: Sequence[Webhook],
        *,
        history: History,
        outbox: Outbox,
        present: Present,
        session: aiohttp.ClientSession,
        metrics: Metrics,
        clock: Callable[[], datetime],
        user_agent: str,
        pace: Pace = Pace(),
    ) -> None:
        self._tellers = [
            Teller(
                webhook,
                courier=Courier(
                    session,
                    webhook.url,
                    webhook.secret.get_secret_value(),
                    user_agent=user_agent,
                    timeout_seconds=pace.timeout_seconds,
                ),
                history=history,
                outbox=outbox,
                metrics=metrics,
                clock=clock,
                pace=pace,
            )
            for webhook in configured
        ]
        self._tasks: list[asyncio.Task[None]] = []
        for teller in self._tellers:
            present.subscribe(teller.wake)

    async def start(self) -> None:
        """Begin. One that is new begins at the present: it is told what comes from now on."""
        await asyncio.gather(*(teller.begin() for teller in self._tellers))
        self._tasks = [asyncio.create_task(teller.run()) for teller in self._tellers]

    async def stop(self, drain_seconds: float) -> None:
        """Begin nothing more, and break off what takes longer: it is sent again after a start."""
        for teller in self._tellers:
            teller.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=drain_seconds)
        for teller in self._tellers:
            teller.break_off()
        await asyncio.gather(*self._tasks)

    def status(self) -> list[WebhookHealth]:
        """How each is doing, from memory."""
        return [teller.health() for teller in self._tellers]


class Teller:
    """Tells one webhook, one message at a time, each until it is delivered or given up."""

    def __init__(
        self,
        webhook: Webhook,
        *,
        courier: Courier,
        history: History,
        outbox: Outbox,
        metrics: Metrics,
        clock: Callable[[], datetime],
        pace: Pace,
    ) -> None:
        self._webhook = webhook
        self._courier = courier
        self._history = history
        self._outbox = outbox
        self._clock = clock
        self._pace = pace
        self._account = Account()
        self._trouble: str | None = None
        self._troubles = 0
        self._unrecorded: tuple[Delivery, Attempt] | None = None
        self._current: str | None = None
        self._since = self._due = 0.0
        self._news = asyncio.Event()
        self._is_stopping = False
        self._sending: asyncio.Task[Receipt] | None = None
        self._count = metrics.watch_webhook(webhook.name, lambda: self._account.pending)
        self._log = _log.bind(webhook=webhook.name, receiver=webhook.origin)

    def health(self) -> WebhookHealth:
        account = self._account
        if self._trouble is not None:
            account = replace(account, last_error=self._trouble)
        return WebhookHealth(name=self._webhook.name, origin=self._webhook.origin, account=account)

    def wake(self) -> None:
        """There may be something to tell."""
        self._news.set()

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopping = True
        self._news.set()

    def break_off(self) -> None:
        """Wait for no receiver any longer. The database is never left in the middle of a word."""
        if self._sending is not None:
            self._sending.cancel()

    async def begin(self) -> None:
        """Take a place in the history. Where that cannot be stored, it is taken later."""
        with suppress(StorageError):  # the first turn meets it too, and tells
            await self._outbox.position(self._webhook.name)

    async def run(self) -> None:
        """Tell, until stopped."""
        while not self._is_stopping:
            self._news.clear()
            await self._rest(await self._turn())

    # ── one turn ──────────────────────────────────────────────────────────────────────────────

    async def _turn(self) -> float:
        """Do what can be done now. Returns for how many seconds there is then nothing to do."""
        try:
            await self._record()
            await self._enqueue()
            wait = await self._deliver()
        except StorageError as error:
            return self._note(error)
        except Exception:  # noqa: BLE001 — the others' turns must come whatever breaks: logged
            self._log.exception("webhook_broke")
            return self._wait_after_trouble("a defect of this service; its log tells more")
        self._trouble, self._troubles = None, 0
        return wait

    async def _rest(self, seconds: float) -> None:
        """Until then, or until there may be something to tell."""
        until = uptime() + seconds
        while not self._news.is_set() and (left := until - uptime()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOKS_SECONDS)):
                    await self._news.wait()

    def _note(self, error: StorageError) -> float:
        if self._trouble != str(error):
            self._log.warning("webhook_waits", state=error.state, detail=error.detail)
        return self._wait_after_trouble(str(error))

    def _wait_after_trouble(self, detail: str) -> float:
        self._trouble = detail
        self._troubles += 1
        return self._pace.wait_seconds(self._troubles, random_share=_share())

    # ── into the outbox ───────────────────────────────────────────────────────────────────────

    async def _enqueue(self) -> None:
        """Put every revision up to the newest into the outbox."""
        while not await self._enqueue_after(await self._outbox.position(self._webhook.name)):
            pass

    async def _enqueue_after(self, position: int) -> bool:
        """Returns False when another process has been quicker: what is left begins elsewhere."""
        async for revision, changes in self._revisions_after(position):
            bodies = await asyncio.to_thread(bodies_of, changes) if changes else []
            if not await self._outbox.enqueue(
                self._webhook.name,
                after=position,
                revision=revision,
                bodies=bodies,
                at=self._clock(),
            ):
                return False
            position = revision
            if self._is_stopping:
                break
        return True

    async def _revisions_after(self, position: int) -> AsyncIterator[tuple[int, list[Change]]]:
        """Each revision with changes that are wanted, whole, and the newest one at the end."""
        changes: list[Change] = []
        cursor: Cursor | None = Cursor(position)
        head = position
        while cursor is not None:
            page = await self._history.changes(cursor, MAX_CHANGES, self._webhook.wanted)
            for revision, group in groupby(page.items, key=lambda one: one.revision):
                if changes and changes[0].revision != revision:
                    yield changes[0].revision, changes
                    changes = []
                changes += group
            head = page.head.revision
            cursor = page.next if isinstance(page.next, Cursor) else None
        if changes:
            yield changes[0].revision, changes
        if head > (changes[0].revision if changes else position):
            yield head, []

    # ── out of the outbox ─────────────────────────────────────────────────────────────────────

    async def _deliver(self) -> float:
        """Try the message whose turn it is, if it is due. Returns how long to wait."""
        delivery = await self._outbox.next(self._webhook.name)
        self._account = await self._outbox.account(self._webhook.name)
        if delivery is None:
            return inf
        if (wait := self._seconds_until_due(delivery)) > 0:
            return wait
        receipt = await self._hand_over(delivery)
        if receipt is None:
            return inf
        attempt = self._judge(delivery, receipt)
        self._due = uptime() + attempt.wait_seconds
        self._tell(delivery, attempt)
        self._unrecorded = delivery, attempt
        await self._record()
        return 0.0

    async def _hand_over(self, delivery: Delivery) -> Receipt | None:
        """What the receiver said; None where that is not waited for, as all is being stopped."""
        if self._is_stopping:
            return None
        self._sending = asyncio.create_task(
            self._courier.hand_over(delivery.message_id, delivery.body, self._clock())
        )
        await asyncio.wait([self._sending])
        sent, self._sending = self._sending, None
        return None if sent.cancelled() else sent.result()

    def _seconds_until_due(self, delivery: Delivery) -> float:
        """By a clock that never jumps; the stored time counts once, when a message comes up."""
        if delivery.message_id != self._current:
            wait = (delivery.due_at - self._clock()).total_seconds()
            self._current, self._since = delivery.message_id, uptime()
            self._due = self._since + min(max(0.0, wait), self._pace.backoff_max_seconds)
        return self._due - uptime()

    def _judge(self, delivery: Delivery, receipt: Receipt) -> Attempt:
        """Delivered, to be tried again, or given up."""
        at = self._clock()
        state, wait_seconds = State.DELIVERED, 0.0
        if receipt.is_refused or (receipt.error and self._is_too_old(delivery, at)):
            state = State.GIVEN_UP
        elif receipt.error:
            state = State.PENDING
            wait_seconds = self._pace.wait_seconds(
                delivery.attempts + 1,
                random_share=_share(),
                asked_seconds=receipt.retry_after_seconds,
            )
        return Attempt(
            at=at,
            state=state,
            wait_seconds=wait_seconds,
            http_status=receipt.http_status,
            detail=receipt.error,
        )

    def _is_too_old(self, delivery: Delivery, at: datetime) -> bool:
        """By the stored time, or by how long it has been tried, as a clock can be set back."""
        age = max((at - delivery.created_at).total_seconds(), uptime() - self._since)
        return age >= self._pace.give_up_after_seconds

    def _tell(self, delivery: Delivery, attempt: Attempt) -> None:
        """Count it, and one line for the person who looks, if it failed."""
        facts = {
            "message": delivery.message_id,
            "revision": delivery.revision,
            "attempt": delivery.attempts + 1,
            "detail": attempt.detail,
        }
        match attempt.state:
            case State.DELIVERED:
                self._count("delivered")
            case State.PENDING:
                self._count("failed")
                retry = round(attempt.wait_seconds, 1)
                self._log.warning("webhook_failed", **facts, retry_seconds=retry)
            case State.GIVEN_UP:
                self._count("given_up")
                self._log.error("webhook_given_up", **facts)

    async def _record(self) -> None:
        """Save what came of the last attempt; until that is possible, nothing more is sent."""
        if self._unrecorded is not None:
            await self._outbox.record(*self._unrecorded)
            self._unrecorded = None


def _share() -> float:
    return random.uniform(0.5, 1.0)  # noqa: S311 — spreads load, guards nothing


# ── what is said ──────────────────────────────────────────────────────────────────────────────


def bodies_of(changes: Sequence[Change]) -> list[str]:
    """The messages that tell of changes of one revision, what it did in bulk in the first."""
    news = list(fold(changes))
    folds = [native.fold(one) for one in news if isinstance(one, Fold)]
    left = [native.change(one) for one in news if isinstance(one, Change)]
    first, *others = [
        left[start : start + MAX_CHANGES] for start in range(0, len(left) or 1, MAX_CHANGES)
    ]
    return [
        _body(changes[0], first, folds),
        *(_body(changes[0], part, []) for part in others),
    ]


def _body(of: Change, changes: Sequence[native.Json], bulk: Sequence[native.Json]) -> str:
    return orjson.dumps(
        {
            "type": "catalog.changed",
            "timestamp": native.time_text(of.at),
            "data": {"revision": of.revision, "changes": changes, "bulk": bulk},
        }
    ).decode()
