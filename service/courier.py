"""Hand over: one signed POST of one message to one webhook, and what its receiver made of it.

Signed as https://www.standardwebhooks.com says: the id, the time of the attempt, and the body.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import hdrs
from standardwebhooks import Webhook as Signer
from yarl import URL

from service.headers import retry_after_seconds

TIMEOUT_SECONDS: Final = 15.0
"""For one attempt: from the wish to connect to the last header received."""
_MAX_DETAIL: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the receiver said. `error` is None when it took the message."""

    http_status: int | None = None
    error: str | None = None
    retry_after_seconds: float | None = None
    """What the receiver asked for, not yet capped."""

    @property
    def is_refused(self) -> bool:
        """Whether the receiver wants it never again."""
        return self.http_status == HTTPStatus.GONE


class Courier:
    """Sends to one address, and never elsewhere: redirects are not followed."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        secret: str,
        *,
        user_agent: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._session = session
        self._url = URL(url)
        self._signer = Signer(secret)
        self._user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def hand_over(self, message_id: str, body: str, at: datetime) -> Receipt:
        """Send it once. `at` is the time that is signed."""
        try:
            async with self._session.post(
                self._url,
                data=body.encode(),
                headers=self._headers(message_id, body, at.astimezone(UTC)),
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return _receipt(response, at)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Receipt(error=_cause(error)[:_MAX_DETAIL])

    def _headers(self, message_id: str, body: str, at: datetime) -> dict[str, str]:
        return {
            hdrs.CONTENT_TYPE: "application/json",
            hdrs.ACCEPT_ENCODING: "identity",
            hdrs.USER_AGENT: self._user_agent,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._signer.sign(message_id, at, body),
        }


def _receipt(response: aiohttp.ClientResponse, at: datetime) -> Receipt:
    """By the status alone: nobody needs the body, so it is not read."""
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Receipt(http_status=status)
    moved = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return Receipt(
        http_status=status,
        error=f"answered {status}" + (", and redirects are not followed" if moved else ""),
        retry_after_seconds=retry_after_seconds(response.headers.get(hdrs.RETRY_AFTER, ""), at),
    )


def _cause(error: Exception) -> str:
    """In words without the address, whose path can be a secret."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientResponseError():
            return f"not HTTP: {' '.join(error.message.split())}"
        case aiohttp.InvalidURL():
            return "no request can be made of this URL"
        case _:
            return str(error) or type(error).__name__
