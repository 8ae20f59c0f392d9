"""The union row, by the rules of the clients that read it (openai, openrouter, anthropic, Zed…)."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

import fixtures
from service.catalog import FALLBACK, Catalog, Cost, Life, Model, Origin, Row
from service.errors import NothingToTellError, UnknownModelError, UntoldModelError
from service.lifecycle import advance
from service.merge import merge
from service.normalise import normalise
from tests.scenes import snapshot_of, spoken

Json = dict[str, Any]

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
LISTS = ["kilo-2026-10-01.json", "kilo-2026-11-01.json", "hostile-2026-10-01.json"]

TYPES: Mapping[str, tuple[type, ...]] = {
    "id": (str,),
    "object": (str,),
    "created": (int,),
    "owned_by": (str,),
    "type": (str,),
    "display_name": (str,),
    "created_at": (str,),
    "max_input_tokens": (int,),
    "max_tokens": (int, type(None)),
    "canonical_slug": (str,),
    "hugging_face_id": (str, type(None)),
    "name": (str,),
    "description": (str,),
    "context_length": (int,),
    "architecture": (dict,),
    "pricing": (dict,),
    "top_provider": (dict,),
    "per_request_limits": (type(None),),
    "supported_parameters": (list,),
    "default_parameters": (type(None),),
    "supported_voices": (type(None),),
    "knowledge_cutoff": (str, type(None)),
    "expiration_date": (str, type(None)),
    "links": (dict,),
}
KILOS_OWN: Mapping[str, type] = {
    "preferredIndex": int,
    "isFree": bool,
    "mayTrainOnYourPrompts": bool,
    "opencode": dict,
    "autoRouting": dict,
    "terminalBench": dict,
}
PRICES = {
    "prompt": ("input", 1_000_000),
    "completion": ("output", 1_000_000),
    "input_cache_read": ("cache_read", 1_000_000),
    "input_cache_write": ("cache_write", 1_000_000),
    "internal_reasoning": ("reasoning", 1_000_000),
    "image": ("image", 1),
    "request": ("request", 1),
    "web_search": ("web_search", 1),
}


def catalog_of(*models: Model) -> Catalog:
    """These models as discovered, and the fallback."""
    step = advance((), models, at=AT, revision=1, grace=timedelta(days=1))
    life = Life(first_seen=AT, updated_at=AT, revision=1)
    fallback = (Row(model=model, life=life, origin=Origin.FALLBACK) for model in FALLBACK)
    return merge((*step.rows, *fallback), revision=1, updated_at=AT, modified_at=AT)


def catalog_of_list(name: str) -> Catalog:
    return catalog_of(*normalise(fixtures.path(name).read_bytes(), "kilocode").models)


def document(catalog: Catalog) -> Any:
    return orjson.loads(spoken(snapshot_of(catalog), "/v1/models").body)


def said(**facts: Any) -> Json:
    """The row of a model of which this is known, and a context window."""
    model = replace(Model(source="kilocode", id="a/b", name="A: B", context_window=8192), **facts)
    data: Json = document(catalog_of(model))["data"][0]
    return data


# ---- every row of our lists


@pytest.mark.parametrize("name", LISTS)
def test_every_row_has_every_key_that_some_client_demands_in_its_type(name: str) -> None:
    for row in document(catalog_of_list(name))["data"]:
        for key, kinds in TYPES.items():
            assert type(row.get(key, ...)) in kinds, (row["id"], key)
        for key in row.keys() - TYPES.keys():
            assert type(row[key]) is KILOS_OWN[key], (row["id"], key)
        architecture = row["architecture"]
        assert architecture["input_modalities"]
        assert architecture["output_modalities"]
        assert type(architecture["tokenizer"]) is str
        assert architecture["instruct_type"] is None
        assert type(row["top_provider"]["is_moderated"]) is bool
        assert row["top_provider"].keys() >= {"context_length", "max_completion_tokens"}
        assert (row["object"], row["type"]) == ("model", "model")
        assert row["context_length"] > 0
        assert row["name"]


@pytest.mark.parametrize("name", LISTS)
def test_every_row_says_of_its_model_what_the_catalog_says(name: str) -> None:
    catalog = catalog_of_list(name)
    models = {row.model.id: row.model for row in catalog.rows}

    for row in document(catalog)["data"]:
        model = models[row["id"]]
        assert (row["name"], row["display_name"]) == (model.name,) * 2
        assert row["description"] == (model.description or "")
        assert row["context_length"] == row["max_input_tokens"] == model.context_window
        assert row["max_tokens"] == row["top_provider"]["max_completion_tokens"] == model.max_tokens
        assert row["top_provider"]["context_length"] == model.served_context_window
        assert row["architecture"]["input_modalities"] == list(model.input)
        assert row["architecture"]["output_modalities"] == list(model.output)
        assert row["supported_parameters"] == list(model.supported_parameters or ())
        assert row["hugging_face_id"] == model.hugging_face_id
        created = datetime.fromtimestamp(row["created"], UTC)
        assert created == datetime.fromisoformat(row["created_at"])
        assert created == (model.created or datetime.fromtimestamp(0, UTC))
        assert row["links"] == {"details": f"/api/v1/models/{model.id}/endpoints"}
        assert row.get("isFree") == model.free
        assert row.get("mayTrainOnYourPrompts") == model.may_train_on_prompts
        assert row.get("preferredIndex") == model.preferred_index


@pytest.mark.parametrize("name", LISTS)
def test_every_price_is_a_plain_decimal_of_the_exact_price_for_one(name: str) -> None:
    catalog = catalog_of_list(name)
    costs = {row.model.id: row.model.cost for row in catalog.rows}

    for row in document(catalog)["data"]:
        for key, (field, per) in PRICES.items():
            usd = getattr(costs[row["id"]], field)
            text = row["pricing"].get(key)
            if usd is None:
                assert text == ("-1" if key in {"prompt", "completion"} else None)
            else:
                assert re.fullmatch(r"\d+(\.\d+)?", text), (row["id"], key)
                assert Decimal(text) * per == Decimal(repr(usd))
        assert row["pricing"].keys() <= PRICES.keys()


@pytest.mark.parametrize("name", LISTS)
def test_the_list_holds_each_model_with_a_context_window_once_and_counts_the_others(
    name: str,
) -> None:
    catalog = catalog_of_list(name)
    offered = [row.model.id for row in catalog.rows if row.model.context_window]

    made = spoken(snapshot_of(catalog), "/v1/models")

    assert [row["id"] for row in orjson.loads(made.body)["data"]] == offered
    assert len(set(offered)) == len(offered)
    assert made.omitted == len(catalog.rows) - len(offered)
    assert offered[-1] == "kilo/auto"


def test_of_our_own_lists_nothing_is_left_out_and_of_the_hostile_one_only_what_must_be() -> None:
    omitted = [spoken(snapshot_of(catalog_of_list(name)), "/v1/models").omitted for name in LISTS]

    assert omitted == [0, 0, 14]


# ---- the envelope


def test_the_list_says_how_long_it_is_and_how_it_begins_and_ends() -> None:
    model = Model(source="kilocode", id="a/b", name="A: B", context_window=1)
    hidden = Model(source="kilocode", id="x/y", name="X: Y")
    made = document(catalog_of(hidden, model, replace(hidden, id="x/z")))

    assert {key: value for key, value in made.items() if key != "data"} == {
        "object": "list",
        "links": {"next": None},
        "total_count": 2,
        "has_more": False,
        "first_id": "a/b",
        "last_id": "kilo/auto",
    }
    assert [row["id"] for row in made["data"]] == ["a/b", "kilo/auto"]


def test_no_row_at_all_is_no_list() -> None:
    catalog = Catalog(revision=1, updated_at=AT, modified_at=AT, rows=())

    with pytest.raises(NothingToTellError):
        document(catalog)


# ---- one row


def test_what_is_unknown_is_said_in_the_formats_own_customary_way() -> None:
    row = said()

    assert row["pricing"] == {"prompt": "-1", "completion": "-1"}
    assert (row["created"], row["created_at"]) == (0, "1970-01-01T00:00:00Z")
    assert row["description"] == ""
    assert row["architecture"]["tokenizer"] == "Other"
    assert row["owned_by"] == "kilocode"
    assert row["supported_parameters"] == []
    assert row["max_tokens"] is None
    assert row["top_provider"] == {
        "context_length": None,
        "max_completion_tokens": None,
        "is_moderated": False,
    }
    assert row.keys() == TYPES.keys()


@pytest.mark.parametrize(
    ("usd_per_mtok", "text"),
    [
        (0.0, "0"),
        (3.0, "0.000003"),
        (0.3, "0.0000003"),
        (0.1, "0.0000001"),
        (3.75, "0.00000375"),
        (1_000_000.0, "1"),
        (123456.0, "0.123456"),
        (0.08333333333333334, "0.00000008333333333333334"),
        (1e-300, "0." + "0" * 305 + "1"),
    ],
)
def test_a_price_per_token_is_a_decimal_without_exponent(usd_per_mtok: float, text: str) -> None:
    pricing = said(cost=Cost(input=usd_per_mtok, output=usd_per_mtok, reasoning=usd_per_mtok))[
        "pricing"
    ]

    assert pricing == {"prompt": text, "completion": text, "internal_reasoning": text}


@pytest.mark.parametrize(
    ("usd", "text"), [(0.0, "0"), (0.01, "0.01"), (3e-05, "0.00003"), (1_000_000.0, "1000000")]
)
def test_a_price_for_one_is_a_decimal_without_exponent(usd: float, text: str) -> None:
    pricing = said(cost=Cost(image=usd, request=usd, web_search=usd))["pricing"]

    assert (pricing["image"], pricing["request"], pricing["web_search"]) == (text, text, text)


def test_a_row_tells_its_facts_in_the_words_of_each_client() -> None:
    row = said(
        author="a",
        description="Knows much.",
        input=("text", "image"),
        tokenizer="Claude",
        moderated=True,
        created=datetime(2025, 9, 29, 16, 1, 16, tzinfo=UTC),
        knowledge_cutoff=date(2025, 1, 31),
        expires_at=datetime(2026, 12, 31, tzinfo=UTC),
        family="claude",
        preferred_index=0,
        free=False,
        may_train_on_prompts=False,
        hints='{"autoRouting":{"models":["a/c"]},"opencode":{"prompt":"codex"},'
        '"terminalBench":{"avgAttemptCostUsd":1.5,"overallScore":0.5}}',
    )

    assert row["owned_by"] == "a"
    assert row["architecture"] == {
        "modality": "text+image->text",
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
        "tokenizer": "Claude",
        "instruct_type": None,
    }
    assert (row["created"], row["created_at"]) == (1759161676, "2025-09-29T16:01:16Z")
    assert (row["knowledge_cutoff"], row["expiration_date"]) == ("2025-01-31", "2026-12-31")
    assert row["top_provider"]["is_moderated"] is True
    assert {key: row[key] for key in KILOS_OWN} == {
        "preferredIndex": 0,
        "isFree": False,
        "mayTrainOnYourPrompts": False,
        "opencode": {"family": "claude", "prompt": "codex"},
        "autoRouting": {"models": ["a/c"]},
        "terminalBench": {"avgAttemptCostUsd": 1.5, "overallScore": 0.5},
    }


@pytest.mark.parametrize("name", [name for name in LISTS if name.startswith("kilo")])
def test_kilos_own_fields_are_told_as_the_gateway_tells_them(name: str) -> None:
    entries = {one["id"]: one for one in orjson.loads(fixtures.path(name).read_bytes())["data"]}
    own = ("opencode", "autoRouting", "terminalBench")

    told = {
        row["id"]: {key: row[key] for key in own if key in row}
        for row in document(catalog_of_list(name))["data"]
    }

    assert told == {
        model_id: {key: entry[key] for key in own if entry.get(key)}
        for model_id, entry in entries.items()
        if model_id in told
    } | {"kilo/auto": {}}
    assert sum("opencode" in row for row in told.values()) > 10


def test_one_model_is_bare_for_some_clients_and_under_data_for_others() -> None:
    made = snapshot_of(catalog_of_list(LISTS[0]))
    listed = orjson.loads(spoken(made, "/v1/models").body)["data"]

    for row in listed:
        for name in (row["id"], f"kilocode/{row['id']}"):
            single = spoken(made, "/v1/models/{id:.+}", id=name)
            assert orjson.loads(single.body) == {**row, "data": row}
    assert len({row["id"] for row in listed}) == 47


def test_a_model_that_cannot_be_listed_cannot_be_asked_for_either() -> None:
    hidden = Model(source="kilocode", id="x/y", name="X: Y")

    made = snapshot_of(catalog_of(hidden))

    with pytest.raises(UntoldModelError):
        spoken(made, "/v1/models/{id:.+}", id="x/y")
    assert made.model.get("x/y") is not None


# ---- pages


def paged(**asked: str) -> Json:
    made = snapshot_of(catalog_of_list(LISTS[0]))
    page: Json = orjson.loads(spoken(made, "/v1/models", **asked).body)
    return page


def ids(page: Json) -> list[str]:
    return [row["id"] for row in page["data"]]


ALL = ids(paged())


@pytest.mark.parametrize("size", [1, 2, 7, 46, 47, 48, 1000])
def test_pages_by_offset_are_the_whole_list_and_end_with_a_shorter_one(size: int) -> None:
    found: list[str] = []
    while True:
        page = paged(offset=str(len(found)), limit=str(size))
        found += ids(page)
        assert page["total_count"] == len(ALL)
        assert page["has_more"] == (len(found) < len(ALL))
        if len(page["data"]) < size:
            break
        assert len(found) <= len(ALL)

    assert found == ALL
    assert page["links"] == {"next": None}


@pytest.mark.parametrize("size", [1, 2, 7, 46, 47, 48, 1000])
def test_pages_by_the_last_id_are_the_whole_list_and_end_when_no_more_is_said(size: int) -> None:
    page = paged(limit=str(size))
    found = ids(page)
    while page["has_more"]:
        assert page["last_id"] == found[-1]
        page = paged(limit=str(size), after_id=page["last_id"])
        found += ids(page)

    assert found == ALL


@pytest.mark.parametrize("size", [1, 2, 7, 46, 47, 48, 1000])
def test_pages_before_an_id_are_what_comes_before_it(size: int) -> None:
    page = paged(limit=str(size), before_id=ALL[-1])
    found = ids(page)
    while page["has_more"]:
        page = paged(limit=str(size), before_id=page["first_id"])
        found = ids(page) + found

    assert found == ALL[:-1]


@pytest.mark.parametrize("nonsense", ["", "-1", "0x10", "1e3", "ten", "٣", "9" * 30])
def test_a_limit_or_an_offset_that_is_no_number_is_ignored(nonsense: str) -> None:
    assert ids(paged(limit=nonsense)) == ALL
    assert ids(paged(offset=nonsense)) == ALL


def test_a_page_after_a_model_that_is_not_listed_is_refused() -> None:
    with pytest.raises(UnknownModelError, match="kilo/auto"):
        paged(after_id="kilo/atuo")


# ---- the other endpoints


def test_the_count_is_that_of_the_list() -> None:
    made = snapshot_of(catalog_of_list(LISTS[2]))

    assert orjson.loads(spoken(made, "/v1/models/count").body) == {
        "data": {"count": len(orjson.loads(spoken(made, "/v1/models").body)["data"])}
    }


def test_a_model_is_found_by_author_and_slug() -> None:
    made = snapshot_of(catalog_of_list(LISTS[0]))
    path = "/v1/model/{author}/{slug:.+}"

    found = orjson.loads(
        spoken(made, path, author="halcyon-row", slug="kingfisher-3:thinking").body
    )

    assert (
        found["data"]
        == orjson.loads(
            spoken(made, "/v1/models/{id:.+}", id="halcyon-row/kingfisher-3:thinking").body
        )["data"]
    )


def test_nobody_is_named_who_serves_a_model_as_the_gateway_does_not_say() -> None:
    made = snapshot_of(catalog_of_list(LISTS[0]))

    found = orjson.loads(spoken(made, "/v1/models/{id:.+}/endpoints", id="kilo/auto").body)["data"]

    assert found["endpoints"] == []
    assert (found["id"], found["name"]) == ("kilo/auto", "Kilo Auto")
