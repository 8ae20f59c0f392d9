"""The schemas of our own answers, as components of an OpenAPI document: made from the nouns. Pure.

What is declared elsewhere is not said again: fields come from `fields.py`, filters from `query/`,
words from the enumerations of `catalog.py`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from service.catalog import Cause, Kind, Origin, Outcome, Reason, Status
from service.dialects import DIALECTS
from service.diff import TOPICS
from service.fields import FIELDS, Field, Form
from service.query.filters import FILTERS, Facet
from service.query.pick import PICK, Preference

Json = dict[str, Any]

TEXT: Final[Json] = {"type": "string"}
FLAG: Final[Json] = {"type": "boolean"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
TIME: Final[Json] = {"type": "string", "format": "date-time"}
_USD: Final[Json] = {"type": "number", "minimum": 0}
_FORMS: Final[Mapping[Form, Json]] = {
    Form.TEXT: TEXT,
    Form.TEXTS: {"type": "array", "items": TEXT},
    Form.FLAG: FLAG,
    Form.TOKENS: {"type": "integer", "minimum": 1, "maximum": 2**53},
    Form.USD: _USD,
    Form.COUNT: COUNT,
    Form.TIME: TIME,
    Form.DAY: {"type": "string", "format": "date"},
}
_COST: Final = "cost"


def sentence(text: str) -> str:
    """Words of a declaration as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def reference(name: str) -> Json:
    """Points to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


# ── how they are written ──────────────────────────────────────────────────────────────────────


def _object(meaning: str, members: Mapping[str, Json], *, optional: Iterable[str] = ()) -> Json:
    """An object whose members are all there, but for the optional ones."""
    required = [name for name in members if name not in set(optional)]
    said: Json = {"type": "object", "description": meaning, "properties": dict(members)}
    return said | ({"required": required} if required else {})


def _said(schema: Json, meaning: str) -> Json:
    return schema | {"description": meaning}


def _or_null(schema: Json, meaning: str = "") -> Json:
    """The same, or null; a schema that is named elsewhere becomes one of two."""
    described = {"description": meaning} if meaning else {}
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]} | described
    nullable = schema | {"type": [schema["type"], "null"]}
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable | described


def _words(words: type[StrEnum]) -> Json:
    return {"type": "string", "enum": [str(word) for word in words]}


def _list_of(items: Json, meaning: str = "") -> Json:
    return {"type": "array", "items": items} | ({"description": meaning} if meaning else {})


def _map_of(values: Json, meaning: str) -> Json:
    return {"type": "object", "additionalProperties": values, "description": meaning}


def _page(meaning: str, items: Json, **more: Json) -> Json:
    """A list in its envelope."""
    envelope = {
        "revision": _said(COUNT, "the catalog's revision; 0 while nothing could be stored"),
        **more,
        "next": _or_null(TEXT, "where the next page is; null on the last one"),
        "data": _list_of(items),
    }
    return _object(meaning, envelope)


# ── models ────────────────────────────────────────────────────────────────────────────────────


def _field(field: Field) -> Json:
    schema = _FORMS[field.form] | ({"enum": list(field.words)} if field.words else {})
    return _said(schema, field.meaning) if field.is_known else _or_null(schema, field.meaning)


def _model(cost: str) -> Mapping[str, Json]:
    members: dict[str, Json] = {}
    for path, field in FIELDS.items():
        head, _, below = path.partition(".")
        members[head] = reference(cost) if below else _field(field)
    return members


def _prices() -> Mapping[str, Json]:
    return {
        path.removeprefix(f"{_COST}."): _field(field)
        for path, field in FIELDS.items()
        if path.startswith(f"{_COST}.")
    }


def _models() -> Mapping[str, Json]:
    prices, money = _prices(), "USD, exact decimals. 0 says that it costs nothing, null that nobody"
    whole = reference("Model")
    return {
        "Model": _object(
            "One model. Every member is always there; null says that it is not known.",
            _model("Cost"),
        ),
        "Cost": _object(f"Prices in {money} says.", prices),
        "ModelPart": _object(
            "Some members of a model: those that `fields` names, each as in Model.",
            _model("CostPart"),
            optional=_model("CostPart"),
        ),
        "CostPart": _object(f"Some prices in {money} says.", prices, optional=prices),
        "ModelList": _page(
            "Models, in the order that was asked for.",
            {"anyOf": [whole, reference("ModelPart")]},
            updatedAt=_said(TIME, "when that revision was made"),
            total=_said(COUNT, "how many models were meant, on all pages"),
        ),
        "Facets": _facets(),
        "Pick": _pick(whole),
    }


def _facets() -> Json:
    value = {
        "value": {"type": ["string", "boolean"], "description": "what the filter can be set to"},
        "count": _said(COUNT, "how many models there would be if it were"),
        "chosen": _said(FLAG, "whether it is now"),
    }
    unknown = _said(COUNT, "models of which nobody says it")
    counted = _object(
        "",
        {
            "values": _list_of(_object("", value)),
            "unknown": unknown,
            "unknownChosen": _said(
                FLAG, "whether those are asked for now, as a flag can: `unknown`"
            ),
        },
    )
    lists = [one for one in FILTERS if one.facet in {Facet.OTHERS, Facet.MORE}]
    ranges = {
        one.field.path: _object(
            one.field.meaning,
            {"min": _or_null(_USD), "max": _or_null(_USD), "unknown": unknown},
        )
        for one in FILTERS
        if one.facet is Facet.RANGE
    }
    return _object(
        "How many models stand behind each value of each filter, for what is asked now.",
        {
            "revision": _said(COUNT, "the catalog's revision"),
            "updatedAt": _said(TIME, "when that revision was made"),
            "total": _said(COUNT, "how many models are meant now"),
            "facets": _object(
                "Values by filter, the most frequent first.",
                {one.name: _said(counted, one.meaning) for one in lists},
            ),
            "ranges": _object("The smallest and the largest value by field.", ranges),
        },
    )


def _pick(whole: Json) -> Json:
    choice = {
        "rank": {"type": "integer", "minimum": 1},
        "ref": TEXT,
        "id": TEXT,
        "name": TEXT,
        "estimatedCost": _or_null(_USD, "USD for the mix; null where a price is not known"),
        "reasons": _list_of(TEXT, "why it is among these, in words"),
        "model": whole,
    }
    ruled_out = {
        "need": _said(TEXT, "what was needed, in words"),
        "parameter": {"type": "string", "enum": [one.name for one in PICK]},
        "models": _said(COUNT, "how many models it ruled out"),
        "unknown": _said(COUNT, "how many of them because nobody says it"),
        "alone": _said(COUNT, "how many were ruled out by nothing else"),
    }
    mix = dict.fromkeys(("inputTokens", "outputTokens", "cachedTokens"), COUNT)
    return _object(
        "The best models for what is needed, and what ruled out the others.",
        {
            "revision": _said(COUNT, "the catalog's revision"),
            "updatedAt": _said(TIME, "when that revision was made"),
            "prefer": _words(Preference),
            "mix": _object("Tokens that costs are estimated for.", mix),
            "considered": _said(COUNT, "how many models there are, removed ones too"),
            "total": _said(COUNT, "how many satisfy all needs"),
            "data": _list_of(_object("One choice.", choice), "the best first"),
            "ruledOut": _list_of(_object("What one need did.", ruled_out)),
        },
    )


# ── the past ──────────────────────────────────────────────────────────────────────────────────


def _past() -> Mapping[str, Json]:
    ends = _object("A value before and after.", {"from": {}, "to": {}})
    fields = _map_of(ends, "What differs, by path; null is unknown, and all there was of a new one")
    fields["propertyNames"] = {"enum": list(TOPICS)}
    bulk = _map_of(COUNT, "Fields and kinds of change that it brought to more than half of them")
    at = {"revision": COUNT, "at": TIME}
    change = {
        **at,
        "ref": TEXT,
        "id": TEXT,
        "kind": _words(Kind),
        "fields": fields,
        "bulk": _list_of(TEXT, "what of it befell more than half of the models"),
    }
    version = {
        **at,
        "untilRevision": _or_null(COUNT, "which revision ended it; null if none has"),
        "until": _or_null(TIME, "when it ended"),
        "kind": _said(_words(Kind), "how it came about"),
        "fields": fields,
        "model": reference("Model"),
    }
    revision = {
        **at,
        "cause": _words(Cause),
        "source": _or_null(TEXT, "the gateway whose list made it"),
        "counts": _object("Models by kind of change.", {str(kind): COUNT for kind in Kind}),
        "bulk": bulk,
    }
    moment = _object("One end of a comparison.", at)
    refresh = _refresh()
    return {
        "Change": _object("What one revision did to one model.", change),
        "ChangeList": _page("Changes, the oldest first.", reference("Change")),
        "Version": _object("One state of a model, and how it came about.", version),
        "VersionList": _page("States of a model, the newest first.", reference("Version")),
        "Diff": _object(
            "What differs between two moments.",
            {"from": moment, "to": moment, "data": _list_of(reference("Change"))},
        ),
        "Revision": _object("One change of the catalog's content.", revision),
        "RevisionList": _page("Revisions, the newest first.", reference("Revision")),
        "Refresh": _object("One attempt to bring a source up to date.", refresh),
        "RefreshList": _page(
            "Refreshes, the newest first.",
            _object("One line of the log.", {"id": COUNT, **refresh}),
        ),
    }


def _refresh() -> Mapping[str, Json]:
    return {
        "source": TEXT,
        "at": _said(TIME, "when the answer was judged"),
        "outcome": _words(Outcome),
        "reason": _words(Reason),
        "detail": _or_null(TEXT, "more, in words"),
        "durationMs": COUNT,
        "httpStatus": _or_null(COUNT, "the gateway's status, where it answered"),
        "entries": _or_null(COUNT, "entries of its list"),
        "rejected": _or_null(COUNT, "entries that could not be made a model"),
        "badFields": _or_null(COUNT, "values that became unknown"),
        "revision": _or_null(COUNT, "the catalog's revision afterwards"),
    }


# ── the service ───────────────────────────────────────────────────────────────────────────────


def _service() -> Mapping[str, Json]:
    checks = {name: _said(TEXT, "`ok`, or what is wrong") for name in ("snapshot", "storage")}
    checks["data"] = {"type": "string", "enum": ["ok", "stale"]}
    state = {"type": "string", "enum": ["ok", "degraded", "starting"]}
    return {
        "Status": _status(),
        "Readiness": _object(
            "Whether readers get answers, and what is wrong all the same.",
            {"status": state, "checks": _object("By part.", checks)},
        ),
        "Health": _object(
            "Said while the process lives.", {"status": {"type": "string", "const": "ok"}}
        ),
    }


def _status() -> Json:
    counted = ["total", *map(str, Status), *map(str, Origin)]
    counts = dict.fromkeys(counted, COUNT)
    storage = {
        "state": _said(TEXT, "`ok`, or what is wrong"),
        "detail": _or_null(TEXT),
        "advice": _or_null(TEXT, "what to do about it"),
    }
    omitted = {dialect.name: COUNT for dialect in DIALECTS}
    return _object(
        "The whole state of the service.",
        {
            "version": TEXT,
            "revision": _or_null(COUNT, "null before anything is served"),
            "updatedAt": _or_null(TIME, "when that revision was made"),
            "stale": _said(FLAG, "whether the last good check is too long ago"),
            "checkedAt": _or_null(TIME, "when the served list was last known to be the gateway's"),
            "ageSeconds": _or_null(COUNT, "seconds since then"),
            "models": _object("Models by status and by origin.", counts, optional=counted),
            "omitted": _object(
                "Models that a dialect cannot tell truthfully, by dialect.",
                omitted,
                optional=omitted,
            ),
            "storage": _object("How the database is.", storage),
            "sources": _list_of(_source()),
            "webhooks": _list_of(_webhook()),
        },
    )


def _source() -> Json:
    reject = {"index": _said(COUNT, "its place in the list"), "reason": TEXT}
    last_list = {
        "models": COUNT,
        "duplicates": COUNT,
        "rejected": COUNT,
        "rejects": _list_of(_object("An entry that could not be made a model.", reject)),
        "badFields": _map_of(COUNT, "Values that became unknown, by path."),
        "unreadKeys": _map_of(COUNT, "Keys of the gateway that nobody reads, by path."),
    }
    held = {
        "since": TIME,
        "detail": _or_null(TEXT),
        "active": _or_null(COUNT, "how many models are active"),
        "missing": _or_null(COUNT, "how many of them it lacks"),
        "ids": _or_null(_list_of(TEXT), "the first of those"),
    }
    refresh = reference("Refresh")
    return _object(
        "How one gateway is doing.",
        {
            "source": TEXT,
            "url": TEXT,
            "refreshing": FLAG,
            "nextRefresh": _or_null(TIME),
            "lastRefresh": _or_null(refresh),
            "lastGoodRefresh": _or_null(refresh),
            "held": _or_null(_object("A list that is not believed yet.", held)),
            "lastList": _or_null(_object("What the last list had.", last_list)),
        },
    )


def _webhook() -> Json:
    return _object(
        "How far a webhook was told.",
        {
            "name": TEXT,
            "url": _said(TEXT, "scheme and host alone"),
            "pending": COUNT,
            "oldestPending": _or_null(TIME),
            "delivered": COUNT,
            "givenUp": COUNT,
            "lastDelivery": _or_null(TIME),
            "lastError": _or_null(TEXT),
            "nextAttempt": _or_null(TIME),
        },
    )


# ── errors ────────────────────────────────────────────────────────────────────────────────────


def _errors() -> Mapping[str, Json]:
    problem = {
        "type": {"type": "string", "const": "about:blank"},
        "title": _said(TEXT, "the status in words"),
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _said(TEXT, "what is wrong, and what would be right"),
        "parameter": _said(TEXT, "which parameter it is about"),
        "nearest": _list_of(TEXT, "valid values or names that are like the one that was sent"),
        "refresh": reference("Refresh"),
    }
    error = {
        "message": TEXT,
        "type": {"type": "string", "enum": ["invalid_request_error", "server_error"]},
        "param": _or_null(TEXT),
        "code": {"type": ["string", "integer", "null"]},
    }
    return {
        "Problem": _object(
            "An error, as RFC 9457 has it.", problem, optional=("parameter", "nearest", "refresh")
        ),
        "OpenAIError": _object(
            "An error, as the clients of OpenAI and OpenRouter read it.",
            {"error": _object("", error)},
        ),
    }


def schemas() -> Mapping[str, Json]:
    """Every schema by its name."""
    return {
        name: _finished(schema)
        for part in (_models(), _past(), _service(), _errors())
        for name, schema in part.items()
    }


def _finished(schema: Any) -> Any:  # noqa: ANN401 — any part of a schema
    """With descriptions that are sentences; none is better than an empty one."""
    match schema:
        case dict():
            return {
                name: sentence(part)
                if name == "description" and isinstance(part, str)
                else _finished(part)
                for name, part in schema.items()
                if not (name == "description" and part == "")
            }
        case list():
            return [_finished(part) for part in schema]
        case _:
            return schema
