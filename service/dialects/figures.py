"""Figures as several dialects tell them: limits that hold, prices that are exact. Pure."""

from decimal import Decimal
from typing import Any

from service.catalog import Cost, Model
from service.dialects import native

Number = float | int


def known(facts: dict[str, Any]) -> dict[str, Any]:
    """Without what is unknown: a key that is not there claims nothing."""
    return {name: value for name, value in facts.items() if value is not None}


def window(said: Model) -> int | None:
    """Tokens that a chat may use: what is served of the model, else what it can hold."""
    return said.served_context_window or said.context_window


def is_priced(cost: Cost) -> bool:
    """Whether a chat can be priced: without either of the two, a sum would be told too low."""
    return cost.input is not None and cost.output is not None


def reasoning_price(cost: Cost) -> float | None:
    """What reasoning costs where it has a price of its own.

    Reasoning is charged as output unless the gateway prices it apart, and most of its rows say 0 of
    it beside a price of output: that nothing comes on top, not that reasoning costs nothing.
    """
    return cost.reasoning or None


def scaled(usd: float | None, exponent: int) -> Number | None:
    """A price for 10^exponent times as many: the double nearest to the exact decimal."""
    return None if usd is None else native.number(float(Decimal(repr(usd)).scaleb(exponent)))


def per_token(usd_per_mtok: float | None) -> Number | None:
    """USD per token."""
    return scaled(usd_per_mtok, -6)


def decimal(usd: float | None, exponent: int = 0) -> str | None:
    """The same as a text without exponent: the shortest that reads back as the same price."""
    return None if usd is None else format(Decimal(repr(usd)).scaleb(exponent).normalize(), "f")
