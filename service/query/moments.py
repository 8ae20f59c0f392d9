"""Moments, as a person names them: a revision, a date, a time, an age. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

MOMENT_FORM: Final = (
    "a revision, a date or time in UTC, or an age (13, 2026-01-15, 2026-01-15T20:20:00Z, 7d, 24h)"
)
"""What `moment` reads, in words."""
TIME_SCHEMA: Final[Mapping[str, Any]] = {
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "pattern": r"^(\d{1,10}s|\d{1,8}m|\d{1,6}h|\d{1,5}d)$"},
    ]
}
"""Dates, times and ages as a JSON Schema: the common ways to write them."""
MOMENT_SCHEMA: Final[Mapping[str, Any]] = {
    "anyOf": [{"type": "integer", "minimum": 0, "maximum": 10**18 - 1}, *TIME_SCHEMA["anyOf"]]
}
"""The same, and revisions."""

_REVISION: Final = re.compile(r"\d{1,18}", re.ASCII)
_AGE: Final = re.compile(r"\d{1,12}[smhd]", re.ASCII)
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)
_UNESCAPED_PLUS: Final = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:\d\d)$", re.ASCII)
"""The + of an offset that stands in a query as it is, and so is read as a space."""


def moment(text: str, now: datetime) -> int | datetime:
    """The revision, or the time in UTC and whole seconds, that a text names.

    `13` is a revision; `2026-01-15` is that day's first instant; `2026-01-15T20:20` is UTC unless
    it ends in an offset; `90s`, `15m`, `24h` and `7d` are so long before now. Raises ValueError.
    """
    if _REVISION.fullmatch(text):
        return int(text)
    try:
        if _AGE.fullmatch(text):
            return _before(text, now)
        return _time(_UNESCAPED_PLUS.sub(r"\1+\2", text))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not {MOMENT_FORM}") from None


def _before(age: str, now: datetime) -> datetime:
    return now - timedelta(seconds=int(age[:-1]) * _UNIT_SECONDS[age[-1]])


def _time(text: str) -> datetime:
    if not _TIME.fullmatch(text):  # what Python reads beside it, such as weeks, is nobody's habit
        raise ValueError(text)
    at = datetime.fromisoformat(text.upper()).replace(microsecond=0)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
