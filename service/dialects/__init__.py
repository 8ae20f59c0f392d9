"""One module a wire format of the catalog: catalog → document. Pure."""

from typing import Final

from service.dialects import openai
from service.dialects.dialect import Dialect

DIALECTS: Final[tuple[Dialect, ...]] = (openai.DIALECT,)
"""Every foreign format, the most asked for first."""
