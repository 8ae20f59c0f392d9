"""What differs between two rows, what of it is news, and what of that is wanted."""

import dataclasses
import json
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.catalog import (
    FALLBACK,
    KILOCODE,
    Catalog,
    Cause,
    Change,
    Cost,
    Cursor,
    Fold,
    Kind,
    Life,
    Model,
    Origin,
    Pricing,
    Revision,
    Row,
    Status,
)
from service.diff import (
    TOPICS,
    Wanted,
    between,
    bulk,
    change,
    difference,
    fields_of,
    fold,
    kind_of,
)
from service.diff import values as values_of
from service.fields import Topic
from service.normalise import normalise
from tests.scenes import (
    NO_NEWS,
    PATHS,
    START,
    Json,
    facts,
    facts_of,
    is_like,
    is_wanted,
    said,
    told,
)

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no finding."""

LIFE = Life(first_seen=START, updated_at=START, revision=1)
REVISION = Revision(
    revision=7,
    at=START,
    cause=Cause.REFRESH,
    source=KILOCODE,
    counts=dict.fromkeys(Kind, 0),
    bulk={},
)


def row(of: Model, status: Status = Status.ACTIVE, origin: Origin = Origin.DISCOVERED) -> Row:
    return Row(model=of, life=replace(LIFE, status=status), origin=origin)


# ── every field ───────────────────────────────────────────────────────────────────────────────
# Two models that differ in every field. A new field has to be given here too.

ONE = Model(
    source="here",
    id="a/one",
    name="One",
    author="a",
    description="First.",
    badges=("new",),
    input=("text",),
    output=("text",),
    reasoning=True,
    reasoning_efforts=("low",),
    tools=True,
    structured_output=True,
    context_window=1000,
    served_context_window=1000,
    max_tokens=100,
    cost=Cost(
        input=1.0,
        output=1.0,
        cache_read=1.0,
        cache_write=1.0,
        reasoning=1.0,
        image=1.0,
        request=1.0,
        web_search=1.0,
    ),
    pricing=Pricing.FIXED,
    free=False,
    supported_parameters=("tools",),
    tokenizer="Claude",
    moderated=True,
    may_train_on_prompts=True,
    hugging_face_id="a/one",
    family="ones",
    created=datetime(2026, 1, 1, tzinfo=UTC),
    knowledge_cutoff=date(2025, 1, 1),
    expires_at=datetime(2027, 1, 1, tzinfo=UTC),
    preferred_index=1,
    hints='{"opencode":{"prompt":"one"}}',
)
OTHER: Mapping[str, Any] = {
    "source": "there",
    "id": "a/other",
    "name": "Other",
    "input": ("image", "text"),
    "output": ("audio",),
    "cost": Cost(),
    "pricing": Pricing.DYNAMIC,
    "badges": (),
} | dict.fromkeys(
    (
        *("author", "description", "reasoning", "reasoning_efforts", "tools"),
        *("structured_output", "context_window", "served_context_window", "max_tokens", "free"),
        *("supported_parameters", "tokenizer", "moderated", "may_train_on_prompts"),
        *("hugging_face_id", "family", "created", "knowledge_cutoff", "expires_at"),
        *("preferred_index", "hints"),
    )
)
NAMES_OF_A_MODEL = {"source", "id"}
NOT_NEWS_OF_A_MODEL = {"badges", "preferred_index", "hints"}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def names(cls: Any) -> list[str]:
    return [found.name for found in dataclasses.fields(cls)]


def test_two_models_that_differ_in_every_field_are_at_hand() -> None:
    assert set(OTHER) == set(names(Model))
    assert [name for name in OTHER if getattr(ONE, name) == OTHER[name]] == []
    assert [name for name in names(Cost) if getattr(ONE.cost, name) == getattr(Cost(), name)] == []


@pytest.mark.parametrize(
    "name", sorted(set(names(Model)) - NAMES_OF_A_MODEL - NOT_NEWS_OF_A_MODEL - {"cost"})
)
def test_each_field_of_a_model_is_a_change_under_its_name_in_the_json(name: str) -> None:
    before, after = row(ONE), row(replace(ONE, **{name: OTHER[name]}))

    assert difference(before, after) == {camel(name): (getattr(ONE, name), OTHER[name])}


@pytest.mark.parametrize("name", names(Cost))
@pytest.mark.parametrize("now", [None, 0.0, 2.5])
def test_each_price_is_a_change_under_its_name_in_the_json(name: str, now: float | None) -> None:
    before, after = row(ONE), row(replace(ONE, cost=replace(ONE.cost, **{name: now})))

    assert difference(before, after) == {f"cost.{camel(name)}": (1, now)}


@pytest.mark.parametrize("name", sorted(NOT_NEWS_OF_A_MODEL))
def test_marketing_is_no_change(name: str) -> None:
    before, after = row(ONE), row(replace(ONE, **{name: OTHER[name]}))

    assert difference(before, after) == {}
    assert change(before, after, cursor=Cursor(7, 1), at=START) is None


@pytest.mark.parametrize("name", sorted(set(names(Life)) - {"status"}))
def test_dates_and_numbers_of_a_life_are_no_change(name: str) -> None:
    other: Any = 9 if name == "revision" else START + timedelta(days=9)
    before = row(ONE)

    assert difference(before, replace(before, life=replace(LIFE, **{name: other}))) == {}


def test_status_and_origin_are_changes_even_of_the_very_same_model() -> None:
    before = row(ONE)
    after = row(ONE, Status.MISSING, Origin.FALLBACK)

    assert difference(before, after) == {
        "origin": (Origin.DISCOVERED, Origin.FALLBACK),
        "status": (Status.ACTIVE, Status.MISSING),
    }
    assert difference(before, replace(before, position=5)) == {}


def test_every_key_of_the_json_is_a_field_that_can_change_but_those_that_are_no_news() -> None:
    """Somebody who adds a field decides whether a difference of it is news."""
    assert set(TOPICS) == set(PATHS)
    assert NO_NEWS.isdisjoint(path.partition(".")[0] for path in TOPICS)


def test_the_values_of_a_row_are_those_of_its_json() -> None:
    found = values_of(row(ONE))

    assert list(found) == list(TOPICS)
    assert said_values(found) == facts(row(ONE))


def said_values(found: Mapping[str, Any]) -> Json:
    """Values as a change's JSON says them."""
    one = Change(
        cursor=Cursor(1),
        at=START,
        source=KILOCODE,
        id="x",
        kind=Kind.ADDED,
        fields={path: (None, value) for path, value in found.items()},
    )
    return {path: pair["to"] for path, pair in said([one])["x"]["fields"].items()}


# ── two rows ──────────────────────────────────────────────────────────────────────────────────

WORDS = st.sampled_from([("text",), ("text", "image"), ("audio",)])
PRICES = st.sampled_from([None, 0.0, 0.3, 2.5])
MODELS = st.builds(
    Model,
    source=st.just(KILOCODE),
    id=st.sampled_from(["a/1", "a/2", "b/1", "kilo/auto"]),
    name=st.sampled_from(["One", "Two"]),
    badges=st.sampled_from([(), ("new",)]),
    input=WORDS,
    reasoning=st.sampled_from([None, False, True]),
    reasoning_efforts=st.none() | st.just(()) | st.just(("low", "high")),
    max_tokens=st.sampled_from([None, 8192, 16384]),
    cost=st.builds(Cost, input=PRICES, web_search=PRICES),
    pricing=st.sampled_from(Pricing),
    expires_at=st.sampled_from([None, START]),
    knowledge_cutoff=st.sampled_from([None, date(2026, 1, 1)]),
    preferred_index=st.sampled_from([None, 0]),
)
ROWS = st.builds(row, MODELS, st.sampled_from(Status), st.sampled_from(Origin))


@settings(CALM, max_examples=120)
@given(st.none() | ROWS, ROWS)
def test_a_difference_is_that_of_the_json(before: Row | None, after: Row) -> None:
    if before is not None:
        after = replace(after, model=replace(after.model, id=before.model.id))
    was = {} if before is None else {before.model.id: facts(before)}

    one = change(before, after, cursor=Cursor(7, 42), at=START)

    expected = told(was, {after.model.id: facts(after)})
    assert (said([one]) if one else {}) == expected
    assert (one is None) == (not difference(before, after))
    if one is not None:
        assert (one.cursor, one.revision, one.at) == (Cursor(7, 42), 7, START)
        assert (one.ref, one.bulk) == (after.model.ref, ())
        assert one.kind is kind_of(before, after)


@settings(CALM, max_examples=60)
@given(ROWS, ROWS)
def test_a_difference_read_backwards_is_that_of_the_way_back(one: Row, other: Row) -> None:
    there, back = difference(one, other), difference(other, one)

    assert back == {path: (now, was) for path, (was, now) in there.items()}


@pytest.mark.parametrize("after", Status)
@pytest.mark.parametrize("before", [None, *Status])
def test_the_kind_of_a_change_follows_from_the_two_states(
    before: Status | None, after: Status
) -> None:
    kinds = {"active": Kind.RETURNED, "missing": Kind.MISSING, "removed": Kind.REMOVED}
    expected = Kind.CHANGED if before is after else kinds[after]

    found = kind_of(None if before is None else row(ONE, before), row(ONE, after))

    assert found is (Kind.ADDED if before is None else expected)


def test_a_change_names_what_of_it_was_done_in_bulk_and_nothing_else() -> None:
    before = row(ONE)
    after = row(replace(ONE, name="Other", free=None))
    told_in_bulk = ["maxTokens", "free", "missing", "name"]

    one = change(before, after, cursor=Cursor(7), at=START, bulk=told_in_bulk)
    gone = change(before, row(ONE, Status.MISSING), cursor=Cursor(7), at=START, bulk=told_in_bulk)
    new = change(None, before, cursor=Cursor(7), at=START, bulk=told_in_bulk)

    assert one
    assert gone
    assert new
    assert one.bulk == ("free", "name")
    assert gone.bulk == ("missing",)
    assert new.bulk == ()  # its fields were not changed: it is there with them


def catalog(rows: Iterable[Row]) -> Catalog:
    found = {each.model.ref: each for each in rows}.values()
    return Catalog(
        revision=1,
        updated_at=START,
        modified_at=START,
        rows=tuple(each for each in found if not each.is_removed),
        removed=tuple(each for each in found if each.is_removed),
    )


@settings(CALM, max_examples=60)
@given(st.lists(ROWS, max_size=6), st.lists(ROWS, max_size=6))
def test_between_two_catalogs_each_model_that_differs_is_told_once(
    earlier: list[Row], later: list[Row]
) -> None:
    before, after = catalog(earlier), catalog([*earlier, *later])  # nobody is ever forgotten

    found = between(before, after, REVISION)

    assert said(found) == told(facts_of(before), facts_of(after))
    assert [one.ref for one in found] == sorted(one.ref for one in found)
    assert {(str(one.cursor), one.at, one.bulk) for one in found} <= {("7", START, ())}


def test_between_a_catalog_and_itself_nothing_has_happened() -> None:
    same = catalog([row(ONE), row(FALLBACK[0], origin=Origin.FALLBACK)])

    assert between(same, same, REVISION) == []


# ── two bodies ────────────────────────────────────────────────────────────────────────────────

ENTRY: Json = {
    "id": "a/1",
    "name": "One",
    "description": "First.",
    "created": 1_760_000_000,
    "context_length": 8192,
    "architecture": {
        "input_modalities": ["text", "image", "pdf"],
        "output_modalities": ["text", "audio"],
        "tokenizer": "Claude",
    },
    "pricing": {"prompt": "0.0000014", "completion": "0.00002", "web_search": "0.01"},
    "top_provider": {"context_length": 8192, "max_completion_tokens": 4096, "is_moderated": False},
    "supported_parameters": ["tools", "reasoning", "max_tokens"],
    "opencode": {"variants": {"low": {"reasoning": {"effort": "low"}}}},
}
SAME: Mapping[str, Json] = {
    "text of prices": {
        "pricing": {"prompt": "0.000001400000", "completion": "2e-5", "web_search": 0.01}
    },
    "order of modalities": {
        "architecture": {
            "input_modalities": ["PDF", "image", "text", "image"],
            "output_modalities": ["audio", "text"],
            "tokenizer": "Claude",
        }
    },
    "order of parameters": {"supported_parameters": ["reasoning", "max_tokens", "tools", "tools"]},
    "integers as floats": {"context_length": 8192.0},
    "unknown keys": {"links": {"details": "/a/1"}, "pricing": {**ENTRY["pricing"], "discount": 0}},
    "marketing": {"name": "One (new) (20% off)", "preferredIndex": 3},
    "an expiry that is none": {"expiration_date": "2098-12-31"},
    "nulls": {"knowledge_cutoff": None, "hugging_face_id": "", "isFree": None},
    "order of keys": dict(reversed(ENTRY.items())),
}


def read(*entries: Json) -> dict[str, Row]:
    body = json.dumps({"data": entries}).encode()
    return {each.id: row(each) for each in normalise(body, KILOCODE).models}


@pytest.mark.parametrize("other", SAME.values(), ids=SAME)
def test_the_same_in_other_words_is_no_change(other: Json) -> None:
    before, after = read(ENTRY)["a/1"], read(ENTRY | other)["a/1"]

    assert difference(before, after) == {}


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        (
            {"pricing": {"prompt": "0.0000015", "completion": "0.00002", "web_search": "0.01"}},
            {"cost.input": (1.4, 1.5)},
        ),
        (
            {"pricing": {"prompt": "-1", "completion": "-1"}},
            {
                "cost.input": (1.4, None),
                "cost.output": (20, None),
                "cost.webSearch": (0.01, None),
                "pricing": ("fixed", "dynamic"),
                "free": (False, None),
            },
        ),
        ({"name": "One (beta)"}, {"name": ("One", "One (beta)")}),
        (
            {"expiration_date": "2026-12-01"},
            {"expiresAt": (None, datetime(2026, 12, 1, tzinfo=UTC))},
        ),
        (
            {"supported_parameters": ["max_tokens"]},
            {
                "reasoning": (True, False),
                "tools": (True, False),
                "supportedParameters": (
                    ("max_tokens", "reasoning", "tools"),
                    ("max_tokens",),
                ),
            },
        ),
    ],
)
def test_something_else_is_a_change_of_just_that(other: Json, fields: Json) -> None:
    before, after = read(ENTRY)["a/1"], read(ENTRY | other)["a/1"]

    assert difference(before, after) == fields


def _in_other_words(entry: Any, rearranged: Sequence[Any]) -> Json:
    """The same entry: keys and lists shuffled, prices written longer, and a key of tomorrow."""
    prices = {
        name: f"{value}00" if isinstance(value, str) and "." in value else value
        for name, value in entry.get("pricing", {}).items()
    }
    said = {key: entry[key] for key in rearranged if key in entry}
    parameters = entry.get("supported_parameters")
    return said | {
        "tomorrow": 1,
        "pricing": prices,
        "supported_parameters": parameters and parameters[::-1],
    }


@settings(CALM, max_examples=6)
@given(data=st.data())
def test_whole_lists_in_other_words_are_no_change(data: st.DataObject) -> None:
    import fixtures

    entries = json.loads(fixtures.path("kilo-2026-10-01.json").read_bytes())["data"]
    keys = sorted({key for entry in entries for key in entry})
    order = data.draw(st.permutations(keys))

    before, after = read(*entries), read(*(_in_other_words(entry, order) for entry in entries))

    assert after.keys() == before.keys()
    assert [name for name in before if difference(before[name], after[name])] == []


# ── in bulk ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("opened", "models", "expected"),
    [
        ([], 0, {}),
        ([("added", [])], 1, {}),  # of one model it is no bulk
        ([("added", [])] * 2, 2, {"added": 2}),
        ([("added", [])] * 2, 4, {}),  # half of them exactly
        ([("added", [])] * 3, 5, {"added": 3}),
        ([("changed", ["expiresAt"])] * 4, 4, {"expiresAt": 4}),
        ([("changed", ["expiresAt", "name"])] * 3 + [("changed", ["name"])], 7, {"name": 4}),
        ([("returned", ["status", "name"])] * 3, 4, {"returned": 3}),
        ([("missing", ["status"])] * 3 + [("changed", ["name"])] * 2, 5, {"missing": 3}),
        ([("changed", [])] * 4, 4, {}),  # marketing
    ],
)
def test_what_befell_more_than_half_of_the_models_is_told_in_bulk(
    opened: list[tuple[str, list[str]]], models: int, expected: Mapping[str, int]
) -> None:
    assert bulk([(Kind(kind), fields) for kind, fields in opened], models) == expected


OPENED = st.lists(
    st.tuples(st.sampled_from(Kind), st.sets(st.sampled_from(["name", "cost.input", "expiresAt"]))),
    max_size=8,
)


@settings(CALM, max_examples=60)
@given(OPENED, st.integers(0, 4))
def test_bulk_is_counted_by_field_of_what_changed_and_by_kind_of_the_rest(
    opened: list[tuple[Kind, set[str]]], others: int
) -> None:
    models = len(opened) + others
    happened = [(kind, name) for kind, fields in opened for name in fields]
    counts = {name: happened.count((Kind.CHANGED, name)) for _, name in happened}
    counts |= {
        str(kind): sum(each is kind for each, _ in opened)
        for kind in Kind
        if kind is not Kind.CHANGED
    }

    expected = {name: n for name, n in counts.items() if 2 * n > models and n > 1}
    assert bulk(opened, models) == expected


# ── folds ─────────────────────────────────────────────────────────────────────────────────────

PAIRS = {"name": ("One", "Two"), "maxTokens": (None, 8192), "free": (True, False)}


def some_change(place: int, revision: int, kind: Kind, fields: Iterable[str]) -> Change:
    pairs: dict[str, tuple[Any, Any]] = {name: PAIRS[name] for name in sorted(fields)}
    if kind is not Kind.CHANGED:
        pairs["status"] = (None, "active")
    return Change(
        cursor=Cursor(revision, place),
        at=START + timedelta(hours=revision),
        source=KILOCODE,
        id=f"a/{place}",
        kind=kind,
        fields=pairs,
    )


@st.composite
def logs(draw: st.DrawFn) -> list[Change]:
    """Changes in their order, each revision's with what was done in bulk in it."""
    found: list[Change] = []
    for revision in range(1, draw(st.integers(1, 3)) + 1):
        in_bulk = draw(st.sets(st.sampled_from([*PAIRS, "added", "missing", "returned"])))
        for _ in range(draw(st.integers(1, 6))):
            kind = draw(st.sampled_from(Kind))
            least = 1 if kind is Kind.CHANGED else 0
            fields = draw(st.sets(st.sampled_from(sorted(PAIRS)), min_size=least))
            one = some_change(len(found), revision, kind, fields)
            of_it = one.fields if kind is Kind.CHANGED else [str(kind)]
            found.append(replace(one, bulk=tuple(sorted(in_bulk.intersection(of_it)))))
    return found


@settings(CALM, max_examples=60)
@given(logs(), st.integers(0, 2**18 - 1))
def test_a_fold_tells_everything_once(log: list[Change], mask: int) -> None:
    seen = [one for place, one in enumerate(log) if mask >> place & 1]  # what a filter left

    news = list(fold(seen))

    assert Counter(facts_told(news)) == Counter(facts_to_tell(seen))
    assert [one.revision for one in news] == sorted(one.revision for one in news)
    for each in news:
        if isinstance(each, Fold):
            assert len(each.changes) > 1
            assert {(one.revision, one.at) for one in each.changes} == {(each.revision, each.at)}
            assert all(each.name in one.bulk for one in each.changes)
            assert list(each.changes) == [one for one in seen if one in each.changes]
        else:
            assert each.fields


def facts_told(news: Iterable[Change | Fold]) -> Iterator[tuple[str, str]]:
    """Model and field, or model and kind."""
    for each in news:
        if isinstance(each, Fold):
            yield from ((one.id, each.name) for one in each.changes)
        else:
            yield from ((each.id, path) for path in each.fields)


def facts_to_tell(seen: Sequence[Change]) -> Iterator[tuple[str, str]]:
    """Of what befell many in bulk the kind, else each field."""
    kinds = Counter((one.revision, name) for one in seen for name in one.bulk)
    for one in seen:
        if str(one.kind) in one.bulk and kinds[one.revision, str(one.kind)] > 1:
            yield one.id, str(one.kind)
        else:
            yield from ((one.id, path) for path in one.fields)


def test_what_is_not_in_bulk_is_told_as_it_is_and_where_it_was() -> None:
    log = [some_change(place, place // 2, Kind.CHANGED, ["name"]) for place in range(5)]

    assert list(fold(log)) == log


def test_a_fold_of_one_is_none() -> None:
    one = replace(some_change(1, 1, Kind.CHANGED, ["name"]), bulk=("name",))

    assert list(fold([one])) == [one]
    assert list(fold([])) == []


def test_what_is_left_of_a_change_beside_the_fold_is_told_by_itself() -> None:
    one, two = (
        replace(some_change(place, 1, Kind.CHANGED, fields), bulk=("name",))
        for place, fields in enumerate([["name"], ["name", "free"]])
    )

    folded, left = fold([one, two])

    assert folded == Fold(revision=1, at=one.at, name="name", changes=(one, two))
    assert left == replace(two, fields={"free": (True, False)})


def test_a_fold_takes_nothing_from_a_change_that_is_not_in_it() -> None:
    many = [replace(some_change(n, 1, Kind.CHANGED, ["name"]), bulk=("name",)) for n in range(3)]
    new = some_change(3, 1, Kind.ADDED, ["name", "free"])

    folded, left = fold([*many, new])

    assert isinstance(folded, Fold)
    assert folded.changes == tuple(many)
    assert left == new


# ── which of them ─────────────────────────────────────────────────────────────────────────────

SIGNS = "ab*/%_\\'\",.?[]Aé\n"
TEXTS = st.text(SIGNS, max_size=8)


def of(model_id: str, source: str = KILOCODE, **said: Any) -> Change:
    pairs = {"name": ("One", "Two")}
    known: Json = {"cursor": Cursor(1, 1), "at": START, "kind": Kind.CHANGED, "fields": pairs}
    return Change(source=source, id=model_id, **known | said)


@settings(CALM, max_examples=200)
@given(TEXTS, TEXTS.filter(bool))
@example("a*a", "a")
@example("*a*", "a")
@example("a**a", "aa")
@example("*", "\n")
@example("ab*ba", "aba")
@example("*ab*ab*", "aab")
@example("%", "a")
@example("_", "a")
@example("a", "A")
def test_only_the_star_stands_for_anything(pattern: str, model_id: str) -> None:
    one = of(model_id)

    expected = is_like(pattern, model_id) or is_like(pattern, f"kilocode/{model_id}")
    assert Wanted(models=frozenset([pattern])).matches(one) == expected


@settings(CALM, max_examples=60)
@given(TEXTS.filter(bool), st.data())
def test_a_name_with_any_pieces_starred_is_like_itself(name: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(name)))
    end = data.draw(st.integers(begin, len(name)))

    assert Wanted(models=frozenset([f"{name[:begin]}*{name[end:]}"])).matches(of(name))


@pytest.mark.parametrize(
    ("pattern", "does"),
    [
        ("a/one", True),
        ("here/a/one", True),
        ("here/*", True),
        ("*/one", True),
        ("*one", True),
        ("a/*", True),
        ("*/*/*", True),
        ("*", True),
        ("A/one", False),
        ("one", False),
        ("there/a/one", False),
        ("a/on", False),
        ("a/on?", False),
        ("a/on%", False),
        ("a/on_", False),
        ("", False),
    ],
)
def test_a_model_is_wanted_by_id_or_ref(pattern: str, does: bool) -> None:
    assert Wanted(models=frozenset([pattern])).matches(of("a/one", "here")) is does


CHANGES = st.builds(
    of,
    st.sampled_from(["a/1", "a/2", "kilo/auto"]),
    kind=st.sampled_from(Kind),
    fields=st.sets(st.sampled_from(sorted(TOPICS)), min_size=1).map(
        lambda paths: dict.fromkeys(paths, (None, 1))
    ),
)
FILTERS = st.builds(
    Wanted,
    kinds=st.frozensets(st.sampled_from(Kind), max_size=2),
    fields=st.frozensets(st.sampled_from(sorted(TOPICS)), max_size=9),
    models=st.frozensets(st.sampled_from(["a/1", "a/*", "*auto", "kilocode/*", "b"]), max_size=2),
)


@settings(CALM, max_examples=100)
@given(FILTERS, CHANGES)
@example(Wanted(), of("a/1"))
def test_a_change_is_wanted_when_every_condition_holds(wanted: Wanted, one: Change) -> None:
    assert wanted.matches(one) == is_wanted(wanted, one)


# ── topics and paths ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("topic", Topic)
def test_a_topic_stands_for_all_of_its_fields(topic: Topic) -> None:
    assert fields_of(topic) == {path for path in TOPICS if TOPICS[path] is topic} != set()


@pytest.mark.parametrize("path", TOPICS)
def test_a_path_stands_for_itself(path: str) -> None:
    assert fields_of(path) == {path}


def test_what_stands_before_the_dot_stands_for_all_below_it() -> None:
    assert fields_of("cost") == {f"cost.{camel(name)}" for name in names(Cost)}


def test_a_topic_is_no_path() -> None:
    assert set(Topic).isdisjoint(TOPICS)
    assert "cost" not in set(Topic)


@pytest.mark.parametrize(
    "name", ["", "cost.", ".input", "Cost", "cost.inputs", "badges", "preferredIndex", "*", "\n"]
)
def test_anything_else_stands_for_nothing(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(name)}$"):
        fields_of(name)


# ── places in the log ─────────────────────────────────────────────────────────────────────────

NUMBERS = st.integers(0, 10**18 - 1)
CURSORS = st.builds(Cursor, NUMBERS) | st.builds(Cursor, NUMBERS, NUMBERS)


@settings(CALM, max_examples=60)
@given(CURSORS)
@example(Cursor(0))
@example(Cursor(10**18 - 1, 0))
def test_a_cursor_is_read_back_from_its_text(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor
    assert ("." in str(cursor)) == (not cursor.is_whole)


@settings(CALM, max_examples=60)
@given(CURSORS, CURSORS)
def test_cursors_are_in_the_order_of_the_log(one: Cursor, other: Cursor) -> None:
    key = (one.revision, one.is_whole, one.version)
    assert (one < other) == (key < (other.revision, other.is_whole, other.version))


@pytest.mark.parametrize(
    "text",
    ["", "13.", ".13", "1.2.3", "-1", "+1", "1,2", " 1", "1\n", "1e3", "١٣", "²", "1" * 19, "x"],
)
def test_other_texts_are_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Cursor.parse(text)


@settings(CALM, max_examples=60)
@given(st.text(string.printable + "٣é", max_size=6))
def test_whatever_is_read_as_a_cursor_is_digits_with_at_most_one_dot(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except ValueError:
        return
    numbers = [int(part) for part in text.split(".")]
    assert numbers == [cursor.revision, *([] if cursor.is_whole else [cursor.version])]
