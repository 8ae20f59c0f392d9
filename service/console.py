"""How things look on a terminal: tables, one model, one line."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.catalog import Catalog, Origin, Refresh, Row, Status
from service.dialects import native

_UNKNOWN: Final = "?"


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A spinner that names the step on a terminal; silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    console = Console(stderr=True)
    with console.status("starting …") as status:
        yield lambda step: status.update(f"{step} …")


def refresh_line(refresh: Refresh, catalog: Catalog) -> str:
    """`updated (changes): 349 models at revision 13, in 0.8 s`."""
    because = f": {refresh.detail}" if refresh.detail else ""
    return (
        f"{refresh.outcome} ({refresh.reason}){because}; {len(catalog.rows)} models at revision "
        f"{catalog.revision}, {refresh.duration_ms / 1000:.1f} s"
    )


def print_line(line: str) -> None:
    """A line as it is."""
    _console().out(line, highlight=False)


def print_models(catalog: Catalog) -> None:
    """The catalog as a table, in its order."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", overflow="fold", style="cyan")
    table.add_column("name", overflow="ellipsis", no_wrap=True, max_width=60)
    for heading in ("context", "output", "in $/M", "out $/M"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("input", "can", "status"):
        table.add_column(heading, no_wrap=True)
    for row in catalog.rows:
        table.add_row(*_cells(row), style="dim" if row.life.status is Status.MISSING else None)
    console = _console()
    console.print(table)
    console.print(f"{len(catalog.rows)} models, revision {catalog.revision}", style="dim")


def print_model(row: Row) -> None:
    """Everything known of one model, a line a fact."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in native.model(row).items():
        facts = value.items() if isinstance(value, dict) else [("", value)]
        for part, fact in facts:
            table.add_row(f"{name}.{part}".rstrip("."), _fact(fact))
    _console().print(table)


def print_status(report: dict[str, Any]) -> None:
    """What `/catalog/status` says, a line a fact."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in report.items():
        table.add_row(name, _facts(value) if isinstance(value, dict) else _fact(value))
    _console().print(table)


def size(tokens: int | None) -> str:
    """200000 → `200k`, 1048576 → `1.05M`."""
    if tokens is None:
        return _UNKNOWN
    if tokens < 1_000:  # noqa: PLR2004 — below it the number is its own short form
        return str(tokens)
    value, unit = (tokens / 1e6, "M") if tokens >= 1_000_000 else (tokens / 1e3, "k")  # noqa: PLR2004
    return f"{value:.3g}{unit}"


def price(usd: float | None) -> str:
    """USD as short as it is exact."""
    return _UNKNOWN if usd is None else str(native.number(usd))


def _cells(row: Row) -> list[str]:
    said = row.model
    abilities = {"reasoning": said.reasoning, "tools": said.tools, "free": said.free}
    status = "fallback" if row.origin is Origin.FALLBACK else str(row.life.status)
    return [
        _markup(said.id),
        _markup(said.name),
        size(said.context_window),
        size(said.max_tokens),
        price(said.cost.input),
        price(said.cost.output),
        _markup(" ".join(said.input)),
        " ".join(name for name, has in abilities.items() if has),
        status,
    ]


def _facts(value: dict[str, Any]) -> str:
    return _markup(", ".join(f"{key} {fact}" for key, fact in value.items() if fact is not None))


def _fact(value: object) -> str:
    match value:
        case None:
            return _UNKNOWN
        case bool():
            return "yes" if value else "no"
        case tuple() | list():
            return _markup(", ".join(map(str, value))) or "none"
        case _:
            return _markup(str(value))


def _markup(text: str) -> str:
    return escape(_plain(text))


def _plain(text: str) -> str:
    """Without what could steer a terminal: the gateway's text is anybody's."""
    return "".join(c if c.isprintable() or c in "\n\u200d" else "\ufffd" for c in text)


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=200)
