"""One connection to RabbitMQ with a queue of one's own, as long as it lasts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ChannelAccessRefused, ConnectionNotAllowed, InvalidFrameError
from yarl import URL

ANSWER_SECONDS = 10.0
"""Within which the broker answers: connecting, declaring, confirming."""

HEARTBEAT_SECONDS = 15
"""A broker that said nothing for some of these is not there any more."""

CLOSING_SECONDS = 2.0
"""For a goodbye to the broker. It notices by itself, too."""

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class ConsumerError(Exception):
    """The consumer cannot go on, and says what to do."""


class LinkBroken(Exception):
    """The connection is lost; another one may do."""


@dataclass(slots=True)
class Link:
    """Takes messages one after another, in the order of the queue."""

    channel: AbstractChannel
    queue: AbstractQueue
    deliveries: asyncio.Queue[AbstractIncomingMessage | None] = field(default_factory=asyncio.Queue)
    """Bounded by the prefetch. None is their end."""

    async def start(self, prefetch: int) -> None:
        """Has the broker deliver, so many ahead."""
        await _asked(self._start(prefetch))

    async def _start(self, prefetch: int) -> None:
        await self.channel.set_qos(prefetch)
        self.channel.close_callbacks.add(self._end)
        # Somebody deleted the queue: the channel stays, and nothing would ever come.
        (await self.channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(self._end)
        await self.queue.consume(self.deliveries.put)

    def _end(self, *_: object) -> None:
        self.deliveries.put_nowait(None)

    async def take(self) -> AbstractIncomingMessage:
        """The next message. It must be acknowledged."""
        message = await self.deliveries.get()
        if message is None:
            raise LinkBroken("the broker ended the deliveries")
        return message

    async def acknowledge(self, message: AbstractIncomingMessage) -> None:
        """The message is done with."""
        await _asked(message.ack())

    async def put_aside(
        self, message: AbstractIncomingMessage, headers: Mapping[str, Any], queue: str
    ) -> None:
        """Has a copy of the message kept in another queue, and waits for the word that it is."""
        copy = aio_pika.Message(
            message.body,
            headers=dict(headers),
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            priority=message.priority,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
            message_id=message.message_id,
            timestamp=message.timestamp,
            type=message.type,
            app_id=message.app_id,
        )
        exchange = self.channel.default_exchange
        await _asked(exchange.publish(copy, queue, mandatory=True, timeout=ANSWER_SECONDS))


@asynccontextmanager
async def linked(
    url: str, exchange: str, queues: Sequence[str], topics: Sequence[str]
) -> AsyncIterator[Link]:
    """Declares the queues, and binds the first one: the link's."""
    address = URL(url)
    if address.scheme not in ("amqp", "amqps") or not address.host:
        raise ConsumerError("write RabbitMQ's address as amqp://user:password@host:port/%2f")
    if "heartbeat" not in address.query:
        address = address.update_query(heartbeat=HEARTBEAT_SECONDS)
    connection = await _asked(aio_pika.connect(address, timeout=ANSWER_SECONDS))
    try:
        # A message that no queue took is an error, not a silent loss.
        channel = connection.channel(publisher_confirms=True, on_return_raises=True)
        await _asked(channel.initialize(timeout=ANSWER_SECONDS))
        yield Link(channel, await _asked(_bound(channel, exchange, queues, topics)))
    finally:
        await _quietly(connection.close())


async def _bound(channel, exchange, queues, topics) -> AbstractQueue:
    source = await _existing(channel, exchange)
    declared = [await channel.declare_queue(name, durable=True) for name in queues]
    for topic in topics:
        await declared[0].bind(source, topic)
    return declared[0]


async def _existing(channel, exchange: str):
    """Looks, and does not declare: a platform that is not there is not made up."""
    try:
        return await channel.declare_exchange(exchange, "topic", passive=True)
    except ChannelNotFoundEntity as error:
        raise ConsumerError(
            f"there is no exchange {exchange!r}: start the platform with this RabbitMQ first, "
            "and look at host and virtual host of the address"
        ) from error


async def _asked(answer: Awaitable[Answer]) -> Answer:
    """The broker's answer, in time."""
    try:
        return await asyncio.wait_for(answer, ANSWER_SECONDS)
    except (AuthenticationError, ProbableAuthenticationError) as error:
        raise ConsumerError("RabbitMQ refuses user and password of the address") from error
    except (ChannelAccessRefused, ConnectionNotAllowed) as error:
        raise ConsumerError(f"RabbitMQ does not permit that: {error}") from error
    except InvalidFrameError as error:
        # It closes the connection where it should open the virtual host.
        raise ConsumerError(
            "RabbitMQ does not open the virtual host: look at the end of the address, and whether "
            "the user may use it"
        ) from error
    except ChannelPreconditionFailed as error:
        raise ConsumerError(f"the queue exists with other properties: {error}") from error
    except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
        raise LinkBroken(str(error) or type(error).__name__) from error


async def _quietly(closing: Awaitable[None]) -> None:
    try:
        await asyncio.wait_for(closing, CLOSING_SECONDS)
    except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
        log.debug("closing: %s", error)
