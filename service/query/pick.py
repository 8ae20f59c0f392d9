"""Pick: the best models for what is needed, why, and what ruled out the others. Pure.

What is unknown satisfies no need. Models of which the preferred thing is unknown cannot be ranked,
so a preference is a need as well: who asks for the cheapest gets none whose price nobody knows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from operator import and_
from typing import Any, Final

from service.catalog import Cost, Row
from service.dialects import native
from service.parameters import Asked, Parameter, number
from service.query.filters import ON_OFFER, SIZE_FORM, SIZE_SCHEMA, STATUS, Filter, Test, size
from service.query.question import NEEDS, Needs, Scores
from service.query.shelf import Shelf

Json = dict[str, Any]


class Preference(StrEnum):
    """What makes one model better than another that satisfies all needs, too."""

    CHEAPEST = "cheapest"
    LARGEST_CONTEXT = "largest-context"
    NEWEST = "newest"
    GATEWAY_PREFERRED = "gateway-preferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Tokens to estimate a cost for. `input` are those that no cache holds."""

    input: int = 750_000
    output: int = 250_000
    cached: int = 0

    @classmethod
    def read(cls, asked: Asked) -> "Mix":
        """The mix that is asked for: what of it is not told is none. Raises ParameterError."""
        tokens = [asked.one(parameter) for parameter in MIX]
        if all(count is None for count in tokens):
            return cls()
        return cls(input=tokens[0] or 0, output=tokens[1] or 0, cached=tokens[2] or 0)

    def cost(self, cost: Cost) -> float | None:
        """USD; None where a price that is needed is not known. Fees for other things are not in."""
        parts = self._parts(cost)
        if any(usd_per_mtok is None for _, usd_per_mtok in parts):
            return None
        usd = sum(tokens * Decimal(repr(price or 0.0)) for tokens, price in parts)
        return float(usd / 1_000_000)

    def rank(self, cost: Cost) -> float:
        """The same for comparing: quicker, and exact to more digits than a price has."""
        usd = sum(tokens * (price or 0.0) for tokens, price in self._parts(cost))
        return float(f"{usd:.12g}")

    def is_known(self, cost: Cost) -> bool:
        """Whether every price that is needed is known."""
        return all(usd_per_mtok is not None for _, usd_per_mtok in self._parts(cost))

    def _parts(self, cost: Cost) -> list[tuple[int, float | None]]:
        parts = (
            (self.input, cost.input),
            (self.output, cost.output),
            (self.cached, cost.cache_read),
        )
        return [(tokens, usd_per_mtok) for tokens, usd_per_mtok in parts if tokens]

    def __str__(self) -> str:
        told = ((self.input, "input"), (self.cached, "cached"), (self.output, "output"))
        return ", ".join(f"{tokens:,} {name}" for tokens, name in told if tokens) or "no"


PREFER: Final = Parameter(
    name="prefer",
    meaning="which of the models that satisfy all needs come first; the cheapest unless told",
    accepts=", ".join(Preference),
    parse=Preference,
    words=tuple(Preference),
    example=Preference.CHEAPEST,
    schema={"type": "string", "enum": list(Preference)},
)
LIMIT: Final = Parameter(
    name="limit",
    meaning="how many models at most; 5 unless told",
    accepts="a whole number from 1 to 100",
    parse=number(1, 100),
    example="3",
    schema={"type": "integer", "minimum": 1, "maximum": 100},
)


def _tokens(name: str, what: str, unless_told: int) -> Parameter[int]:
    return Parameter(
        name=name,
        meaning=f"{what} of the mix to estimate costs for; {unless_told:,} unless a mix is told",
        accepts=SIZE_FORM,
        parse=size,
        example="10k",
        schema=SIZE_SCHEMA,
    )


MIX: Final = (
    _tokens("inputTokens", "tokens of input that no cache holds", Mix().input),
    _tokens("outputTokens", "tokens of output", Mix().output),
    _tokens("cachedTokens", "tokens of input read from a cache", Mix().cached),
)
PICK: Final[tuple[Parameter[Any], ...]] = (*NEEDS, PREFER, *MIX, LIMIT)
DEFAULT_LIMIT: Final = 5


@dataclass(frozen=True, slots=True)
class _Need:
    """One thing that is needed: what it is called, and what each row is to it."""

    text: str
    parameter: str
    fails: Sequence[bool]
    is_unknown: Sequence[bool]
    """Of which rows nobody says what is needed."""
    reason: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be picked."""

    needs: Needs
    prefer: Preference
    mix: Mix
    limit: int

    @classmethod
    def read(cls, asked: Asked) -> "Choice":
        """Raises ParameterError."""
        return cls(
            needs=Needs.read(asked),
            prefer=asked.one(PREFER) or Preference.CHEAPEST,
            mix=Mix.read(asked),
            limit=asked.one(LIMIT) or DEFAULT_LIMIT,
        )

    def pick(self, shelf: Shelf, now: datetime) -> Json:
        """The ranked choices in the native form, and what each need ruled out."""
        scores = self.needs.scores(shelf)
        needs = [*self._needs(shelf, now, scores), self._preference(shelf)]
        misses = [sum(fails) for fails in zip(*(need.fails for need in needs), strict=True)]
        fit = [place for place, count in enumerate(misses) if not count]
        fit.sort(key=lambda place: self._rank(shelf.rows[place]))
        return {
            "revision": shelf.catalog.revision,
            "updatedAt": native.time_text(shelf.catalog.updated_at),
            "prefer": self.prefer,
            "mix": {
                "inputTokens": self.mix.input,
                "outputTokens": self.mix.output,
                "cachedTokens": self.mix.cached,
            },
            "considered": len(shelf.rows),
            "total": len(fit),
            "data": [
                self._told(shelf, place, rank, needs)
                for rank, place in enumerate(fit[: self.limit], start=1)
            ],
            "ruledOut": [_ruled_out(need, misses) for need in needs],
        }

    def _needs(self, shelf: Shelf, now: datetime, scores: Scores) -> Iterable[_Need]:
        if scores is not None:
            places = range(len(shelf.rows))
            yield _Need(
                f"q={self.needs.search}",
                "q",
                [place not in scores for place in places],
                [False for _ in places],
                lambda _: f"matches {self.needs.search!r}",
            )
        for one, values in self.needs.filters:
            yield _of_filter(shelf, one, values, one.test(values, now))

    def _preference(self, shelf: Shelf) -> _Need:
        """What has to be known of a model to rank it."""
        what, is_known = self._preferred()
        unknown = [not is_known(row) for row in shelf.rows]
        return _Need(
            f"{what} is known",
            "prefer",
            unknown,
            unknown,
            lambda place: self._because(shelf.rows[place]),
        )

    def _preferred(self) -> tuple[str, Callable[[Row], bool]]:
        match self.prefer:
            case Preference.CHEAPEST:
                what = f"the cost of {self.mix} tokens"
                return what, lambda row: self.mix.is_known(row.model.cost)
            case Preference.LARGEST_CONTEXT:
                return "contextWindow", lambda row: row.model.context_window is not None
            case Preference.NEWEST:
                return "created", lambda row: row.model.created is not None
            case Preference.GATEWAY_PREFERRED:
                return "the gateway's order", lambda _: True

    def _rank(self, row: Row) -> tuple[float, ...]:
        """Smaller is better. Equals are told by their context, then by their age."""
        said = row.model
        largest = -(said.context_window or 0)
        newest = -(said.created.timestamp() if said.created else 0.0)
        match self.prefer:
            case Preference.CHEAPEST:
                return (self.mix.rank(said.cost), largest, newest)
            case Preference.LARGEST_CONTEXT:
                return (largest, newest)
            case Preference.NEWEST:
                return (newest, largest)
            case Preference.GATEWAY_PREFERRED:
                # What it has not preferred follows in the order in which it is listed.
                return (float("inf") if said.preferred_index is None else said.preferred_index,)

    def _because(self, row: Row) -> str:
        said = row.model
        match self.prefer:
            case Preference.CHEAPEST:
                usd = _said(native.number(self.mix.cost(said.cost)))
                return f"costs ${usd} for {self.mix} tokens"
            case Preference.LARGEST_CONTEXT:
                return f"holds {said.context_window:,} tokens"
            case Preference.NEWEST:
                return f"came out at {native.time_text(said.created)}"
            case Preference.GATEWAY_PREFERRED if said.preferred_index is None:
                return "is listed by the gateway"
            case Preference.GATEWAY_PREFERRED:
                return f"is number {said.preferred_index} of those that the gateway prefers"

    def _told(self, shelf: Shelf, place: int, rank: int, needs: Sequence[_Need]) -> Json:
        row = shelf.rows[place]
        return {
            "rank": rank,
            "ref": row.model.ref,
            "id": row.model.id,
            "name": row.model.name,
            "estimatedCost": native.number(self.mix.cost(row.model.cost)),
            "reasons": [reason for need in reversed(needs) if (reason := need.reason(place))],
            "model": native.model(row),
        }


def _of_filter(shelf: Shelf, one: Filter[Any], values: Sequence[Any], test: Test) -> _Need:
    path = one.field.path
    column = shelf.column(path).values
    is_no_news = path == "ref" or (one is STATUS and tuple(values) == ON_OFFER)
    return _Need(
        f"{one.name}={','.join(_asked(value) for value in values)}",
        one.name,
        [not test(value) for value in column],
        [value is None for value in column],
        lambda place: "" if is_no_news else f"{path} is {_said(native.value(column[place]))}",
    )


def _asked(value: object) -> str:
    """A value as it can be asked for."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _said(value)


def _said(value: object) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{Decimal(str(native.number(value))):f}"
        case _:
            return str(value)


def _ruled_out(need: _Need, misses: Sequence[int]) -> Json:
    """How many models a need ruled out, how many as unknown, and how many it alone did."""
    return {
        "need": need.text,
        "parameter": need.parameter,
        "models": sum(need.fails),
        "unknown": sum(map(and_, need.fails, need.is_unknown)),
        "alone": sum(fails and count == 1 for fails, count in zip(need.fails, misses, strict=True)),
    }
