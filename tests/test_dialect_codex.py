"""Codex's list, by what Codex demands: one bad row costs the whole file."""

from typing import Any

import pytest

from tests.speech import LISTS, Json, catalog_of, catalog_of_list, document, said

PATH = "/codex/models"
DEMANDED = {
    "slug": str,
    "display_name": str,
    "supported_reasoning_levels": list,
    "shell_type": str,
    "visibility": str,
    "supported_in_api": bool,
    "priority": int,
    "base_instructions": str,
    "support_verbosity": bool,
    "truncation_policy": dict,
    "experimental_supported_tools": list,
}


def models(*all_said: Any) -> list[Json]:
    found: list[Json] = document(catalog_of(*all_said), PATH)["models"]
    return found


@pytest.mark.parametrize("name", LISTS)
def test_every_row_has_all_that_is_demanded_in_its_type(name: str) -> None:
    for row in document(catalog_of_list(name), PATH)["models"]:
        for key, kind in DEMANDED.items():
            assert type(row[key]) is kind
        assert set(row["input_modalities"]) <= {"text", "image", "audio"}
        for level in row["supported_reasoning_levels"]:
            assert level.keys() == {"effort", "description"}
            assert level["description"]


@pytest.mark.parametrize("name", LISTS)
def test_the_list_keeps_the_catalogs_order_and_its_windows(name: str) -> None:
    catalog = catalog_of_list(name)
    rows = document(catalog, PATH)["models"]

    assert [row["priority"] for row in rows] == list(range(len(rows)))
    ids = [row.model.id for row in catalog.rows]
    assert sorted((row["slug"] for row in rows), key=ids.index) == [row["slug"] for row in rows]
    for row in rows:
        one = catalog.find(row["slug"])
        assert one
        said_window = one.model.served_context_window or one.model.context_window
        assert row.get("context_window") == said_window


def test_a_row_tells_its_facts_in_the_words_of_codex() -> None:
    row = models(
        said(
            description="Knows much.",
            input=("text", "image", "audio", "file", "video"),
            reasoning=True,
            reasoning_efforts=("low", "max"),
            tools=True,
            supported_parameters=("parallel_tool_calls", "tools", "verbosity"),
        )
    )[0]

    assert row == {
        "slug": "a/b",
        "display_name": "A: B",
        "description": "Knows much.",
        "supported_reasoning_levels": [
            {"effort": "low", "description": "low"},
            {"effort": "max", "description": "max"},
        ],
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "base_instructions": "",
        "support_verbosity": True,
        "truncation_policy": {"mode": "bytes", "limit": 10_000},
        "supports_parallel_tool_calls": True,
        "context_window": 200_000,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image", "audio"],
        "priority": 0,
    }


def test_what_is_unknown_is_not_there() -> None:
    row = models(said(context_window=None))[0]

    assert "context_window" not in row
    assert "description" not in row
    assert row["supported_reasoning_levels"] == []


def test_efforts_are_told_of_a_model_that_reasons_and_of_no_other() -> None:
    row = models(said(reasoning=False, reasoning_efforts=("low",)))[0]

    assert row["supported_reasoning_levels"] == []


def test_a_model_without_tools_or_without_text_is_left_out() -> None:
    rows = models(said(id="a/mute", output=("image",)), said(id="a/idle", tools=False), said())

    assert [(row["slug"], row["priority"]) for row in rows] == [("a/b", 0), ("kilo/auto", 1)]
