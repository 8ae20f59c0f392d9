"""LiteLLM's map and its proxy's list, by the rules of the clients that read them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from service.catalog import Cost
from tests.speech import LISTS, Json, body, catalog_of, catalog_of_list, document, said

MAP = "/model_prices_and_context_window.json"
PROXY = "/v1/model/info"
PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "output_cost_per_reasoning_token": "reasoning",
}


def told(**facts: Any) -> Json:
    found: Json = document(catalog_of(said(**facts)), MAP)["openrouter/a/b"]
    return found


# ---- the map


@pytest.mark.parametrize("name", LISTS)
def test_the_map_holds_models_and_nothing_else_each_under_the_name_that_litellm_calls_it(
    name: str,
) -> None:
    catalog = catalog_of_list(name)

    for key, row in document(catalog, MAP).items():
        assert type(row) is dict
        assert row["litellm_provider"] == "openrouter"
        assert row["mode"] == ("embedding" if "embed" in key else "chat")
        assert catalog.find(key.removeprefix("openrouter/"))


@pytest.mark.parametrize("name", LISTS)
def test_every_price_is_the_exact_price_for_one_token(name: str) -> None:
    catalog = catalog_of_list(name)

    for key, row in document(catalog, MAP).items():
        model = catalog.find(key.removeprefix("openrouter/"))
        assert model
        for price in PRICES.keys() & row.keys():
            usd = getattr(model.model.cost, PRICES[price])
            assert row[price] == float(Decimal(repr(usd)) / 1_000_000)
            assert repr(float(row[price])) == repr(float(Decimal(repr(usd)).scaleb(-6)))


@pytest.mark.parametrize("name", LISTS)
def test_what_has_no_price_is_not_in_the_map_as_litellm_would_take_it_for_free(name: str) -> None:
    catalog = catalog_of_list(name)
    priced = {
        f"openrouter/{row.model.id}"
        for row in catalog.rows
        if row.model.cost.input is not None and row.model.cost.output is not None
    }

    rows = document(catalog, MAP)

    assert rows.keys() == priced
    assert all(PRICES.keys() & row.keys() >= set(list(PRICES)[:2]) for row in rows.values())


@pytest.mark.parametrize("cost", [Cost(), Cost(input=3.0), Cost(output=15.0)])
def test_half_a_price_is_no_price(cost: Cost) -> None:
    catalog = catalog_of(said(cost=cost), said(id="x/priced"))

    assert document(catalog, MAP).keys() == {"openrouter/x/priced"}


def test_a_row_tells_its_facts_in_the_words_of_litellm() -> None:
    row = told(
        input=("text", "image", "audio", "video", "pdf"),
        reasoning=True,
        tools=True,
        structured_output=False,
        served_context_window=100_000,
        supported_parameters=("parallel_tool_calls", "tool_choice", "tools"),
        expires_at=datetime(2026, 12, 31, tzinfo=UTC),
        cost=Cost(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75, reasoning=20.0),
    )

    assert row == {
        "litellm_provider": "openrouter",
        "mode": "chat",
        "max_tokens": 8192,
        "max_input_tokens": 100_000,
        "max_output_tokens": 8192,
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 3e-07,
        "cache_creation_input_token_cost": 3.75e-06,
        "output_cost_per_reasoning_token": 2e-05,
        "supports_function_calling": True,
        "supports_tool_choice": True,
        "supports_parallel_function_calling": True,
        "supports_response_schema": False,
        "supports_reasoning": True,
        "supports_vision": True,
        "supports_pdf_input": True,
        "supports_audio_input": True,
        "supports_audio_output": False,
        "supports_video_input": True,
        "supports_prompt_caching": True,
        "deprecation_date": "2026-12-31",
    }


def test_what_is_unknown_is_not_there() -> None:
    row = told(context_window=None, max_tokens=None)

    assert row.keys() == {
        "litellm_provider",
        "mode",
        "input_cost_per_token",
        "output_cost_per_token",
        *(f"supports_{kind}" for kind in ("vision", "pdf_input", "video_input")),
        *(f"supports_audio_{way}" for way in ("input", "output")),
    }


def test_that_a_list_of_parameters_is_silent_of_parallel_calls_does_not_deny_them() -> None:
    row = told(tools=True, supported_parameters=("tools",))

    assert row["supports_tool_choice"] is False
    assert "supports_parallel_function_calling" not in row


def test_a_price_of_zero_for_reasoning_beside_a_price_of_output_does_not_make_it_free() -> None:
    row = told(cost=Cost(input=3.0, output=15.0, reasoning=0.0))

    assert "output_cost_per_reasoning_token" not in row


@pytest.mark.parametrize(
    ("output", "mode"),
    [
        (("text",), "chat"),
        (("text", "image"), "chat"),
        (("image",), "image_generation"),
        (("audio",), "audio_speech"),
        (("video",), "video_generation"),
        (("embeddings",), "embedding"),
        (("lidar", "embeddings"), "embedding"),
    ],
)
def test_the_mode_is_what_a_model_answers_in(output: tuple[str, ...], mode: str) -> None:
    assert told(output=output)["mode"] == mode


def test_a_model_without_a_mode_is_left_out_of_both() -> None:
    catalog = catalog_of(said(output=("lidar",)), said(id="x/chat"))

    names = [row["model_name"] for row in document(catalog, PROXY)["data"]]

    assert document(catalog, MAP).keys() == {"openrouter/x/chat"}
    assert names == ["x/chat", "kilo/auto"]


def test_the_map_can_be_told_for_another_route() -> None:
    catalog = catalog_of_list(LISTS[0])

    other = document(catalog, f"/as/{{provider}}{MAP}", provider="openai")

    assert other == {
        key.replace("openrouter/", "openai/", 1): row | {"litellm_provider": "openai"}
        for key, row in document(catalog, MAP).items()
    }


# ---- the proxy


@pytest.mark.parametrize("name", LISTS)
def test_the_proxys_list_has_every_model_and_says_of_it_what_the_map_says(name: str) -> None:
    catalog = catalog_of_list(name)
    priced = document(catalog, MAP)

    rows = document(catalog, PROXY)["data"]

    assert [row["model_name"] for row in rows] == [row.model.id for row in catalog.rows]
    for row in rows:
        called = row["litellm_params"]["model"]
        assert row["litellm_params"] == {"model": f"openrouter/{row['model_name']}"}
        assert row["model_info"] == priced.get(called, row["model_info"])


def test_the_proxys_list_is_the_same_at_both_its_paths() -> None:
    catalog = catalog_of_list(LISTS[0])

    assert body(catalog, PROXY) == body(catalog, "/model/info")


def test_in_the_proxys_list_an_unknown_price_is_not_there() -> None:
    (fallback,) = document(catalog_of(), PROXY)["data"]

    assert fallback == {
        "model_name": "kilo/auto",
        "litellm_params": {"model": "openrouter/kilo/auto"},
        "model_info": {
            "litellm_provider": "openrouter",
            "mode": "chat",
            "max_tokens": 128_000,
            "max_input_tokens": 1_000_000,
            "max_output_tokens": 128_000,
            "supports_reasoning": True,
            "supports_vision": True,
            "supports_pdf_input": False,
            "supports_audio_input": False,
            "supports_audio_output": False,
            "supports_video_input": False,
        },
    }
