"""The ids of the stored models, for a shell that completes a word.

A person waits for them with a finger on the key, so they are read without the libraries that
everything else goes through; and where there are none to be had, that is nobody's concern then.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from service.config import Settings
from service.errors import CatalogError


def ids(flags: Mapping[str, Any]) -> list[str]:
    """The ids of all models, in the catalog's order, removed ones last. Writes nothing."""
    with suppress(CatalogError, OSError, sqlite3.Error):
        chosen = Settings.load({"database_url": flags.get("database_url")}, flags.get("config"))
        return _ids(chosen.database_path)
    return []


def _ids(path: Path) -> list[str]:
    # As in `database.py`: a file that nobody has open is looked at without a trace.
    is_open = path.with_name(path.name + "-wal").exists()
    address = f"{path.absolute().as_uri()}?mode=ro{'' if is_open else '&immutable=1'}"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        found = connection.execute(
            "SELECT id FROM models ORDER BY status = 'removed', origin = 'fallback', position"
        )
        return [name for (name,) in found]
