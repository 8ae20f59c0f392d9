from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.catalog import Cost, Kind, Life, Model, Row, Status, Transition
from service.lifecycle import advance, reread, shrink
from tests.scenes import facts, told

START = datetime(2026, 10, 1, 12, tzinfo=UTC)
GRACE = timedelta(hours=24)
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no finding."""


def model(model_id: str, name: str = "Same") -> Model:
    return Model(source="kilocode", id=model_id, name=name)


def models(ids: str) -> list[Model]:
    return [model(model_id) for model_id in ids]


class History:
    """A source's rows over a series of good lists, each one letter a model."""

    def __init__(self) -> None:
        self.rows: tuple[Row, ...] = ()
        self.revision = 0

    def see(self, seen: str | Sequence[Model], hours: float = 0) -> Transition:
        self.revision += 1
        step = advance(
            self.rows,
            models(seen) if isinstance(seen, str) else seen,
            at=START + timedelta(hours=hours),
            revision=self.revision,
            grace=GRACE,
        )
        self.rows = step.rows
        return step

    def row(self, model_id: str) -> Row:
        (found,) = (row for row in self.rows if row.model.id == model_id)
        return found


@pytest.fixture
def history() -> History:
    return History()


def opened(step: Transition) -> list[tuple[str, str]]:
    return [(kind.value, row.model.id) for kind, row in step.opened]


def order(rows: Iterable[Row]) -> list[tuple[str, int | None]]:
    return [(row.model.id, row.position) for row in rows]


# ---- examples


def test_models_of_the_first_list_are_added_in_its_order(history: History) -> None:
    step = history.see("ba")

    assert opened(step) == [("added", "b"), ("added", "a")]
    assert order(step.rows) == [("b", 0), ("a", 1)]
    life = history.row("a").life
    assert (life.first_seen, life.updated_at, life.revision) == (START, START, 1)
    assert life.status is Status.ACTIVE


def test_the_same_list_again_opens_and_moves_nothing(history: History) -> None:
    history.see("abc")
    before = history.rows

    step = history.see("abc", hours=1)

    assert (step.opened, step.moved, step.rows) == ((), (), before)


def test_a_changed_model_is_a_new_version_and_the_others_are_not(history: History) -> None:
    history.see("ab")

    step = history.see([model("a"), model("b", name="Other")], hours=1)

    assert opened(step) == [("changed", "b")]
    life = history.row("b").life
    assert (life.first_seen, life.updated_at, life.revision) == (
        START,
        START + timedelta(hours=1),
        2,
    )
    assert history.row("b").model.name == "Other"
    assert history.row("a").life.revision == 1


def test_another_order_moves_rows_and_opens_none(history: History) -> None:
    history.see("abc")

    step = history.see("cba", hours=1)

    assert step.opened == ()
    assert order(step.moved) == [("c", 0), ("a", 2)]
    assert order(step.rows) == [("c", 0), ("b", 1), ("a", 2)]
    assert {row.life.revision for row in step.rows} == {1}


def test_a_new_version_in_a_new_place_is_opened_and_not_moved(history: History) -> None:
    history.see("ab")

    step = history.see([model("b", name="Other"), model("a")], hours=1)

    assert opened(step) == [("changed", "b")]
    assert order(row for _, row in step.opened) == [("b", 0)]
    assert order(step.moved) == [("a", 1)]


def test_an_absent_model_is_missing_since_then_and_behind_the_listed(history: History) -> None:
    history.see("abc")

    step = history.see("bc", hours=1)

    assert opened(step) == [("missing", "a")]
    assert order(step.rows) == [("b", 0), ("c", 1), ("a", 2)]
    life = history.row("a").life
    assert (life.status, life.missing_since, life.removed_at) == (
        Status.MISSING,
        START + timedelta(hours=1),
        None,
    )
    assert life.first_seen == START


def test_a_missing_model_stays_as_it_is_until_the_grace_is_over(history: History) -> None:
    history.see("ab")
    history.see("b", hours=1)

    step = history.see("b", hours=25)  # absent for just the grace

    assert (step.opened, step.moved) == ((), ())
    assert history.row("a").life.status is Status.MISSING


def test_a_model_absent_for_longer_than_the_grace_is_removed(history: History) -> None:
    history.see("ab")
    history.see("b", hours=1)

    step = history.see("b", hours=25 + 1 / 3600)

    assert opened(step) == [("removed", "a")]
    life = history.row("a").life
    assert life.status is Status.REMOVED
    assert (life.missing_since, life.removed_at) == (START + timedelta(hours=1), step.at)
    assert (life.updated_at, life.revision) == (step.at, 3)


def test_a_model_is_never_removed_by_its_first_absence_however_late(history: History) -> None:
    history.see("ab")

    step = history.see("b", hours=10_000)

    assert opened(step) == [("missing", "a")]


def test_a_removed_model_keeps_its_last_content_and_has_no_place(history: History) -> None:
    history.see([model("a", name="Last words"), model("b")])
    history.see("b", hours=1)
    history.see("b", hours=26)

    step = history.see("b", hours=2000)

    assert (step.opened, step.moved) == ((), ())
    assert order(step.rows) == [("b", 0), ("a", None)]
    assert history.row("a").model.name == "Last words"


def test_tombstones_come_last(history: History) -> None:
    history.see("abc")
    history.see("bc", hours=1)
    history.see("c", hours=20)

    step = history.see("cd", hours=26)

    assert opened(step) == [("added", "d"), ("removed", "a")]
    assert order(step.rows) == [("c", 0), ("d", 1), ("b", 2), ("a", None)]


def test_tombstones_come_last_even_when_the_clock_was_set_back(history: History) -> None:
    history.see("abc")
    history.see("bc", hours=100)
    history.see("c", hours=0)

    step = history.see("c", hours=25)

    assert opened(step) == [("removed", "b")]
    assert order(step.rows) == [("c", 0), ("a", 1), ("b", None)]


@pytest.mark.parametrize("hours", [2.0, 30.0])
@pytest.mark.parametrize("name", ["Same", "Other"])
def test_a_model_that_is_listed_again_has_returned_whatever_it_says(
    history: History, hours: float, name: str
) -> None:
    history.see("ab")
    history.see("b", hours=1)
    history.see("b", hours=hours)

    step = history.see([model("a", name=name), model("b")], hours=hours + 1)

    assert opened(step) == [("returned", "a")]
    row = history.row("a")
    assert row.model.name == name
    life = row.life
    assert (life.status, life.missing_since, life.removed_at) == (Status.ACTIVE, None, None)
    assert (life.first_seen, life.updated_at, life.revision) == (START, step.at, 4)
    assert order(step.rows) == [("a", 0), ("b", 1)]


def test_a_second_absence_is_counted_from_its_own_beginning(history: History) -> None:
    history.see("ab")
    history.see("b", hours=1)
    history.see("ab", hours=20)
    history.see("b", hours=21)

    step = history.see("b", hours=26)  # 25 hours after the first absence

    assert step.opened == ()
    assert history.row("a").life.missing_since == START + timedelta(hours=21)


def test_a_transition_counts_every_kind(history: History) -> None:
    history.see("abcd")
    history.see("abc", hours=1)
    step = history.see([model("a", name="Other"), model("d"), model("e"), model("f")], hours=2)

    assert step.counts == {
        Kind.ADDED: 2,
        Kind.CHANGED: 1,
        Kind.MISSING: 2,
        Kind.REMOVED: 0,
        Kind.RETURNED: 1,
    }


# ---- lists that are held


def active(ids: str) -> tuple[Row, ...]:
    history = History()
    history.see(ids)
    return history.rows


@pytest.mark.parametrize(
    ("before", "seen", "missing"),
    [
        ("abcd", "ab", None),
        ("abcd", "a", "bcd"),
        ("abcde", "abc", None),
        ("abcde", "ab", "cde"),
        ("ab", "b", None),
        ("ab", "xy", "ab"),
        ("a", "x", "a"),
        ("abcd", "xyzw", "abcd"),
        ("", "a", None),
    ],
)
def test_a_list_is_held_when_over_half_of_the_active_models_would_go_missing(
    before: str, seen: str, missing: str | None
) -> None:
    found = shrink(active(before), models(seen))

    assert (found and found.missing) == (None if missing is None else tuple(missing))
    assert found is None or found.active == len(before)


def test_models_that_are_missing_already_do_not_count_for_a_shrink(history: History) -> None:
    history.see("abcdef")
    history.see("abcd", hours=1)

    assert shrink(history.rows, models("ab")) is None
    found = shrink(history.rows, models("aef"))
    assert found is not None
    assert (found.missing, found.active) == (("b", "c", "d"), 4)


def test_a_held_list_is_recognised_whatever_its_order_and_content() -> None:
    before = active("abcdef")
    one = shrink(before, models("ab"))
    same = shrink(before, [model("b", name="Other"), model("a")])
    other = shrink(before, models("ac"))
    longer = shrink(before, models("abx"))

    assert one
    assert same
    assert other
    assert longer
    assert one.observed == same.observed
    assert len({one.observed, other.observed, longer.observed}) == 3


# ---- properties

NEXT = {
    None: {Status.ACTIVE},
    Status.ACTIVE: {Status.ACTIVE, Status.MISSING},
    Status.MISSING: {Status.ACTIVE, Status.MISSING, Status.REMOVED},
    Status.REMOVED: {Status.ACTIVE, Status.REMOVED},
}
KIND = {
    (None, Status.ACTIVE): Kind.ADDED,
    (Status.ACTIVE, Status.MISSING): Kind.MISSING,
    (Status.MISSING, Status.REMOVED): Kind.REMOVED,
    (Status.MISSING, Status.ACTIVE): Kind.RETURNED,
    (Status.REMOVED, Status.ACTIVE): Kind.RETURNED,
}
SEEN = st.lists(
    st.builds(model, st.sampled_from("abcdef"), st.sampled_from(["Same", "Other"])),
    max_size=6,
    unique_by=lambda each: each.id,
)
HOURS = st.sampled_from([-30, -1, 0, 1, 12, 24, 25, 100])


class Lives(RuleBasedStateMachine):
    """Any lists at any times, on a clock that may be set back."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Row, ...] = ()
        self.at = START
        self.revision = 0
        self.seen: list[Model] = []
        self.ever: dict[str, datetime] = {}

    @rule(seen=SEEN, hours=HOURS)
    def another_list(self, seen: list[Model], hours: int) -> None:
        self._step(seen, hours)

    @rule(hours=HOURS)
    def the_same_list(self, hours: int) -> None:
        before = {row.model.id: row for row in self.rows}
        step = self._step(self.seen, hours)
        assert {kind for kind, _ in step.opened} <= {Kind.REMOVED}
        if not step.opened:
            assert step.moved == ()
            assert {row.model.id: row for row in self.rows} == before

    def _step(self, seen: list[Model], hours: int) -> Transition:
        self.at += timedelta(hours=hours)
        self.revision += 1
        self.seen = seen
        before = {row.model.id: row for row in self.rows}
        step = advance(self.rows, seen, at=self.at, revision=self.revision, grace=GRACE)
        again = advance(
            tuple(reversed(self.rows)), seen, at=self.at, revision=self.revision, grace=GRACE
        )
        assert replace(again, rows=()) == replace(step, rows=())
        self.rows = step.rows
        for each in seen:
            self.ever.setdefault(each.id, self.at)
        self._check_steps(before, step)
        return step

    def _check_steps(self, before: dict[str, Row], step: Transition) -> None:
        assert (step.revision, step.at) == (self.revision, self.at)
        kinds = {row.model.id: kind for kind, row in step.opened}
        moved = {row.model.id for row in step.moved}
        assert set(kinds).isdisjoint(moved)
        after = {row.model.id: row for row in step.rows}
        assert all(
            after[row.model.id] is row for row in (*step.moved, *(r for _, r in step.opened))
        )
        for model_id, row in after.items():
            old = before.get(model_id)
            was = old.life.status if old else None
            status = row.life.status
            assert status in NEXT[was]
            is_other = old is not None and old.model != row.model
            kind = KIND.get((was, status)) or (Kind.CHANGED if is_other else None)
            assert kinds.get(model_id) == kind
            if kind is None:
                assert old is not None
                assert replace(row, position=None) == replace(old, position=None)
                assert (model_id in moved) == (row.position != old.position)
            else:
                assert (row.life.revision, row.life.updated_at) == (self.revision, self.at)
            if status is Status.REMOVED and was is Status.MISSING:
                assert old is not None
                assert old.life.missing_since is not None
                assert self.at - old.life.missing_since > GRACE

    @invariant()
    def every_id_ever_seen_is_there_once_and_first_seen_when_it_was(self) -> None:
        assert {row.model.id: row.life.first_seen for row in self.rows} == self.ever
        assert len(self.rows) == len(self.ever)

    @invariant()
    def listed_models_are_active_as_listed_and_only_they(self) -> None:
        listed = [row.model for row in self.rows if row.life.status is Status.ACTIVE]
        assert listed == self.seen

    @invariant()
    def places_count_up_from_the_listed_to_the_missing_and_tombstones_have_none(self) -> None:
        statuses = [row.life.status for row in self.rows]
        assert statuses == sorted(statuses, key=list(Status).index)
        on_offer = [row for row in self.rows if not row.is_removed]
        assert [row.position for row in on_offer] == list(range(len(on_offer)))
        assert {row.position for row in self.rows if row.is_removed} <= {None}

    @invariant()
    def dates_fit_the_status(self) -> None:
        for row in self.rows:
            life = row.life
            assert (life.missing_since is not None) == (life.status is not Status.ACTIVE)
            assert (life.removed_at is not None) == (life.status is Status.REMOVED)
            assert 1 <= life.revision <= self.revision


TestAnyLife = Lives.TestCase
TestAnyLife.settings = settings(CALM, max_examples=150, stateful_step_count=20)


@settings(CALM, max_examples=200)
@given(st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefghij")))
def test_a_list_is_held_exactly_when_it_lacks_over_half(before: set[str], seen: set[str]) -> None:
    found = shrink(active("".join(sorted(before))), models("".join(sorted(seen))))

    assert (found is not None) == (2 * len(before - seen) > len(before))


# ---- the whole of a life, told naively


def other(model_id: str, **said: Any) -> Model:
    return replace(model(model_id), **said)


SAID = st.builds(
    other,
    st.sampled_from("abcd"),
    name=st.sampled_from(["Same", "Other"]),
    badges=st.sampled_from([(), ("new",)]),
    cost=st.sampled_from([Cost(), Cost(input=3.0), Cost(input=2.5, output=0.0)]),
)
LISTS = st.lists(
    st.tuples(st.sampled_from([0, 1, 11, 24, 25]), st.lists(SAID, unique_by=lambda m: m.id)),
    min_size=1,
    max_size=8,
)


def fate(model_id: str, lists: Sequence[tuple[datetime, list[Model]]]) -> tuple[Model, Life]:
    """What is known of a model that one of these lists had, by its rules alone."""
    known: Model | None = None
    life = Life(first_seen=START, updated_at=START, revision=0)
    for revision, (at, seen) in enumerate(lists, 1):
        stamp: dict[str, Any] = {"updated_at": at, "revision": revision}
        listed = next((each for each in seen if each.id == model_id), None)
        if listed is not None:
            if known is None:
                life = replace(life, first_seen=at, **stamp)
            elif listed != known or life.status is not Status.ACTIVE:
                back: dict[str, Any] = {
                    "status": Status.ACTIVE,
                    "missing_since": None,
                    "removed_at": None,
                }
                life = replace(life, **stamp, **back)
            known = listed
        elif known is not None and life.status is Status.ACTIVE:
            life = replace(life, **stamp, status=Status.MISSING, missing_since=at)
        elif life.status is Status.MISSING and at > (life.missing_since or at) + GRACE:
            life = replace(life, **stamp, status=Status.REMOVED, removed_at=at)
    assert known
    return known, life


@settings(CALM, max_examples=60)
@given(LISTS)
def test_a_model_is_at_each_time_what_the_lists_so_far_have_made_of_it(
    lists: list[tuple[int, list[Model]]],
) -> None:
    rows: tuple[Row, ...] = ()
    dated: list[tuple[datetime, list[Model]]] = []
    for hours, seen in lists:
        at = (dated[-1][0] if dated else START) + timedelta(hours=hours)
        dated.append((at, seen))
        step = advance(rows, seen, at=at, revision=len(dated), grace=GRACE)

        ever = {each.id for _, listed in dated for each in listed}
        now = {row.model.id: (row.model, row.life) for row in step.rows}
        assert now == {model_id: fate(model_id, dated) for model_id in ever}
        assert_told(rows, step)
        rows = step.rows


def assert_told(before: Iterable[Row], step: Transition) -> None:
    """What a transition says of the differences is what they are."""
    old = {row.model.id: row for row in before}
    new = {row.model.id: row for row in step.rows}
    opened = {row.model.id: kind for kind, row in step.opened}
    was = {model_id: facts(row) for model_id, row in old.items()}
    news = told(was, {model_id: facts(row) for model_id, row in new.items()})
    differing = {i for i, row in new.items() if i not in old or row.life != old[i].life}

    assert set(opened) == differing
    assert {i: str(kind) for i, kind in opened.items() if i in news} == {
        model_id: one["kind"] for model_id, one in news.items()
    }
    assert {opened[model_id] for model_id in differing - set(news)} <= {Kind.CHANGED}  # marketing
    assert {model_id: set(fields) for model_id, fields in step.fields.items()} == {
        model_id: set(news[model_id]["fields"] if model_id in news else ())
        for model_id in opened
        if model_id in old
    }
    on_offer = {row.model.id for row in step.rows if not row.is_removed}
    assert step.bulk == in_bulk(news.values(), len(on_offer | differing))


def in_bulk(news: Iterable[dict[str, Any]], models: int) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for one in news:
        counts.update(list(one["fields"]) if one["kind"] == "changed" else [one["kind"]])
    return {name: count for name, count in counts.items() if count > max(1, models / 2)}


# ---- in bulk


def test_what_the_first_list_adds_is_in_bulk(history: History) -> None:
    assert history.see("abc").bulk == {"added": 3}
    assert history.see("abcd", hours=1).bulk == {}


def test_a_field_that_is_set_on_every_model_is_in_bulk(history: History) -> None:
    history.see("abcd")

    step = history.see([other(i, expires_at=START) for i in "abcd"], hours=1)

    assert step.bulk == {"expiresAt": 4}
    assert step.fields == dict.fromkeys("abcd", ("expiresAt",))


@pytest.mark.parametrize(("changed", "bulk"), [("ab", {}), ("abc", {"name": 3})])
def test_half_of_the_models_is_not_in_bulk_and_more_is(
    history: History, changed: str, bulk: dict[str, int]
) -> None:
    history.see("abcd")

    step = history.see([model(i, "Other" if i in changed else "Same") for i in "abcd"], hours=1)

    assert step.bulk == bulk


def test_missing_models_count_as_models_and_tombstones_do_not(history: History) -> None:
    history.see("abcd")
    history.see("ab", hours=1)
    both = [model("a", "Other"), model("b", "Other")]

    assert history.see(both, hours=2).bulk == {}  # two of four
    history.see(both, hours=26)

    assert history.see("ab", hours=27).bulk == {"name": 2}  # two of two


def test_half_of_the_models_removed_at_once_is_not_in_bulk(history: History) -> None:
    history.see("abcd")
    history.see("ab", hours=1)

    step = history.see("ab", hours=26)

    assert opened(step) == [("removed", "c"), ("removed", "d")]
    assert step.bulk == {}


def test_marketing_on_every_model_is_a_version_of_each_and_no_news(history: History) -> None:
    history.see("abc")

    step = history.see([other(i, badges=("new",), preferred_index=1) for i in "abc"], hours=1)

    assert [kind for kind, _ in step.opened] == [Kind.CHANGED] * 3
    assert step.fields == dict.fromkeys("abc", ())
    assert step.bulk == {}


# ---- grace


def test_without_grace_an_absent_model_is_removed_by_the_first_later_list() -> None:
    rows = active("ab")
    for hours, expected in [(1, "missing"), (1, "missing"), (1 + 1 / 3600, "removed")]:
        at = START + timedelta(hours=hours)
        rows = advance(rows, models("b"), at=at, revision=2, grace=timedelta(0)).rows
        assert rows[-1].life.status == expected


# ---- newer rules


def read_anew(
    rows: Iterable[Row], found: Iterable[Model], *, revision: int = 9, hours: float = 1000
) -> Transition:
    by_id = {each.id: each for each in found}
    return reread(rows, by_id, at=START + timedelta(hours=hours), revision=revision)


def test_newer_rules_change_content_and_nobodys_life(history: History) -> None:
    history.see("abcd")
    history.see("bcd", hours=1)
    history.see("cd", hours=26)  # a is removed, b is missing
    before = {row.model.id: row for row in history.rows}

    step = read_anew(history.rows, [model(i, "Better") for i in "abc"])

    assert opened(step) == [("changed", "c"), ("changed", "b"), ("changed", "a")]
    assert step.fields == dict.fromkeys("abc", ("name",))
    assert step.moved == ()
    for _, row in step.opened:
        old = before[row.model.id]
        assert row.life == replace(old.life, updated_at=step.at, revision=9)
        assert row == replace(old, model=replace(old.model, name="Better"), life=row.life)
    assert [row.model.id for row in step.rows] == [row.model.id for row in history.rows]


def test_newer_rules_that_say_the_same_open_nothing(history: History) -> None:
    history.see("abc")
    history.see("ab", hours=1)

    step = read_anew(history.rows, models("abcz"))

    assert (step.opened, step.moved, step.rows) == ((), (), history.rows)
    assert (step.fields, step.bulk) == ({}, {})


def test_what_newer_rules_refuse_or_what_has_no_entry_stays_as_it_is(history: History) -> None:
    history.see("ab")

    step = read_anew(history.rows, [model("b", "Better")])

    assert opened(step) == [("changed", "b")]
    assert [row.model.name for row in step.rows] == ["Same", "Better"]


@settings(CALM, max_examples=40)
@given(LISTS, st.lists(SAID, unique_by=lambda m: m.id))
def test_newer_rules_after_any_life_change_content_alone(
    lists: list[tuple[int, list[Model]]], found: list[Model]
) -> None:
    rows: tuple[Row, ...] = ()
    for number, (hours, seen) in enumerate(lists):
        at = START + timedelta(hours=number + hours)
        rows = advance(rows, seen, at=at, revision=number + 1, grace=GRACE).rows
    better = {each.id: each for each in found}
    step = reread(rows, better, at=START + timedelta(days=99), revision=99)

    assert_told(rows, step)
    assert step.moved == ()
    on_offer = [row.model.id for row in rows if not row.is_removed]
    assert [row.model.id for row in step.rows if not row.is_removed] == on_offer
    read = {row.model.id: row for row in step.rows}
    assert len(read) == len(step.rows) == len(rows)
    for old in rows:
        new = read[old.model.id]
        assert new.model == better.get(old.model.id, old.model)
        assert new.position == old.position
        kept = replace(new.life, updated_at=old.life.updated_at, revision=old.life.revision)
        assert kept == old.life
        assert (new.life.revision == 99) == (new.model != old.model)
