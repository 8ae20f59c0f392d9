"""What the commands that change something do and print, and `status`."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from service import app, saved
from service.api.status import refresh_json, stored_status_json
from service.catalog import FALLBACK, KILOCODE, Outcome, Stored, utc_now
from service.cli import console
from service.cli.reading import with_store
from service.config import Settings
from service.errors import UsageError
from service.merge import catalog_of
from service.query.moments import moment
from service.store import Recent, Store
from service.tables import SCHEMA

HELD, REJECTED, FAILED = 4, 5, 6
_EXIT: Final = {Outcome.HELD: HELD, Outcome.REJECTED: REJECTED, Outcome.FAILED: FAILED}


def serve(chosen: Settings) -> None:
    """Serve until a signal."""
    app.run(app.serve(chosen))


def refresh(chosen: Settings, *, accept_held: bool, as_json: bool) -> int:
    """Refresh once. Returns the exit code."""
    with console.progress() as step:
        found, catalog = app.run(app.refresh_once(chosen, accept_held=accept_held, on_step=step))
    if as_json:
        console.print_json(refresh_json(found))
    else:
        console.print_line(console.refresh_line(found, catalog))
    return _EXIT.get(found.outcome, 0)


def import_lists(
    chosen: Settings,
    paths: Sequence[Path],
    *,
    at: str | None,
    from_names: bool,
    accept_held: bool,
    as_json: bool,
) -> int:
    """Take saved lists into the history. Returns the worst exit code of them."""
    now = utc_now()
    lists = saved.in_time_order(
        list(saved.files_in(paths)),
        at=None if at is None else _time_of(at, now, from_names=from_names),
        from_names=from_names,
        now=now,
    )
    with console.import_progress(len(lists)) as tell:
        for one in lists:
            saved.check(one.file, chosen.max_body_bytes)
        done = app.run(app.import_lists(chosen, lists, accept_held=accept_held, on_import=tell))
    if as_json:
        files = ({"file": str(one.saved.file), **refresh_json(one.refresh)} for one in done)
        console.print_json(list(files))
    else:
        console.print_line(console.import_line(done))
    return max(_EXIT.get(one.refresh.outcome, 0) for one in done)


def _time_of(at: str, now: datetime, *, from_names: bool) -> datetime:
    if from_names:
        raise UsageError("--at", "it cannot go with --at-from-name")
    with suppress(ValueError):
        if isinstance(found := moment(at, now), datetime):
            return found
    raise UsageError("--at", f"{at!r} is no date or time, such as 2026-01-15 or 2026-01-15T20:20Z")


def migrate(chosen: Settings) -> None:
    """Migrate and seed."""

    async def migrated(store: Store) -> Stored:
        return await store.open(FALLBACK, utc_now())

    stored = with_store(chosen, migrated)
    console.print_line(f"{chosen.database_path}: schema {SCHEMA}, revision {stored.revision}")


def status(chosen: Settings, *, as_json: bool) -> None:
    """Print how fresh the stored catalog is."""

    async def looked(store: Store) -> tuple[Stored, Recent]:
        return await store.open_read_only(), await store.recent(KILOCODE)

    stored, recent = with_store(chosen, looked)
    report = stored_status_json(
        str(chosen.database_path), catalog_of(stored), recent.last, recent.last_good
    )
    if as_json:
        console.print_json(report)
    else:
        console.print_status(report)
