"""OpenRouter's own client, which refuses a whole list for one row that it cannot read."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import openrouter
import pytest
from openrouter.components import Model
from openrouter.errors import NotFoundResponseError

from tests.served import Json, Served, differences, per_token, seconds

UNKNOWN: Final = Decimal(-1)
"""What the gateway itself prices so: it depends on the request."""


@pytest.fixture
def client(served: Served) -> Iterator[openrouter.OpenRouter]:
    with openrouter.OpenRouter(api_key="sk-foreign", server_url=f"{served.url}/v1") as made:
        yield made


@pytest.fixture
def models(served: Served) -> dict[str, Json]:
    return {model["id"]: expected(model) for model in served.sized}


def expected(model: Json) -> Json:
    """What the client is to know of a model, its prices as numbers."""
    cost = model["cost"]
    known = {
        "input_cache_read": _times(cost["cacheRead"]),
        "input_cache_write": _times(cost["cacheWrite"]),
        "internal_reasoning": _times(cost["reasoning"]),
        "image": cost["image"],
        "request": cost["request"],
        "web_search": cost["webSearch"],
    }
    return {
        "id": model["id"],
        "name": model["name"],
        "created": seconds(model["created"]),
        "description": model["description"] or "",
        "context_length": model["contextWindow"],
        "input": model["input"],
        "output": model["output"],
        "tokenizer": model["tokenizer"] or "Other",
        "served_context": model["servedContextWindow"],
        "max_tokens": model["maxTokens"],
        "moderated": model["moderated"] or False,
        "parameters": model["supportedParameters"] or [],
        "hugging_face_id": model["huggingFaceId"],
        "knowledge_cutoff": model["knowledgeCutoff"],
        "expires": model["expiresAt"] and model["expiresAt"][:10],
        "prices": {
            "prompt": UNKNOWN if cost["input"] is None else per_token(cost["input"]),
            "completion": UNKNOWN if cost["output"] is None else per_token(cost["output"]),
        }
        | {name: price for name, price in known.items() if price is not None},
    }


def _times(usd_per_mtok: Decimal | None) -> Decimal | None:
    return None if usd_per_mtok is None else per_token(usd_per_mtok)


def shown(model: Model) -> Json:
    architecture, provider = model.architecture, model.top_provider
    return {
        "id": model.id,
        "name": model.name,
        "created": model.created,
        "description": model.description,
        "context_length": model.context_length,
        "input": architecture.input_modalities,
        "output": architecture.output_modalities,
        "tokenizer": architecture.tokenizer,
        "served_context": provider.context_length,
        "max_tokens": provider.max_completion_tokens,
        "moderated": provider.is_moderated,
        "parameters": model.supported_parameters,
        "hugging_face_id": model.hugging_face_id,
        "knowledge_cutoff": model.knowledge_cutoff,
        "expires": model.expiration_date,
        "prices": {
            name: Decimal(price)
            for name, price in model.pricing.model_dump(exclude_none=True).items()
        },
    }


def test_the_client_reads_every_row_whole_and_in_order(
    models: dict[str, Json], client: openrouter.OpenRouter
) -> None:
    answer = client.models.list()

    assert answer is not None
    assert answer.result.total_count == len(models)
    assert [model.id for model in answer.result.data] == list(models)
    assert differences(models, {model.id: shown(model) for model in answer.result.data}) == []


def test_its_pages_hold_every_model_once_and_come_to_an_end(
    models: dict[str, Json], client: openrouter.OpenRouter
) -> None:
    listed: list[str] = []
    answer: Any = client.models.list(limit=20)
    while answer is not None:
        assert len(answer.result.data) <= 20
        listed += [model.id for model in answer.result.data]
        answer = answer.next()

    assert listed == list(models)


def test_a_user_has_the_same_list(models: dict[str, Json], client: openrouter.OpenRouter) -> None:
    answer = client.models.list_for_user(security={"bearer": "sk-foreign"})

    assert answer is not None
    assert differences(models, {model.id: shown(model) for model in answer.result.data}) == []


def test_it_counts_as_many_models_as_it_lists(
    models: dict[str, Json], client: openrouter.OpenRouter
) -> None:
    assert client.models.count().data.count == len(models)


def test_it_gets_every_model_that_has_an_author_by_itself(
    models: dict[str, Json], client: openrouter.OpenRouter
) -> None:
    named = {id_: model for id_, model in models.items() if "/" in id_}

    assert differences(named, {id_: shown(got(client, id_)) for id_ in named}) == []


def test_it_reads_the_endpoints_of_every_model_and_there_are_none_to_tell_of(
    models: dict[str, Json], client: openrouter.OpenRouter
) -> None:
    for id_ in models:
        if "/" in id_:
            author, slug = _split(id_)
            told = client.endpoints.list(author=author, slug=slug).data
            assert (told.id, told.name, told.endpoints) == (id_, models[id_]["name"], [])


def test_it_raises_its_own_error_for_an_unknown_model(client: openrouter.OpenRouter) -> None:
    with pytest.raises(NotFoundResponseError, match="did you mean kilo/auto"):
        client.models.get(author="kilo", slug="atuo")


def got(client: openrouter.OpenRouter, id_: str) -> Model:
    author, slug = _split(id_)
    return client.models.get(author=author, slug=slug).data


def _split(id_: str) -> tuple[str, str]:
    author, _, slug = id_.partition("/")
    return author, slug
