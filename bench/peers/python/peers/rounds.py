"""How the driver and a job talk: one JSON object a line out, `go` in for each round."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version


def tell(event: dict[str, object]) -> None:
    print(json.dumps(event), flush=True)


async def rounds(package: str) -> AsyncIterator[None]:
    """Tells that all is connected; then one item for each `go`, until the driver closes stdin."""
    tell({"ready": True, "library": f"{package} {version(package)}"})
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip() != "go":
            raise ValueError(f"expected the line 'go', got {line!r}")
        yield


def percentile_us(nanoseconds: Sequence[int], percent: int) -> int:
    """The nearest-rank percentile of sorted durations; 0 when there are none."""
    if not nanoseconds:
        return 0
    rank = -(-len(nanoseconds) * percent // 100)
    return nanoseconds[rank - 1] // 1000
