"""The command line: `model-catalog …`, or `python -m service …`."""

import gc
import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, NoReturn

import typer

from service import __version__
from service.errors import ListenError, SettingError, StorageError, UnknownModelError

USAGE, NOT_FOUND, STORAGE, LISTEN = 2, 3, 7, 8

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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter shows ?
            stream.reconfigure(errors="replace")
    try:
        cli()
    except SettingError as error:
        for name, accepts in error.problems:
            _complain(f"{name}: {accepts}")
        sys.exit(USAGE)
    except UnknownModelError as error:
        _complain(str(error))
        sys.exit(NOT_FOUND)
    except StorageError as error:
        _complain(f"{error}; {error.advice}")
        sys.exit(STORAGE)
    except ListenError as error:
        _complain(str(error))
        sys.exit(LISTEN)
    sys.exit(0)


def _commands() -> ModuleType:
    """What the commands do, imported when one is run: `--help` needs none of it.

    Imports make little but what stays; collecting garbage meanwhile costs a tenth of the start.
    """
    gc.disable()
    try:
        from service import commands
    finally:
        gc.enable()
    gc.freeze()
    return commands


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
    commands = _commands()
    commands.serve(
        commands.settings(
            config,
            host=host,
            port=port,
            refresh_interval=refresh_interval,
            gateway_url=gateway_url,
            database_url=database_url,
            log_level=log_level,
            log_format=log_format,
        )
    )


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
    commands = _commands()
    chosen = commands.settings(
        config,
        gateway_url=gateway_url,
        database_url=database_url,
        log_level=log_level or "error",
    )
    raise typer.Exit(commands.refresh(chosen, accept_held=accept_held, as_json=as_json))


@cli.command()
def migrate(*, database_url: DatabaseUrl = None, config: Config = None) -> None:
    """Bring the database to this release's schema; `serve` and `refresh` do it by themselves."""
    commands = _commands()
    commands.migrate(commands.settings(config, database_url=database_url))


# ── what only looks ───────────────────────────────────────────────────────────────────────────


@cli.command("list")
def list_(
    *, as_json: AsJson = False, database_url: DatabaseUrl = None, config: Config = None
) -> None:
    """List the stored catalog. Needs no running server."""
    commands = _commands()
    commands.list_models(commands.settings(config, database_url=database_url), as_json=as_json)


@cli.command()
def show(
    model: Annotated[str, typer.Argument(metavar="ID|REF", help="Such as kilo/auto.")],
    *,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Show everything known of one model, removed ones too. Needs no running server."""
    commands = _commands()
    commands.show(commands.settings(config, database_url=database_url), model, as_json=as_json)


@cli.command()
def status(
    *, as_json: AsJson = False, database_url: DatabaseUrl = None, config: Config = None
) -> None:
    """Tell how fresh the stored catalog is, and what came of the last refresh."""
    commands = _commands()
    commands.status(commands.settings(config, database_url=database_url), as_json=as_json)
