"""The outbox: what is kept for webhooks, once each, in order, by as many processes as there are."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from service.catalog import FALLBACK
from service.database import Database
from service.errors import LockedError, MissingError, StorageError
from service.outbox import Account, Attempt, Delivery, Outbox, State
from service.store import Store
from tests.support import query

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
NEWEST = 5


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A database with five revisions."""
    path = tmp_path / "catalog.db"
    store = Store(Database(path))
    await store.open(FALLBACK, NOW)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        made = [(number, "2026-10-01T12:00:00Z", "refresh") for number in range(2, NEWEST + 1)]
        connection.executemany("INSERT INTO revisions (revision, at, cause) VALUES (?, ?, ?)", made)
        connection.commit()
    return path


@asynccontextmanager
async def opened(file: Path) -> AsyncIterator[Outbox]:
    """As a process of its own has it."""
    database = Database(file)
    await database.open()
    try:
        yield Outbox(database)
    finally:
        await database.close()


@pytest.fixture
async def outbox(file: Path) -> AsyncIterator[Outbox]:
    async with opened(file) as made:
        yield made


def place(file: Path, webhook: str, revision: int) -> None:
    """Let a webhook be behind, as if the newer revisions were made while nobody told it."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO webhooks VALUES (?, ?)", (webhook, revision))
        connection.commit()


async def put(outbox: Outbox, webhook: str, after: int, *bodies: str) -> bool:
    return await outbox.enqueue(webhook, after=after, revision=after + 1, bodies=bodies, at=NOW)


async def taken(outbox: Outbox, webhook: str = "a") -> Delivery:
    delivery = await outbox.next(webhook)
    assert delivery is not None
    return delivery


def bodies(file: Path, webhook: str = "a") -> list[tuple[int, str]]:
    """What is kept for it, in order: revision and body."""
    return [
        (revision, body)
        for name, revision, body in query(
            file, "SELECT webhook, revision, body FROM deliveries ORDER BY id"
        )
        if name == webhook
    ]


# ── what is to be told ────────────────────────────────────────────────────────────────────────


async def test_a_new_webhook_begins_at_the_newest_revision(outbox: Outbox, file: Path) -> None:
    assert await outbox.position("a") == NEWEST

    assert query(file, "SELECT name, revision FROM webhooks") == [("a", NEWEST)]


async def test_a_webhook_goes_on_where_it_stopped(outbox: Outbox, file: Path) -> None:
    place(file, "a", 2)

    assert await outbox.position("a") == 2


async def test_messages_of_a_revision_are_kept_and_the_position_moves_on(
    outbox: Outbox, file: Path
) -> None:
    place(file, "a", 1)

    assert await put(outbox, "a", 1, "one", "two")
    assert await put(outbox, "a", 2)
    assert await put(outbox, "a", 3, "three")

    assert await outbox.position("a") == 4
    assert bodies(file) == [(2, "one"), (2, "two"), (4, "three")]


async def test_what_is_put_from_an_old_position_is_put_by_somebody_else(
    outbox: Outbox, file: Path
) -> None:
    place(file, "a", 1)
    assert await put(outbox, "a", 1, "one")

    assert not await put(outbox, "a", 1, "one")
    assert not await put(outbox, "nobody", 1, "one")

    assert await outbox.position("a") == 2
    assert bodies(file) == [(2, "one")]


async def test_a_position_moves_with_its_messages_or_not_at_all(outbox: Outbox, file: Path) -> None:
    place(file, "a", NEWEST)

    with pytest.raises(IntegrityError):  # there is no such revision yet
        await put(outbox, "a", NEWEST, "one")

    assert await outbox.position("a") == NEWEST
    assert bodies(file) == []


async def test_two_processes_put_everything_once(file: Path) -> None:
    place(file, "a", 1)
    async with opened(file) as one, opened(file) as other:
        won = [
            await asyncio.gather(*(put(outbox, "a", after, str(after)) for outbox in (one, other)))
            for after in range(1, NEWEST)
        ]

    assert [sorted(pair) for pair in won] == [[False, True]] * 4
    assert bodies(file) == [(number + 1, str(number)) for number in range(1, NEWEST)]


async def test_two_processes_begin_at_the_same_place(file: Path) -> None:
    async with opened(file) as one, opened(file) as other:
        places = await asyncio.gather(*(outbox.position("a") for outbox in (one, other) * 5))

    assert places == [NEWEST] * 10
    assert query(file, "SELECT * FROM webhooks") == [("a", NEWEST)]


# ── how it is told ────────────────────────────────────────────────────────────────────────────


async def test_messages_go_out_in_their_order_whatever_fails(outbox: Outbox, file: Path) -> None:
    place(file, "a", 1)
    await put(outbox, "a", 1, "one", "two")

    first = await taken(outbox)
    await outbox.record(first, Attempt(at=NOW, state=State.PENDING, wait_seconds=60, detail="no"))
    again = await taken(outbox)
    await outbox.record(again, Attempt(at=NOW, state=State.DELIVERED, http_status=204))
    second = await taken(outbox)
    await outbox.record(second, Attempt(at=NOW, state=State.GIVEN_UP, detail="gone"))

    assert (first.body, first.attempts, first.due_at) == ("one", 0, NOW)
    assert (again.message_id, again.body) == (first.message_id, "one")
    assert (again.attempts, again.due_at) == (1, later(60))
    assert second.body == "two"
    assert await outbox.next("a") is None


async def test_every_message_has_an_id_of_its_own(outbox: Outbox, file: Path) -> None:
    for webhook in ("a", "b"):
        place(file, webhook, 1)
        await put(outbox, webhook, 1, "same", "same")

    ids = [row[0] for row in query(file, "SELECT message_id FROM deliveries")]

    assert len({*ids}) == 4
    assert all(message_id.startswith("msg_") for message_id in ids)


async def test_webhooks_do_not_wait_for_one_another(outbox: Outbox, file: Path) -> None:
    for webhook in ("a", "b"):
        place(file, webhook, 1)
        await put(outbox, webhook, 1, f"for {webhook}")

    await outbox.record(await taken(outbox, "a"), Attempt(at=NOW, state=State.PENDING, detail="no"))

    assert (await taken(outbox, "b")).body == "for b"


@pytest.mark.parametrize("state", [State.DELIVERED, State.GIVEN_UP])
async def test_what_is_settled_stays_settled(outbox: Outbox, file: Path, state: State) -> None:
    place(file, "a", 1)
    await put(outbox, "a", 1, "one")
    delivery = await taken(outbox)
    await outbox.record(delivery, Attempt(at=later(1), state=state, http_status=204))

    # Another process had sent it too, and its attempt ends later.
    await outbox.record(delivery, Attempt(at=later(9), state=State.PENDING, detail="late"))

    told = "SELECT state, attempts, settled_at, http_status, detail FROM deliveries"
    assert query(file, told) == [(state, 1, "2026-10-01T12:00:01Z", 204, None)]


# ── how it is doing ───────────────────────────────────────────────────────────────────────────


async def test_a_webhook_without_messages_has_an_empty_account(outbox: Outbox) -> None:
    assert await outbox.account("a") == Account()


async def test_an_account_tells_counts_and_the_latest_of_each(outbox: Outbox, file: Path) -> None:
    place(file, "a", 1)
    place(file, "b", 1)
    await put(outbox, "b", 1, "of another")
    await put(outbox, "a", 1, "one", "two", "three", "four", "five")
    for seconds, state, detail in (
        (1, State.DELIVERED, None),
        (2, State.GIVEN_UP, "answered 410"),
        (3, State.DELIVERED, None),
        (4, State.PENDING, "no answer in time"),
    ):
        attempt = Attempt(at=later(seconds), state=state, wait_seconds=60, detail=detail)
        await outbox.record(await taken(outbox), attempt)

    account = await outbox.account("a")

    assert (account.pending, account.delivered, account.given_up) == (2, 2, 1)
    assert (account.oldest_pending, account.next_attempt) == (NOW, later(64))
    assert (account.last_delivery, account.last_error) == (later(3), "no answer in time")


async def test_an_error_is_the_last_one_only_until_something_is_delivered(
    outbox: Outbox, file: Path
) -> None:
    place(file, "a", 1)
    await put(outbox, "a", 1, "one", "two")
    errors = []
    for state, detail in (
        (State.GIVEN_UP, "answered 410"),
        (State.PENDING, "answered 500"),
        (State.DELIVERED, None),
    ):
        attempt = Attempt(at=NOW, state=state, detail=detail)
        await outbox.record(await taken(outbox), attempt)
        errors.append((await outbox.account("a")).last_error)

    assert errors == ["answered 410", "answered 500", None]


# ── a database that cannot be used ────────────────────────────────────────────────────────────


async def test_a_locked_database_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.database.BUSY_TIMEOUT_MS", 50)
    place(file, "a", 1)
    async with opened(file) as outbox:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await outbox.position("a") == 1  # reading goes on
            with pytest.raises(LockedError):
                await put(outbox, "a", 1, "one")
            with pytest.raises(LockedError):
                await outbox.position("new")
            other.execute("ROLLBACK")
        assert await put(outbox, "a", 1, "one")

    assert bodies(file) == [(2, "one")]


async def test_a_lost_or_closed_database_is_told(file: Path) -> None:
    async with opened(file) as outbox:
        await outbox.position("a")
        await asyncio.to_thread(file.unlink)
        with pytest.raises(MissingError):
            await outbox.next("a")
        with pytest.raises(StorageError, match="not open"):
            await outbox.account("a")
