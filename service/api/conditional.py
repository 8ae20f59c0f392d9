"""Document → response, by RFC 9110: negotiation and conditional requests."""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict

from service.dialects.native import time_text
from service.present import Present
from service.snapshot import IDENTITY, Document, Variant

JSON_TYPE: Final = "application/json; charset=utf-8"
REVALIDATE: Final = "public, no-cache"
"""For what may have grown since: it may be kept, but is asked for again, mostly for a 304."""
IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""For what can never change. A year stands for ever: RFC 9111 has no word for it."""
EXPOSED: Final = (
    "ETag, Last-Modified, Link, Catalog-Revision, Catalog-Checked, Catalog-Stale, Catalog-Omitted"
)
STALE_IF_ERROR_SECONDS: Final = 86_400
_MAX_ANSWERS: Final = 64
"""Ways to ask for one document that are remembered."""
_MAX_ASKED: Final = 512
"""Characters of a request's headers; a longer request is decided anew each time."""
_QUICKLY_ENCODED_BYTES: Final = 32 * 1024
_QUALITY: Final = re.compile(r"q\s*=\s*([01](?:\.\d{0,3})?)", re.ASCII)
_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')

_Asked = tuple[str, str, str]
"""Accept-Encoding, If-None-Match and If-Modified-Since."""
_Answer = tuple[int, bytes | None, CIMultiDict[str]]
"""Status, body, headers."""


class Responder:
    """Answers reads of the present.

    What is decided for a request holds for all that ask the same, until something is published or
    checked, so it is decided once and remembered.
    """

    def __init__(
        self, present: Present, *, max_age_seconds: float, revalidate_seconds: float
    ) -> None:
        self._present = present
        self._cache_control = (
            f"public, max-age={max_age_seconds:.0f}, "
            f"stale-while-revalidate={revalidate_seconds:.0f}, "
            f"stale-if-error={STALE_IF_ERROR_SECONDS}"
        )
        self._version, self._was_stale = -1, False
        self._stamp = object()

    def answer(
        self, request: web.BaseRequest, document: Document, content_type: str = JSON_TYPE
    ) -> web.Response | Awaitable[web.Response]:
        """200 in the best coding, or 304; only a large one that has to be encoded is waited for."""
        headers = request.headers
        asked = (
            headers.get(hdrs.ACCEPT_ENCODING, ""),
            headers.get(hdrs.IF_NONE_MATCH, ""),
            headers.get(hdrs.IF_MODIFIED_SINCE, ""),
        )
        present = self._present
        if present.version != self._version or present.is_stale is not self._was_stale:
            self._version, self._was_stale = present.version, present.is_stale
            self._stamp = object()
        if document.stamp is not self._stamp:
            document.stamp = self._stamp
            document.answers.clear()
        decided: _Answer | None = document.answers.get(asked)
        if decided is None:
            coding = choose_coding(asked[0], document.codings)
            if not document.has(coding) and len(document.body) >= _QUICKLY_ENCODED_BYTES:
                return self._encoded(asked, document, coding, content_type)
            decided = self._decide(asked, document, coding, content_type)
        status, body, answered = decided
        return web.Response(status=status, body=body, headers=answered)

    async def answer_made(
        self,
        request: web.BaseRequest,
        making: Awaitable[Document],
        content_type: str = JSON_TYPE,
    ) -> web.Response:
        """The same of a document that is being made."""
        response = self.answer(request, await making, content_type)
        return response if isinstance(response, web.Response) else await response

    async def _encoded(
        self, asked: _Asked, document: Document, coding: str, content_type: str
    ) -> web.Response:
        await asyncio.to_thread(document.variant, coding)
        status, body, headers = self._decide(asked, document, coding, content_type)
        return web.Response(status=status, body=body, headers=headers)

    async def answer_later(
        self,
        request: web.BaseRequest,
        document: Document,
        *,
        content_type: str,
        settled_at: int | None = None,
    ) -> web.Response:
        """The same for a document that was made for this request; nothing of it is remembered.

        `settled_at` is the revision of what can never change, however fresh the present may be.
        """
        accept_encoding = request.headers.get(hdrs.ACCEPT_ENCODING, "")
        coding = choose_coding(accept_encoding, document.codings)
        if len(document.body) < _QUICKLY_ENCODED_BYTES:
            variant = document.variant(coding)
        else:
            variant = await asyncio.to_thread(document.variant, coding)
        if settled_at is None:
            headers = self._headers(document, variant, REVALIDATE, self.freshness())
        else:
            about = {"Catalog-Revision": str(settled_at)}
            headers = self._headers(document, variant, IMMUTABLE, about)
        asked = request.headers.get(hdrs.IF_NONE_MATCH)
        status, body, answered = _decide(variant, headers, content_type, asked, None)
        return web.Response(status=status, body=body, headers=answered)

    async def answer_file(
        self,
        request: web.Request,
        document: Document,
        *,
        content_type: str,
        caching: str,
        about: Mapping[str, str],
    ) -> web.Response:
        """200 or 304 of what says nothing of the catalog: it changes with a release only."""
        coding = choose_coding(request.headers.get(hdrs.ACCEPT_ENCODING, ""), document.codings)
        variant = await asyncio.to_thread(document.variant, coding)
        headers = self._headers(document, variant, caching, about)
        asked = request.headers.get(hdrs.IF_NONE_MATCH)
        status, body, answered = _decide(variant, headers, content_type, asked, None)
        return web.Response(status=status, body=body, headers=answered)

    def answer_now(self, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """What is true only at this moment, or is not to be asked for again: never stored."""
        headers = {
            hdrs.CONTENT_TYPE: JSON_TYPE,
            hdrs.CACHE_CONTROL: "no-store",
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
            hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: EXPOSED,
            **self.freshness(),
        }
        return web.Response(status=status, body=body, headers=headers)

    def _decide(self, asked: _Asked, document: Document, coding: str, content_type: str) -> _Answer:
        _, if_none_match, if_modified_since = asked
        variant = document.variant(coding)
        plain = document.variant(IDENTITY)
        if plain.etag in _TAG.findall(if_none_match):
            variant = plain  # who has it plain needs it in no other coding
        headers = self._headers(document, variant, self._cache_control, self.freshness())
        modified_at = self._present.require().catalog.modified_at
        headers[hdrs.LAST_MODIFIED] = format_datetime(modified_at, usegmt=True)
        answer = _decide(
            variant, headers, content_type, if_none_match or None, if_modified_since or None
        )
        is_short = sum(map(len, asked)) < _MAX_ASKED
        if document.stamp is self._stamp and len(document.answers) < _MAX_ANSWERS and is_short:
            document.answers[asked] = answer
        return answer

    def _headers(
        self, document: Document, variant: Variant, caching: str, about: Mapping[str, str]
    ) -> CIMultiDict[str]:
        """Those of a 304; a 200 has more."""
        headers = CIMultiDict(about)
        headers[hdrs.ETAG] = variant.etag
        headers[hdrs.VARY] = "Accept-Encoding"
        headers[hdrs.CACHE_CONTROL] = caching
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
        headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED
        if document.following:
            headers[hdrs.LINK] = f'<{document.following}>; rel="next"'
        if document.omitted:
            headers["Catalog-Omitted"] = str(document.omitted)
        return headers

    def freshness(self) -> dict[str, str]:
        """What every answer says of its age; never in the body, whose bytes must not change."""
        present = self._present
        headers = {"Catalog-Stale": "true" if present.is_stale else "false"}
        if checked_at := time_text(present.checked_at):
            headers["Catalog-Checked"] = checked_at
        if present.snapshot:
            headers["Catalog-Revision"] = str(present.snapshot.catalog.revision)
        return headers


def _decide(
    variant: Variant,
    headers: CIMultiDict[str],
    content_type: str,
    if_none_match: str | None,
    if_modified_since: str | None,
) -> _Answer:
    """304 for a client that has this very body, else 200 with the rest of its headers."""
    if is_current(
        variant.etag,
        headers.get(hdrs.LAST_MODIFIED),
        if_none_match=if_none_match,
        if_modified_since=if_modified_since,
    ):
        return int(HTTPStatus.NOT_MODIFIED), None, headers
    headers[hdrs.CONTENT_TYPE] = content_type
    if variant.coding != IDENTITY:
        headers[hdrs.CONTENT_ENCODING] = variant.coding
    return int(HTTPStatus.OK), variant.body, headers


def choose_coding(accept_encoding: str, codings: tuple[str, ...]) -> str:
    """The client's favourite of the codings there are, ours among equals.

    Identity is what is left when nothing suits, even where it was refused: a picker that gets
    a body it did not ask for fares better than one that gets none.
    """
    weights = _weights(accept_encoding)
    others = weights.get("*", 0.0)
    best, best_weight = IDENTITY, 0.0
    for coding in codings:
        weight = weights.get(coding, others if coding != IDENTITY else 0.0)
        if weight > best_weight:
            best, best_weight = coding, weight
    return best


def _weights(accept_encoding: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        weights[name.strip().removeprefix("x-")] = _quality(parameters)
    return weights


def _quality(parameters: str) -> float:
    match = _QUALITY.fullmatch(parameters.strip())
    return float(match[1]) if match else 0.0 if parameters.strip() else 1.0


def is_current(
    etag: str,
    last_modified: str | None,
    *,
    if_none_match: str | None,
    if_modified_since: str | None,
) -> bool:
    """Whether the client has this very body. A date counts only where no tag was sent."""
    if if_none_match is not None:
        return if_none_match == etag or _lists(if_none_match, etag)
    if if_modified_since is not None and last_modified is not None:
        return _is_not_after(last_modified, if_modified_since)
    return False


def _lists(if_none_match: str, etag: str) -> bool:
    """Weak comparison with a list of tags, or `*`."""
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)


def _is_not_after(last_modified: str, if_modified_since: str) -> bool:
    if last_modified == if_modified_since:
        return True
    try:
        return parsedate_to_datetime(last_modified) <= parsedate_to_datetime(if_modified_since)
    except (ValueError, TypeError, OverflowError):  # TypeError: one has no zone: no HTTP date
        return False
