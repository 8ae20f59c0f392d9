"""The page of charts and their pictures, over real HTTP; drawn by what really draws."""

import asyncio
import importlib.util
import json
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import fixtures
from fixtures.replay import ReplayGateway
from service import drawing
from service.api import charts as api
from service.config import Settings
from service.drawing import Drawing, DrawingError
from service.pages import charts
from service.pages.charts import Look, Name
from tests.forms import followed
from tests.markup import Element, assert_inert, read
from tests.stage import BEGIN, Stage, entry, stage
from tests.support import Client, Running

SVG = "{http://www.w3.org/2000/svg}"
needs_renderer = pytest.mark.skipif(
    importlib.util.find_spec("vl_convert") is None,
    reason="what draws charts is not installed: pip install 'model-catalog[charts]'",
)


@pytest.fixture
async def client(running: Running) -> Client:
    await running.service.refresher.run()
    return running.client


@pytest.fixture(params=["with the extra", "without it"])
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    is_there: bool = request.param == "with the extra"
    monkeypatch.setattr(api, "fingerprint", lambda: "0123456789" if is_there else None)
    return is_there


async def page(client: Client, address: str = "/explore", status: int = 200) -> Element:
    answer = await followed(client, address)
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]
    found = read(answer.body)
    assert_inert(found)
    return found


def tables(found: Element) -> list[list[list[str]]]:
    return [
        [[cell.text for cell in row.all if cell.tag in {"th", "td"}] for row in body.find("tr")]
        for body in found.find("tbody")
    ]


# ── the page ──────────────────────────────────────────────────────────────────────────────────


async def test_charts_are_pictures_where_they_can_be_drawn_and_tables_everywhere(
    installed: bool, client: Client
) -> None:
    found = await page(client)

    pictures = [one for one in found.find("img") if "charts/" in one.attributes["src"]]
    assert len(pictures) == (3 if installed else 0)
    assert len(tables(found)) == 3
    assert bool(found.find(id="no-charts")) is not installed
    scripts = [one.attributes["src"] for one in found.find("script")]
    assert any("explore." in src for src in scripts) is installed
    assert all("vega" not in src for src in scripts)  # it is loaded by the script, and only then


async def test_the_figures_are_those_of_the_models_that_were_asked_for(client: Client) -> None:
    found = await page(client, "/explore?tools=true&minContext=200k&q=")
    models = (await client.json("/catalog/models?tools=true&minContext=200k"))["data"]

    points, months, prices = tables(found)
    known = [one for one in models if one["cost"]["input"] is not None]
    assert {row[0] for row in points} == {one["id"] for one in known}
    assert sum(int(row[1]) for row in months) == sum(one["created"] is not None for one in models)
    assert sum(int(row[1]) for row in prices) == len(known)
    assert f"{len(known)} of {len(models)} models" in found.text


async def test_the_form_keeps_what_was_asked(client: Client) -> None:
    found = await page(client, "/explore?q=mer&tools=true&input=image&color=tools&by=firstSeen")

    fields = {one.attributes.get("name"): one for one in found.one("form").find("input")}
    assert fields["q"].attributes["value"] == "mer"
    assert "checked" in fields["tools"].attributes
    assert (fields["input"].attributes["type"], fields["input"].attributes["value"]) == (
        "hidden",
        "image",
    )
    chosen = [one.attributes["value"] for one in found.find("option", selected="")]
    assert chosen == ["tools", "", "firstSeen"]


@pytest.mark.parametrize("asked", ["tools=perhaps", "color=red", "nothing=1", "limit=3"])
async def test_what_cannot_be_used_is_named(client: Client, asked: str) -> None:
    found = await page(client, f"/explore?{asked}", 400)

    assert asked.partition("=")[0] in found.one(role="alert").text


async def test_nothing_to_show_is_said(client: Client) -> None:
    found = await page(client, "/explore?q=thereisnosuchmodel")

    assert found.text.count("No model can be shown here.") == 3


async def test_counts_of_models_have_whole_numbers_at_their_axes(client: Client) -> None:
    for name in ("models-over-time", "prices"):
        made = await client.json(f"/charts/{name}.json")
        assert made["encoding"]["y"]["axis"] == {"tickMinStep": 1, "format": ",d"}


async def test_the_scale_of_one_model_alone_has_room_around_it(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with stage(settings, gateway) as made:
        await made.tell(entry("a/one", context_length=100_000))
        told = await made.client.json("/charts/price-context.json?id=a/one")

    assert len(told["data"]["values"]) == 1
    low, high = told["encoding"]["x"]["scale"]["domain"]
    assert low < 100_000 < high


async def test_a_hostile_list_stays_inert(settings: Settings, gateway: ReplayGateway) -> None:
    async with stage(settings, gateway, BEGIN) as made:
        await made.show(fixtures.path("hostile-2026-10-01.json"))
        await page(made.client)
        for name in Name:
            told = await made.client.json(f"/charts/{name}.json")
            texts = [text for one in told["data"]["values"] for text in map(str, one.values())]
            assert all(len(text) <= 2000 for text in texts)
            assert not any(charts._STEERING.search(text) for text in texts)


# ── figures ───────────────────────────────────────────────────────────────────────────────────


async def test_free_and_unknown_are_told_apart(settings: Settings, gateway: ReplayGateway) -> None:
    async with stage(settings, gateway, BEGIN) as made:
        await made.tell(
            entry("a/free", 0), entry("a/cheap", 0.005), entry("a/dear", 500), {"id": "a/unknown"}
        )
        prices = tables(await page(made.client))[-1]

    assert prices[0] == ["free", "1", "1"]
    assert prices[1] == ["below $0.01", "1", "1"]
    assert prices[-1] == ["$300 and more", "1", "1"]
    assert sum(int(row[1]) for row in prices) == 3


async def test_small_groups_are_put_together(settings: Settings, gateway: ReplayGateway) -> None:
    async with stage(settings, gateway, BEGIN) as made:
        await made.tell(*(entry(f"maker-{n}/{m}") for n in range(12) for m in range(12 - n)))
        told = await made.client.json("/charts/price-context.json")

    domain = told["encoding"]["color"]["scale"]["domain"]
    assert domain == [*(f"maker-{n}" for n in range(7)), "others"]
    assert len(told["encoding"]["color"]["scale"]["range"]) == 8


async def test_so_many_points_and_no_more_are_drawn(
    client: Client, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "MAX_POINTS", 10)
    catalog = running.service.present.require().catalog

    made = charts.chart(Name.PRICE_CONTEXT, catalog, catalog.rows, Look())

    assert len(made.values) == 10
    assert "more would be too many" in made.about


# ── pictures ──────────────────────────────────────────────────────────────────────────────────


@needs_renderer
async def test_a_chart_is_an_svg_a_png_and_a_specification(client: Client) -> None:
    query = "?tools=true&color=reasoning&theme=dark&width=300&height=200&scale=1"
    for name in Name:
        svg = await client.get(f"/charts/{name}.svg{query}")
        png = await client.get(f"/charts/{name}.png{query}")
        assert (svg.status, png.status) == (200, 200)
        assert svg.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
        assert "sandbox" in svg.headers["Content-Security-Policy"]
        root = ET.fromstring(svg.body)  # noqa: S314 — our own
        assert root.tag == f"{SVG}svg"
        assert not root.findall(f".//{SVG}script")
        assert png.headers["Content-Type"] == "image/png"
        assert png.body.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", png.body[16:24])
        assert 300 < width < 700
        assert 200 < height < 500
        assert (await client.get(f"/charts/{name}.svg{query}")).headers["ETag"] == svg.headers[
            "ETag"
        ]


@needs_renderer
async def test_a_hostile_list_makes_a_well_formed_picture(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with stage(settings, gateway, BEGIN) as made:
        await made.show(fixtures.path("hostile-2026-10-01.json"))
        answer = await made.client.get("/charts/price-context.svg")

    root = ET.fromstring(answer.body)  # noqa: S314 — our own
    assert not root.findall(f".//{SVG}script")
    assert not any(name.startswith("on") for one in root.iter() for name in one.attrib)


@needs_renderer
async def test_the_script_comes_from_the_installed_package_under_a_name_of_its_own(
    client: Client,
) -> None:
    found = await page(client)
    address = found.find("div", class_="drawn")[0].attributes["data-library"]

    answer = await client.get(address.removeprefix("."))

    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]
    assert b"vegaEmbed" in answer.body
    assert (await client.get("/charts/vega.0000000000.js")).status == 404


async def test_without_the_extra_pictures_say_what_to_install_and_figures_are_there(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "fingerprint", lambda: None)

    answer = await client.get("/charts/prices.svg")

    assert answer.status == 404
    assert "model-catalog[charts]" in answer.json()["detail"]
    assert (await client.get("/charts/prices.json")).status == 200


@pytest.mark.parametrize("name", ["price-contxt.svg", "prices", "prices.gif", "..svg"])
async def test_an_unknown_chart_is_answered_with_the_nearest(client: Client, name: str) -> None:
    answer = await client.get(f"/charts/{name}")

    assert answer.status == 404
    assert "there is no such chart" in answer.json()["detail"]


@pytest.mark.parametrize("asked", ["width=5", "scale=9", "theme=blue", "height=x", "tools=perhaps"])
async def test_a_picture_refuses_what_it_cannot_use(client: Client, asked: str) -> None:
    answer = await client.get(f"/charts/prices.json?{asked}")

    assert (answer.status, answer.json()["parameter"]) == (400, asked.partition("=")[0])


# ── the process that draws ────────────────────────────────────────────────────────────────────

ECHO = """
import json, sys, time
for line in sys.stdin.buffer:
    order = json.loads(line)
    if order.get("die"):
        sys.exit(1)
    time.sleep(order.get("sleep", 0))
    body = json.dumps(order).encode()
    head = json.dumps({"ok": not order.get("fail"), "size": len(body)})
    sys.stdout.buffer.write(head.encode() + b"\\n" + body)
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "echo.py"
    file.write_text(ECHO)
    return file


@asynccontextmanager
async def drawn_by(program: Path, **options: Any) -> AsyncIterator[Drawing]:
    made = Drawing(program=program, **options)
    try:
        yield made
    finally:
        await made.close()


async def test_orders_are_answered_one_after_the_other(program: Path) -> None:
    async with drawn_by(program) as made:
        answers = await asyncio.gather(*(made.draw({"n": n}) for n in range(10)))

    assert [json.loads(answer)["n"] for answer in answers] == [*range(10)]
    assert not made.is_running


async def test_what_fails_is_an_error_and_the_next_is_drawn(program: Path) -> None:
    async with drawn_by(program) as made:
        with pytest.raises(DrawingError, match="fail"):
            await made.draw({"fail": True})
        with pytest.raises(DrawingError, match="gone"):
            await made.draw({"die": True})
        assert json.loads(await made.draw({"n": 1})) == {"n": 1}


async def test_what_takes_too_long_is_ended_and_the_loop_goes_on_meanwhile(program: Path) -> None:
    async with drawn_by(program, timeout_seconds=0.5) as made:
        slow = asyncio.create_task(made.draw({"sleep": 60}))
        gaps, last = [], time.perf_counter()
        while not slow.done():
            await asyncio.sleep(0.005)
            gaps.append(time.perf_counter() - last)
            last = time.perf_counter()
        with pytest.raises(DrawingError, match=r"longer than 0\.5 seconds"):
            await slow
        assert len(gaps) > 10
        assert not made.is_running
        assert await made.draw({"n": 2})


async def test_what_is_drawn_apart_keeps_nobody_waiting_and_ends(
    program: Path,
) -> None:
    async with drawn_by(program) as made:
        apart = asyncio.create_task(made.draw_apart({"sleep": 60}))
        assert json.loads(await made.draw({"n": 1})) == {"n": 1}
        assert json.loads(await made.draw_apart({"n": 2})) == {"n": 2}
        assert not apart.done()
        await made.close()
        with pytest.raises(DrawingError, match="gone"):
            await apart


async def test_so_many_wait_and_no_more(program: Path) -> None:
    async with drawn_by(program, max_waiting=2) as made:
        waiting = [asyncio.create_task(made.draw({"n": n})) for n in range(3)]
        done = await asyncio.gather(*waiting, return_exceptions=True)

    assert [isinstance(one, DrawingError) for one in done] == [False, False, True]


async def test_nobody_waits_for_a_turn_for_ever(program: Path) -> None:
    async with drawn_by(program, timeout_seconds=0.5) as made:
        first, second = (asyncio.create_task(made.draw({"sleep": 60})) for _ in range(2))
        done = await asyncio.gather(first, second, return_exceptions=True)

    assert {type(one) for one in done} == {DrawingError}


async def test_the_process_is_gone_when_nobody_asks(program: Path) -> None:
    async with drawn_by(program, idle_seconds=0) as made:
        await made.draw({"n": 1})
        async with asyncio.timeout(10):
            while made.is_running:  # noqa: ASYNC110 — it ends by itself
                await asyncio.sleep(0)
        assert json.loads(await made.draw({"n": 2})) == {"n": 2}


async def test_an_order_that_is_taken_back_leaves_no_half_answer(program: Path) -> None:
    async with drawn_by(program) as made:
        await made.draw({"n": 0})
        taken_back = asyncio.create_task(made.draw({"sleep": 60}))
        await asyncio.sleep(0)
        taken_back.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taken_back
        assert json.loads(await made.draw({"n": 1})) == {"n": 1}


def test_the_renderer_is_named_without_being_imported() -> None:
    import sys

    named = drawing.fingerprint()

    assert "vl_convert" not in sys.modules
    assert named is None or named.isalnum()


async def test_a_picture_that_is_too_slow_is_a_503(
    settings: Settings, gateway: ReplayGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(_: Drawing, __: object) -> bytes:
        raise DrawingError("it took longer than 20 seconds")

    monkeypatch.setattr(api, "fingerprint", lambda: "0123456789")
    monkeypatch.setattr(Drawing, "draw", slow)
    async with stage(settings, gateway, BEGIN) as made:
        await _told(made)
        answer = await made.client.get("/charts/prices.png")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["detail"].endswith("longer than 20 seconds")


async def _told(made: Stage) -> None:
    await made.tell(entry("a/one"), entry("b/two", 3))
