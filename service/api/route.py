"""What a route is: a path, who answers it, and all that its documentation says."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from service.parameters import Parameter

Handler = Callable[[web.Request], web.Response | Awaitable[web.Response]]
"""Most answers are there already, so most handlers do not wait for anything."""

JSON: Final = "application/json"


FRESHNESS: Final = ("Catalog-Revision", "Catalog-Checked", "Catalog-Stale")
"""Headers that say how fresh the catalog is."""


class Validity(Enum):
    """How long an answer holds, which decides what its headers say."""

    PRESENT = auto()
    """As long as the snapshot: it has an ETag, a date, and says how fresh the catalog is."""
    PAST = auto()
    """Until the history grows, or for ever: it has an ETag, but no date."""
    RELEASE = auto()
    """Until another release of this service is started: it has an ETag."""
    MOMENT = auto()
    """Only now: it is never stored."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A group of routes."""

    title: str
    meaning: str
    is_foreign: bool = False
    """Whether it is a format of other tools."""


PRESENT: Final = Tag(
    "The present",
    "The catalog as it is now, answered from memory whatever the gateway does.",
)
PAST: Final = Tag(
    "The past",
    "What was and what changed. Nothing is forgotten: every version of every model is kept.",
)
PAGES: Final = Tag(
    "Pages",
    "The same for people. They work without scripts, and nothing of them comes from elsewhere.",
)
SERVICE: Final = Tag(
    "The service",
    "How the service is, what an operator can do, and what documents it.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path. What is declared here is what is served, and what the OpenAPI document says."""

    operation: str
    """What a client made from the OpenAPI document calls it."""
    path: str
    """A pattern of aiohttp."""
    summary: str
    tag: Tag
    alias_of: str = ""
    """The operation that is the same at another path."""
    note: str = ""
    """What else there is to say, in paragraphs; `code` stands in backticks."""
    handler: Handler | None = None
    """None for the stream of changes, which has an edge of its own."""
    method: str = "GET"
    parameters: Sequence[Parameter[Any]] = ()
    reads: Sequence[Parameter[Any]] = ()
    """Headers of the request that matter to it, beside those that matter to many."""
    posts: Sequence[Parameter[Any]] = ()
    """Members of the JSON object that is posted, of which it wants one."""
    sample: str = ""
    """A query to show it by."""
    schema: str | None = None
    """Name of the answer's schema; None where its form is not ours to say."""
    content_types: Sequence[str] = (JSON,)
    validity: Validity = Validity.MOMENT
    headers: Sequence[str] = ()
    """Headers of the answer, beside those that its validity brings."""
    is_form: bool = False
    """Whether a form of a page asks it, which without script sends its empty fields, too."""
    also: Sequence[HTTPStatus] = ()
    """Statuses of its errors that are told in the form of a good answer."""
    refuses: Sequence[HTTPStatus] = ()
    """Statuses of its other errors."""
    is_protected: bool = False
    """Whether it wants the admin token."""

    @property
    def plain_path(self) -> str:
        """`/v1/models/{id:.+}` → `/v1/models/{id}`."""
        return plain(self.path)

    @property
    def places(self) -> list[Parameter[Any]]:
        """What its path has to be filled with."""
        return [PLACES[name] for name in re.findall(r"\{(\w+)", self.path)]

    @property
    def is_conditional(self) -> bool:
        """Whether it has an ETag, and a 304."""
        return self.validity is not Validity.MOMENT


def plain(pattern: str) -> str:
    """A pattern without the expressions that its names stand for."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", pattern)


_SLASHES: Final = (
    "It may hold slashes. They can be sent as they are or as `%2F`, and both find the same model; "
    "OpenAPI 3.1 has no word for the first form, so clients that are made from this document "
    "send the second."
)


def _place(name: str, meaning: str, accepts: str, example: str) -> Parameter[str]:
    return Parameter(
        name=name,
        meaning=meaning,
        accepts=accepts,
        parse=str,
        example=example,
        schema={"type": "string", "minLength": 1},
        is_required=True,
    )


PLACES: Final[Mapping[str, Parameter[Any]]] = {
    place.name: place
    for place in (
        _place("id", f"the model. {_SLASHES}", "an id or a ref", "kilo/auto"),
        _place("author", "the model's author", "an id up to its first slash", "kilo"),
        _place("slug", f"the model. {_SLASHES}", "an id behind its first slash", "auto"),
        _place(
            "provider",
            "how the tool that reads this is to call the provider",
            "any word",
            "openrouter",
        ),
        _place(
            "chart",
            "a chart, and how it is told",
            "a name, a dot, and svg, png or json",
            "prices.json",
        ),
        _place("file", "a file of these pages", "a name that a page links to", "site.css"),
    )
}
"""What stands for a part of a path, by its name there."""
