"""One browser's web socket: text frames in at a fair rate, text frames out, each in the log."""

import asyncio
import logging
import re
from collections.abc import Callable

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web

from gateway.allowance import Allowance
from gateway.errors import Reason
from gateway.ports import ParticipantId
from gateway.web.limits import Limits
from gateway.web.outbox import Outbox
from gateway.web.protocol.codes import ErrorCode, ProtocolError

_log = logging.getLogger("trestle.web")


class Flooded(Exception):
    """The browser sent too much at once."""


class Closed(Exception):
    """The browser closed, or the connection broke: the reason, and what it did."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


class SignallingSocket:
    """`write` writes what `send` was given; `abort` cuts the connection."""

    def __init__(
        self,
        browser: ParticipantId,
        socket: web.WebSocketResponse,
        abort: Callable[[], None],
        limits: Limits,
    ) -> None:
        now = asyncio.get_running_loop().time()
        self.abort = abort
        self._browser = browser
        self._socket = socket
        self._outbox = Outbox(socket, abort)
        self._messages = Allowance(limits.messages_per_second, limits.burst, now)
        self._bytes = Allowance(limits.bytes_per_second, limits.burst_bytes, now)

    @property
    def closing(self) -> bool:
        """`close` was called: `write` ends by itself."""
        return self._outbox.closing

    async def receive(self) -> str:
        """The next message. Raises `Flooded`, `Closed`, and `ProtocolError` for a binary frame."""
        frame = await self._socket.receive()
        if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise self._why_it_closed(frame)
        now = asyncio.get_running_loop().time()
        if not (self._messages.take(1, now) and self._bytes.take(len(frame.data), now)):
            raise Flooded
        if frame.type is WSMsgType.BINARY:
            raise ProtocolError(ErrorCode.BAD_MESSAGE, "only text frames are used")
        _log.debug("%s < %s", self._browser, _without_secrets(frame.data))
        text: str = frame.data
        return text

    def send(self, message: str) -> None:
        _log.debug("%s > %s", self._browser, _without_secrets(message))
        self._outbox.send(message)

    async def write(self) -> None:
        """Until the end, which `close` or a lost connection brings."""
        await self._outbox.run()

    def close(self, code: int, text: str) -> None:
        """Once all that was sent is written, or is late."""
        self._outbox.close(code, text)

    async def close_at_once(self, code: int) -> None:
        try:
            async with asyncio.timeout(1):
                await self._socket.close(code=code)
        except (TimeoutError, ConnectionError):
            self.abort()

    def _why_it_closed(self, frame: WSMessage) -> Closed:
        if self._outbox.overflowed:
            return Closed(Reason.CONNECTIVITY, "it reads too slowly")
        if frame.type is WSMsgType.CLOSE:
            # RFC 6455, section 7.4.1: closed on purpose, page left, no code given.
            if frame.data in (WSCloseCode.OK, WSCloseCode.GOING_AWAY, 0, 1005):
                return Closed(Reason.NORMAL, "closed the page")
            return Closed(Reason.CONNECTIVITY, f"the browser closed with {frame.data}")
        if isinstance(frame.data, WebSocketError):
            return Closed(Reason.BAD_REQUEST, f"broke the web socket protocol: {frame.data}")
        return Closed(Reason.CONNECTIVITY, "the connection was lost")


_SECRETS = re.compile(r'("(?:token|key|credential)"\s*:\s*")(?:[^"\\]|\\.)*')
_MAX_LOGGED = 400


def _without_secrets(text: str) -> str:
    """For the log: who can read it must not be able to take somebody's place, or use our TURN."""
    return ascii(_SECRETS.sub(r"\1...", text[:_MAX_LOGGED]))[1:-1]
