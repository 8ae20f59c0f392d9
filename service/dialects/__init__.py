"""One module a wire format of the catalog: catalog → document. Pure."""

from typing import Final

from service.dialects import (
    catwalk,
    codex,
    genai_prices,
    litellm,
    llm,
    models_dev,
    ollama,
    openai,
    openclaw,
    vercel,
)
from service.dialects.dialect import Dialect

DIALECTS: Final[tuple[Dialect, ...]] = (
    openai.DIALECT,
    models_dev.DIALECT,
    catwalk.DIALECT,
    litellm.DIALECT,
    litellm.PROXY,
    genai_prices.DIALECT,
    ollama.DIALECT,
    codex.DIALECT,
    openclaw.DIALECT,
    vercel.DIALECT,
    llm.DIALECT,
)
"""Every foreign format, the most asked for first."""
