"""llm, the command-line tool: its plugin for OpenRouter, and extra models of its own."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import pytest

from tests.clients.conftest import Client
from tests.served import Json, Served, differences

SCALES: Final[Mapping[str, int]] = {"/M": 1, "/K": 1000, "": 1_000_000}
PRICE: Final = re.compile(r"(?P<what>\w+) \$(?P<usd>-?[0-9.]+)(?P<per>/[MK])?")
DIGITS: Final = 6
"""To which prices for a million tokens are compared: it multiplies in binary, and cuts off."""


# ── the plugin, which has the address of its list built in and reads it from a file for an hour ──


def expected_of_plugin(model: Json) -> Json:
    cost, parameters = model["cost"], model["supportedParameters"] or ()
    dynamic = Decimal(-1_000_000)
    prices = {
        "prompt": dynamic if cost["input"] is None else cost["input"],
        "completion": dynamic if cost["output"] is None else cost["output"],
        "input_cache_read": cost["cacheRead"],
        "input_cache_write": cost["cacheWrite"],
        "internal_reasoning": cost["reasoning"],
        "image": cost["image"] and cost["image"] * 1_000_000,
        "request": cost["request"] and cost["request"] * 1_000_000,
        "web_search": cost["webSearch"] and cost["webSearch"] * 1_000_000,
    }
    return {
        "name": model["name"],
        "context_length": f"{model['contextWindow']:,}",
        "input_modalities": model["input"],
        "output_modalities": model["output"],
        "supports_schema": str("structured_outputs" in parameters),
        "supports_tools": str("tools" in parameters),
        "prices": {what: _rounded(usd) for what, usd in prices.items() if usd},
    }


def _rounded(usd: Decimal | int) -> Decimal:
    return round(Decimal(usd), DIGITS)


def printed(text: str) -> dict[str, Json]:
    """The models by id, of `llm openrouter models`."""
    models = {}
    for block in text.split("- id: ")[1:]:
        id_, *lines = block.splitlines()
        facts = dict(line.strip().partition(": ")[::2] for line in lines if ": " in line)
        models[id_] = {
            "name": facts["name"],
            "context_length": facts["context_length"],
            "input_modalities": json.loads(facts["input_modalities"]),
            "output_modalities": json.loads(facts["output_modalities"]),
            "supports_schema": facts["supports_schema"],
            "supports_tools": facts["supports_tools"],
            "prices": {
                price["what"]: _rounded(Decimal(price["usd"]) * SCALES[price["per"] or ""])
                for price in PRICE.finditer(facts.get("pricing", ""))
            },
        }
    return models


@pytest.fixture
def with_plugin(served: Served, python_clients: Client) -> Client:
    served.export("openai", python_clients.home / "openrouter_models.json")
    return python_clients


def test_the_plugin_prints_context_abilities_and_prices_of_every_model(
    served: Served, with_plugin: Client
) -> None:
    models = {model["id"]: expected_of_plugin(model) for model in served.sized}

    text = with_plugin.run("llm", "openrouter", "models", LLM_USER_PATH=str(with_plugin.home))

    assert differences(models, printed(text)) == []


def test_every_model_of_the_plugin_can_be_asked_for(served: Served, with_plugin: Client) -> None:
    ids = {f"openrouter/{model['id']}" for model in served.sized}
    tools = {f"openrouter/{model['id']}" for model in served.sized if model["tools"]}

    def listed(*flags: str) -> set[str]:
        text = with_plugin.run(
            *("llm", "models", "--json", "--query", "openrouter/", *flags),
            LLM_USER_PATH=str(with_plugin.home),
            OPENROUTER_KEY="sk-foreign",
        )
        return {model["model_id"] for model in json.loads(text)}

    assert listed() == ids
    assert listed("--tools") == tools


# ── extra models ──────────────────────────────────────────────────────────────────────────────

LIST: Final = """
import json, llm
models = {}
for model in llm.get_models():
    if model.model_id.startswith("kilo/"):
        models[model.model_id] = {
            "name": model.model_name, "url": model.api_base, "key": model.needs_key,
            "tools": model.supports_tools, "schemas": model.supports_schema,
            "reasons": "reasoning_effort" in model.Options.model_fields,
            "images": "image/png" in model.attachment_types,
            "audio": "audio/mpeg" in model.attachment_types,
        }
print(json.dumps(models))
"""


def expected_of_extra(model: Json, gateway: str) -> Json:
    return {
        "name": model["id"],
        "url": gateway,
        "key": "kilo",
        "tools": model["tools"] is True,
        "schemas": model["structuredOutput"] is True,
        "reasons": model["reasoning"] is True,
        "images": "image" in model["input"],
        "audio": "audio" in model["input"],
    }


def test_every_model_that_answers_in_text_is_an_extra_model_at_the_gateway(
    served: Served, python_clients: Client
) -> None:
    models = {
        f"kilo/{model['id']}": expected_of_extra(model, served.gateway)
        for model in served.models
        if "text" in model["output"]
    }
    home = python_clients.home
    served.export("llm", home / "extra-openai-models.yaml")

    seen = json.loads(python_clients.python(LIST, LLM_USER_PATH=str(home)))

    assert differences(models, seen) == []
