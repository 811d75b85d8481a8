"""Judges one message: what it is, and what is to be done with it. No IO."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from outcry.events.v1.envelope_pb2 import EventEnvelope

from .contract import Contract, Violation, message_class, violations
from .memory import Memory

SCHEMA_HEADER = "outcry-schema"
REASON_HEADER = "outcry-reason"
RULES_HEADER = "outcry-rules"
QUEUE_HEADER = "outcry-queue"

RULES_CHARS_MAX = 16_384
"""Of the header with the rules. AMQP wants all headers in one frame, of 128 KiB as a rule: a
message that breaks thousands of rules could not be put aside otherwise."""


class Action(StrEnum):
    """What is done with a message."""

    HANDLED = "handled"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    DEAD = "dead"


class Reason(StrEnum):
    """Why a message is put aside."""

    UNREADABLE = "UNREADABLE"
    INVALID = "INVALID"
    NEWER_SCHEMA = "NEWER_SCHEMA"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"


class UnknownTypes(StrEnum):
    """What is done with events of types that the package does not know."""

    IGNORE = "ignore"
    DEAD_LETTER = "dead-letter"


@dataclass(frozen=True, slots=True)
class Event:
    """A message and the judgement on it."""

    sha256: str
    topic: str
    """The envelope's; the routing key if the message is not an envelope."""
    schema: str
    action: Action
    reason: Reason | None = None
    violations: tuple[Violation, ...] = ()
    envelope: EventEnvelope | None = None
    payload: Message | None = None

    @property
    def event_id(self) -> str:
        """Id of the event; empty if the message is not an envelope."""
        return self.envelope.event_id if self.envelope else ""

    @property
    def type(self) -> str:
        """Full name of the payload's type; empty if the message is not an envelope."""
        return _payload_type(self.envelope) if self.envelope else ""

    def to_json(self) -> dict[str, Any]:
        """What the program prints."""
        shown = {
            "event_id": self.event_id,
            "topic": self.topic,
            "type": self.type,
            "sha256": self.sha256,
            "schema": self.schema,
            "action": str(self.action),
            "violations": [{"field": each.field, "rule": each.rule} for each in self.violations],
        }
        if self.action is Action.HANDLED:
            shown["event"] = envelope_json(self.envelope)
        return shown


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides on messages by a contract and a memory of what was handled."""

    contract: Contract
    memory: Memory
    unknown: UnknownTypes = UnknownTypes.IGNORE

    async def judge(self, body: bytes, headers: Mapping[str, Any], routing_key: str) -> Event:
        """Takes nothing on trust. What breaks the contract is dead even if its id was seen."""
        try:
            envelope = EventEnvelope.FromString(body)
        except DecodeError:
            envelope = None
        event_type = self.contract.event(_payload_type(envelope)) if envelope else None
        known = {
            "sha256": hashlib.sha256(body).hexdigest(),
            "topic": envelope.event_type if envelope else routing_key,
            "schema": self.contract.schema(event_type, _fingerprint(headers)),
            "envelope": envelope,
        }
        if envelope is None:
            return Event(**known, action=Action.DEAD, reason=Reason.UNREADABLE)
        if event_type is None:
            return self._stranger(known, envelope)
        # Rules and fields of a later version are not known here.
        if envelope.schema_version > event_type.version:
            return Event(**known, action=Action.DEAD, reason=Reason.NEWER_SCHEMA)
        try:
            payload = message_class(event_type.full_name).FromString(envelope.payload.value)
        except DecodeError:
            return Event(**known, action=Action.DEAD, reason=Reason.UNREADABLE)
        known["payload"] = payload
        if broken := sorted(violations(envelope) + violations(payload, "payload")):
            return _invalid(known, broken)
        seen = await self.memory.has(envelope.event_id)
        return Event(**known, action=Action.DUPLICATE if seen else Action.HANDLED)

    def _stranger(self, known: dict[str, Any], envelope: EventEnvelope) -> Event:
        """The envelope's rules hold for events of every type, and for those without payload."""
        if broken := violations(envelope):
            return _invalid(known, broken)
        if self.unknown is UnknownTypes.IGNORE:
            return Event(**known, action=Action.IGNORED)
        return Event(**known, action=Action.DEAD, reason=Reason.UNKNOWN_TYPE)


def envelope_json(envelope: EventEnvelope) -> dict[str, Any]:
    """The envelope in protobuf's JSON form, its payload expanded with `@type`."""
    message_class(_payload_type(envelope))
    return MessageToDict(envelope)


def dead_headers(event: Event, headers: Mapping[str, Any], queue: str) -> dict[str, Any]:
    """The headers of a message that is put aside: its own and why."""
    rules = ", ".join(map(str, event.violations))
    return {
        **headers,
        REASON_HEADER: str(event.reason),
        RULES_HEADER: rules[:RULES_CHARS_MAX],
        QUEUE_HEADER: queue,
    }


def _invalid(known: dict[str, Any], broken: list[Violation]) -> Event:
    return Event(**known, action=Action.DEAD, reason=Reason.INVALID, violations=tuple(broken))


def _payload_type(envelope: EventEnvelope) -> str:
    """`outcry.orders.v1.OrderFilledEvent`: what is after the last slash of the type URL."""
    return envelope.payload.type_url.rpartition("/")[2]


def _fingerprint(headers: Mapping[str, Any]) -> str | None:
    value = headers.get(SCHEMA_HEADER)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
