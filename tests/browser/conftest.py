"""The browser and the program are started once: what a test leaves behind is in its own window."""

from collections.abc import Iterator

import pytest

import fixtures
from benchmarks import lists
from tests.browser.harness import Browser, Page, Site, Watch, absence, browsing, looking, open_site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if why := absence():
        pytest.skip(why)
    with browsing() as started:
        yield started


@pytest.fixture(scope="session")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """October's list and then November's: some models are missing, some changed, some new."""
    october = fixtures.path("kilo-2026-10-01.json")
    with open_site(october, tmp_path_factory.mktemp("site")) as opened:
        opened.turn_to("kilo-2026-11-01.json")
        yield opened


@pytest.fixture(scope="session")
def hostile(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    listing = fixtures.path("hostile-2026-10-01.json")
    with open_site(listing, tmp_path_factory.mktemp("hostile")) as opened:
        yield opened


@pytest.fixture(scope="session")
def large(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Ten thousand models."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "list.json").write_bytes(lists.make(10_000))
    with open_site(folder / "list.json", folder) as opened:
        yield opened


@pytest.fixture
def looked(browser: Browser, site: Site) -> Iterator[tuple[Page, Watch]]:
    with looking(browser, site) as opened:
        yield opened


@pytest.fixture
def page(looked: tuple[Page, Watch]) -> Page:
    """A window at 1280 by 900 that has not gone anywhere yet."""
    return looked[0]


@pytest.fixture
def watch(looked: tuple[Page, Watch]) -> Watch:
    return looked[1]
