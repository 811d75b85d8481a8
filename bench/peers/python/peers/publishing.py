"""A round of publishing, whatever the library: both answer one confirmed publish at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter, perf_counter_ns

from aio_pika.exceptions import DeliveryError, PublishError

from .rounds import percentile_us


@dataclass
class Outcome:
    confirmed: int = 0
    nacked: int = 0
    returned: int = 0
    latencies: list[int] = field(default_factory=list)


async def publish_round(
    publish: Callable[[str], Awaitable[object]], count: int, in_flight: int
) -> dict[str, object]:
    """Publishes message ids 0…count-1 and waits until the broker has answered all.

    `publish` returns when its message is confirmed, so as many tasks as may be in flight take
    the next id in turn; they share a channel, where the library writes one after the other and
    waits for confirms without holding the others up.
    """
    outcome = Outcome()
    ids = iter(range(count))

    async def publisher() -> None:
        for index in ids:
            start = perf_counter_ns()
            try:
                await publish(str(index))
            except PublishError:
                outcome.returned += 1
            except DeliveryError:
                outcome.nacked += 1
            else:
                outcome.confirmed += 1
            outcome.latencies.append(perf_counter_ns() - start)

    start = perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(in_flight, count)):
            tasks.create_task(publisher())
    seconds = perf_counter() - start
    outcome.latencies.sort()
    return {
        "count": count,
        "confirmed": outcome.confirmed,
        "nacked": outcome.nacked,
        "returned": outcome.returned,
        "seconds": seconds,
        "p50_us": percentile_us(outcome.latencies, 50),
        "p99_us": percentile_us(outcome.latencies, 99),
    }
