"""Install the clients: `python -m tests.clients.install`, which `make test-clients` does.

Each set goes into a folder of its own under build/clients, from its lock file, and stays there
until that file changes. A set that cannot be had on this machine leaves a reason, and its tests
skip with it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
BUILD: Final = HERE.parent.parent / "build" / "clients"

_STAMP: Final = "installed"
_REASON: Final = "reason"
_PIP: Final = ("-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check")
_NPM: Final = ("npm", "--no-audit", "--no-fund", "--loglevel=error")


def absence(name: str) -> str | None:
    """Why that set is not here; None when it is."""
    folder = BUILD / name
    if (folder / _STAMP).is_file():
        return None
    reason = folder / _REASON
    return reason.read_text() if reason.is_file() else "not installed; make test-clients does it"


def main() -> int:
    for name, (lock, fill) in _SETS.items():
        _install(name, HERE / lock, fill)
    return 0


def _install(name: str, lock: Path, fill: Callable[[Path, Path], None]) -> None:
    folder = BUILD / name
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / _STAMP
    if stamp.is_file() and stamp.read_text() == digest:
        return
    _say(f"Installing clients of the service into build/clients/{name} …")
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        fill(folder, lock)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = f"the clients in {name} could not be installed: {_why(error)}"
        (folder / _REASON).write_text(reason)
        _say(reason)
    else:
        stamp.write_text(digest)
        _say(f"… in {time.monotonic() - began:.0f} s")


def _python(folder: Path, lock: Path) -> None:
    _run(sys.executable, "-m", "venv", str(folder))
    _run(str(folder / "bin" / "python"), *_PIP, "--require-hashes", "-r", str(lock))


def _node(folder: Path, lock: Path) -> None:
    """No package runs a script of its own, but opencode's, which puts its program in place."""
    for file in (lock, lock.with_name("package.json")):
        shutil.copy(file, folder)
    # `npm ci` would want the programs of every platform in the lock; Kilo's are not all published.
    _run(*_NPM, "install", "--ignore-scripts", cwd=folder)
    if (folder / "node_modules" / "opencode-ai").is_dir():
        _run(*_NPM, "rebuild", "opencode-ai", cwd=folder)


_SETS: Final[Mapping[str, tuple[str, Callable[[Path, Path], None]]]] = {
    "python": ("python.lock", _python),
    "aider": ("aider.lock", _python),
    "npm": ("npm/package-lock.json", _node),
    "cline": ("cline/package-lock.json", _node),
    "redocly": ("redocly/package-lock.json", _node),
}


def _run(*command: str, cwd: Path | None = None) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
