import json
import math
import random
import unicodedata
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.catalog import EFFORTS, MODALITIES, Cost, Life, Listing, Model, Pricing, Row
from service.dialects import DIALECTS, native
from service.errors import UnbelievableError
from service.normalise import normalise
from tests.scenes import PROVIDER

SOURCE = "kilocode"
AT = datetime(2026, 10, 1, tzinfo=UTC)
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no finding."""

# ---- what a valid model is


def assert_text(value: str | None) -> None:
    if value is not None:
        assert isinstance(value, str)
        assert value.strip()
        assert "\0" not in value
        value.encode()  # no surrogates


def assert_line(value: str) -> None:
    assert_text(value)
    assert not any(unicodedata.category(character) == "Cc" for character in value)


def assert_words(words: tuple[str, ...] | None, order: tuple[str, ...] = ()) -> None:
    """Each once, the known ones in their order, then the others alphabetically."""
    if words is not None:
        assert isinstance(words, tuple)
        known = [word for word in order if word in words]
        assert list(words) == known + sorted(set(words) - set(order))
        for word in words:
            assert_line(word)


def assert_flag(value: bool | None) -> None:
    assert value is None or isinstance(value, bool)


def assert_count(value: int | None, lowest: int, highest: int) -> None:
    if value is not None:
        assert type(value) is int
        assert lowest <= value <= highest


def assert_cost(cost: Cost, pricing: Pricing) -> None:
    for field in Cost.__slots__:
        usd = getattr(cost, field)
        if usd is not None:
            assert type(usd) is float
            assert math.isfinite(usd)
            assert 0 <= usd <= 1_000_000
            assert math.copysign(1, usd) == 1
    are_known = cost.input is not None and cost.output is not None
    assert isinstance(pricing, Pricing)
    assert pricing is Pricing.DYNAMIC or (pricing is Pricing.FIXED) == are_known


def assert_dates(model: Model) -> None:
    for at in (model.created, model.expires_at):
        if at is not None:
            assert at.tzinfo is UTC
            assert at.microsecond == 0
    if model.created is not None:
        assert datetime(2000, 1, 1, tzinfo=UTC) <= model.created < datetime(2100, 1, 1, tzinfo=UTC)
    if model.expires_at is not None:
        assert model.expires_at < datetime(2098, 12, 31, tzinfo=UTC)
    assert model.knowledge_cutoff is None or type(model.knowledge_cutoff) is date


def assert_said_by_parameters(model: Model) -> None:
    parameters = model.supported_parameters
    found = (model.reasoning, model.tools, model.structured_output)
    if parameters:
        assert found == (
            "reasoning" in parameters or "include_reasoning" in parameters,
            "tools" in parameters,
            "structured_outputs" in parameters,
        )
    else:
        assert found == (None, None, None)


def assert_encodable(model: Model) -> None:
    row = Row(model=model, life=Life(first_seen=AT, updated_at=AT, revision=1))
    own = orjson.loads(orjson.dumps(native.model(row)))
    assert (own["id"], own["name"], own["ref"]) == (model.id, model.name, model.ref)
    for name in ("created", "expiresAt"):
        if own[name] is not None:
            assert datetime.fromisoformat(own[name]).tzinfo == UTC
    for dialect in DIALECTS:
        told = dialect.row(row, PROVIDER)
        assert told is None or orjson.loads(orjson.dumps(told))


def assert_valid(model: Model) -> None:
    assert model.source == SOURCE
    assert 1 <= len(model.id) <= 256
    assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in model.id)
    if model.name != model.id:
        assert_line(model.name)
    for text in (
        model.author,
        model.description,
        model.tokenizer,
        model.hugging_face_id,
        model.family,
        *model.badges,
    ):
        assert_text(text)
    assert model.input
    assert model.output
    assert_words(model.input, MODALITIES)
    assert_words(model.output, MODALITIES)
    assert_words(model.reasoning_efforts, EFFORTS)
    assert_words(model.supported_parameters)
    assert model.reasoning_efforts != ()
    for flag in (model.free, model.moderated, model.may_train_on_prompts):
        assert_flag(flag)
    for tokens in (model.context_window, model.served_context_window, model.max_tokens):
        assert_count(tokens, 1, 2**53)
    assert_count(model.preferred_index, 0, 2**31)
    assert_cost(model.cost, model.pricing)
    assert_said_by_parameters(model)
    assert_dates(model)
    assert_encodable(model)


def assert_consistent(listing: Listing) -> None:
    ids = [model.id for model in listing.models]
    assert len(ids) == len(set(ids))
    assert list(listing.entries) == ids
    for model in listing.models:
        assert json.loads(listing.entries[model.id])["id"] == model.id
        assert_valid(model)
    assert len(listing.rejects) <= listing.total / 5
    assert all(count > 0 for count in (*listing.bad_fields.values(), *listing.unread_keys.values()))


# ---- what gateways might send

ANY_TEXT = st.text(st.characters(), max_size=12)  # surrogates and controls too
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**50), 10**50)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
TOKENS = st.sampled_from([1, 4096, 8192.0, 2**53, 2**53 + 1, 0, -1, 0.5, True, "8192"])
WORDS = st.lists(
    st.sampled_from(["text", "TEXT", "image", "pdf", "file", "smell", "audio", "", " ", "x\0", 7])
    | ANY_TEXT,
    max_size=6,
)
PARAMETERS = st.lists(
    st.sampled_from(["tools", "reasoning", "include_reasoning", "structured_outputs", "seed"])
    | SCALARS,
    max_size=6,
)
EFFORT = st.sampled_from(["none", "low", "high", "max", "extreme"]) | SCALARS
PRICE = (
    st.sampled_from(["0", "-1", "1e-6", "0.0000003", "1e400", "1e-400", "NaN", "1_0", "", 0, -1])
    | st.decimals(-1, 2, places=14).map(str)
    | st.floats(-1, 2, allow_nan=False)
    | SCALARS
)
NAME = (
    st.lists(
        st.sampled_from(["Opus", " ", "(new)", "(free)", "($$)", "(5% off)", "(", ")", "\n", "\0"]),
        max_size=6,
    ).map("".join)
    | ANY_TEXT
)
DAY = (
    st.sampled_from(["2026-02-30", "2098-12-31", "0001-01-01", "9999-12-31", "2026-01-01T25:61"])
    | st.dates().map(str)
    | SCALARS
)
SECONDS = st.sampled_from([0, 1, -1, 1756238927, 1756238927.0, 4102444800, 10**18]) | SCALARS
ID = (
    st.sampled_from(["a/b", "~a/b", "a", "~", "/", "", "a\0b", "x" * 256, "x" * 257, None, 7])
    | ANY_TEXT
)


def some_of(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with some of these keys, most of them near to what is right, and others."""
    known = {key: value | ANY_JSON if key != "id" else value for key, value in keys.items()}
    unknown = st.dictionaries(ANY_TEXT, SCALARS, max_size=2)
    return st.builds(lambda a, b: b | a, st.fixed_dictionaries({}, optional=known), unknown)


VARIANTS = st.dictionaries(ANY_TEXT, some_of(reasoning=some_of(effort=EFFORT)), max_size=3)
ENTRY = some_of(
    id=ID,
    name=NAME,
    description=ANY_TEXT,
    created=SECONDS,
    context_length=TOKENS,
    architecture=some_of(input_modalities=WORDS, output_modalities=WORDS, tokenizer=ANY_TEXT),
    top_provider=some_of(
        context_length=TOKENS, max_completion_tokens=TOKENS, is_moderated=st.booleans()
    ),
    pricing=some_of(
        prompt=PRICE,
        completion=PRICE,
        input_cache_read=PRICE,
        input_cache_write=PRICE,
        internal_reasoning=PRICE,
        image=PRICE,
        request=PRICE,
        web_search=PRICE,
    ),
    supported_parameters=PARAMETERS,
    reasoning=some_of(supported_efforts=st.lists(EFFORT, max_size=4)),
    opencode=some_of(family=ANY_TEXT, variants=VARIANTS),
    isFree=st.booleans(),
    mayTrainOnYourPrompts=st.booleans(),
    preferredIndex=st.integers(-1, 40),
    hugging_face_id=ANY_TEXT,
    knowledge_cutoff=DAY,
    expiration_date=DAY,
)
PROPER_ID = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf")), min_size=1, max_size=20)


def listing_of(*entries: object) -> Listing:
    return normalise(json.dumps({"data": entries}).encode(), SOURCE)


def one(entry: dict[str, Any]) -> Model:
    return listing_of(entry).models[0]


# ---- the properties


@settings(CALM, max_examples=150)
@given(ENTRY, PROPER_ID)
def test_an_entry_with_a_usable_id_is_a_valid_model_whatever_else_it_holds(
    entry: dict[str, Any], model_id: str
) -> None:
    listing = listing_of(entry | {"id": model_id})

    assert [model.id for model in listing.models] == [model_id]
    assert_consistent(listing)


@settings(CALM, max_examples=80)
@given(st.lists(ENTRY | ANY_JSON, max_size=4), st.integers(0, 16))
def test_no_list_of_whatever_makes_more_trouble_than_a_refusal(
    entries: list[Any], good: int
) -> None:
    try:
        listing = listing_of(*entries, *({"id": f"good/{number}"} for number in range(good)))
    except UnbelievableError:
        return
    assert listing.total == len(entries) + good
    assert_consistent(listing)


@settings(CALM, max_examples=100)
@given(
    st.binary(max_size=40)
    | st.text(max_size=40).map(str.encode)
    | st.text('{}[],:"ad0-. eNuls\\\n', max_size=30).map(lambda s: ('{"data":' + s).encode())
)
def test_no_bytes_whatever_make_more_trouble_than_a_refusal(body: bytes) -> None:
    try:
        listing = normalise(body, SOURCE)
    except UnbelievableError:
        return
    assert_consistent(listing)


@settings(CALM, max_examples=100)
@given(ENTRY, st.integers(0), st.binary(max_size=3), st.integers(0, 3))
def test_no_damage_to_a_good_body_makes_more_trouble_than_a_refusal(
    entry: dict[str, Any], at: int, put: bytes, cut: int
) -> None:
    body = json.dumps({"data": [entry | {"id": "a/b"}, {"id": "c/d"}]}).encode()
    at %= len(body) + 1
    try:
        listing = normalise(body[:at] + put + body[at + cut :], SOURCE)
    except UnbelievableError:
        return
    assert_consistent(listing)


def shuffled(value: Any, chance: random.Random, *, lists: bool) -> Any:
    """The same with other key order, and with lists of words in other order.

    What is in variants is told again as it is, whatever it may be: a list there is not of words.
    """
    if isinstance(value, dict):
        items = [
            (k, shuffled(v, chance, lists=lists and k != "variants")) for k, v in value.items()
        ]
        chance.shuffle(items)
        return dict(items)
    if isinstance(value, list) and lists:
        return chance.sample(value, len(value))
    return value


@settings(CALM, max_examples=80)
@given(ENTRY, st.randoms(use_true_random=False))
def test_the_order_of_keys_and_within_lists_means_nothing(
    entry: dict[str, Any], chance: random.Random
) -> None:
    entry["id"] = "a/b"

    assert one(shuffled(entry, chance, lists=True)) == one(entry)


@settings(CALM, max_examples=60)
@given(ENTRY, st.dictionaries(ANY_TEXT.map("unread-".__add__), ANY_JSON, min_size=1, max_size=3))
def test_keys_that_nobody_reads_mean_nothing(entry: dict[str, Any], unread: dict[str, Any]) -> None:
    entry["id"] = "a/b"
    more = {
        key: value | unread
        if key in {"architecture", "top_provider", "pricing", "opencode", "reasoning"}
        and isinstance(value, dict)
        else value
        for key, value in entry.items()
    }

    assert one(more | unread) == one(entry)


USD = st.decimals(0, "0.5", places=15, allow_nan=False) | st.decimals(0, "0.00001", places=12)


@settings(CALM, max_examples=100)
@given(USD, st.integers(0, 20))
def test_the_text_form_of_a_price_means_nothing(usd: Any, zeros: int) -> None:
    plain = f"{usd:f}"
    forms = [plain, plain + "0" * zeros, f"{usd:e}", f"{usd:E}", f"+{plain}", plain.lstrip("0")]

    models = {one({"id": "a/b", "pricing": {"prompt": form, "image": form}}) for form in forms}

    assert len(models) == 1
    assert models.pop().cost.input is not None


@settings(CALM, max_examples=250)
@given(
    st.from_regex(
        r"[+-]?([0-9]{1,8}|[0-9]{0,2}\.[0-9]{1,60})([eE][+-]?[0-9]{1,3})?", fullmatch=True
    )
)
def test_a_price_is_what_exact_arithmetic_says(text: str) -> None:
    model = one({"id": "a/b", "pricing": {"prompt": text, "request": text}})

    is_negative = Fraction(text) < 0
    assert (model.pricing is Pricing.DYNAMIC) == is_negative
    for found, usd in (
        (model.cost.input, Fraction(text) * 10**6),
        (model.cost.request, Fraction(text)),
    ):
        is_absurd = usd > 10**6 or (usd > 0 and usd < Fraction(5, 10**324) / 2)
        if is_negative or is_absurd:
            assert found is None
        else:
            assert found == usd.numerator / usd.denominator


@settings(CALM, max_examples=40)
@given(st.lists(ENTRY, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_an_entry_means_the_same_alone_and_in_any_list(
    entries: list[dict[str, Any]], chance: random.Random
) -> None:
    named = [entry | {"id": f"a/{number}"} for number, entry in enumerate(entries)]
    alone = [listing_of(entry) for entry in named]
    order = chance.sample(range(len(named)), len(named))

    together = listing_of(*(named[number] for number in order))

    assert together.models == tuple(alone[number].models[0] for number in order)
    for path in together.bad_fields.keys() | {p for each in alone for p in each.bad_fields}:
        counts = [each.bad_fields.get(path, 0) for each in alone]
        assert together.bad_fields.get(path, 0) == sum(counts)
