"""genai-prices, with which Pydantic AI counts what chats cost, told to take prices from here."""

from collections.abc import Iterator
from typing import Final

import pytest
from genai_prices import UpdatePrices, Usage, calc_price
from genai_prices.data_snapshot import set_custom_snapshot

from tests.served import Json, Served, differences

MILLION: Final = 1_000_000


@pytest.fixture
def updated(served: Served) -> Iterator[None]:
    """Its prices are those of the service, until the test is over."""
    with UpdatePrices(url=f"{served.url}/genai-prices/data.json") as prices:
        assert prices.wait(timeout=30)
    yield
    set_custom_snapshot(None)


def expected(model: Json) -> Json | None:
    """USD for a million tokens; None where a sum would have to leave something out."""
    cost = model["cost"]
    if cost["input"] is None or cost["output"] is None:
        return None
    # Tokens from a cache of unknown price are counted as any others are.
    cached = cost["input"] if cost["cacheRead"] is None else cost["cacheRead"]
    return {
        "name": model["name"],
        "context": model["servedContextWindow"] or model["contextWindow"],
        "input": cost["input"],
        "output": cost["output"],
        "cached": cached,
    }


def counted(id_: str, gateway: str) -> Json:
    """What it makes of a million tokens each way, of a model that is called at the gateway."""
    chat = f"{gateway}/chat/completions"
    plain = calc_price(
        Usage(input_tokens=MILLION, output_tokens=MILLION), id_, provider_api_url=chat
    )
    cached = calc_price(
        Usage(input_tokens=MILLION, cache_read_tokens=MILLION), id_, provider_api_url=chat
    )
    assert plain.provider.id == "kilo"
    return {
        "name": plain.model.name,
        "context": plain.model.context_window,
        "input": plain.input_price,
        "output": plain.output_price,
        "cached": cached.input_price,
    }


def test_every_model_of_known_price_costs_what_the_catalog_says(
    served: Served, updated: None
) -> None:
    models = {model["id"]: priced for model in served.models if (priced := expected(model))}

    assert differences(models, {id_: counted(id_, served.gateway) for id_ in models}) == []


def test_a_model_of_unknown_price_has_none_and_is_not_free(served: Served, updated: None) -> None:
    unpriced = [model["id"] for model in served.models if expected(model) is None]

    assert "kilo/auto" in unpriced
    for id_ in unpriced:
        with pytest.raises(LookupError, match="Unable to find model"):
            calc_price(Usage(input_tokens=MILLION), id_, provider_id="kilo")
