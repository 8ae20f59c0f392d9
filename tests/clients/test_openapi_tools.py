"""What others make of the OpenAPI document: a linter, and a tester who asks whatever it allows."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import pytest

import fixtures
from tests.clients.conftest import Client, installed
from tests.served import serving

SCHEMATHESIS: Final = Path(sys.executable).parent / "schemathesis"
CONFIG: Final = Path(__file__).parent / "schemathesis.toml"
TOKEN: Final = "let-me-in"
QUIET: Final = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
PATIENCE_SECONDS: Final = 400
"""It takes less than a minute on a machine that has nothing else to do."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A process of its own, with a token."""
    listing = fixtures.path("kilo-2026-10-01.json")
    folder = tmp_path_factory.mktemp("openapi")
    with serving(listing, folder, MODEL_CATALOG_ADMIN_TOKEN=TOKEN) as served:
        yield served.url


@pytest.fixture
def redocly(tmp_path: Path) -> Client:
    return installed("redocly", tmp_path)


def test_a_linter_has_nothing_to_say_against_the_document(
    url: str, redocly: Client, tmp_path: Path
) -> None:
    document = tmp_path / "openapi.json"
    with urlopen(f"{url}/openapi.json") as answer:  # noqa: S310 — our own
        document.write_bytes(answer.read())

    redocly.run("redocly", "lint", str(document), "--extends", "recommended-strict", **QUIET)


@pytest.mark.timeout(PATIENCE_SECONDS)
def test_nothing_that_the_document_allows_or_forbids_is_answered_otherwise_than_it_says(
    url: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "--config-file", CONFIG, "run", f"{url}/openapi.json"),
            *("--checks", "all", "--no-color"),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    found = re.search(r"Tested: (\d+)", done.stdout)
    assert found, done.stdout
    assert int(found[1]) >= 40
