"""What holds for every page, whatever it is about."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.browser.harness import (
    PHONE,
    Browser,
    BrowserContext,
    Page,
    Site,
    expect,
    module,
    node,
    person,
    picture,
    window,
)
from tests.browser.install import PROGRAMS

PAGES = {
    "browse": "/",
    "searched": "/?q=ember&tools=true&sort=-cost.input",
    "nothing": "/?q=no-such-model-anywhere",
    "model": "/models/cinderpeak/ember-4.1",
    "changed": "/models/kestrelmind/hover-2",
    "missing": "/models/gannet/plunge-1.5",
    "compare": "/compare?ids=cinderpeak/ember-4-max,orrery/meridian-5,kestrelmind/hover-2",
    "compare-nothing": "/compare",
    "changes": "/changes",
    "status": "/status",
    "explore": "/explore",
    "docs": "/docs",
}


HERE = Path(__file__).parent
RULES = {
    "light": "{resultTypes: ['violations']}",
    # All else is the same there.
    "dark": "{runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']}}",
}


def test_every_page_of_the_document_is_looked_at(site: Site) -> None:
    with urlopen(f"{site.url}/openapi.json") as answer:  # noqa: S310 — our own
        paths: dict[str, Any] = json.load(answer)["paths"]
    pages = {path.split("/")[1] for path, said in paths.items() if _is_page(said)}

    assert pages == {path.split("?")[0].split("/")[1] for path in PAGES.values()}


def _is_page(said: Any) -> bool:
    return "text/html" in said.get("get", {}).get("responses", {}).get("200", {}).get("content", {})


@pytest.fixture(scope="module")
def somebody(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    with person(browser, site, color_scheme="light") as context:
        yield context


@pytest.fixture(scope="module")
def on_the_phone(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    with person(browser, site, viewport=PHONE, is_mobile=True, has_touch=True) as context:
        yield context


def show(page: Page, name: str) -> None:
    """Modules have run, and what they asked for has come."""
    page.goto(PAGES[name])
    settle(page)


def settle(page: Page) -> None:
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


@pytest.fixture(scope="module")
def axe() -> str:
    if why := PROGRAMS.absence("npm"):
        pytest.skip(why)
    return (module("axe-core") / "axe.min.js").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_asks_nobody_else_and_can_be_used_by_everybody(
    somebody: BrowserContext, site: Site, axe: str, name: str
) -> None:
    with window(somebody, site) as (page, _):
        show(page, name)
        page.evaluate(axe)  # as a person does in the console: no policy of the page is bent for it
        for scheme, rules in RULES.items():
            page.emulate_media(color_scheme=scheme)
            settle(page)

            expect(page.locator("h1")).to_have_count(1)
            picture(page, f"{name}-{scheme}")
            assert violations(page, rules) == [], scheme


def violations(page: Page, rules: str) -> list[str]:
    """What axe-core finds: the rule, how many elements, and the first of them."""
    found = page.evaluate(f"axe.run(document, {rules})")["violations"]
    return [
        f"{one['id']} ({len(one['nodes'])}): {one['nodes'][0]['html']} "
        f"{one['nodes'][0]['failureSummary']}"
        for one in found
    ]


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_of_320_pixels_has_nothing_to_scroll_sideways(
    on_the_phone: BrowserContext, site: Site, name: str
) -> None:
    with window(on_the_phone, site) as (page, _):
        show(page, name)

        picture(page, f"{name}-phone")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_markup_is_valid(site: Site, tmp_path: Path) -> None:
    if why := PROGRAMS.absence("npm"):
        pytest.skip(why)
    for name, path in PAGES.items():
        with urlopen(site.url + path) as answer:  # noqa: S310 — our own
            (tmp_path / f"{name}.html").write_bytes(answer.read())

    done = subprocess.run(
        [
            node(),
            module("html-validate") / "bin" / "html-validate.mjs",
            "--config",
            HERE / "markup.mjs",
            "--formatter",
            "text",
            *sorted(tmp_path.glob("*.html")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
