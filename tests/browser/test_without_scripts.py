"""Everything that matters works by plain links and forms."""

import re
from collections.abc import Iterator

import pytest

from tests.browser.harness import Browser, Page, Site, expect, looking

ROWS = "#models tbody tr"


@pytest.fixture
def plain(browser: Browser, site: Site) -> Iterator[Page]:
    with looking(browser, site, java_script_enabled=False) as (page, _):
        yield page


def test_models_are_searched_filtered_and_sorted_by_a_form(plain: Page) -> None:
    plain.goto("/")
    plain.locator("#q").fill("ember")
    plain.keyboard.press("Enter")
    expect(plain).to_have_url(re.compile(r"/\?q=ember$"))  # and no empty fields
    expect(plain.locator("#count")).to_have_text(re.compile("^4 of "))
    plain.go_back()
    expect(plain).to_have_url(re.compile("/$"))
    plain.go_forward()

    filters = plain.locator("#filters")
    if not plain.locator("#facets input[name=author][value=cinderpeak]").is_visible():
        filters.locator("summary").first.click()
    plain.locator("#facets input[name=author][value=cinderpeak]").check()
    plain.locator("#facets").get_by_role("button", name="Apply").click()
    expect(plain).to_have_url(re.compile("author=cinderpeak"))

    plain.locator("thead th.c-name a").click()
    expect(plain.locator("thead th.c-name")).to_have_attribute("aria-sort", "ascending")
    expect(plain.locator(ROWS)).to_have_count(4)


def test_columns_are_chosen_by_a_form(plain: Page) -> None:
    plain.goto("/")
    plain.locator("#columns > summary").click()
    plain.locator("form.columns input[value=tokenizer]").check()
    plain.get_by_role("button", name="Show these").click()

    expect(plain.locator("thead th.c-tokenizer")).to_have_count(1)


def test_ticked_models_are_compared(plain: Page) -> None:
    plain.goto("/?q=ember")
    for box in plain.locator("#models .pick input").all()[:2]:
        box.check()
    plain.locator("#compare").get_by_role("button", name="Compare").click()

    expect(plain.locator("table.compare thead th.head")).to_have_count(2)


def test_a_model_has_its_figures_and_its_past(plain: Page) -> None:
    plain.goto("/?q=ember-4.1")
    plain.locator(f"{ROWS} th > a").first.click()

    expect(plain.locator("h1")).to_contain_text("Ember 4.1")
    expect(plain.locator("#history ol.changes > li").first).to_be_visible()
    expect(plain.locator("button.copy:visible")).to_have_count(0)


@pytest.mark.parametrize("path", ["/changes", "/status", "/docs", "/explore"])
def test_the_other_pages_are_whole(plain: Page, path: str) -> None:
    plain.goto(path)

    expect(plain.locator("h1")).to_be_visible()
    expect(plain.locator("main")).not_to_be_empty()


def test_changes_are_filtered_by_a_form(plain: Page) -> None:
    plain.goto("/changes")
    plain.locator("form.log-filters input[name=kind][value=missing]").check()
    plain.locator("form.log-filters button[type=submit]").first.click()

    expect(plain).to_have_url(re.compile("kind=missing"))
    expect(plain.locator("#log")).to_contain_text("gannet/plunge-1.5")
