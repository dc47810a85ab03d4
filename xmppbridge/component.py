"""The stream to the XMPP server: a component (XEP-0114) over slixmpp.

slixmpp frames the stream, parses its XML and does the handshake; stanzas are taken from it whole,
before any handler or roster of its own sees them. It does not reconnect a stream that was
established, so that is done here. What was in flight when a stream broke is lost: the protocol has
no resumption for components, the cores' timeouts take care of it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol, cast
from xml.etree.ElementTree import Element

from slixmpp import ComponentXMPP
from slixmpp.xmlstream import StanzaBase
from slixmpp.xmlstream.tostring import tostring

from gateway.errors import BY_STRANGERS, Refused, TrestleError
from xmppbridge import stanza as stanzas
from xmppbridge.jid import Jid
from xmppbridge.stanza import COMPONENT, Stanza

_log = logging.getLogger("trestle.xmpp")

CONNECT_TIMEOUT = 10.0
FIRST_DELAY = 0.5
LONGEST_DELAY = 15.0
"""Seconds between two attempts to reconnect; the first is doubled up to the longest."""

_CURES = {
    "not-authorized": "it does not accept our secret: give both sides the same (xmpp.secret)",
    "host-unknown": "it knows no such component: add it to the server's configuration",
    "conflict": "another program is connected as this component already: stop that one",
}
"""What the admin can do about the stream errors that a component meets (RFC 6120, s. 4.9.3)."""


class Owner(Protocol):
    """Whoever the stream is for; called on the event loop, must not block."""

    def on_stanza(self, stanza: Stanza) -> None: ...

    def who(self, peer: Jid) -> str:
        """What the log calls a peer: its participant id, if it has one."""
        ...

    def on_offline(self) -> None: ...

    def on_online(self) -> None:
        """Again online; not called for the first time, which `Component.start` tells."""
        ...


class Component:
    """One component's stream, reconnected until `stop`."""

    def __init__(self, jid: str, secret: str, host: str, port: int, owner: Owner) -> None:
        self.jid = jid
        self._place = f"{host}:{port}"
        self._owner = owner
        self._online = False
        self._lost = asyncio.Event()
        self._attempt: asyncio.Future[None] | None = None
        self._stream_error = ""
        self._keeper: asyncio.Task[None] | None = None
        self._stream = ComponentXMPP(jid, secret, host, port)  # type: ignore[no-untyped-call]
        # The component port speaks no TLS; slixmpp would try that first.
        self._stream.enable_direct_tls = False
        self._stream.add_filter("in", cast("Callable[[StanzaBase], StanzaBase | None]", self._take))
        for event, handler in (
            ("session_start", self._on_session_start),
            ("connection_failed", self._on_connection_failed),
            ("stream_error", self._on_stream_error),
            ("disconnected", self._on_disconnected),
        ):
            self._stream.add_event_handler(event, handler)

    async def start(self) -> None:
        """Returns when the server has accepted us. Raises `TrestleError`."""
        try:
            await self._connect()
        except BaseException:
            await self._close()
            raise
        self._keeper = asyncio.create_task(self._keep_online(), name="xmpp reconnect")

    async def stop(self) -> None:
        """Closes the stream after what was sent before."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._close()

    def send(self, stanza: Stanza) -> None:
        """Writes a stanza; without a stream it is dropped, as XMPP would drop it."""
        text = _text(stanzas.write(stanza))
        who = self._owner.who(stanza.to)
        if not self._online:
            _log.debug("%s not sent, no stream: %s", who, _one_line(text))
            return
        _log.debug("%s > %s", who, _one_line(text))
        self._stream.send_raw(text)

    # --- stanzas ----------------------------------------------------------------------------

    def _take(self, incoming: StanzaBase) -> StanzaBase | None:
        """Takes every stanza out of slixmpp's hands; leaves it the stream's own elements."""
        element: Element = incoming.xml
        if stanzas.local_name(element) not in ("iq", "message", "presence"):
            return incoming
        try:
            stanza = stanzas.read(element)
        except Refused as refused:
            _log.info("a stanza was dropped: %s", refused.text, extra=BY_STRANGERS)
            return None
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s < %s", self._owner.who(stanza.sender), _one_line(_text(element)))
        self._owner.on_stanza(stanza)
        return None

    # --- the stream -------------------------------------------------------------------------

    async def _connect(self) -> None:
        self._stream_error = ""
        self._attempt = asyncio.get_running_loop().create_future()
        try:
            self._stream.connect()
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._attempt
        except TimeoutError:
            text = f"the XMPP server at {self._place} did not answer in {CONNECT_TIMEOUT:.0f} s"
            raise TrestleError(text) from None
        finally:
            if not self._online:
                # Or slixmpp goes on trying by itself, ever more slowly.
                self._stream.cancel_connection_attempt()
                self._stream.abort()
            self._attempt = None

    async def _keep_online(self) -> None:
        while True:
            await self._lost.wait()
            self._lost.clear()
            _log.warning("%s: the XMPP server at %s is gone", self.jid, self._place)
            self._owner.on_offline()
            await self._reconnect()
            _log.info("%s: online again", self.jid)
            self._owner.on_online()

    async def _reconnect(self) -> None:
        delay = FIRST_DELAY
        while True:
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)
            try:
                return await self._connect()
            except TrestleError as error:
                _log.warning("%s: %s; next attempt in %.1f s", self.jid, error, delay)

    async def _close(self) -> None:
        self._online = False
        if self._stream.is_connected():
            await self._stream.disconnect(wait=1.0)
        # slixmpp never ends its sender; nothing but this reaches it.
        sender = self._stream._run_out_filters
        if sender is not None:
            sender.cancel()
            await asyncio.wait([sender])

    def _on_session_start(self, _: object) -> None:
        self._online = True
        if self._attempt is not None and not self._attempt.done():
            self._attempt.set_result(None)

    def _on_connection_failed(self, error: object) -> None:
        self._fail(f"cannot reach the XMPP server at {self._place}: {error}")

    def _on_stream_error(self, error: StanzaBase) -> None:
        self._stream_error = str(error["condition"])

    def _on_disconnected(self, _: object) -> None:
        if self._online:
            self._online = False
            self._lost.set()
        cure = _CURES.get(self._stream_error, "it closed the stream " + self._stream_error)
        self._fail(f"the XMPP server at {self._place} refused the component {self.jid}: {cure}")

    def _fail(self, text: str) -> None:
        if self._attempt is not None and not self._attempt.done():
            self._attempt.set_exception(TrestleError(text.rstrip()))


def _text(element: Element) -> str:
    """With default namespaces instead of prefixes, as everybody else in XMPP writes."""
    return tostring(element, xmlns=COMPONENT)


def _one_line(text: str) -> str:
    """So that nobody's stanza can write lines of its own into the log."""
    return " ".join(text.splitlines())
