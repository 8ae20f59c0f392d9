"""Every path and its handler."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Any, Final, Protocol

import orjson
from aiohttp import hdrs, web

from service.api.browse import Browse
from service.api.changes import ChangesPage
from service.api.charts import Charts
from service.api.conditional import JSON_TYPE, Responder
from service.api.edge import Edge
from service.api.foreign import Foreign
from service.api.manual import Manual
from service.api.model_pages import ModelPages
from service.api.past import Past
from service.api.problems import Problem
from service.api.questions import Questions
from service.api.route import FRESHNESS, PRESENT, SERVICE, Route, Validity
from service.api.status import Health, readiness_json, refresh_json, status_json
from service.api.status_page import StatusPage
from service.api.streams import Streams
from service.catalog import Outcome, Reason, Refresh
from service.errors import UnknownModelError
from service.metrics import Metrics
from service.parameters import Asked, Parameter, choice
from service.present import Present
from service.spelling import nearest


class Operator(Protocol):
    """What `POST /catalog/refresh` can set going."""

    async def refresh(self, *, accept_held: bool) -> Refresh:
        """Refresh now, or join the refresh under way."""

    @property
    def wait_seconds(self) -> float:
        """How long the gateway still wants to be left alone."""


ACCEPT: Final = Parameter(
    name="accept",
    meaning="believe the list that was held last",
    accepts="held",
    parse=choice("held"),
    words=("held",),
    example="held",
    schema={"type": "string", "enum": ["held"]},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The handlers and what they read from."""

    present: Present
    responder: Responder
    metrics: Metrics
    health: Health
    operator: Operator
    past: Past
    questions: Questions
    browse: Browse
    foreign: Foreign
    manual: Manual
    model_pages: ModelPages
    changes_page: ChangesPage
    status_page: StatusPage
    charts: Charts
    streams: Streams
    admin_token: str | None
    version: str

    # ── the present ───────────────────────────────────────────────────────────────────────────

    def model(self, request: web.Request) -> web.Response | Awaitable[web.Response]:
        _asked(request)
        snapshot = self.present.require()
        wanted = request.match_info["id"]
        document = snapshot.model.get(wanted)
        if document is None:
            known = [row.model.id for row in snapshot.catalog.rows]
            raise UnknownModelError(wanted, nearest(wanted, known))
        return self.responder.answer(request, document)

    def status(self, request: web.Request) -> web.Response:
        _asked(request)
        return self._now(status_json(self.version, self.present, self.health()))

    # ── the operator ──────────────────────────────────────────────────────────────────────────

    async def refresh(self, request: web.Request) -> web.Response:
        self._authorise(request)
        accept = _asked(request, ACCEPT).one(ACCEPT)
        if (wait := self.operator.wait_seconds) > 0:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"the gateway asked to be left alone for {ceil(wait)} more seconds",
                headers={hdrs.RETRY_AFTER: str(ceil(wait))},
            )
        return _refreshed(await self.operator.refresh(accept_held=accept is not None))

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

    def healthz(self, request: web.Request) -> web.Response:
        del request
        return self._now({"status": "ok"})

    def readyz(self, request: web.Request) -> web.Response:
        del request
        is_ready, body = readiness_json(self.present, self.health())
        return self._now(body, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    def metrics_text(self, request: web.Request) -> web.Response:
        body, content_type = self.metrics.render(request.headers.get(hdrs.ACCEPT, ""))
        headers = {hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=body, headers=headers)

    def _now(self, body: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        return self.responder.answer_now(orjson.dumps(body), status)

    # ── the table ─────────────────────────────────────────────────────────────────────────────

    def routes(self) -> list[Route]:
        """What there is."""
        return [
            *self.browse.routes(),
            *self.questions.routes(),
            Route(
                operation="getModel",
                path="/catalog/models/{id:.+}",
                summary="one model by id or ref, removed ones too; 404 names the nearest ids",
                tag=PRESENT,
                handler=self.model,
                schema="Model",
                validity=Validity.PRESENT,
                refuses=(
                    HTTPStatus.BAD_REQUEST,
                    HTTPStatus.NOT_FOUND,
                    HTTPStatus.SERVICE_UNAVAILABLE,
                ),
            ),
            *self.past.routes(),
            Route(
                operation="getStatus",
                path="/catalog/status",
                summary="freshness, counts, the last refresh and why, what is held, rejects, "
                "the database",
                tag=SERVICE,
                handler=self.status,
                schema="Status",
                headers=FRESHNESS,
                refuses=(HTTPStatus.BAD_REQUEST,),
            ),
            Route(
                operation="refreshCatalog",
                method="POST",
                path="/catalog/refresh",
                summary="refresh now and tell the outcome",
                note="Calls that come while it is under way join it. A list that lacks over half "
                "of the models is held: it is believed when it was seen three times in a row, or "
                "when an operator accepts it.",
                tag=SERVICE,
                handler=self.refresh,
                parameters=(ACCEPT,),
                schema="Refresh",
                refuses=(
                    HTTPStatus.BAD_REQUEST,
                    HTTPStatus.UNAUTHORIZED,
                    HTTPStatus.FORBIDDEN,
                    HTTPStatus.TOO_MANY_REQUESTS,
                    HTTPStatus.BAD_GATEWAY,
                    HTTPStatus.SERVICE_UNAVAILABLE,
                ),
                is_protected=True,
            ),
            *self.foreign.routes(),
            *self.manual.routes(),
            *self.model_pages.routes(),
            *self.changes_page.routes(),
            *self.status_page.routes(),
            *self.charts.routes(),
            Route(
                operation="getHealth",
                path="/healthz",
                summary="200 while the process lives",
                tag=SERVICE,
                handler=self.healthz,
                schema="Health",
                headers=FRESHNESS,
            ),
            Route(
                operation="getReadiness",
                path="/readyz",
                summary="200 when there is something to serve; names what is degraded",
                tag=SERVICE,
                handler=self.readyz,
                schema="Readiness",
                headers=FRESHNESS,
                also=(HTTPStatus.SERVICE_UNAVAILABLE,),
            ),
            Route(
                operation="getMetrics",
                path="/metrics",
                summary="Prometheus",
                tag=SERVICE,
                handler=self.metrics_text,
                content_types=("text/plain", "application/openmetrics-text"),
            ),
        ]

    def application(self) -> web.Application:
        """The routes behind the edge."""
        application = Edge(self.metrics, self.version).application(self.routes(), self._stream)
        application.on_startup.append(self.browse.start)
        application.on_shutdown.append(lambda _: self.streams.close())
        application.on_cleanup.append(self.charts.close)
        return application

    async def _stream(self, request: web.Request, opened: Callable[[], None]) -> web.StreamResponse:
        since, wanted = await self.past.stream_start(request)
        self.present.require()  # an error that comes later has no status
        headers: dict[str, str] = {
            hdrs.CACHE_CONTROL: "no-cache",
            hdrs.SERVER: f"model-catalog/{self.version}",
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
        }
        return await self.streams.serve(
            request, since=since, wanted=wanted, headers=headers, on_open=opened
        )


def _asked(request: web.Request, *known: Parameter[Any]) -> Asked:
    return Asked(request.query.items() if request.query_string else (), known)


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
