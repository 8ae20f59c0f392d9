"""The page of the log: changes by day, newest first, and what chooses among them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final, Unpack
from urllib.parse import quote, urlencode

from service import wording
from service.catalog import Change, Fold, Kind
from service.dialects.native import time_text
from service.diff import TOPICS
from service.fields import FIELDS, Form, Topic
from service.pages import site
from service.pages.about import About

Pairs = Sequence[tuple[str, str]]
"""A query, as it is written."""

MAX_LINES: Final = 200
"""Lines of one revision that are shown; the others are counted."""
MAX_NAMED: Final = 100
"""Models that a line about many names; the others are counted."""
_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Detail:
    """One field that changed."""

    text: str
    trend: str = ""
    """`up` or `down`, of a price."""
    share: str = ""
    """By how much: `17 %`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One piece of news."""

    kind: str
    sign: str
    label: str
    model: str
    """An id; empty where it is about many."""
    address: str
    """Where that model is told of, from the root."""
    text: str
    details: Sequence[Detail]
    members: Sequence["Line"] = ()
    """Those that it is about, where there are many."""
    more: int = 0
    """How many of them are not named."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one revision did."""

    revision: int
    at: str
    time: str
    lines: Sequence[Line]
    more: int


@dataclass(frozen=True, slots=True)
class Day:
    """What one day brought."""

    date: str
    title: str
    steps: Sequence[Step]
    count: int


@dataclass(frozen=True, slots=True)
class Option:
    """A value that can be chosen."""

    value: str
    label: str
    is_chosen: bool
    sign: str = ""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the form shows. `rest` is what it carries on as it is."""

    kinds: Sequence[Option]
    topics: Sequence[Option]
    paths: Sequence[tuple[str, Sequence[str]]]
    """Fields by their topic."""
    model: str
    before: str
    rest: Pairs
    is_any: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a page stands in the log: the query of the one with what is older, if there is any."""

    older: str | None
    is_first: bool


SIGNS: Final[Mapping[str, str]] = {
    Kind.ADDED: "+",
    Kind.CHANGED: "Δ",
    Kind.MISSING: "?",
    Kind.REMOVED: "−",  # noqa: RUF001 — a minus sign
    Kind.RETURNED: "↺",
}
_LABELS: Final[Mapping[str, str]] = {
    Kind.ADDED: "added",
    Kind.CHANGED: "changed",
    Kind.MISSING: "missing",
    Kind.REMOVED: "removed",
    Kind.RETURNED: "returned",
}
_MANY: Final = "≡"
_FACTS: Final = {
    "contextWindow": "context {}",
    "maxTokens": "answers to {}",
    "cost.input": "{} in",
    "cost.output": "{} out",
}
"""What is said of a model that is new."""


def page(
    *, asked: Pairs, news: Iterable[Change | Fold], turn: Turn, **about: Unpack[About]
) -> bytes:
    """The page, complete. `news` are newest first, `asked` is the whole query."""
    days = list(_days(news))
    return site.render(
        "changes.html",
        root="./",
        days=days,
        failure="",
        turn=turn,
        **_around(asked),
        **about,
    )


def failed(*, asked: Pairs, failure: str, **about: Unpack[About]) -> bytes:
    """The page without a log, and why."""
    return site.render(
        "changes.html",
        root="./",
        days=[],
        failure=failure,
        turn=Turn(older=None, is_first=True),
        **_around(asked),
        **about,
    )


def _around(asked: Pairs) -> dict[str, object]:
    filters = filters_of(asked)
    same = [(name, text) for name, text in asked if name in {"kind", "field", "model"}]
    query = f"?{urlencode(same)}" if same else ""
    return {"filters": filters, "query": query}


# ── the form ──────────────────────────────────────────────────────────────────────────────────


def filters_of(asked: Pairs) -> Filters:
    """What is chosen, as the form shows it."""
    chosen = {name: _words(asked, name) for name in ("kind", "field", "model")}
    paths = [word for word in chosen["field"] if word not in set(Topic)]
    topics = [Option(topic, topic, topic in chosen["field"]) for topic in Topic]
    return Filters(
        kinds=[Option(k, _LABELS[k], k in chosen["kind"], SIGNS[k]) for k in Kind],
        topics=[*topics, *(Option(path, path, is_chosen=True) for path in paths)],
        paths=[(topic, [p for p, of in TOPICS.items() if of is topic]) for topic in Topic],
        model=",".join(chosen["model"]),
        before=next((text for name, text in asked if name == "before"), ""),
        rest=[(name, text) for name, text in asked if name == "limit"],
        is_any=any(chosen.values()),
    )


def _words(asked: Pairs, wanted: str) -> Sequence[str]:
    """The values of a parameter, each once."""
    texts = (text.split(",") for name, text in asked if name == wanted)
    return tuple(dict.fromkeys(word.strip() for words in texts for word in words))


# ── the log ───────────────────────────────────────────────────────────────────────────────────


def _days(news: Iterable[Change | Fold]) -> Iterable[Day]:
    for day, group in groupby(news, key=lambda one: one.at.date()):
        steps = [_step(list(same)) for _, same in groupby(group, key=lambda one: one.revision)]
        count = sum(len(step.lines) + step.more for step in steps)
        yield Day(day.isoformat(), _title(day), steps, count)


def _title(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B} {day.year}"


def _step(news: Sequence[Change | Fold]) -> Step:
    first = news[0]
    ordered = sorted(news, key=_weight)
    return Step(
        revision=first.revision,
        at=time_text(first.at) or "",
        time=f"{first.at:%H:%M}",
        lines=[line(one) for one in ordered[:MAX_LINES]],
        more=max(len(news) - MAX_LINES, 0),
    )


_ORDER: Final = {kind: place for place, kind in enumerate(Kind, start=1)}


def _weight(news: Change | Fold) -> tuple[int, str]:
    """What was done to many first, then kind by kind, in the order of ids."""
    return (0, news.name) if isinstance(news, Fold) else (_ORDER[news.kind], news.id)


def line(news: Change | Fold) -> Line:
    """One piece of news in words."""
    if isinstance(news, Fold):
        return _folded(news)
    is_gone = news.kind in {Kind.MISSING, Kind.REMOVED}
    return Line(
        kind=news.kind,
        sign=SIGNS[news.kind],
        label=_LABELS[news.kind],
        model=news.id,
        address=model_address(news.id, news.ref),
        text=wording.line(news) if is_gone else "",
        details=_facts(news) if news.kind is Kind.ADDED else _details(news),
    )


def _folded(news: Fold) -> Line:
    named = news.changes[:MAX_NAMED]
    by = "kind" if news.name in set(Kind) else "field"
    pairs = (("since", str(news.revision - 1)), (by, news.name))
    return Line(
        kind="many",
        sign=SIGNS.get(news.name, _MANY),
        label="in bulk",
        model="",
        address=f"catalog/changes?{urlencode(pairs)}",
        text=wording.folded(news),
        details=(),
        members=[_member(one, news.name) for one in named],
        more=len(news.changes) - len(named),
    )


def _member(one: Change, name: str) -> Line:
    """One of those to whom the same was done."""
    details = [_detail(name, *one.fields[name])] if name in one.fields else []
    return Line("", "", "", one.id, model_address(one.id, one.ref), "", details)


def _details(one: Change) -> Sequence[Detail]:
    return [_detail(path, *pair) for path, pair in one.fields.items() if path != "status"]


def _detail(path: str, was: object, now: object) -> Detail:
    text = wording.detail(path, was, now)
    if TOPICS[path] is not Topic.PRICE or not isinstance(was, float) or not isinstance(now, float):
        return Detail(text)
    trend = "up" if now > was else "down"
    return Detail(text, trend, _share(was, now))


def _share(was: float, now: float) -> str:
    """By how much a price has moved; from or to nothing it is no share."""
    if not was or not now:
        return ""
    share = abs(now - was) / was * _PERCENT
    return f"{share:.0f}\u202f%" if share >= 1 else "<1\u202f%"


def _facts(one: Change) -> Sequence[Detail]:
    """What is worth knowing of a new model, where it is known."""
    known = ((form, path, one.fields.get(path, (None, None))[1]) for path, form in _FACTS.items())
    return [
        Detail(form.format(_fact(path, value))) for form, path, value in known if value is not None
    ]


def _fact(path: str, value: object) -> str:
    shown = wording.text(value)
    return f"${shown}" if FIELDS[path].form is Form.USD else f"{int(shown):,}"


def model_address(name: str, ref: str) -> str:
    """Where a model's own page is, from the root. No browser may take a part of it for a step."""
    is_plain = all(part.strip(".") for part in name.split("/"))
    return f"models/{quote(name, safe='/:~@') if is_plain else quote(ref, safe='')}"
