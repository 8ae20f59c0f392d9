"""Near misses: what somebody probably meant. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from rapidfuzz import fuzz, process

MAX_LENGTH: Final = 300
"""Longer than anything that could have been meant."""


def nearest(wanted: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known names most like the wanted one, best first; those far off are left out."""
    if len(wanted) > MAX_LENGTH:
        return []
    found = process.extract(
        wanted.lower(),
        known,
        scorer=fuzz.WRatio,
        processor=str.lower,
        limit=limit,
        score_cutoff=60,
    )
    return [name for name, _, _ in found]


def no_such(word: str, known: Sequence[str], shown: Sequence[str]) -> str:
    """That there is no such word, and which was meant, or which ones to show."""
    near = nearest(word, known, limit=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(shown)}"
    return f"there is no {word!r}; {hint}"
