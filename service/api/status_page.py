"""`/status`: how the service is, as a page: what is in memory, and the last refreshes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web

from service.api.frame import HTML, Frame
from service.api.past import BEFORE
from service.api.route import FRESHNESS, PAGES, Route
from service.api.status import Health, status_json
from service.catalog import Refresh
from service.errors import StorageError
from service.history import History, Page
from service.parameters import Asked
from service.present import Present

REFRESHES: Final = 100
"""Refreshes of a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """The handler and what it reads from."""

    history: History
    present: Present
    frame: Frame
    health: Health
    clock: Callable[[], datetime]
    address: str
    """Where a person asks this service, for samples."""

    async def read(self, request: web.Request) -> web.Response:
        """The page. It tells all it can whatever is wrong: that is what it is for."""
        from service.pages import status  # noqa: PLC0415 — Jinja2 takes 70 ms

        before = Asked(request.query.items(), (BEFORE,)).one(BEFORE)
        log, failure = await self._log(before)

        def made() -> bytes:
            return status.page(
                status_json(self.frame.version, self.present, self.health()),
                log.items if log else (),
                older=log.next if log and isinstance(log.next, int) else None,
                is_first=before is None,
                failure=failure,
                now=self.clock(),
                address=self.address,
                version=self.frame.version,
            )

        return self.frame.fleeting(await asyncio.to_thread(made))

    async def _log(self, before: int | None) -> tuple[Page[tuple[int, Refresh]] | None, str]:
        """The last refreshes, or why they cannot be told."""
        try:
            return await self.history.refreshes(REFRESHES, before), ""
        except StorageError as error:
            return None, f"The log cannot be read: {error}. What to do: {error.advice}."

    def routes(self) -> list[Route]:
        return [
            Route(
                operation="readStatus",
                path="/status",
                summary="how fresh the catalog is, what the last refreshes did and why, as a page",
                tag=PAGES,
                handler=self.read,
                parameters=(BEFORE,),
                content_types=(HTML,),
                headers=(*FRESHNESS, "Content-Security-Policy"),
                refuses=(HTTPStatus.BAD_REQUEST,),
            )
        ]
