"""Facets: how many models stand behind each value of each filter. Pure.

A count says how many models there would be if that value were chosen: instead of what is chosen now
for a filter that takes one value or any of several, on top of it for a filter that wants all.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from service.dialects import native
from service.query.filters import FILTERS, Facet, Filter
from service.query.question import Needs
from service.query.shelf import Shelf

Json = dict[str, Any]


def facets(shelf: Shelf, needs: Needs, now: datetime) -> Json:
    """The counts for what is asked now, in the native form."""
    scores = needs.scores(shelf)
    chosen = {one.name: values for one, values in needs.filters}
    all_places = needs.places(shelf, now, scores)
    told: Json = {}
    ranges: Json = {}
    for one in FILTERS:
        column = shelf.column(one.field.path).values
        if one.facet is Facet.MORE:
            told[one.name] = _counted(one, [column[p] for p in all_places], chosen)
        elif one.facet is not None and one.field.path not in ranges:
            is_narrowed = any(other.field is one.field for other, _ in needs.filters)
            places = needs.places(shelf, now, scores, but=one.field) if is_narrowed else all_places
            values = [column[place] for place in places]
            if one.facet is Facet.RANGE:
                ranges[one.field.path] = _range(values)
            else:
                told[one.name] = _counted(one, values, chosen)
    return {
        "revision": shelf.catalog.revision,
        "updatedAt": native.time_text(shelf.catalog.updated_at),
        "total": len(all_places),
        "facets": told,
        "ranges": ranges,
    }


def _counted(one: Filter[Any], values: Sequence[Any], chosen: dict[str, tuple[Any, ...]]) -> Json:
    """Each value with its count, the most frequent first, and how many models say nothing.

    What is the same to the filter is one value, as it is mostly spelt.
    """
    known = [value for value in values if value is not None]
    spelt = Counter(chain.from_iterable(known) if one.field.is_list else known).most_common()
    spelling: dict[Any, Any] = {}
    counts: Counter[Any] = Counter()
    for value, count in spelt:
        spelling.setdefault(_folded(one, value), value)
        counts[_folded(one, value)] += count
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    wanted = {_folded(one, value) for value in chosen.get(one.name, ())}
    return {
        "values": [
            {"value": spelling[folded], "count": count, "chosen": folded in wanted}
            for folded, count in ordered
        ],
        "unknown": len(values) - len(known),
        "unknownChosen": None in wanted,
    }


def _folded(one: Filter[Any], value: object) -> object:
    """A value as the filter compares it: the words of a list as they are, others in any case."""
    return value if one.field.is_list or not isinstance(value, str) else value.casefold()


def _range(values: Sequence[Any]) -> Json:
    known = [value for value in values if value is not None]
    return {
        "min": native.value(min(known, default=None)),
        "max": native.value(max(known, default=None)),
        "unknown": len(values) - len(known),
    }
