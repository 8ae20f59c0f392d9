"""Stage 1, ask: one bounded, conditional HTTP fetch of a gateway's list → bytes and validators."""

import asyncio
import hashlib
import ssl
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import hdrs
from yarl import URL

from service.bodies import Fetched, decoder
from service.catalog import Reason, Validators
from service.errors import RefreshError, UnbelievableError, UnreachableError
from service.headers import retry_after_seconds

_CHUNK_BYTES: Final = 16 * 1024
"""On the wire. Inflated, a chunk is up to forty times as large, and the event loop waits for it."""


class Gateway:
    """An OpenRouter-compatible gateway.

    The key goes to the configured origin only: redirects are not followed, and neither proxies nor
    credentials are taken from the environment.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        models_url: str,
        *,
        user_agent: str,
        api_key: str | None = None,
        deadline_seconds: float,
        max_body_bytes: int,
    ) -> None:
        self._session = session
        self._url = URL(models_url, encoded=True)
        self._user_agent = user_agent
        self._api_key = api_key
        self._timeout = aiohttp.ClientTimeout(total=deadline_seconds)
        self._max_body_bytes = max_body_bytes

    @property
    def scope(self) -> str:
        """Fingerprint of the address and the credential: a list belongs to both."""
        # Digested first: only 64 bytes fit as a key, and tokens of one issuer begin alike.
        secret = hashlib.blake2b((self._api_key or "").encode()).digest()
        return hashlib.blake2b(str(self._url).encode(), key=secret, digest_size=8).hexdigest()

    async def fetch(self, known: Validators | None = None) -> Fetched:
        """Ask for the list, unless it is still the known one.

        Raises UnreachableError when there is no whole answer, UnbelievableError for a wrong one.
        """
        try:
            async with self._session.get(
                self._url,
                headers=self._headers(known),
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return await self._read(response, known)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error) from error

    def _headers(self, known: Validators | None) -> dict[str, str]:
        headers: dict[str, str] = {
            hdrs.ACCEPT: "application/json",
            hdrs.ACCEPT_ENCODING: "gzip",
            hdrs.USER_AGENT: self._user_agent,
        }
        if self._api_key:
            headers[hdrs.AUTHORIZATION] = f"Bearer {self._api_key}"
        if known and known.etag:
            headers[hdrs.IF_NONE_MATCH] = known.etag
        if known and known.last_modified:
            headers[hdrs.IF_MODIFIED_SINCE] = known.last_modified
        return headers

    async def _read(self, response: aiohttp.ClientResponse, known: Validators | None) -> Fetched:
        if response.status == HTTPStatus.NOT_MODIFIED:
            return _not_modified(response, known)
        if response.status != HTTPStatus.OK:
            raise _refusal(response)
        body = await self._body(response)
        return Fetched(
            body=body,
            etag=response.headers.get(hdrs.ETAG),
            last_modified=response.headers.get(hdrs.LAST_MODIFIED),
            http_status=response.status,
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """The inflated body. The size on the wire and the size inflated have the same bound."""
        decoding = decoder(response.headers.get(hdrs.CONTENT_ENCODING, ""), self._max_body_bytes)
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            decoding.feed(chunk)
            await asyncio.sleep(0)  # a buffered body would else be inflated in one go
        return decoding.finish()


# ── answers that are no list ──────────────────────────────────────────────────────────────────


def _not_modified(response: aiohttp.ClientResponse, known: Validators | None) -> Fetched:
    etag = response.headers.get(hdrs.ETAG, "")
    is_asked = known is not None and (known.etag or known.last_modified)
    if known is None or not is_asked or (known.etag and not _same_tag(etag, known.etag)):
        detail = "304 for a list that is not the one we have"
        raise UnbelievableError(Reason.UNASKED_304, detail, http_status=response.status)
    return Fetched(None, known.etag, known.last_modified, response.status)


def _same_tag(one: str, other: str) -> bool:
    return one.removeprefix("W/") == other.removeprefix("W/")


_REASONS: Final = {
    HTTPStatus.UNAUTHORIZED: Reason.AUTH,
    HTTPStatus.FORBIDDEN: Reason.AUTH,
    HTTPStatus.NOT_FOUND: Reason.NOT_FOUND,
    HTTPStatus.GONE: Reason.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS: Reason.RATE_LIMITED,
}
_TRANSIENT: Final = {Reason.SERVER_ERROR, Reason.RATE_LIMITED, Reason.EMPTY_BODY}


def _refusal(response: aiohttp.ClientResponse) -> UnbelievableError:
    status = response.status
    if status in _REASONS:
        reason = _REASONS[HTTPStatus(status)]
    elif status == HTTPStatus.NO_CONTENT:
        reason = Reason.EMPTY_BODY
    elif 300 <= status < 400:  # noqa: PLR2004 — the class of redirections
        reason = Reason.REDIRECT
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        reason = Reason.SERVER_ERROR
    else:
        reason = Reason.STATUS
    return UnbelievableError(
        reason,
        f"the gateway answered {status}",
        is_transient=reason in _TRANSIENT,
        http_status=status,
        retry_after_seconds=retry_after_seconds(
            response.headers.get(hdrs.RETRY_AFTER, ""), datetime.now(UTC)
        ),
    )


def _unreachable(error: Exception) -> RefreshError:  # noqa: PLR0911 — a table of causes
    """Sort what the client or the system raised. Certificates do not mend themselves in seconds."""
    match error:
        case TimeoutError():
            return UnreachableError(Reason.TIMEOUT, "no whole answer in time", is_transient=True)
        case aiohttp.ClientConnectorDNSError():
            return UnreachableError(
                Reason.DNS, f"{error.host}: {error.os_error}", is_transient=True
            )
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return UnreachableError(Reason.TLS, str(error))
        case aiohttp.ClientConnectorError():
            return UnreachableError(Reason.CONNECT, str(error), is_transient=True)
        case aiohttp.ClientPayloadError():
            return UnreachableError(Reason.TRUNCATED, "the body ends early", is_transient=True)
        case aiohttp.ClientResponseError():
            return UnreachableError(Reason.PROTOCOL, f"not HTTP: {' '.join(error.message.split())}")
        case _:
            return UnreachableError(Reason.CONNECT, str(error) or repr(error), is_transient=True)
