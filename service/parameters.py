"""Parameters of a question, each declared once: what reads it, and the words for it. Pure.

The HTTP side, its OpenAPI document, the command line and the docs are all made from these.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from service.errors import MAX_SHOWN, ParameterError
from service.spelling import nearest

_T = TypeVar("_T")
_MAX_SHOWN_VALUE: Final = 100
MAX_VALUES: Final = 100
"""Values of one parameter, repeated or separated by commas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Generic[_T]):
    """One parameter. `parse` raises ValueError; `accepts` says what it takes."""

    name: str
    meaning: str
    accepts: str
    parse: Callable[[str], _T]
    words: Sequence[str] = ()
    """The values there are, where they can be told."""
    is_many: bool = False
    """Whether it may be repeated, and takes several values separated by commas."""
    is_required: bool = False
    example: str = ""
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    """JSON Schema of one value."""

    def read(self, text: str) -> _T:
        """Raises ParameterError that names the parameter, the value, and the nearest valid one."""
        try:
            return self.parse(text)
        except ValueError:
            shown = text[:_MAX_SHOWN_VALUE]
            near = nearest(shown, self.words, 1) or self.words[: len(self.words) == 1]
            hint = f"did you mean {near[0]}?" if near else f"accepts: {self.accepts}"
            detail = f"{self.name}={shown!r} is not valid; {hint}"
            raise ParameterError(self.name, detail, near) from None


def words_schema(most: int, *, is_many: bool) -> Mapping[str, Any]:
    """Text of one line; where commas separate values, without one, and not blank."""
    sign, other = r"[^\x00-\x1f\x7f-\x9f]", r"[^\x00-\x1f\x7f-\x9f,]"
    pattern = rf"^{other}*[^\x00-\x1f\x7f-\x9f,\s]{other}*$" if is_many else f"^{sign}+$"
    return {"type": "string", "pattern": pattern, "minLength": 1, "maxLength": most}


class Asked:
    """What a request asks. Refuses what would be ignored: names nobody reads, second values."""

    def __init__(self, pairs: Iterable[tuple[str, str]], known: Iterable[Parameter[Any]]) -> None:
        self._texts: dict[str, list[str]] = {}
        for name, text in pairs:
            self._texts.setdefault(name, []).append(text)
        if strangers := self._texts.keys() - {parameter.name for parameter in known}:
            first = next(name for name in self._texts if name in strangers)
            raise _unknown(first, sorted(parameter.name for parameter in known))

    def __contains__(self, parameter: Parameter[Any]) -> bool:
        return parameter.name in self._texts

    def one(self, parameter: Parameter[_T]) -> _T | None:
        """The value, or None where it was not given."""
        found = self._texts.get(parameter.name, [])
        if len(found) > 1:
            raise ParameterError(parameter.name, f"{parameter.name} is given more than once")
        return parameter.read(found[0]) if found else None

    def many(self, parameter: Parameter[_T]) -> list[_T]:
        """The values, repeated or separated by commas."""
        found = self._texts.get(parameter.name, [])
        texts = [text.strip() for value in found for text in value.split(",")]
        if len(texts) > MAX_VALUES:
            detail = f"{parameter.name} has {len(texts)} values; at most {MAX_VALUES}"
            raise ParameterError(parameter.name, detail)
        return [parameter.read(text) for text in texts]


def _unknown(name: str, known: Sequence[str]) -> ParameterError:
    shown = name[:MAX_SHOWN]
    near = nearest(name, known, 1)
    valid = f"did you mean {near[0]}?" if near else f"valid: {', '.join(known) or 'none'}"
    return ParameterError(shown, f"unknown query parameter {shown!r}; {valid}", near)


def choice(*words: str) -> Callable[[str], str]:
    """Parses one of these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return parse


_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)


def number(least: int, most: int) -> Callable[[str], int]:
    """Parses a whole number from one bound to the other."""

    def parse(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return parse
