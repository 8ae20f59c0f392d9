"""Kilo's command line, by both of the addresses that it can be told to take its models from."""

import json
from collections.abc import Sequence
from typing import Final
from urllib.request import urlopen

from tests.clients import opencode
from tests.clients.conftest import NOBODY, Client
from tests.served import Json, Served, differences

MODELS: Final = ("kilo", "models", "kilo", "--verbose", "--pure")


def variants_at(gateway: str) -> dict[str, list[str]]:
    """What users can choose among to make a model think more or less, as the gateway says it."""
    with urlopen(f"{gateway}/models") as answer:  # noqa: S310 — our own
        entries = json.load(answer)["data"]
    return {entry["id"]: list(entry.get("opencode", {}).get("variants", {})) for entry in entries}


def expected_of_gateway(model: Json, variants: Sequence[str], url: str) -> Json | None:
    """What it makes of the gateway's own list. Models that are not said to use tools are hidden."""
    if not model["tools"]:
        return None
    return {
        "name": model["name"],
        "status": "active",
        "context": model["contextWindow"],
        "output": model["maxTokens"] or -(-model["contextWindow"] // 5),
        "price": opencode.price(model["cost"]),
        "reads": opencode.kinds(model["input"]),  # it has no word for "file"
        "writes": opencode.kinds(model["output"]),
        "attachment": "image" in model["input"],
        "reasoning": opencode.takes(model, "reasoning"),
        "temperature": opencode.takes(model, "temperature"),
        "tools": True,
        "variants": sorted(variants),
        "url": f"{url}/api/openrouter/",
    }


def test_it_lists_from_the_service_as_from_its_gateway(served: Served, npm: Client) -> None:
    variants = variants_at(served.gateway)
    models = {
        model["id"]: said
        for model in served.sized
        if (said := expected_of_gateway(model, variants.get(model["id"], ()), served.url))
    }
    assert sum(bool(said["variants"]) for said in models.values()) > 10

    text = npm.run(*MODELS, KILO_API_URL=served.url, KILO_DISABLE_MODELS_FETCH="1")

    found = opencode.printed(text)
    for said in found.values():  # ours are from the least to the most, the gateway's in any order
        said["variants"].sort()
    assert differences(models, found) == []


def test_it_lists_from_the_service_as_from_models_dev(served: Served, npm: Client) -> None:
    url = f"{NOBODY}/api/openrouter/"
    models = {
        model["id"]: said
        for model in served.models
        if (said := opencode.from_models_dev(model, url))
    }

    text = npm.run(*MODELS, "--refresh", KILO_API_URL=NOBODY, KILO_MODELS_URL=served.url)

    assert differences(models, opencode.printed(text)) == []
