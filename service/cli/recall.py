"""What the commands that look back print: the log of changes, a model's states, a difference."""

import asyncio
import select
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.catalog import Change, Cursor, Fold, Kind, Revision, Version
from service.cli import console
from service.cli.reading import moment_of, past
from service.config import Settings
from service.dialects import native
from service.diff import TOPICS, Wanted, fields_of, fold
from service.errors import StorageError, UsageError
from service.fields import Topic
from service.history import History
from service.query.names import find
from service.spelling import no_such

LINES: Final = 50
"""Of the log of changes, where nobody says how many and since when."""
LOOK_SECONDS: Final = 1.0
"""Time between two looks of one who follows the log."""
_PAGE: Final = 500
"""Read at once; all is told."""

News = Sequence[Change | Fold]


# ── the log of changes ────────────────────────────────────────────────────────────────────────


def wanted(kinds: Iterable[str], fields: Iterable[str], models: Iterable[str]) -> Wanted:
    """Which changes are asked for. Raises UsageError that names the nearest word."""
    return Wanted(
        kinds=frozenset(map(_kind, kinds)),
        fields=frozenset[str]().union(*map(_fields, fields)),
        models=frozenset(models),
    )


def changes(
    chosen: Settings,
    asked: Wanted,
    *,
    since: str | None,
    limit: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Print what changed, newest last, and go on with what comes where that is asked for."""
    log = _Log(
        settings=chosen,
        wanted=asked,
        since=None if since is None else moment_of("--since", since),
        limit=limit or (LINES if since is None else None),
        as_json=as_json,
    )
    asyncio.run(log.follow() if follow else log.tell())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """The log of changes, as it is asked for."""

    settings: Settings
    wanted: Wanted
    since: int | datetime | None
    limit: int | None
    """Lines to tell at first; None tells all."""
    as_json: bool

    async def tell(self) -> Cursor:
        """Print what there is. Returns where it ends."""
        async with past(self.settings) as history:
            news, end = await self._news(history)
        self._print(news if self.limit is None else news[-self.limit :])
        if not news:
            console.print_note("no change to show")
        return end

    async def follow(self) -> None:
        """Print what there is and then what comes, until a signal.

        The database is opened anew for each look, so that it may be replaced in between, and so
        that a look at a file that nobody has open leaves no trace.
        """
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        end, trouble = await self.tell(), ""
        while not await _is_set_within(stop, LOOK_SECONDS) and _has_reader():
            try:
                async with past(self.settings) as history:
                    found, end = await _changes_after(history, end, self.wanted)
            except StorageError as error:
                if trouble != str(error):
                    console.print_note(f"{error}; looking again")
                trouble = str(error)
            else:
                trouble = ""
                self._print(self._lines(found))

    async def _news(self, history: History) -> tuple[News, Cursor]:
        if self.since is not None:
            after = await history.place(self.since)
            found, end = await _changes_after(history, after, self.wanted)
            return self._lines(found), end
        # What is added between the two looks belongs to the next one.
        end = Cursor((await history.head()).revision)
        return await self._last(history, end), end

    async def _last(self, history: History, end: Cursor) -> News:
        """The last lines: as many changes are read as they take when they are folded."""
        limit = count = self.limit or LINES
        while True:
            found = await history.latest(count, self.wanted)
            lines = self._lines(one for one in found if one.revision <= end.revision)
            if len(lines) >= limit or len(found) < count:
                return lines
            count = 4 * len(found)

    def _lines(self, found: Iterable[Change]) -> News:
        return list(found if self.as_json else fold(found))

    def _print(self, news: News) -> None:
        if self.as_json:
            console.print_json_lines(native.change(one) for one in news if isinstance(one, Change))
        else:
            console.print_news(news)


async def _changes_after(
    history: History, after: Cursor, asked: Wanted, limit: int = _PAGE
) -> tuple[list[Change], Cursor]:
    """All of them, and where they end."""
    found: list[Change] = []
    while True:
        page = await history.changes(after, limit, asked)
        found += page.items
        if not isinstance(page.next, Cursor):
            return found, Cursor(page.head.revision)
        after = page.next


def _has_reader() -> bool:
    """Whether anybody still reads what is printed: a write would tell too, but only then."""
    poll = select.poll()
    poll.register(sys.stdout, select.POLLERR)
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _kind(word: str) -> Kind:
    try:
        return Kind(word)
    except ValueError:
        raise UsageError("--kind", no_such(word, list(Kind), list(Kind))) from None


def _fields(word: str) -> frozenset[str]:
    try:
        return fields_of(word)
    except ValueError:
        hint = no_such(word, [*Topic, *TOPICS], [*Topic, "or a path, such as cost.input"])
        raise UsageError("--field", hint) from None


# ── a model's states, a difference ────────────────────────────────────────────────────────────


def show_history(chosen: Settings, model: str, *, as_json: bool) -> None:
    """Print each state of a model, newest first."""
    asyncio.run(_show_history(chosen, model, as_json=as_json))


async def _show_history(chosen: Settings, model: str, *, as_json: bool) -> None:
    async with past(chosen) as history:
        found = find(await history.catalog(await history.head()), model).model
        versions = await _versions(history, found.ref)
    if as_json:
        data = [native.version(version) for version in versions]
        console.print_json({"ref": found.ref, "id": found.id, "data": data})
    else:
        console.print_versions(versions)


async def _versions(history: History, ref: str, limit: int = _PAGE) -> list[Version]:
    page = await history.versions(ref, limit)
    found = list(page.items)
    while isinstance(page.next, int):
        page = await history.versions(ref, limit, page.next)
        found += page.items
    return found


def diff(chosen: Settings, begin: str, end: str | None, *, as_json: bool) -> None:
    """Print how two moments differ; the later one is now where it is not told."""
    before = moment_of("FROM", begin)
    asyncio.run(
        _diff(chosen, before, None if end is None else moment_of("TO", end), as_json=as_json)
    )


async def _diff(
    chosen: Settings, begin: int | datetime, end: int | datetime | None, *, as_json: bool
) -> None:
    async with past(chosen) as history:
        first = await history.resolve(begin)
        last = await (history.head() if end is None else history.resolve(end))
        if last.revision < first.revision:
            detail = f"revision {first.revision} is later than TO, revision {last.revision}"
            raise UsageError("FROM", detail)
        found = await history.diff(first, last)
    if as_json:
        data = [native.change(one) for one in found]
        console.print_json({"from": _end_json(first), "to": _end_json(last), "data": data})
    else:
        console.print_diff(found, first, last)


def _end_json(revision: Revision) -> dict[str, Any]:
    return {"revision": revision.revision, "at": native.time_text(revision.at)}
