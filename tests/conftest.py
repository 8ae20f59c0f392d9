"""What tests share: a real gateway on loopback, real files, a real process."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

import fixtures
from fixtures.replay import ReplayGateway
from service import log
from service.config import Settings
from service.database import Database
from tests.served import Served, serving
from tests.support import Running, fed, held, running_service

ROOT = Path(__file__).parent.parent


HOMES: Final = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME")


@pytest.fixture(autouse=True, scope="session")
def _nobodys_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting of the person who runs the tests reaches them, nor any file of theirs."""
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            if name.startswith("MODEL_CATALOG_") or name == "KILOCODE_API_KEY":
                environment.delenv(name)
        for name in HOMES:
            environment.setenv(name, str(tmp_path_factory.getbasetemp() / "home"))
        environment.setenv("COLUMNS", "200")
        environment.setenv("NO_COLOR", "1")
        yield


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor do the tests reach one another."""
    for name in HOMES:
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture(autouse=True, scope="session")
def _quiet() -> None:
    log.configure("error", "json")


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real gateways' bodies."""
    folder = Path(os.environ.get("CATALOG_CAPTURES", ROOT.parent / "shared" / "captures"))
    if not folder.is_dir():
        pytest.skip(f"no captures of real gateways at {folder}; set CATALOG_CAPTURES")
    return folder


@pytest.fixture(scope="session", params=["list of ours", "captured list"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The real process and all that it says of an invented list, then of a real one."""
    if request.param == "captured list":
        listing = request.getfixturevalue("captures") / "kilo-2026-07-28.json"
    else:
        listing = fixtures.path("kilo-2026-10-01.json")
    with serving(listing, tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
async def gateway() -> AsyncIterator[ReplayGateway]:
    """A real gateway that serves October's fixture."""
    async with ReplayGateway(fixtures.path("kilo-2026-10-01.json")) as replayed:
        yield replayed


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as the migrations leave it: the tables, and nothing in them."""
    file = tmp_path_factory.mktemp("empty") / "catalog.db"

    async def migrate() -> None:
        database = Database(file)
        await database.open()
        await database.close()

    asyncio.run(migrate())
    return file


@pytest.fixture
def fresh_settings(tmp_path: Path, gateway: ReplayGateway) -> Settings:
    """Settings that point at that gateway and at a database of the test's own, not there yet."""
    return Settings.load(
        {
            "gateway_url": gateway.url,
            "database_url": f"sqlite:///{tmp_path / 'catalog.db'}",
            "port": 0,
            "refresh_deadline": 5,
            "admin_token": "let-me-in",
        }
    )


@pytest.fixture
def settings(fresh_settings: Settings, empty_database: Path) -> Settings:
    """The same where the database is there, but empty.

    Migrating is a third of a start; whoever tests the very first start takes `fresh_settings`.
    """
    shutil.copy(empty_database, fresh_settings.database_path)
    return fresh_settings


@pytest.fixture
async def running(settings: Settings) -> AsyncIterator[Running]:
    """The whole service in this process, listening; it refreshes only when told to."""
    async with running_service(settings) as served:
        yield served


@pytest.fixture(scope="module")
def october(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for all tests of a module that only read, after its first refresh.

    It is in a thread of its own: a test asks it with a client of the test's.
    """
    listing = fixtures.path("kilo-2026-10-01.json")
    with held(fed(listing, tmp_path_factory.mktemp("october"))) as running:
        yield running


@pytest.fixture
def database(settings: Settings) -> Path:
    return settings.database_path
