"""Questions about models over HTTP: lists, facets and picks, of now and of any time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import orjson
from aiohttp import web

from service.api.answers import MANY_ROWS, Answers
from service.api.conditional import JSON_TYPE, Responder
from service.api.past import AT, Past
from service.api.route import PRESENT, Route, Validity
from service.parameters import Asked
from service.present import Present
from service.query.facets import facets
from service.query.listing import Form, listing
from service.query.pick import PICK, Choice
from service.query.question import CURSOR, NEEDS, QUERY, Mark, Needs, Question
from service.query.shelf import Shelf
from service.snapshot import Document

LIST: Final = (*QUERY, AT)
REFUSES: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE)

_Response = web.Response | Awaitable[web.Response]
_Make = Callable[[Shelf], Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The handlers and what they read from."""

    present: Present
    past: Past
    responder: Responder
    answers: Answers
    clock: Callable[[], datetime]

    def routes(self) -> list[Route]:
        """What can be asked."""
        return [
            Route(
                operation="listModels",
                path="/catalog/models",
                summary="the catalog, or the models of it that are asked for; `?at=` a revision "
                "or time tells it as it was",
                tag=PRESENT,
                handler=partial(self.models, Form.JSON),
                parameters=LIST,
                sample="tools=true&minContext=200k&sort=cost.input&fields=id,name,cost.input",
                schema="ModelList",
                validity=Validity.PRESENT,
                headers=("Link",),
                refuses=REFUSES,
            ),
            Route(
                operation="listModelsAsCsv",
                path="/catalog/models.csv",
                summary="the same rows, flat, for spreadsheets",
                note="A column is called by the path of its field. An empty cell is unknown, lists "
                "are joined by `|`, and a text that a spreadsheet would run as a formula has an "
                "apostrophe before it.",
                tag=PRESENT,
                handler=partial(self.models, Form.CSV),
                parameters=LIST,
                sample="q=meridian&fields=id,cost.input,cost.output",
                content_types=("text/csv",),
                validity=Validity.PRESENT,
                headers=("Link",),
                refuses=REFUSES,
            ),
            Route(
                operation="listModelsAsNdjson",
                path="/catalog/models.ndjson",
                summary="the same rows, flat, a JSON object a line",
                note="Members are called by the paths of fields, as `cost.input`, and have the "
                "values that they have in the list.",
                tag=PRESENT,
                handler=partial(self.models, Form.NDJSON),
                parameters=LIST,
                sample="q=meridian&fields=id,cost.input,cost.output",
                content_types=("application/x-ndjson",),
                validity=Validity.PRESENT,
                headers=("Link",),
                refuses=REFUSES,
            ),
            Route(
                operation="countModels",
                path="/catalog/facets",
                summary="how many models stand behind each value of each filter",
                tag=PRESENT,
                handler=self.facets,
                parameters=NEEDS,
                sample="input=image&tools=true",
                schema="Facets",
                validity=Validity.PRESENT,
                refuses=REFUSES,
            ),
            Route(
                operation="pickModels",
                path="/catalog/pick",
                summary="the best models for stated needs, why, and what ruled out the others",
                tag=PRESENT,
                handler=self.pick,
                parameters=PICK,
                sample="tools=true&input=image&minContext=500k&inputTokens=8k&outputTokens=1k&limit=1",
                schema="Pick",
                validity=Validity.PRESENT,
                refuses=REFUSES,
            ),
        ]

    def models(self, form: Form, request: web.Request) -> _Response:
        """The list, by the question in the query."""
        snapshot = self.present.require()
        text = request.rel_url.raw_query_string
        if not text and form is Form.JSON:
            return self.responder.answer(request, snapshot.models)
        if document := self.answers.get((self.present.generation, form, text)):
            return self.responder.answer(request, document, form.content_type)
        asked = Asked(request.query.items(), LIST)
        question = Question.read(asked)
        make = partial(self._listed, question, form, request)
        is_kept = not question.needs.is_relative
        if at := asked.one(AT):
            key = (form, text) if is_kept else None
            return self.past.models(request, at, key, make, form.content_type)
        return self._answer(request, form, make, is_kept=is_kept, content_type=form.content_type)

    def facets(self, request: web.Request) -> _Response:
        """How many models stand behind each value."""
        needs = Needs.read(Asked(request.query.items(), NEEDS))

        def make(shelf: Shelf) -> Document:
            return Document(orjson.dumps(facets(shelf, needs, self.clock())), is_quick=True)

        return self._answer(request, "facets", make, is_kept=not needs.is_relative)

    def pick(self, request: web.Request) -> _Response:
        """The best models, and why."""
        choice = Choice.read(Asked(request.query.items(), PICK))

        def make(shelf: Shelf) -> Document:
            return Document(orjson.dumps(choice.pick(shelf, self.clock())), is_quick=True)

        return self._answer(request, "pick", make, is_kept=not choice.needs.is_relative)

    def _listed(
        self, question: Question, form: Form, request: web.Request, shelf: Shelf
    ) -> Document:
        address = partial(_address, request)
        made = listing(shelf, question, form, now=self.clock(), address=address)
        return Document(made.body, following=made.following, is_quick=True)

    def _answer(
        self,
        request: web.Request,
        what: str,
        make: _Make,
        *,
        is_kept: bool,
        content_type: str = JSON_TYPE,
    ) -> _Response:
        """What was made for the same question about the same catalog, or is made now.

        An answer that changes as time goes by is not kept.
        """
        shelf = self.present.require().shelf
        if not is_kept:
            return self._fleeting(request, partial(make, shelf), content_type)
        key = (self.present.generation, what, request.rel_url.raw_query_string)
        document = self.answers.get(key)
        if document is None and len(shelf.rows) > MANY_ROWS:
            making = self.answers.make(key, partial(make, shelf))
            return self.responder.answer_made(request, making, content_type)
        if document is None:
            document = self.answers.keep(key, make(shelf))
        return self.responder.answer(request, document, content_type)

    async def _fleeting(
        self, request: web.Request, make: Callable[[], Document], content_type: str
    ) -> web.Response:
        """An answer that has no date: it may be another one although the catalog is the same."""
        document = await asyncio.to_thread(make)
        return await self.responder.answer_later(request, document, content_type=content_type)


def _address(request: web.Request, mark: Mark) -> str:
    """The same question, from a mark on."""
    pairs = [(name, text) for name, text in request.query.items() if name != CURSOR.name]
    return f"{request.rel_url.raw_path}?{urlencode([*pairs, (CURSOR.name, str(mark))])}"
