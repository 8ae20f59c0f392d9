"""The routes as an OpenAPI 3.1 document."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from service.api.examples import Examples
from service.api.problems import OPENAI_PATHS, PROBLEM_TYPE
from service.api.route import FRESHNESS, JSON, PAGES, PAST, PRESENT, SERVICE, Route, Tag, Validity
from service.api.schemas import COUNT, TEXT, TIME, reference, schemas, sentence
from service.parameters import MAX_VALUES, Parameter

Json = dict[str, Any]

OPENAPI: Final = "3.1.0"
ABOUT: Final = """\
A true, dated, always-available catalog of the models behind an LLM gateway: what they can do, \
what they cost, and what has changed.

**Units.** Prices are USD per million tokens (`image`, `request` and `webSearch`: USD per one). \
Sizes are tokens, times are UTC. `0` says that it costs nothing, `null` that nobody knows.

**Freshness.** Readers get the last known good catalog, whatever the gateway does. \
`Catalog-Revision`, `Catalog-Checked` and `Catalog-Stale` say how fresh it is.

**Caching.** Every read of the catalog has a strong `ETag` for each of zstd, br, gzip and \
identity, and answers `If-None-Match` with 304. `GET` implies `HEAD`, and pages of any origin may \
read.

**Names.** A model is found by its id (`kilo/auto`) or by its ref (`kilocode/kilo/auto`). Ids hold \
`/`, `:` and `~`, which may be escaped or not.

**Pages.** Where an answer has a `next`, that is the address of the next page; so says the header \
`Link`. The last page has `null` there.

**Errors.** They are RFC 9457 problems that name the parameter and the nearest valid value; \
under the paths of OpenAI's clients they have OpenAI's form. Parameters that nobody reads are \
errors under `/catalog`, and ignored where other tools ask.
"""
TOKEN: Final = "adminToken"  # noqa: S105 — the name of the scheme
PLAIN: Final = "text/plain"
_NO_HTTP: Final = "NoHttp"
_FOREIGN_GROUP: Final = "Formats of other tools"
_OWN_GROUP: Final = "The catalog"

_STATUSES: Final[Mapping[int, str]] = {
    303: "A parameter was empty, as forms send what is not filled in: the address without it.",
    304: "What the client has is current: the same headers, no body.",
    400: "A parameter is unknown, repeated or malformed; the answer names it and the nearest. What "
    "is no HTTP, or has a head of more than 8 KiB, is refused in plain text.",
    401: "The token is missing or wrong.",
    403: "No token is set, so this is off.",
    404: "There is no such thing; the answer names the nearest.",
    413: "What is posted is too large.",
    429: "The gateway asked to be left alone for some time.",
    502: "The gateway had no good list. The catalog is as it was.",
    503: "There is no answer yet, or the database cannot be read.",
}
_HEADERS: Final[Mapping[str, tuple[str, Json]]] = {
    "Cache-Control": ("how long it may be kept, and by whom", TEXT),
    "Catalog-Checked": ("when the list was last known to be the gateway's", TIME),
    "Catalog-Omitted": ("models that this format cannot tell truthfully; absent if none", COUNT),
    "Catalog-Revision": ("the catalog's revision; 0 while nothing could be stored", COUNT),
    "Catalog-Stale": ("whether the last good check is too long ago", {"type": "boolean"}),
    "Content-Security-Policy": ("what the page may load", TEXT),
    "ETag": ("names these very bytes", TEXT),
    "Last-Modified": ("when the list last changed; not of the past", TEXT),
    "Link": ('the next page, as `<…>; rel="next"`; absent on the last one', TEXT),
    "Location": ("the address without what was empty", TEXT),
    "Retry-After": ("seconds to wait", COUNT),
    "Vary": ("that it depends on `Accept-Encoding`", TEXT),
    "WWW-Authenticate": ("how to send the token", TEXT),
}
_ALWAYS: Final = frozenset({"ETag", "Location", "Vary", "WWW-Authenticate"})
_OF_VALIDITY: Final[Mapping[Validity, Sequence[str]]] = {
    Validity.PRESENT: ("ETag", "Last-Modified", "Cache-Control", "Vary", *FRESHNESS),
    Validity.PAST: ("ETag", "Cache-Control", "Vary", *FRESHNESS),
    Validity.RELEASE: ("ETag", "Cache-Control", "Vary"),
    Validity.MOMENT: ("Cache-Control",),
}
_OF_REFUSAL: Final[Mapping[HTTPStatus, Sequence[str]]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}
IF_NONE_MATCH: Final = Parameter(
    name="If-None-Match",
    meaning="what the client has already; if that is current, the answer is 304",
    accepts="tags as `ETag` says, or *",
    parse=str,
)


def document(routes: Iterable[Route], version: str, *, address: str, public_url: str) -> Json:
    """All that is declared, as OpenAPI 3.1.

    `address` is where the samples ask; `public_url` is empty where the service does not know at
    which address others reach it, so that clients go by the document's own.
    """
    told = tuple(routes)
    return _Writer(told, Examples(version), address).document(version, public_url)


class _Writer:
    """Holds what the parts of a document share."""

    def __init__(self, routes: Sequence[Route], examples: Examples, address: str) -> None:
        self._routes = routes
        self._examples = examples
        self._address = address
        self._shared = _shared(routes)

    def document(self, version: str, public_url: str) -> Json:
        """The whole."""
        paths: dict[str, Json] = {}
        for route in self._routes:
            paths.setdefault(route.plain_path, {})[route.method.lower()] = self._operation(route)
        own = (PRESENT, PAST, PAGES, SERVICE)
        tags = list(dict.fromkeys([*own, *(route.tag for route in self._routes)]))
        return {
            "openapi": OPENAPI,
            "info": {
                "title": "Model catalog",
                "version": version,
                "description": ABOUT,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": public_url or "/"}],
            "security": [],
            "tags": [{"name": tag.title, "description": tag.meaning} for tag in tags],
            "x-tagGroups": _groups(tags),
            "paths": paths,
            "components": self._components(),
        }

    def _components(self) -> Json:
        parameters = [one for route in self._routes for one in (*route.parameters, *route.reads)]
        return {
            "schemas": schemas(),
            "parameters": {
                **{
                    self._shared[id(one)]: _query(one) for one in parameters if self._is_shared(one)
                },
                IF_NONE_MATCH.name: _header_parameter(IF_NONE_MATCH),
            },
            "headers": {name: _header(name) for name in _HEADERS},
            "responses": dict(self._refusals()),
            "securitySchemes": {
                TOKEN: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of `MODEL_CATALOG_ADMIN_TOKEN`.",
                }
            },
        }

    def _is_shared(self, parameter: Parameter[Any]) -> bool:
        return id(parameter) in self._shared

    # ── an operation ──────────────────────────────────────────────────────────────────────────

    def _operation(self, route: Route) -> Json:
        made: Json = {
            "operationId": route.operation,
            "summary": sentence(route.summary).removesuffix("."),
            "tags": [route.tag.title],
        }
        if route.note:
            made["description"] = route.note
        if route.alias_of:
            made["x-alias-of"] = route.alias_of
        if parameters := list(self._parameters(route)):
            made["parameters"] = parameters
        if route.posts:
            made["requestBody"] = _posted(route)
        if route.is_protected:
            made["security"] = [{TOKEN: []}]
        made["responses"] = dict(self._responses(route))
        source = sample(route, self._address)
        made["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": source}]
        return made

    def _parameters(self, route: Route) -> Iterator[Json]:
        for place in route.places:
            yield _parameter(place, "path")
        for one in route.parameters:
            if self._is_shared(one):
                yield {"$ref": f"#/components/parameters/{self._shared[id(one)]}"}
            else:
                yield _query(one)
        for one in route.reads:
            yield _header_parameter(one)
        if route.is_conditional:
            yield {"$ref": f"#/components/parameters/{IF_NONE_MATCH.name}"}

    def _responses(self, route: Route) -> Iterator[tuple[str, Json]]:
        headers = _references((*_OF_VALIDITY[route.validity], *route.headers))
        content = self._content(route)
        good = {"description": sentence(route.summary), "headers": headers, "content": content}
        yield "200", good
        if route.is_conditional:
            yield "304", {"description": _STATUSES[304], "headers": headers}
        if route.is_form:
            told = _references(("Cache-Control", "Location"))
            yield "303", {"description": _STATUSES[303], "headers": told}
        for status in sorted({*route.refuses, *route.also, HTTPStatus.BAD_REQUEST}):
            if status in route.also:
                yield str(int(status)), self._also(route, status)
            else:
                name = _refusal(route, status) if status in route.refuses else _NO_HTTP
                yield str(int(status)), {"$ref": f"#/components/responses/{name}"}

    def _also(self, route: Route, status: HTTPStatus) -> Json:
        """Told in the form of a good answer; where that is a page, there may be none to be had."""
        is_page = JSON not in route.content_types
        content = {
            kind: {"schema": media["schema"]} for kind, media in self._content(route).items()
        }
        return {
            "description": _STATUSES[status],
            "headers": _references(("Cache-Control", *FRESHNESS, *route.headers)),
            "content": content | (dict(self._refused(route, status)) if is_page else {}),
        }

    def _content(self, route: Route) -> Json:
        body = None if route.alias_of else self._examples.answer(route)
        schema = TEXT
        if route.content_types[0] == JSON:
            schema = reference(route.schema) if route.schema else self._free(route)
        content: dict[str, Json] = {kind: {"schema": schema} for kind in route.content_types}
        if JSON in route.content_types[1:]:
            content[JSON] = {"schema": {"type": "object", "description": "The same as an object."}}
        if body:
            example = json.loads(body) if JSON in route.content_types else body.decode()
            content[route.content_types[0]]["example"] = example
        return content

    def _free(self, route: Route) -> Json:
        """What another tool's format is: that is theirs to say, but for an object or a list."""
        body = self._examples.answer(route) or b"{}"
        kind = "array" if isinstance(json.loads(body), list) else "object"
        return {"type": kind, "description": f"In the format of {route.tag.title}."}

    # ── refusals ──────────────────────────────────────────────────────────────────────────────

    def _refusals(self) -> Iterator[tuple[str, Json]]:
        """Each once, by its name."""
        told = "What is no HTTP, or has a head of more than 8 KiB, is refused in plain text."
        yield _NO_HTTP, {"description": told, "content": {PLAIN: {"schema": TEXT}}}
        found = {_refusal(r, status): (r, status) for r in self._routes for status in r.refuses}
        for name, (route, status) in sorted(found.items()):
            headers = _references(("Cache-Control", *_OF_REFUSAL.get(status, ())))
            yield (
                name,
                {
                    "description": _STATUSES[status],
                    "headers": headers,
                    "content": dict(self._refused(route, status)),
                },
            )

    def _refused(self, route: Route, status: HTTPStatus) -> Iterator[tuple[str, Json]]:
        is_openai = _is_openai(route)
        media: Json = {"schema": reference("OpenAIError" if is_openai else "Problem")}
        if example := self._examples.refusal(status, route.plain_path):
            media["example"] = json.loads(example)
        yield JSON if is_openai else PROBLEM_TYPE, media
        if status is HTTPStatus.BAD_REQUEST:
            yield PLAIN, {"schema": TEXT}


def _is_openai(route: Route) -> bool:
    return route.path.startswith(OPENAI_PATHS)


def _refusal(route: Route, status: HTTPStatus) -> str:
    words = status.phrase.replace("-", " ").split()
    return "".join(word.capitalize() for word in words) + ("OfOpenAI" if _is_openai(route) else "")


def _groups(tags: Sequence[Tag]) -> list[Json]:
    named = ((_OWN_GROUP, False), (_FOREIGN_GROUP, True))
    return [
        {"name": name, "tags": [tag.title for tag in tags if tag.is_foreign is is_foreign]}
        for name, is_foreign in named
    ]


# ── parameters and headers ────────────────────────────────────────────────────────────────────


def _shared(routes: Iterable[Route]) -> Mapping[int, str]:
    """What parameters that several routes have are called: by their name, if it is theirs alone."""
    first: dict[int, tuple[Route, Parameter[Any]]] = {}
    uses = Counter[int]()
    for route in routes:
        for one in route.parameters:
            first.setdefault(id(one), (route, one))
            uses[id(one)] += 1
    shared = {key: found for key, found in first.items() if uses[key] > 1}
    names = Counter(one.name for _, one in shared.values())
    return {
        key: one.name if names[one.name] == 1 else f"{route.operation}.{one.name}"
        for key, (route, one) in shared.items()
    }


def _query(one: Parameter[Any]) -> Json:
    made = _parameter(one, "query")
    if one.is_many:
        made["description"] += " Several are separated by commas; it may be repeated, too."
        made["style"], made["explode"] = "form", False
        made["schema"] = {
            "type": "array",
            "items": dict(one.schema),
            "minItems": 1,
            "maxItems": MAX_VALUES,
        }
        if one.example:
            made["example"] = one.example.split(",")
    return made


def _header_parameter(one: Parameter[Any]) -> Json:
    return _parameter(one, "header")


def _parameter(one: Parameter[Any], place: str) -> Json:
    made: Json = {
        "name": one.name,
        "in": place,
        "description": f"{sentence(one.meaning)} Accepts: {one.accepts}.",
        "schema": dict(one.schema),
        "x-meaning": sentence(one.meaning),
        "x-accepts": one.accepts,
    }
    if one.is_required or place == "path":
        made["required"] = True
    if one.example:
        is_number = one.schema.get("type") == "integer"
        made["example"] = int(one.example) if is_number else one.example
    return made


def _posted(route: Route) -> Json:
    members = {
        one.name: {"type": "string", "minLength": 1, "description": sentence(one.meaning)}
        for one in route.posts
    }
    schema = {
        "type": "object",
        "properties": members,
        "anyOf": [{"required": [name]} for name in members],
    }
    return {"required": True, "content": {JSON: {"schema": schema}}}


def _header(name: str) -> Json:
    meaning, schema = _HEADERS[name]
    made: Json = {"description": sentence(meaning), "schema": schema}
    return made | ({"required": True} if name in _ALWAYS else {})


def _references(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


# ── samples ───────────────────────────────────────────────────────────────────────────────────


def path_of(route: Route) -> str:
    """Its path, filled with examples."""
    return route.plain_path.format_map(
        {place.name: quote(place.example, safe="/") for place in route.places}
    )


def sample(route: Route, address: str) -> str:
    """A command that asks it."""
    address = f"{address}{path_of(route)}{'?' if route.sample else ''}{route.sample}"
    words = ["curl -s"]
    if route.is_protected:
        words += ["-X POST", '-H "Authorization: Bearer $MODEL_CATALOG_ADMIN_TOKEN"']
    if route.posts:
        words.append(f"--json '{json.dumps({route.posts[0].name: 'kilo/auto'})}'")
    if route.handler is None:
        words.append("-N")
    return " ".join([*words, f"'{address}'"])
