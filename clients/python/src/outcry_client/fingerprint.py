"""The hash by which two programs know whether they were built from the same schema."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

_FILE = 1
"""Field of a `google.protobuf.FileDescriptorSet`; those of a file follow."""
_NAME, _DEPENDENCY, _SOURCE_INFO = 1, 3, 9

_VARINT, _LENGTH_DELIMITED = 0, 2
"""Wire types: a file has no others."""


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Of the files of a descriptor set."""

    bare: dict[str, bytes]
    """Each file without comments and positions, by its name. Bytes as they are: reading and writing
    them again could change the order of options, and with it the hash."""
    imports: dict[str, list[str]]

    @classmethod
    def read(cls, descriptor_set: bytes) -> "Fingerprints":
        """From the bytes of `outcry.binpb`."""
        bare, imports = {}, {}
        for _, _, file in _fields(descriptor_set):
            fields = list(_fields(file))
            name = next(value.decode() for number, _, value in fields if number == _NAME)
            bare[name] = b"".join(field for number, field, _ in fields if number != _SOURCE_INFO)
            imports[name] = [value.decode() for number, _, value in fields if number == _DEPENDENCY]
        return cls(bare, imports)

    def of(self, file: str) -> str:
        """SHA-256, in hexadecimal, of a descriptor set with the file and everything it imports,
        directly or not, sorted by name: options and rules count, comments do not."""
        closure, waiting = set(), [file]
        while waiting:
            name = waiting.pop()
            if name not in closure:
                closure.add(name)
                waiting.extend(self.imports[name])
        files = (self.bare[name] for name in sorted(closure))
        tag = _varint(_FILE << 3 | _LENGTH_DELIMITED)
        return hashlib.sha256(
            b"".join(tag + _varint(len(each)) + each for each in files)
        ).hexdigest()


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, whole bytes and value of each field."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _read_varint(message, at)
        length, value_at = _read_varint(message, at)
        if tag & 7 == _VARINT:
            value, end = message[at:value_at], value_at
        elif tag & 7 == _LENGTH_DELIMITED:
            end = value_at + length
            value = message[value_at:end]
        else:
            raise ValueError(f"no descriptor: wire type {tag & 7}")
        if end > len(message):
            raise ValueError("no descriptor: it ends too soon")
        yield tag >> 3, message[start:end], value
        at = end


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("no descriptor: a number does not end")


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
