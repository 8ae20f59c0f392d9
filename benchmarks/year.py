"""One year of hourly refreshes: what the database grows to, and how long its past takes to read.

The rates are those of 189 daily captures of the gateway: 1.4 models added and 1.3 dropped a day,
five changed on the median day, one in seventeen of the dropped ones back after a few days, and now
and then a day on which one field appears on every model.
"""

import asyncio
import random
import sqlite3
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import orjson
from rich.progress import track

from benchmarks import lists, servers
from service import log
from service.bodies import Fetched
from service.catalog import FALLBACK, KILOCODE, Cause
from service.database import Database
from service.metrics import Metrics
from service.publish import Nobody
from service.refresh import Refresher
from service.store import Store

MODELS: Final = 348
HOURS: Final = 365 * 24
START: Final = datetime(2025, 11, 1, tzinfo=UTC)
DAILY: Final[Mapping[str, float]] = {"add": 1.4, "drop": 1.3, "change": 5.0, "everywhere": 4 / 365}
RETURNING: Final = 14 / (1.3 * 189)
"""Share of the dropped models that come back."""

Entry = dict[str, Any]


@dataclass
class Story:
    """What the gateway lists, hour by hour."""

    entries: dict[str, Entry]
    chance: random.Random
    away: list[tuple[int, Entry]] = field(default_factory=list)
    made: int = 0
    everywhere: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    def hour(self, number: int) -> bool:
        """Let an hour pass. Returns whether the list is another one."""
        due = [entry for hour, entry in self.away if hour <= number]
        self.away = [(hour, entry) for hour, entry in self.away if hour > number]
        self.entries |= {entry["id"]: entry for entry in due}
        events = [name for name, rate in DAILY.items() if self.chance.random() < rate / 24]
        for name in events:
            getattr(self, f"_{name}")(number)
        self.happened.update(events)
        self.happened["return"] += len(due)
        return bool(events or due)

    def _add(self, _: int) -> None:
        self.made += 1
        entry = dict(self._any())
        entry["id"] = f"{entry['id']}-new-{self.made}"
        self.entries[entry["id"]] = entry

    def _drop(self, hour: int) -> None:
        entry = self.entries.pop(self._any()["id"])
        if self.chance.random() < RETURNING:
            self.away.append((hour + self.chance.randint(24, 40 * 24), entry))

    def _change(self, _: int) -> None:
        entry = self._any()
        match self.chance.choice(["price", "price", "limit", "parameters", "description"]):
            case "price":
                pricing = {
                    "prompt": f"0.{self.chance.randint(1, 9999):08d}",
                    "completion": "0.00001",
                }
                entry["pricing"] = pricing
            case "limit":
                top = {"max_completion_tokens": self.chance.randint(1, 64) * 1024}
                entry["top_provider"] = {**entry.get("top_provider", {}), **top}
            case "parameters":
                entry["supported_parameters"] = ["max_tokens", f"seed-{self.chance.randint(0, 99)}"]
            case _:
                entry["description"] = (
                    f"{entry['description']} Edition {self.chance.randint(0, 99)}."
                )

    def _everywhere(self, _: int) -> None:
        self.everywhere += 1
        for entry in self.entries.values():
            entry["expiration_date"] = f"203{self.everywhere}-01-01"

    def _any(self) -> Entry:
        return self.entries[self.chance.choice(list(self.entries))]

    def body(self) -> bytes:
        return orjson.dumps({"data": list(self.entries.values())})


class Told:
    """A gateway that lists what the story says, and answers 304 while nothing has changed."""

    scope = "year"

    def __init__(self) -> None:
        self.body: bytes | None = None

    async def fetch(self, known: object = None) -> Fetched:
        del known
        return Fetched(body=self.body, etag='"told"', last_modified=None, http_status=200)


async def simulate(path: Path, hours: int = HOURS) -> Story:
    """Write the history of so many hours into a database."""
    entries = orjson.loads(lists.make(MODELS))["data"]
    story = Story({entry["id"]: entry for entry in entries}, random.Random(1))
    clock = [START]
    gateway = Told()
    async with _refresher(path, gateway, lambda: clock[0]) as refresher:
        for number in track(range(hours), description="one year, hour by hour"):
            clock[0] = START + timedelta(hours=number)
            is_new = story.hour(number) or not number
            gateway.body = story.body() if is_new else None
            refresh = await refresher.run()
            assert refresh.outcome.is_good, refresh
    return story


@asynccontextmanager
async def _refresher(
    path: Path, gateway: Told, clock: Callable[[], datetime]
) -> AsyncIterator[Refresher]:
    store = Store(Database(path))
    refresher = Refresher(
        source=KILOCODE,
        fallback=FALLBACK,
        gateway=gateway,
        store=store,
        readers=Nobody(),
        metrics=Metrics(),
        clock=clock,
        grace=timedelta(hours=24),
        cause=Cause.IMPORT,
    )
    try:
        await refresher.start()
        yield refresher
    finally:
        await store.close()


# ── what it takes to read it ──────────────────────────────────────────────────────────────────

ROUNDS: Final = 15
QUESTIONS: Final[Mapping[str, str]] = {
    "changes, from the beginning": "/catalog/changes?since=0&limit={varied}",
    "changes, the last week": "/catalog/changes?since={week_ago}&limit={varied}",
    "changes, one field of one author": (
        "/catalog/changes?field=maxTokens&kind=changed&model=orrery/*&limit={varied}"
    ),
    "changes, a field that never changed": (
        "/catalog/changes?field=moderated&kind=changed&limit={varied}"
    ),
    "changes as Atom": "/catalog/changes.atom?limit={varied}",
    "history of the busiest model": "/catalog/history/{busiest}?limit={varied}",
    "catalog at a revision": "/catalog/models?at={revision}",
    "difference of two revisions": "/catalog/diff?from={revision}&to={later}",
    "revisions": "/catalog/revisions?limit={varied}",
    "refreshes": "/catalog/refreshes?limit={varied}",
}
"""Each is asked in ever other words, so that no answer was made before."""


def report(folder: Path) -> None:
    """Simulate, then ask the real service."""
    log.configure("error", "json")
    database = folder / "catalog.db"
    story = asyncio.run(simulate(database))
    _print_size(database, story)
    body = folder / "year.json"
    body.write_bytes(story.body())
    with servers.gateway(body) as url, servers.catalog(folder, url) as service:
        with closing(sqlite3.connect(database)) as connection:
            facts = _facts(connection)
        for name, question in QUESTIONS.items():
            times = [_ask(service.port, question, facts, round_) for round_ in range(ROUNDS)]
            print(f"{name:36s} median {1e3 * median(times):5.1f} ms, worst {1e3 * max(times):5.1f}")


def _print_size(database: Path, story: Story) -> None:
    tables = ("revisions", "versions", "entries", "refreshes")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        counts = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
            for name in tables
        }
    happened = ", ".join(f"{count} {name}" for name, count in story.happened.items())
    print(f"{HOURS} refreshes; {happened}")
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    print(f"database {database.stat().st_size / 1e6:.1f} MB\n")


def _facts(connection: sqlite3.Connection) -> dict[str, Any]:
    (head,) = connection.execute("SELECT max(revision) FROM revisions").fetchone()
    busiest, _ = connection.execute(
        "SELECT model_id, count(*) FROM versions GROUP BY model_id ORDER BY 2 DESC"
    ).fetchone()
    return {"head": head, "busiest": busiest, "week_ago": head - 55}


def _ask(port: int, question: str, facts: Mapping[str, Any], round_: int) -> float:
    revision = facts["head"] // 3 + round_
    path = question.format(
        **facts, varied=100 + round_, revision=revision, later=revision + facts["head"] // 3
    )
    began = perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        assert answer.read()
    return perf_counter() - began
