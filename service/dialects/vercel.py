"""`/v4/ai/config` and `/v3/ai/config`: the list as Vercel's AI Gateway gives it to its AI SDK.

Facts: vercel/ai, `packages/gateway/src/gateway-fetch-metadata.ts`, `gateway-model-entry.ts`. Each
major version asks at its own path and believes only its own `specificationVersion`. The SDK sends
its chats to the address that it reads the list from, so it can only list here.

Prices stand there as texts, both or none; limits have no place. Left out is what the SDK
has no type for.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from service.catalog import Cost, Row
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.dialects.figures import decimal, is_priced, known

_TYPES: Final[Mapping[str, str]] = {
    "text": "language",
    "embeddings": "embedding",
    "image": "image",
    "video": "video",
}
"""What the SDK calls a model by what it answers in, the first that fits."""
_PER_TOKEN: Final = -6


def row(found: Row, provider: Provider) -> Json | None:
    """One model, but for the version of the specification."""
    said = found.model
    kind = next((_TYPES[output] for output in _TYPES if output in said.output), None)
    if kind is None:
        return None
    return known(
        {
            "id": said.id,
            "name": said.name,
            "description": said.description,
            "pricing": _pricing(said.cost),
            "specification": {"provider": provider.key, "modelId": said.id},
            "modelType": kind,
        }
    )


def _pricing(cost: Cost) -> Json | None:
    """USD per token."""
    if not is_priced(cost):
        return None
    prices = {
        "input": cost.input,
        "output": cost.output,
        "input_cache_read": cost.cache_read,
        "input_cache_write": cost.cache_write,
    }
    return known({name: decimal(usd, _PER_TOKEN) for name, usd in prices.items()})


def _document(version: str, subject: Subject, asked: Asked) -> Json:
    del asked
    return {"models": [_of_version(version, told) for told in subject.rows()]}


def _of_version(version: str, told: Json) -> Json:
    return told | {"specification": {"specificationVersion": version, **told["specification"]}}


def _of(version: str) -> Callable[[Subject, Asked], Json]:
    return partial(_document, version)


DIALECT: Final = Dialect(
    name="vercel",
    title="Vercel AI Gateway",
    readers="Vercel's AI SDK, to list models",
    file="config.json",
    row=row,
    endpoints=(
        Endpoint(
            paths=("/v4/ai/config",),
            summary="the list for the gateway package 4 of Vercel's AI SDK",
            answer=_of("v4"),
        ),
        Endpoint(
            paths=("/v3/ai/config",),
            summary="the same for its gateway package 3",
            answer=_of("v3"),
        ),
    ),
)
