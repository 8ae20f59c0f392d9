"""`/codex/models`: the models as Codex lists its own.

Facts: openai/codex, `codex-rs/protocol/src/openai_models.rs` and, for models that Codex does not
know, `model_info.rs`. The format mixes what a model is with how Codex works with it. Of the second
kind the catalog knows nothing, so it says there what Codex itself takes for a model it does not
know: results of tools are cut at 10 000 bytes, and no tools are on trial. `base_instructions`, the
system prompt, is empty, as a catalog has none. `priority` is the place in the list.

Left out are models that answer in no text or are known to have no tools, as Codex does everything
with tools. Inputs that Codex has no word for are not told; one would cost the whole file.
"""

from typing import Final

from service.catalog import Model, Row
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.dialects.figures import known, window

_INPUT: Final = ("text", "image", "audio")


def row(found: Row, provider: Provider) -> Json | None:
    """One model, but for its place in the list."""
    del provider
    said = found.model
    if "text" not in said.output or said.tools is False:
        return None
    takes = said.supported_parameters or ()
    return known(
        {
            "slug": said.id,
            "display_name": said.name,
            "description": said.description,
            "supported_reasoning_levels": _levels(said),
            "shell_type": "shell_command",
            "visibility": "list",
            "supported_in_api": True,
            "base_instructions": "",
            "support_verbosity": "verbosity" in takes,
            "truncation_policy": {"mode": "bytes", "limit": 10_000},
            "supports_parallel_tool_calls": "parallel_tool_calls" in takes,
            "context_window": window(said),
            "experimental_supported_tools": [],
            "input_modalities": [kind for kind in _INPUT if kind in said.input],
        }
    )


def _levels(said: Model) -> list[Json]:
    """An effort has to be described, and the catalog knows its name only."""
    efforts = said.reasoning_efforts if said.reasoning else None
    return [{"effort": effort, "description": effort} for effort in efforts or ()]


def _document(subject: Subject, asked: Asked) -> Json:
    del asked
    return {"models": [told | {"priority": place} for place, told in enumerate(subject.rows())]}


DIALECT: Final = Dialect(
    name="codex",
    title="Codex",
    readers="Codex CLI",
    file="codex-models.json",
    row=row,
    endpoints=(
        Endpoint(
            paths=("/codex/models",),
            summary="the models that have tools, as Codex lists its own",
            answer=_document,
        ),
    ),
)
