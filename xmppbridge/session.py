"""PURE: Jingle sessions as the responder; XEP-0166, section 6 and 7.

Feed stanzas and commands, then drain `stanzas_to_send()` and `events()`. Every request is answered
first and acted upon afterwards. A session is known by the peer's full JID, as its server wrote it,
and the sid; what the stanza says of initiator and responder is never trusted.

We never initiate, so no two actions of ours and the peer's can cross in a way that would need
`tie-break` (section 7.2.16): where both change contents, the initiator's word stands.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from gateway.errors import Reason, Refused
from gateway.ports import Candidate
from gateway.sdp import SessionDescription
from xmppbridge import jingle as jingles
from xmppbridge import sdp
from xmppbridge.jid import Jid
from xmppbridge.jingle import Content, Info, Jingle
from xmppbridge.reasons import JINGLE, JingleReason, from_jingle, of_refusal, to_jingle
from xmppbridge.stanza import Stanza, StanzaError

JINGLE_ERRORS = "urn:xmpp:jingle:errors:1"
TAG = f"{{{JINGLE}}}jingle"

MAX_SESSIONS = 1000
MAX_SESSIONS_PER_ACCOUNT = 8
MAX_CANDIDATES = 128
"""Of one session in its whole life."""

ANSWER_TIMEOUT = 30.0
"""Seconds that a peer has to answer a request. A session whose accept is never acknowledged ends:
either the peer has gone, or the stanza was lost with the stream (XEP-0114 resends nothing)."""


class State(Enum):
    """XEP-0166, section 5; ENDED sessions are forgotten."""

    PENDING = "pending"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What names a session: nobody else can speak for this peer."""

    peer: Jid
    sid: str


# --- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Initiated:
    """A peer calls. Ends in `accept` or `end`, unless `Ended` comes first."""

    key: SessionKey
    local: Jid
    offer: SessionDescription


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A call that could never be answered; the peer knows already, nothing is left."""

    key: SessionKey
    local: Jid
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class CandidateCame:
    """Of an accepted session."""

    key: SessionKey
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class MuteChanged:
    """Of an accepted session."""

    key: SessionKey
    muted: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over, not by our `end`."""

    key: SessionKey
    reason: Reason
    text: str


SessionEvent = Initiated | TurnedAway | CandidateCame | MuteChanged | Ended


# --- errors ---------------------------------------------------------------------------------

_OUT_OF_ORDER = StanzaError(
    "wait", "unexpected-request", application=f"{{{JINGLE_ERRORS}}}out-of-order"
)
_UNKNOWN_SESSION = StanzaError(
    "cancel", "item-not-found", application=f"{{{JINGLE_ERRORS}}}unknown-session"
)
_UNSUPPORTED_INFO = StanzaError(
    "cancel", "feature-not-implemented", application=f"{{{JINGLE_ERRORS}}}unsupported-info"
)
_UNSUPPORTED_ACTION = StanzaError("cancel", "feature-not-implemented")
_TOO_MANY = StanzaError("wait", "resource-constraint", "you have too many calls already")

_GONE = frozenset(
    {
        "gone",
        "item-not-found",
        "recipient-unavailable",
        "remote-server-not-found",
        "remote-server-timeout",
        "service-unavailable",
    }
)
"""Conditions that mean: nobody is there (any more); RFC 6120, section 8.3.3."""

_ANSWERS_TO_US = frozenset(
    {
        "content-accept",
        "content-reject",
        "session-accept",
        "session-initiate",
        "transport-accept",
        "transport-reject",
    }
)
"""Actions that no initiator may send in an existing session: all but one answer what we never ask;
a second session-initiate with a known sid is out of order as well."""


@dataclass(slots=True)
class _Session:
    local: Jid
    initiate: Jingle
    state: State = State.PENDING
    early: list[SessionEvent] = field(default_factory=list)
    """What came before the description was set; told after `accept`."""
    candidates: int = 0

    @property
    def contents(self) -> Mapping[str, Content]:
        return {content.name: content for content in self.initiate.contents}

    @property
    def audio(self) -> frozenset[str]:
        return frozenset(
            content.name
            for content in self.initiate.contents
            if content.description is not None and content.description.media == "audio"
        )


@dataclass(frozen=True, slots=True)
class _Request:
    """A request of ours that waits for its result."""

    key: SessionKey
    action: str
    deadline: float


class Sessions:
    """Every Jingle session of a component. `new_id` makes stanza ids that nobody can guess."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._sessions: dict[SessionKey, _Session] = {}
        self._requests: dict[str, _Request] = {}
        self._stanzas: list[Stanza] = []
        self._events: list[SessionEvent] = []
        self._actions: Mapping[str, Callable[[SessionKey, _Session, Jingle, float], None]] = {
            "content-add": self._content_add,
            "content-modify": self._tolerate,
            "content-remove": self._content_remove,
            "description-info": self._tolerate,
            "session-info": self._session_info,
            "session-terminate": self._session_terminate,
            "transport-info": self._transport_info,
            "transport-replace": self._transport_replace,
        }

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, key: SessionKey) -> bool:
        return key in self._sessions

    # --- input ------------------------------------------------------------------------------

    def receive_request(self, stanza: Stanza, now: float) -> None:
        """An IQ with a `<jingle/>`."""
        element = stanza.child(TAG)
        assert element is not None
        try:
            jingle = jingles.read(element)
        except Refused as refused:
            return self._refuse(stanza, StanzaError("modify", "bad-request", refused.text))
        if stanza.type != "set":
            return self._refuse(stanza, StanzaError("modify", "bad-request", "Jingle needs a set"))
        key = SessionKey(stanza.sender, jingle.sid)
        session = self._sessions.get(key)
        if session is None and jingle.action == "session-initiate":
            return self._initiate(stanza, key, jingle)
        if session is None or session.local != stanza.to:
            return self._refuse(stanza, _UNKNOWN_SESSION)
        error = self._objection(jingle)
        if error is not None:
            return self._refuse(stanza, error)
        self._stanzas.append(stanza.reply())
        self._actions[jingle.action](key, session, jingle, now)

    def receive_response(self, stanza: Stanza) -> None:
        """An IQ result or error; one that answers nothing of ours is ignored."""
        request = self._requests.get(stanza.id)
        if request is None or request.key.peer != stanza.sender:
            return
        del self._requests[stanza.id]
        if stanza.type != "error" or request.key not in self._sessions:
            return
        condition = stanza.error.condition if stanza.error is not None else ""
        if condition in _GONE:
            self._lose(request.key, Reason.CONNECTIVITY, f"the client is gone ({condition})")
        elif request.action == "session-accept":
            self.end(request.key, to_jingle(Reason.MEDIA, "your client refused the answer"))
            text = f"the client refused the answer ({condition})"
            self._events.append(Ended(request.key, Reason.MEDIA, text))

    def peer_gone(self, peer: Jid, room: Jid) -> None:
        """The peer told this room by presence that it has gone offline."""
        for key, session in list(self._sessions.items()):
            if key.peer == peer and session.local.bare == room.bare:
                self._lose(key, Reason.CONNECTIVITY, "the client went offline")

    def handle_timeout(self, now: float) -> None:
        late = [stanza_id for stanza_id, r in self._requests.items() if r.deadline <= now]
        for stanza_id in late:
            request = self._requests.pop(stanza_id)
            if request.action == "session-accept" and request.key in self._sessions:
                text = f"the answer was not acknowledged within {ANSWER_TIMEOUT:.0f} s"
                self.end(request.key, to_jingle(Reason.CONNECTIVITY, text))
                self._events.append(Ended(request.key, Reason.CONNECTIVITY, text))

    def next_timeout(self) -> float | None:
        return min((request.deadline for request in self._requests.values()), default=None)

    # --- commands ---------------------------------------------------------------------------

    def ring(self, key: SessionKey, now: float) -> None:
        """XEP-0167, section 6: we are getting somebody to answer."""
        self._request(key, Jingle("session-info", key.sid, info=Info("ringing")), now)

    def accept(self, key: SessionKey, answer: SessionDescription, now: float) -> None:
        """Answers the session's offer. What the peer sent early is told now."""
        session = self._sessions[key]
        assert session.state is State.PENDING
        accepted = sdp.accept(session.initiate, answer)
        session.state = State.ACTIVE
        self._request(
            key, Jingle("session-accept", key.sid, accepted.contents, accepted.groups), now
        )
        for name in accepted.removed:
            content = session.contents[name]
            reason = JingleReason("unsupported-applications", "this conference takes audio only")
            remove = Content(content.name, content.creator, content.senders)
            self._request(key, Jingle("content-remove", key.sid, (remove,), reason=reason), now)
        self._events += session.early
        session.early.clear()

    def end(self, key: SessionKey, reason: JingleReason) -> None:
        """Sends session-terminate; a session that has ended already is left alone."""
        session = self._sessions.pop(key, None)
        if session is not None:
            self._terminate(key, session.local, reason)

    # --- output -----------------------------------------------------------------------------

    def stanzas_to_send(self) -> list[Stanza]:
        stanzas, self._stanzas = self._stanzas, []
        return stanzas

    def events(self) -> list[SessionEvent]:
        events, self._events = self._events, []
        return events

    # --- actions ----------------------------------------------------------------------------

    def _initiate(self, stanza: Stanza, key: SessionKey, jingle: Jingle) -> None:
        account = key.peer.bare
        of_account = sum(other.peer.bare == account for other in self._sessions)
        if of_account >= MAX_SESSIONS_PER_ACCOUNT or len(self._sessions) >= MAX_SESSIONS:
            return self._refuse(stanza, _TOO_MANY)
        self._stanzas.append(stanza.reply())
        try:
            offer = sdp.offer(jingle)
        except Refused as refused:
            self._terminate(key, stanza.to, of_refusal(refused))
            self._events.append(TurnedAway(key, stanza.to, refused.reason, refused.text))
            return
        self._sessions[key] = _Session(stanza.to, jingle)
        self._events.append(Initiated(key, stanza.to, offer))

    def _session_terminate(
        self, key: SessionKey, session: _Session, jingle: Jingle, now: float
    ) -> None:
        self._lose(key, *from_jingle(jingle.reason))

    def _session_info(self, key: SessionKey, session: _Session, jingle: Jingle, now: float) -> None:
        """Hold and resume are heard and need nothing: the client stops sending by itself."""
        info = jingle.info
        if info is None or info.what not in ("mute", "unmute"):
            return
        if not info.name or info.name in session.audio:
            self._tell(session, MuteChanged(key, info.what == "mute"))

    def _transport_info(
        self, key: SessionKey, session: _Session, jingle: Jingle, now: float
    ) -> None:
        """XEP-0176, section 5.4. Candidates with other credentials are not this transport's."""
        for content in jingle.contents:
            known = session.contents.get(content.name)
            if content.transport is None or known is None or known.transport is None:
                continue
            if content.transport.ufrag not in ("", known.transport.ufrag):
                continue
            lines = (sdp.candidate_line(one) for one in content.transport.candidates)
            for line in lines:
                if line is not None and session.candidates < MAX_CANDIDATES:
                    session.candidates += 1
                    self._tell(session, CandidateCame(key, Candidate(content.name, line)))

    def _content_add(self, key: SessionKey, session: _Session, jingle: Jingle, now: float) -> None:
        reason = JingleReason("unsupported-applications", "this conference takes audio only")
        contents = tuple(Content(c.name, c.creator, c.senders) for c in jingle.contents)
        self._request(key, Jingle("content-reject", key.sid, contents, reason=reason), now)

    def _content_remove(
        self, key: SessionKey, session: _Session, jingle: Jingle, now: float
    ) -> None:
        """A session without audio is over for a conference (XEP-0166, section 7.2.3)."""
        if session.audio <= {content.name for content in jingle.contents}:
            self.end(key, to_jingle(Reason.NORMAL))
            self._events.append(Ended(key, Reason.NORMAL, "took its audio back"))

    def _transport_replace(
        self, key: SessionKey, session: _Session, jingle: Jingle, now: float
    ) -> None:
        contents = tuple(Content(c.name, c.creator, c.senders) for c in jingle.contents)
        self._request(key, Jingle("transport-reject", key.sid, contents), now)

    def _tolerate(self, key: SessionKey, session: _Session, jingle: Jingle, now: float) -> None:
        """Nothing to do: direction and parameters of its own stream are the sender's affair."""

    # --- helpers ----------------------------------------------------------------------------

    def _tell(self, session: _Session, event: SessionEvent) -> None:
        """Now, or after `accept`: a leg whose description is not set can use nothing yet."""
        if session.state is State.ACTIVE:
            self._events.append(event)
        elif len(session.early) < 2 * MAX_CANDIDATES:
            session.early.append(event)

    def _objection(self, jingle: Jingle) -> StanzaError | None:
        """Why this action cannot be taken in an existing session; None if it can."""
        if jingle.action in _ANSWERS_TO_US:
            return _OUT_OF_ORDER
        if jingle.action not in self._actions:
            return _UNSUPPORTED_ACTION
        if jingle.action == "session-info" and jingle.info == Info("unknown"):
            return _UNSUPPORTED_INFO
        return None

    def _lose(self, key: SessionKey, reason: Reason, text: str) -> None:
        """The peer has no such session any more; there is nobody to tell."""
        del self._sessions[key]
        self._events.append(Ended(key, reason, text))

    def _refuse(self, stanza: Stanza, error: StanzaError) -> None:
        self._stanzas.append(stanza.refuse(error))

    def _request(self, key: SessionKey, jingle: Jingle, now: float) -> None:
        local = self._sessions[key].local
        stanza_id = self._new_id()
        self._requests[stanza_id] = _Request(key, jingle.action, now + ANSWER_TIMEOUT)
        responder = str(local) if jingle.action == "session-accept" else None
        element = jingles.write(jingle, responder=responder)
        self._stanzas.append(Stanza("iq", "set", local, key.peer, stanza_id, (element,)))

    def _terminate(self, key: SessionKey, local: Jid, reason: JingleReason) -> None:
        """Nobody waits for the answer: the session is over whatever the peer says."""
        element = jingles.write(Jingle("session-terminate", key.sid, reason=reason))
        self._stanzas.append(Stanza("iq", "set", local, key.peer, self._new_id(), (element,)))
