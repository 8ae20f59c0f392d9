"""What the tests of questions share: catalogs in which much is unknown, tied or oddly named."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from service.catalog import Catalog, Cost, Life, Model, Origin, Pricing, Row, Status
from service.dialects import native
from service.parameters import Asked
from service.query.question import QUERY, SORTABLE, Question
from service.query.shelf import Shelf
from tests.scenes import as_json

_T = TypeVar("_T")
Json = dict[str, Any]
Pairs = Sequence[tuple[str, str]]
"""A question as it stands in an address."""

NOW: Final = datetime(2026, 10, 1, 12, tzinfo=UTC)
CALM: Final = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
"""A busy machine is no finding, and a finding is one on every machine."""


# ── rows, a byte a field ──────────────────────────────────────────────────────────────────────

# The first of each is what a failing example shrinks to.
_SOURCES = ("kilocode", "kilocode", "kilocode", "other")
_IDS = (
    *("a", "b", "c", "d/e", "anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4:free"),
    *("anthropic/Claude-Opus-4.5", "openai/gpt-4o", "openai/gpt-4o-mini", "deepseek/deepseek-r1"),
    *("~latest/alias", "kilocode/a", "..", "/", "=1+1", "@x/y", "a,b", "a b", "x?y=1&z#f"),
    *(
        "straße/ñandú-🦊",
        "%2Fencoded",
        "*",
        "a*c",
        "İ/\u0131",
        "'quoted'",
        '"double"',
        "|pipe|",
        "\u202e",
    ),
)
_NAMES = (
    *("Same", "same", "SAME", "Claude Sonnet 4", "GPT-4o mini", "Straße", "STRASSE", "İstanbul"),
    *("=SUM(A1:A9)", "+1", "-1", "@me", "'tis", 'the "best", they say', "two\r\nlines", "🦊"),
)
_AUTHORS = (None, "anthropic", "Anthropic", "openai", "Straße", "strasse", "x y", "=evil")
_DESCRIPTIONS = (None, "", "A fast model.", "=cmd()", "line\nline", "a|b", "\ttab", "x" * 700)
_BADGES = ((), (), ("new",), ("$$$$", "50% off"))
_KINDS = (("text",), ("text", "image"), ("image", "audio", "pdf"), ("text", "smell"))
_EFFORTS = (None, ("low",), ("low", "medium", "high"), ("none", "max"))
_HINTS = (None, '{"opencode":{"prompt":"codex"}}')
_FLAGS = (None, True, False)
_TOKENS = (None, 1, 8192, 128_000, 200_000, 1_000_000, 2**53)
# Differences of costs are in the first twelve digits, as those of real prices are.
_USD = (None, 0.0, 0.3, 3.0, 15.0, 0.075, 1e-05, 500.0)
_PARAMETERS = (
    None,
    (),
    ("tools",),
    ("Tools",),
    ("seed", "tools"),
    ("Tools", "tools"),
    ("a|b", "seed"),
)
_TEXTS = (None, "Claude", "claude", "Other", "=x")
_TIMES = (
    None,
    NOW - timedelta(days=30),
    NOW - timedelta(days=30, seconds=1),
    NOW - timedelta(days=400),
    NOW,
    datetime(2000, 1, 1, tzinfo=UTC),
)
_KNOWN_TIMES = _TIMES[1:]
_DAYS = (None, date(2025, 1, 1), date(2025, 6, 30), date(2024, 2, 29))
_STATUSES = (Status.ACTIVE, Status.ACTIVE, Status.ACTIVE, Status.MISSING, Status.REMOVED)
_ORIGINS = (Origin.DISCOVERED, Origin.DISCOVERED, Origin.DISCOVERED, Origin.FALLBACK)
_ROW_BYTES: Final = 48


class _Choices:
    """One value after the other, by one byte after the other."""

    def __init__(self, raw: bytes) -> None:
        self._rest: Iterator[int] = iter(raw)

    def of(self, options: Sequence[_T]) -> _T:
        return options[next(self._rest) % len(options)]


def row_of(raw: bytes, *, ref: tuple[str, str] | None = None) -> Row:
    """A row that these bytes stand for; another one of the model `ref`, if that is given."""
    one = _Choices(raw).of
    source, model_id = one(_SOURCES), one(_IDS)
    if ref:
        source, model_id = ref
    cost = Cost(**{field: one(_USD) for field in Cost.__slots__})
    said = Model(
        source=source,
        id=model_id,
        name=one(_NAMES),
        author=one(_AUTHORS),
        description=one(_DESCRIPTIONS),
        badges=one(_BADGES),
        input=one(_KINDS),
        output=one(_KINDS),
        reasoning=one(_FLAGS),
        reasoning_efforts=one(_EFFORTS),
        tools=one(_FLAGS),
        structured_output=one(_FLAGS),
        context_window=one(_TOKENS),
        served_context_window=one(_TOKENS),
        max_tokens=one(_TOKENS),
        cost=cost,
        pricing=one(tuple(Pricing)),
        free=one(_FLAGS),
        supported_parameters=one(_PARAMETERS),
        tokenizer=one(_TEXTS),
        moderated=one(_FLAGS),
        may_train_on_prompts=one(_FLAGS),
        hugging_face_id=one(_TEXTS),
        family=one(_TEXTS),
        created=one(_TIMES),
        knowledge_cutoff=one(_DAYS),
        expires_at=one(_TIMES),
        preferred_index=one((None, 0, 1, 2, 3)),
        hints=one(_HINTS),
    )
    status = one(_STATUSES)
    life = Life(
        first_seen=one(_KNOWN_TIMES),
        updated_at=one(_KNOWN_TIMES),
        revision=one((1, 2, 7)),
        status=status,
        missing_since=None if status is Status.ACTIVE else one(_KNOWN_TIMES),
        removed_at=one(_KNOWN_TIMES) if status is Status.REMOVED else None,
    )
    return Row(model=said, life=life, origin=one(_ORIGINS))


RAW_ROWS: Final = st.binary(min_size=_ROW_BYTES, max_size=_ROW_BYTES)
ROWS: Final = RAW_ROWS.map(row_of)


def catalog_of(rows: Sequence[Row], revision: int = 9) -> Catalog:
    """These rows in this order, but the fallback behind what was discovered."""
    ordered = sorted(rows, key=lambda row: row.origin is Origin.FALLBACK)
    return Catalog(
        revision=revision,
        updated_at=NOW,
        modified_at=NOW,
        rows=tuple(row for row in ordered if not row.is_removed),
        removed=tuple(row for row in ordered if row.is_removed),
    )


ROW_LISTS: Final = st.lists(ROWS, max_size=12, unique_by=lambda row: row.model.ref)
CATALOGS: Final = ROW_LISTS.map(catalog_of)
SHELVES: Final = CATALOGS.map(Shelf)


def models_of(shelf: Shelf) -> list[Json]:
    """Every model in the native form, as a client reads it, tombstones behind the others."""
    return [as_json(native.model(row)) for row in shelf.rows]


# ── questions ─────────────────────────────────────────────────────────────────────────────────

VALUES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("a", "*", "*/*", "kilocode/*", "anthropic/*,b", "*claude*4*", "kilocode/a", "A", "a*c"),
    "source": ("kilocode", "other", "KILOCODE", "nobody", "kilocode,other"),
    "author": ("anthropic", "ANTHROPIC", "openai,x y", "strasse", "STRAẞE", "nobody", "=evil"),
    "family": ("claude", "Claude", "other,claude", "=x", "nobody"),
    "input": ("text", "text,image", "pdf", "smell", "image, audio", "TEXT", "text,text"),
    "output": ("text", "text,image", "audio", "smell", "nothing"),
    "reasoning": ("true", "false", "unknown"),
    "effort": ("low", "low,high", "max", "LOW", "minimal"),
    "tools": ("true", "false", "unknown"),
    "structuredOutput": ("true", "false", "unknown"),
    "supports": ("tools", "Tools", "seed", "seed,tools", "a|b", "temperature"),
    "minContext": ("0", "1", "2", "8192", "128k", "0.2m", "1m", "1.5M", "9007199254740992"),
    "minServedContext": ("0", "8192", "8193", "128K", "1m"),
    "minOutput": ("1", "8k", "8.192k", "200000", "200.001k"),
    "maxInputCost": ("0", "0.3", ".3", "0.30", "3", "2.99", "0.00001", "499.9"),
    "minInputCost": ("0", "0.3", "0.0750001", "3", "15", "500"),
    "maxOutputCost": ("0", "0.3", "3", "14.999999", "15"),
    "minOutputCost": ("0", "0.00001", "0.00002", "3", "15"),
    "maxCacheReadCost": ("0", "0.075", "0.074", "500"),
    "minCacheReadCost": ("0", "0.075", "0.076", "15"),
    "maxCacheWriteCost": ("0", "3", "15.5"),
    "minCacheWriteCost": ("0", "3", "15.5"),
    "pricing": ("fixed", "dynamic", "unknown", "fixed,unknown"),
    "free": ("true", "false", "unknown"),
    "moderated": ("true", "false", "unknown"),
    "mayTrainOnPrompts": ("true", "false", "unknown"),
    "status": ("active", "missing", "removed", "active,missing,removed", "active,removed"),
    "createdAfter": ("2000-01-01", "30d", "720h", "2025-08-27T12:00", "0s", "2026-10-01T14:00:00Z"),
    "seenAfter": ("2000-01-01T00:00:01Z", "30d", "2592001s", "400d", "2026-09-01 12:00:00Z"),
}
"""Values of each filter that let some models pass and others not."""

_FILTERS = tuple((name, text) for name, texts in VALUES.items() for text in texts)
FILTER_PAIRS: Final = st.lists(
    st.sampled_from(_FILTERS), max_size=4, unique_by=lambda pair: pair[0]
)
SEARCHES: Final = st.sampled_from(("claude", "gpt4o", "same", "cluade", "anthropic sonnet", "zzz"))
SORT_KEYS: Final = st.sampled_from([sign + path for path in SORTABLE for sign in ("", "-")])
SORTS: Final = st.lists(SORT_KEYS, max_size=3)


@st.composite
def questions(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Filters, now and then words, now and then an order. Most let most models pass."""
    pairs = draw(FILTER_PAIRS) if draw(st.booleans()) else []
    if draw(st.integers(0, 3)) == 3:
        pairs = [*pairs, ("q", draw(SEARCHES))]
    keys = draw(SORTS)
    return [*pairs, ("sort", ",".join(keys))] if keys else pairs


def question(pairs: Pairs) -> Question:
    return Question.read(Asked(pairs, QUERY))


def refs_of(shelf: Shelf, pairs: Pairs, now: datetime = NOW) -> list[str]:
    """The refs of all models that are meant, in the order asked for."""
    return [shelf.rows[place].model.ref for place in question(pairs).page(shelf, now).places]


def is_askable(value: str) -> bool:
    """Whether a value can stand in a list that is separated by commas."""
    return "," not in value and value == value.strip() and value.isprintable() and value != ""
