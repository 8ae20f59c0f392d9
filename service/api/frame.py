"""What the pages have in common: what each says of itself, how it is answered and how refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from aiohttp import hdrs, web

from service.api.conditional import Responder
from service.api.route import Handler
from service.catalog import Catalog
from service.pages.about import About
from service.pages.asked import SAFE
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


def tidied(handler: Handler) -> Handler:
    """The same, but what a form left empty leads to the address that does not say it.

    That address is what one sees, keeps and sends to others, and under it answers are cached. A
    browser puts no redirected address into its history, so a step back is one step.
    """

    async def answer(request: web.Request) -> web.Response:
        given = request.query.items()
        asked = [(name, text) for name, text in given if text.strip()]
        if len(asked) < len(given):
            return web.Response(status=HTTPStatus.SEE_OTHER, headers=_leading_to(request, asked))
        response = handler(request)
        return response if isinstance(response, web.Response) else await response

    return answer


def _leading_to(request: web.Request, asked: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Relative, as this may stand behind another address than the one it knows."""
    page = request.rel_url.raw_path.rpartition("/")[2] or "./"
    query = urlencode(asked, safe=SAFE)
    return {
        hdrs.LOCATION: f"{page}?{query}" if query else page,
        hdrs.CACHE_CONTROL: "no-store",
    }


def _site_headers() -> Mapping[str, str]:
    from service.pages import site  # noqa: PLC0415 — Jinja2 takes 70 ms, which a start has not

    return site.HEADERS
