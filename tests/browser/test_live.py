"""What an open page learns of the world: changes, and that nothing is known any more."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fixtures
from tests.browser.harness import Browser, Site, expect, looking, open_site


@pytest.fixture
def alive(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """October's list, and a gateway that can turn to November's."""
    october = fixtures.path("kilo-2026-10-01.json")
    with open_site(october, tmp_path) as opened:
        yield opened


def test_an_open_page_says_what_changed_and_shows_it_when_it_is_asked_to(
    browser: Browser, alive: Site
) -> None:
    with looking(browser, alive) as (page, _):
        with page.expect_response(re.compile("/catalog/changes/stream")):
            page.goto("/?q=egret")
        expect(page.locator("#results")).to_contain_text("No model fits all of this.")

        alive.turn_to("kilo-2026-11-01.json")
        expect(page.locator("#news")).to_have_text(
            re.compile(r"\d+ changes since you opened this\.")
        )
        expect(page.locator("#results")).to_contain_text("No model fits all of this.")
        page.locator("#news").get_by_role("button", name="Update").click()

        expect(page.locator("#models tbody tr")).to_have_count(1)
        expect(page.locator("#news")).to_be_empty()
        expect(page).to_have_url(re.compile(r"/\?q=egret$"))


def test_a_page_of_another_kind_is_told_as_well(browser: Browser, alive: Site) -> None:
    with looking(browser, alive) as (page, _):
        with page.expect_response(re.compile("/catalog/changes/stream")):
            page.goto("/models/cinderpeak/ember-4.1")
        before = page.locator("ol.changes > li").count()

        alive.turn_to("kilo-2026-11-01.json")
        page.locator("#news").get_by_role("button", name="Update").click()

        expect(page.locator("ol.changes > li")).not_to_have_count(before)
        expect(page.locator("#news")).to_be_empty()


def test_the_status_page_follows_by_itself(browser: Browser, alive: Site) -> None:
    with looking(browser, alive) as (page, _):
        page.clock.install()
        page.goto("/status")
        revision = page.locator("#figures dt:text-is('Revision') + dd")
        before = revision.inner_text()

        alive.turn_to("kilo-2026-11-01.json")
        page.clock.run_for(11_000)

        expect(revision).not_to_have_text(before)


def test_a_catalog_that_could_not_be_checked_for_long_says_so_on_every_page(
    browser: Browser, tmp_path: Path
) -> None:
    october = fixtures.path("kilo-2026-10-01.json")
    with (
        open_site(october, tmp_path, MODEL_CATALOG_STALE_AFTER="0.001") as old,
        looking(browser, old) as (page, _),
    ):
        for path in ("/", "/models/cinderpeak/ember-4.1", "/compare", "/changes"):
            page.goto(path)
            expect(page.locator("#stale")).to_contain_text("not reached for too long")


def test_an_open_page_says_when_the_gateway_has_been_dead_for_long(
    browser: Browser, tmp_path: Path
) -> None:
    october = fixtures.path("kilo-2026-10-01.json")
    often = {"MODEL_CATALOG_REFRESH_INTERVAL": "1", "MODEL_CATALOG_STALE_AFTER": "5"}
    with open_site(october, tmp_path, **often) as alive, looking(browser, alive) as (page, _):
        page.clock.install()
        page.goto("/")
        expect(page.locator("#stale")).to_be_empty()

        alive.lose_gateway()
        while not page.locator("#stale").inner_text():
            page.clock.run_for(61_000)  # it asks once a minute

        expect(page.locator("#stale")).to_contain_text("not reached for too long")
        expect(page.locator("#models tbody tr").first).to_be_visible()


def test_a_page_that_lost_the_service_says_so_until_it_is_back(
    browser: Browser, tmp_path: Path
) -> None:
    october = fixtures.path("kilo-2026-10-01.json")
    with open_site(october, tmp_path) as mortal, looking(browser, mortal) as (page, watch):
        with page.expect_response(re.compile("/catalog/changes/stream")):
            page.goto("/")
        watch.forgive("ERR_CONNECTION_REFUSED")
        watch.forgive("ERR_INCOMPLETE_CHUNKED_ENCODING")

        with mortal.gone():
            expect(page.locator("#stale")).to_contain_text("cannot be reached")
            expect(page.locator("#models tbody tr").first).to_be_visible()

        expect(page.locator("#stale")).to_be_empty()
