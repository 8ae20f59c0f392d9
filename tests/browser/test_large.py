"""Ten thousand models, and a page that does not freeze."""

from itertools import pairwise

from tests.browser.harness import Browser, Site, expect, looking

FREEZE_MS = 1_000
"""Above what is felt, as a machine may be busy; showing all of them would take longer."""
WATCH = """() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.longest = Math.max(window.longest, one.duration);
  }).observe({type: "longtask"});
}"""


def test_ten_thousand_models_are_searched_and_turned_over_without_freezing(
    browser: Browser, large: Site
) -> None:
    with looking(browser, large) as (page, _):
        page.goto("/")
        page.evaluate(WATCH)
        rows = page.locator("#models tbody tr")
        expect(page.locator("#count")).to_contain_text("10,001 models")
        shown = rows.count()

        page.locator("#q").press_sequentially("ember-4.1-9208", delay=5)
        expect(rows).to_have_count(1)
        page.locator("#q").fill("")
        expect(page.locator("#count")).to_contain_text("10,001 models")
        links = page.locator("#models tbody th > a")
        tops = [links.first.inner_text()]
        for _turn in range(2):
            page.locator("nav.pages a[rel=next]").click()
            expect(page.locator("#results:not([aria-busy])")).to_have_count(1)
            expect(links.first).not_to_have_text(tops[-1])
            tops.append(links.first.inner_text())

        assert 0 < shown < 1_000
        assert all(before != after for before, after in pairwise(tops))
        assert page.evaluate("window.longest") < FREEZE_MS
