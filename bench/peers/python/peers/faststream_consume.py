"""Consumes with FastStream over RabbitMQ through an inbox, with manual acknowledgement."""

import argparse

from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage

from . import inbox
from .rounds import rounds, tell


async def main(given: argparse.Namespace) -> None:
    # No logger: the library's writes to stdout, which is the driver's.
    async with (
        RabbitBroker(given.amqp, logger=None) as broker,
        inbox.connect(given.postgres) as pool,
    ):
        messages = inbox.Inbox(pool)
        # Handlers run at the same time, as many as prefetch lets through.
        subscriber = broker.subscriber(
            RabbitQueue(given.queue, declare=False),
            channel=Channel(prefetch_count=given.prefetch),
            ack_policy=AckPolicy.MANUAL,
        )

        @subscriber
        async def handle(body: bytes, message: RabbitMessage) -> None:
            await messages.take(message.message_id, body, message.ack)

        async for _ in rounds("faststream"):
            messages.begin_round(given.count)
            # Started only now, and stopped after: a round's messages are there before its clock.
            await subscriber.start()
            tell(await messages.end_round())
            await subscriber.stop()
