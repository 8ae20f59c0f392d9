"""Install the clients: `python -m tests.clients.install`, which `make test-clients` does."""

import sys
from pathlib import Path
from typing import Final

from tests.sets import Sets, environment, node, rebuilt

CLIENTS: Final = Sets(
    "clients",
    Path(__file__).parent,
    {
        "python": ("python.lock", environment),
        "aider": ("aider.lock", environment),
        "npm": ("npm/package-lock.json", rebuilt("opencode-ai")),
        "cline": ("cline/package-lock.json", node),
        "redocly": ("redocly/package-lock.json", node),
    },
)


if __name__ == "__main__":
    sys.exit(CLIENTS.install())
