"""How soon a person can use `/`, in a real browser that was never there before."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks import lists
from tests.browser import harness

VIEWPORT = {"width": 1360, "height": 900}
NAVIGATION = 'performance.getEntriesByType("navigation")'
TIMES = f"""() => {{
  const [page] = {NAVIGATION};
  const files = performance.getEntriesByType("resource");
  const [ready] = performance.getEntriesByName("ready");
  const paint = performance.getEntriesByName("first-contentful-paint");
  return {{
    "first byte": page.responseStart,
    "last byte": page.responseEnd,
    "something is seen": paint.length ? paint[0].startTime : NaN,
    "it can be searched": (ready ?? page).startTime || page.domContentLoadedEventEnd,
    "all is there": page.domContentLoadedEventEnd,
    "kB": [page, ...files].reduce((sum, one) => sum + one.transferSize, 0) / 1000,
  }};
}}"""
"""`/` says itself when its search answers; other scripts have run when all content is there."""


def report(folder: Path, rounds: int, rows: int) -> None:
    """Medians of so many people's first and second visits, beside the plain text of `/healthz`."""
    if why := harness.absence():
        print(f"no page was opened: {why} (`make test-browser` installs what drives it)")
        return
    listing = folder / "list.json"
    listing.write_bytes(lists.make(rows))
    with harness.open_site(listing, folder) as site, harness.browsing() as browser:
        for path in ("/healthz", "/"):
            people = [_visits(browser, site, path) for _ in range(rounds)]
            for name, visits in zip(
                ("first visit", "second"), zip(*people, strict=True), strict=True
            ):
                medians = {key: statistics.median(one[key] for one in visits) for key in visits[0]}
                told = ", ".join(f"{key} {figure:.0f}" for key, figure in medians.items())
                print(f"{path:9s} {name:11s} after ms: {told}")


def _visits(
    browser: harness.Browser, site: harness.Site, path: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """By somebody new, and then again with what the browser has kept."""
    with harness.person(browser, site, viewport=VIEWPORT) as somebody:
        page = somebody.new_page()
        return _visit(page, path), _visit(page, path)


def _visit(page: harness.Page, path: str) -> dict[str, Any]:
    page.goto(path)
    page.wait_for_function(f"{NAVIGATION}[0].loadEventEnd > 0")
    times: dict[str, Any] = page.evaluate(TIMES)
    return times
