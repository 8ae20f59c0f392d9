"""`/docs`: the OpenAPI document as a page, whole, inert and readable without anything else."""

import json
import subprocess
import sys
from itertools import pairwise
from typing import Any, Final

import pytest

from service.pages import reference, site
from tests.markup import Element, assert_inert, read
from tests.support import Client, Running

Json = dict[str, Any]

DOCS: Final = "/docs"


@pytest.fixture
def client(running: Running) -> Client:
    return running.client


@pytest.fixture
async def told(client: Client) -> Json:
    found: Json = await client.json("/openapi.json")
    return found


@pytest.fixture
async def page(client: Client) -> Element:
    return read((await client.get(DOCS)).body)


def operations(told: Json) -> list[tuple[str, str, Json]]:
    return [
        (path, method.upper(), said)
        for path, item in told["paths"].items()
        for method, said in item.items()
    ]


def resolved(told: Json, said: Json) -> Json:
    if "$ref" not in said:
        return said
    found: Any = told
    for step in said["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return resolved(told, found)


async def test_every_operation_is_told_or_named_where_its_like_is(
    page: Element, told: Json
) -> None:
    for path, method, said in operations(told):
        if alias := said.get("x-alias-of"):
            assert path in page.one("article", id=alias).one(class_="aliases").text
            continue
        article = page.one("article", id=said["operationId"])
        assert article.one("h3").text.startswith(f"{method} {path}")
        assert article.one(class_="sample").text == said["x-codeSamples"][0]["source"]
        for status in said["responses"]:
            assert status in [one.text for one in article.find(class_="status")]


async def test_every_parameter_has_a_row_that_says_what_it_takes(page: Element, told: Json) -> None:
    for _, _, said in operations(told):
        parameters = [resolved(told, one) for one in said.get("parameters", [])]
        if not parameters or "x-alias-of" in said:
            continue
        table = page.one("article", id=said["operationId"]).one("table", class_="parameters")
        rows = {row.one("th").one("code").text: row.text for row in table.one("tbody").find("tr")}
        for one in parameters:
            assert one["x-accepts"].replace("`", "") in rows[one["name"]]
            assert one["x-meaning"].replace("`", "") in rows[one["name"]]


async def test_every_header_of_an_answer_is_named(page: Element, told: Json) -> None:
    for _, _, said in operations(told):
        if "x-alias-of" not in said:
            text = page.one("article", id=said["operationId"]).text
            for response in said["responses"].values():
                for name in resolved(told, response).get("headers", {}):
                    assert name in text


async def test_every_schema_and_member_is_told(page: Element, told: Json) -> None:
    for name, schema in told["components"]["schemas"].items():
        article = page.one("article", id=f"schema-{name}")
        members = [row.one("th").text for row in article.one("tbody").find("tr")]
        assert [member for member in members if "." not in member] == list(schema["properties"])


async def test_every_link_of_the_page_leads_somewhere(page: Element, client: Client) -> None:
    ids = {one.attributes["id"] for one in page.all if "id" in one.attributes}

    for href in page.hrefs:
        if href.startswith("#"):
            assert href[1:] in ids
        else:
            answer = await client.get(href.removeprefix("."))
            assert answer.status == 200, href


async def test_the_page_has_landmarks_and_headings_in_order(page: Element) -> None:
    assert [one.tag for one in page.all if one.tag in {"main", "footer"}] == ["main", "footer"]
    assert all(one.attributes["aria-label"] for one in page.find("nav"))
    assert page.one(class_="skip").attributes["href"] == f"#{page.one('main').attributes['id']}"
    levels = [int(one.tag[1]) for one in page.all if one.tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    for table in page.find("table"):
        assert table.one("caption").text
        assert all(one.attributes["scope"] for one in table.find("th"))


async def test_nothing_of_the_page_comes_from_elsewhere(client: Client, page: Element) -> None:
    answer = await client.get(DOCS)

    assert_inert(page)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    for one in page.all:
        for name in ("src", "href"):
            assert "://" not in one.attributes.get(name, "")


async def test_what_stands_in_the_document_stands_on_the_page_as_text(told: Json) -> None:
    harm = "<script>alert('&')</script>"
    told["paths"]["/healthz"]["get"]["summary"] = harm
    told["info"]["description"] = f"`{harm}` **{harm}**"
    told["components"]["schemas"]["Health"]["description"] = harm

    page = read(reference.page(told, harm))

    assert_inert(page)
    assert harm in page.one("article", id="getHealth").text
    assert page.one("section", id="conventions").text.endswith(f"{harm} {harm}")
    assert harm in page.one("footer").text


async def test_a_file_of_the_page_is_kept_for_ever_as_its_name_changes_with_it(
    client: Client, page: Element
) -> None:
    (address,) = (one.attributes["href"] for one in page.find("link", rel="stylesheet"))

    answer = await client.get(address.removeprefix("."))
    other = await client.get("/static/site.0000000000.css")

    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert other.status == 404
    assert answer.body == site.assets()["site.css"].body


async def test_no_other_file_is_served(client: Client) -> None:
    for name in ("site.css", "..%2Fsite.py", "%2e%2e/site.py", "../templates/base.html", "%00"):
        assert (await client.get(f"/static/{name}")).status == 404


def test_a_start_does_not_wait_for_what_makes_pages() -> None:
    seen = "import json, sys, service.app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, check=True)

    modules = json.loads(done.stdout)
    assert "aiohttp" in modules
    assert "jinja2" not in modules
