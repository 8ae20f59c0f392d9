"""Counts behind the values of each filter: what choosing the value would give."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings

from service.fields import Form
from service.parameters import Asked
from service.query.facets import facets
from service.query.filters import BY_NAME, FILTERS, Facet
from service.query.question import NEEDS, Needs
from service.query.shelf import Shelf
from tests import oracle
from tests.catalogs import (
    CALM,
    FILTER_PAIRS,
    NOW,
    SEARCHES,
    SHELVES,
    Pairs,
    catalog_of,
    is_askable,
    models_of,
    refs_of,
    row_of,
)
from tests.scenes import as_json

Json = dict[str, Any]
INSTEAD: Final = (
    *("source", "author", "family", "reasoning", "tools", "structuredOutput", "pricing", "free"),
    *("moderated", "mayTrainOnPrompts", "status"),
)
"""Choosing another value of these replaces the one that was chosen."""
ON_TOP: Final = ("input", "output", "effort", "supports")
RANGES: Final = (
    *("contextWindow", "servedContextWindow", "maxTokens"),
    *("cost.input", "cost.output", "cost.cacheRead", "cost.cacheWrite"),
)


def told(shelf: Shelf, pairs: Pairs) -> Json:
    made: Json = as_json(facets(shelf, Needs.read(Asked(pairs, NEEDS)), NOW))
    return made


def total(models: Iterable[Json], pairs: Pairs) -> int:
    return len(oracle.meant(models, pairs, NOW))


def without(pairs: Pairs, path: str) -> Pairs:
    """The question without what it says of a field."""
    return [pair for pair in pairs if oracle.FILTERS.get(pair[0], ("",))[0] != path]


def word(value: object) -> str:
    """A value as it is asked for."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_filter_that_can_be_counted_is() -> None:
    made = told(Shelf(catalog_of([])), [])

    assert list(made) == ["revision", "updatedAt", "total", "facets", "ranges"]
    assert sorted(made["facets"]) == sorted((*INSTEAD, *ON_TOP))
    assert sorted(made["ranges"]) == sorted(RANGES)
    counted = {one.name for one in FILTERS if one.facet in {Facet.OTHERS, Facet.MORE}}
    assert counted == made["facets"].keys()


@settings(CALM, max_examples=80)
@given(shelf=SHELVES, pairs=FILTER_PAIRS)
def test_a_count_is_what_choosing_the_value_instead_would_give(shelf: Shelf, pairs: Pairs) -> None:
    models = models_of(shelf)
    made = told(shelf, pairs)

    assert made["total"] == total(models, pairs)
    for name in INSTEAD:
        others = without(pairs, oracle.FILTERS[name][0])
        for one in made["facets"][name]["values"]:
            if is_askable(word(one["value"])):
                expected = total(models, [*others, (name, word(one["value"]))])
                assert one["count"] == expected > 0, (name, one)
        if BY_NAME[name].field.form is Form.FLAG:
            expected = total(models, [*others, (name, "unknown")])
            assert made["facets"][name]["unknown"] == expected


@settings(CALM, max_examples=80)
@given(shelf=SHELVES, pairs=FILTER_PAIRS)
def test_a_count_is_what_choosing_the_value_on_top_would_give(shelf: Shelf, pairs: Pairs) -> None:
    models = models_of(shelf)
    made = told(shelf, pairs)

    for name in ON_TOP:
        for one in made["facets"][name]["values"]:
            assert one["count"] == total(models, [*pairs, (name, one["value"])]) > 0, (name, one)


@settings(CALM, max_examples=80)
@given(shelf=SHELVES, pairs=FILTER_PAIRS)
def test_every_value_is_counted_and_so_are_those_that_say_nothing(
    shelf: Shelf, pairs: Pairs
) -> None:
    models = models_of(shelf)
    made = told(shelf, pairs)

    for name in (*INSTEAD, *ON_TOP):
        path = oracle.FILTERS[name][0]
        asked = pairs if name in ON_TOP else without(pairs, path)
        asked = [*asked, ("status", "active,missing,removed")] if name == "status" else asked
        values = [oracle.at(model, path) for model in oracle.meant(models, asked, NOW)]
        said = [value for value in values if value is not None]
        if name in ON_TOP:
            words = {one for each in said for one in each}
        else:
            words = {one.casefold() if isinstance(one, str) else one for one in said}
        found = [one["value"] for one in made["facets"][name]["values"]]
        folded = [
            one.casefold() if isinstance(one, str) and name in INSTEAD else one for one in found
        ]
        assert sorted(map(str, folded)) == sorted(map(str, words))
        assert made["facets"][name]["unknown"] == len(values) - len(said)
        counts = [one["count"] for one in made["facets"][name]["values"]]
        assert counts == sorted(counts, reverse=True)


@settings(CALM, max_examples=80)
@given(shelf=SHELVES, pairs=FILTER_PAIRS)
def test_a_range_goes_from_the_smallest_to_the_largest_that_its_field_can_be_narrowed_to(
    shelf: Shelf, pairs: Pairs
) -> None:
    models = models_of(shelf)
    made = told(shelf, pairs)

    for path in RANGES:
        meant = oracle.meant(models, without(pairs, path), NOW)
        values = [oracle.at(model, path) for model in meant]
        known = [value for value in values if value is not None]
        assert made["ranges"][path] == {
            "min": min(known, default=None),
            "max": max(known, default=None),
            "unknown": len(values) - len(known),
        }


@settings(CALM, max_examples=40)
@given(shelf=SHELVES, pairs=FILTER_PAIRS, search=SEARCHES)
def test_words_narrow_every_count(shelf: Shelf, pairs: Pairs, search: str) -> None:
    fit = shelf.search.scores(search)
    models = [model for place, model in enumerate(models_of(shelf)) if place in fit]
    made = told(shelf, [*pairs, ("q", search)])

    assert made["total"] == total(models, pairs) == len(refs_of(shelf, [*pairs, ("q", search)]))
    for name in ("author", "tools"):
        others = without(pairs, name)
        for one in made["facets"][name]["values"]:
            assert one["count"] == total(models, [*others, (name, word(one["value"]))])


@settings(CALM, max_examples=40)
@given(shelf=SHELVES, pairs=FILTER_PAIRS)
def test_what_is_chosen_is_marked(shelf: Shelf, pairs: Pairs) -> None:
    asked = {name: oracle.words(text) for name, text in oracle.needs(pairs)}

    for name, made in told(shelf, pairs)["facets"].items():
        chosen = asked.get(name, [])
        assert made["unknownChosen"] == (
            BY_NAME[name].field.form is Form.FLAG and "unknown" in chosen
        )
        if name in INSTEAD:
            chosen = [one.casefold() for one in chosen]
        for one in made["values"]:
            text = word(one["value"])
            shown = text.casefold() if name in INSTEAD else text
            assert one["chosen"] == (shown in chosen), (name, one)


@pytest.mark.parametrize(
    ("authors", "expected"),
    [
        (["Acme", "acme", "ACME"], [("Acme", 3)]),
        (["acme", "Acme", "Acme", "b"], [("Acme", 3), ("b", 1)]),
        (["b", "a", None], [("a", 1), ("b", 1)]),
    ],
)
def test_spellings_that_are_the_same_to_the_filter_are_one_value_by_the_most_frequent(
    authors: list[str | None], expected: list[tuple[str, int]]
) -> None:
    plain = row_of(bytes(48))
    rows = [
        replace(plain, model=replace(plain.model, id=str(number), author=author))
        for number, author in enumerate(authors)
    ]

    made = told(Shelf(catalog_of(rows)), [])["facets"]["author"]

    assert [(one["value"], one["count"]) for one in made["values"]] == expected
    assert made["unknown"] == authors.count(None)
