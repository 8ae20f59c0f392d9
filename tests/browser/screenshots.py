"""What it looks like, for people who read about it: `make screenshots`. All models are invented."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import fixtures
from tests.browser.harness import absence, browsing, expect, looking, open_site
from tests.sets import ROOT

FOLDER: Final = ROOT / "docs" / "images"
SCREEN: Final = {"width": 1360, "height": 640}
TOO_LARGE_BYTES: Final = 150_000


@dataclass(frozen=True)
class Picture:
    name: str
    path: str
    scheme: str


PICTURES: Final[Sequence[Picture]] = (
    Picture("browse", "/?tools=true&sort=cost.input", "light"),
    Picture("model", "/models/cinderpeak/ember-4.1", "light"),
    Picture(
        "compare",
        "/compare?ids=orrery/meridian-5,cinderpeak/ember-4.1,estuary/brackish-3",
        "dark",
    ),
)


def main() -> int:
    if why := absence():
        sys.stderr.write(f"No screenshots: {why}\n")
        return 1
    FOLDER.mkdir(exist_ok=True)
    october = fixtures.path("kilo-2026-10-01.json")
    with (
        TemporaryDirectory() as folder,
        open_site(october, Path(folder)) as site,
        browsing() as browser,
    ):
        site.turn_to("kilo-2026-11-01.json")
        for one in PICTURES:
            options = {"viewport": SCREEN, "color_scheme": one.scheme}
            with looking(browser, site, **options) as (page, _):
                page.goto(one.path)
                expect(page.locator("h1")).to_be_visible()
                taken = page.screenshot(path=FOLDER / f"{one.name}.png")
                assert len(taken) < TOO_LARGE_BYTES, (one.name, len(taken))
    return 0


if __name__ == "__main__":
    sys.exit(main())
