"""`/models/{id}` and `/compare`: one model as a page, and several side by side."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web

from service.api.answers import Answers
from service.api.frame import HTML, Frame
from service.api.route import PAGES, Route, Validity
from service.catalog import Catalog, Row
from service.dialects.dialect import Provider
from service.errors import StorageError, UnknownModelError
from service.history import History
from service.pages.compare import PARAMETERS, Question, context, read
from service.pages.past import MAX_VERSIONS, Past
from service.pages.usage import Place
from service.present import Present
from service.snapshot import Document
from service.spelling import nearest

MAX_ENTRY: Final = 256 * 1024
"""Characters of a raw entry that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPages:
    """The handlers and what they read from."""

    present: Present
    history: History
    frame: Frame
    answers: Answers
    address: str
    """Where this process is asked, for examples."""
    inference_url: str

    async def model(self, request: web.Request) -> web.Response:
        """All that is known of one model; without its past where the database cannot be read.

        It has no parameters, and those that others hang on a link that goes round are ignored.
        """
        catalog = self.present.require().catalog
        name, path = request.match_info["id"], request.rel_url.raw_path
        key = (self.present.generation, "model page", path, self.present.is_stale)
        document = self.answers.get(key)
        if document is None:
            row = catalog.find(name)
            if row is None:
                return await self._no_such(catalog, name, _root(path))
            document = await self._model(row, catalog, _root(path), key)
        return await self.frame.answer(request, document)

    async def _model(
        self, row: Row, catalog: Catalog, root: str, key: tuple[int, str, str, bool]
    ) -> Document:
        from service.pages import model  # noqa: PLC0415 — Jinja2 takes 70 ms, which a start has not

        past = await self._past(row)
        about = self.frame.about(catalog)

        def make() -> bytes:
            return model.page(row, past, self._place(), catalog=catalog, root=root, **about)

        document = Document(await asyncio.to_thread(make), is_quick=True)
        return self.answers.keep(key, document) if past else document

    async def _past(self, row: Row) -> Past | None:
        try:
            page = await self.history.versions(row.model.ref, MAX_VERSIONS)
            entry = await self.history.entry(row.model.source, row.model.id, MAX_ENTRY)
        except (StorageError, UnknownModelError):  # unknown to a database that lost it
            return None
        return Past(versions=page.items, is_whole=page.next is None, entry=entry)

    async def compare(self, request: web.Request) -> web.Response:
        """Models side by side. What of the question cannot be used is told on the page."""
        catalog = self.present.require().catalog
        query = request.rel_url.raw_query_string
        key = (self.present.generation, "compare", query, self.present.is_stale)
        document = self.answers.get(key)
        if document is None:
            question = read(request.query.items())
            body, is_good = await self._compared(question, catalog)
            if not is_good:
                return self.frame.fleeting(body, HTTPStatus.BAD_REQUEST)
            document = self.answers.keep(key, Document(body, is_quick=True))
        return await self.frame.answer(request, document)

    async def _compared(self, question: Question, catalog: Catalog) -> tuple[bytes, bool]:
        from service.pages import site  # noqa: PLC0415 — as above

        about = self.frame.about(catalog)

        def make() -> tuple[bytes, bool]:
            shown, is_good = context(question, catalog)
            return site.render("compare.html", root="./", **shown, **about), is_good

        return await asyncio.to_thread(make)

    async def _no_such(self, catalog: Catalog, wanted: str, root: str) -> web.Response:
        from service.pages import model  # noqa: PLC0415 — as above

        about = self.frame.about(catalog)

        def make() -> bytes:
            found = [catalog.find(name) for name in nearest(wanted, _names(catalog), _NEAR)]
            rows = [row for row in found if row is not None]
            return model.no_such(wanted, rows, catalog=catalog, root=root, **about)

        body = await asyncio.to_thread(make)
        return self.frame.fleeting(body, HTTPStatus.NOT_FOUND)

    # ── what they share ───────────────────────────────────────────────────────────────────────

    def _place(self) -> Place:
        return Place(address=self.address, provider=Provider(url=self.inference_url))

    def routes(self) -> list[Route]:
        return [
            Route(
                operation="readModel",
                path="/models/{id:.+}",
                summary="one model as a page: limits, prices, abilities, history, and how it is "
                "used in each tool; 404 names the nearest ids",
                note="Where the database cannot be read the page says so, and tells the present.",
                tag=PAGES,
                handler=self.model,
                content_types=(HTML,),
                validity=Validity.PAST,
                headers=("Content-Security-Policy",),
                also=(HTTPStatus.NOT_FOUND,),
                refuses=(HTTPStatus.SERVICE_UNAVAILABLE,),
            ),
            Route(
                operation="compareModels",
                path="/compare",
                summary="models side by side: what differs, what is best, and what a mix of tokens "
                "costs",
                note="What cannot be used of the query is told on the page, and the rest is "
                "answered; the status is 400 then.",
                tag=PAGES,
                handler=self.compare,
                parameters=PARAMETERS,
                sample="ids=kilo/auto,orrery/meridian-5&inputTokens=8k&outputTokens=1k",
                content_types=(HTML,),
                is_form=True,
                validity=Validity.PAST,
                headers=("Content-Security-Policy",),
                also=(HTTPStatus.BAD_REQUEST,),
                refuses=(HTTPStatus.SERVICE_UNAVAILABLE,),
            ),
        ]


_NEAR: Final = 5


def _names(catalog: Catalog) -> list[str]:
    return [row.model.id for row in (*catalog.rows, *catalog.removed)]


def _root(raw_path: str) -> str:
    """What leads from a path to that of `/`: as many steps up as it has slashes behind the first.

    A slash that is sent as `%2F` is none.
    """
    return "../" * (raw_path.count("/") - 1) or "./"
