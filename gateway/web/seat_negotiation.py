"""One browser's messages to the seat: each waits for the answer to the one before it."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from gateway.conference.room import Room
from gateway.errors import BY_STRANGERS, Refused
from gateway.ports import SEAT, ParticipantId
from gateway.web.protocol import codes, server_messages
from gateway.web.protocol.codes import ErrorCode

_log = logging.getLogger("trestle.web")


class SeatNegotiation:
    """`run` asks and answers, while the rest of the signalling goes on."""

    def __init__(self, browser: ParticipantId, longest: int, send: Callable[[str], None]) -> None:
        """At most `longest` messages wait."""
        self._browser = browser
        self._send = send
        self._waiting: asyncio.Queue[tuple[Room, Mapping[str, object]]] = asyncio.Queue(longest)

    def put(self, room: Room, body: Mapping[str, object]) -> None:
        if self._waiting.full():
            text = "the seat has too much to answer"
            self._send(server_messages.error(ErrorCode.RATE_LIMITED, text))
        else:
            self._waiting.put_nowait((room, body))

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            room, body = await self._waiting.get()
            try:
                answer = await room.seat_signal(self._browser, body)
            except Refused as refused:
                self._refused(refused)
            else:
                if answer is not None:
                    self._send(server_messages.signal(SEAT, answer))

    def _refused(self, refused: Refused) -> None:
        """A seat that nobody needs any more is nobody's fault; everything else is worth a line."""
        code = codes.of_refused_signal(refused.reason)
        if code is not ErrorCode.UNKNOWN_PEER:
            text = "%s: the seat refused its message: %s"
            _log.info(text, self._browser, refused.text, extra=BY_STRANGERS)
        self._send(server_messages.error(code, refused.text))
