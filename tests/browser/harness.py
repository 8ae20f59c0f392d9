"""A real browser that looks at the real program, and what it must not meet while it looks."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from fixtures.replay import CONTROL_PATH
from tests.browser.install import PROGRAMS
from tests.served import Served, serving
from tests.sets import ROOT

if TYPE_CHECKING:
    from playwright import sync_api

    Browser: TypeAlias = sync_api.Browser
    BrowserContext: TypeAlias = sync_api.BrowserContext
    Page: TypeAlias = sync_api.Page
else:
    Browser = BrowserContext = Page = Any  # the library is looked for when it is needed

PICTURES: Final = ROOT / "build" / "screenshots"
PATIENCE_MS: Final = 15_000
"""Far above what anything takes here: it ends what hangs, on a busy machine too."""
WIDE: Final = {"width": 1280, "height": 900}
PHONE: Final = {"width": 320, "height": 640}

_TOKEN: Final = "let-me-refresh"
_ALONE: Final = (
    "--no-sandbox",  # there is none for root, as in a container
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Whatever asks for another host is seen, and not answered.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def absence() -> str | None:
    """Why there is no browser to drive here; None when there is."""
    return PROGRAMS.absence("python") or (None if chromium() else "there is no chromium here")


def chromium() -> str | None:
    """The machine's own browser."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def node() -> str:
    """The Node that Playwright brings: newer than many a machine's, and the same everywhere."""
    return str(PROGRAMS.folder("python") / "playwright" / "driver" / "node")


def module(name: str) -> Path:
    """The folder of a package of npm."""
    return PROGRAMS.folder("npm") / "node_modules" / name


@contextmanager
def browsing() -> Iterator[Browser]:
    """A headless browser."""
    folder = str(PROGRAMS.folder("python"))
    if folder not in sys.path:
        sys.path.append(folder)  # last: what the tests have themselves comes first
    from playwright.sync_api import expect as expecting
    from playwright.sync_api import sync_playwright

    expecting.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(_ALONE))
        try:
            yield browser
        finally:
            browser.close()


def expect(what: Any) -> Any:
    """Playwright's, which waits until it is so."""
    from playwright.sync_api import expect as expecting

    return expecting(what)


# ── the program ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Site:
    """The real program and the gateway it reads, in processes of their own."""

    url: str
    gateway: str
    ids: tuple[str, ...]
    _served: Served

    def page(self, model_id: str) -> str:
        """The path of a model's page."""
        return f"/models/{quote(model_id, safe='/:~')}"

    def order(self, **orders: object) -> None:
        """Tell the gateway what to do from now on."""
        parts = urlsplit(self.gateway)
        _post(f"{parts.scheme}://{parts.netloc}{CONTROL_PATH}", orders)

    def refresh(self) -> None:
        _post(f"{self.url}/catalog/refresh", {}, {"Authorization": f"Bearer {_TOKEN}"})

    def turn_to(self, listing: str) -> None:
        """The gateway lists something else, and the program has read it."""
        self.order(file=listing)
        self.refresh()

    def lose_gateway(self) -> None:
        self._served.lose_gateway()

    def gone(self) -> AbstractContextManager[None]:
        """The program ends, and starts again at the same address after it."""
        return self._served.gone()


@contextmanager
def open_site(listing: Path, folder: Path, **variables: str) -> Iterator[Site]:
    own = {"MODEL_CATALOG_ADMIN_TOKEN": _TOKEN, "PATH": os.environ["PATH"]}
    with serving(listing, folder, **own, **variables) as served:
        yield _site(served)


def _site(served: Served) -> Site:
    return Site(served.url, served.gateway, tuple(one["id"] for one in served.models), served)


def _post(url: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
    data = json.dumps(body).encode()
    with urlopen(Request(url, data, dict(headers or {}), method="POST")) as answer:  # noqa: S310
        answer.read()


# ── the looking ───────────────────────────────────────────────────────────────────────────────


@dataclass
class Watch:
    """Everything a page said or did that it should not have."""

    site: Site
    complaints: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", self._asked)
        page.on("request", lambda request: self._requested(request.url))

    def forgive(self, words: str) -> None:
        """A test brings this about itself."""
        self.forgiven.append(words)

    @property
    def left(self) -> list[str]:
        return [one for one in self.complaints if not any(words in one for words in self.forgiven)]

    def _heard(self, message: Any) -> None:
        self.complaints.append(f"console: {message.type}: {message.text}")

    def _asked(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _requested(self, url: str) -> None:
        if not url.startswith((f"{self.site.url}/", "data:", "blob:")):
            self.complaints.append(f"request: {url}")


@contextmanager
def person(browser: Browser, site: Site, **options: Any) -> Iterator[BrowserContext]:
    """Somebody who was never here, with such eyes and such a screen."""
    defaults = {"viewport": WIDE, "reduced_motion": "reduce", "base_url": site.url}
    context = browser.new_context(**{**defaults, **options})
    context.set_default_timeout(PATIENCE_MS)
    try:
        yield context
    finally:
        context.close()


@contextmanager
def window(context: BrowserContext, site: Site) -> Iterator[tuple[Page, Watch]]:
    """A window of theirs; in the end nothing may have been complained of."""
    watch = Watch(site)
    page = context.new_page()
    watch.over(page)
    try:
        yield page, watch
        assert not watch.left, watch.left
    finally:
        page.close()


@contextmanager
def looking(browser: Browser, site: Site, **options: Any) -> Iterator[tuple[Page, Watch]]:
    """The only window of somebody new."""
    with person(browser, site, **options) as context, window(context, site) as opened:
        yield opened


def picture(page: Page, name: str, *, whole: bool = False) -> None:
    """Keep what it looks like, for people."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=whole)
