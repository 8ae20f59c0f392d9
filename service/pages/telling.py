"""Fields as pages tell them: a label, a value that is short and exact at once, groups. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.catalog import Pricing, Row
from service.dialects import native
from service.fields import FIELDS, Field, Form
from service.pages.cells import exact, path_of, short

UNKNOWN: Final = "unknown"
_THOUSAND: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A value. `exact` is all of it, where `text` is shorter; `value` is for scripts."""

    text: str
    exact: str = ""
    value: str = ""
    words: tuple[str, ...] = ()
    """The words of a list, in place of the text."""
    sign: str = ""
    """`yes`, `no`, `unknown`, `free`, or nothing in particular."""

    @property
    def is_unknown(self) -> bool:
        """Whether nobody says it."""
        return self.sign == UNKNOWN


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that are read together."""

    anchor: str
    title: str
    paths: tuple[str, ...]
    unit: str = ""
    """What most of its figures count."""

    @property
    def fields(self) -> Sequence[Field]:
        """The same as fields."""
        return [FIELDS[path] for path in self.paths]


GROUPS: Final = (
    Group(
        "limits",
        "Limits",
        ("contextWindow", "servedContextWindow", "maxTokens"),
        "tokens",
    ),
    Group(
        "prices",
        "Prices",
        (
            *("cost.input", "cost.output", "cost.cacheRead", "cost.cacheWrite", "cost.reasoning"),
            *("cost.image", "cost.request", "cost.webSearch", "pricing", "free"),
        ),
        "per million tokens",
    ),
    Group(
        "capabilities",
        "Capabilities",
        (
            *("input", "output", "reasoning", "reasoningEfforts", "tools", "structuredOutput"),
            *("moderated", "mayTrainOnPrompts", "supportedParameters"),
        ),
    ),
    Group(
        "identity",
        "What it is",
        (
            *("id", "ref", "name", "author", "family", "tokenizer", "huggingFaceId"),
            *("created", "knowledgeCutoff", "badges", "description"),
        ),
    ),
    Group(
        "life",
        "Life in this catalog",
        (
            *("status", "firstSeen", "updatedAt", "revision", "missingSince", "removedAt"),
            *("expiresAt", "origin", "source", "default", "preferredIndex"),
        ),
    ),
)
"""Every field once, in the order in which it is told."""

LABELS: Final[Mapping[str, str]] = {
    "ref": "Ref",
    "source": "Source",
    "id": "Id",
    "name": "Name",
    "author": "Author",
    "description": "Description",
    "badges": "Badges",
    "input": "Takes",
    "output": "Makes",
    "reasoning": "Reasoning",
    "reasoningEfforts": "Reasoning efforts",
    "tools": "Tools",
    "structuredOutput": "Structured output",
    "contextWindow": "Context window",
    "servedContextWindow": "Served context window",
    "maxTokens": "Longest answer",
    "cost.input": "Input",
    "cost.output": "Output",
    "cost.cacheRead": "Cache read",
    "cost.cacheWrite": "Cache write",
    "cost.reasoning": "Reasoning",
    "cost.image": "An image",
    "cost.request": "A request",
    "cost.webSearch": "A web search",
    "pricing": "Pricing",
    "free": "Free",
    "supportedParameters": "Parameters",
    "tokenizer": "Tokenizer",
    "moderated": "Moderated",
    "mayTrainOnPrompts": "May train on prompts",
    "huggingFaceId": "Hugging Face",
    "family": "Family",
    "created": "Came out",
    "knowledgeCutoff": "Knows until",
    "expiresAt": "To be retired",
    "status": "Status",
    "missingSince": "Missing since",
    "removedAt": "Removed at",
    "origin": "Origin",
    "default": "Default",
    "preferredIndex": "Preferred by the gateway",
    "firstSeen": "First seen",
    "updatedAt": "Last changed",
    "revision": "Revision",
}
"""What people call each field."""

_NOTHING: Final[Mapping[str, str]] = {
    "missingSince": "not missing",
    "removedAt": "not removed",
    "expiresAt": "no date is said",
    "preferredIndex": "not among those preferred",
    "badges": "none",
}
"""What it means of these fields that they have no value: nothing is unknown there."""

_PER_ONE: Final = frozenset({"cost.image", "cost.request", "cost.webSearch"})


def unit(path: str) -> str:
    """What a figure of that field counts, as it stands behind it."""
    if path in _PER_ONE:
        return "each"
    return {Form.USD: "per million tokens", Form.TOKENS: "tokens"}.get(FIELDS[path].form, "")


def told(path: str, row: Row) -> Told:
    """One field of a model."""
    return told_value(path, FIELDS[path].get(row))


def told_value(path: str, value: Any) -> Told:  # noqa: ANN401 — of any field
    """A value of that field."""
    is_empty = value == () and path in _NOTHING
    if value is None or value is Pricing.UNKNOWN or is_empty:
        nothing = _NOTHING.get(path)
        return Told(text=nothing or UNKNOWN, sign="none" if nothing else UNKNOWN)
    match value:
        case bool():
            word = "yes" if value else "no"
            return Told(text=word, sign=word)
        case tuple():
            return Told(text=", ".join(value) or "none", words=value)
        case datetime():
            text = native.time_text(value) or ""
            return Told(text=day_text(value), exact=text, value=text)
        case int() | float():
            return _told_figure(FIELDS[path].form, value)
        case _:
            return Told(text=str(value), value=str(value))


def _told_figure(form: Form, value: float) -> Told:
    if form is Form.TOKENS:
        return Told(text=short(int(value)), exact=f"{value:,}", value=str(value))
    if form is Form.USD:
        text = usd_text(value)
        return Told(text=text, value=text.removeprefix("$"), sign="" if value else "free")
    return Told(text=str(value), value=str(value))


size_text: Final = short
address_of: Final = path_of


def usd_text(usd: float) -> str:
    """`$0.3`: all digits and no exponent."""
    return f"${exact(usd)}"


def amount_text(usd: float) -> str:
    """The same to three digits, for estimates: `$0.0554`."""
    return usd_text(usd if usd >= _THOUSAND else float(f"{usd:.3g}"))


def day_text(at: datetime) -> str:
    """A time as a person reads it; midnight is a day: `2026-10-01`, `2026-10-01 12:30 UTC`."""
    text = native.time_text(at) or ""
    day, _, clock = text.partition("T")
    return day if clock == "00:00:00Z" else f"{day} {clock[:5]} UTC"
