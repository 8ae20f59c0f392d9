"""Stage 3, the database itself: engine, transactions, migrations, and what can go wrong with it.

Everything that is only true of SQLite is in this module.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson
import structlog
from sqlalchemy import URL, Connection, event, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from service.errors import (
    AbsentError,
    CorruptError,
    ForeignError,
    FullError,
    LockedError,
    MissingError,
    ReadOnlyError,
    StorageError,
)
from service.tables import SCHEMA

if TYPE_CHECKING:
    from alembic.config import Config

BUSY_TIMEOUT_MS: Final = 2_000
"""How long a statement waits for another process's lock before the refresh is called failed."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_WRITABLE: Final[Mapping[str, str]] = {"mode": "rwc"}
_LOOKING: Final[Mapping[str, str]] = {"mode": "ro"}
_IMMUTABLE: Final[Mapping[str, str]] = {"mode": "ro", "immutable": "1"}
"""For a file that nobody has open, as it has no log: looking then leaves no trace."""

_BY_CODE: Final[dict[str, type[StorageError]]] = {
    "SQLITE_BUSY": LockedError,
    "SQLITE_LOCKED": LockedError,
    "SQLITE_READONLY": ReadOnlyError,
    "SQLITE_CANTOPEN": ReadOnlyError,
    "SQLITE_PERM": ReadOnlyError,
    "SQLITE_FULL": FullError,
    "SQLITE_CORRUPT": CorruptError,
    "SQLITE_NOTADB": CorruptError,
}


class Database:
    """One SQLite file: one writer at a time, readers never wait.

    Every method raises StorageError when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._engine: AsyncEngine | None = None
        self._users: Counter[AsyncEngine] = Counter()
        self._identity: tuple[int, int] | None = None
        self._is_suspect = False
        self.is_read_only = False
        self.openings = 0
        """How often a file was opened: another opening may be of another file."""

    @property
    def is_open(self) -> bool:
        """Whether the schema is known to be in place."""
        return self._engine is not None

    async def open(self) -> None:
        """Connect and migrate. A damaged file is set aside first, and never deleted."""
        if self.is_open and not self.is_read_only:
            return
        await self.close()
        try:
            await self._open(_WRITABLE)
        except CorruptError as error:
            self._set_aside(error)
            await self._open(_WRITABLE)
        except ReadOnlyError:
            if not self._path.is_file():
                raise
            await self.open_read_only()

    async def open_read_only(self) -> None:
        """Connect to look, changing nothing. Raises AbsentError where there is no file."""
        if not self._path.is_file():
            raise AbsentError(str(self._path))
        log = self._path.with_name(self._path.name + "-wal")
        if _has_write_ahead_log(self._path) and not log.exists():
            await self._open(_IMMUTABLE)
            return
        try:
            await self._open(_LOOKING)
        except ReadOnlyError:  # on a read-only disk a reader cannot even note that it reads
            if log.exists() and log.stat().st_size:
                raise
            await self._open(_IMMUTABLE)

    async def close(self) -> None:
        """Close every connection; `open` may follow."""
        engine, self._engine = self._engine, None
        if engine is not None and not self._users[engine]:
            await engine.dispose()

    @asynccontextmanager
    async def _used(self, engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
        """Whoever uses an engine last that was closed meanwhile clears it away.

        What is given back to a pool after its disposal would stay open.
        """
        self._users[engine] += 1
        try:
            yield engine
        finally:
            self._users[engine] -= 1
            if not self._users[engine]:
                del self._users[engine]
                if engine is not self._engine:
                    await asyncio.shield(engine.dispose())

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view. Keep it short: a long reader lets the log file grow."""
        async with self._transaction("BEGIN") as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """All or nothing. Takes the writer's lock at once, as a lock cannot be upgraded later."""
        if self.is_read_only:
            raise ReadOnlyError(str(self._path))
        async with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator[AsyncConnection]:
        if self._engine is None:
            raise StorageError("not open")
        await self._notice_replacement()
        try:
            with _storage_errors():
                async with self._used(self._engine) as engine, _connected(engine) as plain:
                    connection = await plain.execution_options(begin=begin)
                    async with connection.begin():
                        yield connection
        except CorruptError:
            self._is_suspect = True
            await self.close()
            raise

    async def _notice_replacement(self) -> None:
        """A deleted file accepts writes into the void for as long as it is open."""
        if self._identity is not None and self._identity != _identity(self._path):
            await self.close()
            raise MissingError(f"{self._path} was deleted or replaced")

    async def _open(self, options: Mapping[str, str]) -> None:
        self.is_read_only = options is not _WRITABLE
        if not self.is_read_only:
            _make_directory(self._path.parent)
        self.openings += 1
        self._engine = _engine(self._path, options)
        self._identity = None
        try:
            await self._prepare()
        except BaseException:
            await self.close()
            raise
        self._identity = _identity(self._path)

    async def _prepare(self) -> None:
        async with self.read() as connection:
            if self._is_suspect:
                await _check_integrity(connection)
            schema = await connection.run_sync(_schema)
        if schema == SCHEMA:
            if not self.is_read_only:
                await self._use_write_ahead_log()
            return
        if schema is not None and self.is_read_only:
            raise ReadOnlyError(f"{self._path} needs a migration to {SCHEMA}")
        # Alembic costs 10 MB and 0.2 s, so a database that is up to date never imports it; where it
        # is needed, readers are answered meanwhile.
        await asyncio.to_thread(import_module, "alembic.command")
        await self._use_write_ahead_log()
        async with self.write() as connection:
            await connection.run_sync(_upgrade)

    async def _use_write_ahead_log(self) -> None:
        """So that readers never wait. The file remembers it; the next time it does nothing."""
        if self._engine is None:
            return
        with _storage_errors():
            async with self._engine.connect() as connection:
                driver = await connection.get_raw_connection()
                await driver.driver_connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[union-attr]

    def _set_aside(self, error: CorruptError) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        aside = self._path.with_name(f"{self._path.name}.corrupt-{stamp}")
        with _storage_errors():
            for suffix in ("", "-wal", "-shm"):
                part = self._path.with_name(self._path.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
        self._is_suspect = False
        _log.error("database_set_aside", detail=error.detail, kept_as=str(aside))


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection. One that was being made when its task was cancelled is closed, not lost."""
    opening = engine.connect()
    making = asyncio.ensure_future(opening.start())
    try:
        _ = await asyncio.shield(making)
        yield opening
    finally:
        await asyncio.wait([making])
        if not making.exception():
            await asyncio.shield(opening.close())


def _engine(path: Path, options: Mapping[str, str]) -> AsyncEngine:
    # As a URI, since a plain path cannot carry options; quoted, since a path may hold % and ?.
    database = f"file:{quote(str(path))}"
    url = URL.create("sqlite+aiosqlite", database=database, query={**options, "uri": "true"})
    engine = create_async_engine(
        url,
        pool_size=2,
        max_overflow=4,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "connect", _on_connect)
    event.listen(engine.sync_engine, "begin", _on_begin)
    return engine


def _has_write_ahead_log(path: Path) -> bool:
    """By the file's header: https://www.sqlite.org/fileformat.html, bytes 18 and 19."""
    with _storage_errors(), path.open("rb") as file:
        return file.read(20)[18:] == b"\x02\x02"


def _on_connect(connection: Any, record: object) -> None:  # noqa: ANN401 — the driver's adapter has no public type
    del record
    connection.isolation_level = None  # the driver's own BEGIN is always a deferred one
    cursor = connection.cursor()
    for pragma in (
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "synchronous = NORMAL",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


async def _check_integrity(connection: AsyncConnection) -> None:
    found = (await connection.exec_driver_sql("PRAGMA integrity_check(1)")).scalar()
    if found != "ok":
        raise CorruptError(str(found))


def _schema(connection: Connection) -> str | None:
    """The migration a database is at; None for an empty one."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if "alembic_version" in tables:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version is None and len(tables) == 1:
            return None
        if version is not None and {"revisions", "versions"} <= tables:
            return str(version)
    raise ForeignError("it holds the tables of another program")


def _upgrade(connection: Connection) -> None:
    """Run the migrations inside the caller's transaction, which holds the writer's lock."""
    from alembic import command  # noqa: PLC0415 — late, as the caller says
    from alembic.util import CommandError  # noqa: PLC0415

    config = alembic_config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ForeignError(f"written by a newer release ({error})") from None


def alembic_config() -> "Config":
    """Alembic's settings, with the migrations of the checkout or of the installed wheel."""
    from alembic.config import Config  # noqa: PLC0415 — as above

    here = Path(__file__).parent
    folder = next(at for at in (here / "migrations", here.parent / "migrations") if at.is_dir())
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _make_directory(directory: Path) -> None:
    with _storage_errors():
        directory.mkdir(parents=True, exist_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Drivers' and the system's errors become StorageError; a mistake of ours stays what it is."""
    try:
        yield
    except (IntegrityError, ProgrammingError):
        raise
    except DBAPIError as error:
        raise _storage_error(error.orig) from error
    except sqlite3.Error as error:
        raise _storage_error(error) from error
    except OSError as error:
        raise (ReadOnlyError if isinstance(error, PermissionError) else StorageError)(
            str(error)
        ) from error


def _storage_error(error: BaseException | None) -> StorageError:
    code = getattr(error, "sqlite_errorname", "")
    kind = next(
        (kind for prefix, kind in _BY_CODE.items() if code.startswith(prefix)), StorageError
    )
    return kind(f"{error} ({code})" if code else str(error))
