"""What `export` does: the catalog in another tool's format, to a file or the output."""

import os
import shutil
import sys
from itertools import chain
from pathlib import Path
from typing import Final

from service.cli import console, reading
from service.config import Settings
from service.dialects import DIALECTS
from service.dialects.dialect import Dialect, Provider
from service.errors import UsageError
from service.spelling import no_such

_OUTPUT: Final = Path("-")


def export(chosen: Settings, name: str, out: Path | None) -> None:
    """Write what the service answers at the first endpoint of that dialect, byte for byte."""
    dialect = _dialect(name)
    subject = dialect.subject(reading.catalog(chosen), Provider(url=chosen.inference_url))
    body = dialect.body(dialect.endpoints[0], subject)
    if out is None or out == _OUTPUT:
        console.print_bytes(body + b"\n" if sys.stdout.isatty() else body)
    else:
        _write(out, body)
    if subject.omitted:
        models = console.many(subject.omitted, "model")
        console.print_note(f"{models} cannot be told in this format")


def print_dialects(*, as_json: bool) -> None:
    """Print which formats there are, what their files are called, and who reads them."""
    facts = [(one.name, one.title, one.file, one.readers) for one in DIALECTS]
    if as_json:
        keys = ("name", "title", "file", "readers")
        console.print_json([dict(zip(keys, fact, strict=True)) for fact in facts])
    elif sys.stdout.isatty():
        pairs = (
            ((name, f"{title}, as {file}"), ("", f"for {readers}"))
            for name, title, file, readers in facts
        )
        console.print_columns(chain.from_iterable(pairs), "cyan", "")
    else:
        console.print_columns(facts)


def _dialect(name: str) -> Dialect:
    known = {dialect.name: dialect for dialect in DIALECTS}
    if name not in known:
        raise UsageError("DIALECT", no_such(name, list(known), list(known)))
    return known[name]


def _write(out: Path, body: bytes) -> None:
    """Whole or not at all: whoever reads the file meanwhile has the old one."""
    path = Path(os.path.realpath(out))  # a link stays one
    try:
        if path.exists() and not path.is_file():  # a pipe or a device is no file to replace
            path.write_bytes(body)
        else:
            _replace(path, body)
    except OSError as error:
        raise UsageError("--out", f"{out}: {error.strerror}") from None


def _replace(path: Path, body: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
