"""OpenAI's client for Node."""

import json
from typing import Final

from tests.clients.conftest import Client
from tests.served import Json, Served, differences, seconds

ASK: Final = """
import OpenAI from "openai";
const [, url, ids, nobody] = process.argv;
const client = new OpenAI({baseURL: `${url}/v1`, apiKey: "sk-foreign", maxRetries: 0});
const [listed, retrieved] = [[], {}];
for await (const model of client.models.list()) listed.push(model);
for (const id of JSON.parse(ids)) retrieved[id] = await client.models.retrieve(id);
const {name, status, code, param, message} = await client.models.retrieve(nobody).catch(
    error => ({...error, name: error.constructor.name, message: error.message}));
console.log(JSON.stringify({listed, retrieved, error: {name, status, code, param, message}}));
"""

NAMES: Final = (
    "id",
    "object",
    "created",
    "owned_by",
    "name",
    "context_length",
    "max_tokens",
    "supported_parameters",
)


def expected(model: Json) -> Json:
    return {
        "id": model["id"],
        "object": "model",
        "created": seconds(model["created"]),
        "owned_by": model["author"] or model["source"],
        "name": model["name"],
        "context_length": model["contextWindow"],
        "max_tokens": model["maxTokens"],
        "supported_parameters": model["supportedParameters"] or [],
    }


def shown(row: Json) -> Json:
    return {name: value for name, value in row.items() if name in NAMES}


def test_it_lists_and_retrieves_every_model_and_knows_an_error(served: Served, npm: Client) -> None:
    models = {model["id"]: expected(model) for model in served.sized}

    answer = json.loads(npm.node(ASK, served.url, json.dumps(list(models)), "kilo/atuo"))

    assert [row["id"] for row in answer["listed"]] == list(models)
    assert differences(models, {row["id"]: shown(row) for row in answer["listed"]}) == []
    retrieved = {id_: shown(row) for id_, row in answer["retrieved"].items()}
    assert differences(models, retrieved) == []
    error = answer["error"]
    assert (error["name"], error["status"]) == ("NotFoundError", 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "did you mean kilo/auto" in error["message"]
