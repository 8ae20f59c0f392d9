"""OpenAI's own client, pointed at the service."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.support import Running

_T = TypeVar("_T")


async def asked(running: Running, question: Callable[[Any], _T]) -> _T:
    """Ask with the synchronous client, in a thread, as a program that uses it would."""

    def ask() -> _T:
        import openai

        url = f"{running.client.url}/v1"
        with openai.OpenAI(base_url=url, api_key="sk-foreign", max_retries=0) as client:
            return question(client)

    await running.service.refresher.run()
    return await asyncio.to_thread(ask)


async def test_the_client_lists_every_model_with_what_it_does_not_know_itself(
    running: Running,
) -> None:
    models = await asked(running, lambda client: list(client.models.list()))

    native = {row["id"]: row for row in (await running.client.json("/catalog/models"))["data"]}
    offered = {id_ for id_, row in native.items() if row["contextWindow"]}
    assert {model.id for model in models} == offered
    for model in models:
        assert model.object == "model"
        assert isinstance(model.created, int)
        assert model.owned_by == (native[model.id]["author"] or "kilocode")
        assert model.model_extra["context_length"] == native[model.id]["contextWindow"]
        assert model.model_extra["name"] == native[model.id]["name"]


@pytest.mark.parametrize(
    "id_",
    ["halcyon-row/kingfisher-3:thinking", "~orrery/meridian-latest", "marginalia-1", "kilo/auto"],
)
async def test_the_client_retrieves_ids_of_every_shape(running: Running, id_: str) -> None:
    model = await asked(running, lambda client: client.models.retrieve(id_))

    assert model.id == id_
    assert model.model_extra["context_length"] > 0


async def test_the_client_reads_when_a_model_was_made_and_that_it_is_unknown(
    running: Running,
) -> None:
    dated, undated = await asked(
        running,
        lambda client: (
            client.models.retrieve("vulpine/reynard"),
            client.models.retrieve("kilo/auto"),
        ),
    )

    assert dated.created > 1_500_000_000
    assert undated.created == 0


async def test_the_client_raises_its_own_error_for_an_unknown_model(running: Running) -> None:
    import openai

    with pytest.raises(openai.NotFoundError) as caught:
        await asked(running, lambda client: client.models.retrieve("kilo/atuo"))

    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert "did you mean kilo/auto" in caught.value.message
