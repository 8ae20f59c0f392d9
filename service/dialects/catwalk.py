"""`/v2/providers`: Catwalk's list, with the gateway as its one provider. Crush reads it.

Facts: charmbracelet/catwalk, `pkg/catwalk/provider.go`; charmbracelet/crush, `internal/config`,
`internal/agent`; charmbracelet/x, `etag/etag.go`. Crush keeps what it read as Go encodes it, and
asks again with a digest of that. So the answer is written exactly as Go's `json.Marshal` would,
and Crush gets its 304: fields in the order of the structs, zero ones left out where they are
`omitempty`, numbers, `<`, `>`, `&` and line separators as Go has them.

The format has no word for "unknown": what is left away is read as zero. A zero says "not set" of
an ability, of the longest answer, for which Crush then does not ask, and of a price for cached
tokens, in Catwalk's own lists too. It would say "free" of the other prices and "full" of a context
window, so a model without them is left out. So is one that answers in no text or is known to have
no tools: Crush does everything with tools, and Catwalk's own list of OpenRouter's models leaves
those out as well. Without any model the list is empty, and Crush goes on with what it had.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import orjson

from service.catalog import Model, Row
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.dialects.figures import is_priced, window
from service.dialects.native import number

_NOT_SET: Final = 0


def row(found: Row, provider: Provider) -> Json | None:
    """One model, with its fields in the order of the struct."""
    del provider
    said = found.model
    if not _can_be_told(said):
        return None
    cost = said.cost
    return {
        "id": said.id,
        "name": said.name,
        "cost_per_1m_in": number(cost.input),
        "cost_per_1m_out": number(cost.output),
        "cost_per_1m_in_cached": number(cost.cache_write) or _NOT_SET,
        "cost_per_1m_out_cached": number(cost.cache_read) or _NOT_SET,
        "context_window": window(said),
        "default_max_tokens": _default_max_tokens(said),
        "can_reason": said.reasoning or False,
        **({"reasoning_levels": said.reasoning_efforts} if _has_levels(said) else {}),
        "supports_attachments": "image" in said.input,
        "options": {},
    }


def _can_be_told(said: Model) -> bool:
    return (
        is_priced(said.cost)
        and window(said) is not None
        and "text" in said.output
        and said.tools is not False
    )


def _default_max_tokens(said: Model) -> int:
    """What Crush asks for in each request.

    The longest answer, unless that leaves no room for a question: the gateway then knows better.
    """
    longest, whole = said.max_tokens or _NOT_SET, window(said) or _NOT_SET
    return longest if longest < whole else _NOT_SET


def _has_levels(said: Model) -> bool:
    return bool(said.reasoning and said.reasoning_efforts)


# ── the provider ──────────────────────────────────────────────────────────────────────────────


def _document(subject: Subject, asked: Asked) -> list[Json]:
    del asked
    models = subject.rows()
    if not models:
        return []
    provider = subject.provider
    large, small = _defaults(subject)
    return [
        {
            "name": provider.name,
            "id": provider.key,
            "api_key": f"${provider.key_variable}",
            "api_endpoint": provider.url,
            "type": "openai-compat",
            "default_large_model_id": large,
            "default_small_model_id": small,
            "models": models,
        }
    ]


def _defaults(subject: Subject) -> tuple[str, str]:
    """The models to begin with, a large and a small one.

    The first is what the gateway prefers most, the second what costs least of all that it prefers;
    where it prefers none, both are its first. What may train on prompts is nobody's default, unless
    there is nothing else.
    """
    names = set(subject.names)
    told = [row.model for row in subject.catalog.rows if row.model.id in names]
    discreet = [said for said in told if not said.may_train_on_prompts] or told
    preferred = [said for said in discreet if said.preferred_index is not None] or discreet[:1]
    large = min(preferred, key=lambda said: said.preferred_index or 0)
    small = min(preferred, key=_price)
    return large.id, small.id


def _price(said: Model) -> tuple[float, float]:
    return said.cost.output or 0.0, said.cost.input or 0.0


# ── as Go encodes it ──────────────────────────────────────────────────────────────────────────

_ESCAPED: Final[Sequence[tuple[bytes, bytes]]] = (
    (b"<", rb"\u003c"),
    (b">", rb"\u003e"),
    (b"&", rb"\u0026"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)
"""None of them is a sign of JSON itself, so each stands in a text."""
_SMALLEST_PLAIN: Final = 1e-6
"""Below it Go writes an exponent."""


def encode(document: Any) -> bytes:  # noqa: ANN401 — any JSON value
    """What Go's `json.Marshal` makes of it."""
    body = orjson.dumps(_with_numbers(document))
    for sign, escape in _ESCAPED:
        body = body.replace(sign, escape)
    return body


def _with_numbers(value: Any) -> Any:  # noqa: ANN401 — any JSON value
    match value:
        case float():
            return orjson.Fragment(_float(value))
        case dict():
            return {name: _with_numbers(below) for name, below in value.items()}
        case list() | tuple():
            return [_with_numbers(below) for below in value]
        case _:
            return value


def _float(value: float) -> str:
    """The shortest digits, as everywhere; only where the exponent begins is Go's own."""
    if value < _SMALLEST_PLAIN:
        return repr(value).replace("e-0", "e-")
    return format(Decimal(repr(value)), "f")


DIALECT: Final = Dialect(
    name="catwalk",
    title="Catwalk",
    readers="Crush",
    file="providers.json",
    row=row,
    encode=encode,
    endpoints=(
        Endpoint(
            paths=("/v2/providers",),
            summary="the gateway as a provider of Catwalk; models of unknown price are left out",
            answer=_document,
        ),
    ),
)
