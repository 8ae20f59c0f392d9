"""The block for OpenClaw's configuration, by its strict schema."""

from typing import Any

import pytest

from service.catalog import Cost
from tests.speech import LISTS, Json, catalog_of, catalog_of_list, document, said

PATH = "/openclaw.json"
TYPES: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "name": (str,),
    "reasoning": (bool,),
    "input": (list,),
    "cost": (dict,),
    "contextWindow": (int,),
    "maxTokens": (int,),
    "compat": (dict,),
}
COSTS = {
    "input": "input",
    "output": "output",
    "cacheRead": "cache_read",
    "cacheWrite": "cache_write",
}


def models(catalog: Any) -> list[Json]:
    found: list[Json] = document(catalog, PATH)["models"]["providers"]["kilo"]["models"]
    return found


def told(**facts: Any) -> Json:
    return models(catalog_of(said(**facts)))[0]


def test_the_provider_is_the_gateway_and_its_key_a_variable() -> None:
    block = document(catalog_of(), PATH)["models"]["providers"]

    assert block.keys() == {"kilo"}
    assert {key: value for key, value in block["kilo"].items() if key != "models"} == {
        "baseUrl": "https://gateway.example/api/gateway",
        "apiKey": "${KILO_API_KEY}",
        "api": "openai-completions",
    }


@pytest.mark.parametrize("name", LISTS)
def test_every_row_keeps_to_the_schema_and_says_what_the_catalog_says(name: str) -> None:
    catalog = catalog_of_list(name)

    for row in models(catalog):
        assert all(type(value) in TYPES[key] for key, value in row.items())
        assert set(row["input"]) <= {"text", "image"}
        one = catalog.find(row["id"])
        assert one
        model = one.model
        assert row.get("contextWindow") == (model.served_context_window or model.context_window)
        assert row.get("maxTokens") == model.max_tokens
        assert row.get("reasoning") == model.reasoning
        for key, field in COSTS.items():
            assert row.get("cost", {}).get(key) == getattr(model.cost, field)


def test_what_is_unknown_is_not_there() -> None:
    assert told(context_window=None, max_tokens=None, cost=Cost()) == {
        "id": "a/b",
        "name": "A: B",
        "input": ["text"],
    }


def test_a_row_tells_its_facts_in_the_words_of_openclaw() -> None:
    assert told(
        input=("text", "image", "audio"),
        reasoning=True,
        tools=False,
        cost=Cost(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75, request=0.1),
    ) == {
        "id": "a/b",
        "name": "A: B",
        "reasoning": True,
        "input": ["text", "image"],
        "cost": {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75},
        "contextWindow": 200_000,
        "maxTokens": 8192,
        "compat": {"supportsTools": False},
    }


@pytest.mark.parametrize("hostile", ["${OPENAI_API_KEY}", "$${HOME}", "a ${pass:bank/pin} b"])
def test_no_name_and_no_id_can_ask_for_what_is_in_the_readers_environment(hostile: str) -> None:
    catalog = catalog_of(said(name=hostile), said(id=f"x/{hostile}"), said(id="x/$5", name="$5"))

    assert [row["id"] for row in models(catalog)] == ["x/$5", "kilo/auto"]


def test_a_model_that_answers_in_no_text_is_left_out() -> None:
    assert [row["id"] for row in models(catalog_of(said(output=("image",))))] == ["kilo/auto"]
