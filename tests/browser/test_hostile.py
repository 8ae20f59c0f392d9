"""What a gateway says is text, whatever it looks like."""

from collections.abc import Iterator

import pytest

from tests.browser.harness import PHONE, Browser, Page, Site, expect, looking

AWFUL = ("name-script", "<script>", "quoted", "name-formula", "?query", "🦊", "description")
OURS = """() => [
    ...[...document.images].filter((one) => !one.src.startsWith(location.origin)),
    ...[...document.scripts].filter((one) => !one.src.startsWith(location.origin)),
    ...document.querySelectorAll("iframe, object, embed, base, style, [style]"),
    ...[...document.querySelectorAll("[href], [src], [action], [formaction]")].filter((one) =>
        ["href", "src", "action", "formaction"].some((name) =>
            one.hasAttribute(name) &&
            !new URL(one.getAttribute(name), document.baseURI).protocol.startsWith("http"))),
    ...[...document.querySelectorAll("*")].filter((one) =>
        [...one.attributes].some((said) => said.name.startsWith("on"))),
].map((one) => one.outerHTML.slice(0, 200))"""
"""Elements that only a text of the gateway can have brought in."""


@pytest.fixture
def window(browser: Browser, hostile: Site) -> Iterator[Page]:
    with looking(browser, hostile) as (opened, _):
        yield opened


def is_inert(page: Page) -> None:
    assert page.evaluate(OURS) == []
    expect(page.locator("main")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/changes", "/status", "/?columns=badges,tokenizer"])
def test_a_list_full_of_traps_is_a_page_of_text(window: Page, path: str) -> None:
    window.goto(path)

    is_inert(window)


def test_search_swaps_in_texts_and_no_elements(window: Page) -> None:
    window.goto("/")

    window.locator("#q").fill("<script>")
    expect(window.locator("#count")).to_contain_text(" of ")

    expect(window.locator("#models tbody")).to_contain_text("<script>alert('id')</script>")
    is_inert(window)


@pytest.mark.parametrize("word", AWFUL)
def test_the_page_of_a_model_with_traps_is_text(window: Page, hostile: Site, word: str) -> None:
    found = [one for one in hostile.ids if word in one]
    assert found

    for model_id in found[:3]:
        window.goto(hostile.page(model_id))
        is_inert(window)
        expect(window.locator("code.model-id").first).to_have_text(model_id)


def test_what_is_asked_comes_back_as_text(window: Page) -> None:
    window.goto("/?q=%22%3E%3Cimg+src%3Dx+onerror%3Dalert(1)%3E")

    is_inert(window)
    expect(window.locator("#q")).to_have_value('"><img src=x onerror=alert(1)>')


def test_the_longest_names_leave_a_phone_no_wider_than_it_is(
    browser: Browser, hostile: Site
) -> None:
    with looking(browser, hostile, viewport=PHONE) as (page, _):
        page.goto("/")

        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
