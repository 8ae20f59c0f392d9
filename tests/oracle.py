"""What a question means, once more and naively: from the JSON of the models alone."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cmp_to_key
from typing import Any, Final

from tests.scenes import is_like

Json = dict[str, Any]
Pairs = Sequence[tuple[str, str]]
Passes = Callable[[Any, str, datetime], bool]
"""Whether a field's value passes what was asked for, as it was written."""

UNITS: Final = {"k": 1_000, "m": 1_000_000}
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
FLAGS: Final = {"true": True, "false": False, "unknown": None}


def at(model: Json, path: str) -> Any:
    """The value at a path such as `cost.input`."""
    head, _, below = path.partition(".")
    return model[head][below] if below else model[head]


def words(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


def tokens(text: str) -> Decimal:
    unit = UNITS.get(text[-1].lower())
    return Decimal(text[:-1]) * unit if unit else Decimal(text)


def exact(number: float) -> Decimal:
    """A number of a JSON document, as it is written there."""
    return Decimal(str(number))


def time(text: str, now: datetime) -> datetime:
    if seconds := SECONDS.get(text[-1]):
        return now - timedelta(seconds=int(text[:-1]) * seconds)
    said = datetime.fromisoformat(text)
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _one_of(value: Any, text: str, now: datetime) -> bool:
    return value is not None and value.casefold() in [one.casefold() for one in words(text)]


def _all_of(value: Any, text: str, now: datetime) -> bool:
    return value is not None and all(one in value for one in words(text))


def _flag(value: Any, text: str, now: datetime) -> bool:
    return value is FLAGS[text]


def _least(value: Any, text: str, now: datetime) -> bool:
    return value is not None and value >= tokens(text)


def _at_most(value: Any, text: str, now: datetime) -> bool:
    return value is not None and exact(value) <= Decimal(text)


def _at_least(value: Any, text: str, now: datetime) -> bool:
    return value is not None and exact(value) >= Decimal(text)


def _from(value: Any, text: str, now: datetime) -> bool:
    return value is not None and datetime.fromisoformat(value) >= time(text, now)


def _named(ref: Any, text: str, now: datetime) -> bool:
    model_id = re.sub("^[^/]*/", "", ref)
    return any(is_like(one, name) for one in words(text) for name in (ref, model_id))


FILTERS: Final[Mapping[str, tuple[str, Passes]]] = {
    "id": ("ref", _named),
    "source": ("source", _one_of),
    "author": ("author", _one_of),
    "family": ("family", _one_of),
    "input": ("input", _all_of),
    "output": ("output", _all_of),
    "reasoning": ("reasoning", _flag),
    "effort": ("reasoningEfforts", _all_of),
    "tools": ("tools", _flag),
    "structuredOutput": ("structuredOutput", _flag),
    "supports": ("supportedParameters", _all_of),
    "minContext": ("contextWindow", _least),
    "minServedContext": ("servedContextWindow", _least),
    "minOutput": ("maxTokens", _least),
    "maxInputCost": ("cost.input", _at_most),
    "minInputCost": ("cost.input", _at_least),
    "maxOutputCost": ("cost.output", _at_most),
    "minOutputCost": ("cost.output", _at_least),
    "maxCacheReadCost": ("cost.cacheRead", _at_most),
    "minCacheReadCost": ("cost.cacheRead", _at_least),
    "maxCacheWriteCost": ("cost.cacheWrite", _at_most),
    "minCacheWriteCost": ("cost.cacheWrite", _at_least),
    "pricing": ("pricing", _one_of),
    "free": ("free", _flag),
    "moderated": ("moderated", _flag),
    "mayTrainOnPrompts": ("mayTrainOnPrompts", _flag),
    "status": ("status", _one_of),
    "createdAfter": ("created", _from),
    "seenAfter": ("firstSeen", _from),
}
"""By its name, the field that a filter reads and what passes."""

ON_OFFER: Final = ("status", "active,missing")


def needs(pairs: Pairs) -> list[tuple[str, str]]:
    """The filters of a question, each once, with the one that is always there."""
    told: dict[str, str] = {}
    for name, text in pairs:
        if name in FILTERS:
            told[name] = f"{told[name]},{text}" if name in told else text
    return list((dict([ON_OFFER]) | told).items())


def passes(model: Json, pair: tuple[str, str], now: datetime) -> bool:
    name, text = pair
    path, test = FILTERS[name]
    return test(at(model, path), text, now)


def meant(models: Iterable[Json], pairs: Pairs, now: datetime) -> list[Json]:
    """The models that pass every filter of the question."""
    return [model for model in models if all(passes(model, one, now) for one in needs(pairs))]


def ordered(models: Iterable[Json], keys: Sequence[str]) -> list[Json]:
    """By these keys; the unknown is last either way; what is equal stays as it is."""

    def compared(one: Json, other: Json) -> int:
        for key in keys:
            path = key.removeprefix("-")
            mine, yours = at(one, path), at(other, path)
            if isinstance(mine, str):
                mine = mine.casefold()
            if isinstance(yours, str):
                yours = yours.casefold()
            if mine == yours:
                continue
            if mine is None or yours is None:
                return 1 if mine is None else -1
            return (1 if mine > yours else -1) * (-1 if key.startswith("-") else 1)
        return 0

    return sorted(models, key=cmp_to_key(compared))


def refs(models: Iterable[Json]) -> list[str]:
    return [model["ref"] for model in models]
