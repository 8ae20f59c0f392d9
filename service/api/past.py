"""What was and what changed: the handlers that read the database."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import orjson
from aiohttp import web

from service import atom
from service.api.answers import Answers
from service.api.conditional import JSON_TYPE, Responder
from service.api.route import PAST, Route, Validity
from service.api.status import refresh_json
from service.catalog import Change, Cursor, Fold, Kind, Outcome, Revision
from service.dialects import native
from service.diff import TOPICS, Wanted, fields_of, fold
from service.errors import MomentError, ParameterError, UnknownModelError
from service.fields import Topic
from service.history import History, Page
from service.parameters import Asked, Parameter, number, words_schema
from service.present import Present
from service.query.moments import MOMENT_FORM, MOMENT_SCHEMA, moment
from service.query.shelf import Shelf
from service.snapshot import Document
from service.spelling import nearest

_T = TypeVar("_T")
CACHE_BYTES: Final = 16 * 2**20
"""For answers of the past that are kept, each as long as it is true and there is room."""

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
MAX_FOLDED: Final = 5_000
"""Changes that are read to fold them, at least; the oldest of their revisions is read whole."""


# ── parameters ────────────────────────────────────────────────────────────────────────────────

_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_AGE: Final = re.compile(r"[smhd]$", re.ASCII)
_MAX_GLOB: Final = 300
"""Longer than any ref."""
_PLACE: Final = r"^\d{1,18}\.\d{1,18}$"
_HEADS: Final = [path.partition(".")[0] for path in TOPICS]
_IN_NO_ID: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def _moment_text(text: str) -> str:
    """A moment as it was written, checked. Ages are counted when it is used."""
    moment(text, _ANY_TIME)
    return text


def _since(text: str) -> Cursor | str:
    try:
        return Cursor.parse(text)
    except ValueError:
        return _moment_text(text)


def _glob(text: str) -> str:
    if not 1 <= len(text) <= _MAX_GLOB or _IN_NO_ID.search(text):
        raise ValueError(text)
    return text


LIMIT: Final = Parameter(
    name="limit",
    meaning=f"how many at most; {DEFAULT_LIMIT} unless told",
    accepts=f"a whole number from 1 to {MAX_LIMIT}",
    parse=number(1, MAX_LIMIT),
    example="50",
    schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
)
SINCE: Final = Parameter(
    name="since",
    meaning="only what came after this revision or place in the log, or since this time",
    accepts=f"{MOMENT_FORM}, or a place in the log (13.4211)",
    parse=_since,
    example="7d",
    schema={"anyOf": [*MOMENT_SCHEMA["anyOf"], {"type": "string", "pattern": _PLACE}]},
)
KIND: Final = Parameter(
    name="kind",
    meaning="only such changes",
    accepts=", ".join(Kind),
    parse=Kind,
    words=tuple(Kind),
    is_many=True,
    example="added,removed",
    schema={"type": "string", "enum": list(Kind)},
)
FIELD: Final = Parameter(
    name="field",
    meaning="only changes of these fields, or of fields about these topics",
    accepts=f"{', '.join(Topic)}, or a path such as cost.input",
    parse=fields_of,
    words=(*Topic, *TOPICS),
    is_many=True,
    example="price",
    schema={"type": "string", "enum": list(dict.fromkeys((*Topic, *_HEADS, *TOPICS)))},
)
MODEL: Final = Parameter(
    name="model",
    meaning="only changes of these models",
    accepts="an id or a ref, in which * stands for any characters",
    parse=_glob,
    is_many=True,
    example="anthropic/*",
    schema=words_schema(_MAX_GLOB, is_many=True),
)
FROM: Final = Parameter(
    name="from",
    meaning="the earlier end",
    accepts=MOMENT_FORM,
    parse=_moment_text,
    is_required=True,
    example="7d",
    schema=MOMENT_SCHEMA,
)
TO: Final = Parameter(
    name="to",
    meaning="the later end; now unless told",
    accepts=MOMENT_FORM,
    parse=_moment_text,
    example="24h",
    schema=MOMENT_SCHEMA,
)
AT: Final = Parameter(
    name="at",
    meaning="the catalog as it was then",
    accepts=MOMENT_FORM,
    parse=_moment_text,
    schema=MOMENT_SCHEMA,
)
BEFORE: Final = Parameter(
    name="before",
    meaning="only what is older than this",
    accepts="a whole number",
    parse=number(1, 10**18 - 1),
    example="100",
    schema={"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
)
OUTCOME: Final = Parameter(
    name="outcome",
    meaning="only such refreshes",
    accepts=", ".join(Outcome),
    parse=Outcome,
    words=tuple(Outcome),
    is_many=True,
    example="failed,rejected",
    schema={"type": "string", "enum": list(Outcome)},
)


LAST_EVENT_ID: Final = Parameter(
    name="Last-Event-ID",
    meaning="the id of the event that was seen last: the stream goes on behind it",
    accepts="the id of an event",
    parse=str,
)
CHANGES: Final = (SINCE, LIMIT, KIND, FIELD, MODEL)
FEED: Final = (LIMIT, KIND, FIELD, MODEL)
STREAM: Final = (SINCE, KIND, FIELD, MODEL)
ENDS: Final = (FROM, TO)
PAGE: Final = (LIMIT, BEFORE)
REFRESHES: Final = (LIMIT, BEFORE, OUTCOME)
REFUSES: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE)


def wanted_of(query: Asked) -> Wanted:
    """The filter that `kind`, `field` and `model` make together."""
    return Wanted(
        kinds=frozenset(query.many(KIND)),
        fields=frozenset().union(*query.many(FIELD)),
        models=frozenset(query.many(MODEL)),
    )


# ── handlers ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The handlers and what they read from."""

    history: History
    present: Present
    responder: Responder
    clock: Callable[[], datetime]
    public_url: str
    _made: Answers = field(default_factory=lambda: Answers(CACHE_BYTES))

    async def changes(self, request: web.Request) -> web.Response:
        query = _asked(request, CHANGES)
        limit, wanted = query.one(LIMIT) or DEFAULT_LIMIT, wanted_of(query)
        after = await self.cursor(query.one(SINCE))

        async def body() -> Document:
            page = await _in_reach(SINCE, self.history.changes(after, limit, wanted))
            return _page(request, "since", page, map(native.change, page.items))

        document = await self._document(("changes", after, limit, wanted), body)
        return await self._answer(request, document)

    async def atom(self, request: web.Request) -> web.Response:
        query = _asked(request, FEED)
        limit, wanted = query.one(LIMIT) or DEFAULT_LIMIT, wanted_of(query)
        asked = urlencode(sorted(request.query.items()))

        async def body() -> Document:
            news = (await self.news(limit, wanted))[:limit]
            updated = news[0].at if news else (await self.history.first()).at
            about = atom.Feed(public_url=self.public_url, query=asked, updated=updated)
            return Document(atom.feed(about, news))

        document = await self._document(("atom", asked), body)
        return await self._answer(request, document, content_type=atom.CONTENT_TYPE)

    async def of_model(self, request: web.Request) -> web.Response:
        query = _asked(request, PAGE)
        limit, before = query.one(LIMIT) or DEFAULT_LIMIT, query.one(BEFORE)
        name = request.match_info["id"]

        async def body() -> Document:
            try:
                page = await self.history.versions(name, limit, before)
            except UnknownModelError:
                rows = self.present.require().catalog.rows
                near = nearest(name, [row.model.id for row in rows])
                raise UnknownModelError(name, near) from None
            return _page(request, "before", page, map(native.version, page.items))

        document = await self._document(("history", name, limit, before), body)
        return await self._answer(request, document)

    async def diff(self, request: web.Request) -> web.Response:
        query = _asked(request, ENDS)
        begin = await self._revision(FROM, query.one(FROM))
        end = await self._revision(TO, query.one(TO))
        if begin.revision > end.revision:
            detail = (
                f"from is revision {begin.revision}, which came after to, revision {end.revision}"
            )
            raise ParameterError("from", detail)

        async def body() -> Document:
            changes = await self.history.diff(begin, end)
            return Document(orjson.dumps(native.comparison(begin, end, changes)))

        document = await self._document(("diff", begin.revision, end.revision), body)
        return await self._answer(request, document)

    async def models(
        self,
        request: web.Request,
        at: str,
        asked: Hashable | None,
        make: Callable[[Shelf], Document],
        content_type: str,
    ) -> web.Response:
        """A question about the catalog as it was then, which is in the order of ids.

        `asked` is None where the answer changes as time goes by.
        """
        revision = await self._revision(AT, at)

        async def document() -> Document:
            catalog = await self.history.catalog(revision)
            return await asyncio.to_thread(lambda: make(Shelf(catalog)))

        if asked is None:
            return await self._answer(request, await document(), content_type=content_type)
        found = await self._document(("models", revision.revision, asked), document)
        is_settled = await self._is_settled(at, revision)
        return await self._answer(
            request,
            found,
            content_type=content_type,
            settled_at=revision.revision if is_settled else None,
        )

    async def revisions(self, request: web.Request) -> web.Response:
        query = _asked(request, PAGE)
        limit, before = query.one(LIMIT) or DEFAULT_LIMIT, query.one(BEFORE)

        async def body() -> Document:
            page = await self.history.revisions(limit, before)
            return _page(request, "before", page, map(native.revision, page.items))

        document = await self._document(("revisions", limit, before), body)
        return await self._answer(request, document)

    async def refreshes(self, request: web.Request) -> web.Response:
        query = _asked(request, REFRESHES)
        limit, before = query.one(LIMIT) or DEFAULT_LIMIT, query.one(BEFORE)
        page = await self.history.refreshes(limit, before, frozenset(query.many(OUTCOME)))
        rows = ({"id": number} | refresh_json(refresh) for number, refresh in page.items)
        return await self._answer(request, _page(request, "before", page, rows))

    async def stream_start(self, request: web.Request) -> tuple[Cursor | None, Wanted]:
        """What a stream is asked for: from where on, where that is said, and which changes."""
        query = _asked(request, STREAM)
        since = query.one(SINCE)
        cursor = None if since is None else await self.cursor(since)
        if cursor is not None and not await self.history.knows(cursor):
            raise ParameterError("since", f"since={since} is not a place in this history")
        return cursor, wanted_of(query)

    def routes(self) -> list[Route]:
        """What there is of the past."""
        return [
            Route(
                operation="listChanges",
                path="/catalog/changes",
                summary="what changed, oldest first after `since`",
                tag=PAST,
                handler=self.changes,
                parameters=CHANGES,
                sample="since=7d&field=price",
                schema="ChangeList",
                validity=Validity.PAST,
                headers=("Link",),
                refuses=REFUSES,
            ),
            Route(
                operation="readChangesFeed",
                path="/catalog/changes.atom",
                summary="the newest changes for feed readers, by the same filters",
                tag=PAST,
                handler=self.atom,
                parameters=FEED,
                content_types=(atom.MEDIA_TYPE,),
                sample="kind=added,removed",
                validity=Validity.PAST,
                refuses=REFUSES,
            ),
            Route(
                operation="streamChanges",
                path="/catalog/changes/stream",
                summary="the same changes as server-sent events, as they come; resumed by "
                "`Last-Event-ID`",
                note="`ready` tells at which revision the stream begins, `change` has a Change as "
                "its data, and `resync` says that the place asked for is not in this history: ask "
                "for the whole list then. The id of each event is a place in the log.",
                tag=PAST,
                parameters=STREAM,
                reads=(LAST_EVENT_ID,),
                content_types=("text/event-stream",),
                sample="field=price",
                refuses=REFUSES,
            ),
            Route(
                operation="listVersions",
                path="/catalog/history/{id:.+}",
                summary="every state of a model, newest first, with what changed from one to the "
                "next",
                tag=PAST,
                handler=self.of_model,
                parameters=PAGE,
                schema="VersionList",
                validity=Validity.PAST,
                headers=("Link",),
                refuses=(*REFUSES, HTTPStatus.NOT_FOUND),
            ),
            Route(
                operation="compare",
                path="/catalog/diff",
                summary="what differs between two moments",
                tag=PAST,
                handler=self.diff,
                parameters=ENDS,
                sample="from=1",
                schema="Diff",
                validity=Validity.PAST,
                refuses=REFUSES,
            ),
            Route(
                operation="listRevisions",
                path="/catalog/revisions",
                summary="every change of the catalog: number, time, cause, counts",
                tag=PAST,
                handler=self.revisions,
                parameters=PAGE,
                sample="limit=10",
                schema="RevisionList",
                validity=Validity.PAST,
                headers=("Link",),
                refuses=REFUSES,
            ),
            Route(
                operation="listRefreshes",
                path="/catalog/refreshes",
                summary="the log of refreshes with outcome and reason",
                tag=PAST,
                handler=self.refreshes,
                parameters=REFRESHES,
                sample="outcome=failed,rejected",
                schema="RefreshList",
                validity=Validity.PAST,
                headers=("Link",),
                refuses=REFUSES,
            ),
        ]

    # ── what they share ───────────────────────────────────────────────────────────────────────

    async def cursor(self, since: Cursor | str | None) -> Cursor:
        """The place in the log that `since` names; its beginning where nothing was given."""
        if not isinstance(since, str):
            return since or Cursor(0)
        return await self.history.place(moment(since, self.clock()))

    async def news(
        self, limit: int, wanted: Wanted, before: Cursor | None = None
    ) -> list[Change | Fold]:
        """At least the last so many pieces of news, newest first, in whole revisions.

        What was done in bulk is one of them. So more changes than news have to be read, up to a
        bound: else whatever happened shortly before hundreds of models changed at once would be
        in no feed.
        """
        changes = limit
        while True:
            latest = await self.history.latest(changes, wanted, before)
            news = [one for one in fold(latest) if _is_wanted(one, wanted)]
            if len(news) >= limit or not changes <= len(latest) < MAX_FOLDED:
                return news[::-1]
            changes = min(2 * len(latest), MAX_FOLDED)

    async def _revision(self, parameter: Parameter[str], asked: str | None) -> Revision:
        if asked is None:
            if parameter is FROM:
                raise ParameterError("from", f"from is missing; accepts: {FROM.accepts}")
            return await self.history.head()
        return await _in_reach(parameter, self.history.resolve(moment(asked, self.clock())))

    async def _is_settled(self, asked: str, revision: Revision) -> bool:
        """Whether the same question can never have another answer."""
        head = await self.history.head()
        at = moment(asked, self.clock())
        is_over = revision.revision < head.revision if isinstance(at, int) else at < head.at
        return is_over and not _AGE.search(asked)

    async def _document(self, asked: Hashable, make: Callable[[], Awaitable[Document]]) -> Document:
        """What was made for the same question at the same revision, or is made now."""
        catalog = self.present.require().catalog
        # An older database that was put in place has the numbers again, not the dates.
        key = (catalog.revision, catalog.updated_at, asked)
        document = self._made.get(key)
        return document or self._made.keep(key, await make())

    async def _answer(
        self,
        request: web.Request,
        document: Document,
        *,
        content_type: str = JSON_TYPE,
        settled_at: int | None = None,
    ) -> web.Response:
        return await self.responder.answer_later(
            request, document, content_type=content_type, settled_at=settled_at
        )


def _asked(request: web.Request, known: Iterable[Parameter[Any]]) -> Asked:
    return Asked(request.query.items(), known)


async def _in_reach(parameter: Parameter[Any], asked: Awaitable[_T]) -> _T:
    try:
        return await asked
    except MomentError as error:
        raise ParameterError(parameter.name, str(error)) from None


def _is_wanted(news: Change | Fold, wanted: Wanted) -> bool:
    """Whether what was asked for is in it still: folding may leave what came along with it."""
    if isinstance(news, Change):
        return wanted.matches(news)
    return not wanted.fields or news.name in wanted.fields or news.name in set(Kind)


def _page(
    request: web.Request,
    turns: str,
    page: Page[Any],
    items: Iterable[dict[str, Any]],
) -> Document:
    """A page; `next` repeats the question with its parameter `turns` moved on."""
    following = None
    if page.next is not None:
        pairs = [(name, value) for name, value in request.query.items() if name != turns]
        following = f"{request.rel_url.raw_path}?{urlencode([(turns, str(page.next)), *pairs])}"
    body = native.page(page.head.revision, following, items)
    return Document(orjson.dumps(body), following=following)
