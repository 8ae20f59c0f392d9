"""A query of a page: read as far as it can be used, and written as an address again. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus

from service.errors import ParameterError
from service.parameters import MAX_VALUES, Asked, Parameter

Pairs = tuple[tuple[str, str], ...]
"""Names and single values: of what takes several, each by itself."""
SAFE: Final = ",/:*~@"
"""What may stand in a query as it is, and is easier to read so."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that could not be used; `fix` is what was probably meant, at that address."""

    detail: str
    fix: str
    href: str


def heal(
    query: Iterable[tuple[str, str]], known: Sequence[Parameter[Any]]
) -> tuple[Pairs, tuple[Fault, ...]]:
    """What of a query can be used, and what cannot and why. A form's empty field asks nothing."""
    by_name = {one.name: one for one in known}
    split = tuple(
        (name, part) for name, text in query for part in _parts(by_name.get(name), text) if part
    )
    good: list[tuple[str, str]] = []
    faults: list[Fault] = []
    for name, text in split:
        if (name, text) in good:
            continue
        try:
            _check(by_name, known, good, name, text)
        except ParameterError as error:
            faults.append(_fault(error, split, (name, text), is_name=name not in by_name))
        else:
            good.append((name, text))
    order = {one.name: place for place, one in enumerate(known)}
    return tuple(sorted(good, key=lambda pair: order[pair[0]])), tuple(faults)


def _parts(parameter: Parameter[Any] | None, text: str) -> list[str]:
    if parameter is not None and parameter.is_many:
        return [part.strip() for part in text.split(",")]
    return [text.strip()]


def _check(
    by_name: dict[str, Parameter[Any]],
    known: Sequence[Parameter[Any]],
    good: Sequence[tuple[str, str]],
    name: str,
    text: str,
) -> None:
    """Raises ParameterError."""
    Asked([(name, text)], known)
    one = by_name[name]
    one.read(text)
    given = sum(other == name for other, _ in good)
    if given >= (MAX_VALUES if one.is_many else 1):
        what = f"has more than {MAX_VALUES} values" if one.is_many else "is given more than once"
        raise ParameterError(name, f"{name} {what}")


def _fault(error: ParameterError, pairs: Pairs, bad: tuple[str, str], *, is_name: bool) -> Fault:
    if not error.nearest:
        return Fault(str(error), "", "")
    near = error.nearest[0]
    better = (near, bad[1]) if is_name else (bad[0], near)
    mended = tuple(better if pair == bad else pair for pair in pairs)
    return Fault(str(error), f"{better[0]}={better[1]}", address(mended))


def address(pairs: Pairs) -> str:
    """The query of an address, its question mark too; nothing where nothing is asked."""
    names = dict.fromkeys(name for name, _ in pairs)
    told = "&".join(
        f"{quote_plus(name)}={quote_plus(','.join(values_of(pairs, name)), safe=SAFE)}"
        for name in names
    )
    return f"?{told}" if told else ""


def values_of(pairs: Pairs, name: str) -> list[str]:
    """All values of that name."""
    return [value for other, value in pairs if other == name]


def one_of(pairs: Pairs, name: str) -> str:
    """The value of that name, or nothing."""
    return next(iter(values_of(pairs, name)), "")


def without(pairs: Pairs, *names: str) -> Pairs:
    """The others."""
    return tuple(pair for pair in pairs if pair[0] not in names)


def with_(pairs: Pairs, pair: tuple[str, str], *, is_there: bool) -> Pairs:
    """The same, with that value or without it."""
    rest = tuple(other for other in pairs if other != pair)
    return (*rest, pair) if is_there else rest
