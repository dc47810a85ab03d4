"""The composition root: the one place that knows every concrete class."""

import asyncio
import logging
import os
import shutil
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Protocol

from gateway.conference.permissions import Moderation, Publishing, Rules
from gateway.conference.rooms import Rooms
from gateway.conference.surroundings import Surroundings
from gateway.config import Config
from gateway.dialplan.load import load_plan
from gateway.dialplan.model import Plan
from gateway.errors import TrestleError
from gateway.media import prompts
from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import Bridge, RoomName
from gateway.trees.planner import TreePolicy
from gateway.trees.policies.binary_tree import BinaryTree
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.trees.policies.linked_list import LinkedList
from gateway.trees.policies.sparse import Sparse
from gateway.web.ice_servers import IceServers
from gateway.web.metrics import exposition
from gateway.web.server import WebServer
from sipbridge.bridge import SipBridge
from xmppbridge.bridge import XmppBridge
from xmppbridge.prosody import EmbeddedProsody

_log = logging.getLogger("trestle.app")

DEMO_ROOM = "demo"


class _Inventoried(Protocol):
    """A part that can tell how much of what it holds open."""

    def inventory(self) -> Mapping[str, int]: ...


class Gateway:
    """A whole gateway: everything that a configuration asks for, started and stopped together."""

    def __init__(self, config: Config) -> None:
        """Call inside a running event loop. Raises `TrestleError` for a faulty dial plan."""
        self._config = config
        loop = asyncio.get_running_loop()
        self._plane = _plane(config)
        plan = load_plan(config.dialplan)
        self.rooms = Rooms(
            plan,
            self._plane,
            _policy(config),
            Surroundings(loop.time, loop.call_at),
            config.conference.max_participants,
            announcements=config.conference.announcements,
            recording=config.conference.recording == "anyone",
            rules=rules_of_rooms(config, plan),
        )
        self.web = WebServer(
            listen=config.web.listen,
            port=config.web.port,
            tls_port=config.web.tls_port,
            certificate=config.web.certificate,
            key=config.web.key,
            state_dir=config.state_dir,
            ice_servers=_ice_servers(config),
            proxies=config.web.proxies,
            monitor_token=config.web.monitor_token,
            status=self.status,
            metrics=self.metrics,
            sounds=prompts.find(config.media.language, config.media.sounds),
        )
        self.sip = _sip(config) if config.sip.enabled else None
        self.xmpp_off = _why_xmpp_is_off(config)
        self.prosody = _prosody(config) if self.xmpp_off is None else None
        self.xmpp = _xmpp(config, self.prosody) if self.xmpp_off is None else None
        self._started = AsyncExitStack()

    async def start(self) -> None:
        """Returns when every door is open. Raises `TrestleError`, with all doors closed again."""
        try:
            await self._plane.start(self.rooms.on_media_event)
            self._started.push_async_callback(self._plane.stop)
            if self.sip is not None:
                await self._open(self.sip)
            if self.prosody is not None:
                await self.prosody.start()
                self._started.push_async_callback(self.prosody.stop)
            if self.xmpp is not None:
                await self._open(self.xmpp)
            else:
                _log.warning("XMPP is off: %s", self.xmpp_off)
            # The page comes last: who sees it finds everything else there.
            await self.web.start(self.rooms)
            self._started.push_async_callback(self.web.stop)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends every call in its protocol's words; what was started last ends first."""
        await self._started.aclose()

    def status(self) -> Mapping[str, object]:
        """What is open now, and every room with its trees; plain values for JSON."""
        engines = {str(number): asdict(one) for number, one in self._plane.statistics().items()}
        return {"open": self._open_now(), "media": engines, "rooms": self.rooms.describe()}

    def metrics(self) -> bytes:
        """The same in numbers for Prometheus, without a line for each call."""
        return exposition(self._open_now(), self._plane.statistics(), self.rooms.tree_figures())

    def _open_now(self) -> dict[str, int]:
        parts: list[_Inventoried | None] = [
            self.rooms,
            self._plane,
            self.web,
            self.sip,
            self.xmpp,
        ]
        open_now = {"tasks": len(asyncio.all_tasks()), "file_descriptors": _count_descriptors()}
        for part in parts:
            if part is not None:
                open_now.update(part.inventory())
        return open_now

    def invitation(self) -> str:
        """What to do now, for the person who started this."""
        here = _own_address()
        lines = [
            "Trestle is ready.",
            f"  Browser  http://localhost:{self.web.port}/{DEMO_ROOM}",
        ]
        if self.web.tls_port is not None:
            lines.append(
                f"           https://{_reached(self._config.web.listen, here)}"
                f":{self.web.tls_port}/{DEMO_ROOM} from other machines"
                + ("" if self._config.web.certificate else " (accept the generated certificate)")
            )
        if self.sip is not None:
            host = self._config.sip.host or _reached(self._config.sip.listen, here)
            port = "" if self.sip.port == 5060 else f":{self.sip.port}"
            lines.append(f"  Phone    sip:{DEMO_ROOM}@{host}{port}")
        if self.xmpp is not None:
            lines.append(f"  XMPP     {DEMO_ROOM}@{self._config.xmpp.component}")
            if self.prosody is not None:
                who = f"you@{self._config.xmpp.domain}"
                lines.append(f"           make an account: trestle account add {who}")
        else:
            lines.append(f"  XMPP     off: {self.xmpp_off}")
        lines.append(f"  Monitor  http://localhost:{self.web.port}/monitor{self._monitor_query()}")
        return "\n".join(lines)

    def _monitor_query(self) -> str:
        """A token of the admin's own is not told: it has its place."""
        if self._config.web.monitor_token is not None:
            return " (with web.monitor_token)"
        return f"?token={self.web.own_monitor_token()}"

    async def _open(self, bridge: Bridge) -> None:
        await bridge.start(self.rooms)
        self._started.push_async_callback(bridge.stop)


async def serve(config: Config, stop: Awaitable[object], announce: Callable[[str], None]) -> None:
    """Runs a gateway until `stop` is done; `announce` gets the invitation when it is ready."""
    gateway = Gateway(config)
    await gateway.start()
    try:
        announce(gateway.invitation())
        await stop
        _log.info("stopping")
    finally:
        await gateway.stop()


def rules_of_rooms(config: Config, plan: Plan) -> Callable[[RoomName], Rules]:
    """Who may publish in each room. Raises `TrestleError` for one where nobody ever could."""
    conference = config.conference

    def rules(room: RoomName) -> Rules:
        own = plan.options(room)
        return Rules(
            Publishing(own.publishing or conference.publishing),
            Moderation(conference.moderator),
            own.moderator_key or conference.moderator_key,
        )

    for room in plan.rooms:
        made = rules(room)
        if made.publishing is Publishing.MODERATORS and not made.can_be_moderated:
            raise TrestleError(
                f"{config.dialplan}: only moderators publish in room '{room}', and nobody can be"
                " one: give it a moderator_key, or set conference.moderator to first"
            )
    return rules


def embedded_prosody(config: Config) -> EmbeddedProsody:
    """The XMPP server that this configuration would run."""
    xmpp = config.xmpp
    return EmbeddedProsody(
        state_dir=config.state_dir / "prosody",
        domain=xmpp.domain,
        component=xmpp.component,
        listen=xmpp.listen,
        c2s_port=xmpp.c2s_port,
        component_port=xmpp.component_port,
        http_port=xmpp.http_port,
    )


def _policy(config: Config) -> TreePolicy:
    fanout = config.conference.fanout
    policies: Mapping[str, TreePolicy] = {
        "sparse": Sparse(fanout, config.conference.direct),
        "breadth-first": BreadthFirst(fanout),
        "binary-tree": BinaryTree(),
        "linked-list": LinkedList(),
    }
    return policies[config.conference.policy]


def _plane(config: Config) -> InlinePlane | WorkerPlane:
    media = config.media
    settings = Settings(
        media.rtp_ports,
        media.address,
        media.ice_port,
        rtp_timeout=media.rtp_timeout,
        log_level=config.log_level,
        language=media.language,
        sounds=str(media.sounds) if media.sounds else None,
        recordings=str(media.recordings or config.state_dir / "recordings"),
    )
    return WorkerPlane(settings, media.workers) if media.workers else InlinePlane(settings)


def _ice_servers(config: Config) -> IceServers:
    ice = config.ice
    return IceServers(ice.stun, ice.turn, ice.secret, ice.lifetime, ice.username, ice.password)


def _sip(config: Config) -> SipBridge:
    sip = config.sip
    return SipBridge(listen=sip.listen, port=sip.port, host=sip.host, udp=sip.udp, tcp=sip.tcp)


def _why_xmpp_is_off(config: Config) -> str | None:
    if not config.xmpp.enabled:
        return "xmpp.enabled is off in the configuration"
    if config.xmpp.server is None and shutil.which("prosody") is None:
        return "no prosody program here (apt-get install prosody), and xmpp.server is not set"
    return None


def _prosody(config: Config) -> EmbeddedProsody | None:
    return embedded_prosody(config) if config.xmpp.server is None else None


def _xmpp(config: Config, prosody: EmbeddedProsody | None) -> XmppBridge:
    xmpp = config.xmpp
    if prosody is not None:
        return XmppBridge(component=xmpp.component, secret=prosody.secret, port=xmpp.component_port)
    assert xmpp.server is not None
    assert xmpp.secret is not None
    return XmppBridge(
        component=xmpp.component,
        secret=xmpp.secret,
        host=xmpp.server.host,
        port=xmpp.server.port,
    )


def _reached(listen: str, here: str) -> str:
    """What to call when a socket listens on `listen`."""
    if listen in ("0.0.0.0", "::"):
        return here
    return f"[{listen}]" if ":" in listen else listen


def _own_address() -> str:
    """The address that other machines most likely reach us by; localhost without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: asks the kernel for the route to a documentation address (RFC 5737).
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return "localhost"
        return str(probe.getsockname()[0])


def _count_descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except FileNotFoundError:
        return -1
