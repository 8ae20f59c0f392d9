"""What is installed: the metadata, the command, and, beside the wheel, what is in it."""

import subprocess
import sys
import sysconfig
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest

import service
from service.cli.main import main
from service.database import alembic_config

PACKAGE = Path(service.__file__).parent
SITE = Path(sysconfig.get_path("purelib"))


@pytest.fixture
def wheel() -> Path:
    """The folder that the wheel was installed into."""
    if PACKAGE.parent != SITE:
        pytest.skip(f"the checkout is under test, not the wheel: {PACKAGE}; see make test-wheel")
    return SITE


def test_the_distribution_tells_what_it_is() -> None:
    metadata = distribution("model-catalog").metadata

    assert metadata["Version"] == service.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Summary"]


def test_the_console_script_is_the_command_line() -> None:
    [script] = entry_points(group="console_scripts", name="model-catalog")

    assert script.load() is main


def test_the_console_script_and_the_module_are_the_same() -> None:
    script = Path(sysconfig.get_path("scripts")) / "model-catalog"

    by_script = subprocess.run([script, "--version"], capture_output=True, check=True)
    by_module = subprocess.run(
        [sys.executable, "-m", "service", "--version"], capture_output=True, check=True
    )

    assert by_script.stdout == by_module.stdout == f"model-catalog {service.__version__}\n".encode()


def test_the_migrations_are_found_wherever_the_service_is() -> None:
    folder = Path(alembic_config().get_main_option("script_location") or "")

    assert (folder / "env.py").is_file()
    assert list((folder / "versions").glob("*.py"))


def test_the_wheel_holds_the_migrations(wheel: Path) -> None:
    assert (wheel / "service" / "migrations" / "env.py").is_file()
    assert list((wheel / "service" / "migrations" / "versions").glob("*.py"))


def test_the_wheel_holds_what_pages_are_made_of(wheel: Path) -> None:
    pages = wheel / "service" / "pages"
    files = {file.name for file in pages.rglob("*") if file.suffix in {".html", ".css", ".svg"}}

    assert files >= {"base.html", "reference.html", "site.css", "icon.svg"}


def test_the_wheel_holds_nothing_but_the_service(wheel: Path) -> None:
    files = [str(file) for file in distribution("model-catalog").files or []]

    tops = {file.partition("/")[0] for file in files if not file.startswith("..")}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"service"}
    assert not [file for file in files if "fixtures" in file or "tests" in file]
