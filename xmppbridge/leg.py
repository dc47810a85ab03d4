"""A Jingle session as the focus sees it."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import Reason
from gateway.ports import Kind, LegEvent, ParticipantId
from xmppbridge.jid import Jid
from xmppbridge.session import SessionKey

MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class JingleLeg:
    """`ports.Leg`. The roster and the trees have no words in a plain Jingle call."""

    id: ParticipantId
    key: SessionKey
    end: Callable[["JingleLeg", Reason, str], None]

    @property
    def kind(self) -> Kind:
        return Kind.XMPP

    @property
    def name(self) -> str:
        return display_name(self.key.peer)

    @property
    def address(self) -> str:
        return str(self.key.peer)

    def notify(self, event: LegEvent) -> None:
        """Nothing to tell until XEP-0298 tells clients who is in the conference."""

    def hang_up(self, reason: Reason, text: str) -> None:
        self.end(self, reason, text)


def display_name(peer: Jid) -> str:
    """The user part as people know it; the host for who has none."""
    for text in (peer.unescaped_user, peer.host):
        name = "".join(c if c.isprintable() else " " for c in text).strip()[:MAX_NAME].strip()
        if name:
            return name
    return "XMPP"
