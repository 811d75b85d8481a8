"""Asks the official protovalidate what it says about the sample messages.

Writes `answers.txt`, which the crate's tests hold the generated validators to: one case
per line, `<message> <bytes in hex> <field>:<rule id> ...`, sorted. Needs
`pip install protovalidate grpcio-tools`; run it from the root of the repository:

    python build/samples/answers.py
"""

import importlib
import pathlib
import subprocess
import sys
import tempfile

import protovalidate

SAMPLES = pathlib.Path("build/samples")
PROTOS = ["rules.proto", "buf/validate/validate.proto", "outcry/options/v1/options.proto"]

RULED = [
    "Strings", "Integers", "Numbers", "Others", "Lists", "Leaf", "Tree", "Presence", "Required", "Choices",
]

TEXTS = [
    "", "a", "ab", "abc", "abcd", "abcde", "ä", "äää", "ääää", "e\u0301", "😀😀", "1.0", "1.00", "A", "ABC", "ABCD", "ABC\n",
    "x", "z", "bad", "a\nc", "xxaäcxx",
]
FORMATS = {
    "email": [
        "a", "a@b", "ada.lovelace+tag@mail.example.org", "a@b.", "a@-b.c", "a@b@c", "ä@b.c", "a b@c.d", "@b", "a@",
        "a@" + "b" * 63, "a@" + "b" * 64, "a@b.c\n",
    ],
    "uuid": [
        "a", "01890a5d-ac96-774b-bcce-b302099a8057", "01890A5D-AC96-774B-BCCE-B302099A8057",
        "01890a5dac96774bbcceb302099a8057", "01890a5d-ac96-774b-bcce-b302099a805",
        "01890a5d-ac96-774b-bcce-b302099a8057 ",
    ],
}
SMALL = [-2**31, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 2**31 - 1]
LARGE = [-2**63, -2**63 + 1, -900000000000001, -900000000000000, 900000000000000, 900000000000001, 2**63 - 1]
BYTES = [b"", b"a", b"ab", b"abc", "ä".encode()]
SIDES = [0, 1, 2, 3, 4, -1]


def single_values(field):
    """Values on both sides of every bound of the samples."""
    if field.name in FORMATS:
        return FORMATS[field.name]
    if field.is_repeated:
        return {field.TYPE_STRING: TEXTS[:5], field.TYPE_BYTES: BYTES}.get(field.type, SIDES)
    if field.type == field.TYPE_BYTES:
        return BYTES
    return {
        field.CPPTYPE_STRING: TEXTS,
        field.CPPTYPE_INT32: SMALL,
        field.CPPTYPE_INT64: SMALL + LARGE,
        field.CPPTYPE_UINT32: [v for v in SMALL if v >= 0] + [2**32 - 2, 2**32 - 1],
        field.CPPTYPE_UINT64: [v for v in SMALL if v >= 0] + [2**64 - 2, 2**64 - 1],
        field.CPPTYPE_BOOL: [False, True],
        field.CPPTYPE_DOUBLE: [0.0, -0.0, 1.5],
        field.CPPTYPE_ENUM: SIDES,
    }[field.cpp_type]


def cases(sample, accepts):
    """Each message empty, and with each field in turn at each value, the others being valid."""
    for name in RULED:
        descriptor = sample.DESCRIPTOR.message_types_by_name[name]
        message_type = getattr(sample, name)
        yield message_type()
        plain = [field for field in descriptor.fields if not field.message_type]
        rest = {}
        for field in plain:
            is_member = field.containing_oneof and not field.containing_oneof.name.startswith("_")
            if not field.is_repeated and not is_member:
                for value in single_values(field):
                    if accepts(message_type(**{field.name: value}), field.name):
                        rest[field.name] = value
                        break
        for field in plain:
            for value in single_values(field):
                if field.is_repeated:
                    for count in (1, 3):
                        yield message_type(**{**rest, field.name: [value] * count})
                else:
                    yield message_type(**{**rest, field.name: value})
    yield from lists(sample)
    yield from trees(sample)
    yield from choices(sample)


def lists(sample):
    good, bad = sample.Leaf(name="x"), sample.Leaf()
    for name in ("leaves", "counted_leaves", "ignored_leaves"):
        for items in ([bad], [good], [good, bad], [bad, good, bad]):
            yield sample.Lists(**{name: items})
    for name in ("unique", "items", "lenient_items", "min_items"):
        yield sample.Lists(**{name: ["", "ab", "abcd", "a", ""]})
        yield sample.Lists(**{name: ["abc", "ab"]})
    yield sample.Lists(unique_numbers=[1, 2, 3], unique_sides=[0, 1, 3], unique_bytes=[b"a", b""])
    yield sample.Lists(unique_numbers=[1, 2, 1], unique_sides=[0, 1, 0], unique_bytes=[b"", b""])
    yield sample.Lists(sides=[0, 1, 2, 3])


def trees(sample):
    good, bad = sample.Leaf(name="x"), sample.Leaf()
    branch = sample.Tree.Branch
    for leaf in (good, bad):
        for name in ("leaf", "required", "ignored", "lenient"):
            yield sample.Tree(**{name: leaf})
        yield sample.Tree(branch=branch(leaf=leaf), ignored_list=[leaf])
        yield sample.Tree(branch=branch(ripe=leaf))
        yield sample.Tree(branches=[branch(), branch(branches=[branch(ripe=leaf), branch(type="a")])])
    tree = sample.Tree(required=good)
    tree.time.seconds = 0
    tree.any.type_url = "type.googleapis.com/outcry.sample.v1.Leaf"
    yield tree


def choices(sample):
    for leaf in (sample.Leaf(name="x"), sample.Leaf()):
        yield sample.Choices(must_leaf=leaf, may_leaf=leaf, first_text="")
        yield sample.Choices(must_number=1, may_lenient=6, second_text="")


def path(violation):
    elements = violation.proto.field.elements
    return ".".join(
        element.field_name + (f"[{element.subscript.value}]" if element.subscript else "")
        for element in elements
    )


def main():
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{SAMPLES}", "-Iproto", f"--python_out={out}", *PROTOS],
            check=True,
        )
        sys.path.insert(0, out)
        sample = importlib.import_module("rules_pb2")
        validator = protovalidate.Validator()

        def accepts(message, field):
            return all(path(violation) != field for violation in validator.collect_violations(message))

        lines = set()
        for message in cases(sample, accepts):
            found = sorted(f"{path(v)}:{v.proto.rule_id}" for v in validator.collect_violations(message))
            assert len(found) <= 25, "beyond what Outcry reports"
            encoded = message.SerializeToString(deterministic=True).hex() or "-"
            lines.add(" ".join([message.DESCRIPTOR.name, encoded, *found]))
    (SAMPLES / "answers.txt").write_text("\n".join(sorted(lines)) + "\n")


if __name__ == "__main__":
    main()
