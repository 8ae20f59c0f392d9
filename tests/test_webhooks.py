"""Webhooks: each change arrives at least once, in order, signed, whatever goes wrong on the way."""

import asyncio
import json
import re
import runpy
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import WebhookVerificationError

import fixtures
from fixtures.faults import Fault
from fixtures.replay import ReplayGateway
from service.catalog import Outcome, utc_now
from service.config import Settings, Webhook
from service.database import Database
from service.outbox import Account, Outbox
from service.webhooks import Pace, Webhooks
from tests.receiver import PATH, SECRET, Receiver, Reply
from tests.support import Clock, Running, process, query, run_in_thread, running_service

FAST = Pace(timeout_seconds=20, backoff_base_seconds=0.02, backoff_max_seconds=0.05)
NEVER = 3600.0
STOPS_WITHIN_SECONDS = 10
"""Ten times what is promised, as this machine may be busy; less than an attempt may take."""
HANG = Reply(hang=True)
ERROR = Reply(status=500)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


def table(receiver: Receiver, name: str = "prices", **filters: list[str]) -> dict[str, object]:
    """A webhook as the settings have it."""
    return {"name": name, "url": receiver.url, "secret": SECRET, **filters}


@asynccontextmanager
async def telling(
    running: Running,
    *tables: Mapping[str, object],
    pace: Pace = FAST,
    clock: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Webhooks]:
    """Webhooks of a running service at a pace of the test's own."""
    served = running.service
    database = Database(served.settings.database_path)
    await database.open()
    async with aiohttp.ClientSession() as session:
        webhooks = Webhooks(
            [Webhook.model_validate(table) for table in tables],
            history=served.history,
            outbox=Outbox(database),
            present=served.present,
            session=session,
            metrics=served.metrics,
            clock=clock,
            user_agent="model-catalog/test",
            pace=pace,
        )
        await webhooks.start()
        try:
            yield webhooks
        finally:
            await webhooks.stop(5)
            await database.close()


def listing(models: Mapping[str, float]) -> bytes:
    """A gateway's list of models with these prices in USD per million tokens."""
    return json.dumps(
        {
            "data": [
                {"id": model_id, "pricing": {"prompt": f"{price / 10**6:.9f}", "completion": "0"}}
                for model_id, price in models.items()
            ]
        }
    ).encode()


async def listed(running: Running, gateway: ReplayGateway, models: Mapping[str, float]) -> int:
    """Refresh while the gateway lists these. Returns the revision."""
    gateway.serve(listing(models))
    refresh = await running.service.refresher.run()
    assert refresh.outcome is Outcome.UPDATED
    assert refresh.revision is not None
    return refresh.revision


def prices(step: int) -> dict[str, float]:
    """Four models, of which one has another price at each step."""
    return {f"a/{number}": 1.0 + (step + 3 - number) // 4 for number in range(4)}


def account_of(webhooks: Webhooks) -> Account:
    """How the only one is doing."""
    [only] = webhooks.status()
    return only.account


async def eventually(is_so: Callable[[], bool]) -> None:
    """Look again and again, for what tells nobody that it has happened."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 — as said
            await asyncio.sleep(0)


def states(database: Path) -> list[tuple[Any, ...]]:
    return query(database, "SELECT state, attempts FROM deliveries ORDER BY id")


# ── what is said ──────────────────────────────────────────────────────────────────────────────


async def test_a_first_list_is_told_in_one_line(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    async with telling(running, table(receiver)):
        await running.service.refresher.run()
        [message] = await receiver.took(1)

    [made, _] = (await running.client.json("/catalog/revisions"))["data"]
    assert message.verified() == {
        "type": "catalog.changed",
        "timestamp": made["at"],
        "data": {
            "revision": 2,
            "changes": [],
            "bulk": [{"revision": 2, "at": made["at"], "bulk": "added", "models": 46}],
        },
    }


async def test_a_message_tells_changes_as_the_log_of_changes_does(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    await running.service.refresher.run()
    async with telling(running, table(receiver)):
        gateway.serve(fixtures.path("kilo-2026-11-01.json"))
        await running.service.refresher.run()
        [message] = await receiver.took(1)

    changes = (await running.client.json("/catalog/changes?since=2"))["data"]
    assert len(changes) == 17
    assert message.verified()["data"] == {"revision": 3, "changes": changes, "bulk": []}


async def test_a_message_is_signed_as_the_standard_says(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    async with telling(running, table(receiver)):
        await running.service.refresher.run()
        [message] = await receiver.took(1)

    assert message.path == PATH
    assert message.headers["content-type"] == "application/json"
    assert message.headers["user-agent"] == "model-catalog/test"
    assert message.id.startswith("msg_")
    assert message.headers["webhook-signature"].startswith("v1,")
    forged = {**message.headers, "webhook-id": "msg_other"}
    with pytest.raises(WebhookVerificationError):
        type(message)(message.path, forged, message.body, message.at).verified()


async def test_many_changes_of_a_revision_are_several_messages_in_order(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    models = {f"a/{number:04}": 1.0 for number in range(600)}
    changed = dict.fromkeys(list(models)[:250], 2.0)
    await listed(running, gateway, models)
    async with telling(running, table(receiver)):
        await listed(running, gateway, models | changed)
        messages = await receiver.took(3)

    assert {message.revision for message in messages} == {3}
    told = [[one["id"] for one in message.json["data"]["changes"]] for message in messages]
    assert [len(ids) for ids in told] == [100, 100, 50]
    assert list(chain.from_iterable(told)) == list(changed)
    assert len({message.id for message in messages}) == 3


async def test_what_is_done_in_bulk_is_folded_over_the_whole_revision(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    models = {f"a/{number:04}": 1.0 for number in range(300)}
    more = {"b/1": 1.0, "b/2": 1.0}
    await listed(running, gateway, models)
    async with telling(running, table(receiver)):
        await listed(running, gateway, dict.fromkeys(models, 2.0) | more)
        [message] = await receiver.took(1)

    data = message.json["data"]
    assert [(one["bulk"], one["models"]) for one in data["bulk"]] == [("cost.input", 300)]
    assert [(one["kind"], one["id"]) for one in data["changes"]] == [
        ("added", "b/1"),
        ("added", "b/2"),
    ]


# ── which changes ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({}, ["a/0", "a/1", "b/new"]),
        ({"kind": ["added"]}, ["b/new"]),
        ({"kind": ["changed", "added"]}, ["a/0", "a/1", "b/new"]),
        ({"field": ["price"]}, ["a/0", "a/1", "b/new"]),
        ({"field": ["cost.input"], "kind": ["changed"]}, ["a/0", "a/1"]),
        ({"field": ["limits", "lifecycle"]}, ["b/new"]),
        ({"model": ["b/*"]}, ["b/new"]),
        ({"model": ["a/1", "kilocode/b/*"]}, ["a/1", "b/new"]),
    ],
)
async def test_a_webhook_is_told_what_it_wants(
    running: Running,
    gateway: ReplayGateway,
    receiver: Receiver,
    filters: dict[str, list[str]],
    told: list[str],
) -> None:
    models = {f"a/{number}": 1.0 for number in range(6)}
    await listed(running, gateway, models)
    async with telling(running, table(receiver) | filters):
        await listed(running, gateway, models | {"a/0": 2.0, "a/1": 2.0, "b/new": 1.0})
        [message] = await receiver.took(1)

    assert [one["id"] for one in message.json["data"]["changes"]] == told


async def test_a_revision_of_which_nothing_is_wanted_makes_no_message(
    running: Running, gateway: ReplayGateway, receiver: Receiver, database: Path
) -> None:
    async with telling(running, table(receiver, model=["b/*"])):
        for step in range(3):
            await listed(running, gateway, prices(step))
        last = await listed(running, gateway, prices(3) | {"b/new": 1.0})
        [message] = await receiver.took(1)

    assert message.revision == last
    assert states(database) == [("delivered", 1)]


async def test_each_webhook_is_told_by_itself(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    async with Receiver() as dead:
        dead.play_always(HANG)
        async with telling(running, table(dead, "dead"), table(receiver, "alive")) as webhooks:
            for step in range(3):
                await listed(running, gateway, prices(step))
            messages = await receiver.took(3)
            await dead.arrived(1)
            pending = [one.account.pending for one in webhooks.status()]
            dead.play_always(Reply())
            dead.let_go()
            late = await dead.took(3)

    assert [message.revision for message in messages] == [2, 3, 4]
    assert [message.revision for message in late] == [2, 3, 4]
    assert pending[0] >= 1


# ── where it begins ───────────────────────────────────────────────────────────────────────────


async def test_a_new_webhook_is_not_told_of_the_past(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    for step in range(3):
        await listed(running, gateway, prices(step))
    async with telling(running, table(receiver)):
        newest = await listed(running, gateway, prices(3))
        [message] = await receiver.took(1)

    assert message.revision == newest
    assert len(receiver.arrivals) == 1


async def test_what_happened_while_nobody_told_is_told_at_the_start(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    async with telling(running, table(receiver)):
        await listed(running, gateway, prices(0))
        await receiver.took(1)
    for step in range(1, 4):
        await listed(running, gateway, prices(step))

    async with telling(running, table(receiver)):
        messages = await receiver.took(4)

    assert [message.revision for message in messages] == [2, 3, 4, 5]


# ── receivers that go wrong ───────────────────────────────────────────────────────────────────


async def test_every_event_arrives_in_order_whatever_goes_wrong(
    running: Running, gateway: ReplayGateway, receiver: Receiver, database: Path
) -> None:
    async with Receiver() as elsewhere:
        away = Reply(status=307, headers={"Location": elsewhere.url})
        receiver.play(
            ERROR, ERROR, Reply(), Reply(status=500, cut=True), Reply(cut=True), Reply(), HANG,
            Reply(status=503), Reply(), away, Reply(status=404), Reply(), Reply(status=429),
            Reply(status=304), Reply(status=201), HANG, ERROR,
        )  # fmt: skip
        patient = Pace(timeout_seconds=0.5, backoff_base_seconds=0.02, backoff_max_seconds=0.05)
        async with telling(running, table(receiver), pace=patient):
            for step in range(12):
                await listed(running, gateway, prices(step))
            await receiver.took_revision(13)

        assert elsewhere.arrivals == []

    first_time = list({message.id: message.revision for message in receiver.taken}.values())
    assert first_time == list(range(2, 14))
    arrived = [message.revision for message in receiver.arrivals]
    assert arrived == sorted(arrived)
    for message in receiver.arrivals:
        assert message.verified()["data"]["revision"] == message.revision
    bodies = {(message.id, message.body) for message in receiver.arrivals}
    assert len(bodies) == 12
    assert {state for state, _ in states(database)} == {"delivered"}
    assert sum(attempts for _, attempts in states(database)) == len(arrived)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_its_target_is_never_asked(
    running: Running, gateway: ReplayGateway, receiver: Receiver, status: int
) -> None:
    async with Receiver() as elsewhere:
        receiver.play(Reply(status=status, headers={"Location": elsewhere.url}), HANG)
        async with telling(running, table(receiver)) as webhooks:
            await listed(running, gateway, prices(0))
            first, second = await receiver.arrived(2)
            error = account_of(webhooks).last_error
            receiver.let_go()

        assert elsewhere.arrivals == []
    assert error == f"answered {status}, and redirects are not followed"
    assert first.id == second.id
    assert receiver.arrivals[0].path == PATH


async def test_a_receiver_that_is_gone_is_not_asked_again_about_that_message(
    running: Running, gateway: ReplayGateway, receiver: Receiver, database: Path
) -> None:
    receiver.play(Reply(status=410))
    async with telling(running, table(receiver), pace=Pace(backoff_base_seconds=NEVER)):
        await listed(running, gateway, prices(0))
        await listed(running, gateway, prices(1))
        gone, following = await receiver.arrived(2)
        await receiver.took(1)

    assert (gone.revision, following.revision) == (2, 3)
    assert states(database) == [("given_up", 1), ("delivered", 1)]


async def test_a_message_is_given_up_at_a_certain_age_and_the_next_one_follows(
    running: Running, gateway: ReplayGateway, receiver: Receiver, database: Path
) -> None:
    clock = Clock()
    receiver.play(ERROR, ERROR, Reply(status=500, hang=True))
    async with telling(running, table(receiver), clock=clock):
        await listed(running, gateway, prices(0))
        await listed(running, gateway, prices(1))
        await receiver.arrived(3)
        clock.advance(hours=24)
        receiver.let_go()
        [message] = await receiver.took(1)

    assert [one.revision for one in receiver.arrivals] == [2, 2, 2, 3]
    assert message.revision == 3
    assert states(database) == [("given_up", 3), ("delivered", 1)]


async def test_a_message_is_given_up_though_the_clock_stands(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    receiver.play_always(ERROR)
    hasty = Pace(backoff_base_seconds=0.02, backoff_max_seconds=0.02, give_up_after_seconds=0.1)
    async with telling(running, table(receiver), pace=hasty, clock=Clock()):
        await listed(running, gateway, prices(0))
        await listed(running, gateway, prices(1))
        await receiver.until(lambda: any(one.revision == 3 for one in receiver.arrivals))

    assert receiver.taken == []


# ── when it is tried again ────────────────────────────────────────────────────────────────────


def gaps(receiver: Receiver) -> list[float]:
    """Seconds between messages, by a clock that never jumps."""
    return [later.at - earlier.at for earlier, later in pairwise(receiver.arrivals)]


def test_the_wait_doubles_up_to_a_cap() -> None:
    waits = [Pace().wait_seconds(failures, random_share=1.0) for failures in range(1, 13)]

    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@given(
    failures=st.integers(1, 10**9),
    share=st.floats(0.5, 1),
    asked=st.none() | st.floats(0, 1e300),
)
def test_every_wait_is_within_its_bounds(failures: int, share: float, asked: float | None) -> None:
    wait = Pace().wait_seconds(failures, random_share=share, asked_seconds=asked)

    assert 2.5 <= wait <= 3600
    assert wait >= min(asked or 0.0, 3600)


async def test_waits_grow_from_one_attempt_to_the_next(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    receiver.play(*[ERROR] * 4)
    pace = Pace(backoff_base_seconds=0.04)
    async with telling(running, table(receiver), pace=pace):
        await listed(running, gateway, prices(0))
        await receiver.took(1)

    for gap, least in zip(gaps(receiver), (0.02, 0.04, 0.08, 0.16), strict=True):
        assert gap >= least


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_it_waits_as_long_as_the_receiver_asks(
    running: Running, gateway: ReplayGateway, receiver: Receiver, status: int
) -> None:
    receiver.play(Reply(status=status, headers={"Retry-After": "1"}))
    async with telling(running, table(receiver), pace=Pace(backoff_base_seconds=0.01)):
        await listed(running, gateway, prices(0))
        await receiver.took(1)

    assert gaps(receiver)[0] >= 1


@pytest.mark.parametrize("asked", ["3000", "3000000000", "date"])
async def test_what_a_receiver_asks_for_is_told_and_never_longer_than_the_cap(
    running: Running, gateway: ReplayGateway, receiver: Receiver, database: Path, asked: str
) -> None:
    clock = Clock()
    date = format_datetime(clock() + timedelta(minutes=50), usegmt=True)
    receiver.play(Reply(status=503, headers={"Retry-After": date if asked == "date" else asked}))
    async with telling(running, table(receiver), pace=Pace(), clock=clock):
        await listed(running, gateway, prices(0))
        await receiver.arrived(1)

    due = "2026-10-01T13:00:00Z" if asked == "3000000000" else "2026-10-01T12:50:00Z"
    assert query(database, "SELECT state, due_at FROM deliveries") == [("pending", due)]


@pytest.mark.parametrize("asked", ["soon", "-1", "0", "Thu, 01 Jan 1970 00:00:00 GMT", "٣"])
async def test_what_asks_for_no_wait_is_a_failure_like_others(
    running: Running, gateway: ReplayGateway, receiver: Receiver, asked: str
) -> None:
    receiver.play(Reply(status=503, headers={"Retry-After": asked}))
    async with telling(running, table(receiver), pace=Pace(backoff_base_seconds=0.2)):
        await listed(running, gateway, prices(0))
        await receiver.took(1)

    assert gaps(receiver)[0] >= 0.1


async def test_news_do_not_shorten_the_wait_of_a_message(
    running: Running, gateway: ReplayGateway, receiver: Receiver, database: Path
) -> None:
    receiver.play(ERROR)
    async with telling(running, table(receiver), pace=Pace(backoff_base_seconds=NEVER)):
        await listed(running, gateway, prices(0))
        await receiver.arrived(1)
        for step in range(1, 4):
            await listed(running, gateway, prices(step))

    assert len(receiver.arrivals) == 1
    assert states(database)[0] == ("pending", 1)


@pytest.mark.parametrize("hours", [-24 * 400, -1, 1, 24 * 400])
async def test_a_clock_that_jumps_does_not_stop_the_deliveries(
    running: Running, gateway: ReplayGateway, receiver: Receiver, hours: int
) -> None:
    clock = Clock()
    receiver.play(Reply(status=500, hang=True))
    async with telling(running, table(receiver), clock=clock):
        await listed(running, gateway, prices(0))
        await listed(running, gateway, prices(1))
        await receiver.arrived(1)
        clock.advance(hours=hours)
        receiver.let_go()
        await receiver.took_revision(3)


async def test_a_wait_is_kept_over_a_restart_but_no_longer_than_the_cap(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    clock = Clock()
    receiver.play(ERROR)
    slow = Pace(backoff_base_seconds=NEVER)
    async with telling(running, table(receiver), pace=slow, clock=clock):
        await listed(running, gateway, prices(0))
        await receiver.arrived(1)
    async with (
        telling(running, table(receiver), pace=slow, clock=clock),
        telling(running, table(receiver, "other")),
    ):
        await listed(running, gateway, prices(1))
        await receiver.took(1)
    assert [message.revision for message in receiver.arrivals] == [2, 3]

    clock.advance(days=-400)
    async with telling(running, table(receiver), clock=clock):  # its cap is 50 ms
        await receiver.took(3)


# ── it never holds up a refresh ───────────────────────────────────────────────────────────────


async def test_a_refresh_ends_while_every_receiver_hangs(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    receiver.play_always(HANG)
    tables = [table(receiver, f"number-{number}") for number in range(10)]
    async with telling(running, *tables):
        await listed(running, gateway, prices(0))
        await receiver.arrived(10)
        for step in range(1, 4):
            await listed(running, gateway, prices(step))
            assert (await running.client.get("/catalog/models")).status == 200
        assert receiver.taken == []
        receiver.play_always(Reply())
        receiver.let_go()
        await receiver.took(10 * 4)


async def test_stopping_breaks_off_what_hangs_and_it_is_sent_again(
    running: Running, gateway: ReplayGateway, receiver: Receiver, database: Path
) -> None:
    receiver.play(HANG)
    async with telling(running, table(receiver)) as webhooks:
        await listed(running, gateway, prices(0))
        await receiver.arrived(1)
        async with asyncio.timeout(STOPS_WITHIN_SECONDS):
            await webhooks.stop(0.01)
    assert states(database) == [("pending", 0)]

    async with telling(running, table(receiver)):
        [message] = await receiver.took(1)

    assert message.id == receiver.arrivals[0].id


async def test_stopping_lets_what_is_under_way_end(
    running: Running, gateway: ReplayGateway, receiver: Receiver, database: Path
) -> None:
    receiver.play(HANG)
    async with telling(running, table(receiver)) as webhooks:
        await listed(running, gateway, prices(0))
        await listed(running, gateway, prices(1))
        await receiver.arrived(1)
        stopping = asyncio.create_task(webhooks.stop(20))
        await asyncio.sleep(0)  # it has begun
        receiver.let_go()
        await stopping

    assert states(database)[0] == ("delivered", 1)
    assert len(receiver.arrivals) == 1


# ── a database that cannot be used, or is shared ──────────────────────────────────────────────


async def test_what_was_delivered_while_the_database_was_locked_is_not_sent_again(
    running: Running,
    gateway: ReplayGateway,
    receiver: Receiver,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.database.BUSY_TIMEOUT_MS", 20)
    receiver.play(HANG)
    async with telling(running, table(receiver)) as webhooks:
        await listed(running, gateway, prices(0))
        await listed(running, gateway, prices(1))
        await receiver.arrived(1)
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            receiver.let_go()
            await receiver.took(1)
            await eventually(lambda: "locked" in str(account_of(webhooks).last_error))
            other.execute("ROLLBACK")
        await receiver.took(2)

    assert [message.revision for message in receiver.arrivals] == [2, 3]
    assert states(database) == [("delivered", 1), ("delivered", 1)]


async def test_a_lost_database_is_made_anew_and_told_of_from_then_on(
    settings: Settings, gateway: ReplayGateway, receiver: Receiver, database: Path
) -> None:
    hooked = with_webhooks(settings, table(receiver))
    async with running_service(hooked) as running:
        await running.service.webhooks.start()
        await listed(running, gateway, prices(0))
        await receiver.took(1)
        for suffix in ("", "-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        await running.service.refresher.run()
        await eventually(lambda: bool(query(database, "SELECT 1 FROM webhooks")))
        newest = await listed(running, gateway, prices(2))
        await receiver.took(2)

    assert [message.revision for message in receiver.taken] == [2, newest]


def with_webhooks(settings: Settings, *tables: Mapping[str, object]) -> Settings:
    made = tuple(Webhook.model_validate(table) for table in tables)
    return settings.model_copy(update={"webhooks": made})


async def test_two_processes_keep_each_message_once(
    running: Running, gateway: ReplayGateway, receiver: Receiver, database: Path
) -> None:
    async with telling(running, table(receiver)), telling(running, table(receiver)):
        for step in range(8):
            await listed(running, gateway, prices(step))
        await receiver.took_revision(9)

    kept = query(database, "SELECT revision FROM deliveries ORDER BY id")
    assert kept == [(number,) for number in range(2, 10)]
    assert {message.revision for message in receiver.taken} == {*range(2, 10)}


# ── the real program ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def environment(settings: Settings, gateway: ReplayGateway) -> dict[str, str]:
    return {
        "MODEL_CATALOG_GATEWAY_URL": gateway.url,
        "MODEL_CATALOG_DATABASE_URL": f"sqlite:///{settings.database_path}",
        "MODEL_CATALOG_PORT": "0",
    }


@pytest.fixture
def config(tmp_path: Path, receiver: Receiver) -> str:
    """A file with one webhook."""
    file = tmp_path / "config.toml"
    file.write_text(
        f"""
        [[webhooks]]
        name = "prices"
        url = "{receiver.url}"
        secret = "{SECRET}"
        """,
        encoding="utf-8",
    )
    return str(file)


async def test_what_is_on_its_way_when_the_process_is_killed_arrives_after_a_restart(
    environment: dict[str, str], config: str, receiver: Receiver
) -> None:
    receiver.play(HANG, HANG, HANG)
    for count in (1, 2, 3):
        async with process("serve", "--config", config, **environment) as served:
            await receiver.arrived(count)
            assert await served.stop(signal.SIGKILL) == -signal.SIGKILL
    async with process("serve", "--config", config, **environment) as served:
        [message] = await receiver.took(1)

    assert {one.id for one in receiver.arrivals} == {message.id}
    assert message.verified()["data"]["bulk"][0]["models"] == 46


async def test_a_signal_ends_it_at_once_while_a_receiver_hangs(
    environment: dict[str, str], config: str, receiver: Receiver, database: Path
) -> None:
    receiver.play_always(HANG)
    async with process("serve", "--config", config, **environment) as served:
        await receiver.arrived(1)
        await served.event("refresh")
        async with asyncio.timeout(STOPS_WITHIN_SECONDS):
            code = await served.stop()

    assert (code, served.stray) == (0, [])
    assert [line["event"] for line in served.lines] == ["listening", "refresh", "stopping"]
    assert states(database) == [("pending", 0)]


async def test_what_another_command_has_stored_is_told_at_the_start(
    environment: dict[str, str], config: str, receiver: Receiver, gateway: ReplayGateway
) -> None:
    async with process("serve", "--config", config, **environment) as served:
        await receiver.took(1)
        await served.stop()
    gateway.serve(fixtures.path("kilo-2026-11-01.json"))
    assert (await run_in_thread("refresh", **environment)).code == 0

    gateway.play_always(Fault(hang=True))
    async with process("serve", "--config", config, **environment):
        _, message = await receiver.took(2)

    assert message.revision == 3


async def test_nothing_is_sent_by_a_command_that_only_refreshes(
    environment: dict[str, str], config: str, receiver: Receiver, database: Path
) -> None:
    assert (await run_in_thread("refresh", "--config", config, **environment)).code == 0

    assert receiver.arrivals == []
    assert query(database, "SELECT * FROM webhooks") == []


async def test_what_is_wrong_with_a_webhook_is_a_line_each_and_exit_code_2(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[[webhooks]]\nname = "prices"\nurl = "ftp://x"\nkind = ["chnaged"]\n')

    answer = await run_in_thread("serve", "--config", str(file))

    assert (answer.code, answer.out) == (2, "")
    kind, secret, url = sorted(answer.err.splitlines())
    assert kind.endswith(" webhooks[0].kind[0]: there is no 'chnaged'; did you mean changed?")
    assert secret.startswith("model-catalog: webhooks[0].secret: is missing; accepts whsec_ ")
    assert url.startswith("model-catalog: webhooks[0].url: accepts an http:// or https:// URL ")


# ── what is told of it ────────────────────────────────────────────────────────────────────────


async def test_status_and_metrics_tell_how_each_webhook_is_doing(
    settings: Settings, gateway: ReplayGateway, receiver: Receiver
) -> None:
    clock = Clock()
    async with running_service(with_webhooks(settings, table(receiver)), clock) as running:
        webhooks = running.service.webhooks
        await webhooks.start()
        at_first = await told(running)
        await listed(running, gateway, prices(0))
        await eventually(lambda: account_of(webhooks).delivered == 1)
        receiver.play(HANG)
        clock.advance(minutes=5)
        await listed(running, gateway, prices(1))
        await receiver.arrived(2)
        later = await told(running)
        counted = await metrics(running)

    origin = receiver.url.removesuffix(PATH)
    assert at_first == {
        "name": "prices",
        "url": origin,
        "pending": 0,
        "oldestPending": None,
        "delivered": 0,
        "givenUp": 0,
        "lastDelivery": None,
        "lastError": None,
        "nextAttempt": None,
    }
    assert later == at_first | {
        "pending": 1,
        "oldestPending": "2026-10-01T12:05:00Z",
        "nextAttempt": "2026-10-01T12:05:00Z",
        "delivered": 1,
        "lastDelivery": "2026-10-01T12:00:00Z",
    }
    assert counted == {"delivered": 1, "failed": 0, "given_up": 0, "pending": 1}


async def told(running: Running) -> Any:
    [only] = (await running.client.json("/catalog/status"))["webhooks"]
    return only


async def metrics(running: Running) -> dict[str, float]:
    text = (await running.client.get("/metrics")).body.decode()
    lines = [line.split() for line in text.splitlines() if "_webhook_" in line]
    series = {name: float(value) for name, value in (line for line in lines if line[0] != "#")}
    counted = {
        result: series[
            f'model_catalog_webhook_deliveries_total{{result="{result}",webhook="prices"}}'
        ]
        for result in ("delivered", "failed", "given_up")
    }
    return counted | {"pending": series['model_catalog_webhook_pending{webhook="prices"}']}


async def test_status_and_metrics_tell_what_failed(
    running: Running, gateway: ReplayGateway, receiver: Receiver
) -> None:
    receiver.play(Reply(status=410), ERROR, HANG)
    async with telling(running, table(receiver), clock=Clock()) as webhooks:
        await listed(running, gateway, prices(0))
        await listed(running, gateway, prices(1))
        await receiver.arrived(3)
        account = account_of(webhooks)
        counted = await metrics(running)
        receiver.let_go()

    assert (account.pending, account.delivered, account.given_up) == (1, 0, 1)
    assert account.last_error == "answered 500"
    assert counted == {"delivered": 0, "failed": 1, "given_up": 1, "pending": 1}


async def test_without_webhooks_status_has_none(running: Running) -> None:
    assert (await running.client.json("/catalog/status"))["webhooks"] == []


async def test_a_database_that_was_never_opened_is_told(
    settings: Settings, receiver: Receiver, tmp_path: Path
) -> None:
    nowhere = tmp_path / "folder"
    nowhere.mkdir()
    hooked = with_webhooks(settings, table(receiver)).model_copy(
        update={"database_url": f"sqlite+aiosqlite:///{nowhere}"}
    )
    async with running_service(hooked) as running:
        await running.service.webhooks.start()
        webhooks = running.service.webhooks
        await eventually(lambda: account_of(webhooks).last_error is not None)
        assert (await told(running))["lastError"] == "the database is unusable: not open"


async def test_a_failure_is_one_line_in_the_log_and_no_secret_is_anywhere(
    environment: dict[str, str], config: str, receiver: Receiver, database: Path
) -> None:
    receiver.play_always(Reply(status=410))
    debug = {"MODEL_CATALOG_LOG_LEVEL": "debug"}
    async with process("serve", "--config", config, **environment, **debug) as served:
        listening = await served.event("listening")
        given_up = await served.event("webhook_given_up")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{listening['url']}/catalog/status") as response:
                status = await response.text()
            async with session.get(f"{listening['url']}/metrics") as response:
                status += await response.text()
        await served.stop()

    assert given_up["webhook"] == "prices"
    assert given_up["receiver"] == receiver.url.removesuffix(PATH)
    assert (given_up["revision"], given_up["attempt"]) == (2, 1)
    assert given_up["detail"] == "answered 410"
    assert given_up["message"] == receiver.arrivals[0].id
    everything = status + json.dumps(served.lines) + "".join(served.stray)
    assert SECRET.removeprefix("whsec_") not in everything
    assert "a-secret-path" not in everything


async def test_a_defect_is_logged_without_the_values_of_variables() -> None:
    code = """if True:
        import structlog
        from service import log
        log.configure("error", "text")
        def broken(kept):
            raise RuntimeError(len(kept))
        try:
            broken("whsec_" + "kept")
        except RuntimeError:
            structlog.get_logger().exception("broke")
    """
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE
    )
    _, said = await started.communicate()

    assert b"RuntimeError: 10" in said
    assert b"whsec_kept" not in said


@pytest.mark.parametrize(
    ("scheme", "error"), [("http", "not HTTP: "), ("https", "Cannot connect to host 127.0.0.1:")]
)
async def test_what_speaks_no_http_is_told_without_its_path(
    running: Running, gateway: ReplayGateway, receiver: Receiver, scheme: str, error: str
) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"nonsense\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}"
    async with server, telling(running, table(receiver) | {"url": url}) as webhooks:
        await listed(running, gateway, prices(0))
        await eventually(lambda: account_of(webhooks).last_error is not None)
        told = str(account_of(webhooks).last_error)

    assert told.startswith(error)
    assert "a-secret-path" not in told


async def test_a_receiver_that_is_away_is_told_without_its_path(
    environment: dict[str, str], config: str, receiver: Receiver
) -> None:
    await receiver.close()
    async with process("serve", "--config", config, **environment) as served:
        failed = await served.event("webhook_failed")
        await served.stop()

    assert "Cannot connect" in failed["detail"]
    assert 2.5 <= failed["retry_seconds"] <= 5
    assert "a-secret-path" not in json.dumps(served.lines)


# ── the documents ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of the receiver in the documents, as it stands there."""
    text = (Path(__file__).parent.parent / "docs" / "webhooks.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "receiver.py"
    file.write_text(code, encoding="utf-8")
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    runner = web.AppRunner(runpy.run_path(str(file))["app"], access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


async def test_the_receiver_in_the_documents_receives(
    running: Running,
    gateway: ReplayGateway,
    receiver: Receiver,
    documented: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with telling(
        running, table(receiver), table(receiver, "it") | {"url": documented}
    ) as hooks:
        await running.service.refresher.run()
        gateway.serve(fixtures.path("kilo-2026-11-01.json"))
        await running.service.refresher.run()
        await eventually(lambda: hooks.status()[1].account.delivered == 2)
        [first] = await receiver.took(1)
    forged = {**first.headers, "webhook-id": "msg_forged"}
    async with aiohttp.ClientSession() as session:
        for headers, status in ((first.headers, 204), (first.headers, 204), (forged, 401)):
            async with session.post(documented, data=first.body, headers=headers) as answer:
                assert answer.status == status

    added, *changes, again = capsys.readouterr().out.splitlines()
    assert added == again == "46 models: added"  # under the ids of two webhooks, and each once
    assert len(changes) == 17
    assert changes[0].startswith("kilocode/orrery/meridian-5 changed {'cost.input': ")
