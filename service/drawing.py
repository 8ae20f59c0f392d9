"""Charts drawn beside the service: one process that has the renderer, asked one thing at a time.

The renderer brings a JavaScript engine of its own: in a process of its own it costs readers neither
memory nor time, can be ended when it takes too long, and is gone when nobody asks for charts.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import orjson

from service.errors import CatalogError

PACKAGE: Final = "vl-convert-python"
EXTRA: Final = "model-catalog[charts]"
_PROGRAM: Final = Path(__file__).with_name("draughtsman.py")
TIMEOUT_SECONDS: Final = 30.0
"""For one order, and as much again for its turn to come."""
IDLE_SECONDS: Final = 120.0
"""How long the process is kept although nobody asks."""
MAX_WAITING: Final = 12
MAX_BODY_BYTES: Final = 32 * 2**20


class DrawingError(CatalogError):
    """A chart that could not be drawn now."""


class Drawing:
    """Asks the draughtsman. Nothing is started before somebody wants a chart."""

    def __init__(
        self,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        max_waiting: int = MAX_WAITING,
        program: Path = _PROGRAM,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._idle_seconds = idle_seconds
        self._max_waiting = max_waiting
        self._program = program
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._leave: asyncio.TimerHandle | None = None
        self._apart: set[Drawing] = set()

    async def draw(self, order: dict[str, Any]) -> bytes:
        """What the draughtsman makes of an order. Raises DrawingError."""
        if self._waiting >= self._max_waiting:
            raise DrawingError("too many charts are being drawn")
        self._waiting += 1
        try:
            await self._have_turn()
            try:
                return await self._asked(orjson.dumps(order))
            finally:
                self._turn.release()
        finally:
            self._waiting -= 1

    async def draw_apart(self, order: dict[str, Any]) -> bytes:
        """The same by a process of its own, which ends with it: for what is asked once.

        Nobody else waits for it, and what memory it took is free again. Raises DrawingError.
        """
        apart = Drawing(timeout_seconds=self._timeout_seconds, program=self._program)
        self._apart.add(apart)
        try:
            return await apart.draw(order)
        finally:
            self._apart.discard(apart)
            await apart.close()

    async def _have_turn(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._turn.acquire()
        except TimeoutError:
            raise DrawingError("other charts take too long") from None

    @property
    def is_running(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None and self._process.returncode is None

    async def _asked(self, order: bytes) -> bytes:
        if self._leave:
            self._leave.cancel()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                body = await self._exchange(order)
        except DrawingError:
            raise
        except TimeoutError:
            await self.close()
            raise DrawingError(f"it took longer than {self._timeout_seconds:g} seconds") from None
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            await self.close()
            raise DrawingError(f"the draughtsman is gone: {type(error).__name__}") from None
        except BaseException:
            await self.close()  # half of an answer must not be taken for the next one's
            raise
        loop = asyncio.get_running_loop()
        self._leave = loop.call_later(self._idle_seconds, self._dismiss)
        return body

    async def _exchange(self, order: bytes) -> bytes:
        process = await self._ready()
        assert process.stdin is not None  # noqa: S101 — as it was started
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(order + b"\n")
        await process.stdin.drain()
        head = orjson.loads(await process.stdout.readuntil())
        if head["size"] > MAX_BODY_BYTES:
            raise ValueError(head["size"])
        body = await process.stdout.readexactly(head["size"])
        if not head["ok"]:
            raise DrawingError(body.decode(errors="replace"))
        return body

    async def _ready(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            # In a session of its own, Ctrl-C does not reach it: it ends when its input does.
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(self._program)),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                start_new_session=True,
            )
        return self._process

    def _dismiss(self) -> None:
        """Nobody has asked for a while."""
        if self._turn.locked():
            return
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()

    async def close(self) -> None:
        """End the process, and those apart."""
        for apart in [*self._apart]:
            await apart.close()
        if self._leave:
            self._leave.cancel()
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def fingerprint() -> str | None:
    """What names the installed renderer and changes with it; None where there is none.

    Nothing of it is imported for that.
    """
    try:
        installed = distribution(PACKAGE)
    except PackageNotFoundError:
        return None
    hashes = [file.hash.value for file in installed.files or () if file.hash and file.size]
    largest = max(installed.files or (), key=lambda file: file.size or 0, default=None)
    named = largest.hash.value if largest and largest.hash else "".join(hashes)
    return "".join(char for char in named if char.isalnum())[:10] or installed.version
