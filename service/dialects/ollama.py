"""`/api/tags` and `/api/show`: the models as an Ollama server tells of models that run elsewhere.

Facts: ollama/ollama, `api/types.go`; ollama-python, `ollama/_types.py`. `remote_model` and
`remote_host` are how Ollama tells of a model that another server runs: here the gateway. Such a
model has no size, format or quantization to tell. The digest is that of what the catalog says of
the model, the time that of its last change, so both change when the model does.

Clients find the context window under the name of the model's architecture. The gateway does not
tell it, so the provider's key stands in its place. Nothing is left out.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

import orjson

from service.catalog import Model, Row
from service.dialects import native
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.dialects.figures import known, window
from service.errors import ParameterError, UnknownModelError

_LISTED: Final = (
    *("name", "model", "remote_model", "remote_host"),
    *("modified_at", "digest", "details"),
)
_SHOWN: Final = (
    *("details", "model_info", "capabilities", "modified_at"),
    *("remote_model", "remote_host"),
)
_NO_TAG: Final = ":latest"
"""What Ollama's own clients put behind a name without a tag."""


def row(found: Row, provider: Provider) -> Json | None:
    """All that is told of one model, in the list and by itself."""
    said = found.model
    return {
        "name": said.id,
        "model": said.id,
        "remote_model": said.id,
        "remote_host": provider.url,
        "modified_at": native.time_text(found.life.updated_at),
        "digest": hashlib.sha256(orjson.dumps(native.model(found))).hexdigest(),
        "details": known({"family": said.family}),
        "model_info": known(
            {
                "general.architecture": provider.key,
                f"{provider.key}.context_length": window(said),
            }
        ),
        "capabilities": list(_capabilities(said)),
    }


def _capabilities(said: Model) -> Iterator[str]:
    """Those that are known. There is no way to say that one is unknown."""
    if "text" in said.output:
        yield "completion"
    if said.tools:
        yield "tools"
    if "image" in said.input:
        yield "vision"
    if said.reasoning:
        yield "thinking"
    if "embeddings" in said.output:
        yield "embedding"


# ── the endpoints ─────────────────────────────────────────────────────────────────────────────


def _tags(subject: Subject, asked: Asked) -> Json:
    del asked
    return {"models": [{key: told[key] for key in _LISTED} for told in subject.rows()]}


def _show(subject: Subject, asked: Asked) -> Json:
    name = asked.get("model") or asked.get("name")
    if not name:
        raise ParameterError("model", 'name a model: {"model": "…"}')
    told = _one(subject, name)
    return {key: told[key] for key in _SHOWN}


def _one(subject: Subject, name: str) -> Json:
    try:
        return subject.one(name)
    except UnknownModelError:
        if not name.endswith(_NO_TAG):
            raise
        return subject.one(name.removesuffix(_NO_TAG))


DIALECT: Final = Dialect(
    name="ollama",
    title="Ollama",
    readers="Ollama's Python and JavaScript libraries, tools with a setting for an Ollama server",
    file="tags.json",
    row=row,
    endpoints=(
        Endpoint(
            paths=("/api/tags",),
            summary="the list as an Ollama server gives it",
            answer=_tags,
        ),
        Endpoint(
            paths=("/api/show",),
            summary="one model as an Ollama server tells of it",
            answer=_show,
            method="POST",
            reads={"model": "the model's id or ref", "name": "the same, in older clients"},
            is_about_one=True,
        ),
    ),
)
