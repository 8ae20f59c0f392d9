"""OpenRouter's client for Node, which refuses a whole list for one row that it cannot read."""

import json
from decimal import Decimal
from typing import Final

from tests.clients.conftest import Client
from tests.served import Json, Served, differences, per_token, seconds

ASK: Final = """
import { OpenRouter } from "@openrouter/sdk";
const [, url, ids] = process.argv;
const client = new OpenRouter({serverURL: `${url}/v1`, apiKey: "sk-foreign"});
const [listed, paged, got, endpoints] = [[], [], {}, {}];
for await (const page of await client.models.list()) listed.push(...page.result.data);
for await (const page of await client.models.list({limit: 20})) {
    paged.push(...page.result.data.map(model => model.id));
}
for (const id of JSON.parse(ids)) {
    const [author, ...rest] = id.split("/");
    const path = {author, slug: rest.join("/")};
    got[id] = (await client.models.get(path)).data;
    endpoints[id] = (await client.endpoints.list(path)).data.endpoints;
}
const count = (await client.models.count()).data.count;
const error = await client.models.get({author: "kilo", slug: "atuo"}).catch(
    ({name, statusCode, error}) => ({name, statusCode, ...error}));
console.log(JSON.stringify({listed, paged, got, endpoints, count, error}));
"""


def expected(model: Json) -> Json:
    cost = model["cost"]
    return {
        "id": model["id"],
        "name": model["name"],
        "created": seconds(model["created"]),
        "context": model["contextWindow"],
        "input": model["input"],
        "output": model["output"],
        "served": model["servedContextWindow"],
        "most": model["maxTokens"],
        "parameters": model["supportedParameters"] or [],
        "prompt": Decimal(-1) if cost["input"] is None else per_token(cost["input"]),
        "completion": Decimal(-1) if cost["output"] is None else per_token(cost["output"]),
    }


def shown(row: Json) -> Json:
    return {
        "id": row["id"],
        "name": row["name"],
        "created": row["created"],
        "context": row["contextLength"],
        "input": row["architecture"]["inputModalities"],
        "output": row["architecture"]["outputModalities"],
        "served": row["topProvider"]["contextLength"],
        "most": row["topProvider"]["maxCompletionTokens"],
        "parameters": row["supportedParameters"],
        "prompt": Decimal(row["pricing"]["prompt"]),
        "completion": Decimal(row["pricing"]["completion"]),
    }


def test_it_reads_every_model_in_each_of_its_ways(served: Served, npm: Client) -> None:
    models = {model["id"]: expected(model) for model in served.sized}
    named = {id_: model for id_, model in models.items() if "/" in id_}

    answer = json.loads(npm.node(ASK, served.url, json.dumps(list(named))))

    assert [row["id"] for row in answer["listed"]] == list(models)
    assert answer["paged"] == list(models)
    assert differences(models, {row["id"]: shown(row) for row in answer["listed"]}) == []
    assert differences(named, {id_: shown(row) for id_, row in answer["got"].items()}) == []
    assert answer["endpoints"] == {id_: [] for id_ in named}
    assert answer["count"] == len(models)


def test_it_raises_its_own_error_for_an_unknown_model(served: Served, npm: Client) -> None:
    error = json.loads(npm.node(ASK, served.url, "[]"))["error"]

    assert (error["name"], error["statusCode"]) == ("NotFoundResponseError", 404)
    assert error["code"] == 404
    assert "did you mean kilo/auto" in error["message"]
