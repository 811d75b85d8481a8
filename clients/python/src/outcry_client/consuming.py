"""The commands that read a queue."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_binary_event

from .consumer import EXCHANGE, PREFETCH, Consumer
from .event import Event
from .link import linked

Show = Callable[[Mapping[str, Any]], None]


async def consume(url: str, queue: str, topics: Sequence[str], count: int, show: Show) -> None:
    """Settles `count` messages of the queue; none only makes it."""

    async def handle(event: Event) -> None:
        """The program only shows what it got, after it was acknowledged."""

    consumer = Consumer(url, queue, topics)
    if count == 0:
        await consumer.declare()
    await consumer.run(handle, count=count, settled=lambda event: show(event.to_json()))


async def cloudevents(url: str, queue: str, topics: Sequence[str], count: int, show: Show) -> None:
    """Reads messages with the official SDK of CloudEvents, without anything of ours."""
    async with linked(url, EXCHANGE, [queue], topics) as link:
        if count > 0:
            await link.start(min(count, PREFETCH))
        for _ in range(count):
            message = await link.take()
            headers = {name: str(value) for name, value in message.headers.items()}
            # The headers hold every attribute, as in binary mode. The SDK reads structured bodies
            # as JSON only, and would try that because of the content type.
            event = from_binary_event(RabbitMQMessage(headers, message.content_type, message.body))
            show({name: _shown(value) for name, value in sorted(event.get_attributes().items())})
            await link.acknowledge(message)


def _shown(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
