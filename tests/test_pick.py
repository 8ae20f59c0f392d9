"""Picks: the best models for what is needed, and what ruled out the others, counted naively."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.catalog import Cost, Life, Model, Row
from service.errors import ParameterError
from service.parameters import Asked
from service.query.filters import MAX_TOKENS
from service.query.pick import PICK, Choice, Mix
from service.query.shelf import Shelf
from tests import oracle
from tests.catalogs import CALM, FILTER_PAIRS, NOW, SHELVES, Pairs, catalog_of, models_of
from tests.scenes import as_json

Json = dict[str, Any]
MIXES: Final[tuple[Pairs, ...]] = (
    [],
    [("inputTokens", "1000")],
    [("outputTokens", "2.5k")],
    [("cachedTokens", "1m"), ("inputTokens", "10k"), ("outputTokens", "1k")],
    [("inputTokens", "0"), ("outputTokens", "0"), ("cachedTokens", "0")],
    [("inputTokens", "9007199254740992"), ("outputTokens", "9007199254740992")],
)
PREFERENCES: Final = ("cheapest", "largest-context", "newest", "gateway-preferred")
CHOICES: Final = st.tuples(
    FILTER_PAIRS, st.sampled_from(MIXES), st.sampled_from((*PREFERENCES, None))
).map(lambda parts: [*parts[0], *parts[1], *([("prefer", parts[2])] if parts[2] else [])])


def picked(shelf: Shelf, pairs: Pairs) -> Json:
    made: Json = as_json(Choice.read(Asked(pairs, PICK)).pick(shelf, NOW))
    return made


# ── the oracle ────────────────────────────────────────────────────────────────────────────────


def mix(pairs: Pairs) -> dict[str, int]:
    """Tokens by the price that they cost."""
    told = {name: int(oracle.tokens(text)) for name, text in pairs if name.endswith("Tokens")}
    return {
        "cost.input": told.get("inputTokens", 0 if told else 750_000),
        "cost.output": told.get("outputTokens", 0 if told else 250_000),
        "cost.cacheRead": told.get("cachedTokens", 0),
    }


def cost(model: Json, tokens: dict[str, int]) -> Fraction | None:
    """USD, exactly; None where a price is needed that nobody knows."""
    parts = [(oracle.at(model, path), count) for path, count in tokens.items() if count]
    if any(usd is None for usd, _ in parts):
        return None
    return sum((Fraction(str(usd)) * count for usd, count in parts), Fraction(0)) / 1_000_000


def preference(pairs: Pairs) -> str:
    return dict(pairs).get("prefer", "cheapest")


def is_rankable(model: Json, pairs: Pairs) -> bool:
    match preference(pairs):
        case "cheapest":
            return cost(model, mix(pairs)) is not None
        case "largest-context":
            return model["contextWindow"] is not None
        case "newest":
            return model["created"] is not None
        case _:
            return True


def rank(model: Json, pairs: Pairs) -> tuple[Any, ...]:
    """Smaller is better."""
    largest = -(model["contextWindow"] or 0)
    newest = -seconds(model["created"])
    match preference(pairs):
        case "cheapest":
            return (cost(model, mix(pairs)), largest, newest)
        case "largest-context":
            return (largest, newest)
        case "newest":
            return (newest, largest)
        case _:
            index = model["preferredIndex"]
            return (index is None, index)[: 1 if index is None else 2]


def seconds(time: str | None) -> float:
    return datetime.fromisoformat(time).timestamp() if time else 0


def fit(shelf: Shelf, pairs: Pairs) -> list[Json]:
    """All that could be picked, the best first."""
    meant = [one for one in oracle.meant(models_of(shelf), pairs, NOW) if is_rankable(one, pairs)]
    return sorted(meant, key=lambda model: rank(model, pairs))


# ── choices ───────────────────────────────────────────────────────────────────────────────────


@settings(CALM, max_examples=200)
@given(shelf=SHELVES, pairs=CHOICES)
def test_every_choice_satisfies_every_need_and_the_best_comes_first(
    shelf: Shelf, pairs: Pairs
) -> None:
    made = picked(shelf, [*pairs, ("limit", "100")])

    expected = fit(shelf, pairs)
    assert [one["model"] for one in made["data"]] == expected
    assert made["total"] == len(expected)
    assert made["considered"] == len(shelf.rows)
    assert made["prefer"] == preference(pairs)
    assert [one["rank"] for one in made["data"]] == list(range(1, len(expected) + 1))


@settings(CALM, max_examples=50)
@given(shelf=SHELVES, pairs=CHOICES, limit=st.integers(1, 100))
def test_no_more_are_told_than_asked_for_and_five_where_nobody_asks(
    shelf: Shelf, pairs: Pairs, limit: int
) -> None:
    whole = picked(shelf, [*pairs, ("limit", "100")])

    assert picked(shelf, [*pairs, ("limit", str(limit))])["data"] == whole["data"][:limit]
    assert picked(shelf, pairs) == {**whole, "data": whole["data"][:5]}


@settings(CALM, max_examples=100)
@given(shelf=SHELVES, pairs=CHOICES)
def test_an_estimate_is_the_exact_cost_of_the_mix(shelf: Shelf, pairs: Pairs) -> None:
    made = picked(shelf, [*pairs, ("limit", "100")])

    tokens = mix(pairs)
    assert list(made["mix"].values()) == list(tokens.values())
    for one in made["data"]:
        exact = cost(one["model"], tokens)
        assert one["estimatedCost"] == (None if exact is None else float(exact))
        assert {name: one["model"][name] for name in ("ref", "id", "name")} == {
            name: one[name] for name in ("ref", "id", "name")
        }
    if preference(pairs) == "cheapest":
        estimates = [one["estimatedCost"] for one in made["data"]]
        assert None not in estimates
        assert estimates == sorted(estimates)


USD: Final = st.none() | st.decimals(0, 1_000_000, places=6).map(float)


@settings(CALM, max_examples=200)
@given(
    prices=st.tuples(USD, USD, USD),
    tokens=st.tuples(*[st.integers(0, 10**9)] * 3),
)
@example(prices=(0.1, 0.2, 0.3), tokens=(3, 3, 3))
@example(prices=(None, 0.2, 0.3), tokens=(0, 3, 3))
@example(prices=(1e-12, 1e6, 1e6), tokens=(MAX_TOKENS, MAX_TOKENS, MAX_TOKENS))
def test_a_mix_costs_what_decimals_say(
    prices: tuple[float | None, float | None, float | None], tokens: tuple[int, int, int]
) -> None:
    asked = Mix(input=tokens[0], output=tokens[1], cached=tokens[2])
    parts = [(usd, count) for usd, count in zip(prices, tokens, strict=True) if count]
    exact = (
        None
        if any(usd is None for usd, _ in parts)
        else sum(Decimal(str(usd)) * count for usd, count in parts) / 1_000_000
    )

    priced = Cost(input=prices[0], output=prices[1], cache_read=prices[2])

    assert asked.cost(priced) == (None if exact is None else float(exact))
    assert asked.is_known(priced) == (exact is not None)


def plain(model_id: str, **said: Any) -> Row:
    life = Life(first_seen=NOW, updated_at=NOW, revision=1)
    return Row(model=Model(source="kilocode", id=model_id, name=model_id, **said), life=life)


def ids(made: Json) -> list[str]:
    return [one["id"] for one in made["data"]]


def test_equals_are_told_by_their_context_then_by_their_age_then_as_they_are_listed() -> None:
    old, young = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    same = Cost(input=1.0, output=2.0)
    shelf = Shelf(
        catalog_of(
            [
                plain("small", cost=same, context_window=1),
                plain("old", cost=same, context_window=9, created=old),
                plain("young", cost=same, context_window=9, created=young),
                plain("listed first", cost=same),
                plain("listed last", cost=same),
                plain("free", cost=Cost(input=0.0, output=0.0)),
                plain("unpriced", cost=Cost(input=0.0)),
            ]
        )
    )

    assert ids(picked(shelf, [("limit", "9")])) == [
        *("free", "young", "old", "small", "listed first", "listed last")
    ]
    assert ids(picked(shelf, [("prefer", "newest")])) == ["young", "old"]
    assert ids(picked(shelf, [("prefer", "largest-context")])) == ["young", "old", "small"]


@pytest.mark.parametrize("count", [1, 3, 7, 750_000, 10**9, MAX_TOKENS])
def test_costs_that_are_equal_are_ranked_as_equal_however_they_add_up(count: int) -> None:
    """As floats 0.1 and 0.2 together are more than 0.3."""
    sums = [Cost(input=0.1, output=0.2), Cost(input=0.3, output=0.0), Cost(input=0.15, output=0.15)]
    shelf = Shelf(
        catalog_of(
            [
                plain(str(place), cost=each, context_window=place)
                for place, each in enumerate(sums, 1)
            ]
        )
    )

    made = picked(shelf, [("inputTokens", str(count)), ("outputTokens", str(count))])

    assert len({one["estimatedCost"] for one in made["data"]}) == 1
    assert ids(made) == ["3", "2", "1"]


# ── what was ruled out ────────────────────────────────────────────────────────────────────────


def ruled_out(shelf: Shelf, pairs: Pairs) -> dict[str, Json]:
    """By its parameter, what each need ruled out."""
    models = models_of(shelf)
    failed: dict[str, list[bool]] = {}
    unknown: dict[str, list[bool]] = {}
    for pair in oracle.needs(pairs):
        path = oracle.FILTERS[pair[0]][0]
        failed[pair[0]] = [not oracle.passes(model, pair, NOW) for model in models]
        unknown[pair[0]] = [oracle.at(model, path) is None for model in models]
    failed["prefer"] = unknown["prefer"] = [not is_rankable(model, pairs) for model in models]
    return {
        name: {
            "models": sum(missed),
            "unknown": sum(m and u for m, u in zip(missed, unknown[name], strict=True)),
            "alone": sum(
                missed[place] and sum(other[place] for other in failed.values()) == 1
                for place in range(len(models))
            ),
        }
        for name, missed in failed.items()
    }


@settings(CALM, max_examples=200)
@given(shelf=SHELVES, pairs=CHOICES)
def test_what_each_need_ruled_out_is_counted(shelf: Shelf, pairs: Pairs) -> None:
    made = picked(shelf, pairs)["ruledOut"]

    found = {
        one["parameter"]: {name: one[name] for name in ("models", "unknown", "alone")}
        for one in made
    }
    assert found == ruled_out(shelf, pairs)
    assert len(made) == len(found)


@settings(CALM, max_examples=100)
@given(shelf=SHELVES, pairs=CHOICES)
def test_alone_is_how_many_more_there_were_without_the_need(shelf: Shelf, pairs: Pairs) -> None:
    made = picked(shelf, pairs)

    for one in made["ruledOut"]:
        if one["parameter"] not in {"prefer", "status"}:
            others = [pair for pair in pairs if pair[0] != one["parameter"]]
            assert picked(shelf, others)["total"] == made["total"] + one["alone"]


@settings(CALM, max_examples=100)
@given(shelf=SHELVES, pairs=CHOICES)
def test_an_empty_answer_explains_itself(shelf: Shelf, pairs: Pairs) -> None:
    made = picked(shelf, pairs)

    if not made["data"]:
        assert made["total"] == 0
        assert sum(one["models"] for one in made["ruledOut"]) >= made["considered"]
        assert not made["considered"] or any(one["models"] for one in made["ruledOut"])
    told = {name for name, _ in pairs if name in oracle.FILTERS} | {"prefer", "status"}
    assert {one["parameter"] for one in made["ruledOut"]} == told
    assert all(one["need"] for one in made["ruledOut"])


@settings(CALM, max_examples=100)
@given(shelf=SHELVES, pairs=FILTER_PAIRS)
def test_a_need_is_called_as_it_can_be_asked_for(shelf: Shelf, pairs: Pairs) -> None:
    made = by_parameter(picked(shelf, pairs))

    said = [made[name]["need"].partition("=") for name in made if name != "prefer"]
    again = by_parameter(picked(shelf, [(name, text) for name, _, text in said]))
    assert again == made
    assert {name for name, *_ in said} == {name for name, _ in oracle.needs(pairs)}


def by_parameter(made: Json) -> dict[str, Json]:
    return {one["parameter"]: one for one in made["ruledOut"]}


# ── reasons ───────────────────────────────────────────────────────────────────────────────────


def test_a_choice_says_why_it_is_one() -> None:
    rich = plain(
        "a/rich",
        author="a",
        input=("text", "image"),
        tools=True,
        context_window=200_000,
        cost=Cost(input=3.0, output=15.0, cache_read=1e-07),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        preferred_index=4,
    )
    shelf = Shelf(catalog_of([rich, plain("a/poor")]))
    pairs = [
        *(("q", "rich"), ("id", "a/*"), ("input", "image"), ("tools", "true")),
        *(("reasoning", "unknown"), ("minContext", "100k"), ("maxInputCost", "3.5")),
        *(("maxCacheReadCost", "0.0000001"),),
    ]

    (one,) = picked(shelf, pairs)["data"]

    assert one["reasons"] == [
        "costs $6 for 750,000 input, 250,000 output tokens",
        "cost.cacheRead is 0.0000001",
        "cost.input is 3",
        "contextWindow is 200,000",
        "tools is true",
        "reasoning is unknown",
        "input is text, image",
        "matches 'rich'",
    ]
    for prefer, reason in (
        ("largest-context", "holds 200,000 tokens"),
        ("newest", "came out at 2026-01-01T00:00:00Z"),
        ("gateway-preferred", "is number 4 of those that the gateway prefers"),
    ):
        (one,) = picked(shelf, [*pairs, ("prefer", prefer)])["data"]
        assert one["reasons"][0] == reason
    (_, last) = picked(shelf, [("prefer", "gateway-preferred")])["data"]
    assert last["reasons"] == ["is listed by the gateway"]


def test_words_are_a_need_like_any_other() -> None:
    shelf = Shelf(
        catalog_of([plain("a/sonnet", cost=Cost(input=9.0, output=9.0)), plain("b/opus")])
    )

    made = picked(shelf, [("q", "sonet")])

    assert ids(made) == ["a/sonnet"]
    assert made["ruledOut"][0] == {
        "need": "q=sonet",
        "parameter": "q",
        "models": 1,
        "unknown": 0,
        "alone": 0,
    }


@pytest.mark.parametrize(
    ("pair", "nearest"),
    [
        (("prefer", "cheap"), ["cheapest"]),
        (("prefer", "newst"), ["newest"]),
        (("prefer", ""), []),
        (("limit", "0"), []),
        (("limit", "101"), []),
        (("inputTokens", "-1"), []),
        (("inputTokens", "999999999999999m"), []),
        (("cachedToken", "1"), ["cachedTokens"]),
        (("sort", "id"), []),
        (("cursor", "x"), []),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(
    pair: tuple[str, str], nearest: list[str]
) -> None:
    with pytest.raises(ParameterError) as raised:
        picked(Shelf(catalog_of([])), [pair])

    assert raised.value.parameter == pair[0]
    assert raised.value.nearest[:1] == nearest or not nearest


def test_the_largest_mix_that_can_be_asked_for_can_be_told() -> None:
    dear = Cost(input=1_000_000.0, output=1_000_000.0, cache_read=1_000_000.0)
    shelf = Shelf(catalog_of([plain("dear", cost=dear)]))
    most = str(MAX_TOKENS)

    made = picked(shelf, [("inputTokens", most), ("outputTokens", most), ("cachedTokens", most)])

    assert made["data"][0]["estimatedCost"] == 3 * MAX_TOKENS
