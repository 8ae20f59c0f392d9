"""What every page says of what it shows. Pure, and light: whoever answers needs it, too."""

from typing import TypedDict


class About(TypedDict):
    """Facts around a page, for its template."""

    version: str
    """Of this program."""
    revision: int
    """Of the catalog that is shown; an open page listens for those after it."""
    is_stale: bool
    """Whether the last good check is too long ago."""
