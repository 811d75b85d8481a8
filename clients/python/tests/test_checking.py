import json
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict

from conftest import enveloped, filled
from outcry_client import checking
from outcry_client.event import envelope_json

CONTRACTS = Path(__file__).parents[3] / "contracts"


class Output:
    """What a command showed and what it complained of."""

    def __init__(self) -> None:
        self.lines: list[dict] = []
        self.complaints: list[str] = []

    def failed(self, message: str) -> bool:
        self.complaints.append(message)
        return False


def parity(file: Path) -> tuple[bool, Output]:
    output = Output()
    return checking.parity(file, output.lines.append, output.failed), output


def golden(folder: Path) -> tuple[bool, Output]:
    output = Output()
    return checking.golden(folder, output.lines.append, output.failed), output


def test_violations_are_shown_sorted_and_held_against_those_of_the_case(tmp_path):
    two = [
        {"field": "last_quantity", "rule": "int64.gte_lte"},
        {"field": "symbol", "rule": "string.pattern"},
    ]
    case = {
        "name": "two",
        "type": "outcry.orders.v1.OrderFilledEvent",
        "message": MessageToDict(filled(symbol="msft", last_quantity=0)),
    }
    cases = [{**case, "violations": two[::-1]}, {**case, "violations": two[:1]}]
    file = tmp_path / "parity.json"
    file.write_text(json.dumps({"cases": cases[:1]}))
    ok, output = parity(file)
    assert (ok, output.lines) == (True, [{"case": "two", "violations": two}])

    file.write_text(json.dumps({"cases": cases}))
    ok, output = parity(file)
    assert (ok, len(output.complaints)) == (False, 1)


@pytest.mark.parametrize(
    "case", [{"type": "outcry.no.Type"}, {"message": {"noSuchField": 1}}, {"message": {"side": []}}]
)
def test_a_case_that_cannot_be_read_is_a_failure(tmp_path, case):
    whole = {"name": "odd", "type": "outcry.orders.v1.OrderFilledEvent", "message": {}}
    file = tmp_path / "parity.json"
    file.write_text(json.dumps({"cases": [whole | case]}))
    ok, output = parity(file)
    assert (ok, output.lines, len(output.complaints)) == (False, [], 1)


def test_a_file_without_cases_is_a_failure(tmp_path):
    file = tmp_path / "parity.json"
    file.write_text('{"cases": []}')
    assert parity(file)[0] is False


def test_an_event_is_compared_with_its_json(tmp_path):
    folder = tmp_path / "order.filled" / "v1"
    folder.mkdir(parents=True)
    envelope = enveloped(filled())
    (folder / "whole.binpb").write_bytes(envelope.SerializeToString())
    shown = envelope_json(envelope)
    (folder / "whole.json").write_text(json.dumps(shown))
    assert golden(tmp_path)[1].lines == [{"case": "order.filled/v1/whole", "same": True}]

    (folder / "whole.json").write_text(json.dumps(shown | {"source": "/funds"}))
    ok, output = golden(tmp_path)
    assert (ok, output.lines) == (False, [{"case": "order.filled/v1/whole", "same": False}])


def test_a_folder_without_events_is_a_failure(tmp_path):
    assert golden(tmp_path)[0] is False


def test_the_cases_of_the_contract_hold_here():
    file = CONTRACTS / "parity.json"
    if not file.is_file():
        pytest.skip(f"there is no {file}")
    ok, output = parity(file)
    assert output.complaints == []
    assert ok
    assert len(output.lines) > 0


def test_the_events_that_are_kept_read_the_same_here():
    folder = CONTRACTS / "golden"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    ok, output = golden(folder)
    assert [line["case"] for line in output.lines if not line["same"]] == []
    assert ok
