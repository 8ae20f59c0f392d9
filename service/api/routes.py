"""Every path, its handler, and the one edge that counts requests and shapes errors."""

import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from time import perf_counter
from typing import Any, Final, Protocol

import orjson
import structlog
from aiohttp import hdrs, web

from service.api import problems
from service.api.conditional import EXPOSED, JSON_TYPE, Responder
from service.api.past import Past
from service.api.problems import Problem, UnknownModelProblem, UnknownParameterProblem
from service.api.status import Health, readiness_json, refresh_json, status_json
from service.api.streams import Streams
from service.catalog import Outcome, Reason, Refresh
from service.errors import MomentError, NotPublishedError, StorageError
from service.metrics import Metrics
from service.present import Present
from service.query import nearest

Handler = Callable[[web.Request], web.Response | Awaitable[web.Response]]
"""Most answers are there already, so most handlers do not wait for anything."""

_Counted = Callable[[web.Request], Awaitable[web.Response]]
_Streamed = Callable[[web.Request], Awaitable[web.StreamResponse]]

UNMATCHED: Final = "(unmatched)"
ANYTHING_ELSE: Final = r"/{anything_else:[\s\S]*}"
_PREFLIGHT: Final = {
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, HEAD",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "*, Authorization",
    hdrs.ACCESS_CONTROL_MAX_AGE: "86400",
}

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Operator(Protocol):
    """What `POST /catalog/refresh` can set going."""

    async def refresh(self, *, accept_held: bool) -> Refresh:
        """Refresh now, or join the refresh under way."""

    @property
    def wait_seconds(self) -> float:
        """How long the gateway still wants to be left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The handlers and what they read from."""

    present: Present
    responder: Responder
    metrics: Metrics
    health: Health
    operator: Operator
    past: Past
    streams: Streams
    admin_token: str | None
    version: str

    # ── the present ───────────────────────────────────────────────────────────────────────────

    def models(self, request: web.Request) -> web.Response | Awaitable[web.Response]:
        if request.query_string and "at" in request.query:
            return self.past.models(request)
        _only(request, "at")
        return self.responder.answer(request, self.present.require().models)

    def model(self, request: web.Request) -> web.Response:
        _only(request)
        snapshot = self.present.require()
        wanted = request.match_info["id"]
        document = snapshot.model.get(wanted)
        if document is None:
            raise UnknownModelProblem(wanted, [row.model.id for row in snapshot.catalog.rows])
        return self.responder.answer(request, document)

    def openai_models(self, request: web.Request) -> web.Response:
        return self.responder.answer(request, self.present.require().openai_models)

    def openai_model(self, request: web.Request) -> web.Response:
        snapshot = self.present.require()
        wanted = request.match_info["id"]
        document = snapshot.openai_model.get(wanted)
        if document is not None:
            return self.responder.answer(request, document)
        if snapshot.model.get(wanted) is not None:
            detail = f"{wanted!r} cannot be told in this format; see /catalog/models/{wanted}"
            raise Problem(HTTPStatus.NOT_FOUND, detail)
        offered = (row.model.id for row in snapshot.catalog.rows)
        raise UnknownModelProblem(
            wanted, [id_ for id_ in offered if snapshot.openai_model.get(id_)]
        )

    def status(self, request: web.Request) -> web.Response:
        _only(request)
        return self._now(status_json(self.version, self.present, self.health()))

    # ── the operator ──────────────────────────────────────────────────────────────────────────

    async def refresh(self, request: web.Request) -> web.Response:
        self._authorise(request)
        _only(request, "accept")
        accept = request.query.get("accept")
        if accept not in {None, "held"}:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"accept={accept[:50]!r} is not valid; valid: held",
                parameter="accept",
                nearest=["held"],
            )
        if (wait := self.operator.wait_seconds) > 0:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"the gateway asked to be left alone for {ceil(wait)} more seconds",
                headers={hdrs.RETRY_AFTER: str(ceil(wait))},
            )
        return _refreshed(await self.operator.refresh(accept_held=accept == "held"))

    def _authorise(self, request: web.Request) -> None:
        if self.admin_token is None:
            raise Problem(
                HTTPStatus.FORBIDDEN, "refreshing by HTTP is off; set MODEL_CATALOG_ADMIN_TOKEN"
            )
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        sent = token.strip().encode("utf-8", "surrogateescape")
        if scheme.lower() != "bearer" or not hmac.compare_digest(sent, self.admin_token.encode()):
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "send the admin token: Authorization: Bearer …",
                headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="model-catalog"'},
            )

    # ── plumbing ──────────────────────────────────────────────────────────────────────────────

    def index(self, request: web.Request) -> web.Response:
        _only(request)
        paths = [_plain(pattern) for _, pattern, _ in self._routes()]
        return self._now({"name": "model-catalog", "version": self.version, "paths": paths})

    def healthz(self, request: web.Request) -> web.Response:
        del request
        return self._now({"status": "ok"})

    def readyz(self, request: web.Request) -> web.Response:
        del request
        is_ready, body = readiness_json(self.present, self.health())
        return self._now(body, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    def metrics_text(self, request: web.Request) -> web.Response:
        body, content_type = self.metrics.render(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    def _now(self, body: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """What is true only at this moment: never stored."""
        headers = {
            hdrs.CONTENT_TYPE: JSON_TYPE,
            hdrs.CACHE_CONTROL: "no-store",
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
            hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: EXPOSED,
            **self.responder.freshness(),
        }
        return web.Response(status=status, body=orjson.dumps(body), headers=headers)

    # ── the table ─────────────────────────────────────────────────────────────────────────────

    def _routes(self) -> list[tuple[str, str, Handler | None]]:
        """Method, path and handler; the stream of changes has an edge of its own."""
        return [
            ("GET", "/", self.index),
            ("GET", "/catalog/models", self.models),
            ("GET", "/catalog/models/{id:.+}", self.model),
            ("GET", "/catalog/changes", self.past.changes),
            ("GET", "/catalog/changes.atom", self.past.atom),
            ("GET", "/catalog/changes/stream", None),
            ("GET", "/catalog/history/{id:.+}", self.past.of_model),
            ("GET", "/catalog/diff", self.past.diff),
            ("GET", "/catalog/revisions", self.past.revisions),
            ("GET", "/catalog/refreshes", self.past.refreshes),
            ("GET", "/catalog/status", self.status),
            ("POST", "/catalog/refresh", self.refresh),
            ("GET", "/v1/models", self.openai_models),
            ("GET", "/v1/models/{id:.+}", self.openai_model),
            ("GET", "/healthz", self.healthz),
            ("GET", "/readyz", self.readyz),
            ("GET", "/metrics", self.metrics_text),
        ]

    def application(self) -> web.Application:
        """The routes, and behind them one that answers whatever is left."""
        application = web.Application(client_max_size=1024)
        application.on_shutdown.append(lambda _: self.streams.close())
        for method, pattern, handler in self._routes():
            route = _plain(pattern)
            counted = self._counted(route, handler) if handler else self._streamed(route)
            if method == hdrs.METH_GET:
                application.router.add_get(pattern, counted)  # HEAD too
            else:
                application.router.add_route(method, pattern, counted)
        application.router.add_route("*", ANYTHING_ELSE, self._counted(UNMATCHED, self.unmatched))
        return application

    def _counted(self, route: str, handler: Handler) -> _Counted:
        """The one edge: counts every answer, and turns every error into a declared shape.

        Not a middleware: aiohttp's cost a sixth of the time of a whole answer.
        """
        observe = self.metrics.observer_of(route)
        server = f"model-catalog/{self.version}"

        async def counted(request: web.Request) -> web.Response:
            began = perf_counter()
            try:
                response = handler(request)
                if not isinstance(response, web.Response):
                    response = await response
            except Exception as error:  # noqa: BLE001 — each has its shape, a defect too
                response = _shaped(request, error)
            response.headers[hdrs.SERVER] = server
            observe(request.method, response.status, perf_counter() - began)
            return response

        return counted

    def _streamed(self, route: str) -> _Streamed:
        """The edge of a stream: what is counted is its opening, not how long it lasts."""
        observe = self.metrics.observer_of(route)
        headers: dict[str, str] = {
            hdrs.SERVER: f"model-catalog/{self.version}",
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
        }

        async def streamed(request: web.Request) -> web.StreamResponse:
            began = perf_counter()
            is_open = False

            def opened() -> None:
                nonlocal is_open
                is_open = True
                observe(request.method, HTTPStatus.OK, perf_counter() - began)

            try:
                since, wanted = await self.past.stream_start(request)
                return await self.streams.serve(
                    request, since=since, wanted=wanted, headers=headers, on_open=opened
                )
            except Exception as error:
                response = _shaped(request, error)
                if is_open:
                    raise  # its headers are out: all that is left is to break it off
                response.headers[hdrs.SERVER] = headers[hdrs.SERVER]
                observe(request.method, response.status, perf_counter() - began)
                return response

        return streamed

    async def unmatched(self, request: web.Request) -> web.Response:
        """OPTIONS, a method that is not for the path, or no such path."""
        allowed = await _methods_of(request)
        if not allowed:
            paths = [_plain(pattern) for _, pattern, _ in self._routes() if pattern != "/"]
            near = nearest(request.path[:300], paths, 1)
            hint = f"did you mean {near[0]}?" if near else "/ lists the paths there are"
            raise Problem(HTTPStatus.NOT_FOUND, f"there is nothing here; {hint}", nearest=near)
        allow: dict[str, str] = {hdrs.ALLOW: ", ".join(sorted({*allowed, hdrs.METH_OPTIONS}))}
        if request.method == hdrs.METH_OPTIONS:
            cors = _PREFLIGHT if hdrs.METH_GET in allowed else {}
            return web.Response(status=HTTPStatus.NO_CONTENT, headers=allow | cors)
        detail = f"{request.method[:20]} is not for this path; allowed: {allow[hdrs.ALLOW]}"
        raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=allow)


async def _methods_of(request: web.Request) -> set[str]:
    """The methods that the declared routes have for the path."""
    methods: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != _plain(ANYTHING_ELSE):
            methods |= (await resource.resolve(request))[1]
    return methods


def _plain(pattern: str) -> str:
    """`/v1/models/{id:.+}` → `/v1/models/{id}`."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", pattern)


def _shaped(request: web.Request, error: Exception) -> web.Response:
    problem = _problem(request, error)
    shape = problems.openai if request.path.startswith("/v1/") else problems.native
    response = shape(problem)
    if request.method in {
        hdrs.METH_GET,
        hdrs.METH_HEAD,
    }:  # what a browser may read, it may see fail
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
    return response


def _problem(request: web.Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case NotPublishedError():
            headers: dict[str, str] = {hdrs.RETRY_AFTER: "1"}
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=headers)
        case StorageError():
            detail = f"the past cannot be read: {error}"
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={hdrs.RETRY_AFTER: "5"})
        case MomentError():
            return Problem(HTTPStatus.BAD_REQUEST, str(error))
        case web.HTTPException():
            return Problem(HTTPStatus(error.status), error.reason)
        case _:
            _log.error(
                "request_broke", method=request.method, path=request.path[:300], exc_info=error
            )
            detail = "a defect of this service; its log tells more"
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def _only(request: web.Request, *known: str) -> None:
    """Refuse query parameters that would be ignored, and those given twice."""
    if not request.query_string:
        return
    for name in request.query:
        if name not in known:
            raise UnknownParameterProblem(name, known)
        if len(request.query.getall(name)) > 1:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name} is given more than once", parameter=name)


def _refreshed(refresh: Refresh) -> web.Response:
    body = refresh_json(refresh)
    if refresh.outcome in {Outcome.REJECTED, Outcome.FAILED}:
        is_ours = refresh.reason in {Reason.STORAGE, Reason.INTERNAL}
        status = HTTPStatus.SERVICE_UNAVAILABLE if is_ours else HTTPStatus.BAD_GATEWAY
        raise Problem(status, f"{refresh.reason}: {refresh.detail}", refresh=body)
    return web.Response(
        body=orjson.dumps(body),
        headers={hdrs.CONTENT_TYPE: JSON_TYPE, hdrs.CACHE_CONTROL: "no-store"},
    )
