"""Our own format: camelCase, every key always present, unknown is null."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from service.catalog import Catalog, Change, Cost, Fold, Kind, Model, Revision, Row, Version

Json = dict[str, Any]


def time_text(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, whole seconds: `2026-08-16T10:00:00Z`."""
    if at is None:
        return None
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def number(value: float | None) -> float | int | None:
    """A price without a needless `.0`: 3, 0.3."""
    return int(value) if value is not None and value.is_integer() else value


def value(found: object) -> object:
    """A field's value as a model's JSON has it."""
    match found:
        case datetime():
            return time_text(found)
        case float():
            return number(found)
        case _:
            return found


def model(row: Row) -> Json:
    """One model."""
    said, life = row.model, row.life
    return {
        "ref": said.ref,
        "source": said.source,
        "id": said.id,
        "name": said.name,
        "author": said.author,
        "description": said.description,
        "badges": said.badges,
        **_abilities(said),
        "cost": _cost(said.cost),
        "pricing": said.pricing,
        "free": said.free,
        "supportedParameters": said.supported_parameters,
        "tokenizer": said.tokenizer,
        "moderated": said.moderated,
        "mayTrainOnPrompts": said.may_train_on_prompts,
        "huggingFaceId": said.hugging_face_id,
        "family": said.family,
        "created": time_text(said.created),
        "knowledgeCutoff": said.knowledge_cutoff,
        "expiresAt": time_text(said.expires_at),
        "status": life.status,
        "missingSince": time_text(life.missing_since),
        "removedAt": time_text(life.removed_at),
        "origin": row.origin,
        "default": row.is_default,
        "preferredIndex": said.preferred_index,
        "firstSeen": time_text(life.first_seen),
        "updatedAt": time_text(life.updated_at),
        "revision": life.revision,
    }


def envelope(catalog: Catalog) -> Json:
    """What stands before the `data` of a list."""
    return {
        "revision": catalog.revision,
        "updatedAt": time_text(catalog.updated_at),
        "total": len(catalog.rows),
        "next": None,
    }


def page(revision: int, following: str | None, data: Iterable[Json]) -> Json:
    """Some of a log, and the address of what follows."""
    return {"revision": revision, "next": following, "data": list(data)}


def comparison(begin: Revision, end: Revision, changes: Iterable[Change]) -> Json:
    """What differs between two revisions."""
    ends = {"from": begin, "to": end}
    told = {name: {"revision": one.revision, "at": time_text(one.at)} for name, one in ends.items()}
    return {**told, "data": [change(one) for one in changes]}


def change(one: Change) -> Json:
    """What one revision did to one model."""
    return {
        "revision": one.revision,
        "at": time_text(one.at),
        "ref": one.ref,
        "id": one.id,
        "kind": one.kind,
        "fields": _fields(one.fields),
        "bulk": one.bulk,
    }


def fold(folded: Fold) -> Json:
    """The same thing, done to many models by one revision."""
    return {
        "revision": folded.revision,
        "at": time_text(folded.at),
        "bulk": folded.name,
        "models": len(folded.changes),
    }


def version(state: Version) -> Json:
    """One state of a model, and how it came about."""
    return {
        "revision": state.since.revision,
        "at": time_text(state.since.at),
        "untilRevision": state.until and state.until.revision,
        "until": state.until and time_text(state.until.at),
        "kind": state.kind,
        "fields": _fields(state.fields),
        "model": model(state.row),
    }


def revision(made: Revision) -> Json:
    """One change of the catalog's content."""
    return {
        "revision": made.revision,
        "at": time_text(made.at),
        "cause": made.cause,
        "source": made.source,
        "counts": {str(kind): made.counts[kind] for kind in Kind},
        "bulk": made.bulk,
    }


def _fields(fields: Mapping[str, tuple[object, object]]) -> Json:
    return {path: {"from": value(was), "to": value(now)} for path, (was, now) in fields.items()}


def _abilities(said: Model) -> Json:
    return {
        "input": said.input,
        "output": said.output,
        "reasoning": said.reasoning,
        "reasoningEfforts": said.reasoning_efforts,
        "tools": said.tools,
        "structuredOutput": said.structured_output,
        "contextWindow": said.context_window,
        "servedContextWindow": said.served_context_window,
        "maxTokens": said.max_tokens,
    }


def _cost(cost: Cost) -> Json:
    return {
        "input": number(cost.input),
        "output": number(cost.output),
        "cacheRead": number(cost.cache_read),
        "cacheWrite": number(cost.cache_write),
        "reasoning": number(cost.reasoning),
        "image": number(cost.image),
        "request": number(cost.request),
        "webSearch": number(cost.web_search),
    }
