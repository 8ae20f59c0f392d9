"""Answers that were made for a question: kept while there is room."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

from cachetools import LRUCache

from service.snapshot import Document

MANY_ROWS: Final = 1_000
"""From so many models on, an answer that is not there yet is made beside the event loop."""
_BESIDE_BYTES: Final = 4096
"""What an answer takes beside its body: the question, tags, what was decided about it."""


class Answers:
    """Documents by their question, which says of which catalog it is asked."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: LRUCache[Hashable, Document] = LRUCache(max_bytes, getsizeof=size_bytes)

    def get(self, asked: Hashable) -> Document | None:
        """What was made for this question."""
        return self._kept.get(asked)

    def keep(self, asked: Hashable, document: Document) -> Document:
        """Remember a document, unless it alone would fill the room."""
        if size_bytes(document) <= self._max_bytes:
            self._kept[asked] = document
        return document

    async def make(self, asked: Hashable, make: Callable[[], Document]) -> Document:
        """Make it beside the event loop, and remember it."""
        return self.keep(asked, await asyncio.to_thread(make))

    def clear(self) -> None:
        """Forget all: nobody will ask of that catalog again."""
        self._kept.clear()

    @property
    def size_bytes(self) -> int:
        """How much is kept."""
        return int(self._kept.currsize)


def size_bytes(made: Document) -> int:
    """What an answer takes while it is kept: its body, about as much compressed, and the rest."""
    return 2 * len(made.body) + _BESIDE_BYTES
