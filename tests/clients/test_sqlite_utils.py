"""sqlite-utils, with which people put a CSV file or lines of JSON into a database of their own."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.clients.conftest import Client
from tests.served import Json, Served, differences


def flat(model: Json) -> Iterator[tuple[str, Any]]:
    """The fields by their path."""
    for name, value in model.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{below}", inner) for below, inner in value.items())
        else:
            yield name, value


def csv_cell(value: Any) -> Any:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return "|".join(value) or None
        case Decimal():
            return float(value)
        case "":
            return None  # a table of text cannot tell the two apart
        case _:
            return value


def json_cell(value: Any) -> Any:
    match value:
        case bool():
            return int(value)
        case list():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            return float(value)
        case _:
            return value


@pytest.mark.parametrize(
    ("kind", "flag", "cell"), [("csv", "--csv", csv_cell), ("ndjson", "--nl", json_cell)]
)
def test_every_cell_of_every_row_arrives(
    served: Served, python_clients: Client, kind: str, flag: str, cell: Any
) -> None:
    models = {
        model["ref"]: {name: cell(value) for name, value in flat(model)} for model in served.models
    }
    file, database = python_clients.home / f"models.{kind}", python_clients.home / "catalog.db"
    with urlopen(f"{served.url}/catalog/models.{kind}") as answer:  # noqa: S310 — our own
        file.write_bytes(answer.read())

    python_clients.run(
        *("sqlite-utils", "insert", str(database), "models", str(file), flag, "--pk", "ref")
    )

    stored = {
        ref: {name: None if kind == "csv" and value == "" else value for name, value in row.items()}
        for ref, row in rows(database).items()
    }
    assert differences(models, stored) == []


def rows(database: Path) -> dict[str, Json]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return {row["ref"]: dict(row) for row in connection.execute("SELECT * FROM models")}
