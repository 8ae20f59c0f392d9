import pytest

import fixtures
from service.normalise import normalise
from service.query import nearest

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
