"""Publishes with FastStream over RabbitMQ: persistent, mandatory, with publisher confirms."""

import argparse

from faststream.rabbit import Channel, RabbitBroker, RabbitExchange

from .publishing import publish_round
from .rounds import rounds, tell


async def main(given: argparse.Namespace) -> None:
    body = b"x" * given.body_bytes
    # A message that no queue takes raises, so that it cannot be taken for delivered.
    channel = Channel(publisher_confirms=True, on_return_raises=True)
    exchange = RabbitExchange(given.exchange, declare=False)
    # No logger: the library's writes to stdout, which is the driver's.
    async with RabbitBroker(given.amqp, default_channel=channel, logger=None) as broker:

        async def publish(message_id: str) -> None:
            await broker.publish(
                body,
                exchange=exchange,
                routing_key=given.routing_key,
                mandatory=True,
                persist=True,
                message_id=message_id,
                content_type="application/protobuf",
            )

        async for _ in rounds("faststream"):
            tell(await publish_round(publish, given.count, given.in_flight))
