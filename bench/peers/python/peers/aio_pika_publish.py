"""Publishes with aio-pika: persistent, mandatory, with publisher confirms."""

import argparse

import aio_pika

from .publishing import publish_round
from .rounds import rounds, tell


async def main(given: argparse.Namespace) -> None:
    body = b"x" * given.body_bytes
    connection = await aio_pika.connect_robust(given.amqp)
    async with connection:
        # A message that no queue takes raises, so that it cannot be taken for delivered.
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(given.exchange, ensure=False)

        async def publish(message_id: str) -> None:
            message = aio_pika.Message(
                body,
                message_id=message_id,
                content_type="application/protobuf",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await exchange.publish(message, given.routing_key, mandatory=True)

        async for _ in rounds("aio-pika"):
            tell(await publish_round(publish, given.count, given.in_flight))
