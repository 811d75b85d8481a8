"""Against a running platform: `OUTCRY_AMQP` and `OUTCRY_ADDRESS` say where."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest

from conftest import enveloped, event_id, filled
from outcry.orders.v1.order_service_pb2 import Order
from outcry_client.consumer import Consumer
from outcry_client.contract import Contract
from outcry_client.event import Action, Event, Reason
from outcry_client.link import ConsumerError
from way import Way

WAIT_SECONDS = 30.0


class Broker:
    """Sends to one queue and looks into it."""

    def __init__(self, url: str, channel, queue: str) -> None:
        self.url, self.channel, self.queue = url, channel, queue

    async def send(self, body: bytes, **headers: str) -> None:
        message = aio_pika.Message(body, headers=headers, message_id="as it was", type="t")
        await self.channel.default_exchange.publish(message, self.queue)

    async def take(self, queue: str):
        return await (await self.channel.get_queue(queue)).get(timeout=WAIT_SECONDS, no_ack=True)

    async def consume(self, count: int, handle=None, **options) -> list[Event]:
        async def nothing(event: Event) -> None:
            pass

        events: list[Event] = []
        consumer = Consumer(self.url, self.queue, ["python.nothing"], **options)
        async with asyncio.timeout(WAIT_SECONDS):
            await consumer.run(handle or nothing, count=count, settled=events.append)
        return events


@asynccontextmanager
async def broker(url: str) -> AsyncIterator[Broker]:
    connection = await aio_pika.connect(url, timeout=WAIT_SECONDS)
    name = f"python.test.{uuid.uuid4()}"
    channel = await connection.channel()
    try:
        await channel.declare_queue(name, durable=True)
        yield Broker(url, channel, name)
    finally:
        for queue in (name, f"{name}.dead"):
            await channel.queue_delete(queue)
        await connection.close()


def body(envelope) -> bytes:
    return envelope.SerializeToString()


def test_every_message_is_settled_as_it_deserves(variable):
    async def story() -> None:
        async with broker(variable("OUTCRY_AMQP")) as rabbit:
            good = body(enveloped(filled()))
            own = Contract.own().event("outcry.orders.v1.OrderFilledEvent").fingerprint
            broken = body(enveloped(filled(last_quantity=0), event_id=event_id(2)))
            await rabbit.send(good, **{"outcry-schema": own})
            await rabbit.send(good)
            await rabbit.send(broken, **{"ce-id": "kept"})
            await rabbit.send(body(enveloped(Order(), event_id=event_id(3))))
            await rabbit.send(body(enveloped(filled(), event_id=event_id(4), schema_version=2)))
            await rabbit.send(b"no envelope")
            events = await rabbit.consume(6)

            assert [(each.action, each.reason) for each in events] == [
                (Action.HANDLED, None),
                (Action.DUPLICATE, None),
                (Action.DEAD, Reason.INVALID),
                (Action.IGNORED, None),
                (Action.DEAD, Reason.NEWER_SCHEMA),
                (Action.DEAD, Reason.UNREADABLE),
            ]
            assert [each.schema for each in events[:2]] == ["same", "unknown"]
            dead = await rabbit.take(f"{rabbit.queue}.dead")
            assert dead.body == broken
            assert (dead.message_id, dead.type) == ("as it was", "t")
            assert dead.headers == {
                "ce-id": "kept",
                "outcry-reason": "INVALID",
                "outcry-rules": "payload.last_quantity int64.gte_lte",
                "outcry-queue": rabbit.queue,
            }
            await rabbit.take(f"{rabbit.queue}.dead")
            assert (await rabbit.take(f"{rabbit.queue}.dead")).body == b"no envelope"

    asyncio.run(story())


def test_what_a_handler_could_not_do_comes_again(variable):
    async def story() -> None:
        async with broker(variable("OUTCRY_AMQP")) as rabbit:
            await rabbit.send(body(enveloped(filled())))

            async def fail(event: Event) -> None:
                raise RuntimeError("no room")

            with pytest.raises(RuntimeError, match="no room"):
                await rabbit.consume(1, fail)
            assert [each.action for each in await rabbit.consume(1)] == [Action.HANDLED]

    asyncio.run(story())


def test_a_lost_connection_is_taken_up_again(variable):
    async def story() -> None:
        url = variable("OUTCRY_AMQP")
        async with broker(url) as rabbit, Way(url) as way:
            for number in (1, 2, 3):
                await rabbit.send(body(enveloped(filled(), event_id=event_id(number))))

            handled, settled, finished = [], [], asyncio.Event()

            async def cut(event: Event) -> None:
                handled.append(event.event_id)
                if event.event_id == event_id(2):
                    way.cut()

            def told(event: Event) -> None:
                settled.append((event.event_id, event.action))
                if event.event_id == event_id(3):
                    finished.set()

            consumer = Consumer(way.url, rabbit.queue, ["python.nothing"])
            run = asyncio.create_task(consumer.run(cut, settled=told))
            try:
                await asyncio.wait_for(finished.wait(), WAIT_SECONDS)
            finally:
                run.cancel()
                await asyncio.wait([run])
            # The acknowledgement of the second went nowhere: it came again, and was recognised.
            assert handled == [event_id(1), event_id(2), event_id(3)]
            assert (event_id(2), Action.DUPLICATE) in settled

    asyncio.run(story())


def test_what_comes_after_the_queues_were_declared_is_not_missed(variable):
    async def story() -> None:
        async with broker(variable("OUTCRY_AMQP")) as rabbit:
            await rabbit.channel.queue_delete(rabbit.queue)
            await Consumer(rabbit.url, rabbit.queue, ["python.nothing"]).declare()
            await rabbit.send(body(enveloped(filled())))
            assert [each.action for each in await rabbit.consume(1)] == [Action.HANDLED]

    asyncio.run(story())


def test_a_queue_that_was_deleted_is_made_again(variable):
    async def story() -> None:
        async with broker(variable("OUTCRY_AMQP")) as rabbit:
            await rabbit.send(body(enveloped(filled())))

            async def delete(event: Event) -> None:
                await rabbit.channel.queue_delete(rabbit.queue)
                await rabbit.channel.declare_queue(rabbit.queue, durable=True)
                await rabbit.send(body(enveloped(filled(), event_id=event_id(2))))

            events = await rabbit.consume(2, Once(delete))
            assert [each.event_id for each in events] == [event_id(1), event_id(2)]

    asyncio.run(story())


class Once:
    """Does something with the first event only."""

    def __init__(self, do) -> None:
        self._do = do

    async def __call__(self, event: Event) -> None:
        do, self._do = self._do, None
        if do is not None:
            await do(event)


def test_an_exchange_that_is_not_there_is_named(variable):
    async def story() -> None:
        async with broker(variable("OUTCRY_AMQP")) as rabbit:
            with pytest.raises(ConsumerError, match=r"no exchange 'python\.nowhere'"):
                await rabbit.consume(1, exchange="python.nowhere")

    asyncio.run(story())


def test_a_virtual_host_that_is_not_there_ends_the_run(variable):
    async def story() -> None:
        async with broker(variable("OUTCRY_AMQP")) as rabbit:
            rabbit.url = rabbit.url.rpartition("/")[0] + "/python.nowhere"
            with pytest.raises(ConsumerError, match="virtual host"):
                await rabbit.consume(1)

    asyncio.run(story())


def test_what_is_no_address_of_rabbitmq_is_refused_without_showing_it():
    async def nothing(event: Event) -> None:
        pass

    consumer = Consumer("http://ann:secret@127.0.0.1", "python.q", ["#"])
    with pytest.raises(ConsumerError) as refused:
        asyncio.run(consumer.run(nothing))
    assert "amqp://user:password@host" in str(refused.value)
    assert "secret" not in f"{refused.value} {consumer!r}"
