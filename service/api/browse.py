"""`/`: the page of all models, rendered from memory."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web

from service.api.answers import Answers
from service.api.frame import HTML, Frame
from service.api.route import PAGES, Route, Validity
from service.pages import browse
from service.pages.browse import Rows, View
from service.present import Present
from service.query.shelf import Shelf
from service.snapshot import Document

WARM_SECONDS: Final = 1.0
"""How long after a publication the bare page is made: whoever waits now is served first."""


class Browse:
    """The handler, and the rows of the snapshot that it shows."""

    def __init__(
        self,
        *,
        present: Present,
        frame: Frame,
        answers: Answers,
        clock: Callable[[], datetime],
    ) -> None:
        self._present = present
        self._frame = frame
        self._answers = answers
        self._clock = clock
        self._rows: tuple[Shelf, Rows] | None = None
        self._warming: asyncio.Task[None] | None = None
        present.subscribe(self._forget)

    def routes(self) -> list[Route]:
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
                is_form=True,
                validity=Validity.PAST,
                headers=("Content-Security-Policy",),
                also=(HTTPStatus.BAD_REQUEST,),
                refuses=(HTTPStatus.SERVICE_UNAVAILABLE,),
            )
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The page for the question in the query."""
        shelf = self._present.require().shelf
        key = self._key(request.rel_url.raw_query_string)
        document = self._answers.get(key)
        if document is None:
            view = browse.read(request.query.items())
            document = await self._made(shelf, view)
            if view.faults:
                return self._frame.fleeting(document.body, HTTPStatus.BAD_REQUEST)
            if not view.is_relative:
                self._answers.keep(key, document)
        return await self._frame.answer(request, document)

    def _key(self, query: str) -> tuple[int, str, str, bool]:
        return (self._present.generation, "browse", query, self._present.is_stale)

    async def _made(self, shelf: Shelf, view: View) -> Document:
        about = self._frame.about(shelf.catalog)

        def make() -> bytes:
            told = browse.context(shelf, self._rows_of(shelf), view, self._clock())
            return browse.page(told, **about)

        return Document(await asyncio.to_thread(make), is_quick=True)

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
            document = await self._made(shelf, view)
            await asyncio.to_thread(document.encode)
            if key == self._key(""):
                self._answers.keep(key, document)
