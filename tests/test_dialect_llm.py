"""The file of extra models for llm: JSON that is YAML."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given

from service.catalog import Catalog
from service.dialects import llm
from tests.scenes import PROVIDER
from tests.speech import CATALOGS, LISTS, Json, body, catalog_of, catalog_of_list, document, said

PATH = "/llm/extra-openai-models.yaml"
YAML_TEXT = re.compile(
    "[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)
"""What YAML takes in a quoted text as it is, without an end of a line."""


def told(**facts: Any) -> Json:
    found: Json = document(catalog_of(said(**facts)), PATH)[0]
    return found


@pytest.mark.parametrize("name", LISTS)
def test_every_model_is_called_by_the_provider_and_its_id(name: str) -> None:
    catalog = catalog_of_list(name)

    for row in document(catalog, PATH):
        assert row["model_id"] == f"kilo/{row['model_name']}"
        assert catalog.find(row["model_name"])
        assert row["api_base"] == "https://gateway.example/api/gateway"
        assert row["api_key_name"] == "kilo"


def test_a_row_tells_its_facts_in_the_words_of_llm() -> None:
    assert told(input=("text", "image"), reasoning=True, tools=True, structured_output=False) == {
        "model_id": "kilo/a/b",
        "model_name": "a/b",
        "api_base": "https://gateway.example/api/gateway",
        "api_key_name": "kilo",
        "supports_tools": True,
        "supports_schema": False,
        "reasoning": True,
        "vision": True,
        "audio": False,
    }


def test_what_is_unknown_is_not_there() -> None:
    assert told().keys() == {
        *("model_id", "model_name", "api_base", "api_key_name", "vision", "audio")
    }


def test_a_model_that_answers_in_no_text_is_left_out() -> None:
    assert [row["model_name"] for row in document(catalog_of(said(output=("image",))), PATH)] == [
        "kilo/auto"
    ]


@pytest.mark.parametrize("sign", ["\x85", "\u2028", "\u2029", "\ufeff", "\uffff", "\x7f"])
def test_a_sign_that_ends_a_line_of_yaml_or_is_none_is_an_escape(sign: str) -> None:
    written = body(catalog_of(said(id=f"a/{sign}b")), PATH).decode()

    assert f'"model_name": "a/\\u{ord(sign):04x}b"' in written
    assert orjson.loads(written)[0]["model_name"] == f"a/{sign}b"


@given(catalog=CATALOGS)
def test_whatever_the_models_are_the_file_is_yaml_as_it_is_json(catalog: Catalog) -> None:
    dialect = llm.DIALECT
    subject = dialect.subject(catalog, PROVIDER)

    written = dialect.body(dialect.endpoints[0], subject).decode()

    assert YAML_TEXT.fullmatch(written)
    assert orjson.loads(written) == list(subject.rows())
