"""The exported schema: that this package was built from it, and what its JSON Schemas accept."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from outcry_client.contract import Contract
from outcry_client.fingerprint import Fingerprints

PACKAGE = Path(__file__).parent.parent
SCHEMA = Path(os.environ.get("OUTCRY_SCHEMA") or PACKAGE / ".." / "schema").resolve()
GOLDEN = PACKAGE.parent.parent / "contracts" / "golden"

TYPE = "@type"
"""Names the type of a payload in an envelope; the payload itself has no such field."""


def read(file: Path) -> Any:
    if not file.is_file():
        pytest.skip(f"there is no {file.name} in {file.parent}")
    return json.loads(file.read_text("utf-8"))


@pytest.fixture(scope="module")
def descriptors() -> bytes:
    file = SCHEMA / "outcry.binpb"
    if not file.is_file():
        pytest.skip(f"there is no exported schema in {SCHEMA}")
    return file.read_bytes()


def test_the_fingerprints_of_the_catalog_are_those_of_the_files(descriptors):
    fingerprints = Fingerprints.read(descriptors)
    events = read(SCHEMA / "catalog.json")["events"]
    assert len(events) > 0
    for event in events:
        assert fingerprints.of(event["file"]) == event["fingerprint"], event["topic"]


def test_comments_do_not_change_a_fingerprint_and_rules_do(descriptors):
    name, changed = "outcry/orders/v1/events.proto", FileDescriptorSet.FromString(descriptors)

    def now() -> str:
        return Fingerprints.read(changed.SerializeToString(deterministic=True)).of(name)

    types = next(each for each in changed.file if each.name == "outcry/orders/v1/types.proto")
    before = now()
    types.source_code_info.Clear()
    assert now() == before
    types.message_type[0].field[0].ClearField("options")
    assert now() != before


@pytest.mark.parametrize("garbage", [b"\x0a\x7f", b"\x0a", b"\x80", b"\x0d\x00\x00\x00\x00"])
def test_what_is_no_descriptor_set_has_no_fingerprints(garbage):
    with pytest.raises(ValueError, match="no descriptor"):
        Fingerprints.read(garbage)


def test_the_package_was_built_from_this_export():
    for event in read(SCHEMA / "catalog.json")["events"]:
        own = Contract.own().event(event["full_name"])
        assert own is not None, event["full_name"]
        assert own.fingerprint == event["fingerprint"], "build the package again"


def kept() -> list[Any]:
    """Each event that is kept, by its topic."""
    files = sorted(GOLDEN.rglob("*.json"))
    return [pytest.param(file, id=file.relative_to(GOLDEN).as_posix()) for file in files]


def validator(topic: str) -> Draft202012Validator:
    folder = SCHEMA / "jsonschema"
    if not folder.is_dir():
        pytest.skip(f"the export in {SCHEMA} has no JSON Schemas")
    schema = json.loads((folder / f"{topic}.json").read_text("utf-8"))
    cls = validator_for(schema, default=Draft202012Validator)
    cls.check_schema(schema)
    return cls(schema, format_checker=cls.FORMAT_CHECKER)


def payload(file: Path) -> tuple[str, dict[str, Any]]:
    event = json.loads(file.read_text("utf-8"))
    return event["eventType"], {k: v for k, v in event["payload"].items() if k != TYPE}


@pytest.mark.parametrize("file", kept())
def test_an_event_that_is_kept_matches_its_json_schema(file):
    topic, event = payload(file)
    errors = [
        f"{error.json_path}: {error.message}" for error in validator(topic).iter_errors(event)
    ]
    assert errors == []


@pytest.mark.parametrize("file", kept())
def test_a_damaged_event_does_not_match_its_json_schema(file):
    topic, event = payload(file)
    judge = validator(topic)
    assert event, "an event without a field shows nothing"
    for name in event:
        damaged = copy.deepcopy(event)
        # No field of any event holds a list in a list.
        damaged[name] = [[]]
        assert not judge.is_valid(damaged), f"{name} may be anything"


def test_there_is_a_json_schema_for_every_event_and_it_refuses_nonsense():
    topics = [event["topic"] for event in read(SCHEMA / "catalog.json")["events"]]
    for topic in topics:
        judge = validator(topic)
        for nonsense in ({}, [], "text", {"noSuchField": 1}):
            assert not judge.is_valid(nonsense), f"{topic} accepts {nonsense}"
