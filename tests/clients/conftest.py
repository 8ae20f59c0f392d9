"""What the tests of clients share: the clients, and a home for each with no way out of it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.clients.install import CLIENTS

_PATIENCE_SECONDS: Final = 100
NOBODY: Final = "http://127.0.0.1:9"
"""Where nothing listens: what a client asks of the world outside fails at once."""


@dataclass(frozen=True)
class Client:
    """A set of clients, run in a home of their own. What they ask of others fails at once."""

    folder: Path
    home: Path

    def run(self, *command: str, **environment: str) -> str:
        """What it prints on standard output; it must end well."""
        return self._run(command, self.home, environment)

    def python(self, script: str, *arguments: str, **environment: str) -> str:
        command = (str(self.folder / "bin" / "python"), "-c", script, *arguments)
        return self._run(command, self.home, environment)

    def node(self, script: str, *arguments: str) -> str:
        """Packages are looked for where Node runs: a script from the command line has no place."""
        command = ("node", "--input-type=module", "--eval", script, "--", *arguments)
        return self._run(command, self.folder, {})

    def _run(self, command: Sequence[str], where: Path, environment: Mapping[str, str]) -> str:
        """Into a file, as some end without waiting until a slow pipe has taken all they said."""
        printed = self.home / "printed"
        with printed.open("w") as out:
            done = subprocess.run(
                command,
                cwd=where,
                env={**self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                timeout=_PATIENCE_SECONDS,
            )
        text = printed.read_text()
        assert done.returncode == 0, f"{command[0]}: {done.returncode} {done.stderr}{text}"
        return text

    @property
    def _environment(self) -> dict[str, str]:
        programs = [self.folder / "bin", self.folder / "node_modules" / ".bin"]
        return {
            "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
            "HOME": str(self.home),
            "NO_COLOR": "1",
            "HTTP_PROXY": NOBODY,
            "HTTPS_PROXY": NOBODY,
            "NO_PROXY": "127.0.0.1",
        }


@pytest.fixture
def python_clients(tmp_path: Path) -> Client:
    """LiteLLM, llm with its plugin for OpenRouter, sqlite-utils."""
    return installed("python", tmp_path)


@pytest.fixture
def aider(tmp_path: Path) -> Client:
    return installed("aider", tmp_path)


@pytest.fixture
def npm(tmp_path: Path) -> Client:
    """Codex, Kilo's command line, opencode, and the libraries of OpenAI and OpenRouter."""
    return installed("npm", tmp_path)


@pytest.fixture
def cline(tmp_path: Path) -> Client:
    return installed("cline", tmp_path)


def installed(name: str, home: Path) -> Client:
    if why := CLIENTS.absence(name):
        pytest.skip(why)
    return Client(CLIENTS.folder(name), home)
