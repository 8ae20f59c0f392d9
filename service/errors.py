"""One short tree of errors. Each carries facts, makes its own sentence, and has a reason code."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Final

from service.catalog import Reason, Revision

MAX_SHOWN: Final = 300
"""Characters of what was asked for that a message repeats: more than any ref has."""


class CatalogError(Exception):
    """Anything this service raises on purpose."""


class SettingError(CatalogError):
    """A setting that cannot be used. `problems` are (name of the setting, what it accepts)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{name}: {accepted}" for name, accepted in problems))


class NotPublishedError(CatalogError):
    """Nothing is published yet: a valid but empty answer would be worse than none."""

    def __init__(self) -> None:
        super().__init__("the service is starting")


class UnknownModelError(CatalogError):
    """There is no such model; `nearest` are ids that look like it."""

    def __init__(self, wanted: str, nearest: list[str]) -> None:
        self.wanted = wanted = wanted[:MAX_SHOWN]
        self.nearest = nearest
        hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
        super().__init__(f"there is no model {wanted!r}{hint}")


class UntoldModelError(CatalogError):
    """A model that a format cannot tell of truthfully, or one that is no longer on offer."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(f"{wanted!r} cannot be told in this format; see /catalog/models/{wanted}")


class NothingToTellError(CatalogError):
    """A format that cannot tell of any model now: who reads it does better to keep what it has."""

    def __init__(self, title: str) -> None:
        self.title = title
        super().__init__(f"no model of the catalog can be told in this format yet: {title}")


class ParameterError(CatalogError):
    """A parameter of a question that cannot be used; `nearest` are words that it would take."""

    def __init__(self, parameter: str, detail: str, nearest: Sequence[str] = ()) -> None:
        self.parameter = parameter
        self.detail = detail
        self.nearest = list(nearest)
        super().__init__(detail)


class MomentError(CatalogError):
    """A revision or a time that the history does not reach."""

    def __init__(self, moment: int | datetime, first: Revision, head: Revision) -> None:
        self.moment = moment
        self.first = first
        self.head = head
        asked = f"revision {moment}" if isinstance(moment, int) else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        super().__init__(
            f"the history does not reach {asked}; it goes from revision {first.revision} "
            f"({first.at:%Y-%m-%dT%H:%M:%SZ}) to {head.revision} ({head.at:%Y-%m-%dT%H:%M:%SZ})"
        )


class UsageError(CatalogError):
    """A word of the command line that cannot be used: an option's, or a file's name."""

    def __init__(self, word: str, detail: str) -> None:
        self.word = word
        self.detail = detail
        super().__init__(f"{word}: {detail}")


class PastError(CatalogError):
    """A saved list that is not later than all that is stored, and so are `others` with it."""

    def __init__(self, file: str, at: datetime, until: datetime, others: int) -> None:
        self.file = file
        self.at = at
        self.until = until
        self.others = others
        more = f" (and so with {others} more)" if others else ""
        super().__init__(
            f"{file}: its time, {at:%Y-%m-%dT%H:%M:%SZ}, is not later than what is stored, "
            f"which goes to {until:%Y-%m-%dT%H:%M:%SZ}{more}; "
            "import only later lists, or choose another --database-url"
        )


class ListenError(CatalogError):
    """The address to listen on cannot be had."""

    def __init__(self, host: str, port: int, detail: str) -> None:
        self.host = host
        self.port = port
        self.detail = detail
        super().__init__(f"cannot listen on {host}:{port}: {detail}; choose another with --port")


class RefreshError(CatalogError):
    """A refresh that changed nothing, and why.

    `is_transient` says whether asking again soon may help. `retry_after_seconds` is what the
    gateway asked for, not yet capped.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        is_transient: bool = False,
        http_status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.reason = reason
        self.detail = detail
        self.is_transient = is_transient
        self.http_status = http_status
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"{reason}: {detail}")


class UnreachableError(RefreshError):
    """The gateway gave no whole answer (outcome `failed`)."""


class UnbelievableError(RefreshError):
    """The gateway answered, but not with a good list (outcome `rejected`)."""


class StorageError(CatalogError):
    """The database cannot be used now. `advice` says what a person can do."""

    state: ClassVar[str] = "unusable"
    advice: ClassVar[str] = "look at the database's disk and permissions"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"the database is {self.state}: {detail}")


class LockedError(StorageError):
    """Another process holds the database."""

    state = "locked"
    advice = "another process holds the database; it is tried again"


class ReadOnlyError(StorageError):
    """The file or its directory cannot be written."""

    state = "read_only"
    advice = "give the service write permission, or set MODEL_CATALOG_DATABASE_URL"


class FullError(StorageError):
    """The disk is full."""

    state = "full"
    advice = "free some space on the database's disk"


class CorruptError(StorageError):
    """The file is damaged, or is not a database at all."""

    state = "corrupt"
    advice = "the damaged file is set aside and the database rebuilt"


class MissingError(StorageError):
    """The file was deleted or replaced while it was open."""

    state = "missing"
    advice = "the database is made anew from memory"


class AbsentError(StorageError):
    """There is no file to look into."""

    state = "absent"
    advice = "make one with: model-catalog refresh"


class ForeignError(StorageError):
    """A database of another program or of a newer release: it is never written to."""

    state = "foreign"
    advice = "upgrade model-catalog, or set MODEL_CATALOG_DATABASE_URL to another file"


class StaleError(StorageError):
    """Another process wrote a revision in between: load and try again."""

    state = "stale"
    advice = "another process shares this database; the newer catalog is loaded"
