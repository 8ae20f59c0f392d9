"""Anthropic's own client, pointed at the service."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.served import Json, Served, differences, seconds

if TYPE_CHECKING:  # two seconds, which only the worker that runs these tests should take
    from anthropic import Anthropic
    from anthropic.types import ModelInfo


@pytest.fixture
def client(served: Served) -> "Iterator[Anthropic]":
    from anthropic import Anthropic

    with Anthropic(base_url=served.url, api_key="sk-foreign", max_retries=0) as made:
        yield made


@pytest.fixture
def models(served: Served) -> dict[str, Json]:
    """What the client is to know of each model; a release of unknown date is the epoch's."""
    return {
        model["id"]: {
            "id": model["id"],
            "type": "model",
            "display_name": model["name"],
            "created_at": datetime.fromtimestamp(seconds(model["created"]), UTC),
            "max_input_tokens": model["contextWindow"],
            "max_tokens": model["maxTokens"],
        }
        for model in served.sized
    }


def shown(model: "ModelInfo") -> Json:
    return {
        "id": model.id,
        "type": model.type,
        "display_name": model.display_name,
        "created_at": model.created_at,
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": model.max_tokens,
    }


@pytest.mark.parametrize("limit", [1000, 20, None])
def test_the_client_lists_every_model_in_order_whatever_it_asks_for(
    models: dict[str, Json], client: "Anthropic", limit: int | None
) -> None:
    from anthropic import omit

    page = client.models.list(limit=omit if limit is None else limit)

    listed = list(page)
    assert [model.id for model in listed] == list(models)
    assert differences(models, {model.id: shown(model) for model in listed}) == []
    assert (page.first_id, page.last_id) == (listed[0].id, page.data[-1].id)
    assert page.has_more is (len(page.data) < len(listed))


def test_the_client_retrieves_every_id_and_reads_the_same(
    models: dict[str, Json], client: "Anthropic"
) -> None:
    retrieved = {id_: shown(client.models.retrieve(id_)) for id_ in models}

    assert differences(models, retrieved) == []


def test_the_client_raises_its_own_error_for_an_unknown_model(client: "Anthropic") -> None:
    from anthropic import NotFoundError

    with pytest.raises(NotFoundError, match="did you mean kilo/auto"):
        client.models.retrieve("kilo/atuo")
