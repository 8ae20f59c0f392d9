"""Stage 5, catalog → bytes: every answer of one revision, each coding made once. Pure.

Lists are made before they are published, single models when they are first asked for, and so are
the codings of all but our own list. A reader that holds a snapshot sees one generation, whatever is
published next.
"""

import gzip
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import brotli
import orjson
import zstandard

from service.catalog import Catalog, Census, Row
from service.dialects import DIALECTS, native
from service.dialects.dialect import NOTHING, Asked, Dialect, Endpoint, Provider
from service.errors import NothingToTellError
from service.query.shelf import Shelf

MIN_COMPRESSED_BYTES: Final = 256
"""A smaller body is sent as it is: compressing it saves no packet."""

CODINGS: Final[Mapping[str, Callable[[bytes, bool], bytes]]] = {
    # Levels where the next one costs much more time than it saves bytes on a real list; quick is
    # what one question alone pays for.
    "zstd": lambda body, quick: zstandard.compress(body, level=1 if quick else 9),
    "br": lambda body, quick: bytes(brotli.compress(body, quality=1 if quick else 6)),
    "gzip": lambda body, quick: gzip.compress(body, 1 if quick else 6, mtime=0),
}
"""Content codings in our order of preference, each with its encoder."""

IDENTITY: Final = "identity"
_ALL: Final = (*CODINGS, IDENTITY)
_NONE: Final = (IDENTITY,)


@dataclass(frozen=True, slots=True)
class Variant:
    """A document in one coding, with the strong ETag of exactly these bytes."""

    coding: str
    body: bytes
    etag: str


class Document:
    """A JSON body in every coding, each encoded once."""

    __slots__ = (
        "_digest",
        "_is_quick",
        "_variants",
        "answers",
        "body",
        "following",
        "omitted",
        "stamp",
    )

    def __init__(
        self,
        body: bytes,
        *,
        omitted: int = 0,
        following: str | None = None,
        is_quick: bool = False,
    ) -> None:
        self.body = body
        self._is_quick = is_quick
        self.following = following
        """Address of the next page, where there is one."""
        self.omitted = omitted
        """Models that this document's format cannot say truthfully."""
        # What Crush computes of its own copy, and asks with: so it gets its 304.
        self._digest = hashlib.sha256(body).hexdigest()[:32]
        self._variants = {IDENTITY: Variant(IDENTITY, body, f'"{self._digest}"')}
        self.answers: dict[tuple[str, ...], Any] = {}
        """What the edge has decided about it, as of `stamp`; gone when the document is."""
        self.stamp: object = None

    @property
    def codings(self) -> tuple[str, ...]:
        """The codings to choose from, in our order of preference."""
        return _ALL if len(self.body) >= MIN_COMPRESSED_BYTES else _NONE

    def has(self, coding: str) -> bool:
        """Whether that coding is made already."""
        return coding in self._variants

    def variant(self, coding: str) -> Variant:
        """The document in one coding; encoded on first use, then kept."""
        found = self._variants.get(coding)
        if found is None:
            etag = f'"{self._digest}-{coding}"'
            found = Variant(coding, CODINGS[coding](self.body, self._is_quick), etag)
            self._variants[coding] = found
        return found

    def encode(self) -> "Document":
        """Make every coding now, where it delays nobody."""
        for coding in self.codings:
            self.variant(coding)
        return self


class Documents:
    """The documents of single models, by name; each is made on first use, then kept."""

    def __init__(self, bodies: Mapping[str, bytes]) -> None:
        self._bodies = bodies
        self._made: dict[str, Document] = {}

    def get(self, name: str) -> Document | None:
        """The document of that id or ref."""
        document = self._made.get(name)
        if document is None and (body := self._bodies.get(name)) is not None:
            document = self._made[name] = Document(body)
        return document


class Spoken:
    """A catalog in one dialect: what asks for nothing in particular is made ahead."""

    def __init__(self, dialect: Dialect, catalog: Catalog, provider: Provider) -> None:
        self.dialect = dialect
        self._subject = dialect.subject(catalog, provider)
        self.omitted = self._subject.omitted
        """Models that cannot be told truthfully in it."""
        fixed = [endpoint for endpoint in dialect.endpoints if endpoint.is_fixed]
        self._fixed = {endpoint: self._document(endpoint, NOTHING) for endpoint in fixed}
        self._subject.forget()

    def fixed(self, endpoint: Endpoint) -> Document:
        """What the endpoint answers to those who ask nothing in particular.

        Raises NothingToTellError: tools keep what they have at an error, not at an empty list.
        """
        if not self._subject.names:
            raise NothingToTellError(self.dialect.title)
        return self._fixed[endpoint]

    def answer(self, endpoint: Endpoint, asked: Asked) -> Document:
        """What it answers to this. Raises NothingToTellError, and of one model what `one` does."""
        if endpoint.is_fixed and not asked:
            return self.fixed(endpoint)
        if not endpoint.is_about_one and not self._subject.names:
            raise NothingToTellError(self.dialect.title)
        return self._document(endpoint, asked)

    def _document(self, endpoint: Endpoint, asked: Asked) -> Document:
        body = self.dialect.body(endpoint, self._subject, asked)
        return Document(body, omitted=0 if endpoint.is_about_one else self.omitted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that is served of one revision."""

    catalog: Catalog
    census: Census
    models: Document
    model: Documents
    """By ref and by id, tombstones too."""
    spoken: Mapping[str, Spoken]
    """By name of the dialect."""
    shelf: Shelf
    """The catalog, ready for questions."""


def snapshot(catalog: Catalog, provider: Provider) -> Snapshot:
    """Encode a catalog."""
    rows = [(row, _json(native.model(row))) for row in catalog.rows]
    removed = [(row, _json(native.model(row))) for row in catalog.removed]
    bodies = {row.model.ref: body for row, body in (*rows, *removed)}
    shelf = Shelf(catalog, lambda row: bodies[row.model.ref])
    shelf.index()
    return Snapshot(
        catalog=catalog,
        census=census(catalog),
        models=Document(_joined(native.envelope(catalog), rows)).encode(),
        model=Documents(_by_name([*rows, *removed])),
        shelf=shelf,
        spoken={dialect.name: Spoken(dialect, catalog, provider) for dialect in DIALECTS},
    )


def census(catalog: Catalog) -> Census:
    """How many models there are of each kind, tombstones too."""
    rows = (*catalog.rows, *catalog.removed)
    return Counter((row.model.source, row.life.status, row.origin) for row in rows)


def _by_name(bodies: Sequence[tuple[Row, bytes]]) -> Mapping[str, bytes]:
    """By id and by ref. A ref is unambiguous, so it wins over an id that looks like one."""
    by_id = {row.model.id: body for row, body in reversed(bodies)}
    return by_id | {row.model.ref: body for row, body in bodies}


def _joined(envelope: Mapping[str, object], bodies: Iterable[tuple[Row, bytes]]) -> bytes:
    """An envelope and its `data`, joined from rows that are encoded already."""
    data = b",".join(body for _, body in bodies)
    return _json(envelope)[:-1] + b',"data":[' + data + b"]}"


def _json(value: Any) -> bytes:  # noqa: ANN401 — any JSON value
    return orjson.dumps(value)
