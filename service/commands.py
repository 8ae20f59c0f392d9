"""What each command of the command line does, and what it prints."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import orjson

from service import app, console, log
from service.api.status import refresh_json, stored_status_json
from service.catalog import FALLBACK, KILOCODE, Catalog, Outcome, Row, Stored, utc_now
from service.config import Settings
from service.database import Database
from service.dialects import native
from service.errors import UnknownModelError
from service.merge import catalog_of
from service.query import nearest
from service.snapshot import models_body
from service.store import Recent, Store
from service.tables import SCHEMA

_T = TypeVar("_T")

HELD, REJECTED, FAILED = 4, 5, 6
_EXIT: Final = {Outcome.HELD: HELD, Outcome.REJECTED: REJECTED, Outcome.FAILED: FAILED}


def settings(config: Path | None, **flags: str | None) -> Settings:
    """The settings, with these flags on top; the log is set up by them."""
    made = Settings.load(flags, config)
    log.configure(made.log_level, made.log_format)
    return made


def serve(chosen: Settings) -> None:
    """Serve until a signal."""
    app.run(app.serve(chosen))


def refresh(chosen: Settings, *, accept_held: bool, as_json: bool) -> int:
    """Refresh once. Returns the exit code."""
    with console.progress() as step:
        found, catalog = app.run(app.refresh_once(chosen, accept_held=accept_held, on_step=step))
    if as_json:
        _print_json(refresh_json(found))
    else:
        console.print_line(console.refresh_line(found, catalog))
    return _EXIT.get(found.outcome, 0)


def migrate(chosen: Settings) -> None:
    """Migrate and seed."""

    async def migrated(store: Store) -> Stored:
        return await store.open(FALLBACK, utc_now())

    stored = _with_store(chosen, migrated)
    console.print_line(f"{chosen.database_path}: schema {SCHEMA}, revision {stored.revision}")


def list_models(chosen: Settings, *, as_json: bool) -> None:
    """Print the stored catalog."""
    catalog = catalog_of(_with_store(chosen, Store.open_read_only))
    if as_json:
        _print_bytes(models_body(catalog))
    else:
        console.print_models(catalog)


def show(chosen: Settings, model: str, *, as_json: bool) -> None:
    """Print one model."""
    row = _find(catalog_of(_with_store(chosen, Store.open_read_only)), model)
    if as_json:
        _print_json(native.model(row))
    else:
        console.print_model(row)


def status(chosen: Settings, *, as_json: bool) -> None:
    """Print how fresh the stored catalog is."""

    async def looked(store: Store) -> tuple[Stored, Recent]:
        return await store.open_read_only(), await store.recent(KILOCODE)

    stored, recent = _with_store(chosen, looked)
    report = stored_status_json(
        str(chosen.database_path), catalog_of(stored), recent.last, recent.last_good
    )
    if as_json:
        _print_json(report)
    else:
        console.print_status(report)


def _with_store(chosen: Settings, use: Callable[[Store], Awaitable[_T]]) -> _T:
    async def opened() -> _T:
        store = Store(Database(chosen.database_path))
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def _find(catalog: Catalog, wanted: str) -> Row:
    rows = (*catalog.rows, *catalog.removed)
    found = {row.model.id: row for row in rows} | {row.model.ref: row for row in rows}
    if wanted not in found:
        raise UnknownModelError(wanted, nearest(wanted, [row.model.id for row in rows]))
    return found[wanted]


def _print_json(value: object) -> None:
    _print_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def _print_bytes(body: bytes) -> None:
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.flush()
