from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.catalog import FALLBACK, Catalog, Life, Model, Origin, Row, Status
from service.merge import merge

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def row(
    model_id: str,
    position: int | None = None,
    status: Status = Status.ACTIVE,
    origin: Origin = Origin.DISCOVERED,
    source: str = "kilocode",
) -> Row:
    return Row(
        model=Model(source=source, id=model_id, name=f"{model_id} as {origin}"),
        life=Life(first_seen=AT, updated_at=AT, revision=1, status=status),
        origin=origin,
        position=position,
    )


def gone(model_id: str) -> Row:
    return row(model_id, status=Status.REMOVED)


(AUTO,) = FALLBACK
FALLBACK_ROW = replace(row(AUTO.id, origin=Origin.FALLBACK), model=AUTO)


def merged(*rows: Row) -> Catalog:
    return merge(rows, revision=7, updated_at=AT, modified_at=LATER)


def offered(*rows: Row) -> list[str]:
    return [each.model.id for each in merged(*rows).rows]


def test_the_fallback_alone_is_a_catalog() -> None:
    assert merged(FALLBACK_ROW).rows == (FALLBACK_ROW,)
    assert FALLBACK_ROW.is_default


def test_discovered_models_come_first_in_the_gateways_order_and_the_fallback_last() -> None:
    rows = (FALLBACK_ROW, row("a", 2), row("z", 0), row("m", 1))

    assert offered(*rows) == ["z", "m", "a", "kilo/auto"]


def test_missing_models_are_still_on_offer() -> None:
    assert offered(row("b", 1, Status.MISSING), row("a", 0), FALLBACK_ROW) == [
        "a",
        "b",
        "kilo/auto",
    ]


def test_removed_models_are_kept_aside() -> None:
    catalog = merged(gone("b"), row("a", 0), FALLBACK_ROW)

    assert [each.model.id for each in catalog.rows] == ["a", "kilo/auto"]
    assert catalog.removed == (gone("b"),)


def test_a_discovered_kilo_auto_wins_over_the_fallback_and_stays_the_default() -> None:
    found = row("kilo/auto", 0)

    for rows in ((found, FALLBACK_ROW), (FALLBACK_ROW, found)):
        catalog = merged(*rows, row("a", 1))

        assert [each.model.id for each in catalog.rows] == ["kilo/auto", "a"]
        assert catalog.rows[0] == found
        assert catalog.rows[0].origin is Origin.DISCOVERED
        assert catalog.rows[0].is_default
        assert not catalog.rows[1].is_default


def test_a_missing_kilo_auto_still_wins_over_the_fallback() -> None:
    found = row("kilo/auto", 1, Status.MISSING)

    assert merged(found, FALLBACK_ROW, row("a", 0)).rows == (row("a", 0), found)


def test_the_fallback_shows_again_when_a_discovered_kilo_auto_was_removed() -> None:
    for rows in ((gone("kilo/auto"), FALLBACK_ROW), (FALLBACK_ROW, gone("kilo/auto"))):
        catalog = merged(*rows, row("a", 0))

        assert catalog.rows == (row("a", 0), FALLBACK_ROW)
        assert catalog.removed == ()


def test_the_same_id_of_another_source_is_another_model() -> None:
    catalog = merged(FALLBACK_ROW, row("kilo/auto", 0, source="other"))

    assert [each.model.ref for each in catalog.rows] == ["other/kilo/auto", "kilocode/kilo/auto"]
    assert [each.is_default for each in catalog.rows] == [False, True]


def test_sources_are_not_interleaved() -> None:
    rows = (row("a", 0), row("x", 0, source="other"), row("b", 1), row("y", 1, source="other"))

    assert offered(*rows, FALLBACK_ROW) == ["a", "b", "x", "y", "kilo/auto"]


def test_a_catalog_says_when_it_changed_and_never_before_its_revision() -> None:
    catalog = merged(FALLBACK_ROW)
    early = merge([FALLBACK_ROW], revision=7, updated_at=LATER, modified_at=AT)

    assert (catalog.revision, catalog.updated_at, catalog.modified_at) == (7, AT, LATER)
    assert (early.updated_at, early.modified_at) == (LATER, LATER)


STATUSES = st.dictionaries(
    st.sampled_from(["a", "b", "c", "kilo/auto", "d/e"]), st.sampled_from(Status)
)


@given(STATUSES)
def test_merging_loses_nothing_invents_nothing_and_does_not_mind_the_order(
    statuses: dict[str, Status],
) -> None:
    discovered = [
        row(model_id, None if status is Status.REMOVED else place, status)
        for place, (model_id, status) in enumerate(statuses.items())
    ]
    rows = [*discovered, FALLBACK_ROW]

    catalog = merged(*rows)

    assert merged(*reversed(rows)) == catalog
    on_offer = [each for each in discovered if not each.is_removed]
    is_covered = any(each.model.id == AUTO.id for each in on_offer)
    assert catalog.rows == (*on_offer, *(() if is_covered else (FALLBACK_ROW,)))
    assert AUTO.ref in {each.model.ref for each in catalog.rows}
    tombstones = {each.model.id for each in discovered if each.is_removed} - {AUTO.id}
    assert {each.model.id for each in catalog.removed} == tombstones
