"""The client against a running platform: `OUTCRY_ADDRESS` says where."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import grpc
import pytest

from outcry.orders.v1.order_service_pb2 import Order
from outcry.orders.v1.types_pb2 import OrderStatus, OrderTerms, OrderType, Side, TimeInForce
from outcry_client.client import Client
from outcry_client.errors import CallError
from outcry_client.money import money
from outcry_client.trading import trade
from way import Way

WAIT_SECONDS = 60.0
PASSWORD = "only for tests"


def somebody() -> str:
    return f"python-{uuid.uuid4()}@outcry.example"


@asynccontextmanager
async def signed_in(address: str) -> AsyncIterator[Client]:
    async with asyncio.timeout(WAIT_SECONDS), Client(address) as client:
        email = somebody()
        await client.register(email, PASSWORD, "Python")
        await client.sign_in(email, PASSWORD)
        yield client


def far(quantity: int = 1) -> OrderTerms:
    """Rests, or is rejected for want of funds: both make updates."""
    return OrderTerms(
        symbol="MSFT",
        side=Side.SIDE_BUY,
        type=OrderType.ORDER_TYPE_LIMIT,
        quantity=quantity,
        limit_price=money("1"),
        time_in_force=TimeInForce.TIME_IN_FORCE_DAY,
    )


def test_a_customer_trades(variable):
    seen = asyncio.run(trade(variable("OUTCRY_ADDRESS"), (somebody(), PASSWORD), "MSFT", 1, None))
    assert (seen["status"], seen["quantity"]) == ("FILLED", "1")
    assert seen["updates"][0] == "order.created"
    assert seen["updates"][-1] == "order.filled"
    assert seen["refusal"]["code"] == "INVALID_ARGUMENT"
    assert [each["field"] for each in seen["refusal"]["violations"]] == ["terms.quantity"]


def test_the_same_request_is_answered_the_same(variable):
    async def story() -> None:
        async with signed_in(variable("OUTCRY_ADDRESS")) as client:
            request_id = str(uuid.uuid4())
            first = await client.place(far(), request_id=request_id)
            again = await client.place(far(), request_id=request_id)
            assert again.order_id == first.order_id
            with pytest.raises(CallError) as refused:
                await client.place(far(quantity=2), request_id=request_id)
            assert refused.value.reason == "REQUEST_ID_REUSED"

    asyncio.run(story())


def test_a_token_is_changed_before_it_ends(variable):
    async def story() -> None:
        async with signed_in(variable("OUTCRY_ADDRESS")) as client:
            old = client._tokens.access_token
            client._refresh_at = 0.0
            await asyncio.gather(*(client.available() for _ in range(5)))
            assert client._tokens.access_token != old
            assert client._refresh_at > 0.0

    asyncio.run(story())


def test_what_may_be_repeated_is_and_nothing_else(variable):
    async def story() -> None:
        async with Way(variable("OUTCRY_ADDRESS")) as way, signed_in(way.url) as client:
            way.turned_away = 2
            way.cut()
            assert await client.available() == 0
            assert way.turned_away == 0

            way.turned_away = 2
            way.cut()
            with pytest.raises(CallError) as lost:
                await client.sign_in(somebody(), PASSWORD)
            assert lost.value.code is grpc.StatusCode.UNAVAILABLE

    asyncio.run(story())


def test_updates_go_on_after_a_lost_connection_without_gap_or_repeat(variable):
    async def story() -> None:
        async with Way(variable("OUTCRY_ADDRESS")) as way, signed_in(way.url) as client:
            orders = []
            seen: list[tuple[int, str, Order]] = []
            async with aclosing(client.order_updates()) as updates:
                for _ in range(3):
                    orders.append((await client.place(far())).order_id)
                    async for update in updates:
                        seen.append((update.sequence, update.order.order_id))
                        final = update.order.status == OrderStatus.ORDER_STATUS_REJECTED
                        if final and update.topic == "order.rejected":
                            break
                    way.cut()
            assert [sequence for sequence, _ in seen] == list(range(1, len(seen) + 1))
            assert list(dict.fromkeys(order for _, order in seen)) == orders

    asyncio.run(story())


def test_nobody_calls_without_signing_in(variable):
    async def story() -> None:
        async with Client(variable("OUTCRY_ADDRESS")) as client:
            with pytest.raises(CallError, match="sign in first"):
                await client.available()

    asyncio.run(story())


@pytest.mark.parametrize("address", ["127.0.0.1:7400", "ftp://outcry", ""])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="no address"):
        Client(address)
