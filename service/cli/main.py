"""The command line: `model-catalog …`, or `python -m service …`."""

import gc
import io
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperCommand

from service import __version__
from service.errors import (
    ListenError,
    MomentError,
    PastError,
    SettingError,
    StorageError,
    UnknownModelError,
    UsageError,
)

if TYPE_CHECKING:
    from service.cli.options import Pairs, Panels
    from service.config import Settings

USAGE, NOT_FOUND, STORAGE, LISTEN, PAST = 2, 3, 7, 8, 9

_EPILOG = (
    "Exit codes: 0 well · 1 nothing chosen · 2 wrong usage or setting · 3 no such model or moment, "
    "or none that fits · 4 list held · 5 list rejected · 6 no list to be had · 7 database "
    "unusable · 8 cannot listen · 9 list older than what is stored. "
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
    except UsageError as error:
        _complain(str(error))
        sys.exit(USAGE)
    except (UnknownModelError, MomentError) as error:
        _complain(str(error))
        sys.exit(NOT_FOUND)
    except PastError as error:
        _complain(str(error))
        sys.exit(PAST)
    except StorageError as error:
        _complain(f"{error}; {error.advice}")
        sys.exit(STORAGE)
    except ListenError as error:
        _complain(str(error))
        sys.exit(LISTEN)
    sys.exit(0)


def _settings(config: Path | None, **flags: str | None) -> "Settings":
    """The settings, with these flags on top; the log is set up by them."""
    made: Settings = _module("config").Settings.load(flags, config)
    _module("log").configure(made.log_level, made.log_format)
    return made


def _module(name: str) -> ModuleType:
    """What the commands do, imported when one is run: `--help` needs none of it.

    Imports make little but what stays; collecting garbage meanwhile costs a tenth of the start.
    """
    gc.disable()
    try:
        return import_module(f"service.{name}")
    finally:
        gc.enable()
        gc.freeze()


def _commands() -> ModuleType:
    return _module("cli.commands")


def _recall() -> ModuleType:
    return _module("cli.recall")


def _looking() -> ModuleType:
    return _module("cli.looking")


def _complain(line: str) -> None:
    # A file's name is anybody's text: it must not steer the terminal.
    inert = "".join(c if c.isprintable() else "\ufffd" for c in line)
    print(f"model-catalog: {inert}", file=sys.stderr)


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


class _Deferred(TyperCommand):
    """A command whose function gives the real one, which is made when it is used.

    Where it is only named, as on the page of help, nobody waits for what its options are made from.
    """

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401 — typer's own class of it is private
        **extra: Any,  # noqa: ANN401 — as above
    ) -> Any:  # noqa: ANN401 — as above
        made = cast("Callable[[], Callable[..., None]]", self.callback)
        app = typer.Typer(add_completion=False)
        app.command(self.name)(made())
        return typer.main.get_command(app).make_context(info_name, args, parent, **extra)


def _asking(
    name: str, options: Callable[[], "Panels"]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that takes declared parameters as options; its first argument is what is asked."""

    def register(command: Callable[..., None]) -> Callable[..., None]:
        def made() -> Callable[..., None]:
            with_options: Callable[..., Callable[..., None]] = _module("cli.options").with_options
            return with_options(command, options(), {"id": _ids})

        cli.command(name, help=command.__doc__, cls=_Deferred)(made)
        return command

    return register


def _ids(context: typer.Context) -> list[str]:
    """What completes the id of a model."""
    return list(_module("cli.completion").ids(context.params))


def _kinds() -> list[str]:
    """What completes the kind of a change."""
    return list(_module("catalog").Kind)


def _topics() -> list[str]:
    """What completes the field of a change, or what it is about."""
    return [*_module("fields").Topic, *_module("diff").TOPICS]


def _dialects() -> list[str]:
    """What completes the name of a dialect."""
    return [dialect.name for dialect in _module("dialects").DIALECTS]


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
        _settings(
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
    chosen = _settings(
        config,
        gateway_url=gateway_url,
        database_url=database_url,
        log_level=log_level or "error",
    )
    raise typer.Exit(commands.refresh(chosen, accept_held=accept_held, as_json=as_json))


@cli.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Saved bodies, *.json or *.json.gz, or folders."),
    ],
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When the one FILE was fetched, as 2026-01-15 or 2026-01-15T20:20Z; now "
            "unless told.",
        ),
    ] = None,
    at_from_name: Annotated[
        bool,
        typer.Option(
            "--at-from-name",
            help="Take each FILE's time from its name, as kilo-2026-01-15.json or "
            "models_20260115_202000.json.gz; UTC.",
        ),
    ] = False,
    accept_held: Annotated[
        bool,
        typer.Option("--accept-held", help="Believe lists that lack over half of the models too."),
    ] = False,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    config: Config = None,
    log_level: LogLevel = None,
) -> None:
    """Take saved lists of the gateway, oldest first, as if they had been fetched at their times.

    All must be later than what is stored: history is only added to.
    """
    commands = _commands()
    chosen = _settings(config, database_url=database_url, log_level=log_level or "error")
    code = commands.import_lists(
        chosen,
        files,
        at=at,
        from_names=at_from_name,
        accept_held=accept_held,
        as_json=as_json,
    )
    raise typer.Exit(code)


@cli.command()
def migrate(*, database_url: DatabaseUrl = None, config: Config = None) -> None:
    """Bring the database to this release's schema; `serve` and `refresh` do it by themselves."""
    commands = _commands()
    commands.migrate(_settings(config, database_url=database_url))


# ── what only looks ───────────────────────────────────────────────────────────────────────────


_WHICH, _BEST, _HOW = "Which models", "Which of them are best", "How they are shown"


def _list_options() -> "Panels":
    question = _module("query.question")
    return {_WHICH: question.NEEDS, _HOW: (question.SORT, question.LIMIT, question.CHOSEN)}


@_asking("list", _list_options)
def list_(
    asked: "Pairs",
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="MOMENT",
            help="The catalog as it was then: a revision, a date, a time or an age (13, "
            "2026-01-15, 7d).",
            rich_help_panel=_WHICH,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As /catalog/models has them.", rich_help_panel=_HOW)
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="For spreadsheets.", rich_help_panel=_HOW)
    ] = False,
    as_ndjson: Annotated[
        bool, typer.Option("--ndjson", help="A JSON object a line.", rich_help_panel=_HOW)
    ] = False,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """List the stored catalog, or the models of it that are asked for. Needs no running server.

    As in: model-catalog list --tools true --min-context 200k --sort cost.input --limit 20
    """
    form = _only_one(json=as_json, csv=as_csv, ndjson=as_ndjson)
    chosen = _settings(config, database_url=database_url)
    _looking().list_models(chosen, asked, form=form, at=at)


def _only_one(**flags: bool) -> str:
    """The flag that is set; empty for none. Raises UsageError."""
    is_set = [name for name, is_set in flags.items() if is_set]
    if len(is_set) > 1:
        raise UsageError(f"--{is_set[1]}", f"it cannot go with --{is_set[0]}")
    return "".join(is_set)


def _pick_options() -> "Panels":
    pick = _module("query.pick")
    return {_WHICH: pick.NEEDS, _BEST: (pick.PREFER, *pick.MIX), _HOW: (pick.LIMIT,)}


@_asking("pick", _pick_options)
def pick(
    asked: "Pairs",
    *,
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive",
            "-i",
            help="Choose one of all that fit by hand, and print its ref; in the gateway's order "
            "unless --prefer says otherwise.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As /catalog/pick has it.", rich_help_panel=_HOW)
    ] = False,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Pick the best models for what is needed, and tell why, and what ruled out the others.

    As in: model-catalog pick --tools true --min-context 200k --prefer cheapest

    Where no model fits, the exit code is 3. In a script: model=$(model-catalog pick -i) || exit
    """
    form = _only_one(interactive=interactive, json=as_json)
    chosen = _settings(config, database_url=database_url)
    if form == "interactive":
        code = _module("cli.picker").pick(chosen, asked)
    else:
        code = _looking().pick(chosen, asked, as_json=as_json)
    raise typer.Exit(code)


@cli.command()
def export(
    dialect: Annotated[
        str | None,
        typer.Argument(metavar="DIALECT", help="Its name.", autocompletion=_dialects),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it there, whole or not at all; - is the output."),
    ] = None,
    is_list: Annotated[
        bool, typer.Option("--list", help="List the formats instead, as without DIALECT.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print that list as JSON.")] = False,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Write the catalog in another tool's format, as it is served. Needs no running server."""
    exporting = _module("cli.export")
    if dialect is None or is_list:
        if out is not None:
            raise UsageError("--out", "it goes with a DIALECT")
        exporting.print_dialects(as_json=as_json)
    elif as_json:
        raise UsageError("--json", "it goes with --list")
    else:
        exporting.export(_settings(config, database_url=database_url), dialect, out)


@cli.command()
def show(
    model: Annotated[
        str, typer.Argument(metavar="ID|REF", help="Such as kilo/auto.", autocompletion=_ids)
    ],
    *,
    history: Annotated[
        bool, typer.Option("--history", help="Show each state it was in instead, newest first.")
    ] = False,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Show everything known of one model, removed ones too. Needs no running server."""
    chosen = _settings(config, database_url=database_url)
    look = _recall().show_history if history else _looking().show
    look(chosen, model, as_json=as_json)


@cli.command()
def changes(
    *,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="MOMENT",
            help="Only what came after a revision, or since a date, a time or an age: 13, "
            "2026-01-15, 2026-01-15T20:20Z, 7d, 24h.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Only the last N lines; unless told 50, or with --since all of them.",
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Only added, changed, missing, removed or returned; repeatable.",
            autocompletion=_kinds,
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            help="Only changes of a field, as cost.input, or of what it is about: price, limits, "
            "capabilities, identity, lifecycle; repeatable.",
            autocompletion=_topics,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Only models such as anthropic/*; repeatable.",
            autocompletion=_ids,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a change, each on its line.")
    ] = False,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Tell what changed, newest last. Needs no running server."""
    recall = _recall()
    recall.changes(
        _settings(config, database_url=database_url),
        recall.wanted(kind or (), field or (), model or ()),
        since=since,
        limit=limit,
        follow=follow,
        as_json=as_json,
    )


@cli.command()
def diff(
    begin: Annotated[
        str,
        typer.Argument(
            metavar="FROM", help="A revision, a date, a time or an age: 13, 2026-01-15, 7d."
        ),
    ],
    end: Annotated[
        str | None,
        typer.Argument(metavar="TO", help="The same, and not earlier; now unless told."),
    ] = None,
    *,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Tell how the catalog of one moment differs from that of another, a line a model."""
    chosen = _settings(config, database_url=database_url)
    _recall().diff(chosen, begin, end, as_json=as_json)


@cli.command()
def status(
    *, as_json: AsJson = False, database_url: DatabaseUrl = None, config: Config = None
) -> None:
    """Tell how fresh the stored catalog is, and what came of the last refresh."""
    commands = _commands()
    commands.status(_settings(config, database_url=database_url), as_json=as_json)
