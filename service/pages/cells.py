"""How each field of a model looks in a cell of a table. Pure.

Whatever a gateway says is escaped, isolated from the direction of the text around it, and cut where
it would push everything else out of sight.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup

from service.catalog import MODALITIES, Catalog, Origin, Pricing, Row, Status
from service.dialects import native
from service.fields import FIELDS, Field, Form

LONGEST: Final = 160
"""Characters of a text that are shown."""
_UNITS: Final = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))

HEADINGS: Final[Mapping[str, str]] = {
    "ref": "Ref",
    "source": "Source",
    "author": "Author",
    "badges": "Badges",
    "input": "Input",
    "output": "Output",
    "reasoning": "Reasons",
    "reasoningEfforts": "Efforts",
    "tools": "Tools",
    "structuredOutput": "Structured",
    "contextWindow": "Context",
    "servedContextWindow": "Served context",
    "maxTokens": "Max output",
    "cost.input": "In $/M",
    "cost.output": "Out $/M",
    "cost.cacheRead": "Cache read $/M",
    "cost.cacheWrite": "Cache write $/M",
    "cost.reasoning": "Reasoning $/M",
    "cost.image": "Image $",
    "cost.request": "Request $",
    "cost.webSearch": "Search $",
    "pricing": "Pricing",
    "free": "Free",
    "supportedParameters": "Parameters",
    "tokenizer": "Tokenizer",
    "moderated": "Moderated",
    "mayTrainOnPrompts": "May train",
    "huggingFaceId": "Hugging Face",
    "family": "Family",
    "created": "Came out",
    "knowledgeCutoff": "Knows until",
    "expiresAt": "Retires",
    "status": "Status",
    "missingSince": "Missing since",
    "removedAt": "Removed",
    "origin": "Origin",
    "default": "Default",
    "preferredIndex": "Preferred",
    "firstSeen": "First seen",
    "updatedAt": "Changed",
    "revision": "Revision",
}
"""What each field is called above a column: every one but those that stand in the first."""
NUMBERS: Final = frozenset({Form.TOKENS, Form.USD, Form.COUNT})

_UNKNOWN: Final = Markup('<td class="u">unknown</td>')


def short(tokens: int) -> str:
    """A number of tokens in three digits: `200k`, `1M`, `1.05M`."""
    for unit, name in _UNITS:
        shown = float(f"{tokens / unit:.3g}")
        if shown >= 1:
            return f"{shown:g}{name}"
    return str(tokens)


def exact(usd: float) -> str:
    """A price with all of its digits, and no others: `0.3`, `0.00000001`."""
    text = format(Decimal(repr(usd)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def cut(text: str, longest: int = LONGEST) -> str:
    """A text that is not longer than that."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def name_of(row: Row, catalog: Catalog) -> str:
    """What finds a model: its id, unless that is another one's name, too."""
    return row.model.id if catalog.find(row.model.id) is row else row.model.ref


def path_of(row: Row, catalog: Catalog) -> str:
    """What stands for a model at the end of an address, whatever its id is."""
    name = name_of(row, catalog)
    if any(part in {"", ".", ".."} for part in name.split("/")):  # which browsers would resolve
        return quote(row.model.ref, safe="")
    return quote(name, safe="/:~@!$,;=+")


def cell(path: str, row: Row) -> Markup:
    """The cell of a field."""
    special = _SPECIAL.get(path)
    if special is not None:
        return special(row)
    field = FIELDS[path]
    value = field.get(row)
    return _UNKNOWN if value is None else _FORMS[field.form](field, value)


def marks(words: Sequence[str]) -> Markup:
    """Kinds of input and output: a letter each for the eye, a word for everybody else."""
    return Markup(" ").join(
        Markup('<span class="m m-{0}" title="{0}">{0}</span>').format(word)
        if word in MODALITIES
        else Markup('<bdi class="m-other">{}</bdi>').format(cut(word, 20))
        for word in words
    )


# ── forms ─────────────────────────────────────────────────────────────────────────────────────


def _text(field: Field, value: str) -> Markup:
    del field
    return Markup('<td dir="auto">{}</td>').format(cut(value))


def _texts(field: Field, value: Sequence[str]) -> Markup:
    if field.path in {"input", "output"}:
        return Markup('<td class="ms">{}</td>').format(marks(value))
    return Markup('<td dir="auto">{}</td>').format(cut(", ".join(value) or "none"))


def _flag(field: Field, value: bool) -> Markup:  # noqa: FBT001 — a field's value
    del field
    return Markup('<td class="y">yes</td>') if value else Markup('<td class="n">no</td>')


def _tokens(field: Field, value: int) -> Markup:
    del field
    return Markup('<td class="num" title="{:,}">{}</td>').format(value, short(value))


def _usd(field: Field, value: float) -> Markup:
    del field
    return Markup('<td class="num">{}</td>').format(exact(value))


def _count(field: Field, value: int) -> Markup:
    del field
    return Markup('<td class="num">{}</td>').format(value)


def _time(field: Field, value: datetime) -> Markup:
    del field
    at = native.time_text(value) or ""
    return Markup('<td class="day" title="{}">{}</td>').format(at, at[:10])


def _day(field: Field, value: date) -> Markup:
    del field
    return Markup('<td class="day">{}</td>').format(value.isoformat())


_FORMS: Final[Mapping[Form, Callable[[Field, Any], Markup]]] = {
    Form.TEXT: _text,
    Form.TEXTS: _texts,
    Form.FLAG: _flag,
    Form.TOKENS: _tokens,
    Form.USD: _usd,
    Form.COUNT: _count,
    Form.TIME: _time,
    Form.DAY: _day,
}


# ── fields that say more than their value ─────────────────────────────────────────────────────


def _context(row: Row) -> Markup:
    """The model's own window, and beside it what the first provider accepts, where that is less."""
    own, served = row.model.context_window, row.model.served_context_window
    if own is None:
        return _UNKNOWN
    if served is None or served >= own:
        return _tokens(FIELDS["contextWindow"], own)
    return Markup(
        '<td class="num" title="{:,}; the first provider accepts {:,}">{} '
        "<small>served {}</small></td>"
    ).format(own, served, short(own), short(served))


def _price(path: str) -> Callable[[Row], Markup]:
    field = FIELDS[path]

    def told(row: Row) -> Markup:
        value = field.get(row)
        if value is not None:
            return _usd(field, value)
        if row.model.pricing is Pricing.DYNAMIC:
            return Markup('<td class="num vary" title="depends on the request">varies</td>')
        return _UNKNOWN

    return told


_SINCE: Final = Markup('<span class="unseen">since </span>')
"""For whoever listens: the column is wide enough for the date alone."""


def _status(row: Row) -> Markup:
    status, life = row.life.status, row.life
    if status is Status.ACTIVE:
        fallback = row.origin is Origin.FALLBACK
        return Markup('<td class="st">{}</td>').format("fallback" if fallback else "active")
    since = life.removed_at if status is Status.REMOVED else life.missing_since
    day = (native.time_text(since) or "")[:10]
    return Markup(
        '<td class="st"><span class="tag tag-{0}">{0}</span> <small>{1}{2}</small></td>'
    ).format(status, _SINCE if status is Status.MISSING else "", day)


_SPECIAL: Final[Mapping[str, Callable[[Row], Markup]]] = {
    "contextWindow": _context,
    "cost.input": _price("cost.input"),
    "cost.output": _price("cost.output"),
    "status": _status,
}
