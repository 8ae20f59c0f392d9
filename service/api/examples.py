"""Examples for the docs: what our own code makes of a small catalog, so that they cannot be wrong.

The catalog is that of an invented gateway: a first list, and a second one with other prices.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from service import atom
from service.api import problems
from service.api.edge import problem_of
from service.api.questions import LIST
from service.api.route import Route
from service.api.status import (
    ServiceHealth,
    SourceHealth,
    readiness_json,
    refresh_json,
    status_json,
)
from service.catalog import (
    FALLBACK,
    KILOCODE,
    Catalog,
    Cause,
    Change,
    Kind,
    Life,
    Origin,
    Outcome,
    Reason,
    Refresh,
    Revision,
    Row,
    Transition,
    Version,
)
from service.dialects import DIALECTS, native
from service.dialects.dialect import Provider
from service.diff import between, difference
from service.errors import CatalogError, NotPublishedError, UnknownModelError
from service.lifecycle import advance
from service.merge import merge
from service.normalise import normalise
from service.parameters import Asked
from service.present import Present
from service.query.facets import facets
from service.query.listing import Form, listing
from service.query.pick import PICK, Choice
from service.query.question import NEEDS, Needs, Question
from service.snapshot import Snapshot, snapshot
from service.spelling import nearest

Json = dict[str, Any]

_FIRST: Final = datetime(2026, 10, 1, 12, tzinfo=UTC)
_SECOND: Final = _FIRST + timedelta(days=31)
_PROVIDER: Final = Provider(url="https://api.kilo.ai/api/gateway")
_NAME: Final = "orrery/meridian-5"


def _entries(prompt: str, completion: str) -> list[Json]:
    """What the gateway lists; the first model at these prices."""
    return [
        {
            "id": _NAME,
            "name": "Orrery: Meridian 5",
            "created": 1789430400,
            "description": "A large model for long tasks.",
            "architecture": {
                "input_modalities": ["text", "image", "file"],
                "output_modalities": ["text"],
                "tokenizer": "Orrery",
            },
            "top_provider": {
                "is_moderated": True,
                "context_length": 1_000_000,
                "max_completion_tokens": 128_000,
            },
            "pricing": {
                "prompt": prompt,
                "completion": completion,
                "input_cache_read": "0.0000003",
            },
            "context_length": 1_000_000,
            "supported_parameters": ["max_tokens", "reasoning", "structured_outputs", "tools"],
            "isFree": False,
        },
        {
            "id": "halcyon-row/kingfisher-3:thinking",
            "name": "Halcyon Row: Kingfisher 3 (thinking)",
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "pricing": {"prompt": "0", "completion": "0"},
            "context_length": 128_000,
            "supported_parameters": ["include_reasoning", "max_tokens"],
        },
    ]


@dataclass(frozen=True)
class Examples:
    """What is answered about that catalog."""

    version: str

    # ── the scene ─────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _steps(self) -> tuple[Transition, Transition]:
        lists = [
            normalise(orjson.dumps({"data": _entries(*prices)}), KILOCODE).models
            for prices in (("0.000003", "0.000015"), ("0.0000025", "0.0000125"))
        ]
        grace = timedelta(days=1)
        first = advance((), lists[0], at=_FIRST, revision=2, grace=grace)
        return first, advance(first.rows, lists[1], at=_SECOND, revision=3, grace=grace)

    @cached_property
    def _catalogs(self) -> tuple[Catalog, Catalog]:
        life = Life(first_seen=_FIRST, updated_at=_FIRST, revision=1)
        fallback = [Row(model=model, life=life, origin=Origin.FALLBACK) for model in FALLBACK]
        first, second = (
            merge(
                (*step.rows, *fallback),
                revision=step.revision,
                updated_at=step.at,
                modified_at=step.at,
            )
            for step in self._steps
        )
        return first, second

    @cached_property
    def _revisions(self) -> tuple[Revision, Revision]:
        first, second = (
            Revision(
                revision=step.revision,
                at=step.at,
                cause=Cause.REFRESH,
                source=KILOCODE,
                counts=step.counts,
                bulk=step.bulk,
            )
            for step in self._steps
        )
        return first, second

    @cached_property
    def _changes(self) -> list[Change]:
        return between(*self._catalogs, self._revisions[1])

    @cached_property
    def _snapshot(self) -> Snapshot:
        return snapshot(self._catalogs[1], _PROVIDER)

    @cached_property
    def _present(self) -> Present:
        present = Present(stale_after_seconds=2700, now=lambda: 0.0)
        present.publish(self._snapshot)
        present.confirm(_SECOND)
        return present

    @cached_property
    def _refresh(self) -> Refresh:
        return Refresh(
            source=KILOCODE,
            at=_SECOND,
            duration_ms=412,
            outcome=Outcome.UPDATED,
            reason=Reason.CHANGES,
            http_status=200,
            entries=2,
            rejected=0,
            bad_fields=0,
            revision=3,
        )

    @cached_property
    def _health(self) -> ServiceHealth:
        source = SourceHealth(
            source=KILOCODE,
            url=f"{_PROVIDER.url}/models",
            is_refreshing=False,
            next_refresh=_SECOND + timedelta(minutes=15),
            last=self._refresh,
            last_good=self._refresh,
            held=(),
            gap=None,
            listing=None,
            storage_error=None,
        )
        return ServiceHealth(source=source, webhooks=())

    # ── answers ───────────────────────────────────────────────────────────────────────────────

    def answer(self, route: Route) -> bytes | None:
        """What the route answers to its sample; None where that is no help."""
        if made := self._by_operation.get(route.operation):
            return made(route)
        return self._foreign(route)

    @property
    def _by_operation(self) -> Mapping[str, Callable[[Route], bytes]]:
        return {
            "listModels": lambda route: self._listed(route, Form.JSON),
            "listModelsAsCsv": lambda route: self._listed(route, Form.CSV),
            "listModelsAsNdjson": lambda route: self._listed(route, Form.NDJSON),
            "countModels": self._facets,
            "pickModels": self._picked,
            "getModel": lambda _: orjson.dumps(native.model(self._row(FALLBACK[0].id))),
            "listChanges": lambda _: self._page(map(native.change, self._changes)),
            "readChangesFeed": self._feed,
            "streamChanges": self._stream,
            "listVersions": lambda _: self._page(map(native.version, self._versions())),
            "compare": lambda _: orjson.dumps(
                native.comparison(*self._revisions, self._changes),
            ),
            "listRevisions": lambda _: self._page(map(native.revision, self._revisions[::-1])),
            "listRefreshes": lambda _: self._page([{"id": 2} | refresh_json(self._refresh)]),
            "getStatus": lambda _: orjson.dumps(
                status_json(self.version, self._present, self._health)
            ),
            "refreshCatalog": lambda _: orjson.dumps(refresh_json(self._refresh)),
            "getReadiness": lambda _: orjson.dumps(readiness_json(self._present, self._health)[1]),
        }

    def _row(self, name: str) -> Row:
        row = self._catalogs[1].find(name)
        if row is None:
            raise LookupError(name)
        return row

    def _listed(self, route: Route, form: Form) -> bytes:
        question = Question.read(Asked(parse_qsl(route.sample), LIST))
        made = listing(self._snapshot.shelf, question, form, now=_SECOND, address=str)
        return made.body

    def _facets(self, route: Route) -> bytes:
        needs = Needs.read(Asked(parse_qsl(route.sample), NEEDS))
        return orjson.dumps(facets(self._snapshot.shelf, needs, _SECOND))

    def _picked(self, route: Route) -> bytes:
        choice = Choice.read(Asked(parse_qsl(route.sample), PICK))
        return orjson.dumps(choice.pick(self._snapshot.shelf, _SECOND))

    def _page(self, data: Any) -> bytes:  # noqa: ANN401 — rows of any form
        return orjson.dumps(native.page(3, None, data))

    def _versions(self) -> list[Version]:
        """The states of the model whose price has changed, the newest first."""
        (was, now), (first, second) = self._catalogs, self._revisions
        before, after = was.find(_NAME), now.find(_NAME)
        if before is None or after is None:
            raise LookupError(_NAME)
        return [
            Version(
                since=second,
                until=None,
                kind=Kind.CHANGED,
                fields=difference(before, after),
                row=after,
            ),
            Version(
                since=first,
                until=second,
                kind=Kind.ADDED,
                fields=difference(None, before),
                row=before,
            ),
        ]

    def _feed(self, route: Route) -> bytes:
        about = atom.Feed(public_url="", query=route.sample, updated=_SECOND)
        return atom.feed(about, self._changes)

    def _stream(self, route: Route) -> bytes:
        del route
        events = [("ready", "2", {"revision": 2})]
        events += [("change", str(one.cursor), native.change(one)) for one in self._changes]
        return b"\n".join(
            f"id: {place}\nevent: {name}\n".encode() + b"data: " + orjson.dumps(data) + b"\n"
            for name, place, data in events
        )

    def _foreign(self, route: Route) -> bytes | None:
        asked = {place.name: place.example for place in route.places}
        asked |= {member.name: FALLBACK[0].id for member in route.posts[:1]}
        for dialect in DIALECTS:
            for endpoint in dialect.endpoints:
                if route.path in endpoint.paths:
                    return self._snapshot.spoken[dialect.name].answer(endpoint, asked).body
        return None

    # ── refusals ──────────────────────────────────────────────────────────────────────────────

    def refusal(self, status: int, path: str) -> bytes | None:
        """How an error of that status looks at such a path."""
        error = self._errors().get(status)
        if error is None:
            return None
        body = problems.shape_for(path)(problem_of(error)).body
        return body if isinstance(body, bytes) else None

    def _errors(self) -> Mapping[int, CatalogError]:
        wanted = "orrery/meridian-6"
        known = [row.model.id for row in self._catalogs[1].rows]
        return {
            400: _misspelt(),
            404: UnknownModelError(wanted, nearest(wanted, known)),
            503: NotPublishedError(),
        }


def _misspelt() -> CatalogError:
    try:
        Asked([("limt", "5")], LIST)
    except CatalogError as error:
        return error
    raise LookupError("limt")
