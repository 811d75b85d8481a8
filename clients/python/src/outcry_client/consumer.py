"""Consumes events from RabbitMQ and settles each of them: handled, ignored or put aside."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)
from yarl import URL

from . import backoff
from .contract import Contract
from .event import Action, Event, Judge, UnknownTypes, dead_headers
from .memory import Memory, RecentIds

EXCHANGE = "outcry.events"
"""Where the platform publishes."""

PREFETCH = 64
"""Messages that wait here at most. With more, a slow consumer only holds back what others of the
same queue could do; with few, each message waits for the broker."""

ANSWER_SECONDS = 10.0
"""Within which the broker answers: connecting, declaring, confirming."""

HEARTBEAT_SECONDS = 15
"""A broker that said nothing for some of these is not there any more."""

FAILURES_MAX = 10
"""In a row without a settled message, half a minute in all: what has not come back by then needs
somebody to look at it."""

CLOSING_SECONDS = 2.0
"""For a goodbye to the broker. It notices by itself, too."""

_LOST = (*CONNECTION_EXCEPTIONS, TimeoutError)

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class ConsumerError(Exception):
    """The consumer cannot go on, and says what to do."""


@dataclass(slots=True)
class Consumer:
    """Settles the messages of one queue, one after another, in its order."""

    url: str = field(repr=False)
    queue: str
    topics: Sequence[str]
    contract: Contract = field(default_factory=Contract.own)
    memory: Memory = field(default_factory=RecentIds)
    unknown: UnknownTypes = UnknownTypes.IGNORE
    exchange: str = EXCHANGE
    prefetch: int = PREFETCH

    @property
    def dead_queue(self) -> str:
        """Where messages are put aside."""
        return f"{self.queue}.dead"

    async def run(
        self,
        handle: Callable[[Event], Awaitable[None]],
        *,
        count: int | None = None,
        settled: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """Settles `count` messages, or goes on for ever. `handle` is called for each event that
        holds the contract and was not handled before; what it raises ends the run, and the message
        goes back to the queue. `settled` is told of every message after it was acknowledged."""
        left, failures = count, 0

        def done(event: Event) -> None:
            nonlocal left, failures
            left, failures = None if left is None else left - 1, 0
            settled(event)

        while left is None or left > 0:
            try:
                await self._connected(handle, done, left)
            except _Broken as broken:
                failures += 1
                if failures >= FAILURES_MAX:
                    raise ConsumerError(
                        f"RabbitMQ was not there {failures} times in a row: {broken}"
                    ) from broken
                log.warning("connection to RabbitMQ lost, trying again: %s", broken)
                await asyncio.sleep(backoff.seconds(failures))

    async def _connected(self, handle, done, left: int | None) -> None:
        """Until `left` messages are settled or the connection is lost."""
        address = URL(self.url)
        if "heartbeat" not in address.query:
            address = address.update_query(heartbeat=HEARTBEAT_SECONDS)
        connection = await _asked(aio_pika.connect(address, timeout=ANSWER_SECONDS))
        try:
            # A message that no queue took is an error, not a silent loss.
            opening = connection.channel(publisher_confirms=True, on_return_raises=True)
            await _asked(opening.initialize(timeout=ANSWER_SECONDS))
            deliveries = await _asked(self._subscribe(opening, left))
            judge = Judge(self.contract, self.memory, self.unknown)
            settled = 0
            while left is None or settled < left:
                message = await deliveries.get()
                if message is None:
                    raise _Broken("the broker ended the deliveries")
                done(await self._settle(opening, judge, message, handle))
                settled += 1
        finally:
            await _quietly(connection.close())

    async def _subscribe(self, channel, left: int | None) -> asyncio.Queue:
        """Declares, binds and starts the deliveries; None in their queue is the channel's end."""
        exchange = await self._exchange(channel)
        await channel.declare_queue(self.dead_queue, durable=True)
        queue = await channel.declare_queue(self.queue, durable=True)
        for topic in self.topics:
            await queue.bind(exchange, topic)
        await channel.set_qos(min(self.prefetch, left or self.prefetch))
        # Its bound is the prefetch.
        deliveries: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        ended = partial(_end, deliveries)
        channel.close_callbacks.add(ended)
        # Somebody deleted the queue: the channel stays, and nothing would ever come.
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(ended)
        await queue.consume(deliveries.put)
        return deliveries

    async def _exchange(self, channel):
        """Looks, and does not declare: a platform that is not there is not made up."""
        try:
            return await channel.declare_exchange(self.exchange, "topic", passive=True)
        except ChannelNotFoundEntity as error:
            raise ConsumerError(
                f"there is no exchange {self.exchange!r}: start the platform with this RabbitMQ "
                "first, and look at host and virtual host of the address"
            ) from error

    async def _settle(self, channel, judge: Judge, message, handle) -> Event:
        event = await judge.judge(message.body, message.headers)
        if event.action is Action.HANDLED:
            await handle(event)
            await self.memory.add(event.event_id)
        elif event.action is Action.DEAD:
            # First there, then not here: between the two it is in both, never in none.
            await _asked(self._put_aside(channel, event, message))
        await _asked(message.ack())
        return event

    async def _put_aside(self, channel, event: Event, message: AbstractIncomingMessage) -> None:
        aside = aio_pika.Message(
            message.body,
            headers=dead_headers(event, message.headers, self.queue),
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
        await channel.default_exchange.publish(
            aside, self.dead_queue, mandatory=True, timeout=ANSWER_SECONDS
        )
        log.warning("put aside %s in %s: %s", event.event_id, self.dead_queue, event.reason)


def _end(deliveries: asyncio.Queue, *_: object) -> None:
    deliveries.put_nowait(None)


class _Broken(Exception):
    """The connection is lost; another one may do."""


async def _asked(answer: Awaitable[Answer]) -> Answer:
    """The broker's answer, in time."""
    try:
        return await asyncio.wait_for(answer, ANSWER_SECONDS)
    except ConsumerError:
        raise
    except (AuthenticationError, ProbableAuthenticationError) as error:
        raise ConsumerError("RabbitMQ refuses user and password of the address") from error
    except ChannelPreconditionFailed as error:
        raise ConsumerError(f"the queue exists with other properties: {error}") from error
    except _LOST as error:
        raise _Broken(str(error) or type(error).__name__) from error


async def _quietly(closing: Awaitable[None]) -> None:
    try:
        await asyncio.wait_for(closing, CLOSING_SECONDS)
    except _LOST as error:
        log.debug("closing: %s", error)
