"""Every path, its handler, and the one edge that counts requests and shapes errors."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, Protocol

import orjson
import structlog
from aiohttp import hdrs, web

from service.api import problems
from service.api.conditional import JSON_TYPE, Responder
from service.api.problems import Problem, UnknownModelProblem, UnknownParameterProblem
from service.api.status import Health, readiness_json, refresh_json, status_json
from service.catalog import Outcome, Reason, Refresh
from service.errors import NotPublishedError
from service.metrics import Metrics
from service.present import Present
from service.query import nearest

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

UNMATCHED: Final = "(unmatched)"
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
    admin_token: str | None
    version: str

    # ── the present ───────────────────────────────────────────────────────────────────────────

    async def models(self, request: web.Request) -> web.Response:
        _only(request)
        return self.responder.answer(request, self.present.require().models)

    async def model(self, request: web.Request) -> web.Response:
        _only(request)
        snapshot = self.present.require()
        wanted = request.match_info["id"]
        document = snapshot.model.get(wanted)
        if document is None:
            raise UnknownModelProblem(wanted, [row.model.id for row in snapshot.catalog.rows])
        return self.responder.answer(request, document)

    async def openai_models(self, request: web.Request) -> web.Response:
        return self.responder.answer(request, self.present.require().openai_models)

    async def openai_model(self, request: web.Request) -> web.Response:
        snapshot = self.present.require()
        wanted = request.match_info["id"]
        document = snapshot.openai_model.get(wanted)
        if document is None:
            raise UnknownModelProblem(wanted, [row.model.id for row in snapshot.catalog.rows])
        return self.responder.answer(request, document)

    async def status(self, request: web.Request) -> web.Response:
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
                f"the gateway asked to be left alone for {wait:.0f} more seconds",
                headers={hdrs.RETRY_AFTER: f"{wait:.0f}"},
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

    async def index(self, request: web.Request) -> web.Response:
        _only(request)
        paths = [path for _, path, _ in self._routes()]
        return self._now({"name": "model-catalog", "version": self.version, "paths": paths})

    async def healthz(self, request: web.Request) -> web.Response:
        del request
        return self._now({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        del request
        is_ready, body = readiness_json(self.present, self.health())
        return self._now(body, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def metrics_text(self, request: web.Request) -> web.Response:
        body, content_type = self.metrics.render(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    def _now(self, body: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """What is true only at this moment: never stored."""
        headers = {
            hdrs.CONTENT_TYPE: JSON_TYPE,
            hdrs.CACHE_CONTROL: "no-store",
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
            **self.responder.freshness(),
        }
        return web.Response(status=status, body=orjson.dumps(body), headers=headers)

    # ── the table ─────────────────────────────────────────────────────────────────────────────

    def _routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/", self.index),
            ("GET", "/catalog/models", self.models),
            ("GET", "/catalog/models/{id:.+}", self.model),
            ("GET", "/catalog/status", self.status),
            ("POST", "/catalog/refresh", self.refresh),
            ("GET", "/v1/models", self.openai_models),
            ("GET", "/v1/models/{id:.+}", self.openai_model),
            ("GET", "/healthz", self.healthz),
            ("GET", "/readyz", self.readyz),
            ("GET", "/metrics", self.metrics_text),
        ]

    def application(self) -> web.Application:
        """The routes behind the edge."""
        application = web.Application(middlewares=[self._edge], client_max_size=1024)
        for method, path, handler in self._routes():
            if method == hdrs.METH_GET:
                application.router.add_get(path, handler)
            else:
                application.router.add_route(method, path, handler)
        return application

    @property
    def _edge(self) -> Any:  # noqa: ANN401 — aiohttp's middleware type is not public
        """Counts every answer, and turns every error into one of the two declared shapes."""

        @web.middleware
        async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
            began = perf_counter()
            try:
                response = await handler(request)
            except Problem as problem:
                response = _shaped(request, problem)
            except NotPublishedError as error:
                unready = HTTPStatus.SERVICE_UNAVAILABLE
                response = _shaped(
                    request, Problem(unready, str(error), headers={hdrs.RETRY_AFTER: "1"})
                )
            except web.HTTPException as error:
                response = _unrouted(request, error, [path for _, path, _ in self._routes()])
            except Exception:  # noqa: BLE001 — the last line of defence: logged, and no traceback to the client
                _log.exception("request_broke", method=request.method, path=request.path[:300])
                response = _shaped(request, _defect())
            self.metrics.observe_request(
                _route(request), request.method, response.status, perf_counter() - began
            )
            return response

        return edge


def _defect() -> Problem:
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a defect of this service; its log tells more")


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else UNMATCHED


def _shaped(request: web.Request, problem: Problem) -> web.Response:
    shape = problems.openai if request.path.startswith("/v1/") else problems.native
    return shape(problem)


def _unrouted(
    request: web.Request, error: web.HTTPException, paths: list[str]
) -> web.StreamResponse:
    """What aiohttp refuses by itself: no such path, no such method, a body that is too large."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        return _wrong_method(request, error)
    status = HTTPStatus(error.status)
    if status is not HTTPStatus.NOT_FOUND:
        return _shaped(request, Problem(status, error.reason))
    near = nearest(request.path[:300], paths, 1)
    hint = f"; did you mean {near[0]}?" if near else "; / lists the paths there are"
    return _shaped(request, Problem(status, f"there is nothing here{hint}", nearest=near))


def _wrong_method(request: web.Request, error: web.HTTPMethodNotAllowed) -> web.Response:
    allowed = {*error.allowed_methods, hdrs.METH_OPTIONS}
    allow: dict[str, str] = {hdrs.ALLOW: ", ".join(sorted(allowed))}
    if request.method == hdrs.METH_OPTIONS:
        cors = _PREFLIGHT if hdrs.METH_GET in allowed else {}
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=allow | cors)
    detail = f"{request.method[:20]} is not for this path; allowed: {allow[hdrs.ALLOW]}"
    return _shaped(request, Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=allow))


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
