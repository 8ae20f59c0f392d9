"""Search: the models that a few words mean, the best first, in spite of typos. Pure.

Each word has to be somewhere in a model's id, name, author or description: as it is, at the
beginning of a word, or inside of one; only where no model has it, as a word that is a typo away.
"""

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from rapidfuzz import process
from rapidfuzz.distance import OSA

from service.catalog import Model, Row

_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
"""Letters and digits apart: `gpt-4o`, `gpt4o` and `GPT 4o` are the same three words."""

MAX_WORDS: Final = 12
"""Words of a question that count."""

EXACT, BEGINNING, INSIDE, TYPO = 1.0, 0.8, 0.5, 0.4
"""How much a word is worth by how it was found."""
PHRASE: Final = 1.0
"""What it is worth beside that all words stand together, in this order, in the id or the name."""
WHOLE: Final = 0.1
"""And that there is nothing else in the id; a share of it, where there is. Not so for one word: it
means a family, and the gateway's order says more about which of its models are meant."""

_LEAST_INSIDE: Final = 3
_ONE_TYPO, _TWO_TYPOS = 3, 6
"""Letters from which on a word may be one typo away, or two."""
_MAX_TYPOS: Final = 40

Rows: TypeAlias = "array[int]"
"""Places of rows."""


class Search:
    """An index of the words of many rows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._names = [_phrase(f"{row.model.id} {row.model.name}") for row in rows]
        self._lengths = [max(len(_words(row.model.id)), 1) for row in rows]
        self._shelves = (
            (1.0, _postings(_names(row.model) for row in rows)),
            (0.6, _postings(_words(row.model.author or "") for row in rows)),
            (0.3, _postings(_words(row.model.description or "") for row in rows)),
        )

    def scores(self, text: str) -> Mapping[int, float]:
        """How well each row fits that has every word of the text; the others are left out."""
        words = _words(text)[:MAX_WORDS]
        neighbours = _neighbours(words)
        found: dict[int, float] | None = None
        for word in dict.fromkeys(words):
            worth = self._worth(word, [a + b for a, b in neighbours if word in {a, b}])
            found = (
                worth
                if found is None
                else {row: found[row] + worth[row] for row in found.keys() & worth.keys()}
            )
        phrase = f" {' '.join(words)} "
        return {
            row: score + (self._together(len(words), row) if phrase in self._names[row] else 0.0)
            for row, score in (found or {}).items()
        }

    def _together(self, count: int, row: int) -> float:
        """What it is worth that so many words stand together in the id or the name."""
        return PHRASE + (WHOLE * min(count / self._lengths[row], 1.0) if count > 1 else 0.0)

    def _worth(self, word: str, joined: Sequence[str]) -> dict[int, float]:
        """What each row that has the word, or a word like it, is worth.

        Who has it joined to its neighbour has it, too.
        """
        best: dict[int, float] = {}
        for weight, postings in self._shelves:
            _collect(best, weight, postings, _alike(word, postings))
            _collect(best, weight, postings, ((one, EXACT) for one in joined if one in postings))
        if not best:
            for weight, postings in self._shelves:
                _collect(best, weight, postings, _misspelt(word, postings))
        return best


def _collect(
    best: dict[int, float],
    weight: float,
    postings: Mapping[str, Rows],
    found: Iterable[tuple[str, float]],
) -> None:
    for word, worth in found:
        value = weight * worth
        for row in postings[word]:
            if value > best.get(row, 0.0):
                best[row] = value


def _alike(word: str, postings: Mapping[str, Rows]) -> Iterable[tuple[str, float]]:
    """The words that it is, or that have it in them."""
    if word.isdigit():  # 4 is no part of 2024
        return [(word, EXACT)] if word in postings else []
    least = len(word) >= _LEAST_INSIDE
    return [
        (other, EXACT if other == word else BEGINNING if other.startswith(word) else INSIDE)
        for other in postings
        if word in other and (least or other.startswith(word))
    ]


def _misspelt(word: str, postings: Mapping[str, Rows]) -> Iterable[tuple[str, float]]:
    """The words that were meant, where it is one or two typos away from them.

    A typo is a letter too many or too few, a wrong one, or two that changed places.
    """
    if len(word) < _ONE_TYPO or not word.isalpha():
        return []
    most = 2 if len(word) >= _TWO_TYPOS else 1
    found = process.extract(
        word, postings.keys(), scorer=OSA.distance, score_cutoff=most, limit=_MAX_TYPOS
    )
    return [(other, TYPO / typos) for other, typos, _ in found]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _names(model: Model) -> list[str]:
    """The words of its id and name, and each two neighbours as one: `deep-seek` is `deepseek`."""
    names = (_words(model.id), _words(model.name))
    pairs = [a + b for words in names for a, b in _neighbours(words)]
    return [*names[0], *names[1], *pairs]


def _neighbours(words: Sequence[str]) -> list[tuple[str, str]]:
    """Two words that may have been one: `open ai` is `openai`."""
    return [(a, b) for a, b in pairwise(words) if (a + b).isalpha()]


def _phrase(text: str) -> str:
    return f" {' '.join(_words(text))} "


def _postings(texts: Iterable[Iterable[str]]) -> dict[str, Rows]:
    """In which rows each word is."""
    postings: dict[str, Rows] = {}
    for row, words in enumerate(texts):
        for word in set(words):
            if (rows := postings.get(word)) is None:
                rows = postings[word] = array("l")
            rows.append(row)
    return postings
