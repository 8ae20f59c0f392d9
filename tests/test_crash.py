"""`kill -9` at random instants of refreshes: the old generation is left, or the new one."""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fixtures.faults import Fault
from fixtures.replay import ReplayGateway
from service.catalog import Cursor
from service.config import Settings
from tests import crash_driver
from tests.scenes import all_changes, facts_of, replay
from tests.support import Running, running_service

KILLS = 100
SEED = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(10**9)))


@pytest.fixture
async def gateway() -> AsyncIterator[ReplayGateway]:
    """A gateway whose list is in turn one of two states."""
    states = [Fault(body=crash_driver.listing(name)) for name in ("A", "B")]
    async with ReplayGateway(crash_driver.listing("A")) as replayed:
        replayed.play(*states * 10_000)
        yield replayed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the victims are forks")
async def test_a_hundred_kills_leave_one_whole_generation_each(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    driver = await asyncio.create_subprocess_exec(
        *(sys.executable, crash_driver.__file__, database, gateway.url, str(KILLS), str(SEED)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    out, err = await driver.communicate()

    repeat = f"CRASH_SEED={SEED}\n{err.decode()}"
    assert driver.returncode == 0, repeat
    seen = json.loads(out)
    assert seen["A"] + seen["B"] >= KILLS / 2, repeat
    assert seen["while saving"] >= KILLS / 10, f"too few died where it hurts: {seen}\n{repeat}"

    left = crash_driver.look(database)
    async with running_service(settings) as running:
        data = (await running.client.json("/catalog/models"))["data"]
        active = {row["id"]: row["name"] for row in data[:-1] if row["status"] == "active"}
        assert active == crash_driver.GENERATIONS[left], repeat
        await check_history(running)
        assert (await running.service.refresher.run()).outcome.is_good, repeat
    assert crash_driver.look(database) in {"A", "B"}, repeat


async def check_history(running: Running) -> None:
    """The changes of the last revisions lead to what is served."""
    history = running.service.history
    begin = await history.resolve(max(1, (await history.head()).revision - 3))
    changes = await all_changes(history, after=Cursor(begin.revision))
    served = running.service.present.require().catalog
    assert replay(facts_of(await history.catalog(begin)), changes) == facts_of(served)
