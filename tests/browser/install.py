"""Install what drives and judges the pages: `python -m tests.browser.install`.

The browser itself is the machine's own: none is downloaded.
"""

import sys
from pathlib import Path
from typing import Final

from tests.sets import Sets, node, packages

PROGRAMS: Final = Sets(
    "browser",
    Path(__file__).parent,
    {
        "python": ("python.lock", packages),
        "npm": ("npm/package-lock.json", node),
    },
)


if __name__ == "__main__":
    sys.exit(PROGRAMS.install())
