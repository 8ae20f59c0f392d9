"""What a route is: a path, who answers it, and all that its documentation says."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from service.parameters import Parameter

Handler = Callable[[web.Request], web.Response | Awaitable[web.Response]]
"""Most answers are there already, so most handlers do not wait for anything."""

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path. What is declared here is what is served, and what the OpenAPI document says."""

    path: str
    """A pattern of aiohttp."""
    summary: str
    tag: str
    handler: Handler | None = None
    """None for the stream of changes, which has an edge of its own."""
    method: str = "GET"
    parameters: Sequence[Parameter[Any]] = ()
    posts: Sequence[Parameter[Any]] = ()
    """Members of the JSON object that is posted."""
    schema: str | None = None
    """Name of the answer's schema; None where its form is not ours to say."""
    content_type: str = JSON
    refuses: Sequence[HTTPStatus] = ()
    """Statuses of its errors, beside those that every route has."""
    is_conditional: bool = False
    """Whether it has an ETag, and a 304."""
    is_protected: bool = False
    """Whether it wants the admin token."""

    @property
    def plain_path(self) -> str:
        """`/v1/models/{id:.+}` → `/v1/models/{id}`."""
        return plain(self.path)

    @property
    def names(self) -> list[str]:
        """What its path has to be filled with."""
        return re.findall(r"\{(\w+)", self.path)


def plain(pattern: str) -> str:
    """A pattern without the expressions that its names stand for."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", pattern)
