"""Stage 1 for lists that were saved elsewhere: files in time order, each as if fetched then."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from service.bodies import Fetched, decoder
from service.catalog import Reason, Refresh, Revision, Validators, utc_now
from service.errors import PastError, RefreshError, UnreachableError, UsageError

_CHUNK_BYTES: Final = 16 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_SUFFIXES: Final = (".json", ".json.gz")

# Each match is empty and stands before a date, so that what follows one date may begin another.
_DATE_IN_NAME: Final = re.compile(
    r"""(?<!\d) (?=
      (?P<year>\d{4}) (?P<dash>-?) (?P<month>\d\d) (?P=dash) (?P<day>\d\d)
      (?: [Tt_\-\ ] (?P<hour>\d\d) (?P<colon>[:\-]?) (?P<minute>\d\d)
          (?: (?P=colon) (?P<second>\d\d) )? )?
      (?!\d) )""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedList:
    """A body of a gateway in a file, and when it was fetched: None is now."""

    file: Path
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a saved list, and the revision that it made, if any."""

    saved: SavedList
    refresh: Refresh
    made: Revision | None


class SavedGateway:
    """Plays the gateway, and the clock, for one saved list after the other."""

    scope: Final = "saved"

    def __init__(self, first: SavedList, *, max_body_bytes: int) -> None:
        self._playing = first
        self._max_body_bytes = max_body_bytes

    def play(self, saved: SavedList) -> None:
        """From now on this is the list, and its time is the time."""
        self._playing = saved

    def now(self) -> datetime:
        """When the list was fetched."""
        return self._playing.at or utc_now()

    async def fetch(self, known: Validators | None = None) -> Fetched:
        """The list; a file knows no validators. Raises RefreshError where it cannot be read."""
        del known
        body = await asyncio.to_thread(_read, self._playing.file, self._max_body_bytes)
        return Fetched(body=body, etag=None, last_modified=None, http_status=None)


def in_time_order(
    files: Sequence[Path], *, at: datetime | None, from_names: bool, now: datetime
) -> list[SavedList]:
    """The lists of these files, oldest first. Raises UsageError that names what cannot be."""
    if not from_names and len(files) > 1:
        word = "--at" if at else "FILE"
        detail = f"there are {len(files)} files; take each one's time with --at-from-name"
        raise UsageError(word, detail)
    lists = [SavedList(file=file, at=_time_of(file) if from_names else at) for file in files]
    for saved in lists:
        if saved.at and saved.at > now:
            raise UsageError(
                str(saved.file), f"its time, {saved.at:%Y-%m-%dT%H:%M:%SZ}, is to come"
            )
    lists.sort(key=lambda saved: saved.at or now)
    for earlier, later in pairwise(lists):
        if earlier.at == later.at:
            detail = f"it has the same time as {earlier.file}: {later.at:%Y-%m-%dT%H:%M:%SZ}"
            raise UsageError(str(later.file), detail)
    return lists


def time_in_name(name: str) -> datetime | None:
    """What the last thing in a name that looks like a date says, in UTC; None without one.

    `kilo-2026-01-15.json`, `models_20260115_202000.json.gz`, `2026-01-15T20:20Z.json`. Raises
    ValueError for a date or a time that there is not.
    """
    found = list(_DATE_IN_NAME.finditer(name))
    if not found:
        return None
    parts = found[-1].group("year", "month", "day", "hour", "minute", "second")
    return datetime(*(int(part or 0) for part in parts), tzinfo=UTC)  # type: ignore[misc, arg-type]


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """These files, and the lists in these folders. Raises UsageError."""
    for path in paths:
        try:
            yield from _files_at(path)
        except OSError as error:
            raise UsageError(str(path), error.strerror or str(error)) from None


def refuse_past(lists: Sequence[SavedList], until: datetime, now: datetime) -> None:
    """Raises PastError unless each is later than what is stored, or of now and not earlier."""
    early = [saved for saved in lists if (now < until if saved.at is None else saved.at <= until)]
    if early:
        raise PastError(str(early[0].file), early[0].at or now, until, len(early) - 1)


def check(file: Path, max_body_bytes: int) -> None:
    """Read a file to its end. Raises UsageError where that cannot be done."""
    try:
        _read(file, max_body_bytes)
    except RefreshError as error:
        raise UsageError(str(file), error.detail) from None


def _files_at(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.is_file():  # a pipe could be read only once
            detail = "it is no regular file" if path.exists() else "there is no such file"
            raise UsageError(str(path), detail)
        return [path]
    found = [file for file in path.iterdir() if file.name.endswith(_SUFFIXES) and file.is_file()]
    if not found:
        raise UsageError(str(path), "the folder has neither *.json nor *.json.gz")
    return sorted(found)


def _time_of(file: Path) -> datetime:
    try:
        at = time_in_name(file.name)
    except ValueError as error:
        raise UsageError(str(file), f"the date in its name is impossible: {error}") from None
    if at is None:
        raise UsageError(str(file), "its name has no date, such as 2026-01-15 or 20260115T2020")
    return at


def _read(file: Path, max_body_bytes: int) -> bytes:
    """The body, inflated where it is gzip by its first bytes. Raises RefreshError."""
    try:
        with file.open("rb") as opened:
            chunk = opened.read(_CHUNK_BYTES)
            body = decoder("gzip" if chunk.startswith(_GZIP_MAGIC) else "", max_body_bytes)
            while chunk:
                body.feed(chunk)
                chunk = opened.read(_CHUNK_BYTES)
    except OSError as error:
        raise UnreachableError(Reason.CONNECT, error.strerror or str(error)) from None
    return body.finish()
