"""Stage 1, what an answer brings: its body, inflated and bounded by ourselves. Pure.

aiohttp's own inflating returns a truncated gzip body as if it were whole, and has no bound.
"""

import zlib
from dataclasses import dataclass
from typing import Final

from service.catalog import Reason
from service.errors import UnbelievableError, UnreachableError

_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Fetched:
    """A good answer. `body` is None when the gateway says that nothing has changed."""

    body: bytes | None
    etag: str | None
    last_modified: str | None
    http_status: int | None
    """None for one that did not come by HTTP."""


class Decoder:
    """Collects a body up to a bound."""

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        self._room -= len(chunk)
        if self._room < 0:
            raise UnbelievableError(Reason.TOO_LARGE, "the list is larger than MAX_BODY_BYTES")
        self._parts.append(chunk)

    def finish(self) -> bytes:
        return b"".join(self._parts)


class _Gzip(Decoder):
    """Inflates up to a bound, and knows whether the end was reached."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes)
        self._max_bytes = max_bytes
        self._received = 0
        self._member = zlib.decompressobj(_GZIP)

    def feed(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._max_bytes:
            raise UnbelievableError(Reason.TOO_LARGE, "the list is larger than MAX_BODY_BYTES")
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            try:
                super().feed(self._member.decompress(chunk, self._room + 1))
            except zlib.error as error:
                raise UnbelievableError(Reason.ENCODING, f"not gzip: {error}") from None
            chunk = self._member.unconsumed_tail or self._member.unused_data

    def finish(self) -> bytes:
        if not self._member.eof:
            detail = "the gzip body ends early"
            raise UnreachableError(Reason.TRUNCATED, detail, is_transient=True)
        return super().finish()


def decoder(encoding: str, max_bytes: int) -> Decoder:
    """Of a content coding. Raises UnbelievableError where it is none that was asked for."""
    match encoding.strip().lower():
        case "" | "identity":
            return Decoder(max_bytes)
        case "gzip" | "x-gzip":
            return _Gzip(max_bytes)
        case other:
            raise UnbelievableError(Reason.ENCODING, f"unasked content coding {other[:40]!r}")
