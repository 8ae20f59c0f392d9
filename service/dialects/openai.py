"""`/v1/models`: one document that is OpenAI, OpenRouter, Kilo and Anthropic at once.

Their keys do not collide, so each client finds its own. The strict ones validate the whole list and
lose all of it to one bad row, so a row that has no context window, which they demand and which has
no customary "unknown", is left out and counted.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import orjson

from service.catalog import Cost, Model, Row
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.errors import UnknownModelError
from service.spelling import nearest

_EPOCH = "1970-01-01T00:00:00Z"
"""`created` 0 is how OpenRouter says that it is unknown."""
_UNKNOWN_PRICE = "-1"
"""How OpenRouter prices what has no price of its own; its clients know the sign."""


def row(found: Row, provider: Provider) -> Json | None:
    """One row of the union."""
    del provider
    said = found.model
    if said.context_window is None:
        return None
    return {
        "id": said.id,
        "object": "model",
        "created": int(said.created.timestamp()) if said.created else 0,
        "owned_by": said.author or said.source,
        **_anthropic(said),
        "canonical_slug": said.id,
        "hugging_face_id": said.hugging_face_id,
        "name": said.name,
        "description": said.description or "",
        "context_length": said.context_window,
        "architecture": _architecture(said),
        "pricing": _pricing(said.cost),
        "top_provider": {
            "context_length": said.served_context_window,
            "max_completion_tokens": said.max_tokens,
            "is_moderated": said.moderated or False,
        },
        "per_request_limits": None,
        "supported_parameters": said.supported_parameters or (),
        "default_parameters": None,
        "supported_voices": None,
        "knowledge_cutoff": said.knowledge_cutoff,
        "expiration_date": said.expires_at and said.expires_at.date(),
        "links": {"details": f"/api/v1/models/{said.id}/endpoints"},
        **_kilo(said),
    }


def _anthropic(said: Model) -> Json:
    """Anthropic's own keys. Its API, too, dates a model of unknown release to the epoch."""
    return {
        "type": "model",
        "display_name": said.name,
        "created_at": said.created.strftime("%Y-%m-%dT%H:%M:%SZ") if said.created else _EPOCH,
        "max_input_tokens": said.context_window,
        "max_tokens": said.max_tokens,
    }


def _architecture(said: Model) -> Json:
    return {
        "modality": f"{'+'.join(said.input)}->{'+'.join(said.output)}",
        "input_modalities": said.input,
        "output_modalities": said.output,
        "tokenizer": said.tokenizer or "Other",
        "instruct_type": None,
    }


def _pricing(cost: Cost) -> Json:
    """USD per token (or per one) as decimal strings without exponent."""
    known = {
        "input_cache_read": _per_token(cost.cache_read),
        "input_cache_write": _per_token(cost.cache_write),
        "internal_reasoning": _per_token(cost.reasoning),
        "image": _decimal(cost.image),
        "request": _decimal(cost.request),
        "web_search": _decimal(cost.web_search),
    }
    return {
        "prompt": _per_token(cost.input) or _UNKNOWN_PRICE,
        "completion": _per_token(cost.output) or _UNKNOWN_PRICE,
        **{name: price for name, price in known.items() if price is not None},
    }


def _kilo(said: Model) -> Json:
    """Kilo's own fields, where the gateway sent them well-formed."""
    hints = orjson.loads(said.hints) if said.hints else {}
    family = {"family": said.family} if said.family else {}
    own = {
        "preferredIndex": said.preferred_index,
        "isFree": said.free,
        "mayTrainOnYourPrompts": said.may_train_on_prompts,
        **hints,
        "opencode": {**family, **hints.get("opencode", {})} or None,
    }
    return {name: value for name, value in own.items() if value is not None}


def _per_token(usd_per_mtok: float | None) -> str | None:
    return _decimal(usd_per_mtok, exponent=-6)


def _decimal(usd: float | None, exponent: int = 0) -> str | None:
    """The shortest decimal that reads back as the same double, and no float arithmetic."""
    return None if usd is None else format(Decimal(repr(usd)).scaleb(exponent).normalize(), "f")


# ── the endpoints ─────────────────────────────────────────────────────────────────────────────

_BASES: Final = ("/v1", "/api/v1", "/api/gateway", "/api/openrouter")
"""Those that OpenAI's SDKs, OpenRouter's, Kilo's gateway and Kilo's extension ask."""

_MAX_DIGITS: Final = 9


def _listed(subject: Subject, asked: Asked) -> Json:
    """The whole list, or a page of it.

    OpenRouter's SDKs go on by `offset` until a page is shorter than `limit`, Anthropic's by
    `after_id` while there is `has_more`: a list that ignored either would be read for ever.
    """
    rows = subject.rows()
    begin, end = _page(subject, asked)
    page = rows[begin:end]
    more_after, more_before = end < len(rows), begin > 0
    following = f"/api/v1/models?offset={end}&limit={end - begin}" if more_after else None
    return {
        "object": "list",
        "links": {"next": following},
        "total_count": len(rows),
        "has_more": more_before if "before_id" in asked else more_after,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "data": page,
    }


def _page(subject: Subject, asked: Asked) -> tuple[int, int]:
    """From which row to which. What is no number is ignored, as everything foreign is."""
    total = len(subject.names)
    limit = _number(asked.get("limit")) or total
    if "after_id" in asked:
        begin = _place(subject.names, asked["after_id"]) + 1
    elif "before_id" in asked:
        end = _place(subject.names, asked["before_id"])
        return max(0, end - limit), end
    else:
        begin = min(_number(asked.get("offset")) or 0, total)
    return begin, min(begin + limit, total)


def _place(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise UnknownModelError(name, nearest(name, names))
    return names.index(name)


def _number(text: str | None) -> int | None:
    is_number = text and text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    return int(text) if text and is_number else None


def _count(subject: Subject, asked: Asked) -> Json:
    del asked
    return {"data": {"count": len(subject.names)}}


def _single(subject: Subject, asked: Asked) -> Json:
    """Bare for OpenAI and Anthropic, under `data` for OpenRouter."""
    told = subject.one(asked["id"])
    return {**told, "data": told}


def _of_author(subject: Subject, asked: Asked) -> Json:
    return {"data": subject.one(f"{asked['author']}/{asked['slug']}")}


def _endpoints(subject: Subject, asked: Asked) -> Json:
    """Who serves a model behind the gateway is not told by it, so no endpoint is named."""
    told = subject.one(asked["id"])
    keys = ("id", "name", "created", "description", "architecture")
    return {"data": {**{key: told[key] for key in keys}, "endpoints": []}}


def _at(path: str) -> tuple[str, ...]:
    return tuple(f"{base}{path}" for base in _BASES)


DIALECT: Final = Dialect(
    name="openai",
    title="OpenAI, OpenRouter, Kilo and Anthropic",
    readers="OpenAI, OpenRouter and Anthropic SDKs, Kilo Code, Open WebUI, LibreChat, Zed, llm",
    file="models.json",
    row=row,
    endpoints=(
        Endpoint(
            paths=_at("/models"),
            summary="the list as OpenAI, OpenRouter, Kilo and Anthropic clients read it",
            answer=_listed,
            reads={
                "offset": "how many models to leave out at the beginning",
                "limit": "how many models at most",
                "after_id": "only what comes after this model",
                "before_id": "only what comes before this model",
            },
        ),
        Endpoint(paths=_at("/models/user"), summary="the same list", answer=_listed),
        Endpoint(paths=_at("/models/count"), summary="how long that list is", answer=_count),
        Endpoint(
            paths=_at("/models/{id:.+}/endpoints"),
            summary="who serves a model, for OpenRouter's SDKs; the gateway does not say",
            answer=_endpoints,
            is_about_one=True,
        ),
        Endpoint(
            paths=_at("/models/{id:.+}"),
            summary="one model for the same clients",
            answer=_single,
            is_about_one=True,
        ),
        Endpoint(
            paths=_at("/model/{author}/{slug:.+}"),
            summary="one model for OpenRouter's SDKs",
            answer=_of_author,
            is_about_one=True,
        ),
    ),
)
