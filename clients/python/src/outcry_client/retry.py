"""Which calls are made again, and when. No IO."""

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from . import backoff
from .errors import CallError

TRIES_MAX = 5
"""Of one call. More would only add load to what is overloaded already."""

WAIT_SECONDS_MAX = 15.0
"""Who is told to come back later than that is told the caller, who can do something else."""

REQUEST_ID = "request_id"
"""The field with which a platform recognises a request that it has answered."""

_NOT_DONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


def is_repeatable(method: MethodDescriptor) -> bool:
    """Whether the contract allows to make the call twice: it says so of the method, or its request
    carries an id."""
    level = method.GetOptions().idempotency_level
    return (
        level != MethodOptions.IDEMPOTENCY_UNKNOWN or REQUEST_ID in method.input_type.fields_by_name
    )


def wait_seconds(
    error: CallError, tries: int, repeatable: bool, spread: float | None = None
) -> float | None:
    """How long to wait before the next try after so many; None when there is none."""
    if not repeatable or error.code not in _NOT_DONE or tries >= TRIES_MAX:
        return None
    wait = backoff.seconds(tries, spread)
    if error.retry_after is not None:
        # Not before it was asked to, and not all at once then.
        wait += error.retry_after
    return wait if wait <= WAIT_SECONDS_MAX else None
