"""The story: ask, normalise, judge, advance, save, merge, publish. One at a time, one outcome."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from time import monotonic
from typing import Final, Protocol, TypeVar

import structlog

from service import normalise
from service.bodies import Fetched
from service.catalog import (
    Cause,
    Life,
    Listing,
    Model,
    Origin,
    Outcome,
    Reason,
    Refresh,
    Row,
    Shrink,
    Status,
    Stored,
    Transition,
    Validators,
)
from service.errors import (
    CorruptError,
    MissingError,
    ReadOnlyError,
    RefreshError,
    StaleError,
    StorageError,
    UnbelievableError,
    UnreachableError,
)
from service.lifecycle import HELD_CONFIRMATIONS, advance, reread, shrink
from service.metrics import Metrics
from service.normalise import NORMALISER
from service.store import Recent, Store

_E = TypeVar("_E", bound=Exception)
GROWTH_FLOOR: Final = 5_000
GROWTH_RATIO: Final = 10
"""A list above the floor and of so many times the known models is not believed."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Upstream(Protocol):
    """Where a source's lists come from."""

    @property
    def scope(self) -> str:
        """Fingerprint of what a list depends on beside the source."""

    async def fetch(self, known: Validators | None = None) -> Fetched:
        """The list, unless it is still the known one. Raises RefreshError."""


class Readers(Protocol):
    """Whoever is shown what is stored."""

    async def prepare(self, stored: Stored) -> Callable[[], None]:
        """Encode it. The call that is returned shows it to all of them at once."""

    def confirm(self, checked_at: datetime, age_seconds: float = 0.0) -> None:
        """What is shown was what the source says at that time, which is so long ago."""


class Refresher:
    """Keeps one source's catalog true: in the database first, then in memory."""

    def __init__(
        self,
        *,
        source: str,
        fallback: Sequence[Model],
        gateway: Upstream,
        store: Store,
        readers: Readers,
        metrics: Metrics,
        clock: Callable[[], datetime],
        grace: timedelta,
        cause: Cause = Cause.REFRESH,
        believes_gaps: bool = False,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.source = source
        self._fallback = tuple(fallback)
        self._gateway = gateway
        self._store = store
        self._readers = readers
        self._metrics = metrics
        self._clock = clock
        self._grace = grace
        self._cause = cause
        self._believes_gaps = believes_gaps
        self._on_step = on_step
        self._scope = f"{gateway.scope}-{NORMALISER}"
        self._lock = asyncio.Lock()
        self._flight: asyncio.Task[Refresh] | None = None
        self._flight_accepts = False
        self._started = monotonic()
        self._stored = self._fallback_only()
        self._known: Sequence[Row] = ()
        self._others: Sequence[Row] = self._stored.rows

        self.on_landed: Callable[[], None] = lambda: None
        """Called once after each refresh, however many joined it."""
        self.recent = Recent()
        self.listing: Listing | None = None
        """The last list that was read, with its rejects and oddities."""
        self.gap: Shrink | None = None
        """What the held list lacks; None when none is held, or not since the start."""
        self.failure: RefreshError | None = None
        """Why the last refresh brought nothing; None when it was good or held."""
        self.storage_error: StorageError | None = None
        """Why nothing can be saved now; None while all is well."""

    # ── start ─────────────────────────────────────────────────────────────────────────────────

    async def show_fallback(self) -> None:
        """Publish the fallback, for a start that has nothing stored to show."""
        await self._publish()

    async def start(self) -> None:
        """Publish what is stored, or the fallback where that cannot be read; no network."""
        async with self._lock:
            await self._start()

    async def _start(self) -> None:
        try:
            await self._open_store()
        except StorageError as error:
            self._note(error)
        await self._publish()
        if good := self.recent.last_good:
            self._readers.confirm(good.at, (self._clock() - good.at).total_seconds())

    async def _open_store(self) -> None:
        """Open and load. What is in memory only, or was lost with the file, is written back."""
        stored = await self._store.open(self._fallback, self._clock(), self._stored)
        recent = await self._store.recent(self.source)
        self._adopt(stored)
        if self._store.is_writable:
            await self._read_entries_anew()
        self.recent = recent if recent.last else self.recent
        self.storage_error = None
        if not self._store.is_writable:
            self._note(ReadOnlyError("the database can be read, but not written"))

    async def _read_entries_anew(self) -> None:
        """Apply newer rules to what was fetched under older ones."""
        entries = await self._store.entries_read_before(self.source, NORMALISER)
        if entries is None:
            return
        models = await asyncio.to_thread(normalise.reread, entries, self.source)
        transition = reread(
            self._known,
            models,
            at=self._not_before_history(self._clock()),
            revision=self._stored.revision + 1,
        )
        await self._store.upgrade(transition, self.source, NORMALISER)
        if transition.opened:
            _log.info("upgraded", revision=transition.revision, models=len(transition.opened))
            self._adopt(self._stored_after(transition))

    def _note(self, error: StorageError) -> None:
        if self.storage_error is None or self.storage_error.state != error.state:
            _log.error("storage", state=error.state, detail=error.detail, advice=error.advice)
        self.storage_error = _without_frames(error)

    # ── one at a time ─────────────────────────────────────────────────────────────────────────

    @property
    def is_running(self) -> bool:
        """Whether a refresh is under way."""
        return self._flight is not None

    async def run(self, *, accept_held: bool = False) -> Refresh:
        """Refresh, or join the refresh under way. The outcome says what came of it."""
        while accept_held and self._flight is not None and not self._flight_accepts:
            await asyncio.wait([self._flight])  # it would hold what is to be accepted
        if self._flight is None:
            self._flight = asyncio.create_task(self._run(accept_held=accept_held))
            self._flight_accepts = accept_held
            self._flight.add_done_callback(self._land)
        return await asyncio.shield(self._flight)

    async def drain(self, timeout_seconds: float) -> None:
        """Let a refresh under way end, or stop it: it is saved whole or not at all."""
        if (flight := self._flight) is None:
            return
        await asyncio.wait([flight], timeout=timeout_seconds)
        flight.cancel()
        await asyncio.wait([flight])

    def _land(self, flight: asyncio.Task[Refresh]) -> None:
        self._flight = None
        if not flight.cancelled():
            self.on_landed()

    async def _run(self, *, accept_held: bool) -> Refresh:
        async with self._lock:
            return await self._run_alone(accept_held=accept_held)

    async def _run_alone(self, *, accept_held: bool) -> Refresh:
        self._started = monotonic()
        try:
            refresh = await self._refresh(accept_held=accept_held)
            self.failure = None
        except RefreshError as error:
            refresh = await self._fail(error)
        except StorageError as error:
            self._note(error)
            refresh = await self._fail(_unsaved(error))
        except Exception as error:  # noqa: BLE001 — the schedule must survive any defect: logged
            _log.exception("refresh_broke")
            refresh = await self._fail(
                UnreachableError(Reason.INTERNAL, repr(error), is_transient=True)
            )
        refresh = replace(refresh, duration_ms=self._elapsed_ms)
        self._remember(refresh)
        return refresh

    # ── the story ─────────────────────────────────────────────────────────────────────────────

    async def _refresh(self, *, accept_held: bool) -> Refresh:
        await self._catch_up()
        self._on_step("asking the gateway")
        fetched = await self._ask()
        at = self._clock()
        listing = None
        if fetched.body is not None:
            self._on_step("reading the list")
            listing = await asyncio.to_thread(normalise.normalise, fetched.body, self.source)
            self.listing = replace(listing, entries={})
        self._on_step("saving")
        try:
            return await self._judge(fetched, listing, at, accept_held=accept_held)
        except (StaleError, MissingError, CorruptError) as error:
            # Another process, or the loss of the file, came in between: all is judged anew.
            _log.warning("reopening", state=error.state, detail=error.detail)
            await self._open_store()
            await self._publish()
            return await self._judge(fetched, listing, at, accept_held=accept_held)

    async def _judge(
        self, fetched: Fetched, listing: Listing | None, at: datetime, *, accept_held: bool
    ) -> Refresh:
        """Refuse, hold, or apply what the gateway said, by what is stored."""
        if listing is not None:
            self._refuse_growth(listing)
            gap = await asyncio.to_thread(shrink, self._known, listing.models)
            if gap and not self._is_believed(gap, accept_held=accept_held):
                return await self._hold(gap, fetched, listing)
            if gap and accept_held:
                return await self._apply(fetched, listing, at, Cause.OPERATOR)
        return await self._apply(fetched, listing, at, self._cause)

    async def _catch_up(self) -> None:
        """Take up what another process has stored, or try again to open what could not be used.

        Without a database, memory has to do.
        """
        if await self._is_up_to_date():
            return
        try:
            await self._open_store()
        except StorageError as error:
            self._note(error)
            if self._stored.revision:
                raise  # what is served must not run ahead of a history that exists
        else:
            await self._publish()

    async def _is_up_to_date(self) -> bool:
        try:
            return self._store.is_writable and await self._store.head() == self._stored.revision
        except StorageError as error:
            _log.warning("reopening", state=error.state, detail=error.detail)
            return False

    async def _ask(self) -> Fetched:
        known = self._validators()
        try:
            return await self._gateway.fetch(known)
        except UnbelievableError as error:
            if error.reason is not Reason.UNASKED_304 or known is None:
                raise
            return await self._gateway.fetch()

    def _validators(self) -> Validators | None:
        """Those of the stored list, if today's settings and rules would make the same of it."""
        good = self.recent.last_good
        known = good.validators if good else None
        is_whole = self._known and not self._stored.lacks_entries
        return known if known and known.scope == self._scope and is_whole else None

    def _refuse_growth(self, listing: Listing) -> None:
        known, listed = len(self._known), len(listing.models)
        if known and listed > max(GROWTH_FLOOR, known * GROWTH_RATIO):
            raise UnbelievableError(Reason.TOO_MANY, f"{listed} models where {known} were known")

    # ── a list that lacks too much ────────────────────────────────────────────────────────────

    def _is_believed(self, gap: Shrink, *, accept_held: bool) -> bool:
        """Seen often enough, or the operator accepts the very list that was held, or any."""
        times = self._times_held(gap)
        is_accepted = self._believes_gaps or (accept_held and times > 0)
        return is_accepted or times + 1 >= HELD_CONFIRMATIONS

    def _times_held(self, gap: Shrink) -> int:
        same = takewhile(lambda held: held.observed == gap.observed, self.recent.held)
        return sum(1 for _ in same)

    async def _hold(self, gap: Shrink, fetched: Fetched, listing: Listing) -> Refresh:
        times = self._times_held(gap) + 1
        refresh = self._record(
            Outcome.HELD,
            Reason.SHRINK,
            detail=f"{len(gap.missing)} of {gap.active} active models would go missing; "
            f"seen {times} of {HELD_CONFIRMATIONS} times",
            http_status=fetched.http_status,
            listing=listing,
            observed=gap.observed,
        )
        self.gap = gap
        await self._log(refresh)
        return refresh

    # ── a good list ───────────────────────────────────────────────────────────────────────────

    async def _apply(
        self, fetched: Fetched, listing: Listing | None, at: datetime, cause: Cause
    ) -> Refresh:
        known = self._known
        seen = listing.models if listing else _still_listed(known)
        transition = await self._advance(seen, at)
        outcome, reason = _verdict(transition, is_listed=bool(listing), is_first=not known)
        refresh = self._record(
            outcome,
            reason,
            at=at,
            http_status=fetched.http_status,
            listing=listing,
            validators=Validators(
                scope=self._scope, etag=fetched.etag, last_modified=fetched.last_modified
            ),
            revision=transition.revision if transition.opened else self._stored.revision,
        )
        raw = listing.entries if listing else {}
        if outcome is Outcome.UPDATED:
            await self._save(transition, raw, refresh, cause)
        else:
            await self._log(refresh, raw)
        self.gap = None
        self._readers.confirm(at)
        return refresh

    async def _advance(self, seen: Sequence[Model], at: datetime) -> Transition:
        return await asyncio.to_thread(
            advance,
            self._known,
            seen,
            at=self._not_before_history(at),
            revision=self._stored.revision + 1 if self._store.is_open else 0,
            grace=self._grace,
        )

    async def _save(
        self, transition: Transition, raw: Mapping[str, str], refresh: Refresh, cause: Cause
    ) -> None:
        """Encode, then commit, then publish: what cannot be served is never stored."""
        stored = self._stored_after(transition)
        show = await self._readers.prepare(stored)
        if self._store.is_open:
            await self._store.commit(transition, raw, refresh, cause)
            self.storage_error = None
        self._stored, self._known = stored, transition.rows
        show()
        self._metrics.observe_changes(self.source, transition.counts)

    def _stored_after(self, transition: Transition) -> Stored:
        rows = (*self._others, *transition.rows)
        modified_at = transition.at
        if modified_at < self._stored.modified_at:  # the clock went back; a date of ours never does
            modified_at = self._stored.modified_at + timedelta(seconds=1)
        stored = replace(self._stored, rows=rows, modified_at=modified_at)
        if transition.opened:
            stored = replace(stored, revision=transition.revision, updated_at=transition.at)
        return stored

    async def _publish(self) -> None:
        show = await self._readers.prepare(self._stored)
        show()

    def _not_before_history(self, at: datetime) -> datetime:
        """The clock may go back; the dates of revisions may not, and a saved list keeps its own."""
        stored = self._stored
        if self._cause is Cause.IMPORT and at < stored.updated_at:
            raise StaleError(f"revision {stored.revision} was made by another process meanwhile")
        return max(at, stored.updated_at)

    # ── what is known ─────────────────────────────────────────────────────────────────────────

    def _fallback_only(self) -> Stored:
        at = self._clock()
        life = Life(first_seen=at, updated_at=at, revision=0)
        rows = [Row(model=model, life=life, origin=Origin.FALLBACK) for model in self._fallback]
        return Stored(rows=tuple(rows), revision=0, updated_at=at, modified_at=at)

    def _adopt(self, stored: Stored) -> None:
        """Take what was loaded for the truth, and find our source's rows in their order."""
        ours = [row for row in stored.rows if self._is_ours(row)]
        self._stored = stored
        self._known = sorted(ours, key=lambda row: (row.position is None, row.position or 0))
        self._others = [row for row in stored.rows if not self._is_ours(row)]

    def _is_ours(self, row: Row) -> bool:
        return row.origin is Origin.DISCOVERED and row.model.source == self.source

    # ── what is told ──────────────────────────────────────────────────────────────────────────

    async def _fail(self, error: RefreshError) -> Refresh:
        self.failure = _without_frames(error)
        outcome = Outcome.REJECTED if isinstance(error, UnbelievableError) else Outcome.FAILED
        refresh = self._record(
            outcome, error.reason, detail=error.detail, http_status=error.http_status
        )
        if error.reason is not Reason.STORAGE:
            try:
                await self._log(refresh)
            except StorageError as storage_error:
                self._note(storage_error)
        return refresh

    @property
    def _elapsed_ms(self) -> int:
        return round(1000 * (monotonic() - self._started))

    def _record(
        self,
        outcome: Outcome,
        reason: Reason,
        *,
        at: datetime | None = None,
        detail: str | None = None,
        http_status: int | None = None,
        listing: Listing | None = None,
        observed: str | None = None,
        validators: Validators | None = None,
        revision: int | None = None,
    ) -> Refresh:
        return Refresh(
            source=self.source,
            at=at or self._clock(),
            duration_ms=self._elapsed_ms,
            outcome=outcome,
            reason=reason,
            detail=detail,
            http_status=http_status,
            entries=None if listing is None else listing.total,
            rejected=None if listing is None else len(listing.rejects),
            bad_fields=None if listing is None else sum(listing.bad_fields.values()),
            observed=observed,
            validators=validators,
            revision=revision or self._stored.revision or None,
        )

    async def _log(self, refresh: Refresh, raw: Mapping[str, str] | None = None) -> None:
        """One row in the database; also the entries that a rebuilt database lacks."""
        if not self._store.is_writable:
            return
        await self._store.log(refresh, raw if self._stored.lacks_entries else None)
        self.storage_error = None
        if raw:
            self._stored = replace(self._stored, lacks_entries=False)

    def _remember(self, refresh: Refresh) -> None:
        """For the next refresh, for status, for metrics, and one line for the person who looks."""
        self.recent = self.recent.after(refresh)
        self._metrics.observe_refresh(refresh, self.listing if refresh.entries else None)
        facts = {
            name: value
            for name in ("detail", "http_status", "entries", "rejected", "bad_fields", "revision")
            if (value := getattr(refresh, name))
        }
        if refresh.rejected and self.listing:
            facts["rejects"] = Counter(reject.reason for reject in self.listing.rejects)
        log = _log.info if refresh.outcome.is_good else _log.warning
        log(
            "refresh",
            source=refresh.source,
            outcome=str(refresh.outcome),
            reason=str(refresh.reason),
            ms=refresh.duration_ms,
            **facts,
        )


def _without_frames(error: _E) -> _E:
    """The error without what it was raised through: those frames hold a whole list."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def _still_listed(rows: Sequence[Row]) -> list[Model]:
    """What a list that has not changed still says."""
    return [row.model for row in rows if row.life.status is Status.ACTIVE]


def _verdict(transition: Transition, *, is_listed: bool, is_first: bool) -> tuple[Outcome, Reason]:
    if transition.opened:
        return Outcome.UPDATED, Reason.FIRST if is_first else Reason.CHANGES
    if transition.moved:
        return Outcome.UPDATED, Reason.REORDERED
    if is_listed:
        return Outcome.UNCHANGED, Reason.SAME_CONTENT
    return Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH


def _unsaved(error: StorageError) -> RefreshError:
    return UnreachableError(Reason.STORAGE, str(error), is_transient=True)
