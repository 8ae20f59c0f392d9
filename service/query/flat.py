"""Models as flat rows for spreadsheets and dashboards: CSV and NDJSON. Pure.

A column is called by the path of its field: `cost.input`. In CSV the unknown is an empty cell, the
words of a list stand between `|`, and a text that a spreadsheet would run as a formula has an
apostrophe before it; NDJSON has every value as it is.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from service.catalog import Row
from service.dialects import native
from service.fields import FIELDS

CSV_TYPE: Final = "text/csv; charset=utf-8; header=present"
NDJSON_TYPE: Final = "application/x-ndjson; charset=utf-8"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Json = dict[str, Any]


def nested(row: Row, paths: Sequence[str]) -> Json:
    """These fields of a model, each in its place of the native form."""
    made: Json = {}
    for path in paths:
        head, _, below = path.partition(".")
        found = native.value(FIELDS[path].get(row))
        if below:
            made.setdefault(head, {})[below] = found
        else:
            made[head] = found
    return made


def ndjson(rows: Iterable[Row], paths: Sequence[str] = ()) -> bytes:
    """An object a line."""
    fields = [FIELDS[path] for path in paths or FIELDS]
    lines = (
        orjson.dumps({field.path: native.value(field.get(row)) for field in fields}) for row in rows
    )
    return b"".join(line + b"\n" for line in lines)


def csv_text(rows: Iterable[Row], paths: Sequence[str] = ()) -> bytes:
    """By RFC 4180, with a line of names."""
    fields = [FIELDS[path] for path in paths or FIELDS]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(field.path for field in fields)
    writer.writerows([_cell(field.get(row)) for field in fields] for row in rows)
    return out.getvalue().encode()


def _cell(value: object) -> str:
    match native.value(value):
        case None:
            return ""
        case bool() as flag:
            return "true" if flag else "false"
        case tuple() as words:
            return _inert("|".join(words))
        case str() as text:
            return _inert(text)
        case other:
            return str(other)


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
