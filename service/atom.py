"""`/catalog/changes.atom`: the log of changes for feed readers, by RFC 4287."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5
from xml.etree.ElementTree import Element, SubElement, tostring

from service import wording
from service.catalog import Change, Fold, Kind
from service.dialects.native import time_text

ATOM: Final = "http://www.w3.org/2005/Atom"
MEDIA_TYPE: Final = "application/atom+xml"
CONTENT_TYPE: Final = f"{MEDIA_TYPE}; charset=utf-8"
MAX_NAMED: Final = 20
"""Models that a fold names; the others are counted."""
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, escaped or not."""
_STEERING: Final = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Controls, of text direction too: in a title they would steer what shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a feed says of itself. `query` is what was asked, and makes it a feed of its own.

    `public_url` is where the service is known, without a slash at the end; where that is not
    configured the links are relative, which a reader resolves against the feed's address.
    """

    public_url: str
    query: str
    updated: datetime


def feed(about: Feed, news: Iterable[Change | Fold]) -> bytes:
    """The document; `news` are told in the order given."""
    root = Element("feed", {"xmlns": ATOM, "xml:lang": "en"})
    _add(root, "id", _urn("feed", about.public_url, about.query))
    _add(root, "title", "Model catalog: changes" + (f" ({about.query})" if about.query else ""))
    _add(root, "updated", time_text(about.updated))
    _add(SubElement(root, "author"), "name", "Model catalog")
    suffix = f"?{about.query}" if about.query else ""
    path = f"{about.public_url}/catalog/changes"
    _link(root, "self", f"{path}.atom{suffix}", MEDIA_TYPE)
    _link(root, "alternate", f"{path}{suffix}", "application/json")
    for one in news:
        root.append(_entry(about, one))
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _entry(about: Feed, news: Change | Fold) -> Element:
    entry = Element("entry")
    subject = news.name if isinstance(news, Fold) else news.ref
    at = time_text(news.at) or ""
    _add(entry, "id", _urn("change", str(news.revision), at, subject))
    _add(entry, "title", _title(news))
    _add(entry, "updated", at)
    _add(entry, "published", at)
    _link(entry, "alternate", about.public_url + _address(news), "application/json")
    for term in _terms(news):
        SubElement(entry, "category", {"term": term})
    _add(entry, "content", _content(news), {"type": "text"})
    return entry


def _title(news: Change | Fold) -> str:
    said = wording.line(news)
    return said if isinstance(news, Fold) else f"{news.id}: {said}"


def _content(news: Change | Fold) -> str:
    if isinstance(news, Change):
        return "\n".join(wording.details(news)) or wording.line(news)
    named = [one.id for one in news.changes[:MAX_NAMED]]
    more = len(news.changes) - len(named)
    return "\n".join([*named, f"and {more} more"] if more else named)


def _terms(news: Change | Fold) -> tuple[str, ...]:
    return (news.name,) if isinstance(news, Fold) else (news.kind, *news.fields)


def _address(news: Change | Fold) -> str:
    if isinstance(news, Fold):
        by = "kind" if news.name in set(Kind) else "field"
        return f"/catalog/changes?since={news.revision - 1}&{by}={news.name}"
    return f"/catalog/history/{quote(news.ref, safe='')}"


def _urn(*parts: str) -> str:
    """The same parts have the same name for ever, on whatever host."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, ' '.join(('model-catalog', *parts)))}"


def _link(parent: Element, relation: str, href: str, media_type: str) -> None:
    SubElement(parent, "link", {"rel": relation, "href": href, "type": media_type})


def _add(
    parent: Element, name: str, text: str | None, attributes: Mapping[str, str] | None = None
) -> None:
    element = SubElement(parent, name, dict(attributes or {}))
    element.text = _harmless(text or "", keep="\n" if name == "content" else "")


def _harmless(text: str, *, keep: str) -> str:
    shown = _STEERING.sub(lambda found: found[0] if found[0] in keep else "\ufffd", text)
    return _NOT_XML.sub("\ufffd", shown)
