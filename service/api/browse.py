"""`/`: the page of all models, rendered from memory."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from service.api.answers import Answers
from service.api.conditional import REVALIDATE, Responder
from service.api.route import PAGES, Route, Validity
from service.pages import browse
from service.pages.browse import Rows, View
from service.present import Present
from service.query.shelf import Shelf
from service.snapshot import Document

HTML: Final = "text/html"
HTML_TYPE: Final = f"{HTML}; charset=utf-8"
WARM_SECONDS: Final = 1.0
"""How long after a publication the bare page is made: whoever waits now is served first."""


class Browse:
    """The handler, and the rows of the snapshot that it shows."""

    def __init__(
        self,
        *,
        present: Present,
        responder: Responder,
        answers: Answers,
        clock: Callable[[], datetime],
        version: str,
    ) -> None:
        self._present = present
        self._responder = responder
        self._answers = answers
        self._clock = clock
        self._version = version
        self._rows: tuple[Shelf, Rows] | None = None
        self._warming: asyncio.Task[None] | None = None
        present.subscribe(self._forget)

    def routes(self) -> list[Route]:
        """The page."""
        return [
            Route(
                operation="browseModels",
                path="/",
                summary="every model in a table: searched, filtered, sorted and compared",
                note="What cannot be used of the query is told on the page, and the rest is "
                "answered; the status is 400 then.",
                tag=PAGES,
                handler=self.page,
                parameters=browse.PARAMETERS,
                sample="tools=true&minContext=200k&sort=cost.input",
                content_types=(HTML,),
                validity=Validity.PRESENT,
                headers=("Content-Security-Policy",),
                also=(HTTPStatus.BAD_REQUEST,),
                refuses=(HTTPStatus.SERVICE_UNAVAILABLE,),
            )
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The page for the question in the query."""
        from service.pages import site  # noqa: PLC0415 — Jinja2 takes 70 ms, which a start has not

        shelf = self._present.require().shelf
        key = self._key(request.rel_url.raw_query_string)
        document = self._answers.get(key)
        if document is None:
            view = browse.read(request.query.items())
            document = await asyncio.to_thread(self._made, shelf, view, is_stale=key[-1])
            if view.faults:
                return self._refusal(document)
            if not view.is_relative:
                self._answers.keep(key, document)
        answer = self._responder.answer(request, document, HTML_TYPE)
        response = answer if isinstance(answer, web.Response) else await answer
        response.headers.update(site.HEADERS)
        response.headers[hdrs.CACHE_CONTROL] = REVALIDATE  # a person who reloads wants what is now
        return response

    def _refusal(self, document: Document) -> web.Response:
        from service.pages import site  # noqa: PLC0415 — as above

        headers = {
            **self._responder.freshness(),
            **site.HEADERS,
            hdrs.CONTENT_TYPE: HTML_TYPE,
            hdrs.CACHE_CONTROL: "no-store",
        }
        return web.Response(status=HTTPStatus.BAD_REQUEST, body=document.body, headers=headers)

    def _key(self, query: str) -> tuple[int, str, str, bool]:
        return (self._present.generation, "browse", query, self._present.is_stale)

    def _made(self, shelf: Shelf, view: View, *, is_stale: bool) -> Document:
        told = browse.context(shelf, self._rows_of(shelf), view, self._clock())
        return Document(browse.page(self._version, told, is_stale=is_stale), is_quick=True)

    def _rows_of(self, shelf: Shelf) -> Rows:
        kept = self._rows
        if kept is None or kept[0] is not shelf:
            kept = self._rows = (shelf, Rows(shelf.catalog))
        return kept[1]

    # ── ahead of whoever asks ─────────────────────────────────────────────────────────────────

    async def start(self, _: web.Application) -> None:
        """Make the bare page of what is published already."""
        self._warm_later()

    def _forget(self) -> None:
        """Let go of the rows of what was published before."""
        self._rows = None
        self._warm_later()

    def _warm_later(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
        try:
            self._warming = asyncio.get_running_loop().create_task(self._warm())
        except RuntimeError:  # nobody is served without a loop
            self._warming = None

    async def _warm(self) -> None:
        await asyncio.sleep(WARM_SECONDS)
        key = self._key("")
        if self._present.snapshot is not None and self._answers.get(key) is None:
            shelf, view = self._present.snapshot.shelf, browse.read(())
            document = await asyncio.to_thread(self._made, shelf, view, is_stale=key[-1])
            await asyncio.to_thread(document.encode)
            if key == self._key(""):
                self._answers.keep(key, document)
