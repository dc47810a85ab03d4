"""Dialogs as their UAS sees them: RFC 3261, section 12, and the 2xx's way, section 13.3.1.4."""

from dataclasses import dataclass, replace

from sipbridge.flow import Flow
from sipbridge.headers import NameAddr, SipUri
from sipbridge.message import Headers, Request, Response
from sipbridge.transaction import Timers


@dataclass(frozen=True, slots=True)
class DialogId:
    """Section 12: the same three values in every message of the dialog."""

    call_id: str
    local_tag: str
    remote_tag: str

    @classmethod
    def of_request(cls, request: Request) -> "DialogId":
        """Seen from the side that receives the request."""
        return cls(request.call_id, request.to.tag, request.from_.tag)


class Dialog:
    """Who talks to whom, by which route, and in which order."""

    def __init__(self, invite: Request, local_tag: str, contact: str, flow: Flow) -> None:
        """`contact` is the value of our Contact: where the peer sends its requests."""
        self.id = DialogId(invite.call_id, local_tag, invite.from_.tag)
        self.contact = contact
        self._local = f"{invite.get('To')};tag={local_tag}"
        self._remote = invite.get("From")
        self._route_set = tuple(invite.values("Record-Route"))
        self._remote_target = ""
        self._remote_sequence = invite.cseq.sequence
        self._local_sequence = 0
        self._flow = flow
        self._symmetric = True
        self.refresh(invite, flow)

    def takes(self, request: Request) -> bool:
        """Notes the request's CSeq; False when it is older than one already seen (s. 12.2.2).

        COMPAT: aiosip 0.2.0 numbers every request 1, so an equal number passes.
        """
        if request.cseq.sequence < self._remote_sequence:
            return False
        self._remote_sequence = request.cseq.sequence
        return True

    def refresh(self, request: Request, flow: Flow) -> None:
        """A new remote target (s. 12.2.2), and the path that works at this moment.

        The peer may come back by a new connection or from behind a new NAT binding.
        """
        if request.method == "INVITE" and request.contact is not None:
            self._remote_target = request.contact.uri
        self._flow = flow
        self._symmetric = "rport" in request.via.parameters

    def record_route(self) -> Headers:
        """Copied into the answer unchanged; section 12.1.1."""
        return tuple(("Record-Route", value) for value in self._route_set)

    def request(self, method: str, headers: Headers) -> Request:
        """The next request of ours; section 12.2.1.1. The transaction adds its Via."""
        self._local_sequence += 1
        uri, routes = self._remote_target, self._route_set
        if routes and "lr" not in _uri_parameters(routes[0]):
            # A strict router wants itself in the Request-URI and the target as last route.
            uri, routes = NameAddr.parse(routes[0]).uri, (*routes[1:], f"<{uri}>")
        fields = (
            ("Max-Forwards", "70"),
            *(("Route", route) for route in routes),
            ("From", self._local),
            ("To", self._remote),
            ("Call-ID", self.id.call_id),
            ("CSeq", f"{self._local_sequence} {method}"),
            *headers,
        )
        return Request(fields, b"", method, uri)

    @property
    def flow(self) -> Flow:
        """Where our requests go: back along the path by which the peer's came.

        Only a peer that never asked for that (no rport, RFC 3581), on UDP, may listen on another
        port than it sends from: then its Contact's port, at the same address. A Contact that
        names another host is not followed: that would let anybody aim our requests at a third.
        """
        if self._flow.reliable or self._symmetric:
            return self._flow
        next_hop = self._route_set[0] if self._route_set else f"<{self._remote_target}>"
        try:
            uri = SipUri.parse(NameAddr.parse(next_hop).uri)
        except ValueError:
            return self._flow
        if uri.host.strip("[]") != self._flow.host:
            return self._flow
        return replace(self._flow, port=uri.port or 5060)


class AnswerRetransmission:
    """A 2xx is repeated until its ACK, on every transport; RFC 3261, section 13.3.1.4.

    Not the transaction's work: proxies pass a 2xx and its ACK from end to end.
    """

    def __init__(self, response: Response, timers: Timers, now: float) -> None:
        self.response = response
        self._timers = timers
        self._pause = timers.t1
        self._again_at = now + timers.t1
        self._give_up_at = now + timers.give_up

    def next_timeout(self) -> float:
        return min(self._again_at, self._give_up_at)

    def acknowledged_by(self, ack: Request) -> bool:
        return ack.cseq.sequence == self.response.cseq.sequence

    def due(self, now: float) -> bool:
        """Whether the answer shall go out again at `now`."""
        if now < self._again_at:
            return False
        self._pause = min(2 * self._pause, self._timers.t2)
        self._again_at = now + self._pause
        return True

    def expired(self, now: float) -> bool:
        return now >= self._give_up_at


def _uri_parameters(route: str) -> frozenset[str]:
    """Parameter names of a Route's URI; none where it cannot be read."""
    try:
        return frozenset(SipUri.parse(NameAddr.parse(route).uri).parameters)
    except ValueError:
        return frozenset()
