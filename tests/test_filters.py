"""Which models a question means, and in what order: against a naive reading of their JSON."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.errors import ParameterError
from service.parameters import MAX_VALUES
from service.query.filters import (
    BY_NAME,
    FILTERS,
    MAX_TOKENS,
    PRICE_SCHEMA,
    SIZE_SCHEMA,
    Filter,
    Since,
    price,
    size,
    word,
)
from service.query.question import SORTABLE
from service.query.shelf import Shelf
from tests import oracle
from tests.catalogs import (
    CALM,
    FILTER_PAIRS,
    NOW,
    SHELVES,
    SORTS,
    VALUES,
    models_of,
    question,
    refs_of,
)

ALL = ("status", "active,missing,removed")


# ── filters ───────────────────────────────────────────────────────────────────────────────────


def test_every_filter_has_an_oracle_and_values_to_try() -> None:
    declared = {one.name: one.field.path for one in FILTERS}

    assert {name: path for name, (path, _) in oracle.FILTERS.items()} == declared
    assert VALUES.keys() == declared.keys() == BY_NAME.keys()


def test_every_filter_reads_its_own_example() -> None:
    for one in FILTERS:
        asked = question([(one.name, one.example)]).needs.filters
        assert one.name in [read.name for read, _ in asked]


@pytest.mark.parametrize("name", VALUES)
@settings(CALM, max_examples=15)
@given(shelf=SHELVES)
def test_a_filter_lets_pass_what_its_field_says(name: str, shelf: Shelf) -> None:
    models = models_of(shelf)
    for text in VALUES[name]:
        beside = [] if name == "status" else [ALL]
        for pairs in ([(name, text)], [(name, text), *beside]):
            expected = oracle.refs(oracle.meant(models, pairs, NOW))
            assert refs_of(shelf, pairs) == expected, pairs


@settings(CALM, max_examples=150)
@given(shelf=SHELVES, pairs=FILTER_PAIRS)
def test_filters_together_let_pass_what_each_of_them_does(
    shelf: Shelf, pairs: list[tuple[str, str]]
) -> None:
    found = refs_of(shelf, pairs)

    assert found == oracle.refs(oracle.meant(models_of(shelf), pairs, NOW))
    for pair in pairs:
        alone = refs_of(shelf, [pair] if pair[0] == "status" else [pair, ALL])
        assert set(found) <= set(alone)


@pytest.mark.parametrize("name", VALUES)
def test_the_unknown_passes_no_filter_but_one_that_asks_for_it(name: str) -> None:
    one: Filter[Any] = BY_NAME[name]
    if one.field.is_known:
        return
    for text in VALUES[name]:
        values = [one.read(each) for each in (oracle.words(text) if one.is_many else [text])]
        assert one.test(values, NOW)(None) is (text == "unknown"), text


@settings(CALM, max_examples=30)
@given(shelf=SHELVES, pairs=FILTER_PAIRS)
def test_values_may_be_repeated_or_separated_by_commas(
    shelf: Shelf, pairs: list[tuple[str, str]]
) -> None:
    apart = [
        (name, each)
        for name, text in pairs
        for each in (text.split(",") if BY_NAME[name].is_many else [text])
    ]

    assert refs_of(shelf, apart[::-1]) == refs_of(shelf, pairs)


@settings(CALM, max_examples=30)
@given(shelf=SHELVES)
def test_removed_models_are_meant_only_where_they_are_asked_for(shelf: Shelf) -> None:
    on_offer = [row.model.ref for row in shelf.catalog.rows]
    removed = [row.model.ref for row in shelf.catalog.removed]

    assert refs_of(shelf, []) == on_offer
    assert refs_of(shelf, [("status", "removed")]) == removed
    assert refs_of(shelf, [ALL]) == on_offer + removed


def test_an_age_is_counted_from_the_time_of_the_question() -> None:
    asked = [("createdAfter", "30d")]
    passes = BY_NAME["createdAfter"].test(question(asked).needs.filters[0][1], NOW)

    assert passes(NOW - timedelta(days=30))
    assert not passes(NOW - timedelta(days=30, seconds=1))
    later = BY_NAME["createdAfter"].test(
        question(asked).needs.filters[0][1], NOW + timedelta(seconds=1)
    )
    assert not later(NOW - timedelta(days=30))


@pytest.mark.parametrize(
    ("pairs", "parameter"),
    [
        ([("author", "")], "author"),
        ([("author", "a,")], "author"),
        ([("author", "a\0")], "author"),
        ([("author", "a\ud800")], "author"),
        ([("q", "\udfff")], "q"),
        ([("q", "x" * 301)], "q"),
        ([("q", "")], "q"),
        ([("id", "a"), ("id", "x" * 301)], "id"),
        ([("author", ",".join(["x"] * (MAX_VALUES + 1)))], "author"),
        ([("author", "x")] * (MAX_VALUES + 1), "author"),
        ([("reasoning", "yes")], "reasoning"),
        ([("reasoning", "true,false")], "reasoning"),
        ([("reasoning", "true"), ("reasoning", "true")], "reasoning"),
        ([("pricing", "Fixed")], "pricing"),
        ([("status", "active,gone")], "status"),
        ([("minContext", "1"), ("minContext", "2")], "minContext"),
        ([("maxInputCost", "-1")], "maxInputCost"),
        ([("createdAfter", "13")], "createdAfter"),
        ([("sort", "cost")], "sort"),
        ([("sort", "--id")], "sort"),
        ([("sort", "badges")], "sort"),
        ([("limit", "0")], "limit"),
        ([("limit", "10001")], "limit"),
        ([("limit", "\u0663")], "limit"),
        ([("fields", "cost.")], "fields"),
        ([("fields", "Name")], "fields"),
        ([("cursor", "")], "cursor"),
        ([("colour", "red")], "colour"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(
    pairs: list[tuple[str, str]], parameter: str
) -> None:
    with pytest.raises(ParameterError) as raised:
        question(pairs)

    assert raised.value.parameter == parameter
    assert parameter in raised.value.detail


# ── order ─────────────────────────────────────────────────────────────────────────────────────


@settings(CALM, max_examples=40)
@given(shelf=SHELVES)
def test_every_field_sorts_up_and_down_with_the_unknown_last(shelf: Shelf) -> None:
    models = models_of(shelf)
    for path in SORTABLE:
        for key in (path, f"-{path}"):
            found = refs_of(shelf, [ALL, ("sort", key)])
            assert found == oracle.refs(oracle.ordered(models, [key])), key


@settings(CALM, max_examples=150)
@given(shelf=SHELVES, keys=SORTS, pairs=FILTER_PAIRS)
def test_the_first_key_counts_most_and_equals_stay_in_the_order_of_the_catalog(
    shelf: Shelf, keys: list[str], pairs: list[tuple[str, str]]
) -> None:
    expected = oracle.ordered(oracle.meant(models_of(shelf), pairs, NOW), keys)

    together = refs_of(shelf, [*pairs, *([("sort", ",".join(keys))] if keys else [])])
    apart = refs_of(shelf, [*pairs, *(("sort", key) for key in keys)])

    assert together == apart == oracle.refs(expected)


# ── sizes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("0", 0),
        ("1", 1),
        ("007", 7),
        ("8192", 8192),
        ("200k", 200_000),
        ("200K", 200_000),
        ("1m", 1_000_000),
        ("1M", 1_000_000),
        ("1.5m", 1_500_000),
        ("1.048576m", 1_048_576),
        ("0.5k", 500),
        ("0.001k", 1),
        ("2.0", 2),
        ("9007199254740992", 2**53),
    ],
)
def test_a_size_is_a_number_of_tokens(text: str, tokens: int) -> None:
    assert size(text) == tokens


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "k",
            "m",
            "-1",
            "+1",
            "1.5",
            "0.0001k",
            "1e3",
            "1_000",
            "1,000",
            "1g",
            "1kk",
            "1 k",
        ),
        *(
            "0x10",
            "\u0661",
            "\uff11",
            "1\n",
            " 1",
            "1 ",
            ".5k",
            "1.k",
            "NaN",
            "inf",
            "1\0",
            "9" * 400,
        ),
        *("9007199254740993", "9007199255m", "999999999999999m"),
    ],
)
def test_what_is_no_whole_number_of_tokens_or_too_large_for_one_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        size(text)


@settings(CALM, max_examples=200)
@given(tokens=st.integers(0, MAX_TOKENS))
@example(tokens=MAX_TOKENS)
def test_a_number_of_tokens_is_the_same_size_in_every_unit(tokens: int) -> None:
    assert size(str(tokens)) == tokens
    for unit, factor in oracle.UNITS.items():
        told = f"{Decimal(tokens) / factor:f}"
        assert size(told + unit) == size(told + unit.upper()) == tokens


@settings(CALM, max_examples=200)
@given(text=st.text(max_size=20) | st.from_regex(r"[0-9.]{0,18}[kKmM]?", fullmatch=True))
def test_any_text_is_a_size_or_a_plain_error(text: str) -> None:
    try:
        tokens = size(text)
    except ValueError:
        return

    assert 0 <= tokens <= MAX_TOKENS
    assert tokens == oracle.tokens(text)


@settings(CALM, max_examples=100)
@given(
    # Digits are ASCII in the dialect of JSON Schema.
    one=st.from_regex(re.compile(SIZE_SCHEMA["pattern"], re.ASCII), fullmatch=True),
    other=st.from_regex(re.compile(PRICE_SCHEMA["pattern"], re.ASCII), fullmatch=True),
)
def test_whatever_the_schema_of_a_value_lets_pass_is_read(one: str, other: str) -> None:
    assert size(one) == oracle.tokens(one)
    assert price(other) == float(Decimal(other))


# ── prices ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "usd"),
    [("0", 0.0), ("3", 3.0), ("0.3", 0.3), (".3", 0.3), ("15.00", 15.0), ("0.000000000001", 1e-12)],
)
def test_a_price_is_the_double_that_is_written(text: str, usd: float) -> None:
    assert price(text) == usd


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "1.", "-1", "+1", "1e3", "inf", "nan", "NaN", "1_0", "0x1", "$3", "3$", "1,5"),
        *(" 1", "1 ", "\u0661", "1\n", "1\0", "9" * 400, "0." + "1" * 400),
    ],
)
def test_what_is_no_plain_decimal_is_no_price(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        price(text)


@settings(CALM, max_examples=200)
@given(usd=st.decimals(0, 10**9 - 1, places=6))
def test_a_price_is_compared_as_it_is_written(usd: Decimal) -> None:
    assert price(f"{usd:f}") == float(usd)


@settings(CALM, max_examples=200)
@given(text=st.text(max_size=20) | st.from_regex(r"[0-9.e+-]*", fullmatch=True))
def test_any_text_is_a_price_or_a_plain_error(text: str) -> None:
    try:
        usd = price(text)
    except ValueError:
        return

    assert usd == float(Decimal(text))
    assert 0 <= usd < 10**9


# ── times ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-15", datetime(2026, 1, 15, tzinfo=UTC)),
        ("2026-01-15T20:20:00Z", datetime(2026, 1, 15, 20, 20, tzinfo=UTC)),
        ("2026-01-15T20:20:00+02:00", datetime(2026, 1, 15, 18, 20, tzinfo=UTC)),
        ("2026-01-15T20:20:00 02:00", datetime(2026, 1, 15, 18, 20, tzinfo=UTC)),  # + in a query
        ("30d", NOW - timedelta(days=30)),
        ("0s", NOW),
    ],
)
def test_since_is_a_date_a_time_or_an_age(text: str, at: datetime) -> None:
    since = Since.parse(text)

    assert since.at(NOW) == at
    assert str(since) == text
    assert since.is_relative == (text in {"30d", "0s"})


@pytest.mark.parametrize(
    "text", ["", "0", "13", "20260115", "yesterday", "30w", "-1d", "800000d", "2026-02-30", "1d\0"]
)
def test_a_revision_and_whatever_is_no_time_is_no_since(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Since.parse(text)


@settings(CALM, max_examples=200)
@given(
    text=st.text(max_size=12) | st.from_regex(r"[0-9]{0,7}[smhd]", fullmatch=True),
    later=st.timedeltas(timedelta(0), timedelta(days=20_000)),
)
def test_a_since_that_is_read_is_a_time_whenever_it_is_used(text: str, later: timedelta) -> None:
    try:
        since = Since.parse(text)
    except ValueError:
        return

    moved = since.at(NOW + later) - since.at(NOW)
    assert moved == (later if since.is_relative else timedelta(0))


# ── words ─────────────────────────────────────────────────────────────────────────────────────


@settings(CALM, max_examples=200)
@given(text=st.text(max_size=10))
@example(text="x" * 300)
@example(text="x" * 301)
@example(text="\x7f")
def test_a_word_is_a_line_that_can_be_sent(text: str) -> None:
    try:
        said = word(text)
    except ValueError:
        assert len(text) > 300 or not text or not _can_be_sent(text)
        return

    assert said == text
    assert 1 <= len(text) <= 300
    assert _can_be_sent(text)


def _can_be_sent(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return not any(ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 for sign in text)
