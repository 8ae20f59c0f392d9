"""LiteLLM's two documents: the map of prices and limits, and what its proxy says of its models.

Facts: BerriAI/litellm, `model_prices_and_context_window.json`, `litellm/utils.py`
(`_get_model_info_helper`), `litellm/litellm_core_utils/llm_cost_calc/utils.py`.

The map is keyed as LiteLLM calls a model: `openrouter/<id>`, its route to a gateway like this one
(`OPENROUTER_API_BASE`). Who calls it as `openai/<id>` with a base of their own asks at
`/as/openai/…`. LiteLLM reads a missing price as 0, which would make a model of unknown price a free
one, so such a model is left out of the map, and LiteLLM says that it knows no price. Nothing but
models is in the map: any other value breaks `import litellm`.

Readers of the proxy's list take a missing price as unknown, so nothing is left out there for that.
Both leave out a model that is known to answer in nothing that LiteLLM has a mode for. Prices for
one image, request or search mean something else to LiteLLM, or nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from service.catalog import Cost, Model, Row
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.dialects.figures import is_priced, known, per_token, reasoning_price, window

_ROUTE: Final = "openrouter"
_MODES: Final[Mapping[str, str]] = {
    "text": "chat",
    "embeddings": "embedding",
    "image": "image_generation",
    "audio": "audio_speech",
    "video": "video_generation",
    "rerank": "rerank",
}
"""What LiteLLM calls a model by what it answers in, the first that fits."""


def row(found: Row, provider: Provider) -> Json | None:
    """What the proxy says of one model."""
    del provider
    facts = _facts(found.model)
    if facts is None:
        return None
    return {
        "model_name": found.model.id,
        "litellm_params": {"model": f"{_ROUTE}/{found.model.id}"},
        "model_info": facts,
    }


def priced_row(found: Row, provider: Provider) -> Json | None:
    """The same, where the price is known."""
    return row(found, provider) if is_priced(found.model.cost) else None


def _facts(said: Model) -> Json | None:
    mode = next((_MODES[kind] for kind in _MODES if kind in said.output), None)
    if mode is None:
        return None
    return known(
        {
            "litellm_provider": _ROUTE,
            "mode": mode,
            "max_tokens": said.max_tokens,
            "max_input_tokens": window(said),
            "max_output_tokens": said.max_tokens,
            **_costs(said.cost),
            **_abilities(said),
            "deprecation_date": said.expires_at and said.expires_at.date(),
        }
    )


def _costs(cost: Cost) -> Json:
    """USD per token."""
    return {
        "input_cost_per_token": per_token(cost.input),
        "output_cost_per_token": per_token(cost.output),
        "cache_read_input_token_cost": per_token(cost.cache_read),
        "cache_creation_input_token_cost": per_token(cost.cache_write),
        "output_cost_per_reasoning_token": per_token(reasoning_price(cost)),
    }


def _abilities(said: Model) -> Json:
    """An ability that is unknown is not there; one that is known to be missing is false.

    The gateway's lists name `parallel_tool_calls` so seldom that its absence says nothing.
    """
    return {
        "supports_function_calling": said.tools,
        "supports_tool_choice": _takes(said, "tool_choice"),
        "supports_parallel_function_calling": _takes(said, "parallel_tool_calls") or None,
        "supports_response_schema": said.structured_output,
        "supports_reasoning": said.reasoning,
        "supports_vision": "image" in said.input,
        "supports_pdf_input": not {"file", "pdf"}.isdisjoint(said.input),
        "supports_audio_input": "audio" in said.input,
        "supports_audio_output": "audio" in said.output,
        "supports_video_input": "video" in said.input,
        "supports_prompt_caching": None if said.cost.cache_read is None else True,
    }


def _takes(said: Model, parameter: str) -> bool | None:
    return parameter in said.supported_parameters if said.supported_parameters else None


# ── the endpoints ─────────────────────────────────────────────────────────────────────────────


def _map(subject: Subject, asked: Asked) -> dict[str, Any]:
    route = asked.get("provider", _ROUTE)
    return {
        f"{route}/{told['model_name']}": {**told["model_info"], "litellm_provider": route}
        for told in subject.rows()
    }


def _models(subject: Subject, asked: Asked) -> Json:
    del asked
    return {"data": subject.rows()}


_FILE: Final = "model_prices_and_context_window.json"

DIALECT: Final = Dialect(
    name="litellm",
    title="LiteLLM",
    readers="LiteLLM, aider",
    file=_FILE,
    row=priced_row,
    endpoints=(
        Endpoint(
            paths=(f"/{_FILE}",),
            summary="prices and limits for LiteLLM; models without a known price are left out",
            answer=_map,
        ),
        Endpoint(
            paths=(f"/as/{{provider}}/{_FILE}",),
            summary="the same for those who call the models by another route of LiteLLM's",
            answer=_map,
        ),
    ),
)

PROXY: Final = Dialect(
    name="litellm-proxy",
    title="LiteLLM proxy",
    readers="Roo Code, Cline, Crush (their LiteLLM providers)",
    file="model-info.json",
    row=row,
    endpoints=(
        Endpoint(
            paths=("/v1/model/info", "/model/info"),
            summary="the models as a LiteLLM proxy tells of its own",
            answer=_models,
        ),
    ),
)
