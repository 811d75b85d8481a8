import asyncio
import hashlib

import pytest

from conftest import enveloped, event_id, filled
from outcry.orders.v1.order_service_pb2 import Order
from outcry_client.contract import Contract, EventType, Violation
from outcry_client.event import (
    RULES_CHARS_MAX,
    Action,
    Event,
    Judge,
    Reason,
    UnknownTypes,
    dead_headers,
)
from outcry_client.memory import RecentIds

CONTRACT = Contract(
    [EventType("order.filled", "outcry.orders.v1.OrderFilledEvent", 1, "the fingerprint")]
)


def judged(body: bytes, headers=None, memory=None, unknown=UnknownTypes.IGNORE) -> Event:
    judge = Judge(CONTRACT, memory or RecentIds(), unknown)
    return asyncio.run(judge.judge(body, headers or {}, "the key"))


def body(envelope) -> bytes:
    return envelope.SerializeToString()


def test_an_event_that_holds_the_contract_is_handled_and_shown_in_protobufs_json_form():
    sent = body(enveloped(filled()))
    event = judged(sent)
    assert event.action is Action.HANDLED
    assert event.payload == filled()
    assert event.topic == "order.filled"
    shown = event.to_json()
    assert shown["sha256"] == hashlib.sha256(sent).hexdigest()
    assert shown["type"] == "outcry.orders.v1.OrderFilledEvent"
    assert shown["event"]["payload"]["@type"].endswith("/outcry.orders.v1.OrderFilledEvent")
    assert shown["event"]["payload"]["lastQuantity"] == "1"
    assert "leavesQuantity" not in shown["event"]["payload"]


@pytest.mark.parametrize("garbage", [b"\xff\xff", b"no envelope", b"\x0a\x05ab"])
def test_what_is_no_envelope_is_unreadable(garbage):
    event = judged(garbage)
    assert (event.action, event.reason) == (Action.DEAD, Reason.UNREADABLE)
    assert (event.event_id, event.type, event.topic) == ("", "", "the key")


def test_a_payload_that_is_not_what_its_type_says_is_unreadable():
    envelope = enveloped(filled())
    envelope.payload.value = b"\xff\xff"
    event = judged(body(envelope))
    assert (event.action, event.reason) == (Action.DEAD, Reason.UNREADABLE)
    assert event.event_id == event_id(1)


def test_rules_broken_in_envelope_and_payload_are_all_told():
    event = judged(body(enveloped(filled(last_quantity=0, symbol="msft"), source="orders")))
    assert (event.action, event.reason) == (Action.DEAD, Reason.INVALID)
    assert event.violations == (
        Violation("payload.last_quantity", "int64.gte_lte"),
        Violation("payload.symbol", "string.pattern"),
        Violation("source", "string.pattern"),
    )


def test_an_envelope_without_a_payload_is_invalid():
    event = judged(b"")
    assert (event.action, event.reason) == (Action.DEAD, Reason.INVALID)
    assert Violation("payload", "required") in event.violations


def test_a_newer_version_is_refused_before_it_is_read():
    envelope = enveloped(filled(), schema_version=2)
    envelope.payload.value = b"\xff\xff"
    event = judged(body(envelope))
    assert (event.action, event.reason) == (Action.DEAD, Reason.NEWER_SCHEMA)


def test_a_type_that_is_not_known_is_ignored_or_put_aside():
    unknown = body(enveloped(Order(order_id="x"), event_type="order.seen"))
    assert judged(unknown).action is Action.IGNORED
    assert judged(unknown).type == "outcry.orders.v1.Order"
    broken = body(enveloped(Order(), event_type="order.seen", source="orders"))
    assert judged(broken).reason is Reason.INVALID
    strict = judged(unknown, unknown=UnknownTypes.DEAD_LETTER)
    assert (strict.action, strict.reason) == (Action.DEAD, Reason.UNKNOWN_TYPE)


def test_a_known_id_is_a_duplicate_unless_the_message_breaks_the_contract():
    memory = RecentIds()
    asyncio.run(memory.add(event_id(1)))
    assert judged(body(enveloped(filled())), memory=memory).action is Action.DUPLICATE
    broken = body(enveloped(filled(last_quantity=0)))
    assert judged(broken, memory=memory).action is Action.DEAD


@pytest.mark.parametrize(
    ("headers", "schema"),
    [
        ({}, "unknown"),
        ({"outcry-schema": "the fingerprint"}, "same"),
        ({"outcry-schema": b"the fingerprint"}, "same"),
        ({"outcry-schema": "another"}, "differs"),
    ],
)
def test_the_fingerprint_is_compared(headers, schema):
    assert judged(body(enveloped(filled())), headers).schema == schema


def test_a_dead_letter_keeps_its_headers_and_says_why():
    event = judged(body(enveloped(filled(last_quantity=0), source="")))
    assert dead_headers(event, {"ce-id": "1", "outcry-reason": "an old one"}, "python.q") == {
        "ce-id": "1",
        "outcry-reason": "INVALID",
        "outcry-rules": "payload.last_quantity int64.gte_lte, source string.pattern",
        "outcry-queue": "python.q",
    }


def test_the_rules_of_a_dead_letter_fit_into_a_frame():
    many = tuple(Violation(f"payload.lines[{number}]", "required") for number in range(10_000))
    event = Event("", "t", "same", Action.DEAD, Reason.INVALID, many)
    assert len(dead_headers(event, {}, "q")["outcry-rules"]) == RULES_CHARS_MAX
