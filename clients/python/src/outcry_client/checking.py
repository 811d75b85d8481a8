"""What needs no platform: the cases that compare the languages, and the events that are kept."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError

from outcry.events.v1.envelope_pb2 import EventEnvelope

from .contract import message_class, violations
from .event import envelope_json

Show = Callable[[Mapping[str, Any]], None]
Failed = Callable[[str], bool]


def parity(file: Path, show: Show, failed: Failed) -> bool:
    """Validates each case, and tells of those whose violations are not the ones written there."""
    cases = json.loads(file.read_text("utf-8"))["cases"]
    if not cases:
        return failed(f"there is no case in {file}")
    ok = True
    for case in cases:
        try:
            message = ParseDict(case["message"], message_class(case["type"])())
        except (KeyError, ParseError) as error:
            ok = failed(f"{case['name']}: cannot be read: {error}")
            continue
        found = [{"field": each.field, "rule": each.rule} for each in violations(message)]
        show({"case": case["name"], "violations": found})
        if "violations" in case and found != sorted(case["violations"], key=_place):
            ok = failed(f"{case['name']}: expected {case['violations']}")
    return ok


def golden(folder: Path, show: Show, failed: Failed) -> bool:
    """Reads each event that is kept, and compares it with its JSON."""
    files = sorted(folder.rglob("*.binpb"))
    if not files:
        return failed(f"there is no event in {folder}")
    ok = True
    for file in files:
        case = file.relative_to(folder).with_suffix("").as_posix()
        try:
            read = envelope_json(EventEnvelope.FromString(file.read_bytes()))
            same = read == json.loads(file.with_suffix(".json").read_text("utf-8"))
        except (KeyError, DecodeError, ParseError, OSError, ValueError) as error:
            same = failed(f"{case}: {error}")
        show({"case": case, "same": same})
        ok = ok and same
    return ok


def _place(violation: Mapping[str, str]) -> tuple[str, str]:
    return violation["field"], violation["rule"]
