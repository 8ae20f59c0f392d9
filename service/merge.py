"""Stage 4, rows → catalog: discovered models ahead of the fallback. Pure."""

from collections.abc import Iterable
from datetime import datetime

from service.catalog import Catalog, Origin, Row, Stored


def merge(
    rows: Iterable[Row], *, revision: int, updated_at: datetime, modified_at: datetime
) -> Catalog:
    """One row a ref: a discovered model on offer, else its fallback row, else its tombstone."""
    best: dict[str, Row] = {}
    for row in rows:
        rival = best.get(row.model.ref)
        if rival is None or _rank(row) < _rank(rival):
            best[row.model.ref] = row
    ordered = sorted(best.values(), key=_place)
    return Catalog(
        revision=revision,
        updated_at=updated_at,
        modified_at=max(updated_at, modified_at),
        rows=tuple(row for row in ordered if not row.is_removed),
        removed=tuple(row for row in ordered if row.is_removed),
    )


def catalog_of(stored: Stored) -> Catalog:
    """The catalog that is stored."""
    return merge(
        stored.rows,
        revision=stored.revision,
        updated_at=stored.updated_at,
        modified_at=stored.modified_at,
    )


def best(rows: Iterable[Row]) -> Row | None:
    """Of one model's rows the one that is served."""
    return min(rows, key=_rank, default=None)


def _rank(row: Row) -> int:
    if row.is_removed:
        return 2
    return 0 if row.origin is Origin.DISCOVERED else 1


def _place(row: Row) -> tuple[bool, str, int, str]:
    """Discovered first, in the gateway's order; the id settles what has no position."""
    return (
        row.origin is Origin.FALLBACK,
        row.model.source,
        -1 if row.position is None else row.position,
        row.model.id,
    )
