"""An inbox in PostgreSQL: a message that came before has no effect again."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

import asyncpg

CONNECTIONS = 8


class Inbox:
    """Takes one round of messages after the other."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    def begin_round(self, count: int) -> None:
        self._count = count
        self._new = 0
        self._duplicates = 0
        self._start = perf_counter()
        self._seconds = asyncio.get_running_loop().create_future()

    async def take(
        self, message_id: str, body: bytes, ack: Callable[[], Awaitable[None]]
    ) -> None:
        """Writes the message and its effect in one transaction, and acknowledges it then.

        Runs in a task of the library, which would log an error and go on: it ends the round
        instead.
        """
        try:
            new = await self._write(message_id, body)
            await ack()
        except Exception as error:
            if not self._seconds.done():
                self._seconds.set_exception(error)
            raise
        self._new += new
        self._duplicates += not new
        if self._new + self._duplicates == self._count and not self._seconds.done():
            self._seconds.set_result(perf_counter() - self._start)

    async def end_round(self) -> dict[str, object]:
        """Waits until all messages of the round are acknowledged."""
        seconds = await self._seconds
        return {
            "count": self._count,
            "new": self._new,
            "duplicates": self._duplicates,
            "seconds": seconds,
        }

    async def _write(self, message_id: str, body: bytes) -> bool:
        """Whether the message is new."""
        async with self._pool.acquire() as connection, connection.transaction():
            status = await connection.execute(
                "INSERT INTO peer_inbox (message_id) VALUES ($1) ON CONFLICT DO NOTHING",
                message_id,
            )
            new = status == "INSERT 0 1"
            if new:
                await connection.execute(
                    "INSERT INTO peer_effect (message_id, body) VALUES ($1, $2)",
                    message_id,
                    body,
                )
        return new


def connect(url: str):
    """As many connections as every peer has, opened before the clock runs."""
    return asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS)
