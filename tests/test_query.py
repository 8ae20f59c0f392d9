from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fixtures
from service.catalog import Catalog, Life, Model, Row
from service.errors import UnknownModelError
from service.normalise import normalise
from service.query.moments import MOMENT_FORM, moment
from service.query.names import find
from service.spelling import nearest

KNOWN = [
    model.id
    for model in normalise(fixtures.path("kilo-2026-10-01.json").read_bytes(), "kilocode").models
]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("orrery/meridian-5", "orrery/meridian-5"),
        ("orrery/meridan-5", "orrery/meridian-5"),
        ("ORRERY/MERIDIAN-5", "orrery/meridian-5"),
        ("meridian-5", "orrery/meridian-5"),
        ("kilocode/orrery/meridian-5", "orrery/meridian-5"),
        ("orery/meridian 4.5", "orrery/meridian-4.5"),
        ("cinderpeak/ember-41", "cinderpeak/ember-4.1"),
        ("cinderpeak/ember-4.1:discount", "cinderpeak/ember-4.1:discounted"),
        ("kingfisher-3-thinking", "halcyon-row/kingfisher-3:thinking"),
        ("fjordline/sound3", "fjordline/sound-3"),
        ("stealth/heorn", "stealth/heron"),
        ("marginalia", "marginalia-1"),
    ],
)
def test_the_id_that_was_meant_is_among_the_nearest(typed: str, meant: str) -> None:
    assert meant in nearest(typed, KNOWN)


def test_the_nearest_comes_first() -> None:
    assert nearest("tessellate/tile-vidoe", KNOWN)[0] == "tessellate/tile-video"


def test_letter_case_does_not_matter_and_ids_are_told_as_they_are() -> None:
    assert nearest("qwen/qwen-max", ["QWEN/QWEN-MAX"]) == ["QWEN/QWEN-MAX"]
    assert nearest("QWEN/QWEN-MAX", ["qwen/qwen-max"]) == ["qwen/qwen-max"]


def test_no_more_are_told_than_asked_for() -> None:
    assert len(nearest("orrery/meridian", KNOWN)) == 3
    assert len(nearest("orrery/meridian", KNOWN, limit=1)) == 1


@pytest.mark.parametrize("typed", ["", " ", "qqqqqqqqqqqq", "\U0001f98a", "xyzzy?", "%%%", "////"])
def test_nonsense_is_near_to_nothing(typed: str) -> None:
    assert nearest(typed, KNOWN) == []


def test_nothing_is_near_where_nothing_is_known() -> None:
    assert nearest("orrery/meridian-5", []) == []


HOSTILE = {
    "nul": "a\0b",
    "lone-surrogate": "\ud800\udfff\udc00",
    "bidi": "\u202eevil",
    "long": "orrery/" * 2000,
    "dotted-i": "\u0130" * 300,
    "combining": "e" + "\u0301" * 500,
    "pattern": ".*(a+)+$[",
    "lines": "a\r\nb",
}


@pytest.mark.parametrize("typed", [pytest.param(text, id=name) for name, text in HOSTILE.items()])
def test_a_hostile_question_gets_an_answer_like_any_other(typed: str) -> None:
    found = nearest(typed, [*KNOWN, *HOSTILE.values()])

    assert len(found) <= 3
    assert set(found) <= {*KNOWN, *HOSTILE.values()}


# ── moments ───────────────────────────────────────────────────────────────────────────────────

NOW = datetime(2026, 10, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0", 0),
        ("13", 13),
        ("2026-01-15", datetime(2026, 1, 15, tzinfo=UTC)),
        ("2026-01-15T20:20", datetime(2026, 1, 15, 20, 20, tzinfo=UTC)),
        ("2026-01-15T20:20:21", datetime(2026, 1, 15, 20, 20, 21, tzinfo=UTC)),
        ("2026-01-15T20:20:21Z", datetime(2026, 1, 15, 20, 20, 21, tzinfo=UTC)),
        ("2026-01-15 20:20Z", datetime(2026, 1, 15, 20, 20, tzinfo=UTC)),
        ("2026-01-15t20:20:21.987654321z", datetime(2026, 1, 15, 20, 20, 21, tzinfo=UTC)),
        ("2026-01-15T20:20:00+02:00", datetime(2026, 1, 15, 18, 20, tzinfo=UTC)),
        ("2026-01-15T20:20-05:30", datetime(2026, 1, 16, 1, 50, tzinfo=UTC)),
        ("0s", NOW),
        ("90s", datetime(2026, 10, 1, 12, 28, 30, tzinfo=UTC)),
        ("15m", datetime(2026, 10, 1, 12, 15, tzinfo=UTC)),
        ("24h", datetime(2026, 9, 30, 12, 30, tzinfo=UTC)),
        ("7d", datetime(2026, 9, 24, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_revision_a_time_or_an_age(text: str, meant: int | datetime) -> None:
    assert moment(text, NOW) == meant


NO_MOMENTS = (
    *("", " ", "-1", "1.5", "1e3", "+1", "0x1", " 13", "13 ", "\u0663", "1_000", "9" * 19),
    *("now", "yesterday", "d", "7w", "7D", "-7d", "1.5h", "7 d", "99999999d", "999999999999d"),
    *("2026-1-5", "2026-02-30", "2026-13-01", "0000-01-01", "2026-01-15T", "2026-W03-4"),
    *("2026-01-15T20", "2026-01-15T25:00", "2026-01-15T20:60", "2026-01-15T2020", "2026-01-15Z"),
    *("2026-01-15T20:20+24:00", "0001-01-01T00:00+01:00", "9999-12-31T23:59-01:00"),
)


@pytest.mark.parametrize("text", NO_MOMENTS)
def test_what_is_no_moment_is_told_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="is not a revision, a date or time") as raised:
        moment(text, NOW)

    assert str(raised.value) == f"{text!r} is not {MOMENT_FORM}"


offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
)
times = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(number=st.integers(0, 10**18 - 1))
def test_every_number_is_a_revision(number: int) -> None:
    assert moment(str(number), NOW) == number


@given(at=times, offset=offsets)
def test_a_time_is_the_same_instant_in_every_offset(at: datetime, offset: timezone) -> None:
    found = moment(at.astimezone(offset).isoformat(), NOW)

    assert found == at.replace(microsecond=0)
    assert isinstance(found, datetime)
    assert found.tzinfo is UTC


@given(at=times)
def test_a_time_without_an_offset_is_utc_and_a_date_its_first_instant(at: datetime) -> None:
    whole = at.replace(microsecond=0)

    assert moment(at.replace(tzinfo=None).isoformat(), NOW) == whole
    assert moment(f"{at:%Y}".zfill(4) + f"{at:-%m-%d}", NOW) == whole.replace(
        hour=0, minute=0, second=0
    )


@given(count=st.integers(0, 10**6), unit=st.sampled_from([("s", 1), ("m", 60), ("h", 3600)]))
def test_an_age_is_so_long_ago(count: int, unit: tuple[str, int]) -> None:
    letter, seconds = unit

    assert moment(f"{count}{letter}", NOW) == NOW - timedelta(seconds=count * seconds)


@given(text=st.text() | st.from_regex(r"[0-9TtZz:.+\- smhd]*", fullmatch=True))
def test_any_text_is_a_moment_or_a_plain_error(text: str) -> None:
    found: int | datetime | str
    try:
        found = moment(text, NOW)
    except ValueError as error:
        found = str(error)

    if isinstance(found, datetime):
        assert found.utcoffset() == timedelta(0)
    elif isinstance(found, str):
        assert found == f"{text!r} is not {MOMENT_FORM}"


# ── one model ─────────────────────────────────────────────────────────────────────────────────


def test_a_model_is_found_by_ref_and_by_id_removed_ones_too() -> None:
    life = Life(first_seen=NOW, updated_at=NOW, revision=1)
    odd = Row(model=Model(source="other", id="kilocode/kilo/auto", name="Odd"), life=life)
    auto = Row(model=Model(source="kilocode", id="kilo/auto", name="Auto"), life=life)
    catalog = Catalog(revision=1, updated_at=NOW, modified_at=NOW, rows=(odd,), removed=(auto,))

    assert find(catalog, "kilo/auto") is auto
    assert find(catalog, "kilocode/kilo/auto") is auto  # a ref is unambiguous
    assert find(catalog, "other/kilocode/kilo/auto") is odd
    with pytest.raises(UnknownModelError, match="did you mean kilo/auto"):
        find(catalog, "kilo/atuo")
