"""Catwalk's list: what Crush reads, byte for byte as Go would write it.

The texts and numbers that are expected here are what Go's `json.Marshal` makes of the same values.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from service.catalog import Catalog, Cost
from service.dialects import catwalk
from tests.scenes import PROVIDER, snapshot_of, spoken
from tests.speech import CATALOGS, LISTS, OCTOBER, Json, body, catalog_of, catalog_of_list, said
from tests.speech import document as read

PATH = "/v2/providers"
PROVIDER_FIELDS = (
    *("name", "id", "api_key", "api_endpoint", "type"),
    *("default_large_model_id", "default_small_model_id", "models"),
)
FIELDS = (
    *("id", "name", "cost_per_1m_in", "cost_per_1m_out"),
    *("cost_per_1m_in_cached", "cost_per_1m_out_cached", "context_window", "default_max_tokens"),
    *("can_reason", "reasoning_levels", "supports_attachments", "options"),
)
INTEGERS = {"context_window", "default_max_tokens"}


def provider(*models: Any) -> Json:
    (found,) = read(catalog_of(*models), PATH)
    assert isinstance(found, dict)
    return found


def rows(**facts: Any) -> list[Json]:
    """What is told of a model of which this is known; the list has another one, too."""
    found: list[Json] = provider(said(**facts), said(id="x/other"))["models"]
    assert found[-1]["id"] == "x/other"
    return found[:-1]


# ---- as Go writes it


def go_number(value: float) -> str:
    """Python's and Go's shortest digits are the same; from 1e-6 to 1e21 Go writes them plain."""
    shortest = Decimal(repr(value)).normalize()
    is_plain = value == 0 or -6 <= shortest.adjusted() < 21
    return format(shortest, "f" if is_plain else "e")


def go_text(text: str) -> str:
    signs = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    escaped = {*"<>&\u2028\u2029", *map(chr, range(0x20))}
    return (
        '"' + "".join(signs.get(c, f"\\u{ord(c):04x}" if c in escaped else c) for c in text) + '"'
    )


def go(value: object) -> str:
    """An encoder after the rules of Go, which shares nothing with ours."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return go_text(value)
        case int():
            return str(value)
        case float():
            return go_number(value)
        case dict():
            return "{" + ",".join(f"{go(k)}:{go(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ",".join(map(go, value)) + "]"
        case _:
            raise AssertionError(value)


@pytest.mark.parametrize("name", LISTS)
def test_our_lists_are_written_as_go_would_write_them(name: str) -> None:
    written = body(catalog_of_list(name), PATH).decode()

    assert written == go(json.loads(written))


@given(catalog=CATALOGS)
def test_whatever_the_models_are_they_are_written_as_go_would_write_them(catalog: Catalog) -> None:
    dialect = catwalk.DIALECT
    written = dialect.body(dialect.endpoints[0], dialect.subject(catalog, PROVIDER)).decode()

    assert written == go(json.loads(written))


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (0.3, "0.3"),
        (1_000_000.0, "1000000"),
        (123456.789, "123456.789"),
        (0.000001, "0.000001"),
        (0.0000015, "0.0000015"),
        (0.0000005, "5e-7"),
        (0.00000015, "1.5e-7"),
        (1e-12, "1e-12"),
        (0.08333333333333334, "0.08333333333333334"),
        (2**-24, "5.960464477539063e-8"),
    ],
)
def test_a_price_has_the_digits_that_go_gives_it(usd: float, text: str) -> None:
    written = body(catalog_of(said(cost=Cost(input=usd, output=usd))), PATH).decode()

    assert f'"cost_per_1m_in":{text},"cost_per_1m_out":{text},' in written


def test_a_name_has_the_escapes_that_go_gives_it() -> None:
    name = '<b>A & B</b> \u2028\u2029 "quoted" back\\slash 🦊 é \x7f'

    written = body(catalog_of(said(name=name)), PATH).decode()

    assert (
        r'"name":"\u003cb\u003eA \u0026 B\u003c/b\u003e \u2028\u2029 \"quoted\" back\\slash'
        ' 🦊 é \x7f",'
    ) in written


def test_the_whole_list_is_these_bytes() -> None:
    model = said(
        input=("text", "image"),
        reasoning=True,
        reasoning_efforts=("low", "high"),
        tools=True,
        cost=Cost(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75),
        preferred_index=0,
    )

    assert body(catalog_of(model), PATH) == (
        b'[{"name":"Kilo Gateway","id":"kilo","api_key":"$KILO_API_KEY",'
        b'"api_endpoint":"https://gateway.example/api/gateway","type":"openai-compat",'
        b'"default_large_model_id":"a/b","default_small_model_id":"a/b","models":[{"id":"a/b",'
        b'"name":"A: B","cost_per_1m_in":3,"cost_per_1m_out":15,"cost_per_1m_in_cached":3.75,'
        b'"cost_per_1m_out_cached":0.3,"context_window":200000,"default_max_tokens":8192,'
        b'"can_reason":true,"reasoning_levels":["low","high"],"supports_attachments":true,'
        b'"options":{}}]}]'
    )


def test_the_etag_is_what_crush_computes_of_its_copy() -> None:
    made = spoken(snapshot_of(catalog_of_list(OCTOBER)), PATH)

    computed = hashlib.sha256(made.body).digest()[:16].hex()
    assert made.variant("identity").etag == f'"{computed}"'


# ---- every row of our lists


@pytest.mark.parametrize("name", LISTS)
def test_every_field_is_there_in_its_type_and_in_the_order_of_the_struct(name: str) -> None:
    (found,) = json.loads(body(catalog_of_list(name), PATH))

    assert tuple(found) == PROVIDER_FIELDS
    for row in found["models"]:
        assert tuple(row) == tuple(
            field for field in FIELDS if field in row or field != "reasoning_levels"
        )
        assert all(type(row[field]) is int for field in INTEGERS)
        assert row["context_window"] > 0
        assert row.get("reasoning_levels", True)


@pytest.mark.parametrize("name", LISTS)
def test_every_number_is_one_of_the_catalogs(name: str) -> None:
    catalog = catalog_of_list(name)
    (found,) = json.loads(body(catalog, PATH))

    for row in found["models"]:
        one = catalog.find(row["id"])
        assert one
        model, cost = one.model, one.model.cost
        assert (row["cost_per_1m_in"], row["cost_per_1m_out"]) == (cost.input, cost.output)
        assert row["cost_per_1m_in_cached"] == (cost.cache_write or 0)
        assert row["cost_per_1m_out_cached"] == (cost.cache_read or 0)
        assert row["context_window"] == (model.served_context_window or model.context_window)
        assert row["default_max_tokens"] in {model.max_tokens, 0}


# ---- what is left out


@pytest.mark.parametrize(
    "facts",
    [
        {"cost": Cost()},
        {"cost": Cost(input=3.0)},
        {"cost": Cost(output=15.0)},
        {"context_window": None},
        {"tools": False},
        {"output": ("image",)},
    ],
    ids=str,
)
def test_what_a_zero_would_say_wrongly_is_left_out(facts: Mapping[str, Any]) -> None:
    assert rows(**facts) == []


def test_what_a_zero_says_rightly_is_told() -> None:
    (row,) = rows(max_tokens=None, cost=Cost(input=0.0, output=0.0))

    assert row == {
        "id": "a/b",
        "name": "A: B",
        "cost_per_1m_in": 0,
        "cost_per_1m_out": 0,
        "cost_per_1m_in_cached": 0,
        "cost_per_1m_out_cached": 0,
        "context_window": 200_000,
        "default_max_tokens": 0,
        "can_reason": False,
        "supports_attachments": False,
        "options": {},
    }


def test_without_any_model_that_can_be_told_there_is_no_provider() -> None:
    dialect = catwalk.DIALECT

    assert dialect.body(dialect.endpoints[0], dialect.subject(catalog_of(), PROVIDER)) == b"[]"


@pytest.mark.parametrize(
    ("max_tokens", "window", "asked"),
    [(8192, 200_000, 8192), (200_000, 200_000, 0), (300_000, 200_000, 0), (None, 200_000, 0)],
)
def test_the_longest_answer_is_asked_for_only_where_it_leaves_room_for_a_question(
    max_tokens: int | None, window: int, asked: int
) -> None:
    (row,) = rows(max_tokens=max_tokens, context_window=window)

    assert row["default_max_tokens"] == asked


def test_efforts_are_told_of_a_model_that_reasons_and_of_no_other() -> None:
    (row,) = rows(reasoning=False, reasoning_efforts=("low",))

    assert row["can_reason"] is False
    assert "reasoning_levels" not in row


# ---- the defaults


def defaults(*models: Any) -> tuple[str, str]:
    found = provider(*models)
    return found["default_large_model_id"], found["default_small_model_id"]


@pytest.mark.parametrize("name", LISTS)
def test_the_defaults_are_in_the_list(name: str) -> None:
    (found,) = read(catalog_of_list(name), PATH)

    names = {row["id"] for row in found["models"]}
    assert {found["default_large_model_id"], found["default_small_model_id"]} <= names


def test_the_large_default_is_the_most_preferred_and_the_small_one_the_cheapest_preferred() -> None:
    first = said(id="a/first", cost=Cost(input=0.1, output=0.1))
    second = said(id="a/second", preferred_index=2, cost=Cost(input=1.0, output=2.0))
    best = said(id="a/best", preferred_index=1, cost=Cost(input=9.0, output=9.0))

    assert defaults(first, second, best) == ("a/best", "a/second")


def test_where_the_gateway_prefers_none_its_first_is_both_defaults() -> None:
    cheap = said(id="a/cheap", cost=Cost(input=0.1, output=0.1))

    assert defaults(said(), cheap) == ("a/b", "a/b")


def test_a_model_that_may_train_on_prompts_is_a_default_only_where_there_is_no_other() -> None:
    curious = said(preferred_index=0, may_train_on_prompts=True, cost=Cost(input=0.0, output=0.0))

    assert defaults(curious, said(id="a/other")) == ("a/other", "a/other")
    assert defaults(curious) == ("a/b", "a/b")


def test_a_preferred_model_that_cannot_be_told_is_no_default() -> None:
    untold = said(preferred_index=0, tools=False)

    assert defaults(untold, replace(said(), id="a/other")) == ("a/other", "a/other")
