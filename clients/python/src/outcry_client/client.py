"""Calls the platform: each with a deadline, repeated where the contract allows it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from outcry.funds.v1 import funds_service_pb2 as funds
from outcry.options.v1 import options_pb2 as options
from outcry.orders.v1 import order_service_pb2 as orders
from outcry.orders.v1.types_pb2 import OrderTerms
from outcry.payments.v1 import payment_service_pb2 as payments
from outcry.users.v1 import user_service_pb2 as users

from . import backoff, retry
from .errors import CallError
from .money import CURRENCY, decimal, money

ADDRESS = "http://127.0.0.1:7400"
"""The platform's public port, if nothing else is said."""

TRY_SECONDS = 10.0
"""Of one try: placing an order waits for the venue, everything else is a matter of milliseconds."""

CALL_SECONDS = 30.0
"""Of a call with all its tries: whoever called wants to know by then."""

STREAM_SECONDS = 3600.0
"""Of a stream before it is opened again, so that none hangs on for ever."""

STREAM_FAILURES_MAX = 10
"""In a row without an update, half a minute in all, before a stream is given up."""

STREAM_LASTED_SECONDS = 60.0
"""A stream that lived so long was not a failure, even if nothing was to be told."""

REFRESH_SECONDS = 60.0
"""Before its end a token is changed for a new one, or after two thirds of a shorter life: a call
that is under way then still arrives with a token that counts."""

_CHANNEL_OPTIONS = [
    # Tries are counted here; those of the library would multiply them.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # A quiet stream over a dead connection is noticed within a minute.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]

_RESUMED_CODES = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_RESUMED_REASONS = {"STREAM_BROKEN", "SUBSCRIBER_TOO_SLOW", "TOKEN_EXPIRED"}

FUNDS = funds.DESCRIPTOR.services_by_name["FundsService"]
ORDERS = orders.DESCRIPTOR.services_by_name["OrderService"]
PAYMENTS = payments.DESCRIPTOR.services_by_name["PaymentService"]
USERS = users.DESCRIPTOR.services_by_name["UserService"]


class Client:
    """A user of the platform. Closed by `async with`."""

    def __init__(self, address: str = ADDRESS, *, root_certificates: bytes | None = None) -> None:
        where = urlsplit(address)
        if where.scheme not in ("http", "https") or not where.netloc:
            raise ValueError(f"{address!r} is no address: write http://host:port or https://host")
        if where.scheme == "https":
            credentials = grpc.ssl_channel_credentials(root_certificates)
            self._channel = grpc.aio.secure_channel(where.netloc, credentials, _CHANNEL_OPTIONS)
        else:
            self._channel = grpc.aio.insecure_channel(where.netloc, _CHANNEL_OPTIONS)
        self._tokens: users.Tokens | None = None
        self._refresh_at = 0.0
        self._refreshing = asyncio.Lock()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    # Signing in.

    async def register(self, email: str, password: str, display_name: str) -> users.User:
        """Makes a user; they sign in after it."""
        request = users.RegisterRequest(email=email, password=password, display_name=display_name)
        return (await self.call(USERS, "Register", request)).user

    async def sign_in(self, email: str, password: str) -> users.User:
        """Every later call is this user's. The password is not kept."""
        answer = await self.call(USERS, "Login", users.LoginRequest(email=email, password=password))
        self._keep(answer.tokens)
        return answer.user

    # Money and orders.

    async def available(self) -> Decimal:
        """Cash to trade with."""
        answer = await self.call(FUNDS, "GetBalances", funds.GetBalancesRequest())
        cash = (each.available.cash for each in answer.balances if each.available.HasField("cash"))
        return sum((decimal(each) for each in cash if each.currency_code == CURRENCY), Decimal(0))

    async def deposit(self, amount: Decimal | str | int, request_id: str = "") -> payments.Payment:
        """Starts a deposit; the cash is available once the provider has captured it."""
        request = payments.CreatePaymentRequest(request_id=request_id, amount=money(amount))
        return (await self.call(PAYMENTS, "CreatePayment", request)).payment

    async def place(
        self, terms: OrderTerms, *, client_order_id: str = "", request_id: str = ""
    ) -> orders.Order:
        """Places an order; the answer comes when the venue has decided, as a rule."""
        request = orders.PlaceOrderRequest(
            request_id=request_id, client_order_id=client_order_id, terms=terms
        )
        return (await self.call(ORDERS, "PlaceOrder", request)).order

    async def cancel(self, order_id: str, request_id: str = "") -> orders.Order:
        """Asks the venue to cancel an order; the answer is the order as the venue left it."""
        request = orders.CancelOrderRequest(request_id=request_id, order_id=order_id)
        return (await self.call(ORDERS, "CancelOrder", request)).order

    async def order_updates(
        self, after_sequence: int = 0, symbol: str = ""
    ) -> AsyncIterator[orders.StreamOrderUpdatesResponse]:
        """Every change of the user's orders after that sequence, each once. A stream that is lost
        goes on after the last update."""
        failures = 0
        while True:
            opened = time.monotonic()
            request = orders.StreamOrderUpdatesRequest(after_sequence=after_sequence, symbol=symbol)
            error = CallError(grpc.StatusCode.UNAVAILABLE, "the stream of order updates ended")
            try:
                async for update in self._stream(ORDERS, "StreamOrderUpdates", request):
                    if update.sequence > after_sequence:
                        after_sequence, failures = update.sequence, 0
                        yield update
            except CallError as told:
                if told.code not in _RESUMED_CODES and told.reason not in _RESUMED_REASONS:
                    raise
                error = told
            lasted = time.monotonic() - opened >= STREAM_LASTED_SECONDS
            failures = 1 if lasted else failures + 1
            if failures >= STREAM_FAILURES_MAX:
                raise error
            asked = min(error.retry_after or 0.0, retry.WAIT_SECONDS_MAX)
            await asyncio.sleep(asked + backoff.seconds(failures))

    # Any call.

    async def call(self, service: ServiceDescriptor, name: str, request: Message) -> Any:
        """Calls a method of the contract. A request without its id gets one, and keeps it in each
        try, so that the platform does once what it is asked twice."""
        method = service.methods_by_name[name]
        if retry.REQUEST_ID in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request = type(request).FromString(request.SerializeToString())
            request.request_id = str(uuid.uuid4())
        # Before the tries: a refresh works once, and is not repeated for the sake of this call.
        credentials = await self._credentials(method)
        repeatable = retry.is_repeatable(method)
        ends_at = time.monotonic() + CALL_SECONDS
        tries = 0
        while True:
            try:
                return await self._try(method, request, credentials, ends_at)
            except CallError as error:
                tries += 1
                wait = retry.wait_seconds(error, tries, repeatable)
                if wait is None or time.monotonic() + wait >= ends_at:
                    raise
            await asyncio.sleep(wait)

    async def _try(
        self, method: MethodDescriptor, request: Message, credentials: Any, ends_at: float
    ) -> Any:
        timeout = min(TRY_SECONDS, max(ends_at - time.monotonic(), 0.0))
        once = self._channel.unary_unary(*_wire(method))
        try:
            return await once(request, timeout=timeout, metadata=credentials)
        except grpc.aio.AioRpcError as error:
            raise CallError.of(error) from None

    async def _stream(self, service: ServiceDescriptor, name: str, request: Message) -> Any:
        method = service.methods_by_name[name]
        credentials = await self._credentials(method)
        opened = self._channel.unary_stream(*_wire(method))(
            request, timeout=STREAM_SECONDS, metadata=credentials
        )
        try:
            async for message in opened:
                yield message
        except grpc.aio.AioRpcError as error:
            raise CallError.of(error) from None
        finally:
            opened.cancel()

    # Tokens.

    async def _credentials(self, method: MethodDescriptor) -> list[tuple[str, str]]:
        """What goes along with a call: nothing where the contract lets everybody in."""
        if method.GetOptions().Extensions[options.access].public:
            return []
        if self._tokens is None:
            message = "sign in first"
            raise CallError(grpc.StatusCode.UNAUTHENTICATED, message, "NOT_SIGNED_IN")
        async with self._refreshing:
            if time.time() >= self._refresh_at:
                request = users.RefreshRequest(refresh_token=self._tokens.refresh_token)
                self._keep((await self.call(USERS, "Refresh", request)).tokens)
        return [("authorization", f"Bearer {self._tokens.access_token}")]

    def _keep(self, tokens: users.Tokens) -> None:
        now, end = time.time(), tokens.access_expires_at.ToNanoseconds() / 1e9
        self._tokens = tokens
        self._refresh_at = max(end - REFRESH_SECONDS, now + (end - now) * 2 / 3)


def _wire(method: MethodDescriptor) -> tuple[str, Any, Any]:
    """A method as the channel takes it: its path, and how its messages become bytes and back."""
    answer = message_factory.GetMessageClass(method.output_type)
    path = f"/{method.containing_service.full_name}/{method.name}"
    return path, lambda request: request.SerializeToString(), answer.FromString
