"""What still has to be written to one web socket: nobody waits for a reader that is slow."""

import asyncio
from collections.abc import Callable

from aiohttp import web

MAX_BACKLOG = 4_194_304
"""Bytes that may wait. A reader that is so far behind no longer takes part."""

CLOSE_TIMEOUT = 3.0
"""Seconds for what is queued and for the closing handshake (RFC 6455, section 7.1)."""


class Outbox:
    """Queues messages; `run` writes them. `abort` cuts the connection."""

    def __init__(self, socket: web.WebSocketResponse, abort: Callable[[], None]) -> None:
        self._socket = socket
        self._abort = abort
        self._queue: asyncio.Queue[str | tuple[int, str]] = asyncio.Queue()
        self._backlog = 0
        self.closing = False
        """`close` was called."""
        self.overflowed = False
        """The peer read too slowly and was cut off."""

    def send(self, message: str) -> None:
        """Takes a message in ASCII. After `close` there is nothing more to say."""
        if self.closing or self.overflowed:
            return
        self._backlog += len(message)
        if self._backlog > MAX_BACKLOG:
            self.overflowed = True
            self._abort()
        else:
            self._queue.put_nowait(message)

    def close(self, code: int, text: str) -> None:
        """Closes once all that was sent is written, or is late; the first call counts."""
        if not self.closing:
            self.closing = True
            self._queue.put_nowait((code, text))
            # Also after `run`: a closed transport waits for a reader that takes its last bytes.
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._abort)

    async def run(self) -> None:
        """Writes until the end, which `close` or a lost connection brings."""
        try:
            while isinstance(item := await self._queue.get(), str):
                await self._socket.send_str(item)
                self._backlog -= len(item)
            code, text = item
            # RFC 6455, section 5.5: a control frame has at most 125 bytes, two are the code.
            await self._socket.close(code=code, message=text.encode()[:123])
        except ConnectionError:
            self._abort()
