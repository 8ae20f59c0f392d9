"""LiteLLM, by the whole map of its models in the service's place and by what it adds to its own."""

import json
from decimal import Decimal
from typing import Final

from tests.clients.conftest import Client
from tests.served import Json, Served, differences, per_token

MAP: Final = "model_prices_and_context_window.json"

REPLACE: Final = """
import litellm
from litellm.litellm_core_utils.get_model_cost_map import get_model_cost_map_source_info
assert get_model_cost_map_source_info()["source"] == "remote", get_model_cost_map_source_info()
"""
"""LiteLLM reads the map while it is imported, and says nothing when it goes back to its own."""

REGISTER: Final = f"""
import sys, httpx, litellm
litellm.register_model(httpx.get(sys.argv[1] + "/{MAP}").json())
"""

TELL: Final = """
import json, sys
thousand, told = 1000, {}
for name in json.loads(sys.argv[2]):
    info = litellm.get_model_info(name)
    told[name] = {key: info.get(key) for key in json.loads(sys.argv[3])} | {
        "cost": litellm.cost_per_token(name, prompt_tokens=thousand, completion_tokens=thousand),
        "calls functions": litellm.supports_function_calling(name),
    }
print(json.dumps({"names": list(litellm.model_cost), "told": told}))
"""

FIELDS: Final = (
    *("key", "litellm_provider", "mode", "max_tokens", "max_input_tokens", "max_output_tokens"),
    *("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"),
    *("cache_creation_input_token_cost", "supports_function_calling", "supports_reasoning"),
    *("supports_response_schema", "supports_vision", "supports_pdf_input"),
    *("supports_audio_input", "supports_audio_output"),
)
ROUTE: Final = "openrouter/"
_DIGITS: Final = 12
"""To which sums are compared: it multiplies in binary."""


def expected(model: Json) -> Json | None:
    """What it is to say of a model; None where it must not count, for want of a price."""
    cost = model["cost"]
    if cost["input"] is None or cost["output"] is None:
        return None
    return {
        "key": f"{ROUTE}{model['id']}",
        "litellm_provider": "openrouter",
        "mode": "chat" if "text" in model["output"] else "embedding",
        "max_tokens": model["maxTokens"],
        "max_input_tokens": model["servedContextWindow"] or model["contextWindow"],
        "max_output_tokens": model["maxTokens"],
        "input_cost_per_token": _per_token(cost["input"]),
        "output_cost_per_token": _per_token(cost["output"]),
        "cache_read_input_token_cost": _per_token(cost["cacheRead"]),
        "cache_creation_input_token_cost": _per_token(cost["cacheWrite"]),
        "supports_function_calling": model["tools"],
        "supports_reasoning": model["reasoning"],
        "supports_response_schema": model["structuredOutput"],
        "supports_vision": "image" in model["input"],
        "supports_pdf_input": not {"file", "pdf"}.isdisjoint(model["input"]),
        "supports_audio_input": "audio" in model["input"],
        "supports_audio_output": "audio" in model["output"],
        "cost": [round(float(usd) / 1000, _DIGITS) for usd in (cost["input"], cost["output"])],
        "calls functions": model["tools"] is True,
    }


def _per_token(usd_per_mtok: Decimal | int | None) -> float | None:
    return None if usd_per_mtok is None else float(per_token(usd_per_mtok))


def models_of(served: Served) -> dict[str, Json]:
    models = {f"{ROUTE}{model['id']}": said for model in served.models if (said := expected(model))}
    for name, model in models.items():
        if name.startswith(ROUTE * 2):  # it takes the route off twice, and finds nothing
            model["calls functions"] = False
    return models


def told(answer: str) -> tuple[list[str], dict[str, Json]]:
    said = json.loads(answer)
    for model in said["told"].values():
        model["cost"] = [round(usd, _DIGITS) for usd in model["cost"]]
    return said["names"], said["told"]


def test_the_map_takes_the_place_of_its_own(served: Served, python_clients: Client) -> None:
    models = models_of(served)

    answer = python_clients.python(
        REPLACE + TELL,
        *(served.url, json.dumps(list(models)), json.dumps(FIELDS)),
        LITELLM_MODEL_COST_MAP_URL=f"{served.url}/{MAP}",
        MODEL_COST_MAP_MIN_MODEL_COUNT="1",
        MODEL_COST_MAP_MAX_SHRINK_RATIO="0",
    )

    names, seen = told(answer)
    assert sorted(names) == sorted(models)
    assert differences(models, seen) == []


def test_the_map_is_merged_into_its_own(served: Served, python_clients: Client) -> None:
    models = models_of(served)

    answer = python_clients.python(
        REGISTER + TELL,
        *(served.url, json.dumps(list(models)), json.dumps(FIELDS)),
        LITELLM_LOCAL_MODEL_COST_MAP="True",
    )

    names, seen = told(answer)
    assert len(names) > 2 * len(models)
    for name, model in models.items():  # what the catalog does not know, it may know itself
        seen[name] |= {field: None for field, value in model.items() if value is None}
    assert differences(models, seen) == []
