"""Questions to a catalog. Pure."""

from collections.abc import Iterable

from rapidfuzz import fuzz, process


def nearest(wanted: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known names most like the wanted one, best first; those far off are left out."""
    found = process.extract(
        wanted.lower(),
        known,
        scorer=fuzz.WRatio,
        processor=str.lower,
        limit=limit,
        score_cutoff=60,
    )
    return [name for name, _, _ in found]
