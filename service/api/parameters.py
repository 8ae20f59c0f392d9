"""Query parameters: each declared once, with the words that an error has for it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

from aiohttp import web

from service.api.problems import Problem, UnknownParameterProblem
from service.query import nearest

_T = TypeVar("_T")
_MAX_SHOWN: Final = 100
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

    def read(self, text: str) -> _T:
        """Raises Problem that names the parameter, the value, and the nearest one that is valid."""
        try:
            return self.parse(text)
        except ValueError:
            near = nearest(text[:_MAX_SHOWN], self.words, 1)
            hint = f"did you mean {near[0]}?" if near else f"accepts: {self.accepts}"
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"{self.name}={text[:_MAX_SHOWN]!r} is not valid; {hint}",
                parameter=self.name,
                nearest=near,
            ) from None


class Query:
    """What a request asks. Refuses what would be ignored: names nobody reads, second values."""

    def __init__(self, request: web.Request, *known: Parameter[Any]) -> None:
        self._query = request.query
        names = tuple(parameter.name for parameter in known)
        for name in request.query:
            if name not in names:
                raise UnknownParameterProblem(name, names)

    def one(self, parameter: Parameter[_T]) -> _T | None:
        """The value, or None where it was not given."""
        found = self._query.getall(parameter.name, [])
        if len(found) > 1:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"{parameter.name} is given more than once",
                parameter=parameter.name,
            )
        return parameter.read(found[0]) if found else None

    def many(self, parameter: Parameter[_T]) -> list[_T]:
        """The values, repeated or separated by commas."""
        texts = [text for value in self._query.getall(parameter.name, []) for text in _split(value)]
        if len(texts) > MAX_VALUES:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"{parameter.name} has {len(texts)} values; at most {MAX_VALUES}",
                parameter=parameter.name,
            )
        return [parameter.read(text) for text in texts]


def _split(value: str) -> list[str]:
    return [text.strip() for text in value.split(",")]


_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)


def number(least: int, most: int) -> Callable[[str], int]:
    """Parses a whole number from one bound to the other."""

    def parse(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return parse
