"""The OpenAPI document says what is served, and nothing else: held to the routes and to answers."""

import gzip
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus
from typing import Any, Final, cast

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

import fixtures
from fixtures.replay import Fault, ReplayGateway
from service.api.openapi import IF_NONE_MATCH, path_of
from service.api.route import Route
from service.api.routes import Api
from service.catalog import Outcome, Reason, Refresh
from service.config import Settings
from service.dialects import DIALECTS
from service.errors import StorageError
from service.fields import FIELDS
from service.history import History
from service.pages import site
from service.parameters import Asked
from service.present import Present
from service.query.filters import FILTERS
from tests.support import Answer, Client, Clock, Running, client_of, running_service

Json = dict[str, Any]

OPENAPI: Final = "/openapi.json"
URI: Final = "urn:document"
ADMIN: Final = {"Authorization": "Bearer let-me-in"}
OF_THE_SERVER: Final = {
    *("Date", "Server", "Content-Type", "Content-Length", "Content-Encoding"),
    *("Access-Control-Allow-Origin", "Access-Control-Expose-Headers"),
    *("X-Content-Type-Options", "Referrer-Policy", "Retry-After"),
}
"""Headers that any HTTP server sends, or that say nothing of the API."""


@pytest.fixture
async def client(running: Running, gateway: ReplayGateway) -> Client:
    """A client of a service that has a past: a second list, and a refresh that failed."""
    await running.service.refresher.run()
    gateway.serve(fixtures.path("kilo-2026-11-01.json"))
    await running.service.refresher.run()
    gateway.play(Fault.error(500))
    await running.service.refresher.run()
    return running.client


@pytest.fixture
async def told(october: Running) -> Json:
    """The document as it is served."""
    async with client_of(october.client.url) as client:
        found: Json = await client.json(OPENAPI)
    return found


@pytest.fixture
def routes(october: Running) -> list[Route]:
    return list(october.service.api().routes())


# ── reading the document ──────────────────────────────────────────────────────────────────────


def resolved(told: Json, said: Json) -> Json:
    """What stands where a reference points to."""
    if "$ref" not in said:
        return said
    found: Any = told
    for step in said["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return resolved(told, found)


def operations(told: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in told["paths"].items():
        for method, said in item.items():
            yield method.upper(), path, said


def operation(told: Json, route: Route) -> Json:
    found: Json = told["paths"][route.plain_path][route.method.lower()]
    return found


def response(told: Json, route: Route, status: int) -> Json:
    said = operation(told, route)["responses"]
    assert str(status) in said, (route.operation, status)
    return resolved(told, said[str(status)])


def strict(schema: Any) -> Any:
    """The same schema, but nothing is allowed that it does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(part) for name, part in schema.items()}
    if isinstance(made.get("properties"), dict) and "type" in made:
        made.setdefault("additionalProperties", False)
    return made


@cache
def registry(text: str) -> Registry[Any]:
    """The schemas of a document, strictly."""
    document = strict(json.loads(text.replace('"#/components/', '"#/'))) | {"$id": URI}
    resource = DRAFT202012.create_resource(document)
    made: Registry[Any] = Registry().with_resource(URI, resource)
    return made


def validator(told: Json, schema: Json) -> Draft202012Validator:
    """Of a schema in the document. What it does not name is an error, as are wrong formats."""
    known = registry(json.dumps(told["components"]))
    schema = json.loads(json.dumps(strict(schema)).replace('"#/components/', f'"{URI}#/'))
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema, registry=known, format_checker=checker)


def assert_as_told(told: Json, route: Route, answer: Answer) -> None:
    """Status, type, headers and body are those of the document."""
    said = response(told, route, answer.status)
    where = (route.operation, answer.status)
    content_type = answer.headers.get("Content-Type", "").partition(";")[0]
    assert {content_type} - {""} <= said.get("content", {"": {}}).keys(), where
    headers = {name for name, _ in answer.headers.items()} - OF_THE_SERVER
    documented = {name: resolved(told, header) for name, header in said["headers"].items()}
    assert {name.lower() for name in headers} <= {name.lower() for name in documented}, where
    for name, header in documented.items():
        assert name in answer.headers or not header.get("required"), (where, name)
        if name in answer.headers:
            value: Any = answer.headers[name]
            if header["schema"]["type"] != "string":
                value = json.loads(value)
            validator(told, header["schema"]).validate(value)
    if content_type in {"application/json", "application/problem+json"}:
        validator(told, said["content"][content_type]["schema"]).validate(answer.json())


def target(route: Route, query: str = "") -> str:
    return path_of(route) + (f"?{query}" if query else "")


# ── the document ──────────────────────────────────────────────────────────────────────────────


async def test_the_document_is_valid(told: Json) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(told).iter_errors()] == []


async def test_every_route_is_in_the_document_and_no_other(told: Json, routes: list[Route]) -> None:
    assert [(method, path, said["operationId"]) for method, path, said in operations(told)] == [
        (route.method, route.plain_path, route.operation) for route in routes
    ]


async def test_every_operation_has_a_name_of_its_own_that_can_be_a_methods(told: Json) -> None:
    names = [said["operationId"] for _, _, said in operations(told)]

    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == []


async def test_every_parameter_is_in_the_document_and_no_other(
    told: Json, routes: list[Route]
) -> None:
    for route in routes:
        found = {
            (said["in"], said["name"]): said
            for said in (
                resolved(told, one) for one in operation(told, route).get("parameters", [])
            )
        }
        known = {("query", one.name): one for one in route.parameters}
        known |= {("path", one.name): one for one in route.places}
        known |= {("header", one.name): one for one in route.reads}
        if route.is_conditional:
            known["header", IF_NONE_MATCH.name] = IF_NONE_MATCH
        assert found.keys() == known.keys(), route.operation
        for key, one in known.items():
            said = found[key]
            assert said["x-accepts"] == one.accepts
            assert one.meaning[1:] in said["description"]
            assert one.accepts in said["description"]
            assert said.get("required", False) is one.is_required
            assert said["schema"] == (
                {"type": "array", "items": one.schema, "minItems": 1, "maxItems": 100}
                if one.is_many
                else one.schema
            )


async def test_every_filter_is_told_with_its_words(told: Json) -> None:
    for path in ("/catalog/models", "/catalog/facets", "/catalog/pick"):
        said = [resolved(told, one) for one in told["paths"][path]["get"]["parameters"]]
        by_name = {one["name"]: one for one in said}
        for one in FILTERS:
            text = by_name[one.name]["description"]
            assert [word for word in one.words if word not in text] == [], one.name


async def test_every_example_of_a_parameter_is_one_that_it_takes(
    told: Json, routes: list[Route]
) -> None:
    for route in routes:
        for one in route.parameters:
            if one.example:
                Asked([(one.name, one.example)], [one]).many(one)
        for said in operation(told, route).get("parameters", []):
            parameter = resolved(told, said)
            if "example" in parameter:
                validator(told, parameter["schema"]).validate(parameter["example"])


async def test_the_schema_of_a_model_has_every_field_and_what_it_means(told: Json) -> None:
    schemas = told["components"]["schemas"]
    model, cost = schemas["Model"]["properties"], schemas["Cost"]["properties"]

    below = {f"cost.{name}": said for name, said in cost.items()}
    flat = [*(name for name in model if name != "cost"), *below]
    assert sorted(flat) == sorted(FIELDS)
    for path, field in FIELDS.items():
        said = below.get(path) or model[path]
        assert field.meaning[1:] in said["description"]
        assert ("null" in said["type"]) is not field.is_known
        assert said.get("enum", []) == list(field.words)


async def test_every_example_of_an_answer_is_one(told: Json) -> None:
    count = 0
    for _, _, said in operations(told):
        for answer in said["responses"].values():
            for media in resolved(told, answer).get("content", {}).values():
                if "example" in media:
                    validator(told, media["schema"]).validate(media["example"])
                    count += 1
    assert count > 50


async def test_every_tag_is_described_and_is_in_one_group(told: Json) -> None:
    names = [tag["name"] for tag in told["tags"]]

    assert {said["tags"][0] for _, _, said in operations(told)} == set(names)
    assert sorted(name for group in told["x-tagGroups"] for name in group["tags"]) == sorted(names)
    for dialect in DIALECTS:
        (tag,) = (tag for tag in told["tags"] if tag["name"] == dialect.title)
        assert dialect.readers in tag["description"]


async def test_a_path_that_is_the_same_as_another_says_so(told: Json) -> None:
    aliases = {
        path: said["x-alias-of"] for _, path, said in operations(told) if "x-alias-of" in said
    }

    assert aliases["/api/v1/models"] == "getV1Models"
    assert aliases["/model/info"] == "getV1ModelInfo"


async def test_only_what_an_operator_does_needs_a_token(told: Json) -> None:
    assert told["security"] == []
    assert {path for _, path, said in operations(told) if said.get("security")} == {
        "/catalog/refresh"
    }


async def test_a_document_names_the_address_that_is_configured(settings: Settings) -> None:
    known = settings.model_copy(update={"public_url": "https://models.example/catalog"})
    async with running_service(known) as running:
        told = await running.client.json(OPENAPI)

    assert told["servers"] == [{"url": "https://models.example/catalog"}]
    assert "https://models.example/catalog/catalog/status" in json.dumps(told)


async def test_a_document_leads_nowhere_else_where_no_address_is_configured(told: Json) -> None:
    assert told["servers"] == [{"url": "/"}]


# ── what is answered is what is told ──────────────────────────────────────────────────────────


def readable(routes: list[Route]) -> list[Route]:
    """What can be read to its end."""
    return [route for route in routes if route.method == "GET" and route.handler]


async def test_every_answer_of_every_route_is_as_the_document_says(
    client: Client, told: Json, routes: list[Route]
) -> None:
    asset = f"/static/{site.assets()['site.css'].address}"
    for route in readable(routes):
        needed = route.sample if route.operation == "compare" else ""
        for query in {needed, route.sample}:
            path = asset if "{file}" in route.path else target(route, query)
            answer = await client.get(path)
            assert answer.status == 200, (path, answer)
            assert_as_told(told, route, answer)
            if route.is_conditional:
                same = await client.get(path, if_none_match=answer.headers["ETag"])
                assert same.status == 304
                assert_as_told(told, route, same)


QUESTIONS: Final = (
    "/catalog/models?status=removed,missing",
    "/catalog/models?limit=1",
    "/catalog/models?fields=cost,id",
    "/catalog/models?at=1",
    "/catalog/models?at=1&fields=cost.input",
    "/catalog/models?q=nothing-like-it",
    "/catalog/facets?tools=unknown&createdAfter=30d",
    "/catalog/pick?prefer=gateway-preferred&limit=100",
    "/catalog/pick?q=zzzz",
    "/catalog/changes?limit=1",
    "/catalog/changes?since=2",
    "/catalog/changes?limit=1000",
    "/catalog/history/orrery/meridian-5?limit=1",
    "/catalog/diff?from=1&to=1",
    "/catalog/refreshes?limit=1",
    "/catalog/revisions?limit=1&before=2",
    "/v1/models?limit=1&offset=1",
    "/metrics",
)


async def test_answers_to_all_kinds_of_questions_are_as_the_document_says(
    client: Client, told: Json, routes: list[Route]
) -> None:
    by_path = {route.plain_path: route for route in routes}
    for question in QUESTIONS:
        path = question.partition("?")[0]
        route = by_path.get(path) or by_path["/catalog/history/{id}"]
        answer = await client.get(question)
        assert answer.status == 200, question
        assert_as_told(told, route, answer)


async def test_every_row_of_a_list_has_all_members_unless_some_are_chosen(
    client: Client, told: Json
) -> None:
    model = validator(told, {"$ref": "#/components/schemas/Model"})

    for row in (await client.json("/catalog/models?status=active,missing,removed"))["data"]:
        model.validate(row)


async def test_a_stream_is_as_the_document_says(
    client: Client, told: Json, routes: list[Route]
) -> None:
    (route,) = (route for route in routes if route.handler is None)

    answer = await client.ask("HEAD", route.path)

    assert answer.status == 200
    assert_as_told(told, route, answer)


# ── refusals ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Scene:
    """A service that refuses things, and others that refuse everything."""

    client: Client
    starting: Client
    """Of a service that has nothing to serve yet."""
    lost: Client
    """Of one that in addition cannot read its database."""
    locked: Client
    """Of one without a token."""
    waiting: Client
    """Of one whose gateway wants to be left alone."""
    forgetful: Client
    """Of one that cannot store anything."""
    away: Client
    """Of one whose gateway is away."""


class Lost:
    """A history that cannot be read."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def lost(*asked: object, **named: object) -> Any:
            raise StorageError(f"{name} of {asked}, {named}")

        return lost


class Sent:
    """An operator whose refresh always ends like this."""

    def __init__(self, outcome: Outcome, reason: Reason, wait_seconds: float = 0) -> None:
        self.wait_seconds = wait_seconds
        self._refresh = Refresh(
            source="kilocode", at=Clock().at, duration_ms=1, outcome=outcome, reason=reason
        )

    async def refresh(self, *, accept_held: bool) -> Refresh:
        del accept_held
        return self._refresh


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[Client]:
    runner = web.AppRunner(api.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with client_of(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.fixture
async def scene(running: Running) -> AsyncIterator[Scene]:
    await running.service.refresher.run()
    api = running.service.api()
    starting = replace(running.service, present=Present(stale_after_seconds=60)).api()
    lost = replace(starting, past=replace(starting.past, history=cast("History", Lost())))
    failed = Outcome.FAILED
    variants = {
        "starting": starting,
        "lost": lost,
        "locked": replace(api, admin_token=None),
        "waiting": replace(api, operator=Sent(failed, Reason.DNS, wait_seconds=9)),
        "forgetful": replace(api, operator=Sent(failed, Reason.STORAGE)),
        "away": replace(api, operator=Sent(failed, Reason.DNS)),
    }
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(serving(variant))
            for name, variant in variants.items()
        }
        yield Scene(client=running.client, **clients)


POSTED: Final = {
    HTTPStatus.BAD_REQUEST: b"[]",
    HTTPStatus.NOT_FOUND: b'{"model": "nothing"}',
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: b" " * 2000,
    HTTPStatus.SERVICE_UNAVAILABLE: b'{"model": "kilo/auto"}',
}


async def refused(scene: Scene, route: Route, status: HTTPStatus) -> Answer:
    """The answer of a route when it is asked for something that it refuses so."""
    clients = {
        HTTPStatus.FORBIDDEN: scene.locked,
        HTTPStatus.TOO_MANY_REQUESTS: scene.waiting,
        HTTPStatus.BAD_GATEWAY: scene.away,
        HTTPStatus.SERVICE_UNAVAILABLE: scene.forgetful if route.is_protected else scene.lost,
    }
    queries = {HTTPStatus.BAD_REQUEST: "nothing=1", HTTPStatus.NOT_FOUND: "after_id=nothing"}
    path = target(route, queries.get(status, "from=1" if route.operation == "compare" else ""))
    if status is HTTPStatus.NOT_FOUND and route.places:
        path = route.plain_path.format_map({place.name: "nothing" for place in route.places})
    return await clients.get(status, scene.client).ask(
        route.method,
        path,
        ADMIN if route.is_protected and status is not HTTPStatus.UNAUTHORIZED else {},
        POSTED[status] if route.posts else None,
    )


async def test_every_refusal_of_every_route_is_as_the_document_says(
    scene: Scene, told: Json, routes: list[Route]
) -> None:
    for route in routes:
        for status in (*route.refuses, *route.also):
            answer = await refused(scene, route, status)
            assert answer.status == status, (route.operation, answer)
            assert_as_told(told, route, answer)


async def test_what_has_no_refusal_in_the_document_refuses_no_query(
    client: Client, routes: list[Route]
) -> None:
    for route in readable(routes):
        if HTTPStatus.BAD_REQUEST not in {*route.refuses, *route.also}:
            answer = await client.get(target(route, "nothing=1&limit=x&q=%ff"))
            assert answer.status == 200, route.operation


# ── how it is served ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [OPENAPI, "/docs"])
async def test_it_is_served_before_there_is_a_catalog_and_in_every_coding(
    scene: Scene, path: str
) -> None:
    plain = await scene.starting.get(path)
    zipped = await scene.starting.get(path, accept_encoding="gzip")

    assert gzip.decompress(zipped.body) == plain.body
    assert zipped.headers["ETag"] != plain.headers["ETag"]
    assert plain.headers["Cache-Control"] == "public, no-cache"
