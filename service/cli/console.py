"""How things look on a terminal: tables, one model, one line."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from service import wording
from service.catalog import (
    Catalog,
    Change,
    Fold,
    Kind,
    Refresh,
    Revision,
    Row,
    Version,
)
from service.dialects import native
from service.saved import Imported

UNKNOWN: Final = "?"


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


@contextmanager
def import_progress(total: int) -> Iterator[Callable[[Imported], None]]:
    """A bar on a terminal, silent elsewhere; lists that are not believed are told at once."""
    console = Console(stderr=True)
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_silent = not sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, disable=is_silent) as bar:
        task = bar.add_task("importing", total=total)

        def tell(one: Imported) -> None:
            bar.advance(task)
            if not one.refresh.outcome.is_good:
                console.out(inline(_unbelieved_line(one)), highlight=False)

        yield tell


def import_line(done: Sequence[Imported]) -> str:
    """`3 lists imported: 2026-01-15 … 2026-01-16, 344 models added, 32 changed; revision 4`."""
    good = [one for one in done if one.refresh.outcome.is_good]
    counts = Counter[Kind]()
    for one in good:
        counts.update(one.made.counts if one.made else {})
    said = (
        many(len(good), "list") if len(good) == len(done) else f"{len(good)} of {len(done)} lists"
    )
    when = ""
    if good:
        ends = (f"{one.refresh.at:%Y-%m-%d}" for one in (good[0], good[-1]))
        when = f": {' … '.join(dict.fromkeys(ends))}, {_counted(counts) or 'nothing new'}"
    return f"{said} imported{when}; revision {done[-1].refresh.revision or 0}"


def _unbelieved_line(one: Imported) -> str:
    refresh = one.refresh
    because = f": {refresh.detail}" if refresh.detail else ""
    return f"{one.saved.file}: {refresh.outcome} ({refresh.reason}){because}"


def _counted(counts: Mapping[Kind, int]) -> str:
    """`344 models added, 32 changed`; empty where nothing is counted."""
    told = [f"{counts[kind]} {kind}" for kind in Kind if counts.get(kind)]
    if not told:
        return ""
    count, kind = told[0].split()
    return ", ".join([f"{many(int(count), 'model')} {kind}", *told[1:]])


def many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def print_line(line: str) -> None:
    """A line as it is."""
    terminal().out(line, highlight=False)


def print_remark(line: str) -> None:
    """A line about what stands above it."""
    terminal().print(line, style="dim", markup=False, highlight=False)


def print_note(line: str) -> None:
    """A line for the person, beside what is printed."""
    print(f"model-catalog: {inline(line)}", file=sys.stderr)  # noqa: T201 — this is the console


def print_json(value: object) -> None:
    """A document for a program, laid out for a person too."""
    print_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def print_json_lines(values: Iterable[object]) -> None:
    """A document a line."""
    sys.stdout.buffer.write(b"".join(orjson.dumps(value) + b"\n" for value in values))
    sys.stdout.flush()


def print_bytes(body: bytes) -> None:
    """A document as it is."""
    sys.stdout.buffer.write(body)
    sys.stdout.flush()


def print_model(row: Row) -> None:
    """Everything known of one model, a line a fact."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in native.model(row).items():
        facts = value.items() if isinstance(value, dict) else [("", value)]
        for part, fact in facts:
            table.add_row(f"{name}.{part}".rstrip("."), _fact(fact))
    terminal().print(table)


def print_news(news: Iterable[Change | Fold]) -> None:
    """A line each: when, which model, what happened."""
    print_columns(
        (
            (when(one.at), "*" if isinstance(one, Fold) else one.id, wording.line(one))
            for one in news
        ),
        "dim",
        "cyan",
    )


def print_versions(versions: Iterable[Version]) -> None:
    """The states of a model, a line each: when, what happened, what changed."""
    print_columns(map(_version_cells, versions), "dim", "cyan")


def print_diff(found: Sequence[Change], begin: Revision, end: Revision) -> None:
    """A line a model, and what it comes to."""
    print_columns(((one.id, wording.line(one)) for one in found), "cyan")
    ends = (f"revision {one.revision} ({native.time_text(one.at)})" for one in (begin, end))
    differs = _counted(Counter(one.kind for one in found)) or "no difference"
    print_line(f"{differs} from {' to '.join(ends)}")


def print_status(report: dict[str, Any]) -> None:
    """What `/catalog/status` says, a line a fact."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in report.items():
        table.add_row(name, _facts(value) if isinstance(value, dict) else _fact(value))
    terminal().print(table)


def size(tokens: int | None) -> str:
    """200000 → `200k`, 1048576 → `1.05M`."""
    if tokens is None:
        return UNKNOWN
    if tokens < 1_000:  # noqa: PLR2004 — below it the number is its own short form
        return str(tokens)
    value, unit = (tokens / 1e6, "M") if tokens >= 1_000_000 else (tokens / 1e3, "k")  # noqa: PLR2004
    return f"{value:.3g}{unit}"


def price(usd: float | None) -> str:
    """USD as short as it is exact."""
    return UNKNOWN if usd is None else f"{Decimal(str(native.number(usd))):f}"


def amount(usd: float | None) -> str:
    """USD to three digits: `0.0554`."""
    return UNKNOWN if usd is None else price(float(f"{usd:.3g}"))


def _facts(value: dict[str, Any]) -> str:
    return markup(", ".join(f"{key} {fact}" for key, fact in value.items() if fact is not None))


def _fact(value: object) -> str:
    match value:
        case None:
            return UNKNOWN
        case bool():
            return "yes" if value else "no"
        case tuple() | list():
            return markup(", ".join(map(str, value))) or "none"
        case _:
            return markup(str(value))


def print_columns(rows: Iterable[Sequence[str]], *styles: str) -> None:
    """Lines of so many columns: aligned on a terminal, with tabs in between elsewhere."""
    if not sys.stdout.isatty():
        lines = ("\t".join(map(inline, row)).rstrip("\t") + "\n" for row in rows)
        sys.stdout.write("".join(lines))
        sys.stdout.flush()
        return
    table = Table.grid(padding=(0, 2))
    for style in styles:
        table.add_column(style=style, overflow="fold")
    for row in rows:
        table.add_row(*(escape(inline(cell)) for cell in row))
    terminal().print(table)


def _version_cells(state: Version) -> tuple[str, str, str]:
    said = ", ".join(wording.details(state.change))
    if state.kind is Kind.CHANGED and not said:
        said = "only what is no news: badges, preferredIndex or hints"
    return when(state.since.at), str(state.kind), said


def when(at: datetime) -> str:
    """UTC; as short as a person needs it, exact where a program reads."""
    return f"{at:%Y-%m-%d %H:%M}" if sys.stdout.isatty() else native.time_text(at) or ""


def inline(text: str) -> str:
    return _plain(text).replace("\n", " ")


def markup(text: str) -> str:
    return escape(_plain(text))


def _plain(text: str) -> str:
    """Without what could steer a terminal: the gateway's text is anybody's."""
    return "".join(c if c.isprintable() or c in "\n\u200d" else "\ufffd" for c in text)


def terminal() -> Console:
    # No emoji: an id may hold `:free:`, and is shown as it is.
    return Console(emoji=False) if sys.stdout.isatty() else Console(emoji=False, width=200)
