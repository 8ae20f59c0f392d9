"""`/v1/models`: one document that is OpenAI, OpenRouter, Kilo and Anthropic at once.

Their keys do not collide, so each client finds its own. The strict ones validate the whole list and
lose all of it to one bad row, so a row that has no context window, which they demand and which has
no customary "unknown", is left out and counted.
"""

from decimal import Decimal
from typing import Any

from service.catalog import Catalog, Cost, Model, Row

Json = dict[str, Any]

_EPOCH = "1970-01-01T00:00:00Z"
"""`created` 0 is how OpenRouter says that it is unknown."""
_UNKNOWN_PRICE = "-1"
"""How OpenRouter prices what has no price of its own; its clients know the sign."""


def offers(row: Row) -> bool:
    """Whether the row can be said truthfully here."""
    return row.model.context_window is not None


def envelope(catalog: Catalog) -> Json:
    """What stands beside the `data` of a list. No client of these follows a page."""
    ids = [row.model.id for row in catalog.rows if offers(row)]
    return {
        "object": "list",
        "links": {"next": None},
        "total_count": len(ids),
        "has_more": False,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def model(row: Row) -> Json:
    """One row of the union."""
    said = row.model
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


def single(body: bytes) -> bytes:
    """An encoded row on its own: bare for OpenAI and Anthropic, under `data` for OpenRouter."""
    return body[:-1] + b',"data":' + body + b"}"


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
    own = {
        "preferredIndex": said.preferred_index,
        "isFree": said.free,
        "mayTrainOnYourPrompts": said.may_train_on_prompts,
        "opencode": {"family": said.family} if said.family else None,
    }
    return {name: value for name, value in own.items() if value is not None}


def _per_token(usd_per_mtok: float | None) -> str | None:
    return _decimal(usd_per_mtok, exponent=-6)


def _decimal(usd: float | None, exponent: int = 0) -> str | None:
    """The shortest decimal that reads back as the same double, and no float arithmetic."""
    return None if usd is None else format(Decimal(repr(usd)).scaleb(exponent).normalize(), "f")
