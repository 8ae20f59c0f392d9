"""`/api.json`: models.dev's document, with the gateway as its one provider.

Facts: models.dev, `packages/core/src/schema.ts`, and how it fills in this very gateway's entry,
`packages/core/src/sync/providers/kilo.ts`; opencode, `packages/core/src/models-dev.ts`; Cline's
`@cline/llms`. What is unknown is said as they have it: no date is the epoch, no limit is 0, which
opencode and Cline take for "not known". Nobody checks the schema's other demands, so an unknown
ability is left away rather than denied: opencode then offers tools, and would not if told `false`.

A model that takes or gives nothing that the format has a word for (one that makes embeddings) is
left out. `status` is never said: what is missing from the gateway's list is still served, and
opencode would hide it. Prices for one image, request or search have no place in the format.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from service.catalog import Model, Row
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.dialects.figures import is_priced, known, reasoning_price, window
from service.dialects.native import number

_NO_DATE: Final = "1970-01-01"
_NO_LIMIT: Final = 0
_MODALITIES: Final = ("text", "audio", "image", "video", "pdf")
_RENAMED: Final = {"file": "pdf"}


def row(found: Row, provider: Provider) -> Json | None:
    """One model of the provider."""
    del provider
    said = found.model
    takes, gives = _modalities(said.input), _modalities(said.output)
    if not takes or not gives:
        return None
    released = _day(said.created)
    return known(
        {
            "id": said.id,
            "name": said.name,
            "family": said.family,
            "attachment": any(kind != "text" for kind in said.input),
            "reasoning": said.reasoning,
            "reasoning_options": _efforts(said),
            "tool_call": said.tools,
            "structured_output": said.structured_output,
            "temperature": _takes(said, "temperature"),
            "knowledge": said.knowledge_cutoff,
            "release_date": released,
            "last_updated": released,
            "modalities": {"input": takes, "output": gives},
            "open_weights": True if said.hugging_face_id else None,
            "cost": _cost(said),
            "limit": {
                "context": window(said) or _NO_LIMIT,
                "output": said.max_tokens or _NO_LIMIT,
            },
        }
    )


def _modalities(kinds: Sequence[str]) -> list[str]:
    """Those that the format has a word for."""
    renamed = dict.fromkeys(_RENAMED.get(kind, kind) for kind in kinds)
    return [kind for kind in renamed if kind in _MODALITIES]


def _efforts(said: Model) -> list[Json] | None:
    if said.reasoning is False or not said.reasoning_efforts:
        return None
    return [{"type": "effort", "values": said.reasoning_efforts}]


def _takes(said: Model, parameter: str) -> bool | None:
    return parameter in said.supported_parameters if said.supported_parameters else None


def _cost(said: Model) -> Json | None:
    """USD per million tokens. Both prices are demanded, so one alone is not told."""
    cost = said.cost
    if not is_priced(cost):
        return None
    prices = {
        "input": cost.input,
        "output": cost.output,
        "reasoning": None if said.reasoning is False else reasoning_price(cost),
        "cache_read": cost.cache_read,
        "cache_write": cost.cache_write,
    }
    return known({name: number(usd) for name, usd in prices.items()})


def _day(at: datetime | None) -> str:
    return at.date().isoformat() if at else _NO_DATE


# ── the endpoints ─────────────────────────────────────────────────────────────────────────────


def _document(subject: Subject, asked: Asked) -> Json:
    """The provider under its own key, or under the one in the path."""
    provider = subject.provider
    key = asked.get("provider", provider.key)
    return {
        key: {
            "id": key,
            "env": [provider.key_variable],
            "npm": "@ai-sdk/openai-compatible",
            "api": provider.url,
            "name": provider.name,
            "models": {model["id"]: model for model in subject.rows()},
        }
    }


DIALECT: Final = Dialect(
    name="models-dev",
    title="models.dev",
    readers="opencode, Kilo CLI, Cline",
    file="api.json",
    row=row,
    endpoints=(
        Endpoint(
            paths=("/api.json",),
            summary="the gateway as a provider of models.dev",
            answer=_document,
        ),
        Endpoint(
            paths=("/as/{provider}/api.json",),
            summary="the same under another provider's key, for tools that know only theirs",
            answer=_document,
        ),
    ),
)
