"""`/genai-prices/data.json`: prices for genai-prices, with which Pydantic AI and Logfire count.

Facts: pydantic/genai-prices, `packages/python/genai_prices/types.py`, `data_units.py`. It sums what
it has a price for and says nothing of the rest, so a model of which the price of input or of output
is unknown is left out: its sum would be told too low. The library then says that it knows no price,
which is true. What is told replaces all that the library has bundled.

A name is looked up in lower case, so of two that differ in nothing else the first is found. A price
for images has no unit there that means the same.
"""

import re
from typing import Final

from service.catalog import Cost, Row
from service.dialects.dialect import Asked, Dialect, Endpoint, Json, Provider, Subject
from service.dialects.figures import is_priced, known, reasoning_price, scaled, window
from service.dialects.native import number

_PER_THOUSAND: Final = 3


def row(found: Row, provider: Provider) -> Json | None:
    """One model and what it costs."""
    del provider
    said = found.model
    if not is_priced(said.cost):
        return None
    return known(
        {
            "id": said.id,
            "match": {"equals": said.id.lower()},
            "name": said.name,
            "context_window": window(said),
            "prices": _prices(said.cost),
        }
    )


def _prices(cost: Cost) -> Json:
    """USD per million tokens (`_mtok`) or per thousand (`_kcount`)."""
    return known(
        {
            "input_mtok": number(cost.input),
            "output_mtok": number(cost.output),
            "cache_read_mtok": number(cost.cache_read),
            "cache_write_mtok": number(cost.cache_write),
            "output_reasoning_mtok": number(reasoning_price(cost)),
            "requests_kcount": scaled(cost.request, _PER_THOUSAND),
            "web_searches_kcount": scaled(cost.web_search, _PER_THOUSAND),
        }
    )


def _document(subject: Subject, asked: Asked) -> list[Json]:
    del asked
    provider = subject.provider
    return [
        {
            "id": provider.key,
            "name": provider.name,
            "api_pattern": re.escape(provider.url),
            "models": subject.rows(),
        }
    ]


DIALECT: Final = Dialect(
    name="genai-prices",
    title="genai-prices",
    readers="Pydantic AI, Logfire, anything that counts with genai-prices",
    file="data.json",
    row=row,
    endpoints=(
        Endpoint(
            paths=("/genai-prices/data.json",),
            summary="prices for genai-prices; models without a known price are left out",
            answer=_document,
        ),
    ),
)
