"""Stage 3, the outbox: messages to webhooks, from their revision until they are delivered."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.database import Database
from service.tables import deliveries, revisions, webhooks


class State(StrEnum):
    """What has become of a message."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message to a webhook that is still to be delivered."""

    message_id: str
    """`msg_…`, the same at every attempt."""
    revision: int
    body: str
    created_at: datetime
    attempts: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one attempt."""

    at: datetime
    state: State
    wait_seconds: float = 0.0
    """Until the next one, if there is to be one."""
    http_status: int | None = None
    detail: str | None = None
    """Why it failed; None where it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How a webhook is doing, by the messages that are kept."""

    pending: int = 0
    oldest_pending: datetime | None = None
    next_attempt: datetime | None = None
    delivered: int = 0
    given_up: int = 0
    last_delivery: datetime | None = None
    last_error: str | None = None
    """Why the last attempt failed; None where it did not."""


class Outbox:
    """Raises StorageError when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Of the database's few connections, so that many webhooks leave the others to the refresh.
        self._turn = asyncio.Lock()

    # ── what is to be told ────────────────────────────────────────────────────────────────────

    async def position(self, webhook: str) -> int:
        """The revision up to which it has been told of changes; at first that is the newest one."""
        async with self._read() as connection:
            if (known := await _position(connection, webhook)) is not None:
                return known
        async with self._write() as connection:
            if (known := await _position(connection, webhook)) is not None:
                return known
            head: int = (await connection.execute(_HEAD)).scalar() or 0
            await connection.execute(insert(webhooks).values(name=webhook, revision=head))
            return head

    async def enqueue(
        self, webhook: str, *, after: int, revision: int, bodies: Sequence[str], at: datetime
    ) -> bool:
        """Move its position on from the revision `after`, and keep what it is to be told of that.

        Together or not at all; False, and nothing is done, when another process has been here.
        """
        async with self._write() as connection:
            if await _position(connection, webhook) != after:
                return False
            moved = update(webhooks).where(webhooks.c.name == webhook).values(revision=revision)
            await connection.execute(moved)
            if bodies:
                values = [_message(webhook, revision, body, at) for body in bodies]
                await connection.execute(insert(deliveries), values)
            return True

    # ── how it is told ────────────────────────────────────────────────────────────────────────

    async def next(self, webhook: str) -> Delivery | None:
        """The message whose turn it is, due or not: they go out strictly in their order."""
        query = select(deliveries).where(deliveries.c.webhook == webhook, _IS_PENDING)
        async with self._read() as connection:
            values = await _first(connection, query.order_by(deliveries.c.id))
        return _delivery(values) if values else None

    async def record(self, delivery: Delivery, attempt: Attempt) -> None:
        """Save what came of an attempt; a message that is settled already stays as it is."""
        statement = (
            update(deliveries)
            .where(deliveries.c.message_id == delivery.message_id, _IS_PENDING)
            .values(
                state=attempt.state,
                attempts=deliveries.c.attempts + 1,
                due_at=attempt.at + timedelta(seconds=attempt.wait_seconds),
                settled_at=None if attempt.state is State.PENDING else attempt.at,
                http_status=attempt.http_status,
                detail=attempt.detail,
            )
        )
        async with self._write() as connection:
            await connection.execute(statement)

    async def account(self, webhook: str) -> Account:
        """Counts and the latest of each."""
        of_it = deliveries.c.webhook == webhook
        oldest = _DATES.where(of_it).order_by(deliveries.c.id)
        newest = _DATES.where(of_it).order_by(deliveries.c.id.desc())
        async with self._read() as connection:
            counted = await connection.execute(_COUNTS.where(of_it))
            counts = {row.state: row.messages for row in counted}
            first = await _first(connection, oldest.where(_IS_PENDING))
            last = await _first(connection, newest.where(deliveries.c.state == State.DELIVERED))
            tried = await _first(connection, newest.where(deliveries.c.attempts > 0))
        return Account(
            pending=counts.get(State.PENDING, 0),
            oldest_pending=first.get("created_at"),
            next_attempt=first.get("due_at"),
            delivered=counts.get(State.DELIVERED, 0),
            given_up=counts.get(State.GIVEN_UP, 0),
            last_delivery=last.get("settled_at"),
            last_error=tried.get("detail"),
        )

    # ── forgetting ────────────────────────────────────────────────────────────────────────────

    async def prune(self, before: datetime, configured: Collection[str]) -> int:
        """Forget messages made before that, and return how many.

        What a configured webhook is still to be told is kept, however old it is.
        """
        statement = delete(deliveries).where(
            deliveries.c.created_at < before,
            or_(~_IS_PENDING, deliveries.c.webhook.not_in(configured)),
        )
        async with self._write() as connection:
            return (await connection.execute(statement)).rowcount

    # ── the database ──────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        async with self._turn, self._database.read() as connection:
            yield connection

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        async with self._turn, self._database.write() as connection:
            yield connection


_HEAD = select(func.max(revisions.c.revision))
_IS_PENDING = deliveries.c.state == State.PENDING
_COUNTS = select(deliveries.c.state, func.count().label("messages")).group_by(deliveries.c.state)
_DATES = select(
    deliveries.c.created_at, deliveries.c.due_at, deliveries.c.settled_at, deliveries.c.detail
)


async def _position(connection: AsyncConnection, webhook: str) -> int | None:
    query = select(webhooks.c.revision).where(webhooks.c.name == webhook)
    known: int | None = (await connection.execute(query)).scalar()
    return known


async def _first(connection: AsyncConnection, query: Select[Any]) -> Mapping[str, Any]:
    """The columns of the first row; none where there is no row."""
    found = (await connection.execute(query.limit(1))).mappings().one_or_none()
    return {} if found is None else {str(name): value for name, value in found.items()}


def _message(webhook: str, revision: int, body: str, at: datetime) -> dict[str, object]:
    return {
        "webhook": webhook,
        "message_id": f"msg_{uuid4().hex}",
        "revision": revision,
        "created_at": at,
        "body": body,
        "state": State.PENDING,
        "due_at": at,
    }


def _delivery(values: Mapping[str, Any]) -> Delivery:
    names = ("message_id", "revision", "body", "created_at", "attempts", "due_at")
    return Delivery(**{name: values[name] for name in names})
