"""What other tools read: the endpoints of every dialect, each served as its module declares it."""

import json
import re
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from service.api.answers import MANY_ROWS, Answers
from service.api.conditional import Responder
from service.api.problems import Problem
from service.api.route import FRESHNESS, Route, Tag, Validity, plain
from service.dialects import DIALECTS
from service.dialects.dialect import Asked, Dialect, Endpoint
from service.parameters import Parameter
from service.present import Present

_BODY_REFUSES: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """The handlers and what they read from."""

    present: Present
    responder: Responder
    answers: Answers

    def routes(self) -> Iterator[Route]:
        """A route for each path of each endpoint."""
        for dialect in DIALECTS:
            tag = Tag(dialect.title, f"Read by {dialect.readers}.", is_foreign=True)
            for endpoint in dialect.endpoints:
                for path in endpoint.paths:
                    yield self._route(dialect, endpoint, path, tag)

    def _route(self, dialect: Dialect, endpoint: Endpoint, path: str, tag: Tag) -> Route:
        def read(request: web.Request) -> web.Response | Awaitable[web.Response]:
            asked = dict(request.match_info)
            if endpoint.reads and request.query_string:
                asked |= _chosen(endpoint, request.query)
            return self._answer(request, dialect, endpoint, asked)

        async def posted(request: web.Request) -> web.Response:
            asked = {**request.match_info, **_chosen(endpoint, await _object(request))}
            spoken = self.present.require().spoken[dialect.name]
            return self.responder.answer_now(spoken.answer(endpoint, asked).body)

        words = tuple(_parameter(*pair) for pair in endpoint.reads.items())
        is_post = endpoint.method == hdrs.METH_POST
        is_about_some = endpoint.is_about_one or bool(endpoint.reads)
        main = operation(endpoint.method, endpoint.paths[0])
        return Route(
            operation=operation(endpoint.method, path),
            method=endpoint.method,
            path=path,
            summary=endpoint.summary,
            tag=tag,
            alias_of="" if path == endpoint.paths[0] else main,
            handler=posted if is_post else read,
            parameters=() if is_post else words,
            posts=words if is_post else (),
            validity=Validity.MOMENT if is_post else Validity.PRESENT,
            headers=_headers(endpoint),
            refuses=(
                *(_BODY_REFUSES if is_post else ()),
                *((HTTPStatus.NOT_FOUND,) if is_about_some else ()),
                HTTPStatus.SERVICE_UNAVAILABLE,
            ),
        )

    def _answer(
        self, request: web.Request, dialect: Dialect, endpoint: Endpoint, asked: Asked
    ) -> web.Response | Awaitable[web.Response]:
        snapshot = self.present.require()
        spoken = snapshot.spoken[dialect.name]
        if not asked and endpoint.is_fixed:
            return self.responder.answer(request, spoken.fixed(endpoint))
        key = (self.present.generation, endpoint, *sorted(asked.items()))
        if document := self.answers.get(key):
            return self.responder.answer(request, document)
        make = partial(spoken.answer, endpoint, asked)
        if len(snapshot.catalog.rows) > MANY_ROWS and not endpoint.is_about_one:
            return self.responder.answer_made(request, self.answers.make(key, make))
        return self.responder.answer(request, self.answers.keep(key, make()))


def _headers(endpoint: Endpoint) -> tuple[str, ...]:
    """Those of its answers, beside those of all that are about the present."""
    if endpoint.method == hdrs.METH_POST:
        return FRESHNESS
    return () if endpoint.is_about_one else ("Catalog-Omitted",)


def operation(method: str, path: str) -> str:
    """What a path is called in a client: `/v1/models/{id:.+}` → `getV1ModelsById`."""
    words = re.findall(r"[a-z0-9]+", plain(path).replace("{", "by/"), re.IGNORECASE)
    return method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _chosen(endpoint: Endpoint, said: Mapping[str, str]) -> dict[str, str]:
    return {name: said[name] for name in endpoint.reads if name in said}


async def _object(request: web.Request) -> dict[str, str]:
    """The text members of the posted object, whatever its type is called."""
    try:
        found = json.loads(await request.read())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, "post a JSON object")
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _parameter(name: str, meaning: str) -> Parameter[str]:
    return Parameter(name=name, meaning=meaning, accepts="any text; nonsense is ignored", parse=str)
