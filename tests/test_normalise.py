import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

import fixtures
from service.catalog import Cost, Listing, Model, Pricing, Reason
from service.errors import UnbelievableError
from service.normalise import normalise

SOURCE = "kilocode"


def body_of(*entries: object) -> bytes:
    return json.dumps({"data": entries}).encode()


def listing_of(*entries: object) -> Listing:
    return normalise(body_of(*entries), SOURCE)


def one(**fields: object) -> Model:
    """The model of an entry that says this."""
    return listing_of({"id": "a/b", **fields}).models[0]


def bad(**fields: object) -> dict[str, int]:
    """What such an entry has that breaks a rule."""
    return dict(listing_of({"id": "a/b", **fields}).bad_fields)


def among_good(entry: object) -> Listing:
    """An entry among so many good ones that the list is believed without it."""
    return listing_of(entry, *({"id": f"good/{number}"} for number in range(4)))


def refusal(body: bytes) -> UnbelievableError:
    with pytest.raises(UnbelievableError) as caught:
        normalise(body, SOURCE)
    return caught.value


def named(cases: dict[str, Any]) -> list[Any]:
    """Parameters with ids of our own; a tuple is several."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), id=name)
        for name, case in cases.items()
    ]


def test_an_entry_that_says_nothing_gives_a_model_that_knows_nothing() -> None:
    assert one() == Model(source="kilocode", id="a/b", name="a/b", author="a")
    assert bad() == {}


def test_a_null_is_unknown_and_not_bad() -> None:
    listing = listing_of(
        {
            "id": "a/b",
            "name": None,
            "created": None,
            "architecture": {"input_modalities": None, "tokenizer": None},
            "top_provider": None,
            "pricing": {"prompt": None},
            "context_length": None,
            "supported_parameters": None,
            "isFree": None,
            "expiration_date": None,
        }
    )

    assert listing.models == (one(),)
    assert listing.bad_fields == {}


# ---- modalities and abilities


@pytest.mark.parametrize(
    ("said", "normal"),
    [
        (["text"], ("text",)),
        (["image", "text"], ("text", "image")),
        (
            ["pdf", "file", "video", "audio", "image", "text"],
            ("text", "image", "audio", "video", "file", "pdf"),
        ),
        (["TEXT", "Text", "text", "IMAGE"], ("text", "image")),
        (["zebra", "pdf", "Aardvark"], ("pdf", "aardvark", "zebra")),
        (["audio"], ("audio",)),
        ([], ("text",)),
        (None, ("text",)),
    ],
)
def test_modalities_are_lower_case_and_in_one_order_whatever_the_gateways(
    said: list[str] | None, normal: tuple[str, ...]
) -> None:
    assert one(architecture={"input_modalities": said}).input == normal
    assert one(architecture={"output_modalities": said}).output == normal


@pytest.mark.parametrize(
    ("parameters", "abilities"),
    [
        (["reasoning"], (True, False, False)),
        (["include_reasoning"], (True, False, False)),
        (["tools"], (False, True, False)),
        (["tool_choice"], (False, False, False)),
        (["structured_outputs"], (False, False, True)),
        (["response_format"], (False, False, False)),
        (["max_tokens"], (False, False, False)),
        (["tools", "reasoning", "structured_outputs"], (True, True, True)),
        (["Tools"], (False, False, False)),
        ([], (None, None, None)),
        (None, (None, None, None)),
        ("tools", (None, None, None)),
    ],
)
def test_abilities_are_read_from_the_parameters_and_unknown_without_any(
    parameters: object, abilities: tuple[bool | None, ...]
) -> None:
    model = one(supported_parameters=parameters)

    assert (model.reasoning, model.tools, model.structured_output) == abilities


def test_parameters_are_sorted_and_said_once() -> None:
    model = one(supported_parameters=["tools", "max_tokens", "tools"])

    assert model.supported_parameters == ("max_tokens", "tools")


def test_an_empty_list_of_parameters_is_not_the_same_as_none() -> None:
    assert one(supported_parameters=[]).supported_parameters == ()
    assert one().supported_parameters is None


def test_a_bad_word_is_dropped_from_its_list_which_is_counted_once() -> None:
    fields = {"supported_parameters": ["tools", 7, None, "", " ", "x\0", "\ud800", "y" * 101]}

    assert one(**fields).supported_parameters == ("tools",)
    assert bad(**fields) == {"supported_parameters": 1}


@pytest.mark.parametrize(
    ("fields", "efforts"),
    [
        ({}, None),
        ({"opencode": {"variants": {}}}, None),
        ({"reasoning": {"supported_efforts": []}}, None),
        ({"reasoning": {"supported_efforts": ["high", "none", "low"]}}, ("none", "low", "high")),
        (
            {"opencode": {"variants": {"thinking": {"reasoning": {"effort": "high"}}}}},
            ("high",),
        ),
        (
            {
                "opencode": {"variants": {"x": {"reasoning": {"effort": "max"}}}},
                "reasoning": {"supported_efforts": ["low"]},
            },
            ("max",),
        ),
        (
            {"opencode": {"variants": {"x": None, "y": {"reasoning": 1}, "z": {}}}},
            None,
        ),
    ],
)
def test_reasoning_efforts_are_those_of_the_variants_or_else_of_the_upstream(
    fields: dict[str, object], efforts: tuple[str, ...] | None
) -> None:
    assert one(**fields).reasoning_efforts == efforts


# ---- numbers of tokens

TOKENS: dict[str, tuple[str, int | None]] = {
    "one": ("1", 1),
    "an-integer": ("8192", 8192),
    "an-integer-as-a-float": ("8192.0", 8192),
    "an-integer-with-an-exponent": ("8.192e3", 8192),
    "the-greatest": (str(2**53), 2**53),
    "the-greatest-and-one": (str(2**53 + 1), None),
    "zero": ("0", None),
    "zero-as-a-float": ("0.0", None),
    "negative": ("-1", None),
    "a-fraction": ("4096.5", None),
    "true": ("true", None),
    "false": ("false", None),
    "a-string": ('"8192"', None),
    "a-list": ("[8192]", None),
    "an-object": ("{}", None),
    "64-bits": (str(2**64), None),
    "a-huge-float": ("1e300", None),
    "30-digits": ("9" * 30, None),
    "5000-digits": ("9" * 5000, None),
    "5000-digits-negative": ("-" + "9" * 5000, None),
}


@pytest.mark.parametrize(("text", "tokens"), named(TOKENS))
def test_only_positive_integers_that_every_reader_can_hold_count_as_tokens(
    text: str, tokens: int | None
) -> None:
    body = (
        f'{{"data": [{{"id": "a/b", "context_length": {text}, "top_provider":'
        f' {{"context_length": {text}, "max_completion_tokens": {text}}}}}]}}'
    )

    listing = normalise(body.encode(), SOURCE)

    (model,) = listing.models
    found = (model.context_window, model.served_context_window, model.max_tokens)
    assert found == (tokens,) * 3
    assert {type(number) for number in found} <= {int, type(None)}
    assert sum(listing.bad_fields.values()) == (3 if tokens is None else 0)


# ---- prices

PRICES: dict[str, tuple[object, float]] = {
    "a-decimal": ("0.000003", 3),
    "exactly-0.3": ("0.0000003", 0.3),
    "exactly-0.1": ("0.0000001", 0.1),
    "exactly-3.75": ("0.00000375", 3.75),
    "exactly-0.07": ("0.00000007", 0.07),
    "exactly-1.1": ("0.0000011", 1.1),
    "many-digits": ("0.00000008333333333333334", 0.08333333333333334),
    "trailing-zeros": ("0.000001400000", 1.4),
    "upper-exponent": ("4E-7", 0.4),
    "lower-exponent": ("4e-7", 0.4),
    "a-plus": ("+0.000001", 1),
    "no-leading-zero": (".000001", 1),
    "zero": ("0", 0),
    "long-zero": ("0.000000000000", 0),
    "minus-zero": ("-0", 0),
    "the-greatest": ("1", 1_000_000),
    "a-number": (1.2e-06, 1.2),
    "a-number-exactly-0.3": (0.0000003, 0.3),
    "the-number-zero": (0, 0),
    "the-number-one": (1, 1_000_000),
}


@pytest.mark.parametrize(("said", "usd"), named(PRICES))
def test_a_price_per_token_is_exact_per_million_in_any_text_form(said: object, usd: float) -> None:
    fields = {"pricing": {"prompt": said, "completion": said}}

    cost = one(**fields).cost

    assert (repr(cost.input), repr(cost.output)) == (repr(float(usd)),) * 2
    assert one(**fields).pricing is Pricing.FIXED
    assert bad(**fields) == {}


UNKNOWN_PRICES: dict[str, object] = {
    "nan": "NaN",
    "infinity": "Infinity",
    "minus-infinity": "-Infinity",
    "beyond-a-double": "1e400",
    "far-beyond-a-double": "1e999999999",
    "below-a-double": "1e-400",
    "underscore": "1_000",
    "empty": "",
    "blank": " ",
    "hexadecimal": "0x10",
    "comma": "0,000001",
    "other-digits": "\u0660.\u0660\u0661",
    "dollar": "$0.000001",
    "word": "free",
    "absurd": "2",
    "just-absurd": "1.0000001",
    "absurd-number": 1e300,
    "absurd-integer": 10**30,
    "too-long": "0." + "0" * 100 + "1",
    "true": True,
    "false": False,
    "list": [],
    "object": {},
}


@pytest.mark.parametrize("said", named(UNKNOWN_PRICES))
def test_a_price_that_is_none_is_unknown_and_never_zero(said: object) -> None:
    fields = {"pricing": {"prompt": said, "completion": "0.000001"}}

    assert one(**fields).cost == Cost(input=None, output=1)
    assert one(**fields).pricing is Pricing.UNKNOWN
    assert one(**fields).free is None
    assert bad(**fields) == {"pricing.prompt": 1}


TIE = "0.00000100000000000000011102230246251565404236316680908203125"
"""USD per token; per million it lies half-way between the double 1 and the next one."""


@pytest.mark.parametrize(
    ("said", "usd"), [(TIE, 1.0), (TIE + "1", 1.0000000000000002), (TIE[:-1], 1.0)]
)
def test_a_price_is_the_double_nearest_to_all_of_its_digits(said: str, usd: float) -> None:
    assert one(pricing={"prompt": said}).cost.input == usd
    assert one(pricing={"request": said.replace("0.000001", "1.", 1)}).cost.request == usd


@pytest.mark.parametrize("said", ["-1", "-0.5", "-1e-400", -2, -0.000001])
@pytest.mark.parametrize(
    "name",
    [
        "prompt",
        "completion",
        "input_cache_read",
        "input_cache_write",
        "internal_reasoning",
        "image",
        "request",
        "web_search",
    ],
)
def test_a_negative_price_is_unknown_and_makes_the_pricing_dynamic(name: str, said: object) -> None:
    model = one(pricing={"prompt": "0", "completion": "0"} | {name: said})

    assert model.pricing is Pricing.DYNAMIC
    prices = [getattr(model.cost, field) for field in Cost.__slots__]
    assert {price for price in prices if price is not None} <= {0}
    assert bad(pricing={name: said}) == {}


def test_each_price_has_its_unit() -> None:
    model = one(
        pricing={
            "prompt": "0.000001",
            "completion": "0.000002",
            "input_cache_read": "0.000003",
            "input_cache_write": "0.000004",
            "internal_reasoning": "0.000005",
            "image": "0.006",
            "request": "0.007",
            "web_search": "0.008",
        }
    )

    assert model.cost == Cost(
        input=1,
        output=2,
        cache_read=3,
        cache_write=4,
        reasoning=5,
        image=0.006,
        request=0.007,
        web_search=0.008,
    )


@pytest.mark.parametrize(
    ("pricing", "expected"),
    [
        ({"prompt": "1e-6", "completion": "1e-6"}, Pricing.FIXED),
        ({"prompt": "0", "completion": "0"}, Pricing.FIXED),
        ({"prompt": "1e-6"}, Pricing.UNKNOWN),
        ({"completion": "1e-6"}, Pricing.UNKNOWN),
        ({"request": "1"}, Pricing.UNKNOWN),
        ({}, Pricing.UNKNOWN),
        ("free", Pricing.UNKNOWN),
        ([], Pricing.UNKNOWN),
    ],
)
def test_pricing_is_fixed_when_both_main_prices_are_known(
    pricing: object, expected: Pricing
) -> None:
    assert one(pricing=pricing).pricing is expected


@pytest.mark.parametrize(
    ("said", "prompt", "completion", "free"),
    [
        (True, "0.000001", "0.000001", True),
        (False, "0", "0", False),
        (True, None, None, True),
        (None, "0", "0", True),
        (None, "0", "0.000001", False),
        (None, "0.000001", "0", False),
        (None, "0", None, None),
        (None, None, "0", None),
        (None, "0.000001", None, None),
        (None, "-1", "-1", None),
        ("yes", "0", "0", True),
        (1, "0.000001", "0", False),
    ],
)
def test_free_is_the_gateways_word_or_else_both_prices_at_zero(
    said: object, prompt: str | None, completion: str | None, free: bool | None
) -> None:
    assert one(isFree=said, pricing={"prompt": prompt, "completion": completion}).free is free


# ---- names

NAMES: list[tuple[object, str, tuple[str, ...]]] = [
    ("Opus", "Opus", ()),
    ("  Opus ", "Opus", ()),
    ("Opus (new)", "Opus", ("new",)),
    ("Opus (New) ", "Opus", ("New",)),
    ("Opus ($$$$)", "Opus", ("$$$$",)),
    ("Opus ($)", "Opus", ("$",)),
    ("Opus (50% off)", "Opus", ("50% off",)),
    ("Opus (retires Aug 17)", "Opus", ("retires Aug 17",)),
    ("Opus (lowest price)", "Opus", ("lowest price",)),
    ("Opus (free)", "Opus (free)", ()),
    ("Opus (Fast)", "Opus (Fast)", ()),
    ("Opus (thinking)", "Opus (thinking)", ()),
    ("Opus (beta)", "Opus (beta)", ()),
    ("Opus (8B)", "Opus (8B)", ()),
    ("Opus (2024-08-06)", "Opus (2024-08-06)", ()),
    ("Opus (newer)", "Opus (newer)", ()),
    ("Opus (renewed)", "Opus (renewed)", ()),
    ("Opus (self-moderated)", "Opus (self-moderated)", ()),
    ("Opus (Fast) ($$$$)", "Opus (Fast)", ("$$$$",)),
    ("Opus (free) (new)", "Opus (free)", ("new",)),
    ("Opus (50% off) (retires Nov 30)", "Opus", ("50% off", "retires Nov 30")),
    ("Opus (8B) (new) ($$)", "Opus (8B)", ("new", "$$")),
    ("(new) Opus", "(new) Opus", ()),
    ("Opus (new", "Opus (new", ()),
    ("Opus new)", "Opus new)", ()),
    ("Opus ()", "Opus ()", ()),
    ("\U0001f98a", "\U0001f98a", ()),
    ("(new)", "a/b", ("new",)),
    ("", "a/b", ()),
    ("   ", "a/b", ()),
    ("\n", "a/b", ()),
    (None, "a/b", ()),
]


@pytest.mark.parametrize(("said", "name", "badges"), NAMES)
def test_marketing_behind_a_name_becomes_badges_and_identity_stays(
    said: object, name: str, badges: tuple[str, ...]
) -> None:
    assert (one(name=said).name, one(name=said).badges) == (name, badges)
    assert bad(name=said) == {}


@pytest.mark.parametrize("said", [7, True, ["x"], {}, "nul\0", "\udfff"])
def test_a_name_that_is_no_text_is_counted_and_the_id_stands_in(said: object) -> None:
    assert one(name=said).name == "a/b"
    assert bad(name=said) == {"name": 1}


def test_a_name_is_one_line() -> None:
    name = one(name="Awful\r\nSet-Cookie: a=b\x1b[31m\x85").name

    assert name == "Awful  Set-Cookie: a=b [31m"


def test_a_name_of_nothing_but_brackets_is_read_in_no_time() -> None:
    name = "(new)" * 200_000  # the square of it would be minutes

    assert one(name=name).name.startswith("(new)")


# ---- dates

DUMMY = 1756238927


@pytest.mark.parametrize(
    ("said", "created", "is_bad"),
    [
        (DUMMY, datetime(2025, 8, 26, 20, 8, 47, tzinfo=UTC), False),
        (float(DUMMY), datetime(2025, 8, 26, 20, 8, 47, tzinfo=UTC), False),
        (0, None, False),
        (-1, None, True),
        (1, None, True),
        (10**18, None, True),
        (253402300800, None, True),
        (DUMMY * 1000, None, True),
        (DUMMY + 0.5, None, True),
        (True, None, True),
        (str(DUMMY), None, True),
        ([], None, True),
    ],
)
def test_created_is_a_time_or_unknown(said: object, created: datetime | None, is_bad: bool) -> None:
    assert one(created=said).created == created
    assert bad(created=said) == ({"created": 1} if is_bad else {})


@pytest.mark.parametrize(
    ("said", "expires", "is_bad"),
    [
        ("2026-08-17", datetime(2026, 8, 17, tzinfo=UTC), False),
        ("2026-08-17T00:00:00Z", datetime(2026, 8, 17, tzinfo=UTC), False),
        ("2098-12-30", datetime(2098, 12, 30, tzinfo=UTC), False),
        ("2098-12-31", None, False),
        ("2099-01-01", None, False),
        ("9999-12-31", None, False),
        ("2026-02-30", None, True),
        ("0000-01-01", None, True),
        ("soon", None, True),
        ("", None, True),
        (20260817, None, True),
        (True, None, True),
    ],
)
def test_an_expiry_at_the_sentinel_or_later_is_none_at_all(
    said: object, expires: datetime | None, is_bad: bool
) -> None:
    assert one(expiration_date=said).expires_at == expires
    assert bad(expiration_date=said) == ({"expiration_date": 1} if is_bad else {})


def test_a_knowledge_cutoff_is_a_day() -> None:
    assert one(knowledge_cutoff="2026-01-31").knowledge_cutoff == date(2026, 1, 31)
    assert bad(knowledge_cutoff="last spring") == {"knowledge_cutoff": 1}


# ---- what only Kilo's own clients read


VARIANTS: dict[str, dict[str, Any]] = {
    "max": {"verbosity": "max", "reasoning": {"enabled": True, "effort": "xhigh"}},
    "instant": {"reasoning": {"effort": "none", "enabled": False}},
    "low": {"reasoning": {"enabled": True, "effort": "low"}},
}


def test_hints_are_kept_in_one_form_and_variants_in_the_order_of_their_efforts() -> None:
    model = one(
        autoRouting={"models": ["a/c", "a/b"], "more": 1},
        terminalBench={"overallScore": 0.5, "avgAttemptCostUsd": 188},
        opencode={"prompt": "codex", "ai_sdk_provider": "openai", "variants": VARIANTS, "more": 1},
    )

    assert model.hints == (
        '{"autoRouting":{"models":["a/c","a/b"]},'
        '"opencode":{"ai_sdk_provider":"openai","prompt":"codex","variants":{'
        '"instant":{"reasoning":{"effort":"none","enabled":false}},'
        '"low":{"reasoning":{"effort":"low","enabled":true}},'
        '"max":{"reasoning":{"effort":"xhigh","enabled":true},"verbosity":"max"}}},'
        '"terminalBench":{"avgAttemptCostUsd":188.0,"overallScore":0.5}}'
    )


def test_the_order_of_keys_makes_no_other_hints() -> None:
    turned = {name: dict(reversed(said.items())) for name, said in reversed(VARIANTS.items())}

    assert one(opencode={"variants": VARIANTS}) == one(opencode={"variants": turned})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"opencode": {}},
        {"opencode": {"variants": {}, "family": "x"}},
        {"autoRouting": {"models": []}},
    ],
)
def test_where_there_is_no_hint_there_are_none(fields: dict[str, object]) -> None:
    assert one(**fields).hints is None
    assert bad(**fields) == {}


@pytest.mark.parametrize(
    "variant",
    [
        None,
        "high",
        ["high"],
        {"x": "\ud800"},
        {"\ud800": 1},
        {"x": 10**50},
        {"x": "y" * 5000},
        json.loads('{"x":' * 6 + "1" + "}" * 6),
    ],
    ids=["null", "text", "list", "surrogate", "key", "number", "length", "depth"],
)
def test_a_variant_that_some_client_could_not_read_is_left_out_alone(variant: object) -> None:
    fields = {"opencode": {"variants": {"high": variant, "low": VARIANTS["low"]}}}

    assert one(**fields) == one(opencode={"variants": {"low": VARIANTS["low"]}})
    assert bad(**fields) == {"opencode.variants": 1}


# ---- other facts


def test_plain_facts_are_taken_over() -> None:
    model = one(
        description=" As sent. ",
        architecture={"tokenizer": "Claude"},
        top_provider={"is_moderated": True},
        mayTrainOnYourPrompts=True,
        hugging_face_id="a/B",
        opencode={"family": "claude"},
        preferredIndex=0,
    )

    assert model == Model(
        source="kilocode",
        id="a/b",
        name="a/b",
        author="a",
        description=" As sent. ",
        tokenizer="Claude",
        moderated=True,
        may_train_on_prompts=True,
        hugging_face_id="a/B",
        family="claude",
        preferred_index=0,
    )


def test_blank_text_says_nothing() -> None:
    model = one(description="  ", hugging_face_id="", opencode={"family": ""})

    assert (model.description, model.hugging_face_id, model.family) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"description": 7}, "description"),
        ({"description": "nul\0"}, "description"),
        ({"description": "\udc00"}, "description"),
        ({"hugging_face_id": []}, "hugging_face_id"),
        ({"isFree": "yes"}, "isFree"),
        ({"isFree": 1}, "isFree"),
        ({"mayTrainOnYourPrompts": 0}, "mayTrainOnYourPrompts"),
        ({"preferredIndex": -1}, "preferredIndex"),
        ({"preferredIndex": 2**64}, "preferredIndex"),
        ({"preferredIndex": True}, "preferredIndex"),
        ({"supported_parameters": "tools"}, "supported_parameters"),
        ({"architecture": []}, "architecture"),
        ({"architecture": {"input_modalities": "text"}}, "architecture.input_modalities"),
        ({"architecture": {"output_modalities": [7]}}, "architecture.output_modalities"),
        ({"architecture": {"tokenizer": 7}}, "architecture.tokenizer"),
        ({"top_provider": "x"}, "top_provider"),
        ({"top_provider": {"is_moderated": "no"}}, "top_provider.is_moderated"),
        ({"pricing": "free"}, "pricing"),
        ({"opencode": []}, "opencode"),
        ({"opencode": {"family": 7}}, "opencode.family"),
        ({"opencode": {"variants": []}}, "opencode.variants"),
        ({"opencode": {"variants": {"": {}}}}, "opencode.variants"),
        ({"opencode": {"prompt": []}}, "opencode.prompt"),
        ({"opencode": {"ai_sdk_provider": ""}}, "opencode.ai_sdk_provider"),
        ({"autoRouting": ["a/b"]}, "autoRouting"),
        ({"autoRouting": {}}, "autoRouting"),
        ({"autoRouting": {"models": ["a/b", 7]}}, "autoRouting"),
        ({"terminalBench": 7}, "terminalBench"),
        ({"terminalBench": {"overallScore": 1}}, "terminalBench"),
        ({"terminalBench": {"overallScore": True, "avgAttemptCostUsd": 1}}, "terminalBench"),
        ({"terminalBench": {"overallScore": "1", "avgAttemptCostUsd": 1}}, "terminalBench"),
        ({"reasoning": "much"}, "reasoning"),
        ({"reasoning": {"supported_efforts": "high"}}, "reasoning.supported_efforts"),
    ],
)
def test_a_bad_field_becomes_unknown_alone_and_is_counted_by_its_path(
    fields: dict[str, object], path: str
) -> None:
    assert one(**fields) == one()
    assert bad(**fields) == {path: 1}


def test_bad_fields_add_up_over_the_list() -> None:
    listing = listing_of(*({"id": f"a/{number}", "context_length": "x"} for number in range(3)))

    assert listing.bad_fields == {"context_length": 3}


def test_keys_that_nobody_reads_are_counted_by_their_path() -> None:
    entry = {
        "x": 1,
        "architecture": {"modality": "text->text"},
        "top_provider": {"y": None},
        "pricing": {"discount": 0, "prompt": "0"},
        "bad\0key": 1,
    }

    listing = listing_of({"id": "a/1", **entry}, {"id": "a/2", "x": 2})

    assert listing.unread_keys == {
        "x": 2,
        "architecture.modality": 1,
        "top_provider.y": 1,
        "pricing.discount": 1,
        "(unprintable)": 1,
    }


def test_a_gateway_cannot_fill_the_log_with_keys() -> None:
    listing = listing_of({"id": "a/b"} | {f"key-{number}": 1 for number in range(1000)})

    assert len(listing.unread_keys) == 100


# ---- ids

GOOD_IDS = {
    "one-character": "x",
    "256-characters": "x" * 256,
    "a-space": "a b",
    "nothing-but-a-space": " ",
    "dots": "../a",
    "a-query": "a/?b=c&d#e",
    "percent": "a/%2Fb",
    "script": "<script>",
    "accents": "a/\u00fcn\u00ef",
    "not-composed": "a/cafe\u0301",
    "astral": "a/\U0001f98a",
    "256-astral-characters": "\U0001f98a" * 256,
}


@pytest.mark.parametrize("model_id", named(GOOD_IDS))
def test_an_odd_id_is_kept_as_it_is(model_id: str) -> None:
    listing = among_good({"id": model_id})

    assert listing.models[0].id == model_id
    assert listing.rejects == ()


UNUSABLE: dict[str, tuple[object, str]] = {
    "null": (None, "not_an_object"),
    "a-string": ("a/b", "not_an_object"),
    "a-number": (7, "not_an_object"),
    "a-list": (["a/b"], "not_an_object"),
    "no-id": ({"name": "x"}, "no_id"),
    "id-null": ({"id": None}, "no_id"),
    "id-a-number": ({"id": 7}, "no_id"),
    "id-a-list": ({"id": ["a/b"]}, "no_id"),
    "id-empty": ({"id": ""}, "id_length"),
    "id-of-257": ({"id": "x" * 257}, "id_length"),
    "id-of-100-kB": ({"id": "x" * 100_000}, "id_length"),
    "id-with-nul": ({"id": "a\0b"}, "id_characters"),
    "id-with-line-feed": ({"id": "a\nb"}, "id_characters"),
    "id-with-delete": ({"id": "a\x7fb"}, "id_characters"),
    "id-with-c1": ({"id": "a\x85b"}, "id_characters"),
    "id-with-bidi-override": ({"id": "a\u202eb"}, "id_characters"),
    "id-with-bidi-isolate": ({"id": "a\u2066b"}, "id_characters"),
    "id-with-low-surrogate": ({"id": "a\udc00b"}, "id_characters"),
    "id-with-high-surrogate": ({"id": "a\ud800b"}, "id_characters"),
}


@pytest.mark.parametrize(("entry", "reason"), named(UNUSABLE))
def test_an_unusable_entry_is_rejected_alone_with_its_place_and_reason(
    entry: object, reason: str
) -> None:
    listing = among_good(entry)

    assert [(reject.index, reject.reason) for reject in listing.rejects] == [(0, reason)]
    assert [model.id for model in listing.models] == [f"good/{number}" for number in range(4)]
    assert listing.total == 5
    assert listing.bad_fields == {}


@pytest.mark.parametrize(
    ("model_id", "author"),
    [
        ("anthropic/claude", "anthropic"),
        ("~anthropic/claude", "anthropic"),
        ("a/b/c", "a"),
        ("claude", None),
        ("~claude", None),
        ("/claude", None),
        ("~/claude", None),
        ("a~/b", "a~"),
    ],
)
def test_the_author_is_the_id_up_to_the_first_slash(model_id: str, author: str | None) -> None:
    assert one(id=model_id).author == author


# ---- duplicates, and the raw entry


def test_the_first_valid_one_of_duplicates_wins() -> None:
    listing = listing_of(
        {"id": "a/b", "name": "First"},
        {"id": "c/d"},
        {"id": "a/b", "name": "Second"},
        {"id": "a/b", "name": "First"},
    )

    assert [(model.id, model.name) for model in listing.models] == [
        ("a/b", "First"),
        ("c/d", "c/d"),
    ]
    assert (listing.duplicates, listing.total) == (2, 4)
    assert json.loads(listing.entries["a/b"])["name"] == "First"


def test_an_unusable_entry_does_not_take_the_place_of_a_later_valid_one() -> None:
    listing = among_good([{"id": "good/0", "name": "In a list"}])

    assert [model.name for model in listing.models] == [f"good/{number}" for number in range(4)]
    assert listing.duplicates == 0


def test_ids_that_differ_in_case_or_composition_are_two_models() -> None:
    ids = ("a/b", "a/B", "a/caf\u00e9", "a/cafe\u0301")

    assert [m.id for m in listing_of(*({"id": model_id} for model_id in ids)).models] == list(ids)


def test_the_raw_entry_is_the_very_text_that_was_received() -> None:
    first = (
        '{ "id" :"a\\/b",\r\n\t"pricing":{"prompt":1.50E-6} , "x":[ ],"x":9999999999999999999999}'
    )
    second = '{"id":"caf\u00e9","name":"\\ud83e\\udd8a \\udfff"}'
    body = f'{{"a":[[]],"data" : [\n{first}\n,  {second} ],"z":{{}}}}\n'

    assert normalise(body.encode(), SOURCE).entries == {"a/b": first, "caf\u00e9": second}


def test_the_last_of_repeated_keys_in_an_entry_counts() -> None:
    body = b'{"data":[{"id":"a/b","name":"First","name":"Last"}]}'

    assert normalise(body, SOURCE).models[0].name == "Last"


# ---- bodies


def test_the_order_of_the_list_is_kept() -> None:
    ids = ["z/z", "a/a", "m/m"]

    assert [m.id for m in listing_of(*({"id": model_id} for model_id in ids)).models] == ids


def test_a_byte_order_mark_is_no_part_of_the_list() -> None:
    assert normalise(b"\xef\xbb\xbf" + body_of({"id": "a/b"}), SOURCE).models == (one(),)


TEXT = '{"data": [{"id": "caf\u00e9"}]}'
CHARSETS = {
    "latin-1": TEXT.encode("latin-1"),
    "utf-16": TEXT.encode("utf-16"),
    "utf-32": TEXT.encode("utf-32"),
    "a-surrogate": b'{"data": [{"id": "\xed\xa0\x80"}]}',
    "cut-in-a-character": '{"data": [{"id": "\u00e9'.encode()[:-1],
}


@pytest.mark.parametrize("body", named(CHARSETS))
def test_a_body_that_is_not_utf_8_is_refused(body: bytes) -> None:
    assert refusal(body).reason is Reason.CHARSET


NOT_JSON = {
    "html": "<!doctype html><title>Not found</title>",
    "nan": '{"data": [{"id": "a", "x": NaN}]}',
    "infinity": '{"data": [{"id": "a", "x": Infinity}]}',
    "minus-infinity": '{"data": [{"id": "a", "x": -Infinity}]}',
    "1e400": '{"data": [{"id": "a", "x": 1e400}]}',
    "1e400-outside": '{"data": [{"id": "a"}], "x": -1e400}',
    "nan-in-a-bare-list": "[NaN]",
    "comma-after-an-entry": '{"data": [{"id": "a"},]}',
    "comma-in-an-entry": '{"data": [{"id": "a",}]}',
    "comma-after-the-list": '{"data": [{"id": "a"}],}',
    "no-comma": '{"data": [{"id": "a"} {"id": "b"}]}',
    "no-colon": '{"data" [{"id": "a"}]}',
    "text-behind": '{"data": [{"id": "a"}]} {}',
    "bracket-behind": '{"data": [{"id": "a"}]}]',
    "text-behind-a-list": '[{"id": "a"}] x',
    "cut-in-the-list": '{"data": [{"id": "a"}',
    "cut-in-an-entry": '{"data": [{"id": "a"',
    "cut-behind-the-list": '{"data": [{"id": "a"}]',
    "cut-behind-a-comma": '{"data": [{"id": "a"},',
    "only-a-brace": "{",
    "broken-behind-the-list": '{"data": [{"id": "a"}], "x": nul}',
    "single-quotes": "{'data': [{'id': 'a'}]}",
    "a-key-that-is-no-string": '{"data": [{"id": "a"}], 7: 7}',
    "a-comment": '{"data": [/* none */ {"id": "a"}]}',
    "a-bare-line-feed": '{"data": [{"id": "a\nb"}]}',
    "other-space": '{"data":\u00a0[{"id": "a"}]}',
    "leading-zero": '{"data": [{"id": "a", "x": 01}]}',
}


@pytest.mark.parametrize("body", named(NOT_JSON))
def test_a_body_that_is_not_json_is_refused(body: str) -> None:
    assert refusal(body.encode()).reason is Reason.NOT_JSON


SCHEMA = {
    "no-data": '{"models": [{"id": "a"}]}',
    "an-empty-object": "{}",
    "data-an-object": '{"data": {"id": "a"}}',
    "data-null": '{"data": null}',
    "data-a-string": '{"data": "[]"}',
    "a-bare-list": '[{"id": "a"}]',
    "an-error": '{"error": "Failed to fetch models"}',
    "a-nested-list": '{"result": {"data": [{"id": "a"}]}}',
    "two-lists": '{"data": [{"id": "a"}], "data": [{"id": "b"}]}',
    "a-string": '"data"',
    "a-number": "7",
}


@pytest.mark.parametrize("body", named(SCHEMA))
def test_json_without_one_data_list_is_refused(body: str) -> None:
    assert refusal(body.encode()).reason is Reason.SCHEMA


def test_an_empty_list_is_refused() -> None:
    assert refusal(b'{"data": []}').reason is Reason.EMPTY


@pytest.mark.parametrize("body", [b"", b" \r\n\t", b"null", b" null\n", b"\xef\xbb\xbf"])
def test_a_body_that_says_nothing_is_refused_for_now(body: bytes) -> None:
    error = refusal(body)

    assert (error.reason, error.is_transient) == (Reason.EMPTY_BODY, True)


def test_no_other_refusal_is_worth_asking_again_at_once() -> None:
    bodies = [b"{", b"{}", b"[]", b'{"data": []}', b'{"data": [7]}', b"\xff"]

    assert [refusal(body).is_transient for body in bodies] == [False] * 6


@pytest.mark.parametrize(("good", "unusable"), [(4, 1), (8, 2), (28, 7), (80, 20)])
def test_a_fifth_of_unusable_entries_is_tolerated_and_one_more_is_not(
    good: int, unusable: int
) -> None:
    entries = [{"id": f"a/{number}"} for number in range(good)]

    listing = listing_of(*entries, *[None] * unusable)

    assert (len(listing.models), len(listing.rejects)) == (good, unusable)
    assert refusal(body_of(*entries, *[None] * (unusable + 1))).reason is Reason.MALFORMED_RATIO
    assert refusal(body_of(*entries[1:], *[None] * unusable)).reason is Reason.MALFORMED_RATIO


def test_duplicates_are_usable_entries() -> None:
    listing = listing_of(*[{"id": "a/b"}] * 4, None)

    assert (len(listing.models), listing.duplicates, len(listing.rejects)) == (1, 3, 1)


def test_more_entries_than_any_gateway_has_are_refused() -> None:
    body = b'{"data": [' + b"0," * 50_000 + b"0]}"

    assert refusal(body).reason is Reason.TOO_MANY


# ---- depth


@pytest.mark.parametrize(
    "body",
    named(
        {
            "lists": "[" * 100_000,
            "closed-lists": "[" * 100_000 + "]" * 100_000,
            "objects": '{"a":' * 100_000,
            "in-data": '{"data": ' + "[" * 100_000,
            "in-an-entry": '{"data": [{"id": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + "}]}",
            "beside-data": '{"x": ' + '{"a":' * 100_000,
        }
    ),
)
def test_a_body_nested_beyond_reason_is_refused_without_a_crash(body: str) -> None:
    assert refusal(body.encode()).reason is Reason.NOT_JSON


def nested(depth: int) -> tuple[bytes, str]:
    entry = '{"id": "a/b", "x": ' + "[" * depth + "]" * depth + "}"
    return f'{{"data": [{entry}]}}'.encode(), entry


def test_an_entry_nested_300_deep_is_kept() -> None:
    body, entry = nested(300)

    listing = normalise(body, SOURCE)

    assert (listing.models, listing.entries) == ((one(),), {"a/b": entry})


def test_an_entry_nested_900_deep_is_kept_or_the_list_is_refused() -> None:
    body, entry = nested(900)
    try:
        kept = normalise(body, SOURCE).entries
    except UnbelievableError as error:
        refused: Reason | None = error.reason
        kept = {}
    else:
        refused = None

    assert (refused, kept) in [(None, {"a/b": entry}), (Reason.NOT_JSON, {})]


# ---- the hostile fixture


@pytest.fixture(scope="module")
def hostile() -> Listing:
    return normalise(fixtures.path("hostile-2026-10-01.json").read_bytes(), SOURCE)


def test_the_hostile_list_loses_only_what_is_unusable(hostile: Listing) -> None:
    assert (hostile.total, len(hostile.rejects), hostile.duplicates) == (183, 14, 3)
    reasons = [reject.reason for reject in hostile.rejects]
    assert {reason: reasons.count(reason) for reason in reasons} == {
        "not_an_object": 4,
        "no_id": 3,
        "id_length": 2,
        "id_characters": 5,
    }
    assert len(hostile.models) == len(hostile.entries) == 166


def test_the_hostile_list_keeps_its_first_duplicates_and_its_last_row(hostile: Listing) -> None:
    names = {model.id: model.name for model in hostile.models}

    assert names["fine/first"] == "Awful: fine/first"
    assert names["awful/case"] == names["awful/Case"] == "Awful: odd id"
    assert hostile.models[-1].id == "fine/last"


def test_the_hostile_list_has_only_the_context_windows_that_are_true(hostile: Listing) -> None:
    windows = {
        model.id.removeprefix("awful/context-"): model.context_window
        for model in hostile.models
        if model.id.startswith("awful/context-")
    }

    assert {name: window for name, window in windows.items() if window is not None} == {
        "2-53": 2**53,
        "exponent": 8192,
    }
    assert len(windows) == 14


def test_the_hostile_list_has_only_the_prices_that_are_true(hostile: Listing) -> None:
    prices = {
        model.id.removeprefix("awful/price-"): (model.cost.input, model.pricing.value)
        for model in hostile.models
        if model.id.startswith("awful/price-")
    }

    unknown = (None, "unknown")
    assert {name: price for name, price in prices.items() if price != unknown} == {
        "minus-half": (None, "dynamic"),
        "minus-number": (None, "dynamic"),
        "minus-zero": (0, "fixed"),
        "exponent": (0.4, "fixed"),
    }
    assert len(prices) == 24


def test_every_entry_of_our_own_lists_is_accepted_without_a_bad_field() -> None:
    for name, entries in (("kilo-2026-10-01.json", 46), ("kilo-2026-11-01.json", 46)):
        listing = normalise(fixtures.path(name).read_bytes(), SOURCE)

        assert len(listing.models) == listing.total == entries
        assert listing.bad_fields == {}
