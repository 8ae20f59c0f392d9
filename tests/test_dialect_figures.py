"""Figures that several dialects tell."""

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog import Cost
from service.dialects import figures
from tests.speech import said

USD = st.floats(min_value=1e-30, max_value=1e6)


@pytest.mark.parametrize(
    ("served", "own", "window"),
    [(100, 200, 100), (None, 200, 200), (100, None, 100), (None, None, None)],
)
def test_the_window_is_what_is_served_and_what_the_model_can_hold_where_that_is_unknown(
    served: int | None, own: int | None, window: int | None
) -> None:
    model = said(served_context_window=served, context_window=own)

    assert figures.window(model) == window


@pytest.mark.parametrize(
    ("cost", "is_priced"),
    [
        (Cost(input=0.0, output=0.0), True),
        (Cost(input=1.0), False),
        (Cost(output=1.0), False),
        (Cost(), False),
    ],
)
def test_a_chat_is_priced_when_both_prices_are_known(cost: Cost, is_priced: bool) -> None:
    assert figures.is_priced(cost) is is_priced


@pytest.mark.parametrize(("said_price", "told"), [(None, None), (0.0, None), (2.5, 2.5)])
def test_reasoning_has_a_price_of_its_own_only_where_that_is_not_zero(
    said_price: float | None, told: float | None
) -> None:
    assert figures.reasoning_price(Cost(input=1.0, output=2.0, reasoning=said_price)) == told


@pytest.mark.parametrize(
    ("usd_per_mtok", "usd"),
    [(None, None), (0.0, "0"), (3.0, "3e-06"), (0.1, "1e-07"), (2.8, "2.8e-06"), (1e6, "1")],
)
def test_a_price_per_token_has_no_digits_of_float_arithmetic(
    usd_per_mtok: float | None, usd: str | None
) -> None:
    found = figures.per_token(usd_per_mtok)

    assert (found is None) == (usd is None)
    assert usd is None or repr(found) == usd


@given(usd=USD)
def test_a_price_per_token_is_the_double_nearest_to_the_exact_one(usd: float) -> None:
    exact = Decimal(repr(usd)).scaleb(-6)

    found = figures.per_token(usd)

    assert found is not None
    assert float(found) == float(exact)
    assert json.loads(orjson.dumps(found)) == found


@given(usd=USD, exponent=st.sampled_from([0, -6]))
def test_a_decimal_has_no_exponent_and_reads_back_as_the_exact_price(
    usd: float, exponent: int
) -> None:
    text = figures.decimal(usd, exponent)

    assert text
    assert set(text) <= set("0123456789.")
    assert Decimal(text) == Decimal(repr(usd)).scaleb(exponent)


def test_what_is_known_is_false_or_zero_or_empty_too() -> None:
    facts = {"unknown": None, "false": False, "zero": 0, "empty": ""}

    assert figures.known(facts) == {"false": False, "zero": 0, "empty": ""}
