"""What documents the service: the OpenAPI document, the page made of it, and what pages load."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from service.api.conditional import IMMUTABLE, JSON_TYPE, REVALIDATE, Responder
from service.api.frame import HTML, HTML_TYPE
from service.api.openapi import document
from service.api.problems import Problem
from service.api.route import SERVICE, Route, Validity
from service.parameters import Asked
from service.snapshot import Document

_OPENAPI: Final = "openapi.json"
_DOCS: Final = "docs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manual:
    """The handlers. Each thing is made when somebody first asks for it, beside the event loop."""

    routes_told: Callable[[], Sequence[Route]]
    """All routes there are."""
    responder: Responder
    version: str
    address: str
    """Where this process is asked, for samples."""
    public_url: str
    """Where others reach it; empty where that is not known."""
    _made: dict[str, Document] = field(default_factory=dict)

    async def openapi(self, request: web.Request) -> web.Response:
        """The document."""
        Asked(request.query.items(), ())
        return await self.responder.answer_file(
            request,
            await self._document(_OPENAPI, self._openapi),
            content_type=JSON_TYPE,
            caching=REVALIDATE,
            about={},
        )

    async def docs(self, request: web.Request) -> web.Response:
        """The page."""
        Asked(request.query.items(), ())
        from service.pages import site  # noqa: PLC0415 — Jinja2 takes 70 ms, which a start has not

        return await self.responder.answer_file(
            request,
            await self._document(_DOCS, self._docs),
            content_type=HTML_TYPE,
            caching=REVALIDATE,
            about=site.HEADERS,
        )

    async def static(self, request: web.Request) -> web.Response:
        """A file that pages load. Its name changes with its content."""
        Asked(request.query.items(), ())
        from service.pages import site  # noqa: PLC0415 — as above

        name = request.match_info["file"]
        asset = site.assets_by_address().get(name)
        if asset is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no file {name[:100]!r}")
        return await self.responder.answer_file(
            request,
            await self._document(name, lambda: asset.body),
            content_type=asset.content_type,
            caching=IMMUTABLE,
            about=site.FILE_HEADERS,
        )

    async def _document(self, name: str, make: Callable[[], bytes]) -> Document:
        if name not in self._made:
            self._made[name] = Document(await asyncio.to_thread(make))
        return self._made[name]

    def _openapi(self) -> bytes:
        told = document(
            self.routes_told(), self.version, address=self.address, public_url=self.public_url
        )
        return orjson.dumps(told)

    def _docs(self) -> bytes:
        from service.pages import reference  # noqa: PLC0415 — as above

        return reference.page(orjson.loads(self._openapi()), self.version)

    def routes(self) -> list[Route]:
        """What there is to read."""
        return [
            Route(
                operation="getOpenapi",
                path="/openapi.json",
                summary="this API as an OpenAPI 3.1 document",
                tag=SERVICE,
                handler=self.openapi,
                validity=Validity.RELEASE,
                refuses=(HTTPStatus.BAD_REQUEST,),
            ),
            Route(
                operation="readDocs",
                path="/docs",
                summary="the same for people, without anything from elsewhere",
                tag=SERVICE,
                handler=self.docs,
                content_types=(HTML,),
                validity=Validity.RELEASE,
                headers=("Content-Security-Policy",),
                refuses=(HTTPStatus.BAD_REQUEST,),
            ),
            Route(
                operation="readStaticFile",
                path="/static/{file}",
                summary="what the pages load; a name changes with what it stands for",
                tag=SERVICE,
                handler=self.static,
                content_types=("text/css", "text/javascript", "image/svg+xml"),
                validity=Validity.RELEASE,
                refuses=(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND),
            ),
        ]
