"""The command line: `model-catalog …`, or `python -m service …`."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, NoReturn, TypeVar

import orjson
import typer

from service import __version__, log
from service.api.status import refresh_json, stored_status_json
from service.catalog import FALLBACK, KILOCODE, Catalog, Outcome, Row, utc_now
from service.config import Settings
from service.database import Database
from service.dialects import native
from service.errors import ListenError, SettingError, StorageError
from service.merge import merge
from service.query import nearest
from service.snapshot import models_body
from service.store import Recent, Store, Stored
from service.tables import SCHEMA

_T = TypeVar("_T")

USAGE, NOT_FOUND, HELD, REJECTED, FAILED, STORAGE, LISTEN = 2, 3, 4, 5, 6, 7, 8
_REFRESH_EXIT: Final = {Outcome.HELD: HELD, Outcome.REJECTED: REJECTED, Outcome.FAILED: FAILED}

_EPILOG = (
    "Exit codes: 0 well · 2 wrong usage or setting · 3 no such model · 4 list held · "
    "5 list rejected · 6 no list to be had · 7 database unusable · 8 cannot listen. "
    "Every setting is also an environment variable (MODEL_CATALOG_PORT, …) and a key of the TOML "
    "file; flags win."
)

cli = typer.Typer(
    name="model-catalog",
    help="A true, dated, always-available catalog of the models behind an LLM gateway.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file of settings.")
]
DatabaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Where the catalog is kept: sqlite:///FILE.")
]
GatewayUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Base URL of the gateway; models is appended.")
]
LogLevel = Annotated[
    str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")
]
LogFormat = Annotated[str | None, typer.Option(metavar="FORM", help="auto, text or json.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def main() -> NoReturn:
    """Run, and turn what was raised on purpose into one line and an exit code."""
    try:
        cli()
    except SettingError as error:
        for name, accepts in error.problems:
            _complain(f"{name}: {accepts}")
        sys.exit(USAGE)
    except StorageError as error:
        _complain(f"{error}; {error.advice}")
        sys.exit(STORAGE)
    except ListenError as error:
        _complain(str(error))
        sys.exit(LISTEN)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(0)


def _complain(line: str) -> None:
    print(f"model-catalog: {line}", file=sys.stderr)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"model-catalog {__version__}")
        raise typer.Exit


@cli.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


# ── what changes something ────────────────────────────────────────────────────────────────────


@cli.command()
def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[str | None, typer.Option(help="Port to listen on; 0 takes any [8788].")] = None,
    refresh_interval: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time between refreshes, as 900 or 15m.")
    ] = None,
    gateway_url: GatewayUrl = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Serve the catalog over HTTP and keep it fresh, until SIGTERM or Ctrl-C."""
    settings = _settings(
        config,
        host=host,
        port=port,
        refresh_interval=refresh_interval,
        gateway_url=gateway_url,
        database_url=database_url,
        log_level=log_level,
        log_format=log_format,
    )
    from service import app

    app.run(app.serve(settings))


@cli.command()
def refresh(
    *,
    accept_held: Annotated[
        bool, typer.Option("--accept-held", help="Believe the list that was held last.")
    ] = False,
    as_json: AsJson = False,
    gateway_url: GatewayUrl = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
    log_level: LogLevel = None,
) -> None:
    """Ask the gateway once, store what it says, and tell what came of it."""
    settings = _settings(
        config,
        gateway_url=gateway_url,
        database_url=database_url,
        log_level=log_level or "error",
    )
    from service import app, console

    with console.progress() as step:
        found, catalog = app.run(app.refresh_once(settings, accept_held=accept_held, on_step=step))
    if as_json:
        _print_json(refresh_json(found))
    else:
        print(console.refresh_line(found, catalog))
    raise typer.Exit(_REFRESH_EXIT.get(found.outcome, 0))


@cli.command()
def migrate(*, database_url: DatabaseUrl = None, config: Config = None) -> None:
    """Bring the database to this release's schema; `serve` and `refresh` do it by themselves."""
    settings = _settings(config, database_url=database_url)

    async def migrated(store: Store) -> Stored:
        return await store.open(FALLBACK, utc_now())

    stored = _with_store(settings, migrated)
    print(f"{settings.database_path}: schema {SCHEMA}, revision {stored.revision}")


# ── what only looks ───────────────────────────────────────────────────────────────────────────


@cli.command("list")
def list_(
    *, as_json: AsJson = False, database_url: DatabaseUrl = None, config: Config = None
) -> None:
    """List the stored catalog. Needs no running server."""
    stored = _with_store(_settings(config, database_url=database_url), _look)
    catalog = _catalog(stored)
    if as_json:
        _print_bytes(models_body(catalog))
        return
    from service import console

    console.print_models(catalog)


@cli.command()
def show(
    model: Annotated[str, typer.Argument(metavar="ID|REF", help="Such as kilo/auto.")],
    *,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Show everything known of one model, removed ones too. Needs no running server."""
    stored = _with_store(_settings(config, database_url=database_url), _look)
    row = _find(_catalog(stored), model)
    if as_json:
        _print_json(native.model(row))
        return
    from service import console

    console.print_model(row)


@cli.command()
def status(
    *, as_json: AsJson = False, database_url: DatabaseUrl = None, config: Config = None
) -> None:
    """Tell how fresh the stored catalog is, and what came of the last refresh."""
    settings = _settings(config, database_url=database_url)

    async def looked(store: Store) -> tuple[Stored, Recent]:
        return await _look(store), await store.recent(KILOCODE)

    stored, recent = _with_store(settings, looked)
    report = stored_status_json(
        str(settings.database_path), _catalog(stored), recent.last, recent.last_good
    )
    if as_json:
        _print_json(report)
        return
    from service import console

    console.print_status(report)


# ── shared ────────────────────────────────────────────────────────────────────────────────────


def _settings(config: Path | None, **flags: str | None) -> Settings:
    settings = Settings.load(flags, config)
    log.configure(settings.log_level, settings.log_format)
    return settings


def _with_store(settings: Settings, use: Callable[[Store], Awaitable[_T]]) -> _T:
    async def opened() -> _T:
        store = Store(Database(settings.database_path))
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(opened())


async def _look(store: Store) -> Stored:
    return await store.open_read_only()


def _catalog(stored: Stored) -> Catalog:
    return merge(
        stored.rows,
        revision=stored.revision,
        updated_at=stored.updated_at,
        modified_at=stored.modified_at,
    )


def _find(catalog: Catalog, wanted: str) -> Row:
    rows = (*catalog.rows, *catalog.removed)
    found = {row.model.id: row for row in rows} | {row.model.ref: row for row in rows}
    if wanted in found:
        return found[wanted]
    near = nearest(wanted, [row.model.id for row in rows])
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    _complain(f"there is no model {wanted!r}{hint}")
    raise typer.Exit(NOT_FOUND)


def _print_json(value: object) -> None:
    _print_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def _print_bytes(body: bytes) -> None:
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.flush()
