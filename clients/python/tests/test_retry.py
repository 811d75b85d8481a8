import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from outcry_client import backoff, retry
from outcry_client.client import ORDERS, PAYMENTS, USERS
from outcry_client.contract import Violation
from outcry_client.errors import DETAILS, CallError

UNAVAILABLE = CallError(grpc.StatusCode.UNAVAILABLE, "gone")


def wait(error=UNAVAILABLE, tries=1, repeatable=True, spread=1.0):
    return retry.wait_seconds(error, tries, repeatable, spread)


@pytest.mark.parametrize(
    ("service", "method", "repeatable"),
    [
        (ORDERS, "PlaceOrder", True),
        (ORDERS, "GetOrder", True),
        (PAYMENTS, "CreatePayment", True),
        (USERS, "Register", True),
        (USERS, "Login", False),
        (USERS, "Refresh", False),
    ],
)
def test_the_contract_says_what_may_be_called_twice(service, method, repeatable):
    assert retry.is_repeatable(service.methods_by_name[method]) is repeatable


def test_only_what_was_not_done_is_tried_again():
    tried = [code for code in grpc.StatusCode if wait(CallError(code, "")) is not None]
    assert set(tried) == {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert wait(repeatable=False) is None


def test_tries_are_bounded_and_waits_grow_up_to_a_bound():
    waits = [wait(tries=tries) for tries in range(1, retry.TRIES_MAX + 1)]
    assert waits == [0.1, 0.2, 0.4, 0.8, None]
    assert backoff.seconds(1_000, spread=1.0) == backoff.LONGEST_SECONDS


def test_clients_do_not_come_back_all_at_once():
    assert wait(spread=0.0) == 0.05
    assert all(0.05 <= backoff.seconds(1) <= 0.1 for _ in range(100))


def test_nobody_comes_back_before_they_were_asked_to():
    asked = CallError(grpc.StatusCode.RESOURCE_EXHAUSTED, "", retry_after=2.0)
    assert 2.0 < wait(asked, spread=0.0) < 2.1
    late = CallError(grpc.StatusCode.UNAVAILABLE, "", retry_after=3_600.0)
    assert wait(late) is None


def test_an_error_has_what_the_platform_said():
    details = [
        ErrorInfo(reason="INVALID_FIELD", domain="outcry"),
        BadRequest(
            field_violations=[
                BadRequest.FieldViolation(field="terms.symbol", description="no symbol"),
                BadRequest.FieldViolation(field="terms.quantity", reason="int64.gte_lte"),
            ]
        ),
        RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
    ]
    status = Status(code=3)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    metadata = grpc.aio.Metadata((DETAILS, status.SerializeToString()))
    code = grpc.StatusCode.INVALID_ARGUMENT
    error = CallError.of(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, "bad"))
    assert (error.code, error.reason, error.retry_after) == (code, "INVALID_FIELD", 1.5)
    assert error.violations == (
        Violation("terms.quantity", "int64.gte_lte"),
        Violation("terms.symbol", "no symbol"),
    )
    assert str(error) == "INVALID_ARGUMENT INVALID_FIELD: bad"


def test_an_error_without_details_has_its_code():
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, None, None, "no connection")
    assert str(CallError.of(error)) == "UNAVAILABLE: no connection"
