"""Names in which `*` stands for any characters. Pure."""

from collections.abc import Sequence


def is_like(pattern: str, *names: str) -> bool:
    """Whether one of the names is as the pattern says. Nothing but `*` is special."""
    parts = pattern.split("*")
    if len(parts) == 1:
        return pattern in names
    return any(_has_parts(parts, name) for name in names)


def _has_parts(parts: Sequence[str], text: str) -> bool:
    """Whether the parts are found in that order, the first at the start, the last at the end."""
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True
