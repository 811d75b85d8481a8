"""Events as the platform makes them."""

import os
from collections.abc import Callable

import pytest
from google.protobuf.message import Message

from outcry.events.v1.envelope_pb2 import EventEnvelope
from outcry.orders.v1.events_pb2 import OrderFilledEvent
from outcry.orders.v1.types_pb2 import OrderStatus, Side
from outcry.types.v1.money_pb2 import Money

ORDER = "0192f0c0-0000-7000-8000-000000000001"
USER = "0192f0c0-0000-7000-8000-000000000002"
FLOW = "0192f0c0-0000-7000-8000-000000000003"


def event_id(number: int) -> str:
    return f"0192f0c0-0000-7000-8000-{number:012x}"


def filled(**changes) -> OrderFilledEvent:
    price = Money(currency_code="USD", units=100, nanos=250_000_000)
    fields = {
        "order_id": ORDER,
        "user_id": USER,
        "symbol": "MSFT",
        "side": Side.SIDE_BUY,
        "last_quantity": 1,
        "last_price": price,
        "cumulative_quantity": 1,
        "average_price": price,
        "status": OrderStatus.ORDER_STATUS_FILLED,
        "execution_id": "match-1",
    }
    return OrderFilledEvent(**fields | changes)


def enveloped(payload: Message, **changes) -> EventEnvelope:
    fields = {
        "event_id": event_id(1),
        "source": "/orders",
        "spec_version": "1.0",
        "event_type": "order.filled",
        "schema_version": 1,
        "aggregate_type": "order",
        "aggregate_id": ORDER,
        "aggregate_sequence": 3,
        "correlation_id": FLOW,
        "partition_key": ORDER,
    }
    envelope = EventEnvelope(**fields | changes)
    envelope.occurred_at.seconds = 1_790_000_000
    envelope.payload.Pack(payload)
    return envelope


@pytest.fixture
def variable() -> Callable[[str], str]:
    """An address from the environment; without it, a test against the platform does not run."""

    def read(name: str) -> str:
        value = os.environ.get(name)
        if not value:
            pytest.skip(f"{name} is not set")
        return value

    return read
