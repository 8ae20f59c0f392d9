"""Ollama's own client, which takes the service for a server of models that run elsewhere."""

from collections.abc import Iterator
from datetime import datetime

import ollama
import pytest

from tests.served import Json, Served, differences


@pytest.fixture
def client(served: Served) -> Iterator[ollama.Client]:
    with ollama.Client(host=served.url) as made:
        yield made


def expected(model: Json) -> Json:
    """What it shows of a model by itself."""
    capabilities = {
        "completion": "text" in model["output"],
        "tools": model["tools"],
        "vision": "image" in model["input"],
        "thinking": model["reasoning"],
        "embedding": "embeddings" in model["output"],
    }
    return {
        "context": model["servedContextWindow"] or model["contextWindow"],
        "capabilities": {name for name, is_able in capabilities.items() if is_able},
        "modified_at": datetime.fromisoformat(model["updatedAt"]),
        "family": model["family"],
    }


def shown(answer: ollama.ShowResponse) -> Json:
    info = answer.modelinfo or {}
    assert answer.details is not None
    return {
        "context": info.get(f"{info['general.architecture']}.context_length"),
        "capabilities": set(answer.capabilities or ()),
        "modified_at": answer.modified_at,
        "family": answer.details.family,
    }


def test_it_lists_every_model_with_the_time_of_its_last_change(
    served: Served, client: ollama.Client
) -> None:
    models = {model["id"]: datetime.fromisoformat(model["updatedAt"]) for model in served.models}

    listed = client.list().models

    assert [model.model for model in listed] == list(models)
    assert {model.model: model.modified_at for model in listed} == models


def test_it_shows_context_and_abilities_of_every_model(
    served: Served, client: ollama.Client
) -> None:
    models = {model["id"]: expected(model) for model in served.models}

    assert differences(models, {id_: shown(client.show(id_)) for id_ in models}) == []


def test_it_raises_its_own_error_for_an_unknown_model(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="did you mean kilo/auto") as caught:
        client.show("kilo/atuo")

    assert caught.value.status_code == 404
