"""The command that trades: what a customer's program does, from signing in to being refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import ROUND_CEILING, Decimal
from typing import Any

import grpc

from outcry.orders.v1 import order_service_pb2 as orders
from outcry.orders.v1.types_pb2 import (
    CancelReason,
    OrderStatus,
    OrderTerms,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
)
from outcry.trades.v1 import trade_service_pb2 as trades

from .client import Client
from .errors import CallError
from .money import decimal, money, text

DEPOSIT = 1000
"""What is deposited, when less is available."""

WAIT_SECONDS = 60.0
"""For the provider's capture, and for the order to be filled."""

POLL_SECONDS = 0.2
"""Between two looks at the balance."""

FAR = Decimal("0.5")
"""Of the price, at most: so low a buy rests. Where there is a band, nine tenths of its way."""

TRADES = trades.DESCRIPTOR.services_by_name["TradeService"]

_FINAL = {
    OrderStatus.ORDER_STATUS_FILLED,
    OrderStatus.ORDER_STATUS_CANCELLED,
    OrderStatus.ORDER_STATUS_REJECTED,
    OrderStatus.ORDER_STATUS_EXPIRED,
}
"""The venue's answer shows an order so first; the event of the order itself comes after it."""

_OF_ORDERS = "order."

_NOT_READY = "ACCOUNT_NOT_READY"
"""Why a new user's balance cannot be told yet."""

_TOO_EARLY = {
    RejectReason.REJECT_REASON_ACCOUNT_NOT_READY,
    RejectReason.REJECT_REASON_PORTFOLIO_NOT_OPEN,
}
"""Why a new user's order is turned down when the account is still being opened."""


async def trade(
    address: str, who: tuple[str, str], symbol: str, quantity: int, limit: str | None
) -> dict[str, Any]:
    """Buys, and tells what was seen on the way."""
    async with Client(address) as client:
        await _sign_in(client, *who)
        async with asyncio.timeout(WAIT_SECONDS):
            await _fund(client)
        async with asyncio.timeout(WAIT_SECONDS):
            placed = await _place(client, _buy(symbol, quantity, limit))
        async with asyncio.timeout(WAIT_SECONDS), aclosing(client.order_updates()) as updates:
            topics, order = await _follow(updates, placed.order_id)
        if order.status != OrderStatus.ORDER_STATUS_FILLED:
            why = order.message or CancelReason.Name(order.cancel_reason)
            raise ValueError(f"the order ended {_status(order)}: {why}")
        return {
            "order_id": order.order_id,
            "status": _status(order),
            "quantity": str(order.cumulative_quantity),
            "average_price": text(order.average_price),
            "updates": topics,
            "cancelled": await _cancel_far_away(client, symbol, decimal(order.average_price)),
            "refusal": await _refusal(client, symbol),
        }


async def _sign_in(client: Client, email: str, password: str) -> None:
    try:
        await client.sign_in(email, password)
    except CallError as refused:
        if refused.code is not grpc.StatusCode.UNAUTHENTICATED:
            raise
        # The platform does not tell which of the two is wrong; registering shows it.
        try:
            await client.register(email, password, email.partition("@")[0])
        except CallError as error:
            raise refused if error.code is grpc.StatusCode.ALREADY_EXISTS else error from None
        await client.sign_in(email, password)


async def _fund(client: Client) -> None:
    if await _available(client) >= DEPOSIT:
        return
    await client.deposit(DEPOSIT)
    while await client.available() < DEPOSIT:  # noqa: ASYNC110 (nothing here could tell)
        await asyncio.sleep(POLL_SECONDS)


async def _available(client: Client) -> Decimal:
    """The cash that is available, once the account of a new user is open."""
    while True:
        try:
            return await client.available()
        except CallError as error:
            if error.reason != _NOT_READY:
                raise
        await asyncio.sleep(POLL_SECONDS)


async def _place(client: Client, terms: OrderTerms) -> orders.Order:
    """Places an order, anew as long as the account of a new user is being opened."""
    while True:
        order = await client.place(terms)
        if order.reject_reason not in _TOO_EARLY:
            return order
        await asyncio.sleep(POLL_SECONDS)


async def _follow(
    updates: AsyncIterator[orders.StreamOrderUpdatesResponse], order_id: str
) -> tuple[list[str], orders.Order]:
    """The topics of the order's updates, and how it ended."""
    topics = []
    async for update in updates:
        if update.order.order_id == order_id:
            topics.append(update.topic)
            if update.order.status in _FINAL and update.topic.startswith(_OF_ORDERS):
                return topics, update.order
    raise ValueError("the updates ended before the order")


async def _cancel_far_away(client: Client, symbol: str, price: Decimal) -> str:
    """Places an order that nobody meets, and cancels it."""
    listed = await client.call(TRADES, "ListInstruments", trades.ListInstrumentsRequest())
    instrument = next(each for each in listed.instruments if each.symbol == symbol)
    order = await client.place(_buy(symbol, 1, str(_far_below(price, instrument))))
    cancelled = await client.cancel(order.order_id)
    if cancelled.status != OrderStatus.ORDER_STATUS_CANCELLED:
        raise ValueError(f"the order far from the market is {_status(cancelled)}")
    return cancelled.order_id


def _far_below(price: Decimal, instrument: trades.Instrument) -> Decimal:
    """As far below the price as the instrument's band lets a limit be, on a tick."""
    below = FAR
    if instrument.band_bps:
        below = min(FAR, Decimal(instrument.band_bps) / 10_000 * Decimal("0.9"))
    tick = decimal(instrument.tick)
    return ((price * (1 - below)) / tick).to_integral_value(ROUND_CEILING) * tick


async def _refusal(client: Client, symbol: str) -> dict[str, Any]:
    """What an order of nothing is answered with."""
    try:
        order = await client.place(_buy(symbol, 0, None))
    except CallError as error:
        violations = [{"field": each.field, "rule": each.rule} for each in error.violations]
        return {"code": error.code.name, "reason": error.reason, "violations": violations}
    raise ValueError(f"an order of nothing was taken: {_status(order)}")


def _buy(symbol: str, quantity: int, limit: str | None) -> OrderTerms:
    kind = OrderType.ORDER_TYPE_MARKET if limit is None else OrderType.ORDER_TYPE_LIMIT
    return OrderTerms(
        symbol=symbol,
        side=Side.SIDE_BUY,
        type=kind,
        quantity=quantity,
        limit_price=None if limit is None else money(limit),
        time_in_force=TimeInForce.TIME_IN_FORCE_DAY,
    )


def _status(order: orders.Order) -> str:
    return OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")
