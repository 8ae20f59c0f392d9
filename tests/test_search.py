"""Search: every model that has the words, the best first, in spite of typos."""

import re
import string
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from service.catalog import KILOCODE, Life, Model, Row
from service.normalise import normalise
from service.query.search import MAX_WORDS, Search
from service.query.shelf import Shelf
from tests.catalogs import CALM, NOW, SHELVES, catalog_of, models_of, refs_of
from tests.speech import OCTOBER, catalog_of_list

LISTED: Final = Shelf(catalog_of_list(OCTOBER))
MODELS: Final = models_of(LISTED)


def words_of(text: str | None) -> list[str]:
    """Runs of letters, and runs of digits."""
    return re.findall(r"[^\W\d_]+|\d+", (text or "").casefold())


def said(model: dict[str, Any]) -> list[str]:
    """All words of a model, two neighbours of its id or its name together, too."""
    names = [words_of(model["id"]), words_of(model["name"])]
    pairs = [one + other for words in names for one, other in pairwise(words)]
    others = [*words_of(model["author"]), *words_of(model["description"])]
    return [*names[0], *names[1], *pairs, *others]


def found(shelf: Shelf, text: str) -> list[str]:
    """Ids, the best first."""
    return [ref.removeprefix(f"{KILOCODE}/") for ref in refs_of(shelf, [("q", text)])]


def ids_with(word: str) -> set[str]:
    return {model["id"] for model in MODELS if word in said(model)}


# ── exact words ───────────────────────────────────────────────────────────────────────────────


def test_every_word_of_every_model_finds_it() -> None:
    for model in MODELS:
        fields = [model[name] for name in ("id", "name", "author", "description")]
        for word in {word for text in fields for word in words_of(text)}:
            for spelt in (word, word.upper(), word.title(), f" {word} ", f"({word})"):
                assert model["id"] in found(LISTED, spelt), (model["id"], spelt)


@settings(CALM, max_examples=60)
@given(shelf=SHELVES)
def test_every_name_of_any_model_finds_it(shelf: Shelf) -> None:
    every = refs_of(shelf, [])
    for model in models_of(shelf):
        for text in (model["id"], model["name"], model["author"]):
            if 0 < len(words_of(text)) <= MAX_WORDS and text.isprintable():
                fit = refs_of(shelf, [("q", text)])
                assert model["ref"] in fit or model["ref"] not in every, text


WORDS: Final = sorted({word for model in MODELS for word in said(model)})


@settings(CALM, max_examples=150)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3))
def test_more_words_find_the_models_that_have_all_of_them(words: list[str]) -> None:
    together = found(LISTED, " ".join(words))

    each = set.intersection(*(set(found(LISTED, word)) for word in words))
    if any(one + other in WORDS for one, other in pairwise(words)):
        assert set(together) >= each
    else:
        assert set(together) == each
    assert len(together) == len(set(together))


@settings(CALM, max_examples=150)
@given(text=st.text(max_size=30))
@example(text="")
@example(text="---")
@example(text="\ud800 \0 \u0663 ² ﬁ İ ß")
def test_any_text_finds_some_models_or_none(text: str) -> None:
    scores = LISTED.search.scores(text)

    assert set(scores) <= set(range(len(LISTED.rows)))
    assert all(score > 0 for score in scores.values())
    if not words_of(text):
        assert not scores


def test_only_the_first_words_of_a_long_text_count() -> None:
    enough = " ".join(["meridian"] * MAX_WORDS)

    assert found(LISTED, f"{enough} nothing") == found(LISTED, "meridian") != []
    assert found(LISTED, "meridian nothing") == []


# ── typos ─────────────────────────────────────────────────────────────────────────────────────

TYPED: Final = sorted(
    {
        word
        for model in MODELS
        for text in (model["id"], model["name"])
        for word in words_of(text)
        if word.isalpha() and len(word) >= 3
    }
)
LETTERS: Final = st.sampled_from(string.ascii_lowercase)


@st.composite
def typos(draw: st.DrawFn, word: str) -> str:
    """The word with a letter too many or too few, a wrong one, or two that changed places."""
    place = draw(st.integers(0, max(len(word) - 2, 0)))
    before, after = word[:place], word[place:]
    match draw(st.integers(0, 3)):
        case 0:
            return before + draw(LETTERS) + after
        case 1:
            return before + after[1:]
        case 2:
            return before + draw(LETTERS) + after[1:]
        case _:
            return before + after[1:2] + after[:1] + after[2:]


def has_inside(word: str) -> bool:
    """Whether some model has the word as it is typed, so that it is no typo."""
    return any(word in one for one in WORDS)


@settings(CALM, max_examples=150)
@given(data=st.data(), word=st.sampled_from(TYPED))
def test_a_word_that_is_a_typo_away_is_found(data: st.DataObject, word: str) -> None:
    typed = data.draw(typos(word))
    assume(len(typed) >= 3 and not has_inside(typed))

    assert ids_with(word) <= set(found(LISTED, typed)), typed


@settings(CALM, max_examples=150)
@given(data=st.data(), word=st.sampled_from([word for word in TYPED if len(word) >= 6]))
def test_a_long_word_may_be_two_typos_away(data: st.DataObject, word: str) -> None:
    middle = data.draw(st.integers(2, len(word) - 2))
    typed = data.draw(typos(word[:middle])) + data.draw(typos(word[middle:]))
    assume(len(typed) >= 6 and not has_inside(typed))

    assert ids_with(word) <= set(found(LISTED, typed)), typed


@pytest.mark.parametrize(
    "typed", ["mn", "xyz", "meridiannnn", "qqqqqq", "5.6", "9", "meridian-7", "rchrd"]
)
def test_what_is_too_far_from_any_word_finds_nothing(typed: str) -> None:
    assert found(LISTED, typed) == []


def test_a_word_that_is_right_finds_nothing_else() -> None:
    assert set(found(LISTED, "meridian")) == ids_with("meridian")
    assert set(found(LISTED, "tile")) == ids_with("tile")  # and no `title`


def test_a_digit_is_never_a_typo_and_never_a_part_of_a_number() -> None:
    shelf = shelf_of(("a/x-2024", "X"), ("a/x-4", "X"))

    assert found(shelf, "x 4") == ["a/x-4"]
    assert found(shelf, "x 2025") == []
    assert found(shelf, "2024") == ["a/x-2024"]


# ── ranking ───────────────────────────────────────────────────────────────────────────────────


def row(model_id: str, name: str, description: str | None = None, author: str | None = None) -> Row:
    life = Life(first_seen=NOW, updated_at=NOW, revision=1)
    made = Model(source=KILOCODE, id=model_id, name=name, description=description, author=author)
    return Row(model=made, life=life)


def shelf_of(*models: Sequence[str]) -> Shelf:
    return Shelf(catalog_of([row(*said) for said in models]))


def test_the_id_and_the_name_count_more_than_the_author_and_that_more_than_the_description() -> (
    None
):
    shelf = shelf_of(
        ("a/1", "One", "like a vixen"),
        ("a/2", "Two", "", "vixen"),
        ("a/3", "Vixen"),
        ("a/vixen", "Four"),
        ("a/5", "Five", "nothing"),
    )

    assert found(shelf, "vixen") == ["a/3", "a/vixen", "a/2", "a/1"]


def test_a_whole_word_counts_more_than_its_beginning_and_that_more_than_its_inside() -> None:
    shelf = shelf_of(("a/1", "Bluefox"), ("a/2", "Foxes"), ("a/3", "Fox"), ("a/4", "Of ox"))

    assert found(shelf, "fox") == ["a/3", "a/2", "a/1", "a/4"]  # `of ox` holds it across words


def test_words_that_stand_together_count_more_and_the_whole_name_most() -> None:
    shelf = shelf_of(
        ("a/red-x-fox", "1"), ("a/red-fox-mini", "2"), ("a/red-fox", "3"), ("a/fox-red", "4")
    )

    assert found(shelf, "red fox") == ["a/red-fox", "a/red-fox-mini", "a/red-x-fox", "a/fox-red"]
    assert found(shelf, "Fox, red!") == ["a/fox-red", "a/red-x-fox", "a/red-fox-mini", "a/red-fox"]


def test_equals_stay_in_the_order_of_the_catalog() -> None:
    shelf = shelf_of(("a/fox-9-long", "1"), ("a/fox", "2"), ("b/fox-1", "3"))

    assert found(shelf, "fox") == ["a/fox-9-long", "a/fox", "b/fox-1"]


def test_letters_and_digits_may_be_written_together_or_apart() -> None:
    shelf = shelf_of(("openai/gpt-4o", "GPT-4o"), ("deepseek/deepseek-r1", "DeepSeek: R1"))

    for text in ("gpt4o", "GPT 4o", "gpt-4-o", "gpt_4o", "openai/gpt-4o"):
        assert found(shelf, text) == ["openai/gpt-4o"], text
    for text in ("deep seek", "Deep-Seek r1", "deepseekr1", "DEEPSEEK R 1", "deepsek r1"):
        assert found(shelf, text) == ["deepseek/deepseek-r1"], text
    for text in ("open ai", "Open-AI gpt", "gpt, open ai"):
        assert found(shelf, text) == ["openai/gpt-4o"], text


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("meridian", "orrery/meridian-5"),
        ("meridian 5", "orrery/meridian-5"),
        ("meridian-5-fast", "orrery/meridian-5-fast"),
        ("meridian 4.5", "orrery/meridian-4.5"),
        ("orrery latest", "~orrery/meridian-latest"),
        ("kingfisher 3", "halcyon-row/kingfisher-3"),
        ("kingfisher 3 thinking", "halcyon-row/kingfisher-3:thinking"),
        ("king fisher", "halcyon-row/kingfisher-3:thinking"),
        ("alder 8b", "alderworks/alder-8b"),
        ("alder 70b", "alderworks/alder-70b-2024-08-06"),
        ("ember 4.1", "cinderpeak/ember-4.1"),
        ("embr 4.1", "cinderpeak/ember-4.1"),
        ("sound 3", "fjordline/sound-3"),
        ("mini", "juniper-grove/sprig-mini"),
        ("free", "kilo-auto/free"),
        ("auto", "kilo-auto/frontier"),
        ("drizzle embedd", "petrichor/drizzle-embed"),
        ("translator", "gannet/plunge-1.5"),
        ("🦊", None),
        ("reynard", "vulpine/reynard"),
        ("jakdaw", "rookery/jackdaw-mini"),
        ("switchyrad", "switchyard/auto"),
        ("kilo auto", "kilo/auto"),
    ],
)
def test_the_best_of_our_list_comes_first(text: str, first: str | None) -> None:
    assert next(iter(found(LISTED, text)), None) == first


@pytest.fixture(scope="module")
def real(captures: Path) -> Shelf:
    body = (captures / "kilo-2026-07-28.json").read_bytes()
    life = Life(first_seen=NOW, updated_at=NOW, revision=1)
    models = normalise(body, KILOCODE).models
    return Shelf(catalog_of([Row(model=model, life=life) for model in models]))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("cluade sonet", "anthropic/claude-sonnet-5"),
        ("claude sonnet 4.5", "anthropic/claude-sonnet-4.5"),
        ("sonnet 4", "anthropic/claude-sonnet-4"),
        ("sonnet-4.5", "anthropic/claude-sonnet-4.5"),
        ("claud opus", "anthropic/claude-opus-5"),
        ("opus 4.5", "anthropic/claude-opus-4.5"),
        ("antropic", "anthropic/claude-sonnet-5"),
        ("anthropic haiku", "~anthropic/claude-haiku-latest"),
        ("gpt4o", "openai/gpt-4o"),
        ("gpt-4o mini", "openai/gpt-4o-mini"),
        ("GPT 4o-mini", "openai/gpt-4o-mini"),
        ("chatgpt 4o", None),
        ("o3 mini", "openai/o3-mini"),
        ("gpt oss 120b", "openai/gpt-oss-120b"),
        ("open ai", "openai/gpt-5.6-sol"),
        ("mistral ai", "mistralai/mistral-medium-3-5"),
        ("x ai grok", "~x-ai/grok-latest"),
        ("deepseek r1", "deepseek/deepseek-r1"),
        ("deep seek r1", "deepseek/deepseek-r1-0528"),
        ("gemini flash", "~google/gemini-flash-latest"),
        ("gemni 2.5 pro", "google/gemini-2.5-pro"),
        ("mistral large", "mistralai/mistral-large"),
        ("mistal large", "mistralai/mistral-large-2512"),
        ("kimi k2", "moonshotai/kimi-k2"),
        ("glm 4.6", "z-ai/glm-4.6"),
        ("llama 3.3 70b", "meta-llama/llama-3.3-70b-instruct"),
        ("qwen 3 coder", "qwen/qwen3-coder"),
        ("minimax", "minimax/minimax-m3"),
        ("openai/gpt-5", "openai/gpt-5"),
    ],
)
def test_the_best_of_a_real_list_comes_first(real: Shelf, text: str, first: str | None) -> None:
    fit = found(real, text)

    assert next(iter(fit), None) == first, fit[:5]


def test_every_model_of_a_real_list_is_found_by_its_id_and_its_name_first(real: Shelf) -> None:
    rows = real.rows
    names = [[words_of(row.model.id), words_of(row.model.name)] for row in rows]
    for place, row in enumerate(rows):
        for text, which in ((row.model.id, 0), (row.model.name, 1)):
            scores = real.search.scores(text)
            best = max(scores, key=lambda one: (scores[one], -one))
            # Another with the same words in the same order is as good.
            assert best == place or _holds(names[best], names[place][which]), (text, rows[best])


def _holds(names: list[list[str]], words: list[str]) -> bool:
    every = [*names[0], *names[1]]
    return any(every[at : at + len(words)] == words for at in range(len(every)))


def test_an_index_of_nothing_finds_nothing() -> None:
    assert Search([]).scores("anything") == {}
