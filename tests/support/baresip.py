"""baresip as a phone: real SIP, real RTP, a tone as its microphone, a recording of what it hears.

Driven over its ctrl_tcp module. COMPAT: baresip 1.0.0 (Debian 12) hangs up when its tone file
ends, opens TLS on its SIP port + 1, and says "Connection reset by peer" for an ordinary BYE.
"""

import asyncio
import contextlib
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.processes import Process, find_program
from support.sockets import free_port, free_ports
from support.tones import levels, longest_gap, loudest, read_growing_wave, write_tone

RATE = 8000
LONGEST_CALL = 180
"""Seconds of tone; see COMPAT above."""

MODULES = ("ctrl_tcp", "g711", "opus", "aufile", "sndfile", "srtp", "dtls_srtp", "ice")
APPLICATIONS = ("account", "contact", "menu")


class Phone:
    """A phone without registrar: it calls an address, or answers what comes to its own."""

    def __init__(
        self,
        folder: Path,
        hz: int,
        *,
        codec: str = "pcmu",
        answers: bool = False,
        security: str = "",
        rtcp_mux: bool = False,
        host: str = "127.0.0.1",
    ):
        """`codec` is of 8 kHz unless it says more: "opus/48000/2".

        `security` is more of the account, such as "mediaenc=dtls_srtp;medianat=ice"."""
        self.folder = folder
        self.hz = hz
        self.port = free_port()
        self._place = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.uri = f"sip:phone@{self._place}"
        self.codec = codec
        self.answers = answers
        self.security = security
        self.rtcp_mux = rtcp_mux
        self._control_port = free_port()
        self._replies: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True)
        write_tone(self.folder / "tone.wav", self.hz, RATE, LONGEST_CALL)
        (self.folder / "config").write_text(self._config())
        (self.folder / "accounts").write_text(self._account())
        (self.folder / "contacts").touch()
        # -s traces every SIP message into the output, which a failed test shows.
        command = (find_program("baresip"), "-s", "-f", str(self.folder), "-t", str(LONGEST_CALL))
        self._process = Process(*command, environ={"HOME": str(self.folder)})
        await self._process.__aenter__()
        try:
            reader, self._writer = await self._connect()
        except BaseException:
            await self._process.end()
            raise
        self._listener = asyncio.create_task(self._listen(reader))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.cancel()
        self._writer.close()
        await self._process.__aexit__(kind, error, traceback)

    def _config(self) -> str:
        media = free_ports(20)
        lines = [
            "poll_method epoll",
            f"sip_listen {self._place}",
            f"ctrl_tcp_listen 127.0.0.1:{self._control_port}",
            "module_path /usr/lib/baresip/modules",
            *(f"module {name}.so" for name in MODULES),
            *(f"module_app {name}.so" for name in APPLICATIONS),
            f"audio_source aufile,{self.folder}/tone.wav",
            f"snd_path {self.folder}",
            f"ausrc_srate {RATE}",
            f"auplay_srate {RATE}",
            "ausrc_channels 1",
            "auplay_channels 1",
            f"rtp_ports {media.start}-{media.stop - 1}",
            f"rtcp_mux {'yes' if self.rtcp_mux else 'no'}",
        ]
        return "\n".join(lines) + "\n"

    def _account(self) -> str:
        answering = ";answermode=auto" if self.answers else ""
        security = f";{self.security}" if self.security else ""
        codecs = f";audio_codecs={self.codec if '/' in self.codec else f'{self.codec}/{RATE}'}"
        return f"<{self.uri}>;regint=0{codecs}{answering}{security}\n"

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    return await asyncio.open_connection("127.0.0.1", self._control_port)
                await asyncio.sleep(0.05)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Netstrings, `LEN:{json},`; answers and events share the connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(length + 1))[:-1])
                queue = self._events if message.get("event") else self._replies
                queue.put_nowait(message)

    async def command(self, name: str, params: str = "") -> dict[str, Any]:
        message = json.dumps({"command": name, "params": params, "token": "t"}).encode()
        self._writer.write(b"%d:%s," % (len(message), message))
        async with asyncio.timeout(5):
            return await self._replies.get()

    async def event(self, kind: str, within: float = 10.0) -> dict[str, Any]:
        """Waits for the next event of a kind and drops those before it."""
        seen = []
        try:
            async with asyncio.timeout(within):
                while (event := await self._events.get())["type"] != kind:
                    seen.append(f"{event['type']} {event.get('param', '')}")
                return event
        except TimeoutError:
            raise AssertionError(
                f"no {kind} within {within} s, only {seen}\n{self._process.tail}"
            ) from None

    async def dial(self, uri: str) -> None:
        """Calls and returns when the call is up."""
        await self.command("dial", uri)
        await self.event("CALL_ESTABLISHED")

    async def hang_up(self) -> None:
        await self.command("hangup")
        await self.event("CALL_CLOSED")

    async def hold(self) -> None:
        await self.command("hold")

    async def resume(self) -> None:
        await self.command("resume")

    async def press(self, digit: str) -> None:
        """Sends a telephone event; RFC 4733."""
        await self.command("sndcode", digit)

    async def hears(self, seconds: float = 1.0) -> dict[int, float]:
        """The level of every tone in what is heard from now on."""
        start = self.recorded()
        await asyncio.sleep(seconds)
        sound, rate = self._recording()
        return levels(sound[int(start * rate) :], rate)

    def loudest(self, since: float) -> float:
        """The level in dB of the loudest tenth of a second, from second `since` of the call on."""
        sound, rate = self._recording()
        return loudest(sound[int(since * rate) :], rate)

    def recorded(self) -> float:
        """Seconds of the present call that have been heard up to now."""
        sound, rate = self._recording()
        return len(sound) / rate

    def longest_gap(self, hz: int, since: float) -> float:
        """The longest time in seconds without a tone, from second `since` of the call on."""
        sound, rate = self._recording()
        return longest_gap(sound[int(since * rate) :], rate, hz)

    def _recording(self) -> tuple[Any, int]:
        """The decoded side of the latest call."""
        files = sorted(self.folder.glob("dump-*-dec.wav"), key=lambda file: file.stat().st_mtime)
        assert files, f"the phone at {self.uri} has received no sound yet"
        return read_growing_wave(files[-1])
