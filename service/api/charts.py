"""`/explore` and `/charts/…`: charts of what was asked for, as a page and as pictures."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import datetime
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

from service.api.answers import Answers
from service.api.conditional import IMMUTABLE, JSON_TYPE, Responder
from service.api.frame import HTML, Frame
from service.api.problems import Problem
from service.api.route import JSON, PAGES, Route, Validity
from service.catalog import Row
from service.drawing import EXTRA, Drawing, DrawingError, fingerprint
from service.errors import ParameterError
from service.pages.charts import (
    BY,
    COLOR,
    HEIGHT,
    LOOKS,
    PRICE,
    SCALE,
    THEME,
    WIDTH,
    Look,
    Name,
    chart,
    spec,
)
from service.parameters import Asked
from service.present import Present
from service.query.question import NEEDS, Needs
from service.query.shelf import Shelf
from service.snapshot import Document
from service.spelling import nearest

CACHE_BYTES: Final = 16 * 2**20
"""For pictures and pages of one snapshot."""
DEFAULT_SCALE: Final = 2
_JAVASCRIPT: Final = "text/javascript"
_SVG, _PNG = "image/svg+xml", "image/png"
_TYPES: Final = {"svg": f"{_SVG}; charset=utf-8", "png": _PNG, "json": JSON_TYPE}
_FILES: Final = tuple(f"{name}.{form}" for name in Name for form in _TYPES)
_PICTURE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    # A picture that is opened by itself runs nothing and loads nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}
PAGE: Final = (*NEEDS, *LOOKS)
PICTURE: Final = (*PAGE, THEME, WIDTH, HEIGHT, SCALE)


class Charts:
    """The handlers, and what was drawn of the snapshot."""

    def __init__(
        self,
        *,
        present: Present,
        responder: Responder,
        frame: Frame,
        drawing: Drawing,
        clock: Callable[[], datetime],
    ) -> None:
        self._present = present
        self._responder = responder
        self._frame = frame
        self._drawing = drawing
        self._clock = clock
        self._made = Answers(CACHE_BYTES)
        self._under_way: dict[Hashable, asyncio.Task[Document]] = {}
        self._library: Document | None = None
        present.subscribe(self._made.clear)

    async def close(self, _: web.Application) -> None:
        """End what draws."""
        await self._drawing.close()

    @cached_property
    def library(self) -> str | None:
        """What the script that draws is called; another name with another release of it."""
        installed = fingerprint()
        return installed and f"vega.{installed}.js"

    # ── the page ──────────────────────────────────────────────────────────────────────────────

    async def explore(self, request: web.Request) -> web.Response:
        """The page; where there are no charts of what was asked, one that says why."""
        from service.pages import explore  # noqa: PLC0415 — Jinja2 takes 70 ms

        asked = list(request.query.items())
        shelf = self._present.require().shelf
        about = self._frame.about(shelf.catalog)
        try:
            query = Asked(asked, PAGE)
            needs, look = Needs.read(query), _look(query)
        except ParameterError as error:
            body = explore.failed(asked=asked, failure=str(error), **about)
            return self._frame.fleeting(body, HTTPStatus.BAD_REQUEST)

        def make() -> Document:
            made = explore.page(
                asked=asked,
                catalog=shelf.catalog,
                rows=self._rows(shelf, needs),
                look=look,
                library=self.library and f"charts/{self.library}",
                **about,
            )
            return Document(made, is_quick=True)

        key = (self._present.generation, "page", tuple(asked), about["is_stale"])
        document = self._made.get(key)
        if document is None:
            document = await asyncio.to_thread(make)
            if not needs.is_relative:
                self._made.keep(key, document)
        return await self._frame.answer(request, document)

    async def _script(self, request: web.Request) -> web.Response:
        """The script that draws, as the installed renderer has it."""
        Asked(request.query.items(), ())
        if self._library is None:
            # It takes seconds, and pictures are to be seen until it is there.
            draw = partial(self._drawn, {"form": "library"}, self._drawing.draw_apart)
            self._library = await self._once("library", draw)
        return await self._responder.answer_file(
            request,
            self._library,
            content_type=f"{_JAVASCRIPT}; charset=utf-8",
            caching=IMMUTABLE,
            about={"X-Content-Type-Options": "nosniff"},
        )

    # ── the pictures ──────────────────────────────────────────────────────────────────────────

    async def picture(self, request: web.Request) -> web.Response:
        """One chart as SVG, PNG or Vega-Lite."""
        file = request.match_info["chart"]
        if file == self.library:
            return await self._script(request)
        if file not in _FILES:
            near = nearest(file[:100], _FILES, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(_FILES)}"
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no such chart{hint}", nearest=near)
        name, _, form = file.partition(".")
        query = Asked(request.query.items(), PICTURE)
        needs, look = Needs.read(query), _look(query)
        scale = query.one(SCALE) or DEFAULT_SCALE
        if form != "json" and self.library is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"charts are not drawn here; {_INSTALL}")
        shelf = self._present.require().shelf
        key = (self._present.generation, file, request.rel_url.raw_query_string)
        document = self._made.get(key)
        if document is None:
            make = partial(
                self._pictured, Name(name), form, needs=needs, look=look, scale=scale, shelf=shelf
            )
            document = await self._once(key, make)
            if not needs.is_relative and self._present.generation == key[0]:
                self._made.keep(key, document)
        response = self._responder.answer(request, document, _TYPES[form])
        if not isinstance(response, web.Response):
            response = await response
        response.headers.update(_PICTURE_HEADERS)
        return response

    async def _pictured(
        self, name: Name, form: str, *, needs: Needs, look: Look, scale: int, shelf: Shelf
    ) -> Document:
        def specified() -> dict[str, Any]:
            return spec(chart(name, shelf.catalog, self._rows(shelf, needs), look), look)

        made = await asyncio.to_thread(specified)
        if form == "json":
            return Document(orjson.dumps(made), is_quick=True)
        order = {"form": form, "spec": made, "scale": scale}
        return await self._drawn(order, self._drawing.draw)

    async def _drawn(
        self, order: dict[str, Any], draw: Callable[[dict[str, Any]], Awaitable[bytes]]
    ) -> Document:
        try:
            return Document(await draw(order), is_quick=True)
        except DrawingError as error:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"the chart could not be drawn: {error}",
                headers={hdrs.RETRY_AFTER: "5"},
            ) from None

    async def _once(self, key: Hashable, make: Callable[[], Any]) -> Document:
        """Made once, for however many ask at the same time."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.ensure_future(make())
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    # ── what they share ───────────────────────────────────────────────────────────────────────

    def _rows(self, shelf: Shelf, needs: Needs) -> Sequence[Row]:
        places = needs.places(shelf, self._clock(), needs.scores(shelf))
        return [shelf.rows[place] for place in places]

    def routes(self) -> list[Route]:
        return [
            Route(
                operation="explore",
                path="/explore",
                summary="charts of the models that are asked for, as a page",
                tag=PAGES,
                handler=self.explore,
                parameters=PAGE,
                sample="tools=true&color=reasoning",
                content_types=(HTML,),
                is_form=True,
                validity=Validity.PAST,
                headers=("Content-Security-Policy",),
                also=(HTTPStatus.BAD_REQUEST,),
                refuses=(HTTPStatus.SERVICE_UNAVAILABLE,),
            ),
            Route(
                operation="drawChart",
                path="/charts/{chart}",
                summary="a chart of the models that are asked for as SVG, PNG or Vega-Lite",
                note="The name is one of these, and behind it stands `.svg`, `.png` or `.json`: "
                f"{', '.join(f'`{name}`' for name in Name)}. Drawing needs the extra `charts`; "
                "without it, only the last form is there. The script that `/explore` draws with "
                "is found here, too.",
                tag=PAGES,
                handler=self.picture,
                parameters=PICTURE,
                sample="tools=true&color=reasoning&theme=dark",
                content_types=(_SVG, _PNG, JSON),
                validity=Validity.PRESENT,
                headers=("Content-Security-Policy",),
                refuses=(
                    HTTPStatus.BAD_REQUEST,
                    HTTPStatus.NOT_FOUND,
                    HTTPStatus.SERVICE_UNAVAILABLE,
                ),
            ),
        ]


_INSTALL: Final = f"pip install '{EXTRA}' where the service runs, and start it again"


def _look(query: Asked) -> Look:
    plain = Look()
    return Look(
        color=query.one(COLOR) or plain.color,
        price=query.one(PRICE) or plain.price,
        by=query.one(BY) or plain.by,
        theme=query.one(THEME) or plain.theme,
        width=query.one(WIDTH) or plain.width,
        height=query.one(HEIGHT) or plain.height,
    )
