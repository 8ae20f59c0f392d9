"""The composition root: everything is made and wired here, by argument, in one lifespan."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import aiohttp
import structlog
import uvloop
from aiohttp import web

from service import __version__
from service.api.answers import Answers
from service.api.browse import Browse
from service.api.changes import ChangesPage
from service.api.charts import Charts
from service.api.conditional import Responder
from service.api.foreign import Foreign
from service.api.frame import Frame
from service.api.manual import Manual
from service.api.model_pages import ModelPages
from service.api.past import Past
from service.api.questions import Questions
from service.api.routes import Api
from service.api.status import ServiceHealth, SourceHealth
from service.api.status_page import StatusPage
from service.api.streams import Streams
from service.archive import Archive
from service.catalog import FALLBACK, KILOCODE, Catalog, Cause, Reason, Refresh, Revision, utc_now
from service.config import Settings, misspelt_variables
from service.database import Database
from service.dialects.dialect import Provider
from service.drawing import Drawing
from service.errors import AbsentError, ListenError
from service.gateway import Gateway
from service.history import History
from service.metrics import Metrics
from service.outbox import Outbox
from service.present import Present
from service.publish import Nobody, Publisher
from service.refresh import Refresher
from service.retention import Retention
from service.saved import Imported, SavedGateway, SavedList, refuse_past
from service.schedule import Schedule
from service.store import Store
from service.webhooks import Webhooks

_T = TypeVar("_T")
ANSWERS_BYTES: Final = 32 * 2**20
"""For answers about the present that were made for a question, until the next snapshot."""
USER_AGENT: Final = f"model-catalog/{__version__}"
KEEPALIVE_SECONDS: Final = 75.0
SWITCH_SECONDS: Final = 0.0005
"""How long the thread that reads a list may keep the interpreter from one that answers (5 ms by
default, and an answer needs it more than once)."""
DRAIN_SECONDS: Final = 2.0
"""For a refresh under way, and again for answers under way, when the service stops."""
HOOK_DRAIN_SECONDS: Final = 0.5
"""For messages to webhooks that are under way then; the others are sent after the next start."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    clock: Callable[[], datetime]
    present: Present
    metrics: Metrics
    refresher: Refresher
    schedule: Schedule
    history: History
    webhooks: Webhooks

    async def refresh(self, *, accept_held: bool = False) -> Refresh:
        """Refresh now, or join the refresh under way."""
        return await self.refresher.run(accept_held=accept_held)

    @property
    def wait_seconds(self) -> float:
        """How long the gateway still wants to be left alone."""
        return self.schedule.wait_seconds

    def health(self) -> ServiceHealth:
        """How the source and the webhooks are doing, for status and readiness."""
        return ServiceHealth(source=self._source_health(), webhooks=self.webhooks.status())

    def _source_health(self) -> SourceHealth:
        refresher = self.refresher
        return SourceHealth(
            source=refresher.source,
            url=self.settings.models_url,
            is_refreshing=refresher.is_running,
            next_refresh=self.schedule.next_run,
            last=refresher.recent.last,
            last_good=refresher.recent.last_good,
            held=refresher.recent.held,
            gap=refresher.gap,
            listing=refresher.listing,
            storage_error=refresher.storage_error,
        )

    def application(self) -> web.Application:
        """The HTTP side, to be listened with."""
        return self.api().application()

    def api(self) -> Api:
        """The HTTP side: every route, and what its handlers read from."""
        token = self.settings.admin_token
        responder = Responder(
            self.present,
            max_age_seconds=self.settings.cache_max_age,
            revalidate_seconds=self.settings.refresh_interval,
        )
        frame = Frame(present=self.present, responder=responder, version=__version__)
        past = Past(
            history=self.history,
            present=self.present,
            responder=responder,
            clock=self.clock,
            public_url=self.settings.public_url or "",
        )
        streams = Streams(self.history, self.present, limit=self.settings.stream_limit)
        self.metrics.watch_streams(lambda: streams.open)
        answers = Answers(ANSWERS_BYTES)
        self.present.subscribe(answers.clear)
        api = Api(
            questions=Questions(
                present=self.present,
                past=past,
                responder=responder,
                answers=answers,
                clock=self.clock,
            ),
            browse=Browse(
                present=self.present,
                frame=frame,
                answers=answers,
                clock=self.clock,
            ),
            foreign=Foreign(present=self.present, responder=responder, answers=answers),
            past=past,
            manual=Manual(
                routes_told=lambda: api.routes(),  # noqa: PLW0108 — there is no `api` yet
                responder=responder,
                version=__version__,
                address=self._address,
                public_url=self.settings.public_url or "",
            ),
            charts=Charts(
                present=self.present,
                responder=responder,
                frame=frame,
                drawing=Drawing(),
                clock=self.clock,
            ),
            status_page=StatusPage(
                history=self.history,
                present=self.present,
                frame=frame,
                health=self.health,
                clock=self.clock,
                address=self._address,
            ),
            changes_page=ChangesPage(
                past=past,
                present=self.present,
                frame=frame,
                clock=self.clock,
            ),
            model_pages=ModelPages(
                present=self.present,
                history=self.history,
                frame=frame,
                answers=answers,
                address=self._address,
                inference_url=self.settings.inference_url,
            ),
            streams=streams,
            present=self.present,
            responder=responder,
            metrics=self.metrics,
            health=self.health,
            operator=self,
            admin_token=token.get_secret_value() if token else None,
            version=__version__,
        )
        return api

    @property
    def _address(self) -> str:
        """Where a person asks this service, for samples."""
        host, port = self.settings.host, self.settings.port
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 — not bound here
        bracketed = f"[{shown}]" if ":" in shown else shown
        return self.settings.public_url or f"http://{bracketed}:{port}"


@asynccontextmanager
async def service(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    on_step: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Service]:
    """The parts, with what is stored loaded and published; no network, no server, no schedule."""
    async with _parts(settings, clock=clock, on_step=on_step) as made:
        await made.refresher.start()
        yield made


@asynccontextmanager
async def _parts(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    on_step: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Service]:
    metrics = Metrics()
    present = Present(stale_after_seconds=settings.stale_after_seconds)
    async with AsyncExitStack() as stack:
        database = Database(settings.database_path)
        store = Store(database)
        stack.push_async_callback(store.close)
        session = aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
        refresher = Refresher(
            source=KILOCODE,
            fallback=FALLBACK,
            gateway=_gateway(settings, await stack.enter_async_context(session)),
            store=store,
            readers=Publisher(present, metrics, Provider(url=settings.inference_url)),
            metrics=metrics,
            clock=clock,
            grace=timedelta(seconds=settings.removal_grace),
            on_step=on_step,
        )
        outbox, history = Outbox(database), History(Archive(database))
        hooks = _webhooks(settings, history, outbox, present, metrics=metrics, clock=clock)
        webhooks = await stack.enter_async_context(hooks)
        schedule = Schedule(
            refresher,
            interval_seconds=settings.refresh_interval,
            retry_after_max_seconds=settings.retry_after_max,
            daily=_retention(settings, store, outbox, clock).run,
        )
        stack.push_async_callback(schedule.stop, DRAIN_SECONDS)
        metrics.watch(
            refresher.source,
            age_seconds=lambda: present.age_seconds,
            is_stale=lambda: present.is_stale,
            next_refresh=lambda: schedule.next_run,
            held=lambda: len(refresher.recent.held),
            storage_up=lambda: refresher.storage_error is None,
        )
        yield Service(
            settings=settings,
            clock=clock,
            history=history,
            present=present,
            metrics=metrics,
            refresher=refresher,
            schedule=schedule,
            webhooks=webhooks,
        )


def _gateway(settings: Settings, session: aiohttp.ClientSession) -> Gateway:
    key = settings.kilocode_api_key
    return Gateway(
        session,
        settings.models_url,
        user_agent=USER_AGENT,
        api_key=key.get_secret_value() if key else None,
        deadline_seconds=settings.refresh_deadline,
        max_body_bytes=settings.max_body_bytes,
    )


@asynccontextmanager
async def _webhooks(
    settings: Settings,
    history: History,
    outbox: Outbox,
    present: Present,
    *,
    metrics: Metrics,
    clock: Callable[[], datetime],
) -> AsyncIterator[Webhooks]:
    """Stopped at the end. In a session of their own: those that hang take nothing from others."""
    connector = aiohttp.TCPConnector(limit=0)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        made = Webhooks(
            settings.webhooks,
            history=history,
            outbox=outbox,
            present=present,
            session=session,
            metrics=metrics,
            clock=clock,
            user_agent=USER_AGENT,
        )
        try:
            yield made
        finally:
            await made.stop(HOOK_DRAIN_SECONDS)


def _retention(
    settings: Settings, store: Store, outbox: Outbox, clock: Callable[[], datetime]
) -> Retention:
    return Retention(
        store=store,
        outbox=outbox,
        source=KILOCODE,
        webhooks=[webhook.name for webhook in settings.webhooks],
        clock=clock,
        keep_refreshes=timedelta(seconds=settings.refresh_log_keep),
        keep_messages=timedelta(seconds=settings.webhook_log_keep),
    )


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises ListenError when the address cannot be had."""
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    for name, near in misspelt_variables().items():
        _log.warning("unknown_variable", name=name, nearest=near)
    async with _parts(settings) as running:
        # Making a database takes a moment, which an answer need not wait for.
        is_new = not settings.database_path.exists()
        await (running.refresher.show_fallback() if is_new else running.refresher.start())
        async with _listening(running):
            if is_new:
                await running.refresher.start()
            await running.webhooks.start()
            running.schedule.start()
            await stop.wait()
            _log.info("stopping")


async def refresh_once(
    settings: Settings, *, accept_held: bool, on_step: Callable[[str], None]
) -> tuple[Refresh, Catalog]:
    """One refresh without a server. Raises StorageError: what is not stored was not done."""
    async with service(settings, on_step=on_step) as running:
        refresh = await running.refresher.run(accept_held=accept_held)
        if running.refresher.storage_error is not None:
            raise running.refresher.storage_error
        return refresh, running.present.require().catalog


async def import_lists(
    settings: Settings,
    lists: Sequence[SavedList],
    *,
    accept_held: bool,
    on_import: Callable[[Imported], None],
) -> list[Imported]:
    """Take saved lists, oldest first, each as if it had been fetched at its time.

    Raises PastError before anything is written, and StorageError: what came before it is stored.
    """
    database = Database(settings.database_path)
    store, archive = Store(database), Archive(database)
    gateway = SavedGateway(lists[0], max_body_bytes=settings.max_body_bytes)
    refresher = Refresher(
        source=KILOCODE,
        fallback=FALLBACK,
        gateway=gateway,
        store=store,
        readers=Nobody(),
        metrics=Metrics(),
        clock=gateway.now,
        grace=timedelta(seconds=settings.removal_grace),
        cause=Cause.IMPORT,
        believes_gaps=accept_held,
    )
    try:
        await database.open()
        await _refuse_past(lists, store, archive)
        await refresher.start()
        done = []
        for saved in lists:
            gateway.play(saved)
            refresh = await _stored_refresh(refresher)
            made = await _revision_of(refresh, archive)
            done.append(Imported(saved=saved, refresh=refresh, made=made))
            on_import(done[-1])
        return done
    finally:
        await store.close()


async def _refuse_past(lists: Sequence[SavedList], store: Store, archive: Archive) -> None:
    try:
        head = await archive.head()
    except AbsentError:
        return  # a new database begins with the oldest list
    last = (await store.recent(KILOCODE)).last
    refuse_past(lists, max(head.at, last.at) if last else head.at, utc_now())


async def _revision_of(refresh: Refresh, archive: Archive) -> Revision | None:
    """The revision that a refresh made, if any."""
    if refresh.revision is None or refresh.reason not in {Reason.FIRST, Reason.CHANGES}:
        return None
    return await archive.revision(refresh.revision)


async def _stored_refresh(refresher: Refresher) -> Refresh:
    """Refresh. Raises StorageError: what is not stored was not done."""
    refresh = await refresher.run()
    if refresher.storage_error is not None:
        raise refresher.storage_error
    return refresh


@asynccontextmanager
async def _listening(running: Service) -> AsyncIterator[None]:
    settings = running.settings
    runner = web.AppRunner(
        running.application(),
        access_log=None,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=DRAIN_SECONDS,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except (OSError, UnicodeError) as error:  # UnicodeError: no host can have such a name
            detail = getattr(error, "strerror", None) or str(error)
            raise ListenError(settings.host, settings.port, detail) from None
        host, port = runner.addresses[0][:2]
        catalog = running.present.require().catalog
        _log.info(
            "listening",
            url=f"http://{f'[{host}]' if ':' in host else host}:{port}",
            models=len(catalog.rows),
            revision=catalog.revision,
        )
        yield
    finally:
        await runner.cleanup()


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end, on uvloop where there is one."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
