"""Stage 3, models → rows: how one good list moves each model of a source along its life. Pure.

    (unseen) ──seen──▶ active ──absent──▶ missing ──absent longer than the grace──▶ removed
                         ▲                   │                                         │
                         └─────returned──────┴────────────────returned─────────────────┘

Real gateways drop ids for 16 to 24 hours and bring them back, so a model that is absent is at first
only `missing`, and still served.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.catalog import Kind, Life, Model, Row, Shrink, Status, Transition
from service.diff import bulk, difference

HELD_RATIO = 0.5
"""A list that lacks more than this share of the active models is not believed at once."""
HELD_CONFIRMATIONS = 3
"""Times in a row that such a list must be seen to be believed after all."""


def shrink(rows: Iterable[Row], seen: Sequence[Model]) -> Shrink | None:
    """Whether believing the list would make over half of the active models missing."""
    active = [row.model.id for row in rows if row.life.status is Status.ACTIVE]
    listed = {model.id for model in seen}
    missing = tuple(model_id for model_id in active if model_id not in listed)
    if len(missing) <= len(active) * HELD_RATIO:
        return None
    digest = hashlib.sha256("\n".join(sorted(listed)).encode())
    return Shrink(observed=digest.hexdigest()[:32], missing=missing, active=len(active))


def advance(
    rows: Iterable[Row],
    seen: Sequence[Model],
    *,
    at: datetime,
    revision: int,
    grace: timedelta,
) -> Transition:
    """Move a source's rows on by one good list, seen at `at`; new versions get `revision`."""
    before = {row.model.id: row for row in rows}
    listed = {model.id for model in seen}
    absent = sorted((row for row in before.values() if row.model.id not in listed), key=_place)
    stamp = _Stamp(at, revision)
    steps = [stamp.seen(before.get(model.id), model) for model in seen]
    # Tombstones go last even where a clock that was set back reorders the absent.
    gone = [stamp.absent(row, grace) for row in absent]
    steps += sorted(gone, key=lambda step: step[1].is_removed)
    return _transition(before, steps, stamp)


def reread(
    rows: Iterable[Row], models: Mapping[str, Model], *, at: datetime, revision: int
) -> Transition:
    """What newer rules make of entries that are stored: content only, nobody's life moves on."""
    before = {row.model.id: row for row in rows}
    stamp = _Stamp(at, revision)
    steps = [
        stamp.reread(row, models.get(row.model.id, row.model))
        for row in sorted(before.values(), key=_place)
    ]
    return _transition(before, steps, stamp)


def _transition(
    before: Mapping[str, Row], steps: Iterable[tuple[Kind | None, Row]], stamp: "_Stamp"
) -> Transition:
    """The steps, each in its place."""
    after: list[Row] = []
    opened: list[tuple[Kind, Row]] = []
    moved: list[Row] = []
    for place, (kind, row) in enumerate(steps):
        position = None if row.is_removed else place
        placed = row if row.position == position else replace(row, position=position)
        after.append(placed)
        if kind is not None:
            opened.append((kind, placed))
        elif placed is not row:
            moved.append(placed)
    fields = {
        row.model.id: tuple(difference(before[row.model.id], row))
        for _, row in opened
        if row.model.id in before
    }
    return Transition(
        revision=stamp.revision,
        at=stamp.at,
        rows=tuple(after),
        opened=tuple(opened),
        moved=tuple(moved),
        fields=fields,
        bulk=bulk(
            ((kind, fields.get(row.model.id, ())) for kind, row in opened),
            sum(not row.is_removed for row in after) + sum(row.is_removed for _, row in opened),
        ),
    )


def _place(row: Row) -> tuple[bool, int, str]:
    """Absent models keep their order behind the listed ones; tombstones come last."""
    return row.position is None, row.position or 0, row.model.id


@dataclass(frozen=True, slots=True)
class _Stamp:
    """The when of one step."""

    at: datetime
    revision: int

    def seen(self, row: Row | None, model: Model) -> tuple[Kind | None, Row]:
        if row is None:
            life = Life(first_seen=self.at, updated_at=self.at, revision=self.revision)
            return Kind.ADDED, Row(model=model, life=life)
        if row.life.status is Status.ACTIVE and row.model == model:
            return None, row
        kind = Kind.CHANGED if row.life.status is Status.ACTIVE else Kind.RETURNED
        return kind, replace(row, model=model, life=self._life(row, Status.ACTIVE))

    def reread(self, row: Row, model: Model) -> tuple[Kind | None, Row]:
        if row.model == model:
            return None, row
        life = replace(row.life, updated_at=self.at, revision=self.revision)
        return Kind.CHANGED, replace(row, model=model, life=life)

    def absent(self, row: Row, grace: timedelta) -> tuple[Kind | None, Row]:
        match row.life.status:
            case Status.ACTIVE:
                life = self._life(row, Status.MISSING, missing_since=self.at)
                return Kind.MISSING, replace(row, life=life)
            case Status.MISSING if self.at - (since := row.life.missing_since or self.at) > grace:
                life = self._life(row, Status.REMOVED, missing_since=since, removed_at=self.at)
                return Kind.REMOVED, replace(row, life=life)
            case _:
                return None, row

    def _life(
        self,
        row: Row,
        status: Status,
        missing_since: datetime | None = None,
        removed_at: datetime | None = None,
    ) -> Life:
        return Life(
            first_seen=row.life.first_seen,
            updated_at=self.at,
            revision=self.revision,
            status=status,
            missing_since=missing_since,
            removed_at=removed_at,
        )
