"""One shape for every error: RFC 9457 problems, and OpenAI's own form under `/v1`."""

from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import hdrs, web

from service.errors import UnknownModelError
from service.query import nearest

PROBLEM_TYPE = "application/problem+json"
_NOT_STORED = {hdrs.CACHE_CONTROL: "no-store"}


class Problem(Exception):  # noqa: N818 — RFC 9457's own word
    """An answer that is an error. `facts` become members of the problem."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **facts: object,
    ) -> None:
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.facts = facts
        super().__init__(detail)


class UnknownModelProblem(Problem):
    """404 that names the nearest ids."""

    def __init__(self, wanted: str, known: list[str]) -> None:
        near = nearest(wanted, known) if len(wanted) <= _MAX_ID else []
        error = UnknownModelError(wanted[:_MAX_ID], near)
        super().__init__(HTTPStatus.NOT_FOUND, str(error), parameter="id", nearest=near)


class UnknownParameterProblem(Problem):
    """400 that names the parameter and the nearest valid one."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        near = nearest(name[:_MAX_ID], known, 1)
        valid = f"did you mean {near[0]}?" if near else f"valid: {', '.join(known) or 'none'}"
        super().__init__(
            HTTPStatus.BAD_REQUEST,
            f"unknown query parameter {name[:_MAX_ID]!r}; {valid}",
            parameter=name[:_MAX_ID],
            nearest=near,
        )


_MAX_ID = 300


def native(problem: Problem) -> web.Response:
    """`application/problem+json`."""
    body = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.facts,
    }
    return _response(problem, body, PROBLEM_TYPE)


def openai(problem: Problem) -> web.Response:
    """The form OpenAI's clients read."""
    is_unknown = isinstance(problem, UnknownModelProblem)
    error = {
        "message": problem.detail,
        "type": "invalid_request_error" if problem.status < 500 else "server_error",  # noqa: PLR2004
        "param": "model" if is_unknown else None,
        "code": "model_not_found" if is_unknown else None,
    }
    return _response(problem, {"error": error}, "application/json; charset=utf-8")


def _response(problem: Problem, body: dict[str, Any], content_type: str) -> web.Response:
    return web.Response(
        status=problem.status,
        body=orjson.dumps(body),
        headers={hdrs.CONTENT_TYPE: content_type} | _NOT_STORED | problem.headers,
    )
