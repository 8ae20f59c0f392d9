"""The normal form of whole lists: of our fixtures as golden files, of captures by an oracle.

`UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/test_golden.py` writes the golden files anew. Read
their diff row by row before you commit it: it is what every client will see.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

import fixtures
from fixtures.replay import ReplayGateway
from service.catalog import KILOCODE, Row
from service.dialects import native
from service.lifecycle import advance
from service.normalise import normalise
from tests.support import Running

Json = dict[str, Any]

GOLDEN = Path(__file__).parent / "golden"
OCTOBER = datetime(2026, 10, 1, 12, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, 12, tzinfo=UTC)


def refreshed(before: Iterable[Row], body: bytes, at: datetime, revision: int) -> tuple[Row, ...]:
    seen = normalise(body, KILOCODE).models
    step = advance(before, seen, at=at, revision=revision, grace=timedelta(days=1))
    return step.rows


def as_json(rows: Iterable[Row], **numbers: Any) -> list[Json]:
    return [json.loads(orjson.dumps(native.model(row)), **numbers) for row in rows]


def one_key_a_line(rows: Sequence[Json]) -> str:
    """A layout in which a diff shows one fact a line."""
    texts = (
        ",\n".join(
            f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in row.items()
        )
        for row in rows
    )
    return "[\n" + ",\n".join("{\n" + text + "\n}" for text in texts) + "\n]\n"


def differences(expected: Sequence[Json], actual: Sequence[Json]) -> list[str]:
    """Every key of every row that is not as expected, a line each."""
    wanted, found = ({row["id"]: row for row in rows} for rows in (expected, actual))
    lines = [f"{model}: not expected" for model in found.keys() - wanted.keys()]
    lines += [f"{model}: missing" for model in wanted.keys() - found.keys()]
    for model in wanted.keys() & found.keys():
        for key in wanted[model].keys() | found[model].keys():
            was, now = (rows[model].get(key, "(no such key)") for rows in (wanted, found))
            if was != now or type(was) is not type(now):
                lines.append(f"{model} {key}: expected {was!r}, found {now!r}")
    if not lines and [row["id"] for row in expected] != [row["id"] for row in actual]:
        lines.append("the order differs")
    return sorted(lines)


def assert_golden(name: str, rows: Iterable[Row]) -> None:
    actual = as_json(rows)
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(one_key_a_line(actual), encoding="utf-8")
    expected = json.loads(file.read_text(encoding="utf-8"))
    assert differences(expected, actual) == []


def october() -> tuple[Row, ...]:
    return refreshed((), fixtures.path("kilo-2026-10-01.json").read_bytes(), OCTOBER, 1)


def test_the_october_list_has_its_golden_normal_form() -> None:
    assert_golden("kilo-2026-10-01.json", october())


def test_the_november_list_after_octobers_has_its_golden_normal_form() -> None:
    body = fixtures.path("kilo-2026-11-01.json").read_bytes()
    assert_golden("kilo-2026-11-01.json", refreshed(october(), body, NOVEMBER, 2))


# ---- The oracle: the contract's rules once more, naively, from its text alone.

PRICES = {
    "input": "prompt",
    "output": "completion",
    "cacheRead": "input_cache_read",
    "cacheWrite": "input_cache_write",
    "reasoning": "internal_reasoning",
    "image": "image",
    "request": "request",
    "webSearch": "web_search",
}
PER_ONE = {"image", "request", "webSearch"}
MODALITIES = ["text", "image", "audio", "video", "file", "pdf"]
EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
BADGE = re.compile(r"\s*(\((?:new|\$+|\d+% off|retires [A-Z][a-z]+ \d+|lowest price)\))$")


def modalities(words: Iterable[str]) -> list[str]:
    found = {word.lower() for word in words}
    return [w for w in MODALITIES if w in found] + sorted(found - set(MODALITIES))


def tokens(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def price(text: str | None, key: str) -> Decimal | None:
    if text is None or Decimal(text) < 0:
        return None
    usd = Decimal(text) if key in PER_ONE else Decimal(text) * 1_000_000
    return usd if usd <= 1_000_000 else None


def name_and_badges(entry: Json) -> tuple[str, list[str]]:
    name = entry["name"].strip()
    badges: list[str] = []
    while found := BADGE.search(name):
        badges.insert(0, found[1][1:-1])
        name = name[: found.start()]
    return name, badges


def efforts(entry: Json) -> list[str] | None:
    variants = entry.get("opencode", {}).get("variants")
    said = entry.get("reasoning", {}).get("supported_efforts")
    if variants is not None:
        said = [variant["reasoning"]["effort"] for variant in variants.values()]
    return None if said is None else sorted(set(said), key=EFFORTS.index)


def free(entry: Json, cost: Mapping[str, Decimal | None]) -> bool | None:
    if isinstance(entry.get("isFree"), bool):
        return bool(entry["isFree"])
    if cost["input"] is None or cost["output"] is None:
        return None
    return cost["input"] == cost["output"] == 0


def expiry(day: str | None) -> str | None:
    return None if day is None or day >= "2098-12-31" else f"{day}T00:00:00Z"


def oracle(entry: Json) -> Json:
    """What §4 of the design makes of an entry of a sane list."""
    pricing, limits, shape = entry["pricing"], entry["top_provider"], entry["architecture"]
    parameters = entry["supported_parameters"]
    cost = {ours: price(pricing.get(theirs), ours) for ours, theirs in PRICES.items()}
    is_dynamic = any(str(pricing.get(theirs)).startswith("-") for theirs in PRICES.values())
    is_fixed = cost["input"] is not None and cost["output"] is not None
    name, badges = name_and_badges(entry)
    created = entry["created"]
    return {
        "ref": f"kilocode/{entry['id']}",
        "source": "kilocode",
        "id": entry["id"],
        "name": name,
        "author": entry["id"].split("/")[0].lstrip("~") if "/" in entry["id"] else None,
        "description": entry["description"],
        "badges": badges,
        "input": modalities(shape["input_modalities"]),
        "output": modalities(shape["output_modalities"]),
        "reasoning": bool({"reasoning", "include_reasoning"} & set(parameters))
        if parameters
        else None,
        "reasoningEfforts": efforts(entry),
        "tools": "tools" in parameters if parameters else None,
        "structuredOutput": "structured_outputs" in parameters if parameters else None,
        "contextWindow": tokens(entry["context_length"]),
        "servedContextWindow": tokens(limits["context_length"]),
        "maxTokens": tokens(limits["max_completion_tokens"]),
        "cost": cost,
        "pricing": "dynamic" if is_dynamic else "fixed" if is_fixed else "unknown",
        "free": free(entry, cost),
        "supportedParameters": sorted(set(parameters)),
        "tokenizer": shape["tokenizer"],
        "moderated": limits["is_moderated"],
        "mayTrainOnPrompts": entry.get("mayTrainOnYourPrompts"),
        "huggingFaceId": entry.get("hugging_face_id") or None,
        "family": entry.get("opencode", {}).get("family"),
        "created": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if created
        else None,
        "knowledgeCutoff": entry.get("knowledge_cutoff"),
        "expiresAt": expiry(entry.get("expiration_date")),
        "preferredIndex": entry.get("preferredIndex"),
    }


OF_A_LIFE = {
    "status": "active",
    "missingSince": None,
    "removedAt": None,
    "origin": "discovered",
    "default": False,
    "firstSeen": "2026-10-01T12:00:00Z",
    "updatedAt": "2026-10-01T12:00:00Z",
    "revision": 1,
}


def exact_costs(row: Json) -> Json:
    """The row with each price as the decimal that its text says."""
    cost = {k: None if v is None else Decimal(v) for k, v in row["cost"].items()}
    return {**row, "cost": cost}


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("kilo-2025-07-25", 264),
        ("kilo-2026-07-28", 348),
        ("openrouter-2026-01-15T2020", 344),
        ("openrouter-2026-01-15T2218", 329),
        ("openrouter-2026-01-16T1420", 339),
        ("openrouter-2026-07-28", 341),
    ],
)
def test_every_field_of_every_captured_row_is_what_a_naive_reading_of_the_contract_says(
    captures: Path, name: str, rows: int
) -> None:
    body = (captures / f"{name}.json").read_bytes()
    expected = [oracle(entry) | OF_A_LIFE for entry in json.loads(body)["data"]]

    actual = as_json(refreshed((), body, OCTOBER, 1), parse_float=Decimal)

    assert len(actual) == rows
    assert differences(expected, [exact_costs(row) for row in actual]) == []


async def test_a_captured_list_is_served_whole_exact_and_ahead_of_the_fallback(
    running: Running, gateway: ReplayGateway, captures: Path
) -> None:
    body = (captures / "kilo-2026-07-28.json").read_bytes()
    gateway.serve(body)
    await running.service.refresher.run()

    answer = await running.client.get("/catalog/models")

    served = json.loads(answer.body, parse_float=Decimal, parse_int=Decimal)["data"]
    expected = [oracle(entry) for entry in json.loads(body)["data"]]
    assert [row["id"] for row in served] == [*(row["id"] for row in expected), "kilo/auto"]
    assert [row["origin"] for row in served] == ["discovered"] * 348 + ["fallback"]
    assert [row["cost"] for row in served[:-1]] == [row["cost"] for row in expected]


async def test_a_captured_list_keeps_its_prices_for_the_clients_of_openrouter(
    running: Running, gateway: ReplayGateway, captures: Path
) -> None:
    body = (captures / "kilo-2026-07-28.json").read_bytes()
    gateway.serve(body)
    await running.service.refresher.run()

    served = {
        row["id"]: row["pricing"] for row in (await running.client.json("/v1/models"))["data"]
    }

    sent = {entry["id"]: entry["pricing"] for entry in json.loads(body)["data"]}
    for model, pricing in sent.items():
        for name in ("prompt", "completion", "input_cache_read", "input_cache_write"):
            if name in pricing:
                assert Decimal(served[model][name]) == Decimal(pricing[name]), (model, name)
