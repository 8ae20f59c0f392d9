"""One shape for every error: RFC 9457 problems, and OpenAI's own form for its clients."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

OPENAI_PATHS: Final = ("/v1/", "/api/v1/", "/api/gateway/", "/api/openrouter/")
"""Where OpenAI's clients and those that are like them ask, whether or not there is anything."""
_OPENROUTER_PATH: Final = re.compile(r"/(model/|models/(user|count)$|models/.+/endpoints$)")
"""Among those, where only OpenRouter's clients ask."""
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


def shape_for(path: str) -> Callable[[Problem], web.Response]:
    """The form that the clients of a path read."""
    if not path.startswith(OPENAI_PATHS):
        return native
    return openrouter if _OPENROUTER_PATH.search(path) else openai


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
    return _openai(problem, "model_not_found" if _is_unknown_model(problem) else None)


def openrouter(problem: Problem) -> web.Response:
    """The same, but OpenRouter's clients cannot read it unless its code is the status."""
    return _openai(problem, problem.status)


def _openai(problem: Problem, code: str | int | None) -> web.Response:
    error = {
        "message": problem.detail,
        "type": "invalid_request_error" if problem.status < 500 else "server_error",  # noqa: PLR2004
        "param": "model" if _is_unknown_model(problem) else None,
        "code": code,
    }
    return _response(problem, {"error": error}, "application/json; charset=utf-8")


def _is_unknown_model(problem: Problem) -> bool:
    return problem.facts.get("parameter") == "id"


def _response(problem: Problem, body: dict[str, Any], content_type: str) -> web.Response:
    return web.Response(
        status=problem.status,
        body=orjson.dumps(body),
        headers={hdrs.CONTENT_TYPE: content_type} | _NOT_STORED | problem.headers,
    )
