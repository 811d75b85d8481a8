"""Consumes with aio-pika through an inbox, with manual acknowledgement."""

import argparse

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from . import inbox
from .rounds import rounds, tell


async def main(given: argparse.Namespace) -> None:
    connection = await aio_pika.connect_robust(given.amqp)
    async with connection, inbox.connect(given.postgres) as pool:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=given.prefetch)
        queue = await channel.get_queue(given.queue, ensure=False)
        messages = inbox.Inbox(pool)

        # The library starts a task for each message: prefetch bounds how many there are.
        async def on_message(message: AbstractIncomingMessage) -> None:
            await messages.take(message.message_id, message.body, message.ack)

        async for _ in rounds("aio-pika"):
            messages.begin_round(given.count)
            consumer = await queue.consume(on_message)
            tell(await messages.end_round())
            await queue.cancel(consumer)
