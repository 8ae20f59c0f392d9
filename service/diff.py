"""Row and row → change: what differs, field by field, and what of it is news. Pure.

Changes are semantic: rows are compared as models, whose lists have a canonical order and whose
prices have no text form. `badges`, `preferredIndex` and the hints to the gateway's own
clients are versioned, but they are nobody's news.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from service.catalog import Catalog, Change, Cursor, Fold, Kind, Revision, Row, Status
from service.fields import FIELDS, Topic
from service.patterns import is_like

_NEWS: Final = [field for topic in Topic for field in FIELDS.values() if field.topic is topic]

TOPICS: Final[Mapping[str, Topic]] = {field.path: field.topic for field in _NEWS if field.topic}
"""Every field whose difference is a change, by its path in a model's JSON, and what it is about."""

_GETTERS: Final[Mapping[str, Callable[[Row], Any]]] = {field.path: field.get for field in _NEWS}


def values(row: Row) -> Mapping[str, Any]:
    """A row's fields that can change, by path."""
    return {path: get(row) for path, get in _GETTERS.items()}


def difference(before: Row | None, after: Row) -> Mapping[str, tuple[Any, Any]]:
    """The fields that differ, each before and after; of a new model all that are set."""
    if before is not None and before.model is after.model:
        getters: Iterable[tuple[str, Callable[[Row], Any]]] = _BESIDE_THE_MODEL
    else:
        getters = _GETTERS.items()
    pairs = ((path, get(before) if before else None, get(after)) for path, get in getters)
    return {path: (was, now) for path, was, now in pairs if was != now}


_BESIDE_THE_MODEL: Final = tuple((path, _GETTERS[path]) for path in ("origin", "status"))


def kind_of(before: Row | None, after: Row) -> Kind:
    """What happened to a model between two of its states."""
    if before is None:
        return Kind.ADDED
    status = after.life.status
    if before.life.status is status:
        return Kind.CHANGED
    return _KIND_OF_STATUS[status]


_KIND_OF_STATUS: Final[Mapping[Status, Kind]] = {
    Status.ACTIVE: Kind.RETURNED,
    Status.MISSING: Kind.MISSING,
    Status.REMOVED: Kind.REMOVED,
}


def change(
    before: Row | None, after: Row, *, cursor: Cursor, at: datetime, bulk: Iterable[str] = ()
) -> Change | None:
    """What happened to a model at that time; None when it is no news."""
    fields = difference(before, after)
    if not fields:
        return None
    kind = kind_of(before, after)
    return Change(
        cursor=cursor,
        at=at,
        source=after.model.source,
        id=after.model.id,
        kind=kind,
        fields=fields,
        bulk=tuple(name for name in bulk if name in _names(kind, fields)),
    )


def between(before: Catalog, after: Catalog, revision: Revision) -> list[Change]:
    """What happened from one catalog to a later one, each model once, in the order of ids."""
    old = {row.model.ref: row for row in (*before.rows, *before.removed)}
    rows = sorted((*after.rows, *after.removed), key=lambda row: row.model.ref)
    cursor = Cursor(revision.revision)
    found = (change(old.get(row.model.ref), row, cursor=cursor, at=revision.at) for row in rows)
    return [one for one in found if one is not None]


# ── in bulk ───────────────────────────────────────────────────────────────────────────────────

BULK_RATIO: Final = 0.5
"""What happens to more than this share of the models in one revision is one piece of news."""


def bulk(opened: Iterable[tuple[Kind, Iterable[str]]], models: int) -> Mapping[str, int]:
    """What happened to more than half of so many models, and to how many it did.

    Names are fields that changed, and kinds of any other change.
    """
    counts = Counter(name for kind, fields in opened for name in _names(kind, fields))
    return {
        name: count for name, count in counts.items() if count > 1 and count > models * BULK_RATIO
    }


def _names(kind: Kind, fields: Iterable[str]) -> Iterable[str]:
    return tuple(fields) if kind is Kind.CHANGED else (str(kind),)


def fold(changes: Iterable[Change]) -> Iterator[Change | Fold]:
    """Tell what a revision changed in bulk once. Changes of one revision stand together.

    What is left of a change, beside what was folded, is told by itself. A fold of one is none.
    """
    for _, group in groupby(changes, key=lambda one: one.revision):
        yield from _folded(list(group))


def _folded(changes: Sequence[Change]) -> Iterator[Change | Fold]:
    counts = Counter(name for one in changes for name in one.bulk)
    folded = {name for name, count in counts.items() if count > 1}
    for name in counts:
        if name in folded:
            members = tuple(one for one in changes if name in one.bulk)
            first = members[0]
            yield Fold(revision=first.revision, at=first.at, name=name, changes=members)
    for one in changes:
        yield from _left(one, folded)


def _left(one: Change, folded: set[str]) -> Iterator[Change]:
    told = folded.intersection(one.bulk)
    if str(one.kind) in told:
        return
    fields = {path: pair for path, pair in one.fields.items() if path not in told}
    if fields:
        yield one if len(fields) == len(one.fields) else replace(one, fields=fields)


# ── which of them ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which changes are asked for; an empty set asks for all.

    `fields` are paths, `models` ids or refs in which `*` stands for any characters.
    """

    kinds: frozenset[Kind] = frozenset()
    fields: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()

    def matches(self, one: Change) -> bool:
        """Whether a change is asked for."""
        return (
            (not self.kinds or one.kind in self.kinds)
            and (not self.fields or not self.fields.isdisjoint(one.fields))
            and (not self.models or any(is_like(like, one.id, one.ref) for like in self.models))
        )


ANY: Final = Wanted()


def fields_of(name: str) -> frozenset[str]:
    """The fields that a topic or a path stands for: `price`, `cost`, `cost.input`.

    Raises ValueError when there is none.
    """
    found = frozenset(
        path for path, topic in TOPICS.items() if name in {path, topic, path.partition(".")[0]}
    )
    if not found:
        raise ValueError(name)
    return found
