"""The page of all models, used as people use it."""

import re

import pytest

from tests.browser.harness import Page, Watch, expect

ROWS = "#models tbody tr"


def names(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(f"{ROWS} th > a").all_text_contents()]


def settled(page: Page, query: str) -> None:
    """The address says that, and what it asks for is there."""
    expect(page).to_have_url(re.compile(re.escape(query) + "$"))
    expect(page.locator("#results:not([aria-busy])")).to_have_count(1)


# ── search, filters, order ────────────────────────────────────────────────────────────────────


def test_letters_typed_into_the_search_find_models_without_a_new_page(page: Page) -> None:
    page.goto("/")
    page.evaluate("window.sameDocument = true")

    page.locator("#q").press_sequentially("ember", delay=5)

    expect(page.locator("#count")).to_have_text(re.compile("^4 of "))
    settled(page, "/?q=ember")
    expect(page.locator("#q")).to_be_focused()
    assert all("Ember" in name for name in names(page))
    assert page.evaluate("window.sameDocument")


def test_nothing_found_is_said_and_one_click_leads_out(page: Page) -> None:
    page.goto("/?q=ember&author=gannet")

    expect(page.locator("#results")).to_contain_text("No model fits all of this.")
    page.locator("#results").get_by_role("link", name="clear all").click()

    settled(page, "/")
    expect(page.locator(ROWS).first).to_be_visible()
    expect(page.locator("#q")).to_have_value("")


def test_a_filter_narrows_the_list_and_its_chip_takes_it_back(page: Page) -> None:
    page.goto("/")
    whole = page.locator(ROWS).count()

    page.locator("#facets input[name=author][value=cinderpeak]").check()
    settled(page, "/?author=cinderpeak")
    found = page.locator(ROWS).count()
    page.locator("#chosen .chip").click()
    settled(page, "/")

    assert 0 < found < whole
    assert page.locator(ROWS).count() == whole
    expect(page.locator("#facets input[name=author][value=cinderpeak]")).not_to_be_checked()


def test_a_heading_sorts_and_sorts_the_other_way(page: Page) -> None:
    page.goto("/")

    page.locator("thead th.c-name a").click()
    settled(page, "/?sort=name")
    up = names(page)
    page.locator("thead th.c-name a").click()
    settled(page, "/?sort=-name")

    assert up == sorted(up, key=str.casefold)
    assert names(page) == up[::-1]
    expect(page.locator("thead th.c-name")).to_have_attribute("aria-sort", "descending")
    expect(page.locator("thead th.c-name a")).to_be_focused()


def test_an_address_leads_to_what_it_says(page: Page) -> None:
    page.goto("/?q=ember&tools=true&sort=-cost.input")

    expect(page.locator("#q")).to_have_value("ember")
    expect(page.locator("#facets input[name=tools][value=true]")).to_be_checked()
    expect(page.locator("#sort")).to_have_value("-cost.input")
    assert names(page)
    assert all("Ember" in name for name in names(page))


def test_steps_back_and_forward_show_what_was_there(page: Page) -> None:
    page.goto("/")
    whole = names(page)
    page.locator("#q").press_sequentially("ember", delay=5)
    settled(page, "/?q=ember")
    page.locator("#facets input[name=free][value=false]").check()
    settled(page, "/?q=ember&free=false")

    page.go_back()
    settled(page, "/?q=ember")
    expect(page.locator("#q")).to_have_value("ember")
    page.go_back()
    settled(page, "/")
    expect(page.locator("#q")).to_have_value("")
    assert names(page) == whole
    page.go_forward()
    settled(page, "/?q=ember")
    expect(page.locator("#count")).to_have_text(re.compile("^4 of "))


def test_back_from_a_model_is_the_list_as_it_was_left(page: Page) -> None:
    page.goto("/")
    page.locator("#q").press_sequentially("meridian", delay=5)
    settled(page, "/?q=meridian")
    found = names(page)

    page.locator(f"{ROWS} th > a").first.click()
    expect(page.locator("h1")).to_have_text(found[0])
    page.go_back()

    expect(page.locator("#q")).to_have_value("meridian")
    assert names(page) == found


def test_columns_are_chosen_and_are_in_the_address(page: Page) -> None:
    page.goto("/")
    page.locator("#columns > summary").click()

    page.locator("form.columns input[value=tokenizer]").check()
    expect(page.locator("thead th.c-tokenizer")).to_be_visible()
    page.locator("form.columns input[value=author]").uncheck()
    expect(page.locator("thead th.c-author")).to_have_count(0)
    shared = page.url
    page.goto("/")
    page.goto(shared)

    assert "columns=" in shared
    expect(page.locator("thead th.c-tokenizer")).to_be_visible()
    expect(page.locator("thead th.c-author")).to_have_count(0)


def test_a_fault_in_the_address_is_told_and_the_rest_is_used(page: Page, watch: Watch) -> None:
    watch.forgive("400 (Bad Request)")  # the browser's remark on the page as a whole
    page.goto("/?sort=nonsense&q=ember")

    expect(page.locator("#faults")).to_contain_text("nonsense")
    expect(page.locator("#count")).to_have_text(re.compile("^4 of "))


# ── the keyboard ──────────────────────────────────────────────────────────────────────────────


def test_all_can_be_done_by_the_keyboard(page: Page) -> None:
    page.goto("/")

    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value("")
    page.keyboard.type("meridian")
    settled(page, "/?q=meridian")
    links = page.locator(f"{ROWS} th > a")
    page.keyboard.press("ArrowDown")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Escape")
    settled(page, "/")
    expect(page.locator("#q")).to_have_value("")

    page.keyboard.press("ArrowDown")
    first = links.nth(0).inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(first)


def test_the_first_stop_of_the_keyboard_leads_past_the_head(page: Page) -> None:
    page.goto("/")

    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("#main")).to_be_focused()


def test_the_second_stop_leads_past_the_filters(page: Page) -> None:
    page.goto("/?q=ember")

    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the models")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    expect(page.locator("#models thead a").first).to_be_focused()
    assert len(names(page)) == 4


# ── copying, comparing ────────────────────────────────────────────────────────────────────────


def test_an_id_is_copied_with_one_click(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/?q=meridian-4.5")
    row = page.locator(ROWS).first

    row.hover()
    row.locator("button.copy").first.click()

    expect(row.locator("button.copy").first).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "orrery/meridian-4.5"


def test_models_ticked_in_several_searches_are_compared(page: Page) -> None:
    page.goto("/")
    for word, box in (
        ("ember-4-max", "cinderpeak/ember-4-max"),
        ("hover-2", "kestrelmind/hover-2"),
    ):
        page.locator("#q").fill(word)
        settled(page, f"/?q={word}")
        page.locator(f"#models .pick input[value='{box}']").check()

    page.locator("#compare").get_by_role("button", name="Compare").click()

    expect(page.locator("h1")).to_have_text("Compare models")
    expect(page.locator("table.compare thead code")).to_have_text(
        ["cinderpeak/ember-4-max", "kestrelmind/hover-2"]
    )


# ── room ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [320, 768, 1024, 1360])
def test_a_column_that_is_ticked_is_shown_wherever_it_can_be(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/?status=missing,active&sort=status")
    ticked = page.locator("form.columns input:checked").evaluate_all(
        "boxes => boxes.map((box) => box.value.replace('.', '-'))"
    )
    row = page.locator(ROWS).first

    assert "author" in ticked
    for name in ticked:
        expect(row.locator(f".c-{name}")).to_be_visible()


@pytest.mark.parametrize("width", [320, 768, 1024])
def test_the_menu_of_columns_is_within_the_screen_and_a_click_beside_it_closes_it(
    page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/")
    page.locator("#columns > summary").click()
    menu = page.locator("form.columns")
    box = menu.bounding_box()

    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    menu.get_by_label("Tokenizer").check()
    expect(page.locator("thead th.c-tokenizer")).to_have_count(1)
    expect(menu).to_be_visible()
    page.locator("#count").click()
    expect(menu).to_be_hidden()


def test_the_usual_columns_have_room_beside_the_filters(page: Page) -> None:
    page.set_viewport_size({"width": 1360, "height": 800})
    page.goto("/")

    assert page.locator("#results").evaluate("pane => pane.scrollWidth - pane.clientWidth") == 0


def test_the_date_of_a_missing_model_is_one_line(page: Page) -> None:
    page.set_viewport_size({"width": 1360, "height": 800})
    page.goto("/?status=missing")

    date = page.locator(f"{ROWS} .c-status small").first
    assert date.evaluate("said => said.getClientRects().length") == 1
    assert date.evaluate("said => said.offsetHeight") < 24
    assert date.evaluate("said => said.scrollWidth <= said.clientWidth")
