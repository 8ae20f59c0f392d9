"""`/openclaw.json`: a `models.providers` block for OpenClaw's configuration.

Facts: openclaw/openclaw, `src/config/zod-schema.core.ts`, `src/config/env-substitution.ts`.
OpenClaw's own plugin for this gateway has its address built in, so this is for `openclaw.json`, or
a file that it includes. Its schema is strict: what is unknown is left away, and only the modalities
that it knows are told.

Left out are models that answer in no text, and those whose id or name holds `${`: OpenClaw puts
variables of its environment in the place of such text, and would send them to the gateway.
"""

from typing import Final

from service.catalog import Cost, Row
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.dialects.figures import known, window
from service.dialects.native import number

_INPUT: Final = ("text", "image")
_SUBSTITUTED: Final = "${"


def row(found: Row, provider: Provider) -> Json | None:
    """One model of the provider."""
    del provider
    said = found.model
    if "text" not in said.output or _SUBSTITUTED in said.id or _SUBSTITUTED in said.name:
        return None
    return known(
        {
            "id": said.id,
            "name": said.name,
            "reasoning": said.reasoning,
            "input": [kind for kind in _INPUT if kind in said.input],
            "cost": _cost(said.cost),
            "contextWindow": window(said),
            "maxTokens": said.max_tokens,
            "compat": {"supportsTools": False} if said.tools is False else None,
        }
    )


def _cost(cost: Cost) -> Json | None:
    """USD per million tokens; not there when nothing is known."""
    prices = {
        "input": cost.input,
        "output": cost.output,
        "cacheRead": cost.cache_read,
        "cacheWrite": cost.cache_write,
    }
    return known({name: number(usd) for name, usd in prices.items()}) or None


def _document(subject: Subject, asked: Asked) -> Json:
    del asked
    provider = subject.provider
    block = {
        "baseUrl": provider.url,
        "apiKey": f"${{{provider.key_variable}}}",
        "api": "openai-completions",
        "models": subject.rows(),
    }
    return {"models": {"providers": {provider.key: block}}}


DIALECT: Final = Dialect(
    name="openclaw",
    title="OpenClaw",
    readers="OpenClaw, as a part of its configuration",
    file="openclaw.json",
    row=row,
    endpoints=(
        Endpoint(
            paths=("/openclaw.json",),
            summary="the gateway as a provider in OpenClaw's configuration",
            answer=_document,
        ),
    ),
)
