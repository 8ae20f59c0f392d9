"""`/llm/extra-openai-models.yaml`: the models as extra ones of `llm`, the command-line tool.

Facts: simonw/llm, `llm/default_plugins/openai_models.py`. The file lies in the directory that
`llm logs path` names. A model is called by the provider's key and its id, so that none hides one of
another plugin; its key is stored by `llm keys set` under the same word.

`llm` takes what is left away for "no", and prices and limits have no place there. Models that
answer in no text are left out: it has no other answer to show.

Every JSON text is YAML but for a few signs, which are written as escapes.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from service.catalog import Row
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.dialects.figures import known

_NOT_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What YAML takes for the end of a line, or not at all, where JSON takes it as it is."""


def row(found: Row, provider: Provider) -> Json | None:
    """One model."""
    said = found.model
    if "text" not in said.output:
        return None
    return known(
        {
            "model_id": f"{provider.key}/{said.id}",
            "model_name": said.id,
            "api_base": provider.url,
            "api_key_name": provider.key,
            "supports_tools": said.tools,
            "supports_schema": said.structured_output,
            "reasoning": said.reasoning,
            "vision": "image" in said.input,
            "audio": "audio" in said.input,
        }
    )


def encode(document: Any) -> bytes:  # noqa: ANN401 — any JSON value
    """JSON that is YAML."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    return _NOT_YAML.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text).encode()


def _document(subject: Subject, asked: Asked) -> Sequence[Json]:
    del asked
    return subject.rows()


DIALECT: Final = Dialect(
    name="llm",
    title="llm",
    readers="llm, the command-line tool",
    file="extra-openai-models.yaml",
    row=row,
    encode=encode,
    endpoints=(
        Endpoint(
            paths=("/llm/extra-openai-models.yaml",),
            summary="the models as a file of extra models for llm",
            answer=_document,
        ),
    ),
)
