"""Vercel's list of models, for each major version of its SDK."""

import re
from decimal import Decimal
from typing import Any

import pytest

from service.catalog import Cost
from tests.speech import LISTS, Json, catalog_of, catalog_of_list, document, said

PATHS = {"v3": "/v3/ai/config", "v4": "/v4/ai/config"}
PRICES = {
    "input": "input",
    "output": "output",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
}


def told(**facts: Any) -> Json:
    found: Json = document(catalog_of(said(**facts)), PATHS["v4"])["models"][0]
    return found


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("version", PATHS)
def test_every_row_is_of_the_version_that_its_path_says(version: str, name: str) -> None:
    for row in document(catalog_of_list(name), PATHS[version])["models"]:
        assert row["specification"] == {
            "specificationVersion": version,
            "provider": "kilo",
            "modelId": row["id"],
        }


@pytest.mark.parametrize("name", LISTS)
def test_every_price_is_a_plain_decimal_of_the_exact_price_for_one_token(name: str) -> None:
    catalog = catalog_of_list(name)

    for row in document(catalog, PATHS["v4"])["models"]:
        one = catalog.find(row["id"])
        assert one
        for key, text in row.get("pricing", {}).items():
            assert re.fullmatch(r"\d+(\.\d+)?", text)
            usd = getattr(one.model.cost, PRICES[key])
            assert Decimal(text) * 1_000_000 == Decimal(repr(usd))


def test_a_row_tells_its_facts_in_the_words_of_vercel() -> None:
    cost = Cost(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75, request=0.1)

    assert told(description="Knows much.", cost=cost) == {
        "id": "a/b",
        "name": "A: B",
        "description": "Knows much.",
        "pricing": {
            "input": "0.000003",
            "output": "0.000015",
            "input_cache_read": "0.0000003",
            "input_cache_write": "0.00000375",
        },
        "specification": {"specificationVersion": "v4", "provider": "kilo", "modelId": "a/b"},
        "modelType": "language",
    }


@pytest.mark.parametrize("cost", [Cost(), Cost(input=3.0), Cost(output=15.0, cache_read=0.3)])
def test_half_a_price_is_not_told(cost: Cost) -> None:
    assert told(cost=cost).keys() == {"id", "name", "specification", "modelType"}


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (("text", "image"), "language"),
        (("image",), "image"),
        (("video",), "video"),
        (("embeddings",), "embedding"),
    ],
)
def test_the_type_is_what_a_model_answers_in(output: tuple[str, ...], kind: str) -> None:
    assert told(output=output)["modelType"] == kind


def test_a_model_without_a_type_is_left_out() -> None:
    rows = document(catalog_of(said(output=("lidar",))), PATHS["v4"])["models"]

    assert [row["id"] for row in rows] == ["kilo/auto"]
