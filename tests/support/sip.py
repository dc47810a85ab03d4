"""SIP by hand: for messages that no well-behaved phone would send."""

import asyncio
import secrets
from types import TracebackType
from typing import Self

WAIT = 10.0
"""Seconds for whatever comes next."""

_SDP = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio {port} RTP/AVP {formats}
"""


def sdp(port: int, formats: str) -> str:
    """An offer of audio alone, with nothing about its formats but their static numbers."""
    return _SDP.format(port=port, formats=formats).replace("\n", "\r\n")


class Response:
    """A response taken apart far enough for a test."""

    def __init__(self, text: str) -> None:
        head, _, self.body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        _, status, self.phrase = first.split(" ", 2)
        self.status = int(status)
        self._headers = [line.partition(":") for line in lines]

    def header(self, name: str) -> str:
        for key, _, value in self._headers:
            if key.strip().lower() == name.lower():
                return value.strip()
        raise AssertionError(f"the response has no {name}")


class SipSocket(asyncio.DatagramProtocol):
    """One UDP socket that speaks SIP with one server."""

    def __init__(self, server: int) -> None:
        self._server = ("127.0.0.1", server)
        self._received: asyncio.Queue[bytes] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port: int = self._udp.get_extra_info("sockname")[1]
        self.new_call()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._udp.close()

    def new_call(self) -> None:
        self.call_id = secrets.token_hex(8)
        self.tag = secrets.token_hex(4)

    def datagram_received(self, data: bytes, _source: object) -> None:
        self._received.put_nowait(data)

    def send(self, data: bytes) -> None:
        self._udp.sendto(data, self._server)

    def request(
        self, method: str, uri: str, *, to: str = "", body: str = "", number: int = 1
    ) -> None:
        """Sends a request of this socket's only call; `to` is the To header within a dialog."""
        self._via_branch = f"z9hG4bK{secrets.token_hex(6)}"
        self._send_request(method, uri, to or f"<{uri}>", body, number)

    def acknowledge(self, uri: str, refusal: Response) -> None:
        """An ACK to a refusal belongs to the INVITE's transaction; RFC 3261, section 17.1.1.3."""
        self._send_request("ACK", uri, refusal.header("To"), "")

    def _send_request(self, method: str, uri: str, to: str, body: str, number: int = 1) -> None:
        content = "Content-Type: application/sdp\r\n" if body else ""
        self.send(
            (
                f"{method} {uri} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch={self._via_branch}\r\n"
                f"From: <sip:tester@127.0.0.1>;tag={self.tag}\r\n"
                f"To: {to}\r\n"
                f"Call-ID: {self.call_id}\r\n"
                f"CSeq: {number} {method}\r\n"
                f"Contact: <sip:tester@127.0.0.1:{self.port}>\r\n"
                "Max-Forwards: 70\r\n"
                f"{content}"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )

    async def response(self) -> Response:
        """The next final response; requests and provisional responses are read over."""
        while True:
            text = await self._received_text()
            if text.startswith("SIP/2.0 ") and not text.startswith("SIP/2.0 1"):
                return Response(text)

    async def request_received(self, method: str) -> str:
        """The next request of a kind, as text."""
        while True:
            text = await self._received_text()
            if text.startswith(f"{method} "):
                return text

    def respond(self, request: str, status: str) -> None:
        """Answers a request; RFC 3261, section 8.2.6."""
        kept = ("via:", "from:", "to:", "call-id:", "cseq:")
        lines = [line for line in request.split("\r\n") if line.lower().startswith(kept)]
        self.send("\r\n".join([f"SIP/2.0 {status}", *lines, "Content-Length: 0", "", ""]).encode())

    async def _received_text(self) -> str:
        async with asyncio.timeout(WAIT):
            return (await self._received.get()).decode()
