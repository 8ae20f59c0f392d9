"""Vercel's AI SDK, both major versions of its package for gateways."""

import json
from decimal import Decimal
from typing import Final

import pytest

from tests.clients.conftest import Client
from tests.served import Json, Served, differences, per_token

ASK: Final = """
const [, url, name, version] = process.argv;
const { createGateway } = await import(name);
const gateway = createGateway({baseURL: `${url}/${version}/ai`, apiKey: "any"});
console.log(JSON.stringify((await gateway.getAvailableModels()).models));
"""
KINDS: Final = {"text": "language", "embeddings": "embedding"}


def expected(model: Json, version: str) -> Json:
    cost = model["cost"]
    is_priced = cost["input"] is not None and cost["output"] is not None
    return {
        "name": model["name"],
        "description": model["description"],
        "pricing": _prices(cost) if is_priced else None,
        "specification": {
            "specificationVersion": version,
            "provider": "kilo",
            "modelId": model["id"],
        },
        "modelType": KINDS[model["output"][0]],
    }


def _prices(cost: Json) -> Json:
    known = {
        "input": cost["input"],
        "output": cost["output"],
        "cachedInputTokens": cost["cacheRead"],
        "cacheCreationInputTokens": cost["cacheWrite"],
    }
    return {name: per_token(usd) for name, usd in known.items() if usd is not None}


def shown(model: Json) -> Json:
    prices = model.get("pricing")
    return {
        "name": model["name"],
        "description": model.get("description"),
        "pricing": prices and {name: Decimal(usd) for name, usd in prices.items()},
        "specification": model["specification"],
        "modelType": model["modelType"],
    }


@pytest.mark.parametrize(
    ("package", "version"), [("@ai-sdk/gateway", "v4"), ("@ai-sdk/gateway-3", "v3")]
)
def test_it_lists_every_model_with_its_price_and_kind(
    served: Served, npm: Client, package: str, version: str
) -> None:
    models = {model["id"]: expected(model, version) for model in served.models}

    listed = json.loads(npm.node(ASK, served.url, package, version))

    assert [model["id"] for model in listed] == list(models)
    assert differences(models, {model["id"]: shown(model) for model in listed}) == []
