"""Which events were handled: broker and publisher may send one more than once."""

from collections import OrderedDict
from typing import Protocol

IDS_KEPT = 100_000
"""Repeats come within minutes, after a lost acknowledgement or publisher confirm; this many ids
last for a hundred events a second over a quarter of an hour, in some 20 MB."""


class Memory(Protocol):
    """Remembers handled events. One that outlives the program keeps the ids where the handler
    keeps its results, best in the same transaction."""

    async def has(self, event_id: str) -> bool:
        """Whether the event was handled."""
        ...

    async def add(self, event_id: str) -> None:
        """The event was handled."""
        ...


class RecentIds:
    """The last ids, in this process."""

    def __init__(self, kept: int = IDS_KEPT) -> None:
        if kept < 1:
            raise ValueError("a memory keeps one id at least")
        self._kept = kept
        self._ids: OrderedDict[str, None] = OrderedDict()

    async def has(self, event_id: str) -> bool:
        return event_id in self._ids

    async def add(self, event_id: str) -> None:
        self._ids[event_id] = None
        self._ids.move_to_end(event_id)
        if len(self._ids) > self._kept:
            self._ids.popitem(last=False)

    def __len__(self) -> int:
        return len(self._ids)
