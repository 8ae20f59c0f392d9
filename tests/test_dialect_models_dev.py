"""models.dev's document, by the rules of the clients that read it (opencode, Kilo CLI, Cline)."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

from service.catalog import Cost
from tests.speech import LISTS, Json, catalog_of, catalog_of_list, document, said

MODALITIES = {"text", "audio", "image", "video", "pdf"}


def models(**facts: Any) -> Json:
    found: Json = document(catalog_of(said(**facts)), "/api.json")["kilo"]["models"]
    return found


def told(**facts: Any) -> Json:
    found: Json = models(**facts)["a/b"]
    return found


# ---- the provider


def test_the_provider_is_the_gateway_and_chats_go_there() -> None:
    provider = document(catalog_of(), "/api.json")["kilo"]

    assert {key: value for key, value in provider.items() if key != "models"} == {
        "id": "kilo",
        "env": ["KILO_API_KEY"],
        "npm": "@ai-sdk/openai-compatible",
        "api": "https://gateway.example/api/gateway",
        "name": "Kilo Gateway",
    }


@pytest.mark.parametrize("key", ["openrouter", "kilo", 'a"b', "🦊"])
def test_the_provider_can_be_told_under_another_key(key: str) -> None:
    catalog = catalog_of_list(LISTS[0])

    other = document(catalog, "/as/{provider}/api.json", provider=key)

    assert other == {key: document(catalog, "/api.json")["kilo"] | {"id": key}}


# ---- every row of our lists


@pytest.mark.parametrize("name", LISTS)
def test_every_row_keeps_to_the_schema_in_what_it_says(name: str) -> None:
    for key, row in document(catalog_of_list(name), "/api.json")["kilo"]["models"].items():
        assert row["id"] == key
        assert row["name"]
        for day in ("release_date", "last_updated"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", row[day])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row.get("knowledge", "2000-01-01"))
        for kinds in row["modalities"].values():
            assert set(kinds) <= MODALITIES
            assert len(set(kinds)) == len(kinds) > 0
        for flag in ("attachment", "reasoning", "tool_call", "structured_output", "temperature"):
            assert type(row.get(flag, True)) is bool
        assert row.get("open_weights", True) is True
        assert row["limit"].keys() == {"context", "output"}
        assert row.get("cost", {"input": 0, "output": 0}).keys() >= {"input", "output"}
        assert not (row.get("reasoning") is False and "reasoning" in row.get("cost", {}))
        assert "status" not in row


@pytest.mark.parametrize("name", LISTS)
def test_every_number_is_one_of_the_catalogs(name: str) -> None:
    catalog = catalog_of_list(name)
    rows = document(catalog, "/api.json")["kilo"]["models"]

    for model in (row.model for row in catalog.rows if row.model.id in rows):
        limit, cost = rows[model.id]["limit"], rows[model.id].get("cost", {})
        assert limit["context"] == (model.served_context_window or model.context_window or 0)
        assert limit["output"] == (model.max_tokens or 0)
        for field, usd in cost.items():
            assert usd == getattr(model.cost, field)


# ---- one row


def test_a_model_of_which_little_is_known_is_told_with_little() -> None:
    assert told(context_window=None, max_tokens=None, cost=Cost()) == {
        "id": "a/b",
        "name": "A: B",
        "attachment": False,
        "release_date": "1970-01-01",
        "last_updated": "1970-01-01",
        "modalities": {"input": ["text"], "output": ["text"]},
        "limit": {"context": 0, "output": 0},
    }


def test_a_row_tells_its_facts_in_the_words_of_models_dev() -> None:
    row = told(
        family="claude",
        input=("text", "image", "file"),
        reasoning=True,
        reasoning_efforts=("none", "low", "high"),
        tools=True,
        structured_output=False,
        supported_parameters=("max_tokens", "temperature"),
        knowledge_cutoff=date(2025, 1, 31),
        created=datetime(2025, 9, 29, 16, 1, 16, tzinfo=UTC),
        hugging_face_id="a/B",
        served_context_window=100_000,
        cost=Cost(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75, reasoning=20.0),
    )

    assert row == {
        "id": "a/b",
        "name": "A: B",
        "family": "claude",
        "attachment": True,
        "reasoning": True,
        "reasoning_options": [{"type": "effort", "values": ["none", "low", "high"]}],
        "tool_call": True,
        "structured_output": False,
        "temperature": True,
        "knowledge": "2025-01-31",
        "release_date": "2025-09-29",
        "last_updated": "2025-09-29",
        "modalities": {"input": ["text", "image", "pdf"], "output": ["text"]},
        "open_weights": True,
        "cost": {"input": 3, "output": 15, "reasoning": 20, "cache_read": 0.3, "cache_write": 3.75},
        "limit": {"context": 100_000, "output": 8192},
    }


def test_a_file_is_a_pdf_and_is_named_once() -> None:
    kinds = told(input=("text", "file", "pdf", "lidar"))["modalities"]["input"]

    assert kinds == ["text", "pdf"]


def test_a_model_whose_kind_the_format_has_no_word_for_is_left_out() -> None:
    assert models(output=("embeddings",)).keys() == {"kilo/auto"}
    assert models(input=("lidar",)).keys() == {"kilo/auto"}
    assert told(output=("embeddings", "text"))["modalities"]["output"] == ["text"]


@pytest.mark.parametrize("cost", [Cost(input=3.0), Cost(output=15.0), Cost(cache_read=0.3)])
def test_half_a_price_is_not_told(cost: Cost) -> None:
    assert "cost" not in told(cost=cost)


def test_a_price_of_zero_is_told_as_it_says_that_it_costs_nothing() -> None:
    assert told(cost=Cost(input=0.0, output=0.0))["cost"] == {"input": 0, "output": 0}


def test_a_price_of_zero_for_reasoning_beside_a_price_of_output_does_not_make_it_free() -> None:
    cost = Cost(input=3.0, output=15.0, reasoning=0.0)

    assert told(reasoning=True, cost=cost)["cost"] == {"input": 3, "output": 15}


def test_a_model_that_does_not_reason_has_neither_efforts_nor_a_price_of_reasoning() -> None:
    row = told(
        reasoning=False,
        reasoning_efforts=("low",),
        cost=Cost(input=3.0, output=15.0, reasoning=20.0),
    )

    assert row["reasoning"] is False
    assert "reasoning_options" not in row
    assert row["cost"] == {"input": 3, "output": 15}
