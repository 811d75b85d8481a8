"""What a call was refused with, typed."""

from dataclasses import dataclass

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from .contract import Violation

DETAILS = "grpc-status-details-bin"
"""Metadata with the whole status, details included."""


@dataclass(eq=False)
class CallError(Exception):
    """A refused or failed call."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    """Stable name of the cause, `INSUFFICIENT_FUNDS`; empty when the platform was not reached."""
    violations: tuple[Violation, ...] = ()
    """Of a request that is not valid: which fields, and what is wrong with them."""
    retry_after: float | None = None
    """Seconds after which the platform wants to be asked again."""

    def __str__(self) -> str:
        return f"{self.code.name} {self.reason}: {self.message}".replace(" : ", ": ")

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> "CallError":
        """Reads the details that the platform sends with every status."""
        metadata = dict(error.trailing_metadata() or ())
        told = cls(error.code(), error.details() or "")
        for detail in Status.FromString(metadata.get(DETAILS, b"")).details:
            info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
            if detail.Unpack(info):
                told.reason = info.reason
            elif detail.Unpack(bad):
                told.violations = tuple(sorted(map(_violation, bad.field_violations)))
            elif detail.Unpack(retry):
                told.retry_after = retry.retry_delay.ToTimedelta().total_seconds()
        return told


def _violation(told: BadRequest.FieldViolation) -> Violation:
    """By its rule; where the platform does not name it, by what it says in words."""
    return Violation(told.field, told.reason or told.description)
