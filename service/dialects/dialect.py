"""What a dialect is: a tool's own format, and the paths at which its clients ask for it. Pure.

A dialect never invents. Where its format demands what is unknown and has a customary way to say so,
that is said; otherwise the row is left out and counted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from service.catalog import Catalog, Row
from service.errors import UnknownModelError, UntoldModelError
from service.spelling import nearest

Json = dict[str, Any]
Asked = Mapping[str, str]
"""What a request says: names in its path, those of its query that the endpoint reads, or the
text members of the JSON object that it posts."""

NOTHING: Final[Asked] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The gateway as other tools know it: where chats go, which is never this service.

    `key`, `name` and `key_variable` are those of its own entry at models.dev.
    """

    url: str
    """Base address of inference, without a slash at its end."""
    key: str = "kilo"
    name: str = "Kilo Gateway"
    key_variable: str = "KILO_API_KEY"


class Subject:
    """What an endpoint speaks of: the models that its dialect can tell of, and their provider."""

    def __init__(
        self,
        catalog: Catalog,
        provider: Provider,
        tell: Callable[[Row, Provider], Json | None],
    ) -> None:
        self.catalog = catalog
        self.provider = provider
        self._tell = tell
        pairs = [(row.model.id, tell(row, provider)) for row in catalog.rows]
        self._told: list[Json] | None = [told for _, told in pairs if told is not None]
        self.names = tuple(name for name, told in pairs if told is not None)
        """The ids of those models, in the catalog's order."""

    def rows(self) -> Sequence[Json]:
        """Each of those models, in the same order."""
        if self._told is not None:
            return self._told
        told = (self._tell(row, self.provider) for row in self.catalog.rows)
        return [one for one in told if one is not None]

    def forget(self) -> None:
        """Keep no model as an object: of a large catalog they would take hundreds of megabytes."""
        self._told = None

    @property
    def omitted(self) -> int:
        """How many models cannot be told."""
        return len(self.catalog.rows) - len(self.names)

    def one(self, name: str) -> Json:
        """The model of that id or ref. Raises UnknownModelError and UntoldModelError."""
        row = self.catalog.find(name)
        if row is None:
            raise UnknownModelError(name, nearest(name, self.names))
        told = None if row.is_removed else self._tell(row, self.provider)
        if told is None:
            raise UntoldModelError(name)
        return told


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Endpoint:
    """Where a dialect's clients ask, and what they get: a JSON value, or bytes made already."""

    paths: Sequence[str]
    """Patterns of aiohttp. All get the same; the first is the one to tell people of."""
    summary: str
    answer: Callable[[Subject, Asked], Any]
    method: str = "GET"
    reads: Mapping[str, str] = field(default_factory=dict)
    """Names in the query (of a POST: in the posted object) that are read, and what they mean.
    Others are ignored: clients of foreign formats send many."""
    is_about_one: bool = False
    """Whether it tells of one model, so that nothing can be left out."""

    @property
    def is_fixed(self) -> bool:
        """Whether there is an answer to those who ask nothing in particular."""
        return self.method == "GET" and "{" not in self.paths[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dialect:
    """A format. Its first endpoint, asked for nothing in particular, is what is exported."""

    name: str
    """As in `model-catalog export NAME`."""
    title: str
    readers: str
    """The tools that read it."""
    file: str
    """What its readers call it as a file."""
    row: Callable[[Row, Provider], Json | None]
    """One model in this format; None where it cannot be told truthfully."""
    endpoints: Sequence[Endpoint]
    encode: Callable[[Any], bytes] = orjson.dumps

    def subject(self, catalog: Catalog, provider: Provider) -> Subject:
        """A catalog, as far as it can be told here."""
        return Subject(catalog, provider, self.row)

    def body(self, endpoint: Endpoint, subject: Subject, asked: Asked = NOTHING) -> bytes:
        """An answer. Raises UnknownModelError and UntoldModelError."""
        answer = endpoint.answer(subject, asked)
        return answer if isinstance(answer, bytes) else self.encode(answer)
