"""What the tests of dialects share: catalogs to speak of, and any model that there could be."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import orjson
from hypothesis import strategies as st

import fixtures
from service.catalog import FALLBACK, KILOCODE, Catalog, Cost, Life, Model, Origin, Pricing, Row
from service.dialects.dialect import Dialect
from service.lifecycle import advance
from service.merge import merge
from service.normalise import normalise
from tests.scenes import PROVIDER, snapshot_of, spoken

Json = dict[str, Any]

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
OCTOBER = "kilo-2026-10-01.json"
LISTS = [OCTOBER, "kilo-2026-11-01.json", "hostile-2026-10-01.json"]


def catalog_of(*models: Model) -> Catalog:
    """These models as discovered, and the fallback."""
    step = advance((), models, at=AT, revision=1, grace=timedelta(days=1))
    return merge(
        (*step.rows, *(fallback(model) for model in FALLBACK)),
        revision=1,
        updated_at=AT,
        modified_at=AT,
    )


def fallback(model: Model) -> Row:
    life = Life(first_seen=AT, updated_at=AT, revision=1)
    return Row(model=model, life=life, origin=Origin.FALLBACK)


def catalog_of_list(name: str) -> Catalog:
    return catalog_of(*normalise(fixtures.path(name).read_bytes(), KILOCODE).models)


def said(**facts: Any) -> Model:
    """A model of which this is known, and the usual of its limits and prices."""
    usual = Model(
        source=KILOCODE,
        id="a/b",
        name="A: B",
        context_window=200_000,
        max_tokens=8192,
        cost=Cost(input=3.0, output=15.0),
        pricing=Pricing.FIXED,
    )
    return replace(usual, **facts)


def body(catalog: Catalog, path: str, **asked: str) -> bytes:
    return spoken(snapshot_of(catalog), path, **asked).body


def document(catalog: Catalog, path: str, **asked: str) -> Any:
    """What a client reads at that path."""
    return orjson.loads(body(catalog, path, **asked))


def exported(dialect: Dialect, catalog: Catalog) -> Any:
    """What is exported in that dialect, as it is read."""
    return orjson.loads(dialect.body(dialect.endpoints[0], dialect.subject(catalog, PROVIDER)))


def numbers(value: object) -> Iterator[float]:
    """Every number in a document, however deep."""
    match value:
        case bool():
            return
        case int() | float():
            yield value
        case dict():
            for below in value.values():
                yield from numbers(below)
        case list():
            for below in value:
                yield from numbers(below)
        case _:
            return


# ── any model ─────────────────────────────────────────────────────────────────────────────────

_TEXT = st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Z", "Cf", "Co", "Cn"))
_WORDS = st.text(_TEXT, min_size=1, max_size=20)
_USD = st.one_of(
    st.none(),
    st.sampled_from([0.0, 3.0, 0.3, 0.1, 1e-6, 1e-7, 123456.789, 1_000_000.0, 0.08333333333333334]),
    st.floats(min_value=1e-12, max_value=1e6),
)
_KINDS = ("text", "image", "audio", "video", "file", "pdf")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_TOKENS = st.one_of(st.none(), st.integers(1, 2**53))
_FLAG = st.sampled_from([None, True, False])
_NAMES = st.one_of(
    _WORDS, st.sampled_from(["</script>&\u2028\u2029", "\\\"'", "🦊", "\ufeff\uffff"])
)


def _some(words: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    kinds = st.lists(st.one_of(st.sampled_from(words), _WORDS), min_size=1, max_size=5, unique=True)
    return kinds.map(tuple)


_DAYS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(  # noqa: DTZ001 — UTC next
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)

MODELS = st.builds(
    partial(Model, source=KILOCODE),
    id=_NAMES,
    name=_NAMES,
    author=st.none() | _WORDS,
    description=st.none() | _NAMES,
    input=_some(_KINDS),
    output=_some((*_KINDS, "embeddings")),
    reasoning=_FLAG,
    reasoning_efforts=st.none() | _some(_EFFORTS),
    tools=_FLAG,
    structured_output=_FLAG,
    context_window=_TOKENS,
    served_context_window=_TOKENS,
    max_tokens=_TOKENS,
    cost=st.builds(Cost, **dict.fromkeys(Cost.__slots__, _USD)),
    free=_FLAG,
    supported_parameters=st.none() | _some(("tools", "tool_choice", "temperature", "verbosity")),
    moderated=_FLAG,
    may_train_on_prompts=_FLAG,
    hugging_face_id=st.none() | _WORDS,
    family=st.none() | _WORDS,
    created=st.none() | _DAYS,
    knowledge_cutoff=st.none() | st.dates(date(2000, 1, 1)),
    expires_at=st.none() | _DAYS,
    preferred_index=st.none() | st.integers(0, 2**31 - 1),
    hints=st.none() | st.just('{"opencode":{"variants":{"low":{"reasoning":{"effort":"low"}}}}}'),
)
"""Any model that a gateway's list can be normalised to, or nearly so."""

CATALOGS = st.lists(MODELS, max_size=6, unique_by=lambda model: model.id).map(
    lambda models: catalog_of(*models)
)
