"""A place for one gateway: a folder, ports that are free, and a configuration that names them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from support.sockets import free_port, free_ports

DOMAIN = "localhost"
COMPONENT = "rooms.localhost"

KEYS = ("web.port", "sip.port", "xmpp.c2s_port", "xmpp.component_port", "xmpp.http_port")


class Site:
    """Exists as long as the context; `ports` sets some by their key, the others are free ones;
    `more` are further lines of the configuration."""

    def __init__(
        self, ports: Mapping[str, int] | None = None, more: str = "", log_level: str = "debug"
    ) -> None:
        self._more = more
        self._log_level = log_level
        self.ports = {key: free_port() for key in KEYS} | dict(ports or {})

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="trestle-test-")
        self.folder = Path(self._folder.name)
        # As root, the gateway's Prosody runs as another user and must reach its state.
        self.folder.chmod(0o755)
        self.config = self.folder / "gateway.yaml"
        self.config.write_text(self._yaml())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def _yaml(self) -> str:
        web, sip, c2s, component, http = (self.ports[key] for key in KEYS)
        media = free_ports(200)
        return f"""
web: {{listen: 127.0.0.1, port: {web}, tls_port: off}}
sip: {{listen: 127.0.0.1, port: {sip}}}
xmpp:
  domain: {DOMAIN}
  component: {COMPONENT}
  listen: 127.0.0.1
  c2s_port: {c2s}
  component_port: {component}
  http_port: {http}
media: {{rtp_ports: {media.start}-{media.stop - 1}}}
state_dir: {self.folder / "state"}
log_level: {self._log_level}
{self._more}
"""

    @property
    def web_url(self) -> str:
        return f"http://localhost:{self.ports['web.port']}"

    @property
    def signalling_url(self) -> str:
        """Where a browser's web socket connects; docs/protocol.md."""
        return f"ws://localhost:{self.ports['web.port']}/ws"

    @property
    def xmpp_websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.ports['xmpp.http_port']}/xmpp-websocket"

    def page_url(self, room: str) -> str:
        return f"{self.web_url}/{room}"

    def sip_uri(self, room: str) -> str:
        return f"sip:{room}@127.0.0.1:{self.ports['sip.port']}"

    def room_jid(self, room: str) -> str:
        """The full JID that answers calls to a room."""
        return f"{room}@{COMPONENT}/mix"
