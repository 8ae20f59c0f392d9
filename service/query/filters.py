"""The filters, each declared once: what it reads, of which field, and what passes. Pure.

The parser, the OpenAPI document, the options of the command line and the docs are made from these.
An unknown value passes no filter but one that asks for it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Generic, Self, TypeVar

from service.catalog import EFFORTS, MODALITIES, Pricing, Status
from service.fields import FIELDS, Field
from service.parameters import Parameter, words_schema
from service.patterns import is_like
from service.query.moments import TIME_SCHEMA, moment

_T = TypeVar("_T")
Test = Callable[[Any], bool]
"""Whether a field's value, which may be None, passes."""


class Facet(StrEnum):
    """What a filter's values can be counted as."""

    OTHERS = "others"
    """Choosing another value replaces what was chosen, so its own choice does not narrow it."""
    MORE = "more"
    """Choosing another value comes on top of what was chosen."""
    RANGE = "range"
    """Values lie between a smallest and a largest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Parameter[_T], Generic[_T]):
    """One filter of models. `test` makes a test of a field's values from those that were given."""

    field: Field
    test: Callable[[Sequence[_T], datetime], Test]
    """The time is that of the question: it is what ages are counted from."""
    facet: Facet | None = None


# ── forms of values ───────────────────────────────────────────────────────────────────────────

_SIZE: Final = re.compile(r"(\d{1,16}(?:\.\d{1,6})?)([kKmM]?)", re.ASCII)
_PRICE: Final = re.compile(r"\d{1,9}(?:\.\d{1,12})?|\.\d{1,12}", re.ASCII)
_UNIT: Final = {"": 1, "k": 1_000, "m": 1_000_000}
MAX_TOKENS: Final = 2**53
"""No model is said to have more, and a JSON number is exact up to here."""
_WORD: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,300}")
_YES, _NO, _UNKNOWN = "true", "false", "unknown"
_FLAGS: Final = {_YES: True, _NO: False, _UNKNOWN: None}
SIZE_FORM: Final = "a number of tokens, as 128000, 128k or 1m"
PRICE_FORM: Final = "a price, as 0, 0.3 or 15"
WORDS_FORM: Final = "words, separated by commas"
_MAX_WORD: Final = 300
WORD_SCHEMA: Final = words_schema(_MAX_WORD, is_many=False)
WORDS_SCHEMA: Final = dict(words_schema(_MAX_WORD, is_many=True))
SIZE_SCHEMA: Final = {
    "type": "string",
    "pattern": r"^(\d{1,15}|\d{1,12}(\.\d{1,3})?[kK]|\d{1,9}(\.\d{1,6})?[mM])$",
}
PRICE_SCHEMA: Final = {"type": "string", "pattern": r"^(\d{1,9}(\.\d{1,12})?|\.\d{1,12})$"}
TIME_FORM: Final = "a date or time in UTC, or an age (2026-01-15, 2026-01-15T20:20:00Z, 30d)"


def size(text: str) -> int:
    """A number of tokens: `128000`, `128k`, `1.5m`. Raises ValueError."""
    if not (match := _SIZE.fullmatch(text)):
        raise ValueError(text)
    tokens = Decimal(match[1]) * _UNIT[match[2].lower()]
    if tokens != int(tokens) or tokens > MAX_TOKENS:
        raise ValueError(text)
    return int(tokens)


def price(text: str) -> float:
    """USD, as the double nearest to the decimal that is written. Raises ValueError."""
    if not _PRICE.fullmatch(text):
        raise ValueError(text)
    return float(text)


@dataclass(frozen=True, slots=True)
class Since:
    """A date, a time or an age as it was written: ages are counted when it is used."""

    text: str

    def __str__(self) -> str:
        return self.text

    def at(self, now: datetime) -> datetime:
        """The time that is meant. Raises ValueError."""
        at = moment(self.text, now)
        if isinstance(at, int):
            raise ValueError(self.text)  # noqa: TRY004 — a revision is no time
        return at

    @property
    def is_relative(self) -> bool:
        """Whether it names another time each second."""
        return self.text[-1:] in {"s", "m", "h", "d"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        made = cls(text)
        made.at(datetime(2000, 1, 1, tzinfo=UTC))
        return made


def _flag(text: str) -> bool | None:
    if text not in _FLAGS:
        raise ValueError(text)
    return _FLAGS[text]


def word(text: str) -> str:
    """Some text of one line. Raises ValueError."""
    if not _WORD.fullmatch(text):
        raise ValueError(text)
    return text


# ── kinds of filters ──────────────────────────────────────────────────────────────────────────


def _any_of(name: str, path: str, meaning: str, example: str) -> Filter[str]:
    """One of the values, whatever their case."""

    def test(wanted: Sequence[str], now: datetime) -> Test:
        del now
        folded = {text.casefold() for text in wanted}
        return lambda value: value is not None and value.casefold() in folded

    words = FIELDS[path].words

    def parse(text: str) -> str:
        if words and text not in words:
            raise ValueError(text)
        return word(text)

    return Filter(
        name=name,
        meaning=meaning,
        accepts=", ".join(words) or WORDS_FORM,
        parse=parse,
        words=words,
        is_many=True,
        example=example,
        schema={"type": "string", "enum": list(words)} if words else WORDS_SCHEMA,
        field=FIELDS[path],
        test=test,
        facet=Facet.OTHERS,
    )


def _all_of(
    name: str, path: str, meaning: str, example: str, words: Sequence[str] = ()
) -> Filter[str]:
    """Every one of the values."""

    def test(wanted: Sequence[str], now: datetime) -> Test:
        del now
        needed = set(wanted)
        return lambda value: value is not None and needed.issubset(value)

    return Filter(
        name=name,
        meaning=meaning,
        accepts=f"{WORDS_FORM}{': ' + ', '.join(words) if words else ''}",
        parse=word,
        words=words,
        is_many=True,
        example=example,
        schema=WORDS_SCHEMA | ({"examples": list(words)} if words else {}),
        field=FIELDS[path],
        test=test,
        facet=Facet.MORE,
    )


def _is(name: str, meaning: str) -> Filter[bool | None]:
    """Whether a flag is set; of what nobody says, neither."""

    def test(wanted: Sequence[bool | None], now: datetime) -> Test:
        del now
        (said,) = wanted
        return lambda value: value is said

    return Filter(
        name=name,
        meaning=meaning,
        accepts=", ".join(_FLAGS),
        parse=_flag,
        words=tuple(_FLAGS),
        example=_YES,
        schema={"type": "string", "enum": list(_FLAGS)},
        field=FIELDS[name],
        test=test,
        facet=Facet.OTHERS,
    )


def _least(name: str, path: str, meaning: str, example: str) -> Filter[int]:
    """So many tokens or more."""

    def test(wanted: Sequence[int], now: datetime) -> Test:
        del now
        (least,) = wanted
        return lambda value: value is not None and value >= least

    return Filter(
        name=name,
        meaning=meaning,
        accepts=SIZE_FORM,
        parse=size,
        example=example,
        schema=SIZE_SCHEMA,
        field=FIELDS[path],
        test=test,
        facet=Facet.RANGE,
    )


def _priced(name: str, path: str, meaning: str, *, is_most: bool) -> Filter[float]:
    """So much or less, or so much or more."""

    def test(wanted: Sequence[float], now: datetime) -> Test:
        del now
        (bound,) = wanted
        if is_most:
            return lambda value: value is not None and value <= bound
        return lambda value: value is not None and value >= bound

    return Filter(
        name=name,
        meaning=meaning,
        accepts=PRICE_FORM,
        parse=price,
        example="3" if is_most else "0.1",
        schema=PRICE_SCHEMA,
        field=FIELDS[path],
        test=test,
        facet=Facet.RANGE,
    )


def _after(name: str, path: str, meaning: str) -> Filter[Since]:
    """From a time on."""

    def test(wanted: Sequence[Since], now: datetime) -> Test:
        since = wanted[0].at(now)
        return lambda value: value is not None and value >= since

    return Filter(
        name=name,
        meaning=meaning,
        accepts=TIME_FORM,
        parse=Since.parse,
        example="2026-01-01",
        schema=TIME_SCHEMA,
        field=FIELDS[path],
        test=test,
    )


def _named(wanted: Sequence[str], now: datetime) -> Test:
    del now
    return lambda ref: any(is_like(text, ref, ref.partition("/")[2]) for text in wanted)


# ── the filters ───────────────────────────────────────────────────────────────────────────────

_PRICES: Final = {
    "InputCost": ("cost.input", "input"),
    "OutputCost": ("cost.output", "output"),
    "CacheReadCost": ("cost.cacheRead", "input read from a cache"),
    "CacheWriteCost": ("cost.cacheWrite", "input written to a cache"),
}

STATUS: Final = Filter(
    name="status",
    meaning="only models in these states; active and missing ones unless told",
    accepts=", ".join(Status),
    parse=Status,
    words=tuple(Status),
    is_many=True,
    example="active",
    schema={"type": "string", "enum": list(Status)},
    field=FIELDS["status"],
    test=lambda wanted, _: frozenset(wanted).__contains__,
    facet=Facet.OTHERS,
)
ON_OFFER: Final = (Status.ACTIVE, Status.MISSING)
"""What `status` stands for where it is not given."""

FILTERS: Final[tuple[Filter[Any], ...]] = (
    Filter(
        name="id",
        meaning="only these models",
        accepts="ids or refs, separated by commas, in which * stands for any characters",
        parse=word,
        is_many=True,
        example="anthropic/*",
        schema=WORDS_SCHEMA,
        field=FIELDS["ref"],
        test=_named,
    ),
    _any_of("source", "source", "only models of these gateways", "kilocode"),
    _any_of("author", "author", "only models of these makers", "anthropic"),
    _any_of("family", "family", "only models of these families", "claude"),
    _all_of("input", "input", "only models that take all of these", "text,image", MODALITIES),
    _all_of("output", "output", "only models that make all of these", "text", MODALITIES),
    _is("reasoning", "whether they can reason"),
    _all_of("effort", "reasoningEfforts", "only models that reason so hard", "high", EFFORTS),
    _is("tools", "whether they can call tools"),
    _is("structuredOutput", "whether they can keep to a JSON Schema"),
    _all_of("supports", "supportedParameters", "only models with these parameters", "seed"),
    _least("minContext", "contextWindow", "only models that hold so many tokens", "200k"),
    _least(
        "minServedContext",
        "servedContextWindow",
        "only models of which the gateway's first provider accepts so many tokens",
        "200k",
    ),
    _least("minOutput", "maxTokens", "only models that answer with so many tokens", "32k"),
    *(
        _priced(
            f"{'max' if is_most else 'min'}{name}",
            path,
            f"only models whose {what} costs so much or {'less' if is_most else 'more'}, "
            "USD per million tokens",
            is_most=is_most,
        )
        for name, (path, what) in _PRICES.items()
        for is_most in (True, False)
    ),
    _any_of("pricing", "pricing", "only models priced like this", Pricing.FIXED),
    _is("free", "whether they cost nothing"),
    _is("moderated", "whether requests are moderated"),
    _is("mayTrainOnPrompts", "whether prompts may be trained on"),
    STATUS,
    _after("createdAfter", "created", "only models that came out at this time or later"),
    _after("seenAfter", "firstSeen", "only models first seen at this time or later"),
)
"""Every filter, in the order in which it is told of."""

BY_NAME: Final[Mapping[str, Filter[Any]]] = {one.name: one for one in FILTERS}
