"""Changes in words, a line each, for whoever reads: a feed, a terminal, a page. Pure.

The words are those of the JSON: `cost.input 3 → 2.5`. Texts of the gateway stay as they are; who
shows them makes them harmless.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from service.catalog import Change, Fold, Kind
from service.dialects import native

LONG: Final = 80
"""Characters from which a text is not quoted, only said to differ."""

_KINDS: Final = {
    Kind.ADDED: "added",
    Kind.MISSING: "missing from the gateway's list",
    Kind.REMOVED: "removed: missing for longer than the grace",
    Kind.RETURNED: "returned",
}


def line(news: Change | Fold) -> str:
    """One change, without its date and model: `cost.input 3 → 2.5, maxTokens 8192 → 16384`."""
    if isinstance(news, Fold):
        return folded(news)
    said = ", ".join(details(news))
    match news.kind:
        case Kind.CHANGED:
            return said
        case Kind.RETURNED if said:
            return f"{_KINDS[news.kind]}: {said}"
        case kind:
            return _KINDS[kind]


def details(one: Change) -> Iterator[str]:
    """Each field that changed on a model that was there."""
    if one.kind is Kind.ADDED:
        return
    for path, (was, now) in one.fields.items():
        if path != "status":
            yield detail(path, was, now)


def detail(path: str, was: object, now: object) -> str:
    """One field: `cost.input 3 → 2.5`, `expiresAt set to 2026-12-01`, `output +audio`."""
    if isinstance(was, tuple) and isinstance(now, tuple):
        added = [f"+{word}" for word in now if word not in was]
        gone = [f"−{word}" for word in was if word not in now]  # noqa: RUF001 — a minus sign
        return " ".join([path, *added, *gone])
    if was is None:
        return f"{path} set" + ("" if _is_long(now) else f" to {text(now)}")
    if now is None:
        return f"{path} unset" + ("" if _is_long(was) else f", was {text(was)}")
    if _is_long(was) or _is_long(now):
        return f"{path} rewritten"
    return f"{path} {text(was)} → {text(now)}"


def folded(news: Fold) -> str:
    """What happened to many at once: `expiresAt set on 328 models`, `344 models added`."""
    count = len(news.changes)
    if news.name in set(Kind):
        return f"{count} models {Kind(news.name)}"
    pairs = [one.fields[news.name] for one in news.changes]
    if all(was is None for was, _ in pairs):
        verb = "set"
    elif all(now is None for _, now in pairs):
        verb = "unset"
    else:
        verb = "changed"
    return f"{news.name} {verb} on {count} models"


def text(value: object) -> str:
    """A value as a person reads it; midnight is a day."""
    match value:
        case None:
            return "unknown"
        case bool() as flag:
            return "yes" if flag else "no"
        case tuple() as words:
            return " ".join(words) or "none"
        case datetime():
            return str(native.value(value)).removesuffix("T00:00:00Z")
        case _:
            return str(native.value(value))


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) >= LONG
