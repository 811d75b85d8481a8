"""Generates the contract's modules from an export of the platform, at each build."""

import os
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SCHEMA = "OUTCRY_SCHEMA"
"""Names the folder of the export."""

ROOTS = ("outcry", "buf")
"""Packages of the contract; what they import besides comes with protobuf."""


class Contract(BuildHookInterface):
    """Runs before each build, editable ones too."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        schema = Path(os.environ.get(SCHEMA) or root / ".." / "schema").resolve()
        generate(schema, root / "src")
        build_data["pure_python"] = True


def generate(schema: Path, to: Path) -> None:
    """Writes modules, stubs and the catalog below `to`. What was there before goes."""
    proto, catalog = schema / "proto", schema / "catalog.json"
    if not proto.is_dir() or not catalog.is_file():
        sys.exit(
            f"there is no exported schema in {schema}: write it with "
            f"`cargo run -- schema export {schema}`, or name its folder in {SCHEMA}"
        )
    sources = sorted(file for root in ROOTS for file in (proto / root).rglob("*.proto"))
    for root in ROOTS:
        shutil.rmtree(to / root, ignore_errors=True)
    options = [f"--{kind}_out={to}" for kind in ("python", "pyi", "grpc_python")]
    # The well-known types come with the compiler, so exports with and without them are built alike.
    include = f"--proto_path={files('grpc_tools') / '_proto'}"
    arguments = ["protoc", f"--proto_path={proto}", include, *options, *map(str, sources)]
    if protoc.main(arguments) != 0:
        sys.exit(f"the schema in {proto} cannot be compiled")
    for root in ROOTS:
        folders = {file.parent for file in (to / root).rglob("*.py")}
        folders |= {above for folder in folders for above in folder.parents if to in above.parents}
        for folder in folders:
            (folder / "__init__.py").touch()
    shutil.copyfile(catalog, to / "outcry_client" / "catalog.json")
