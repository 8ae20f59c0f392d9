"""Ollama's list and its answer about one model, by the rules of the clients that read them."""

from typing import Any

import pytest

from service.errors import ParameterError, UnknownModelError
from tests.speech import LISTS, Json, catalog_of, catalog_of_list, document, said

TAGS = "/api/tags"
SHOW = "/api/show"


def shown(**facts: Any) -> Json:
    found: Json = document(catalog_of(said(**facts)), SHOW, model="a/b")
    return found


@pytest.mark.parametrize("name", LISTS)
def test_the_list_has_every_model_as_one_that_the_gateway_runs(name: str) -> None:
    catalog = catalog_of_list(name)

    rows = document(catalog, TAGS)["models"]

    assert [row["name"] for row in rows] == [row.model.id for row in catalog.rows]
    for row in rows:
        assert row["model"] == row["remote_model"] == row["name"]
        assert row["remote_host"] == "https://gateway.example/api/gateway"
        assert row["modified_at"] == "2026-10-01T12:00:00Z"


def test_nothing_is_told_of_what_a_model_elsewhere_does_not_have() -> None:
    row = document(catalog_of(said()), TAGS)["models"][0]

    assert row.keys() == {
        *("name", "model", "remote_model", "remote_host", "modified_at", "digest", "details")
    }
    assert row["details"] == {}


@pytest.mark.parametrize("name", LISTS)
def test_every_digest_is_another_ones(name: str) -> None:
    rows = document(catalog_of_list(name), TAGS)["models"]

    digests = {row["digest"] for row in rows}
    assert len(digests) == len(rows)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in digests)


def test_a_digest_changes_with_what_is_said_of_the_model() -> None:
    same, other = (
        document(catalog_of(said(name=name)), TAGS)["models"][0]["digest"] for name in "AB"
    )

    assert same == document(catalog_of(said(name="A")), TAGS)["models"][0]["digest"] != other


@pytest.mark.parametrize("name", LISTS)
def test_every_model_of_the_list_is_shown_under_its_name(name: str) -> None:
    catalog = catalog_of_list(name)

    for row in document(catalog, TAGS)["models"]:
        one = document(catalog, SHOW, model=row["name"])
        assert one["modified_at"] == row["modified_at"]
        assert one["details"] == row["details"]


def test_a_model_is_shown_with_its_window_under_the_name_of_its_architecture() -> None:
    assert shown(
        family="claude",
        input=("text", "image"),
        reasoning=True,
        tools=True,
        served_context_window=100_000,
    ) == {
        "details": {"family": "claude"},
        "model_info": {"general.architecture": "kilo", "kilo.context_length": 100_000},
        "capabilities": ["completion", "tools", "vision", "thinking"],
        "modified_at": "2026-10-01T12:00:00Z",
        "remote_model": "a/b",
        "remote_host": "https://gateway.example/api/gateway",
    }


def test_what_is_unknown_is_not_among_the_capabilities_and_has_no_window() -> None:
    one = shown(context_window=None)

    assert one["capabilities"] == ["completion"]
    assert one["model_info"] == {"general.architecture": "kilo"}


def test_a_model_that_makes_embeddings_is_told_to_do_that() -> None:
    assert shown(output=("embeddings",))["capabilities"] == ["embedding"]


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "a/b"},
        {"name": "a/b"},
        {"model": "", "name": "a/b"},
        {"model": "a/b", "name": "x/y"},
        {"model": "kilocode/a/b"},
        {"model": "a/b:latest"},
    ],
)
def test_a_model_is_asked_for_by_either_word_with_or_without_the_usual_tag(
    asked: dict[str, str],
) -> None:
    catalog = catalog_of(said())

    assert document(catalog, SHOW, **asked)["remote_model"] == "a/b"


def test_a_tag_that_is_a_models_own_stays() -> None:
    catalog = catalog_of(said(), said(id="a/b:latest"))

    assert document(catalog, SHOW, model="a/b:latest")["remote_model"] == "a/b:latest"


def test_a_model_that_is_not_there_is_not_shown() -> None:
    for name in ("a/c", "a/c:latest"):
        with pytest.raises(UnknownModelError, match="a/b"):
            document(catalog_of(said()), SHOW, model=name)


def test_who_asks_for_no_model_is_told_how() -> None:
    with pytest.raises(ParameterError, match="name a model"):
        document(catalog_of(said()), SHOW)
