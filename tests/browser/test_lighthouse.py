"""Lighthouse on the page of all models, with a real gateway's list: a phone of the middle kind."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.browser.harness import Site, absence, chromium, module, node, open_site
from tests.browser.install import PROGRAMS

AT_LEAST: Final = 95
RUNS: Final = 3
JUDGED: Final = ("performance", "accessibility", "best-practices")
FLAGS: Final = (
    "--headless=new --no-sandbox --disable-quic --disable-sync --disable-component-update"
)


@pytest.fixture
def real(captures: Path, tmp_path: Path) -> Iterator[Site]:
    if why := absence() or PROGRAMS.absence("npm"):
        pytest.skip(why)
    with open_site(captures / "kilo-2026-07-28.json", tmp_path) as opened:
        yield opened


def test_lighthouse_has_little_to_say(real: Site, tmp_path: Path) -> None:
    """Speed is that of the best of three runs: a slow moment of the machine is not the page's."""
    first = scores(real, tmp_path)
    speeds = [first["performance"]]
    while max(speeds) < AT_LEAST and len(speeds) < RUNS:
        speeds.append(scores(real, tmp_path)["performance"])

    found = {**first, "performance": max(speeds)}

    print(found, speeds)  # noqa: T201 — with `-s`, a figure for people
    assert min(found.values()) >= AT_LEAST, (found, first)


def scores(real: Site, home: Path) -> dict[str, float]:
    done = subprocess.run(
        [
            *(node(), module("lighthouse") / "cli" / "index.js", f"{real.url}/"),
            *("--quiet", "--output=json", f"--only-categories={','.join(JUDGED)}"),
            f"--chrome-flags={FLAGS}",
        ],
        env={
            **os.environ,
            "HOME": str(home),
            "CHROME_PATH": str(chromium()),
            "CI": "true",  # asks nobody whether mistakes may be reported
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=100,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return {name: 100 * said["categories"][name]["score"] for name in JUDGED}
