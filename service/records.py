"""Stage 3, how a noun lies in its table: rows, refreshes, revisions ⇄ column values."""

from collections.abc import AsyncIterator
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import RowMapping, Select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.catalog import (
    Cause,
    Cost,
    Kind,
    Life,
    Model,
    Origin,
    Outcome,
    Pricing,
    Reason,
    Refresh,
    Revision,
    Row,
    Status,
    Validators,
)
from service.tables import versions

BATCH: Final = 100
"""Rows a statement: the event loop serves readers between two batches."""

_COSTS: Final = tuple(field.name for field in fields(Cost))
_LISTS: Final = frozenset(
    {"badges", "input", "output", "reasoning_efforts", "supported_parameters"}
)
_MODEL_COLUMNS: Final = tuple(
    field.name for field in fields(Model) if field.name not in {"source", "id", "cost"}
)


async def in_batches(connection: AsyncConnection, query: Select[Any]) -> AsyncIterator[RowMapping]:
    """The rows of a query on versions in the order of their ids, few at a time.

    So a large catalog does not hold the event loop.
    """
    after = 0
    while True:
        page = query.where(versions.c.id > after).order_by(versions.c.id).limit(BATCH)
        batch = (await connection.execute(page)).mappings().all()
        for values in batch:
            yield values
        if len(batch) < BATCH:
            return
        after = batch[-1]["id"]


def key_of(row: Row) -> dict[str, object]:
    return {
        "of_source": row.model.source,
        "of_model": row.model.id,
        "of_origin": row.origin,
    }


def version_values(row: Row) -> dict[str, object]:
    model, life = row.model, row.life
    return {
        "source": model.source,
        "model_id": model.id,
        "origin": row.origin,
        "since_revision": life.revision,
        "status": life.status,
        "first_seen": life.first_seen,
        "missing_since": life.missing_since,
        "removed_at": life.removed_at,
        "position": row.position,
        **{name: getattr(model, name) for name in _MODEL_COLUMNS},
        **{f"cost_{name}": getattr(model.cost, name) for name in _COSTS},
    }


def to_row(values: RowMapping) -> Row:
    return Row(
        model=_to_model(values),
        life=_to_life(values),
        origin=Origin(values["origin"]),
        position=values["position"],
    )


def _to_model(values: RowMapping) -> Model:
    columns: dict[str, Any] = {name: values[name] for name in _MODEL_COLUMNS}
    lists = {name: tuple(columns[name]) for name in _LISTS if columns[name] is not None}
    return Model(
        **columns
        | lists
        | {
            "source": values["source"],
            "id": values["model_id"],
            "pricing": Pricing(values["pricing"]),
            "cost": Cost(**{name: values[f"cost_{name}"] for name in _COSTS}),
        }
    )


def _to_life(values: RowMapping) -> Life:
    return Life(
        first_seen=values["first_seen"],
        updated_at=values["at"],
        revision=values["since_revision"],
        status=Status(values["status"]),
        missing_since=values["missing_since"],
        removed_at=values["removed_at"],
    )


_REFRESH_COLUMNS: Final = tuple(
    field.name for field in fields(Refresh) if field.name != "validators"
)
_VALIDATOR_COLUMNS: Final = tuple(field.name for field in fields(Validators))


def refresh_values(refresh: Refresh) -> dict[str, object]:
    values = {name: getattr(refresh, name) for name in _REFRESH_COLUMNS}
    for name in _VALIDATOR_COLUMNS:
        values[name] = getattr(refresh.validators, name, None)
    return values


def to_refresh(values: RowMapping) -> Refresh:
    columns: dict[str, Any] = {name: values[name] for name in _REFRESH_COLUMNS}
    columns["outcome"] = Outcome(values["outcome"])
    columns["reason"] = Reason(values["reason"])
    if values["scope"] is not None:
        columns["validators"] = Validators(**{name: values[name] for name in _VALIDATOR_COLUMNS})
    return Refresh(**columns)


def to_revision(values: RowMapping) -> Revision:
    return Revision(
        revision=values["revision"],
        at=values["at"],
        cause=Cause(values["cause"]),
        source=values["source"],
        counts={kind: values[kind] for kind in Kind},
        bulk=values["bulk"] or {},
    )
