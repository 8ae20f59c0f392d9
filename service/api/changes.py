"""`/changes`: the log of changes as a page."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from service.api.answers import Answers
from service.api.frame import HTML, Frame
from service.api.past import FIELD, KIND, LIMIT, MODEL, Past, wanted_of
from service.api.route import PAGES, Route, Validity
from service.catalog import Change, Cursor, Fold
from service.diff import Wanted
from service.errors import MomentError, ParameterError, StorageError
from service.parameters import Asked, Parameter
from service.present import Present
from service.query.moments import MOMENT_FORM, moment
from service.snapshot import Document

CACHE_BYTES: Final = 4 * 2**20
LINES: Final = 100
"""News of a page, at least, unless told; the last of their revisions is told whole."""
_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)


def _moment_text(text: str) -> str:
    moment(text, _ANY_TIME)
    return text


BEFORE: Final = Parameter(
    name="before",
    meaning="only what came before this revision or time",
    accepts=MOMENT_FORM,
    parse=_moment_text,
    example="2026-11-01",
)
PAGE: Final = (BEFORE, LIMIT, KIND, FIELD, MODEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """The handler and what it reads from."""

    past: Past
    present: Present
    frame: Frame
    clock: Callable[[], datetime]
    _made: Answers = field(default_factory=lambda: Answers(CACHE_BYTES))

    async def read(self, request: web.Request) -> web.Response:
        """The page; where there is none to be had, one that says why."""
        asked = list(request.query.items())
        try:
            return await self._read(request, asked)
        except ParameterError as error:
            return self._failed(asked, str(error), HTTPStatus.BAD_REQUEST)
        except StorageError as error:
            failure = f"The past cannot be read: {error}. What to do: {error.advice}."
            return self._failed(asked, failure, HTTPStatus.SERVICE_UNAVAILABLE)

    async def _read(self, request: web.Request, asked: Sequence[tuple[str, str]]) -> web.Response:
        from service.pages import changes  # noqa: PLC0415 — Jinja2 takes 70 ms

        query = Asked(asked, PAGE)
        limit, wanted = query.one(LIMIT) or LINES, wanted_of(query)
        before = await self._before(query.one(BEFORE))
        catalog = self.present.require().catalog
        about = self.frame.about(catalog)
        key = (catalog.updated_at, before, tuple(asked), *about.values())
        document = self._made.get(key)
        if document is None:
            news = await self.past.news(limit, wanted, before)
            turn = changes.Turn(
                older=await self._older(asked, news, wanted),
                is_first=before is None,
            )
            make = partial(
                changes.page,
                asked=asked,
                news=news,
                turn=turn,
                **about,
            )
            document = self._made.keep(key, Document(await asyncio.to_thread(make), is_quick=True))
        return await self.frame.answer(request, document)

    async def _older(
        self, asked: Sequence[tuple[str, str]], news: Sequence[Change | Fold], wanted: Wanted
    ) -> str | None:
        """The query of the page with what is older than these."""
        if not news:
            return None
        oldest = news[-1].revision
        if not await self.past.history.has_before(Cursor(oldest, 0), wanted):
            return None
        pairs = [(name, text) for name, text in asked if name != BEFORE.name]
        return urlencode([(BEFORE.name, str(oldest)), *pairs])

    async def _before(self, asked: str | None) -> Cursor | None:
        """Before all of that revision, or of all that was made at that time or later."""
        if asked is None:
            return None
        at = moment(asked, self.clock())
        if isinstance(at, int):
            return Cursor(at, 0)
        try:
            place = await self.past.history.place(at)
        except MomentError:
            return Cursor(0, 0)
        return Cursor(place.revision + 1, 0)

    def _failed(
        self, asked: Sequence[tuple[str, str]], failure: str, status: HTTPStatus
    ) -> web.Response:
        from service.pages import changes  # noqa: PLC0415 — as above

        about = self.frame.about(self.present.require().catalog)
        body = changes.failed(asked=asked, failure=failure, **about)
        return self.frame.fleeting(body, status)

    def routes(self) -> list[Route]:
        return [
            Route(
                operation="readChanges",
                path="/changes",
                summary="the log of changes, by day, as a page",
                tag=PAGES,
                handler=self.read,
                parameters=PAGE,
                sample="field=price",
                content_types=(HTML,),
                is_form=True,
                validity=Validity.PAST,
                headers=("Content-Security-Policy",),
                also=(HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE),
            )
        ]
