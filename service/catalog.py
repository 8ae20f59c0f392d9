"""The nouns: what a gateway says of a model, and what is known of its life. Frozen, no I/O."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final, Self

MODALITIES: Final = ("text", "image", "audio", "video", "file", "pdf")
"""Kinds of input and output that are known, in their order. `pdf` is Kilo's own word beside
OpenRouter's `file`."""

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""How hard a model can be asked to reason, in their order."""


class Pricing(StrEnum):
    """How far the gateway's prices can be relied on for an estimate."""

    FIXED = "fixed"
    """The input and output prices are both known."""
    DYNAMIC = "dynamic"
    """The gateway says the price depends on the request (it sends a negative number)."""
    UNKNOWN = "unknown"


class Status(StrEnum):
    """Where a model stands in its life."""

    ACTIVE = "active"
    MISSING = "missing"
    """Absent from the last good list, and still served."""
    REMOVED = "removed"
    """Absent for longer than the grace: a tombstone, resolvable by id for ever."""


class Origin(StrEnum):
    """Who says that the model exists."""

    DISCOVERED = "discovered"
    FALLBACK = "fallback"


class Kind(StrEnum):
    """What one revision did to one model."""

    ADDED = "added"
    CHANGED = "changed"
    MISSING = "missing"
    REMOVED = "removed"
    RETURNED = "returned"


class Cause(StrEnum):
    """Why a revision was made."""

    SEED = "seed"
    """A fallback row was written for the first time, or its shipped content differs."""
    REFRESH = "refresh"
    OPERATOR = "operator"
    """A held list was accepted by a person."""
    IMPORT = "import"
    """A list that was saved elsewhere, at the time it was fetched."""
    UPGRADE = "upgrade"
    """Newer rules were applied to the stored entries."""
    RESTORE = "restore"
    """The catalog in memory was written into a database that had been lost."""


class Outcome(StrEnum):
    """What came of a refresh."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    NOT_MODIFIED = "not_modified"
    HELD = "held"
    """A good list that lacks so many models that it has to be seen again, or accepted."""
    REJECTED = "rejected"
    """The gateway answered, but not with a good list."""
    FAILED = "failed"
    """There was no whole answer, or it could not be stored."""

    @property
    def is_good(self) -> bool:
        """Whether the catalog is now known to be what the gateway says."""
        return self in {Outcome.UPDATED, Outcome.UNCHANGED, Outcome.NOT_MODIFIED}


class Reason(StrEnum):
    """Machine-readable reasons of a refresh's outcome: in the log, in metrics, in status."""

    FIRST = "first"
    """The source's first stored list."""
    CHANGES = "changes"
    REORDERED = "reordered"
    """The gateway's order changed and nothing else: no revision."""
    SAME_CONTENT = "same_content"
    VALIDATORS_MATCH = "validators_match"
    SHRINK = "shrink"
    """Over half of the active models would go missing."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    PROTOCOL = "protocol"
    """The answer was not HTTP."""

    REDIRECT = "redirect"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    STATUS = "status"
    """Any other status than 200 and 304."""
    UNASKED_304 = "unasked_304"
    ENCODING = "encoding"
    TOO_LARGE = "too_large"
    EMPTY_BODY = "empty_body"
    CHARSET = "charset"
    NOT_JSON = "not_json"
    SCHEMA = "schema"
    """JSON, but without a `data` list."""
    EMPTY = "empty"
    MALFORMED_RATIO = "malformed_ratio"
    TOO_MANY = "too_many"

    STORAGE = "storage"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Prices: USD per million tokens; `image`, `request` and `web_search`: USD per one.

    0 says "costs nothing"; None says "unknown". Every value is the double nearest to the exact
    decimal, so that its shortest form is what the gateway meant: 0.3, not 0.30000000000000004.
    """

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    image: float | None = None
    request: float | None = None
    web_search: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One normalised entry: our vocabulary, our units. What was not said is None.

    Equality is the catalog's idea of "the same": lists are in a canonical order and prices have no
    text form, so two entries that differ only in such things normalise to equal models.
    """

    source: str
    id: str
    name: str
    author: str | None = None
    description: str | None = None
    badges: tuple[str, ...] = ()
    input: tuple[str, ...] = ("text",)
    output: tuple[str, ...] = ("text",)
    reasoning: bool | None = None
    reasoning_efforts: tuple[str, ...] | None = None
    tools: bool | None = None
    structured_output: bool | None = None
    context_window: int | None = None
    """Tokens that the model itself can hold."""
    served_context_window: int | None = None
    """Tokens that the gateway's first provider accepts; often fewer."""
    max_tokens: int | None = None
    """Tokens of the longest answer."""
    cost: Cost = Cost()
    pricing: Pricing = Pricing.UNKNOWN
    free: bool | None = None
    supported_parameters: tuple[str, ...] | None = None
    tokenizer: str | None = None
    moderated: bool | None = None
    may_train_on_prompts: bool | None = None
    hugging_face_id: str | None = None
    family: str | None = None
    created: datetime | None = None
    knowledge_cutoff: date | None = None
    expires_at: datetime | None = None
    preferred_index: int | None = None
    hints: str | None = None
    """What the gateway tells its own clients of how to use it, as the text of a JSON object."""

    @property
    def ref(self) -> str:
        """`<source>/<id>`: the model's name across all sources."""
        return f"{self.source}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What is known of a model over time. Times are UTC, in whole seconds."""

    first_seen: datetime
    updated_at: datetime
    """When the revision was made that gave the model its present content or status."""
    revision: int
    """That revision; 0 while nothing could be stored."""
    status: Status = Status.ACTIVE
    missing_since: datetime | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A model as it is stored and served."""

    model: Model
    life: Life
    origin: Origin = Origin.DISCOVERED
    position: int | None = None
    """Place in the gateway's list; presentation only, so a change of it makes no revision."""

    @property
    def is_default(self) -> bool:
        """Whether this is the model to use when the user names none, whoever listed it."""
        return self.model.ref in DEFAULT_REFS

    @property
    def is_removed(self) -> bool:
        """Whether this is a tombstone."""
        return self.life.status is Status.REMOVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The merged, ordered models of one revision.

    `rows` are those on offer: discovered ones in the gateway's order, then fallback rows that were
    not discovered. `removed` are the tombstones.
    """

    revision: int
    updated_at: datetime
    modified_at: datetime
    """When the list last changed in any way, its order included; never before `updated_at`."""
    rows: tuple[Row, ...]
    removed: tuple[Row, ...] = ()
    _by_name: dict[str, Row] = field(default_factory=dict, init=False, compare=False, repr=False)

    def find(self, name: str) -> Row | None:
        """The model of that ref or id, removed ones too.

        A ref is unambiguous, so it wins over an id that looks like one.
        """
        if not self._by_name:
            rows = (*self.rows, *self.removed)
            self._by_name.update((row.model.id, row) for row in reversed(rows))
            self._by_name.update((row.model.ref, row) for row in rows)
        return self._by_name.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Everything the service needs to go on where it stopped."""

    rows: tuple[Row, ...]
    revision: int
    updated_at: datetime
    modified_at: datetime
    """When the list last changed in any way, its order included."""
    lacks_entries: bool = False
    """Whether models are without their raw entry, as in a database that was rebuilt from memory."""


Census = Mapping[tuple[str, Status, Origin], int]
"""Models by source, status and origin, tombstones too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """An entry that could not be made a model."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one body of a gateway says, normalised.

    `entries` maps a model's id to its raw entry: the exact text, as received.
    `bad_fields` and `unread_keys` count, by path, values that became None and keys nobody reads.
    """

    models: tuple[Model, ...]
    entries: Mapping[str, str]
    rejects: tuple[Reject, ...]
    bad_fields: Mapping[str, int]
    unread_keys: Mapping[str, int]
    duplicates: int

    @property
    def total(self) -> int:
        """How many entries the body had."""
        return len(self.models) + len(self.rejects) + self.duplicates


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What the gateway can compare instead of sending its list again.

    They belong to one `scope`: an address, a credential and a version of our rules.
    """

    scope: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """One attempt to bring a source up to date, as it is logged."""

    source: str
    at: datetime
    """When the answer was judged."""
    duration_ms: int
    outcome: Outcome
    reason: Reason
    detail: str | None = None
    http_status: int | None = None
    entries: int | None = None
    rejected: int | None = None
    bad_fields: int | None = None
    revision: int | None = None
    """The catalog's revision afterwards; None while nothing is stored."""
    observed: str | None = None
    """Fingerprint of a held list."""
    validators: Validators | None = None
    """Those of a list that was believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One source's next state.

    `rows` are all its rows, tombstones too, in their new order. `opened` are those of them that are
    new versions, each with what happened to the model; `moved` the others with a new position.
    """

    revision: int
    at: datetime
    rows: tuple[Row, ...]
    opened: tuple[tuple[Kind, Row], ...]
    moved: tuple[Row, ...]
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By model id, the fields in which a new version differs, where there was one before."""
    bulk: Mapping[str, int] = field(default_factory=dict)
    """What happened to more than half of the models, and to how many it did."""

    @property
    def counts(self) -> Mapping[Kind, int]:
        """How many models each kind of change befell; every kind is present."""
        found = Counter(kind for kind, _ in self.opened)
        return {kind: found[kind] for kind in Kind}


_CURSOR = re.compile(r"(\d{1,18})(?:\.(\d{1,18}))?", re.ASCII)
_AFTER_ALL = 2**63 - 1


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the log of changes: after all of a revision, or after one version made in it.

    Its text is `13` or `13.4211`. Revisions are committed whole and one after the other, so what
    follows a cursor never changes, it only grows.
    """

    revision: int
    version: int = _AFTER_ALL

    def __str__(self) -> str:
        return str(self.revision) + (f".{self.version}" if self.version != _AFTER_ALL else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError when the text is no cursor."""
        if not (match := _CURSOR.fullmatch(text)):
            raise ValueError(text)
        return cls(int(match[1]), int(match[2]) if match[2] else _AFTER_ALL)

    @property
    def is_whole(self) -> bool:
        """Whether it stands behind the whole of its revision."""
        return self.version == _AFTER_ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One change of the catalog's content."""

    revision: int
    at: datetime
    cause: Cause
    source: str | None
    counts: Mapping[Kind, int]
    bulk: Mapping[str, int]
    """Fields that it changed on more than half of the models, and kinds of change that befell more
    than half of them, each with on how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one revision did to one model: `fields` maps a path to its value before and after.

    A field that was not set is None; a model that was not there has had no field set.
    """

    cursor: Cursor
    at: datetime
    source: str
    id: str
    kind: Kind
    fields: Mapping[str, tuple[Any, Any]]
    bulk: tuple[str, ...] = ()
    """Which of its fields, or whether its kind, the revision changed in bulk."""

    @property
    def revision(self) -> int:
        """The revision that did it."""
        return self.cursor.revision

    @property
    def ref(self) -> str:
        """`<source>/<id>`."""
        return f"{self.source}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """The same thing, done to many models by one revision."""

    revision: int
    at: datetime
    name: str
    """A field that changed, or a kind of change."""
    changes: tuple[Change, ...]
    """At least two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One state of a model, how it came about, and until when it held: None is until now."""

    since: Revision
    until: Revision | None
    kind: Kind
    fields: Mapping[str, tuple[Any, Any]]
    """As of a change; empty where only what is nobody's news has changed."""
    row: Row

    @property
    def change(self) -> Change:
        """What happened when it came about."""
        return Change(
            cursor=Cursor(self.since.revision),
            at=self.since.at,
            source=self.row.model.source,
            id=self.row.model.id,
            kind=self.kind,
            fields=self.fields,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """A list that lacks over half of the active models."""

    observed: str
    """Fingerprint of the listed ids: the same list seen again has the same one."""
    missing: tuple[str, ...]
    active: int


KILOCODE = "kilocode"

FALLBACK: tuple[Model, ...] = (
    Model(
        source=KILOCODE,
        id="kilo/auto",
        name="Kilo Auto",
        author="kilo",
        input=("text", "image"),
        reasoning=True,
        context_window=1_000_000,
        max_tokens=128_000,
    ),
)
"""Models that are in the database and in the catalog from the first start, and for ever."""

DEFAULT_REFS = frozenset(model.ref for model in FALLBACK)


def utc_now() -> datetime:
    """The wall clock, in the whole seconds that are stored."""
    return datetime.now(UTC).replace(microsecond=0)
