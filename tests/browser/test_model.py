"""The page of a model and the page that sets several side by side, as people use them."""

import pytest

from tests.browser.harness import PHONE, Browser, Page, Site, expect, looking, picture

EMBER = "/models/cinderpeak/ember-4.1"
SIDES = "/compare?ids=cinderpeak/ember-4-max,orrery/meridian-5,kestrelmind/hover-2"


def test_without_scripts_there_are_no_buttons_and_everything_else_is_there(
    browser: Browser, site: Site
) -> None:
    with looking(browser, site, java_script_enabled=False) as (page, _):
        page.goto(EMBER)
        assert page.get_by_role("button").count() == 0
        assert page.locator("svg.steps").count() >= 4
        page.goto(SIDES)
        page.get_by_label("Add a model").fill("kilo/auto")
        page.get_by_label("Input tokens", exact=True).fill("8k")
        page.get_by_role("button", name="Compare").click()
        assert page.locator("th.head").count() == 4
        whole = page.locator("tbody tr").count()
        page.get_by_role("link", name="Show only what differs").click()
        assert page.locator("tbody tr").count() < whole
        assert page.locator("tr.cost").inner_text().count("8,000 input") == 1
        page.get_by_role("link", name="Remove kilo/auto").click()
        assert page.locator("th.head").count() == 3


def test_a_chart_is_read_by_arrow_keys_and_by_pointer(page: Page) -> None:
    page.goto(EMBER)
    chart = page.locator("svg.steps").first
    said = page.locator(".panel-said").first
    chart.focus()
    page.keyboard.press("End")
    last = said.inner_text()
    page.keyboard.press("ArrowLeft")

    expect(said).not_to_have_text(last)
    assert last.startswith("$1.2 per million tokens, from ")
    chart.blur()
    expect(said).to_be_empty()
    box = chart.bounding_box()
    assert box
    chart.hover(position={"x": box["width"] - 5, "y": 20})
    expect(said).to_have_text(last)


def test_on_a_phone_the_names_of_fields_stay_while_models_are_scrolled(
    browser: Browser, site: Site
) -> None:
    with looking(browser, site, viewport=PHONE, is_mobile=True, has_touch=True) as (page, _):
        page.goto(SIDES)
        field = page.get_by_role("rowheader", name="Context window").first
        before = field.bounding_box()
        page.locator(".side").evaluate("side => { side.scrollLeft = side.scrollWidth; }")
        picture(page, "compare-scrolled-phone")

        assert before
        assert field.bounding_box() == before
        assert page.locator(".side").evaluate("side => side.scrollLeft") > 0


# ── copying ───────────────────────────────────────────────────────────────────────────────────

ID, REF = "cinderpeak/ember-4.1", "kilocode/cinderpeak/ember-4.1"
ALLOWED = ["clipboard-read", "clipboard-write"]
CLIPBOARD = "Object.getOwnPropertyDescriptor(Navigator.prototype, 'clipboard').get.call(navigator)"
REFUSED = """
  Object.defineProperty(navigator, "clipboard", {
    value: {writeText: () => Promise.reject(new DOMException("no", "NotAllowedError"))},
  });
"""


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
@pytest.mark.parametrize(("what", "text"), [("the id", ID), ("the ref", REF)])
def test_names_are_copied_as_they_are(
    browser: Browser, site: Site, what: str, text: str, way: str
) -> None:
    with looking(browser, site, permissions=ALLOWED) as (page, _):
        page.goto(EMBER)
        button = page.get_by_role("button", name=f"Copy {what}")
        if way == "mouse":
            button.click()
        else:
            button.focus()
            page.keyboard.press("Enter")

        expect(page.locator("#copied")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == text
        expect(page.get_by_role("button", name=f"Copied {what}")).to_be_focused()


def test_without_a_clipboard_names_are_copied_by_selection(browser: Browser, site: Site) -> None:
    with looking(browser, site, permissions=ALLOWED) as (page, _):
        page.add_init_script(REFUSED)
        page.goto(EMBER)
        button = page.get_by_role("button", name="Copy the ref")
        button.click()

        expect(page.locator("#copied")).to_have_text("Copied")
        expect(page.get_by_role("button", name="Copied the ref")).to_be_focused()
        assert page.evaluate(f"{CLIPBOARD}.readText()") == REF


@pytest.mark.parametrize("path", [EMBER, "/?q=ember-4.1"])
def test_a_refused_copy_is_told_and_the_text_is_selected(
    browser: Browser, site: Site, path: str
) -> None:
    with looking(browser, site) as (page, _):
        page.add_init_script(REFUSED + "document.execCommand = () => false;")
        page.goto(path)
        button = page.get_by_role("button", name="Copy").or_(
            page.get_by_role("button", name="copy id")
        )
        page.locator("tbody tr").first.hover()
        button.first.click()

        expect(page.locator("#copied")).to_contain_text("Not copied")
        expect(page.get_by_role("button", name="Not copied")).to_be_visible()
        assert page.evaluate("getSelection().toString()") == ID


# ── a model that is added to the comparison ───────────────────────────────────────────────────


def test_a_model_is_added_by_words_of_its_name_and_by_keys_alone(page: Page) -> None:
    page.goto("/compare?ids=orrery/meridian-5")
    field = page.get_by_role("combobox", name="Add a model")
    field.press_sequentially("embr 4 max", delay=5)
    options = page.get_by_role("option")
    expect(options.first).to_contain_text("cinderpeak/ember-4-max")
    expect(field).to_have_attribute("aria-expanded", "true")

    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    page.keyboard.press("Backspace")
    expect(options.first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    page.keyboard.press("Enter")

    expect(page.locator("th.head")).to_have_count(2)
    assert page.url.endswith("/compare?ids=orrery%2Fmeridian-5&ids=cinderpeak%2Fember-4-max")


def test_a_model_is_added_by_the_pointer_and_an_id_without_it(page: Page) -> None:
    page.goto("/compare")
    page.get_by_label("Add a model").fill("meridian 4.5")
    page.get_by_role("option").first.click()
    expect(page.locator("th.head")).to_have_count(1)

    page.get_by_label("Add a model").fill("kilo/auto")
    page.keyboard.press("Enter")
    expect(page.locator("th.head")).to_have_count(2)


def test_nothing_that_fits_is_said(page: Page) -> None:
    page.goto("/compare")
    page.get_by_label("Add a model").fill("zzzzqqqq")

    expect(page.get_by_role("status").filter(has_text="No model fits.")).to_have_count(1)
    expect(page.get_by_role("option")).to_have_count(0)
