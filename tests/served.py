"""The real program, fed by a replayed gateway, for real clients of other tools to read.

What a client shows is compared with what `/catalog/models` of the same process says, row by row and
field by field: each test of a client holds, in its own words, what that client makes of a model.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, Self
from urllib.parse import urlsplit
from urllib.request import urlopen

Json = dict[str, Any]

ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True)
class Served:
    """A running service, and all the models that it has."""

    url: str
    gateway: str
    """Where chats are to go, without a slash at its end: never to the service."""
    models: Sequence[Json]
    """Rows of `/catalog/models`, their fractions as Decimal."""
    _settings: Mapping[str, str]
    _gateway: "_Program"
    _service: "_Program"

    @property
    def sized(self) -> Sequence[Json]:
        """Those whose context window is known: most formats can say nothing of the others."""
        return [model for model in self.models if model["contextWindow"]]

    def export(self, name: str, file: Path) -> None:
        """Let the program itself write that format, as those do whose tool reads a file."""
        command = [sys.executable, "-m", "service", "export", name, "--out", str(file)]
        subprocess.run(command, cwd=ROOT, env=self._settings, check=True)

    def lose_gateway(self) -> None:
        """The gateway ends here, and nobody starts it again."""
        self._gateway.stop()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """The service ends here, and starts again at the same address after it."""
        self._service.stop()
        yield
        self._service.start(MODEL_CATALOG_PORT=str(urlsplit(self.url).port))
        self._service.line('"event": "listening"')


@contextmanager
def serving(listing: Path, folder: Path, **variables: str) -> Iterator[Served]:
    """Serve that list from a process of its own, with all that it writes in `folder`."""
    home = {"HOME": str(folder), "NO_COLOR": "1"}
    with _Program(home, "fixtures.replay", str(listing), "--port", "0") as gateway:
        gateway_url = gateway.line("/models").split()[-1].removesuffix("/models")
        settings = {
            "MODEL_CATALOG_GATEWAY_URL": gateway_url,
            "MODEL_CATALOG_DATABASE_URL": f"sqlite:///{folder / 'catalog.db'}",
            "MODEL_CATALOG_PORT": "0",
            "MODEL_CATALOG_REFRESH_INTERVAL": "36500d",
            "MODEL_CATALOG_LOG_FORMAT": "json",
            **variables,
        }
        with _Program(home | settings, "service", "serve") as service:
            url = json.loads(service.line('"event": "listening"'))["url"]
            refresh = json.loads(service.line('"event": "refresh"'))
            assert refresh["outcome"] == "updated", refresh
            yield Served(url, gateway_url, tuple(_rows(url)), home | settings, gateway, service)


class _Program:
    """A module of ours in its own process. All it writes is read: it never waits for a reader."""

    def __init__(self, environment: Mapping[str, str], module: str, *arguments: str) -> None:
        self._environment = environment
        self._command = (sys.executable, "-m", module, *arguments)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, **variables: str) -> None:
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env={**self._environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def line(self, sign: str) -> str:
        """The next line with that in it."""
        seen: list[str] = []
        while (line := self._lines.get(timeout=30)) is not None:
            seen.append(line)
            if sign in line:
                return line
        raise AssertionError(f"ended without {sign}: {''.join(seen)}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)


def _rows(url: str) -> list[Json]:
    with urlopen(f"{url}/catalog/models") as answer:  # noqa: S310 — our own
        page: Json = json.load(answer, parse_float=Decimal)
    assert page["next"] is None
    return list(page["data"])


def per_token(usd_per_mtok: Decimal | int) -> Decimal:
    """A price as most other tools have it."""
    return Decimal(usd_per_mtok).scaleb(-6)


def seconds(time: str | None) -> int:
    """A time as Unix has it; 0 is the customary word for an unknown one."""
    return int(datetime.fromisoformat(time).timestamp()) if time else 0


def differences(expected: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    """What a client shows otherwise than it should: a line for each row, or field of a row."""
    lines = [f"{id_}: not expected" for id_ in seen.keys() - expected.keys()]
    lines += [f"{id_}: missing" for id_ in expected.keys() - seen.keys()]
    for id_ in expected.keys() & seen.keys():
        lines += _fields(id_, expected[id_], seen[id_])
    return sorted(lines)


def _fields(where: str, expected: object, seen: object) -> Iterator[str]:
    if not (isinstance(expected, dict) and isinstance(seen, dict)):
        if expected != seen:
            yield f"{where}: {seen!r}, not {expected!r}"
        return
    for name in sorted(expected.keys() | seen.keys()):
        absent = "absent"
        yield from _fields(f"{where} {name}", expected.get(name, absent), seen.get(name, absent))
