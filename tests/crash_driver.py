"""Kills refreshes at random instants and looks at what they leave. Run by `test_crash.py`.

    python tests/crash_driver.py DATABASE GATEWAY_URL KILLS SEED

Everything is imported once, and each refresher is a fork: so most of its life is spent where it
can be hurt, and a hundred kills take seconds.
"""

import asyncio
import json
import os
import random
import select
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from service import log
from service.app import service
from service.config import Settings
from service.tables import SCHEMA

COMMON, OWN = 100, 5  # more than are written in one statement
SAVING, DONE = b"s", b"d"


def generation(name: str) -> dict[str, str]:
    """The models of a state of the gateway, as id → name: all differ from the other state's."""
    ids = [f"both/{number}" for number in range(COMMON)]
    ids += [f"only-{name}/{number}" for number in range(OWN)]
    return {model_id: f"{name} {model_id}" for model_id in ids}


def listing(name: str) -> bytes:
    """That state as the gateway says it."""
    price = {"A": "0.000001", "B": "0.000002"}[name]
    return json.dumps(
        {
            "data": [
                {"id": model_id, "name": text, "pricing": {"prompt": price, "completion": price}}
                for model_id, text in generation(name).items()
            ]
        }
    ).encode()


GENERATIONS: dict[str, dict[str, str]] = {"seed": {}, "A": generation("A"), "B": generation("B")}


# ── the victim ────────────────────────────────────────────────────────────────────────────────


async def _refresh_for_ever(settings: Settings, told: int) -> None:
    def on_step(step: str) -> None:
        if step == "saving":
            os.write(told, SAVING)

    async with service(settings, on_step=on_step) as made:
        while True:
            refresh = await made.refresher.run()
            os.write(told, DONE if refresh.outcome.is_good else str(refresh).encode())


def _fork(settings: Settings) -> tuple[int, int]:
    """A child that refreshes until it is killed, and where it tells how far it is."""
    heard, told = os.pipe()
    child = os.fork()
    if child:
        os.close(told)
        os.set_blocking(heard, False)
        return child, heard
    try:
        asyncio.run(_refresh_for_ever(settings, told))
    finally:
        os._exit(1)


class Victim:
    """One child, seen from outside."""

    def __init__(self, settings: Settings) -> None:
        self._pid, self._heard = _fork(settings)
        self.marks = b""
        self.times: list[float] = []

    def wait(self, mark: bytes, count: int) -> None:
        """Until it has told this so many times."""
        until = time.monotonic() + 30
        while self.marks.count(mark) < count:
            ready, _, _ = select.select([self._heard], [], [], until - time.monotonic())
            assert ready, f"it told only {self.marks!r}"
            assert self._hear(), f"it ended by itself after {self.marks!r}"

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        assert os.WIFSIGNALED(status), f"it ended by itself after {self.marks!r}"
        while self._hear():
            pass
        os.close(self._heard)
        assert not self.marks.strip(SAVING + DONE), self.marks

    def saving_seconds(self) -> list[float]:
        """How long it took each time from `saving` to `done`."""
        pairs = zip(self.times, self.times[1:], self.marks, self.marks[1:], strict=False)
        return [end - begin for begin, end, one, two in pairs if (one, two) == (ord("s"), ord("d"))]

    def _hear(self) -> bytes:
        try:
            new = os.read(self._heard, 4096)
        except BlockingIOError:
            return b""
        self.marks += new
        self.times += [time.monotonic()] * len(new)
        return new


# ── what it leaves ────────────────────────────────────────────────────────────────────────────

# Each of these must find nothing.
FORBIDDEN = {
    "a revision that was skipped": """
        SELECT revision FROM revisions
        WHERE revision > (SELECT count(*) FROM revisions)""",
    "a revision that counts other changes than were made": """
        SELECT revision FROM revisions AS r
        WHERE (added, changed, missing, removed, returned) <> (
            SELECT count(*) FILTER (WHERE kind = 'added'),
                   count(*) FILTER (WHERE kind = 'changed'),
                   count(*) FILTER (WHERE kind = 'missing'),
                   count(*) FILTER (WHERE kind = 'removed'),
                   count(*) FILTER (WHERE kind = 'returned')
            FROM versions WHERE since_revision = r.revision)""",
    "a revision without the refresh that made it, or a refresh without its revision": """
        SELECT revision FROM revisions AS r
        WHERE (cause = 'refresh') <> (
            SELECT count(*) FROM refreshes WHERE revision = r.revision AND outcome = 'updated')""",
    "a version that ended where no other began": """
        SELECT id FROM versions AS v
        WHERE until_revision IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM versions WHERE source = v.source AND model_id = v.model_id
            AND origin = v.origin AND since_revision = v.until_revision)""",
    "a version that names other fields than differ from the one before": """
        SELECT v.id FROM versions AS v LEFT JOIN versions AS b
        ON b.source = v.source AND b.model_id = v.model_id AND b.origin = v.origin
        AND b.until_revision = v.since_revision
        WHERE v.since_revision = (SELECT max(revision) FROM revisions) AND (
            (b.id IS NULL) <> (v.fields IS NULL)
            OR (b.name <> v.name) <> (v.fields LIKE '%"name"%')
            OR (b.cost_input <> v.cost_input) <> (v.fields LIKE '%"cost.input"%')
            OR (b.status <> v.status) <> (v.fields LIKE '%"status"%'))""",
    "a revision that did something else in bulk than it says": """
        SELECT revision FROM revisions
        WHERE json_extract(bulk, '$.name') IS NOT nullif(changed, 0)""",
    "an open place that is taken twice": """
        SELECT position FROM versions
        WHERE until_revision IS NULL AND origin = 'discovered'
        GROUP BY position HAVING count(*) > 1 OR position IS NULL""",
    "a model whose entry says something else": """
        SELECT v.id FROM versions AS v LEFT JOIN entries AS e ON e.id = v.entry_id
        WHERE v.origin = 'discovered' AND json_extract(e.body, '$.name') IS NOT v.name""",
    "a fallback row that is not there": f"""
        SELECT 1 WHERE 1 <> (SELECT count(*) FROM versions WHERE origin = 'fallback')
        OR '{SCHEMA}' <> (SELECT version_num FROM alembic_version)""",
}


def look(database: Path) -> str:
    """The one whole generation that is stored. Raises AssertionError when there is none."""
    with closing(sqlite3.connect(database)) as connection:
        ask = connection.execute
        assert ask("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert ask("PRAGMA foreign_key_check").fetchall() == []
        if not ask("SELECT 1 FROM sqlite_schema").fetchone():
            return "nothing"
        if not ask("SELECT 1 FROM revisions").fetchone():
            return "migrated"
        for what, query in FORBIDDEN.items():
            assert (rows := ask(query).fetchall()) == [], f"{what}: {rows}"
        open_now = "until_revision IS NULL AND origin = 'discovered'"
        active: dict[str, str] = dict(
            ask(f"SELECT model_id, name FROM versions WHERE {open_now} AND status = 'active'")
        )
        others = {
            row[0] for row in ask(f"SELECT model_id FROM versions WHERE {open_now}")
        } - active.keys()
    found = [name for name, models in GENERATIONS.items() if models == active]
    assert found, f"a mixture: {Counter(name.split()[0] for name in active.values())}"
    assert all(model_id.startswith("only-") for model_id in others)
    return found[0]


# ── the murders ───────────────────────────────────────────────────────────────────────────────


def _settings(database: Path, gateway_url: str) -> Settings:
    return Settings.load({"gateway_url": gateway_url, "database_url": f"sqlite:///{database}"})


async def _warm_up(settings: Settings) -> None:
    """What is imported late is imported before the first fork."""
    async with service(settings) as made:
        await made.refresher.run()


def _measure(settings: Settings) -> tuple[float, float]:
    """Seconds from the start to the first saving, and from saving to done."""
    begin = time.monotonic()
    victim = Victim(settings)
    victim.wait(SAVING, 1)
    start_seconds = time.monotonic() - begin
    victim.wait(DONE, 5)
    victim.kill()
    return start_seconds, max(victim.saving_seconds())


def main(database: Path, gateway_url: str, kills: int, seed: int) -> Counter[str]:
    """Kill so often; count what was left, and how many died while saving."""
    rng = random.Random(seed)
    settings = _settings(database, gateway_url)
    asyncio.run(_warm_up(settings))
    start_seconds, saving_seconds = _measure(settings)
    seen: Counter[str] = Counter()
    for number in range(kills):
        chance = rng.random()
        if chance < 0.2:  # the first start of a new database
            fresh = database.with_name(f"fresh-{number}.db")
            victim = Victim(_settings(fresh, gateway_url))
            time.sleep(rng.uniform(0, 2 * start_seconds))
            victim.kill()
            seen[f"fresh: {look(fresh)}"] += 1
            continue
        victim = Victim(settings)
        if chance < 0.3:  # anywhere
            time.sleep(rng.uniform(0, 2 * start_seconds))
        else:
            victim.wait(SAVING, rng.choice([1, 1, 2]))
            time.sleep(rng.uniform(0, 1.1 * saving_seconds))
        victim.kill()
        seen["while saving"] += victim.marks.endswith(SAVING)
        seen[look(database)] += 1
    return seen


if __name__ == "__main__":
    log.configure("error", "json")
    done = main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.write(json.dumps(done))
