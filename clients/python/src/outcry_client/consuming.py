"""The commands that read a queue."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .consumer import Consumer
from .event import Event


async def consume(
    url: str,
    queue: str,
    topics: Sequence[str],
    count: int,
    show: Callable[[Mapping[str, Any]], None],
) -> None:
    """Settles `count` messages of the queue."""

    async def handle(event: Event) -> None:
        """The program only shows what it got, after it was acknowledged."""

    consumer = Consumer(url, queue, topics)
    await consumer.run(handle, count=count, settled=lambda event: show(event.to_json()))
