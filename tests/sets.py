"""Programs of others for the tests: sets of them, each installed from its lock under build/.

A set stays until its lock changes. One that cannot be had on this machine leaves a reason, and its
tests skip with it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent

_STAMP: Final = "installed"
_REASON: Final = "reason"
_PIP: Final = ("-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check")
_NPM: Final = ("npm", "--no-audit", "--no-fund", "--loglevel=error")

Fill = Callable[[Path, Path], None]
"""Fills a folder from a lock."""


@dataclass(frozen=True)
class Sets:
    """Sets by name: where the lock of each lies, and what fills its folder under build/."""

    build: str
    locks: Path
    fills: Mapping[str, tuple[str, Fill]]

    def folder(self, name: str) -> Path:
        return ROOT / "build" / self.build / name

    def absence(self, name: str) -> str | None:
        """Why that set is not here; None when it is."""
        folder = self.folder(name)
        if (folder / _STAMP).is_file():
            return None
        reason = folder / _REASON
        return (
            reason.read_text()
            if reason.is_file()
            else f"not installed; make test-{self.build} does it"
        )

    def install(self) -> int:
        """All that are not there as their locks say; the exit code is 0 in any case."""
        for name, (lock, fill) in self.fills.items():
            self._install(name, self.locks / lock, fill)
        return 0

    def _install(self, name: str, lock: Path, fill: Fill) -> None:
        folder = self.folder(name)
        digest = hashlib.sha256(lock.read_bytes()).hexdigest()
        stamp = folder / _STAMP
        if stamp.is_file() and stamp.read_text() == digest:
            return
        _say(f"Installing programs for the tests into build/{self.build}/{name} …")
        began = time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            fill(folder, lock)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = f"what is in {self.build}/{name} could not be installed: {_why(error)}"
            (folder / _REASON).write_text(reason)
            _say(reason)
        else:
            stamp.write_text(digest)
            _say(f"… in {time.monotonic() - began:.0f} s")


def environment(folder: Path, lock: Path) -> None:
    """A virtual environment."""
    run(sys.executable, "-m", "venv", str(folder))
    run(str(folder / "bin" / "python"), *_PIP, "--require-hashes", "-r", str(lock))


def packages(folder: Path, lock: Path) -> None:
    """Packages for the interpreter of the tests, found when the folder is put on its path."""
    run(sys.executable, *_PIP, "--require-hashes", "--target", str(folder), "-r", str(lock))


def node(folder: Path, lock: Path) -> None:
    """Packages of npm. None of them runs a script of its own."""
    for file in (lock, lock.with_name("package.json")):
        shutil.copy(file, folder)
    # `npm ci` would want the programs of every platform in the lock; some are not all published.
    run(*_NPM, "install", "--ignore-scripts", cwd=folder)


def rebuilt(package: str) -> Fill:
    """The same, and then the scripts of one package, which put its program in place."""

    def fill(folder: Path, lock: Path) -> None:
        node(folder, lock)
        run(*_NPM, "rebuild", package, cwd=folder)

    return fill


def run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(
        command, cwd=cwd, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def _why(error: OSError | subprocess.CalledProcessError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no {error.filename} on this machine"
    if isinstance(error, OSError):
        return str(error)
    said = [line for line in str(error.stderr).splitlines() if "error" in line.lower()]
    return " ".join(said[:2]) or f"exit code {error.returncode}"


def _say(line: str) -> None:
    sys.stdout.write(line + os.linesep)
    sys.stdout.flush()
