"""The contract this package was built from: its events, its types and its rules."""

import importlib
import json
import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import protovalidate
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

import outcry


@dataclass(frozen=True, order=True, slots=True)
class Violation:
    """A rule that a message breaks, as protovalidate names it."""

    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.field} {self.rule}"


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of the catalog."""

    topic: str
    full_name: str
    version: int
    fingerprint: str


class Contract:
    """Events and types by name."""

    def __init__(self, events: list[EventType]) -> None:
        self._events = {event.full_name: event for event in events}

    @classmethod
    @cache
    def own(cls) -> "Contract":
        """The contract that the package was built from."""
        catalog = json.loads((files(__package__) / "catalog.json").read_text("utf-8"))
        names = EventType.__dataclass_fields__
        rows = ({name: row[name] for name in names} for row in catalog["events"])
        return cls([EventType(**row) for row in rows])

    def event(self, full_name: str) -> EventType | None:
        """The event whose payload is of this type, if there is one."""
        return self._events.get(full_name)

    def schema(self, event: EventType | None, fingerprint: str | None) -> str:
        """Whether a message was made with the schema known here, by its fingerprint."""
        if fingerprint is None:
            return "unknown"
        return "same" if event is not None and event.fingerprint == fingerprint else "differs"


def message_class(full_name: str) -> type[Message]:
    """The class of any type of the contract; `KeyError` when there is none."""
    _load()
    descriptor = descriptor_pool.Default().FindMessageTypeByName(full_name)
    return message_factory.GetMessageClass(descriptor)


def violations(message: Message, within: str = "") -> list[Violation]:
    """The rules that the message breaks, sorted; `within` is the field that holds the message."""
    found = protovalidate.collect_violations(message)
    return sorted(Violation(_path(each.proto.field, within), each.proto.rule_id) for each in found)


def _path(field, path: str) -> str:
    """`orders[2].terms.quantity`: a path as every protovalidate writes it."""
    for element in field.elements if field is not None else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:
            path += f"[{json.dumps(element.subscript.value, ensure_ascii=False)}]"
    return path


@cache
def _load() -> None:
    """Registers every type of the contract, so that it is found by its name."""
    for module in pkgutil.walk_packages(outcry.__path__, "outcry."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)
