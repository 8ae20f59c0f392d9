"""A raw entry of a gateway, laid out for reading and otherwise exactly as received. Pure."""

import re
from collections.abc import Iterator
from typing import Final

MAX_SHOWN: Final = 64 * 1024
"""Characters of a laid-out entry that a page shows."""
_MAX_DEPTH: Final = 60
"""Levels that are indented."""
_PART: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_UNSEEN: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""What has no look of its own, or turns the text around it; the line feed is ours."""


def laid_out(entry: str) -> tuple[str, bool]:
    """JSON with a member a line, and whether that is all of it.

    Numbers, escapes and members that are there twice stay as they were written: parsing them would
    lose that. What cannot be seen is shown as an escape, which means the same in JSON.
    """
    shown, is_whole = [], True
    length = 0
    for piece in _pieces(entry):
        shown.append(piece[: MAX_SHOWN - length])
        length += len(piece)
        if length > MAX_SHOWN:
            is_whole = False
            break
    return _UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", "".join(shown)), is_whole


def _pieces(entry: str) -> Iterator[str]:
    depth, before = 0, ""
    for match in _PART.finditer(entry):
        part = match[0]
        if part in "}]":
            depth -= 1
            if before not in "{[":
                yield _line(depth)
        elif before in "{[" and before:
            yield _line(depth)
        yield part
        if part in "{[":
            depth += 1
        elif part == ",":
            yield _line(depth)
        elif part == ":":
            yield " "
        before = part


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, _MAX_DEPTH)
