"""Consumes events from RabbitMQ and settles each of them: handled, ignored or put aside."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from aio_pika.abc import AbstractIncomingMessage

from . import backoff
from .contract import Contract
from .event import Action, Event, Judge, UnknownTypes, dead_headers
from .link import ConsumerError, Link, LinkBroken, linked
from .memory import Memory, RecentIds

EXCHANGE = "outcry.events"
"""Where the platform publishes."""

PREFETCH = 64
"""Messages that wait here at most. With more, a slow consumer only holds back what others of the
same queue could do; with few, each message waits for the broker."""

FAILURES_MAX = 35
"""In a row without a settled message, two minutes in all, longer than a restart of RabbitMQ takes:
what has not come back by then needs somebody to look at it."""

log = logging.getLogger(__name__)


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
        judge = Judge(self.contract, self.memory, self.unknown)
        done = failures = 0
        while count is None or done < count:
            try:
                async with self._linked() as link:
                    left = self.prefetch if count is None else count - done
                    await link.start(min(self.prefetch, left))
                    while count is None or done < count:
                        settled(await self._settle(link, judge, await link.take(), handle))
                        done, failures = done + 1, 0
            except LinkBroken as broken:
                failures += 1
                if failures >= FAILURES_MAX:
                    raise ConsumerError(
                        f"RabbitMQ was not there {failures} times in a row: {broken}"
                    ) from broken
                log.warning("connection to RabbitMQ lost, trying again: %s", broken)
                await asyncio.sleep(backoff.seconds(failures))

    async def declare(self) -> None:
        """Makes the queues and binds them, so that nothing is missed from now on."""
        try:
            async with self._linked():
                pass
        except LinkBroken as broken:
            raise ConsumerError(f"RabbitMQ was not there: {broken}") from broken

    def _linked(self) -> AbstractAsyncContextManager[Link]:
        return linked(self.url, self.exchange, (self.queue, self.dead_queue), self.topics)

    async def _settle(
        self,
        link: Link,
        judge: Judge,
        message: AbstractIncomingMessage,
        handle: Callable[[Event], Awaitable[None]],
    ) -> Event:
        event = await judge.judge(message.body, message.headers, message.routing_key or "")
        if event.action is Action.HANDLED:
            await handle(event)
            await self.memory.add(event.event_id)
        elif event.action is Action.DEAD:
            # First there, then not here: between the two it is in both, never in none.
            headers = dead_headers(event, message.headers, self.queue)
            await link.put_aside(message, headers, self.dead_queue)
            log.warning("put aside %r in %s: %s", event.event_id, self.dead_queue, event.reason)
        await link.acknowledge(message)
        return event
