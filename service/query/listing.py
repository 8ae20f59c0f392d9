"""The answer to a question as bytes: JSON, CSV or a JSON object a line. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import orjson

from service.dialects import native
from service.query.flat import CSV_TYPE, NDJSON_TYPE, csv_text, ndjson, nested
from service.query.question import Mark, Page, Question
from service.query.shelf import Shelf


class Form(StrEnum):
    """How models are told."""

    JSON = ""
    CSV = ".csv"
    NDJSON = ".ndjson"

    @property
    def content_type(self) -> str:
        """Its media type, whole."""
        return _TYPES[self]


_TYPES: Final = {
    Form.JSON: "application/json; charset=utf-8",
    Form.CSV: CSV_TYPE,
    Form.NDJSON: NDJSON_TYPE,
}


@dataclass(frozen=True, slots=True)
class Listing:
    """An answer, and where it goes on."""

    body: bytes
    following: str | None


def listing(
    shelf: Shelf,
    question: Question,
    form: Form,
    *,
    now: datetime,
    address: Callable[[Mark], str],
) -> Listing:
    """Answer a question. `address` is where to ask for the page behind a mark."""
    page = question.page(shelf, now)
    following = address(page.next) if page.next else None
    rows = [shelf.rows[place] for place in page.places]
    if form is Form.JSON:
        return Listing(_json(shelf, question, page, following), following)
    told = csv_text if form is Form.CSV else ndjson
    return Listing(told(rows, question.fields), following)


def _json(shelf: Shelf, question: Question, page: Page, following: str | None) -> bytes:
    if question.fields:
        rows = (shelf.rows[place] for place in page.places)
        bodies = [orjson.dumps(nested(row, question.fields)) for row in rows]
    else:
        bodies = [shelf.body(place) for place in page.places]
    head = native.envelope(shelf.catalog) | {"total": page.total, "next": following}
    return orjson.dumps(head)[:-1] + b',"data":[' + b",".join(bodies) + b"]}"
