"""The core of Cline, by the address of its catalog and by its provider for LiteLLM's proxy."""

import json
from typing import Final

from tests.clients.conftest import Client
from tests.served import Json, Served, differences

CATALOG: Final = """
import { getLiveModelsCatalog, resolveProviderConfig } from "@cline/core";
const [, url] = process.argv;
const known = {};
for (const key of ["kilo", "openrouter"]) {
    const modelCatalog = {
        loadLatestOnInit: true, failOnError: true, url: `${url}/as/${key}/api.json`};
    known[key] = (await resolveProviderConfig(key, modelCatalog)).knownModels;
}
const live = await getLiveModelsCatalog({url: `${url}/api.json`});
console.log(JSON.stringify({live, known}));
"""
PROXY: Final = """
import { resolveProviderConfig } from "@cline/core";
const [, baseUrl] = process.argv;
const modelCatalog = {loadLatestOnInit: true, loadPrivateOnAuth: true, failOnError: true};
const config = {providerId: "litellm", apiKey: "sk-foreign", baseUrl, modelId: "any"};
const {knownModels} = await resolveProviderConfig("litellm", modelCatalog, config);
console.log(JSON.stringify(knownModels));
"""


def expected(model: Json) -> Json | None:
    """What it is to know of a model; it shows those that are said to use tools and only write."""
    if not model["tools"] or model["output"] != ["text"]:
        return None
    cost, parameters = model["cost"], model["supportedParameters"] or ()
    abilities = {
        "images": "image" in model["input"],
        "video": "video" in model["input"],
        "files": not {"file", "pdf"}.isdisjoint(model["input"]),
        "tools": True,
        "reasoning": model["reasoning"],
        "structured_output": model["structuredOutput"],
        "temperature": "temperature" in parameters,
        "prompt-cache": cost["cacheRead"] or cost["cacheWrite"],
    }
    return {
        "name": model["name"],
        "contextWindow": model["servedContextWindow"] or model["contextWindow"],
        "maxTokens": model["maxTokens"] or 0,
        "capabilities": sorted(name for name, is_able in abilities.items() if is_able),
        "pricing": {
            name: float(cost[name] or 0) for name in ("input", "output", "cacheRead", "cacheWrite")
        },
    }


def shown(model: Json) -> Json:
    return {
        "name": model["name"],
        "contextWindow": model["contextWindow"],
        "maxTokens": model["maxTokens"],
        "capabilities": sorted(model["capabilities"]),
        "pricing": model["pricing"],
    }


def test_it_knows_every_model_that_it_can_work_with(served: Served, cline: Client) -> None:
    models = {model["id"]: said for model in served.models if (said := expected(model))}

    answer = json.loads(cline.node(CATALOG, served.url))

    assert answer["live"].keys() == {"kilo"}
    live = {id_: shown(model) for id_, model in answer["live"]["kilo"].items()}
    assert differences(models, live) == []
    for known in answer["known"].values():  # among those that it has bundled
        assert differences(models, {id_: shown(known[id_]) for id_ in models}) == []


def expected_of_proxy(model: Json) -> Json:
    """It takes no price from a proxy, and for granted that all models there use tools."""
    abilities = {
        "streaming": True,
        "tools": True,
        "images": "image" in model["input"],
        "reasoning": model["reasoning"],
        "prompt-cache": model["cost"]["cacheRead"] is not None,
    }
    said = {
        "id": model["id"],
        "maxInputTokens": model["servedContextWindow"] or model["contextWindow"],
        "maxTokens": model["maxTokens"],
        "capabilities": sorted(name for name, is_able in abilities.items() if is_able),
    }
    return {name: value for name, value in said.items() if value is not None}


def test_it_knows_the_models_of_a_proxy_by_its_names_and_by_litellms(
    served: Served, cline: Client
) -> None:
    models = {}
    for model in served.models:
        said = expected_of_proxy(model)
        models[model["id"]] = said
        models[f"openrouter/{model['id']}"] = said | {"id": f"openrouter/{model['id']}"}

    known = json.loads(cline.node(PROXY, served.url))

    for model in known.values():
        model["capabilities"] = sorted(model["capabilities"])
    seen = {
        id_: {name: model[name] for name in model if name in models.get(id_, model)}
        for id_, model in known.items()
    }
    assert differences(models, seen) == []
