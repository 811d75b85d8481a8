"""A way to a server that tests can cut."""

import asyncio
from urllib.parse import urlsplit


class Way:
    """Carries bytes to the server of an address, from an address of its own."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self.turned_away = 0
        """Connections that are ended at once from now on."""
        self._streams: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Way":
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        netloc = self._to.netloc.replace(
            f"{self._to.hostname}:{self._to.port}", f"127.0.0.1:{port}"
        )
        self.url = self._to._replace(netloc=netloc).geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Ends every connection, in the middle of whatever it is."""
        for stream in self._streams:
            stream.transport.abort()
        self._streams.clear()

    async def _carry(self, reader, writer) -> None:
        if self.turned_away > 0:
            self.turned_away -= 1
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._streams |= {writer, far_writer}
        await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()
