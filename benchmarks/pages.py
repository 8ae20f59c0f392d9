"""How soon a person can use `/`: in a real browser that was never there, with an empty cache."""

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
  const paint = performance.getEntriesByName("first-contentful-paint");
  return {{
    "first byte": page.responseStart,
    "last byte": page.responseEnd,
    "something is seen": paint.length ? paint[0].startTime : NaN,
    "it can be used": page.domContentLoadedEventEnd,
    "kB": [page, ...files].reduce((sum, one) => sum + one.transferSize, 0) / 1000,
  }};
}}"""
"""Scripts are modules: all of them have run when the content counts as loaded."""


def report(folder: Path, rounds: int, rows: int) -> None:
    """Medians of so many first visits to the page, beside the plain text of `/healthz`."""
    if why := harness.absence():
        print(f"no page was opened: {why} (`make test-browser` installs what drives it)")
        return
    listing = folder / "list.json"
    listing.write_bytes(lists.make(rows))
    with harness.open_site(listing, folder) as site, harness.browsing() as browser:
        for path in ("/healthz", "/"):
            visits = [_visit(browser, site, path) for _ in range(rounds)]
            medians = {name: statistics.median(one[name] for one in visits) for name in visits[0]}
            told = ", ".join(f"{name} {figure:.0f}" for name, figure in medians.items())
            print(f"{path:10s} after ms: {told}")


def _visit(browser: harness.Browser, site: harness.Site, path: str) -> dict[str, Any]:
    with harness.person(browser, site, viewport=VIEWPORT) as somebody:
        page = somebody.new_page()
        page.goto(path)
        page.wait_for_function(f"{NAVIGATION}[0].loadEventEnd > 0")
        times: dict[str, Any] = page.evaluate(TIMES)
        return times
