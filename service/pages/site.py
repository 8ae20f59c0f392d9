"""What all pages share: the environment of their templates, and their static files. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

_HERE: Final = Path(__file__).parent
_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}

FILE_HEADERS: Final[Mapping[str, str]] = {"X-Content-Type-Options": "nosniff"}
HEADERS: Final[Mapping[str, str]] = {
    **FILE_HEADERS,
    # Nothing but our own files and answers: nothing from elsewhere, and nothing written in a page.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""What a page is served under."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file, and the name under which it is served: another one when it changes."""

    address: str
    content_type: str
    body: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """Every static file by its own name."""
    return {
        file.name: _asset(file)
        for file in sorted((_HERE / "static").iterdir())
        if file.suffix in _TYPES
    }


def _asset(file: Path) -> Asset:
    body = file.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:10]
    return Asset(f"{file.stem}.{digest}{file.suffix}", _TYPES[file.suffix], body)


@cache
def assets_by_address() -> Mapping[str, Asset]:
    """The same by the name under which each is served."""
    return {asset.address: asset for asset in assets().values()}


def render(template: str, *, root: str, version: str, **context: object) -> bytes:
    """A page. `root` leads from its address to that of `/`, as in `./` or `../`.

    So pages work behind a front that has put the service under a path of its own.
    """
    made = _environment().get_template(template)
    return made.render(root=root, version=version, **context).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {"prose": prose, "inline": inline, "breakable": breakable}
    environment.filters.update(filters)
    environment.globals["asset"] = lambda name: f"static/{assets()[name].address}"
    return environment


# ── filters ───────────────────────────────────────────────────────────────────────────────────

_CODE: Final = re.compile(r"`([^`]+)`")
_STRONG: Final = re.compile(r"\*\*([^*]+)\*\*")
_PARTS: Final = re.compile(r"[/?&_]?[^/?&_]+|[/?&_]")


def inline(text: str) -> Markup:
    """Words with `code` and **what matters** in them."""
    escaped = str(escape(text))
    marked = _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escaped))
    return Markup(marked)  # noqa: S704 — escaped above; what was added is ours


def prose(text: str) -> Markup:
    """The same in paragraphs."""
    paragraphs = [inline(part) for part in text.strip().split("\n\n")]
    return Markup("\n").join(Markup("<p>{}</p>").format(part) for part in paragraphs)


def breakable(text: str) -> Markup:
    """A path or an address that may go on in the next line where a part of it begins."""
    return Markup("<wbr>").join(_PARTS.findall(text))
