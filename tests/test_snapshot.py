import gzip
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import brotli
import orjson
import pytest
import zstandard

import fixtures
from service.catalog import FALLBACK, Catalog, Cost, Life, Model, Origin, Row, Status
from service.dialects import native, openai
from service.errors import NothingToTellError, UnknownModelError, UntoldModelError
from service.lifecycle import advance
from service.merge import merge
from service.normalise import normalise
from service.snapshot import (
    CODINGS,
    MIN_COMPRESSED_BYTES,
    Document,
    Documents,
    Snapshot,
)
from tests.scenes import PROVIDER, snapshot_of, spoken

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
LIFE = Life(first_seen=AT, updated_at=AT, revision=1)
DECODERS = {
    "identity": bytes,
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": zstandard.decompress,
}


def catalog_of_lists(*names: str) -> Catalog:
    """What these lists, a day and more apart, have made of the catalog."""
    rows: tuple[Row, ...] = ()
    for number, name in enumerate(names):
        seen = normalise(fixtures.path(name).read_bytes(), "kilocode").models
        at = AT + timedelta(days=2 * number)
        step = advance(rows, seen, at=at, revision=number + 1, grace=timedelta(days=1))
        rows = step.rows
    fallback = [Row(model=model, life=LIFE, origin=Origin.FALLBACK) for model in FALLBACK]
    return merge([*rows, *fallback], revision=len(names), updated_at=AT, modified_at=AT)


OCTOBER = catalog_of_lists("kilo-2026-10-01.json")
AGED = catalog_of_lists(
    "kilo-2026-10-01.json",
    "kilo-2026-11-01.json",
    "kilo-2026-11-01.json",
    "hostile-2026-10-01.json",
)


def naive(value: Any) -> Any:
    """What orjson makes of a value, by the standard library."""
    text = json.dumps(value, default=date.isoformat)
    return json.loads(text)


def row(model_id: str, status: Status = Status.ACTIVE, source: str = "kilocode") -> Row:
    model = Model(source=source, id=model_id, name=f"{source}: {model_id}", context_window=1)
    return Row(model=model, life=replace(LIFE, status=status))


def catalog(*rows: Row, removed: tuple[Row, ...] = ()) -> Catalog:
    return Catalog(revision=1, updated_at=AT, modified_at=AT, rows=rows, removed=removed)


def one(documents: Documents, name: str) -> Any:
    document = documents.get(name)
    assert document is not None
    return json.loads(document.body)


def union(made: Snapshot, name: str) -> Any:
    return json.loads(spoken(made, "/v1/models/{id:.+}", id=name).body)


# ---- bodies


@pytest.mark.parametrize("of", [OCTOBER, AGED], ids=["october", "aged"])
def test_the_list_is_its_envelope_and_every_row_on_offer(of: Catalog) -> None:
    expected = {
        "revision": of.revision,
        "updatedAt": "2026-10-01T12:00:00Z",
        "total": len(of.rows),
        "next": None,
        "data": [native.model(each) for each in of.rows],
    }

    body = snapshot_of(of).models.body

    assert json.loads(body) == naive(expected)
    assert list(json.loads(body)) == list(expected)
    assert body == orjson.dumps(expected)


@pytest.mark.parametrize("of", [OCTOBER, AGED], ids=["october", "aged"])
def test_the_openai_list_is_every_row_that_it_can_say(of: Catalog) -> None:
    rows = [told for each in of.rows if (told := openai.row(each, PROVIDER))]

    made = json.loads(spoken(snapshot_of(of), "/v1/models").body)

    assert made["data"] == naive(rows)
    assert made["total_count"] == len(rows)


def test_a_catalog_without_rows_is_still_json() -> None:
    made = snapshot_of(catalog())

    assert json.loads(made.models.body)["data"] == []
    with pytest.raises(NothingToTellError):
        spoken(made, "/v1/models")


def test_every_key_of_a_model_is_present_even_when_nothing_is_known() -> None:
    bare = row("a/b")

    made = one(snapshot_of(catalog(bare)).model, "a/b")

    assert made.keys() == json.loads(orjson.dumps(native.model(OCTOBER.rows[0]))).keys()
    assert made["cost"].keys() == {
        "input",
        "output",
        "cacheRead",
        "cacheWrite",
        "reasoning",
        "image",
        "request",
        "webSearch",
    }
    assert set(made["cost"].values()) == {None}


def test_the_fallback_row_is_exactly_what_the_contract_says() -> None:
    made = one(snapshot_of(OCTOBER).model, "kilo/auto")

    assert made == {
        "ref": "kilocode/kilo/auto",
        "source": "kilocode",
        "id": "kilo/auto",
        "name": "Kilo Auto",
        "author": "kilo",
        "description": None,
        "badges": [],
        "input": ["text", "image"],
        "output": ["text"],
        "reasoning": True,
        "reasoningEfforts": None,
        "tools": None,
        "structuredOutput": None,
        "contextWindow": 1_000_000,
        "servedContextWindow": None,
        "maxTokens": 128_000,
        "cost": dict.fromkeys(made["cost"]),
        "pricing": "unknown",
        "free": None,
        "supportedParameters": None,
        "tokenizer": None,
        "moderated": None,
        "mayTrainOnPrompts": None,
        "huggingFaceId": None,
        "family": None,
        "created": None,
        "knowledgeCutoff": None,
        "expiresAt": None,
        "status": "active",
        "missingSince": None,
        "removedAt": None,
        "origin": "fallback",
        "default": True,
        "preferredIndex": None,
        "firstSeen": "2026-10-01T12:00:00Z",
        "updatedAt": "2026-10-01T12:00:00Z",
        "revision": 1,
    }


@pytest.mark.parametrize(
    ("usd", "text"), [(3.0, b"3"), (0.3, b"0.3"), (0.0, b"0"), (1_000_000.0, b"1000000")]
)
def test_a_price_has_no_more_digits_than_it_needs(usd: float, text: bytes) -> None:
    priced = replace(row("a/b").model, cost=Cost(input=usd))

    document = snapshot_of(catalog(replace(row("a/b"), model=priced))).model.get("a/b")

    assert document is not None
    assert b'"cost":{"input":' + text + b',"output":null' in document.body


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 8, 16, 10, tzinfo=UTC), "2026-08-16T10:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_rfc_3339_however_early(at: datetime, text: str) -> None:
    dated = replace(row("a/b").model, expires_at=at)

    made = snapshot_of(catalog(replace(row("a/b"), model=dated)))

    assert one(made.model, "a/b")["expiresAt"] == text


# ---- lookups


def test_every_model_is_found_by_id_and_by_ref() -> None:
    made = snapshot_of(AGED)

    for each in (*AGED.rows, *AGED.removed):
        assert one(made.model, each.model.id) == naive(native.model(each))
        assert one(made.model, each.model.ref) == one(made.model, each.model.id)


def test_a_tombstone_is_found_and_not_listed() -> None:
    made = snapshot_of(AGED)

    assert one(made.model, "stealth/bittern")["status"] == "removed"
    listed = {each["id"] for each in json.loads(made.models.body)["data"]}
    assert "stealth/bittern" not in listed
    with pytest.raises(UntoldModelError):
        union(made, "stealth/bittern")


def test_a_ref_wins_over_an_id_that_looks_like_one() -> None:
    plain, odd = row("x"), row("kilocode/x")

    for rows in ((plain, odd), (odd, plain)):
        made = snapshot_of(catalog(*rows))

        assert one(made.model, "kilocode/x")["id"] == "x"
        assert union(made, "kilocode/x")["id"] == "x"
        assert one(made.model, "kilocode/kilocode/x")["id"] == "kilocode/x"


def test_an_id_of_two_sources_is_the_first_ones() -> None:
    made = snapshot_of(catalog(row("x"), row("x", source="other")))

    assert one(made.model, "x")["source"] == "kilocode"
    assert one(made.model, "other/x")["source"] == "other"


def test_an_id_on_offer_wins_over_a_tombstone_of_another_source() -> None:
    grave = row("x", Status.REMOVED, source="other")

    made = snapshot_of(catalog(row("x"), removed=(grave,)))

    assert one(made.model, "x")["status"] == "active"
    assert one(made.model, "other/x")["status"] == "removed"


def test_a_name_that_nobody_has_is_not_found() -> None:
    made = snapshot_of(OCTOBER)

    for name in ("", "kilo", "kilocode", "KILO/AUTO", "kilocode/kilocode/kilo/auto"):
        assert made.model.get(name) is None
        with pytest.raises(UnknownModelError):
            union(made, name)


def test_the_document_of_one_model_is_made_once() -> None:
    made = snapshot_of(OCTOBER)

    assert made.model.get("kilo/auto") is made.model.get("kilo/auto")


def test_the_census_counts_every_row_by_source_status_and_origin() -> None:
    rows = (row("a"), row("b"), row("c", Status.MISSING), row("d", source="other"))
    fallback = replace(row("f"), origin=Origin.FALLBACK)
    made = snapshot_of(catalog(*rows, fallback, removed=(row("e", Status.REMOVED),)))

    assert made.census == {
        ("kilocode", "active", "discovered"): 2,
        ("kilocode", "missing", "discovered"): 1,
        ("kilocode", "removed", "discovered"): 1,
        ("kilocode", "active", "fallback"): 1,
        ("other", "active", "discovered"): 1,
    }


# ---- codings


@pytest.mark.parametrize("coding", DECODERS)
def test_every_coding_decodes_to_the_same_bytes(coding: str) -> None:
    document = snapshot_of(OCTOBER).models

    variant = document.variant(coding)

    assert coding in document.codings
    assert variant.coding == coding
    assert DECODERS[coding](variant.body) == document.body
    assert coding == "identity" or len(variant.body) < len(document.body) / 5


def test_every_coding_that_is_offered_has_its_decoder_here() -> None:
    assert {*CODINGS, "identity"} == DECODERS.keys()


def test_a_coding_is_made_once() -> None:
    document = Document(b"x" * 1000)

    for coding in document.codings:
        assert document.variant(coding) is document.variant(coding)


def test_a_small_body_is_not_compressed() -> None:
    assert Document(b"x" * (MIN_COMPRESSED_BYTES - 1)).codings == ("identity",)
    assert Document(b"x" * MIN_COMPRESSED_BYTES).codings == ("zstd", "br", "gzip", "identity")


def test_each_coding_has_a_strong_etag_of_its_own() -> None:
    document = snapshot_of(OCTOBER).models
    etags = [document.variant(coding).etag for coding in document.codings]

    assert len(set(etags)) == 4
    assert all(etag.startswith('"') and etag.endswith('"') for etag in etags)
    assert all(etag.isascii() and etag.count('"') == 2 for etag in etags)


@pytest.mark.parametrize("coding", DECODERS)
def test_the_same_catalog_has_the_same_bytes_and_etags(coding: str) -> None:
    first, second = snapshot_of(OCTOBER), snapshot_of(catalog_of_lists("kilo-2026-10-01.json"))

    assert first.models.variant(coding) == second.models.variant(coding)
    for path in ("/v1/models", "/v1/models/count"):
        assert spoken(first, path).variant(coding) == spoken(second, path).variant(coding)


def test_any_other_content_has_another_etag() -> None:
    etags = [
        snapshot_of(of).models.variant("identity").etag
        for of in (
            OCTOBER,
            replace(OCTOBER, revision=2),
            replace(OCTOBER, rows=OCTOBER.rows[:-1]),
            replace(OCTOBER, rows=(OCTOBER.rows[1], OCTOBER.rows[0], *OCTOBER.rows[2:])),
        )
    ]

    assert len(set(etags)) == 4


def test_when_the_order_last_changed_is_not_in_the_body() -> None:
    later = replace(OCTOBER, modified_at=AT + timedelta(days=1))

    assert snapshot_of(later).models.body == snapshot_of(OCTOBER).models.body
