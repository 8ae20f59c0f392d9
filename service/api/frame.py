"""What the pages have in common: what each says of itself, how it is answered and how refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from service.api.conditional import Responder
from service.catalog import Catalog
from service.pages.about import About
from service.present import Present
from service.snapshot import Document

HTML: Final = "text/html"
HTML_TYPE: Final = f"{HTML}; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Around every page."""

    present: Present
    responder: Responder
    version: str

    def about(self, catalog: Catalog) -> About:
        """What a page that is made now says of that."""
        return About(
            version=self.version,
            revision=catalog.revision,
            is_stale=self.present.is_stale,
        )

    async def answer(self, request: web.Request, document: Document) -> web.Response:
        """200 or 304. A person who reloads wants what is now, so caches ask each time."""
        response = await self.responder.answer_later(request, document, content_type=HTML_TYPE)
        response.headers.update(_site_headers())
        return response

    def fleeting(self, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """A page for this once: another one each time, or one that says what is wrong."""
        headers = {
            **_site_headers(),
            **self.responder.freshness(),
            hdrs.CONTENT_TYPE: HTML_TYPE,
            hdrs.CACHE_CONTROL: "no-store",
        }
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers[hdrs.RETRY_AFTER] = "5"
        return web.Response(status=status, body=body, headers=headers)


def _site_headers() -> Mapping[str, str]:
    from service.pages import site  # noqa: PLC0415 — Jinja2 takes 70 ms, which a start has not

    return site.HEADERS
