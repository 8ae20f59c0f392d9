"""The edge: counts every answer, shapes every error, and answers what no route is for."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus
from time import perf_counter
from typing import Final

import structlog
from aiohttp import hdrs, web

from service.api import problems
from service.api.frame import tidied
from service.api.problems import Problem
from service.api.route import SERVICE, Handler, Route, plain
from service.errors import (
    CatalogError,
    MomentError,
    NothingToTellError,
    NotPublishedError,
    ParameterError,
    UnknownModelError,
    UntoldModelError,
)
from service.metrics import Metrics
from service.spelling import nearest

Stream = Callable[[web.Request, Callable[[], None]], Awaitable[web.StreamResponse]]
"""Serves until the client leaves; the call it is handed says that its headers are out."""
_Counted = Callable[[web.Request], Awaitable[web.Response]]
_Streamed = Callable[[web.Request], Awaitable[web.StreamResponse]]

UNMATCHED: Final = "(unmatched)"
ANYTHING_ELSE: Final = r"/{anything_else:[\s\S]*}"
MAX_POSTED_BYTES: Final = 1024
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Edge:
    """Everything between aiohttp and a handler.

    Not a middleware: aiohttp's cost a sixth of the time of a whole answer.
    """

    def __init__(self, metrics: Metrics, version: str) -> None:
        self._metrics = metrics
        self._server = f"model-catalog/{version}"
        self._routes: Sequence[Route] = ()
        self._anything_else = Route(
            operation="",
            path=ANYTHING_ELSE,
            summary="whatever is left",
            tag=SERVICE,
            handler=self._unmatched,
        )

    def application(self, routes: Iterable[Route], stream: Stream) -> web.Application:
        """The routes, and behind them one that answers whatever is left."""
        self._routes = tuple(routes)
        application = web.Application(client_max_size=MAX_POSTED_BYTES)
        for route in self._routes:
            handler = (
                self._counted(route, tidied(route.handler) if route.is_form else route.handler)
                if route.handler
                else self._streamed(route, stream)
            )
            if route.method == hdrs.METH_GET:
                application.router.add_get(route.path, handler)  # HEAD too
            else:
                application.router.add_route(route.method, route.path, handler)
        application.router.add_route(
            "*", ANYTHING_ELSE, self._counted(self._anything_else, self._unmatched)
        )
        return application

    def _counted(self, route: Route, handler: Handler) -> _Counted:
        name = UNMATCHED if route.path == ANYTHING_ELSE else route.plain_path
        observe = self._metrics.observer_of(name)
        server = self._server

        async def counted(request: web.Request) -> web.Response:
            began = perf_counter()
            try:
                response = handler(request)
                if not isinstance(response, web.Response):
                    response = await response
            except Exception as error:  # noqa: BLE001 — each has its shape, a defect too
                response = _shaped(request, error, route)
            response.headers[hdrs.SERVER] = server
            observe(request.method, response.status, perf_counter() - began)
            return response

        return counted

    def _streamed(self, route: Route, stream: Stream) -> _Streamed:
        """The edge of a stream: what is counted is its opening, not how long it lasts."""
        observe = self._metrics.observer_of(route.plain_path)

        async def streamed(request: web.Request) -> web.StreamResponse:
            began = perf_counter()
            is_open = False

            def opened() -> None:
                nonlocal is_open
                is_open = True
                observe(request.method, HTTPStatus.OK, perf_counter() - began)

            try:
                return await stream(request, opened)
            except Exception as error:
                response = _shaped(request, error, route)
                if is_open:
                    raise  # its headers are out: all that is left is to break it off
                response.headers[hdrs.SERVER] = self._server
                observe(request.method, response.status, perf_counter() - began)
                return response

        return streamed

    async def _unmatched(self, request: web.Request) -> web.Response:
        """OPTIONS, a method that is not for the path, or no such path."""
        allowed = await self._methods_for(request)
        if not allowed:
            paths = [route.plain_path for route in self._routes if route.path != "/"]
            near = nearest(request.path, paths, 1)
            hint = f"did you mean {near[0]}?" if near else "/openapi.json lists the paths there are"
            raise Problem(HTTPStatus.NOT_FOUND, f"there is nothing here; {hint}", nearest=near)
        allow: dict[str, str] = {hdrs.ALLOW: ", ".join(sorted({*allowed, hdrs.METH_OPTIONS}))}
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(
                status=HTTPStatus.NO_CONTENT, headers=allow | self._preflight(request, allowed)
            )
        detail = f"{request.method[:20]} is not for this path; allowed: {allow[hdrs.ALLOW]}"
        raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=allow)

    async def _methods_for(self, request: web.Request) -> set[str]:
        """The methods that the declared routes have for the path."""
        methods: set[str] = set()
        for resource in request.app.router.resources():
            if resource.canonical != plain(ANYTHING_ELSE):
                methods |= (await resource.resolve(request))[1]
        return methods

    def _preflight(self, request: web.Request, allowed: set[str]) -> dict[str, str]:
        """What a browser may do for a page of any origin: whatever needs no token."""
        if any(route.is_protected and route.path == request.path for route in self._routes):
            return {}
        return {
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(sorted(allowed)),
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "*, Authorization",
            hdrs.ACCESS_CONTROL_MAX_AGE: "86400",
        }


def _shaped(request: web.Request, error: Exception, route: Route) -> web.Response:
    response = problems.shape_for(request.path)(_problem(request, error))
    is_read = route.path != ANYTHING_ELSE or request.method in {hdrs.METH_GET, hdrs.METH_HEAD}
    if is_read and not route.is_protected:  # what a browser may read, it may see fail
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
    return response


def _problem(request: web.Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case CatalogError():
            return problem_of(error)
        case web.HTTPException():
            return Problem(HTTPStatus(error.status), error.reason)
        case _:
            _log.error(
                "request_broke", method=request.method, path=request.path[:300], exc_info=error
            )
            detail = "a defect of this service; its log tells more"
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def problem_of(error: CatalogError) -> Problem:
    """What the service raises on purpose."""
    detail, facts = str(error), dict[str, object]()
    headers: dict[str, str] = {}
    match error:
        case ParameterError():
            status = HTTPStatus.BAD_REQUEST
            facts = {"parameter": error.parameter, "nearest": error.nearest}
        case UnknownModelError():
            status = HTTPStatus.NOT_FOUND
            facts = {"parameter": "id", "nearest": error.nearest}
        case UntoldModelError():
            status = HTTPStatus.NOT_FOUND
        case MomentError():
            status = HTTPStatus.BAD_REQUEST
        case NotPublishedError():
            status, headers[hdrs.RETRY_AFTER] = HTTPStatus.SERVICE_UNAVAILABLE, "1"
        case NothingToTellError():
            status, headers[hdrs.RETRY_AFTER] = HTTPStatus.SERVICE_UNAVAILABLE, "60"
        case _:
            status, headers[hdrs.RETRY_AFTER] = HTTPStatus.SERVICE_UNAVAILABLE, "5"
            detail = f"the past cannot be read: {error}"
    return Problem(status, detail, headers=headers, **facts)
