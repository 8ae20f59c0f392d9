"""OpenAI's own client, pointed at the service."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.served import Json, Served, differences, seconds

if TYPE_CHECKING:  # a second, which only the worker that runs these tests should take
    from openai import OpenAI


@pytest.fixture
def client(served: Served) -> "Iterator[OpenAI]":
    from openai import OpenAI

    url = f"{served.url}/v1"
    with OpenAI(base_url=url, api_key="sk-foreign", max_retries=0) as made:
        yield made


def expected(model: Json) -> Json:
    """What the client knows of a model itself, and some of what it hands on unread."""
    return {
        "id": model["id"],
        "object": "model",
        "created": seconds(model["created"]),
        "owned_by": model["author"] or model["source"],
        "name": model["name"],
        "context_length": model["contextWindow"],
        "top_provider": {
            "context_length": model["servedContextWindow"],
            "max_completion_tokens": model["maxTokens"],
            "is_moderated": model["moderated"] or False,
        },
        "supported_parameters": model["supportedParameters"] or [],
    }


def shown(model: Any, names: Json) -> Json:
    return {name: getattr(model, name) for name in names}


def test_the_client_lists_every_model_with_what_it_does_not_know_itself(
    served: Served, client: "OpenAI"
) -> None:
    models = {model["id"]: expected(model) for model in served.sized}

    listed = list(client.models.list())

    assert [model.id for model in listed] == list(models)
    assert differences(models, {one.id: shown(one, models[one.id]) for one in listed}) == []


def test_the_client_retrieves_every_id_and_reads_the_same(served: Served, client: "OpenAI") -> None:
    models = {model["id"]: expected(model) for model in served.sized}

    retrieved = {id_: shown(client.models.retrieve(id_), models[id_]) for id_ in models}

    assert differences(models, retrieved) == []


def test_the_client_raises_its_own_error_for_an_unknown_model(client: "OpenAI") -> None:
    from openai import NotFoundError

    with pytest.raises(NotFoundError) as caught:
        client.models.retrieve("kilo/atuo")

    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert "did you mean kilo/auto" in caught.value.message
