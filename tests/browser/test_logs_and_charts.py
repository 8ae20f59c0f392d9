"""The log, the state of the service and the charts, used as people use them."""

import re
from typing import Any

from tests.browser.harness import Page, Watch, expect

POINTS = "#chart-price-context g.mark-symbol.role-mark path"


def test_filters_of_the_log_act_at_once_and_the_back_button_takes_them_back(page: Page) -> None:
    page.goto("/changes")
    page.evaluate("window.sameDocument = true")

    page.get_by_label("removed").check()

    expect(page).to_have_url(re.compile(r"/changes\?kind=removed$"))
    expect(page.locator("#log[aria-busy=false]")).to_have_count(1)
    expect(page.locator("#log .kind-added")).to_have_count(0)
    expect(page.get_by_role("link", name="JSON")).to_have_attribute(
        "href", re.compile("kind=removed")
    )
    assert page.evaluate("window.sameDocument")

    page.go_back()
    expect(page).to_have_url(re.compile("/changes$"))
    expect(page.get_by_label("removed")).not_to_be_checked()


def test_one_field_of_the_log_is_chosen_from_a_list(page: Page) -> None:
    page.goto("/changes")

    page.locator("select[name=field]").select_option("cost.input")

    expect(page).to_have_url(re.compile(r"/changes\?field=cost\.input$"))
    expect(page.get_by_role("checkbox", name="cost.input")).to_be_checked()


def test_a_refresh_of_the_timeline_leads_to_its_line(page: Page) -> None:
    page.goto("/status")

    page.locator(".timeline a").last.click()

    expect(page.locator("tr:has(:target)")).to_have_count(1)


def test_a_point_tells_of_its_model_and_leads_to_it(page: Page) -> None:
    page.goto("/explore?status=active")
    point = page.locator(POINTS).first
    expect(point).to_be_visible()

    point.hover(force=True)
    tooltip = page.locator("#vg-tooltip-element")
    expect(tooltip).to_be_visible()
    (name,) = re.findall(r"id\t(\S+)", tooltip.inner_text())
    point.click(force=True)

    expect(page).to_have_url(re.compile(r"/models/"))
    expect(page.locator("main")).to_contain_text(name)


def test_another_colour_draws_the_charts_anew(page: Page) -> None:
    page.goto("/explore")

    page.get_by_label("Colour by").select_option("tools")

    expect(page).to_have_url(re.compile("color=tools"))
    expect(page.locator("#chart-price-context .role-legend").first).to_contain_text(
        "can call tools"
    )


def test_until_what_draws_is_there_a_picture_is(page: Page) -> None:
    held: list[Any] = []
    page.route("**/charts/vega.*.js", lambda route: held.append(route))  # noqa: PLW0108 — marked by Playwright
    page.goto("/explore")

    place = page.locator("#chart-price-context")
    expect(place.locator("img")).to_be_visible()
    expect(place).to_contain_text("A picture for now")
    place.locator("img").evaluate("picture => picture.decode()")

    held[0].continue_()
    expect(page.locator(POINTS).first).to_be_visible()
    expect(place.locator("img")).to_have_count(0)
    expect(place).not_to_contain_text("A picture for now")


def test_a_chart_that_cannot_be_drawn_here_is_a_picture(page: Page, watch: Watch) -> None:
    watch.forgive("net::ERR_FAILED")
    watch.forgive("a picture has to do")
    page.route("**/charts/vega.*.js", lambda route: route.abort())

    page.goto("/explore")

    expect(page.locator("#chart-prices img")).to_be_visible()
