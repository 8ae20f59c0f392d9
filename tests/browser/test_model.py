"""The page of a model and the page that sets several side by side, as people use them."""

from tests.browser.harness import PHONE, Browser, Page, Site, expect, looking, picture

EMBER = "/models/cinderpeak/ember-4.1"
SIDES = "/compare?ids=cinderpeak/ember-4-max,orrery/meridian-5,kestrelmind/hover-2"


def test_an_id_is_copied_by_its_button(browser: Browser, site: Site) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    with looking(browser, site, permissions=allowed) as (page, _):
        page.goto(EMBER)
        page.get_by_role("button", name="Copy the id").click()

        expect(page.locator("#copied")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "cinderpeak/ember-4.1"


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
