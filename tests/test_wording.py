"""Changes in words: what a person reads in a feed, on a terminal, on a page."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.catalog import KILOCODE, Change, Cursor, Fold, Kind, Origin, Pricing, Status
from service.diff import TOPICS
from service.wording import LONG, detail, details, folded, line, text

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
DAY = datetime(2026, 12, 1, tzinfo=UTC)
STORY = "Once upon a time. " * 9

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no finding."""

Pairs = dict[str, tuple[Any, Any]]


def one(kind: str, fields: Pairs, model_id: str = "a/1") -> Change:
    return Change(
        cursor=Cursor(2, 1), at=AT, source=KILOCODE, id=model_id, kind=Kind(kind), fields=fields
    )


# ── values ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "unknown"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (0.0, "0"),
        (3.0, "3"),
        (0.3, "0.3"),
        (1_000_000, "1000000"),
        ("Kilo Auto", "Kilo Auto"),
        (Pricing.DYNAMIC, "dynamic"),
        (Origin.FALLBACK, "fallback"),
        (DAY, "2026-12-01"),
        (AT, "2026-10-01T12:00:00Z"),
        (date(2026, 12, 1), "2026-12-01"),
        (("text", "image"), "text image"),
        ((), "none"),
    ],
)
def test_a_value_is_told_as_the_json_has_it_in_a_persons_words(value: object, words: str) -> None:
    assert text(value) == words


@pytest.mark.parametrize(
    "said", ["Build 2026-12-01T00:00:00Z", "T00:00:00Z", " Two  spaces ", "é\n<b>"]
)
def test_a_text_of_the_gateway_stays_as_it_is(said: str) -> None:
    assert text(said) == said


# ── one field ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "was", "now", "words"),
    [
        ("cost.input", 3.0, 2.5, "cost.input 3 → 2.5"),
        ("cost.input", 0.0, 2.5, "cost.input 0 → 2.5"),
        ("cost.input", None, 0.0, "cost.input set to 0"),
        ("cost.input", 3.0, None, "cost.input unset, was 3"),
        ("maxTokens", 8192, 16384, "maxTokens 8192 → 16384"),
        ("tools", False, True, "tools no → yes"),
        ("tools", None, False, "tools set to no"),
        ("free", True, None, "free unset, was yes"),
        ("name", "One", "Two", "name One → Two"),
        ("pricing", Pricing.FIXED, Pricing.DYNAMIC, "pricing fixed → dynamic"),
        ("expiresAt", None, DAY, "expiresAt set to 2026-12-01"),
        ("expiresAt", DAY, AT, "expiresAt 2026-12-01 → 2026-10-01T12:00:00Z"),
        ("knowledgeCutoff", None, date(2026, 1, 1), "knowledgeCutoff set to 2026-01-01"),
        ("output", ("text",), ("text", "audio"), "output +audio"),
        ("output", ("text", "audio"), ("text",), "output −audio"),  # noqa: RUF001 — a minus sign
        ("input", ("text", "pdf"), ("image", "file"), "input +image +file −text −pdf"),  # noqa: RUF001
        ("supportedParameters", (), ("tools",), "supportedParameters +tools"),
        ("reasoningEfforts", None, ("low", "high"), "reasoningEfforts set to low high"),
        ("reasoningEfforts", ("low",), None, "reasoningEfforts unset, was low"),
        ("supportedParameters", None, (), "supportedParameters set to none"),
        ("description", "Short.", "Shorter.", "description Short. → Shorter."),
        ("description", STORY, "Short.", "description rewritten"),
        ("description", "Short.", STORY, "description rewritten"),
        ("description", STORY, STORY.upper(), "description rewritten"),
        ("description", None, STORY, "description set"),
        ("description", STORY, None, "description unset"),
    ],
)
def test_a_field_is_told_before_and_after(path: str, was: object, now: object, words: str) -> None:
    assert detail(path, was, now) == words


def test_a_text_is_quoted_up_to_its_bound() -> None:
    shown, hidden = "x" * (LONG - 1), "x" * LONG

    assert detail("name", None, shown) == f"name set to {shown}"
    assert detail("name", None, hidden) == "name set"


# ── one change ────────────────────────────────────────────────────────────────────────────────

GONE: Pairs = {"status": (Status.ACTIVE, Status.MISSING)}
BACK: Pairs = {"status": (Status.REMOVED, Status.ACTIVE)}
TALE: Pairs = {"cost.input": (3.0, 2.5), "maxTokens": (8192, 16384)}


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("added", {"name": (None, "One"), "status": (None, Status.ACTIVE)}, "added"),
        ("changed", TALE, "cost.input 3 → 2.5, maxTokens 8192 → 16384"),
        ("changed", {"origin": ("fallback", "discovered")}, "origin fallback → discovered"),
        ("missing", GONE, "missing from the gateway's list"),
        ("missing", TALE | GONE, "missing from the gateway's list"),
        ("removed", GONE, "removed: missing for longer than the grace"),
        ("returned", BACK, "returned"),
        ("returned", TALE | BACK, "returned: cost.input 3 → 2.5, maxTokens 8192 → 16384"),
    ],
)
def test_a_change_is_a_line(kind: str, fields: Pairs, words: str) -> None:
    assert line(one(kind, fields)) == words


def test_details_are_a_line_a_field_and_a_new_model_has_none() -> None:
    fields = TALE | BACK

    assert list(details(one("returned", fields))) == [
        "cost.input 3 → 2.5",
        "maxTokens 8192 → 16384",
    ]
    assert list(details(one("added", fields))) == []


VALUES = st.none() | st.booleans() | st.integers(0, 9) | st.text("ab c", max_size=90) | st.just(AT)


@settings(CALM, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(sorted(set(TOPICS) - {"status"})),
        st.tuples(VALUES, VALUES).filter(lambda pair: pair[0] != pair[1]),
        min_size=1,
    )
)
def test_every_field_that_changed_is_named_in_order_and_no_line_runs_wild(fields: Pairs) -> None:
    told = line(one("changed", fields))

    assert [part.partition(" ")[0] for part in details(one("changed", fields))] == list(fields)
    assert told == ", ".join(details(one("changed", fields)))
    assert len(told) <= len(fields) * (2 * LONG + 40)


# ── many at once ──────────────────────────────────────────────────────────────────────────────


def fold(name: str, *changes: Change) -> Fold:
    return Fold(revision=2, at=AT, name=name, changes=changes)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([(None, DAY), (None, AT)], "expiresAt set on 2 models"),
        ([(DAY, None), (AT, None), (DAY, None)], "expiresAt unset on 3 models"),
        ([(DAY, AT), (AT, DAY)], "expiresAt changed on 2 models"),
        ([(None, AT), (AT, DAY)], "expiresAt changed on 2 models"),
        ([(None, AT), (AT, None)], "expiresAt changed on 2 models"),
    ],
)
def test_a_field_that_changed_on_many_is_told_once(
    pairs: list[tuple[Any, Any]], words: str
) -> None:
    many = fold(
        "expiresAt",
        *(
            one("changed", {"name": ("One", "Two"), "expiresAt": pair}, f"a/{number}")
            for number, pair in enumerate(pairs)
        ),
    )

    assert line(many) == folded(many) == words


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("added", "2 models added"),
        ("missing", "2 models missing"),
        ("removed", "2 models removed"),
        ("returned", "2 models returned"),
    ],
)
def test_what_befell_many_is_told_once(kind: str, words: str) -> None:
    assert line(fold(kind, one(kind, GONE, "a/1"), one(kind, GONE, "a/2"))) == words


def test_zero_that_becomes_known_is_set_and_not_changed() -> None:
    free: Pairs = {"cost.input": (None, 0.0)}

    assert line(fold("cost.input", one("changed", free), one("changed", free, "a/2"))) == (
        "cost.input set on 2 models"
    )
