"""XMPP's front door: brings the pure cores, the component's stream and the focus together.

A call: propose (or directly session-initiate) to `<room>@<component>`, our answer from there, the
session's offer to `Focus.join`, its answer back as session-accept. When the component's stream is
lost, media goes on; calls are ended if the server stays away for `GRACE`.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from typing import assert_never

from gateway.address import Address
from gateway.errors import BY_STRANGERS, Reason, Refused
from gateway.ports import Focus, Offer, ParticipantId, RoomName
from gateway.sdp import SessionDescription
from xmppbridge import disco, jmi, presence, session
from xmppbridge.component import Component
from xmppbridge.jid import Jid
from xmppbridge.jmi import Expired, JmiEvent, ProposalKey, Proposals, Proposed, Withdrawn
from xmppbridge.leg import JingleLeg
from xmppbridge.reasons import of_refusal, to_jingle
from xmppbridge.session import (
    CandidateCame,
    Ended,
    Initiated,
    MuteChanged,
    SessionEvent,
    SessionKey,
    Sessions,
    TurnedAway,
)
from xmppbridge.stanza import INTERNAL_ERROR, Stanza, StanzaError, local_name

_log = logging.getLogger("trestle.xmpp")

GRACE = 30.0
"""Seconds that calls outlive the stream to the XMPP server."""

JOIN_TIMEOUT = 20.0

_NO_CHAT = StanzaError("cancel", "service-unavailable", "this conference carries calls, not text")


class XmppBridge:
    """`ports.Bridge` for XMPP clients: a component of one XMPP server."""

    def __init__(
        self, *, component: str, secret: str, host: str = "127.0.0.1", port: int = 5347
    ) -> None:
        self._domain = component
        self._server = (secret, host, port)
        self._sessions = Sessions(lambda: secrets.token_hex(8))
        self._proposals = Proposals()
        self._legs: dict[SessionKey, JingleLeg] = {}
        self._joining: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._mourning: asyncio.TimerHandle | None = None
        self._unanswered: Stanza | None = None
        """The request that is being treated, until its answer is sent."""

    async def start(self, focus: Focus) -> None:
        self._focus = focus
        self._loop = asyncio.get_running_loop()
        secret, host, port = self._server
        self._component = Component(self._domain, secret, host, port, self)
        await self._component.start()
        _log.info("%s is online at %s:%d", self._domain, host, port)

    async def stop(self) -> None:
        for leg in list(self._legs.values()):
            self._leave(leg, Reason.SHUTDOWN, "the gateway is stopping")
        for task in self._joining:
            task.cancel()
        if self._joining:
            await asyncio.wait(self._joining)
        self._proposals.finish_all(to_jingle(Reason.SHUTDOWN))
        self._drain()
        for timer in (self._timer, self._mourning):
            if timer is not None:
                timer.cancel()
        await self._component.stop()

    def inventory(self) -> Mapping[str, int]:
        return {"jingle_sessions": len(self._sessions), "jmi_proposals": len(self._proposals)}

    # --- what the stream tells --------------------------------------------------------------

    def on_stanza(self, stanza: Stanza) -> None:
        """Every request gets an answer, also when treating it fails (RFC 6120, s. 8.2.3)."""
        if stanza.kind == "iq" and stanza.type in ("get", "set"):
            self._unanswered = stanza
        try:
            self._dispatch(stanza)
            self._drain()
        except Exception:
            _log.exception("a stanza from %s could not be treated", stanza.sender)
        finally:
            if self._unanswered is not None:
                self._send(self._unanswered.refuse(INTERNAL_ERROR))

    def who(self, peer: Jid) -> str:
        """For the log: a caller's participant id, or who else it is."""
        ids = (leg.id for key, leg in self._legs.items() if key.peer == peer)
        return next(ids, str(peer))

    def on_offline(self) -> None:
        self._mourning = self._loop.call_later(GRACE, self._give_up)

    def on_online(self) -> None:
        if self._mourning is not None:
            self._mourning.cancel()

    def _give_up(self) -> None:
        for leg in list(self._legs.values()):
            self._leave(leg, Reason.CONNECTIVITY, f"no XMPP server for {GRACE:.0f} s")

    def _dispatch(self, stanza: Stanza) -> None:
        now = self._loop.time()
        match stanza.kind:
            case "iq" if stanza.type not in ("get", "set"):
                self._sessions.receive_response(stanza)
            case "iq" if stanza.child(session.TAG) is not None:
                self._sessions.receive_request(stanza, now)
            case "iq":
                self._send(disco.answer(stanza))
            case "message":
                self._proposals.receive_message(stanza, now)
                if _is_chat(stanza):
                    self._send(stanza.refuse(_NO_CHAT))
            case "presence" if stanza.type in ("unavailable", "error"):
                self._sessions.peer_gone(stanza.sender, stanza.to)
            case "presence":
                for answer in presence.answer(stanza):
                    self._send(answer)
            case _:
                assert_never(stanza.kind)

    # --- what the cores say -----------------------------------------------------------------

    def _drain(self) -> None:
        """After every input: sends what the cores want to say, and does what they tell."""
        while True:
            for stanza in (*self._proposals.stanzas_to_send(), *self._sessions.stanzas_to_send()):
                self._send(stanza)
            proposed, told = self._proposals.events(), self._sessions.events()
            if not proposed and not told:
                break
            for proposal in proposed:
                self._on_proposal(proposal)
            for event in told:
                self._treat(event)
        self._set_timer()

    def _send(self, stanza: Stanza) -> None:
        asked = self._unanswered
        if asked is not None and (stanza.id, stanza.to) == (asked.id, asked.sender):
            self._unanswered = None
        self._component.send(stanza)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        timeouts = (self._proposals.next_timeout(), self._sessions.next_timeout())
        deadline = min((t for t in timeouts if t is not None), default=None)
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        now = self._loop.time()
        self._proposals.handle_timeout(now)
        self._sessions.handle_timeout(now)
        self._drain()

    def _on_proposal(self, event: JmiEvent) -> None:
        match event:
            case Proposed(key, caller, room):
                try:
                    self._route(room, caller)
                except Refused as refused:
                    _log.info(
                        "%s proposed a call to %s: %s",
                        caller,
                        room,
                        refused.text,
                        extra=BY_STRANGERS,
                    )
                    self._proposals.reject(key, of_refusal(refused))
                else:
                    self._proposals.ring_and_proceed(key)
            case Withdrawn(key, started, reason, text):
                _log.debug("%s withdrew a call: %s", key.account, text)
                for leg in list(self._legs.values()) if started else ():
                    if _proposal_of(leg.key) == key:
                        self._leave(leg, reason, text)
            case Expired(key):
                _log.info("%s proposed a call and never made it", key.account, extra=BY_STRANGERS)
            case _:
                assert_never(event)

    def _treat(self, event: SessionEvent) -> None:
        """A failure of ours over one call ends that call and leaves the others alone."""
        try:
            self._on_session(event)
        except Exception:
            leg = self._legs.get(event.key)
            _log.exception("%s: failed on %s", leg.id if leg else event.key.peer, event)
            if leg is not None:
                self._leave(leg, Reason.FAILURE, "the gateway failed")

    def _on_session(self, event: SessionEvent) -> None:
        leg = self._legs.get(event.key)
        match event:
            case Initiated(key, local, offer):
                self._call(key, local, offer)
            case TurnedAway(key, local, reason, text):
                told = "%s called %s and was refused: %s"
                _log.info(told, key.peer, local.bare, text, extra=BY_STRANGERS)
                self._proposals.finish(_proposal_of(key), to_jingle(reason, text))
            case CandidateCame(_, candidate) if leg is not None:
                self._focus.add_candidate(leg.id, candidate)
            case MuteChanged(_, muted) if leg is not None:
                self._focus.mute(leg.id, muted)
            case Ended(_, reason, text) if leg is not None:
                self._leave(leg, reason, text)

    # --- calls ------------------------------------------------------------------------------

    def _call(self, key: SessionKey, local: Jid, offer: SessionDescription) -> None:
        self._proposals.start(_proposal_of(key))
        leg = JingleLeg(self._new_id(), key, self._hang_up)
        self._legs[key] = leg
        _log.info("%s is %s calling %s", leg.id, key.peer, local.bare, extra=BY_STRANGERS)
        task = self._loop.create_task(self._join(leg, local, offer), name=f"{leg.id} joins")
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _join(self, leg: JingleLeg, local: Jid, offer: SessionDescription) -> None:
        """From session-initiate to session-accept, or to the reason why there is none."""
        try:
            room = self._route(local, leg.key.peer)
            self._sessions.ring(leg.key, self._loop.time())
            self._drain()
            async with asyncio.timeout(JOIN_TIMEOUT):
                answer = await self._focus.join(room, leg, Offer(str(offer)))
            if leg.key not in self._sessions:
                # The caller hung up in between, and the focus was told too early to know the leg.
                self._focus.leave(leg.id, Reason.CANCELLED, "hung up before the answer")
                return
            description = SessionDescription.parse(answer.sdp)
            self._sessions.accept(leg.key, description, self._loop.time())
            self._drain()
            # No need to wait for its acknowledgement: ICE sends nothing to who does not answer.
            self._focus.confirm(leg.id)
        except Refused as refused:
            self._refuse(leg, refused)
        except TimeoutError:
            text = f"the media was not ready within {JOIN_TIMEOUT:.0f} s"
            self._refuse(leg, Refused(Reason.FAILURE, text))
        except Exception:
            _log.exception("%s could not join", leg.id)
            self._leave(leg, Reason.FAILURE, "the gateway failed")

    def _route(self, room: Jid, caller: Jid) -> RoomName:
        return self._focus.route(
            Address("xmpp", room.unescaped_user, room.host),
            Address("xmpp", caller.user, caller.host, caller.resource),
        )

    def _refuse(self, leg: JingleLeg, refused: Refused) -> None:
        """The focus knows nothing of this leg (any more)."""
        if self._legs.pop(leg.key, None) is not None:
            _log.info("%s is refused: %s", leg.id, refused.text, extra=BY_STRANGERS)
            self._over(leg, refused)

    def _leave(self, leg: JingleLeg, reason: Reason, text: str) -> None:
        if self._legs.pop(leg.key, None) is not None:
            self._focus.leave(leg.id, reason, text)
            self._over(leg, Refused(reason, text))

    def _hang_up(self, leg: JingleLeg, reason: Reason, text: str) -> None:
        """The focus has ended the leg."""
        if self._legs.pop(leg.key, None) is not None:
            _log.info("%s is hung up: %s", leg.id, text)
            self._over(leg, Refused(reason, text))

    def _over(self, leg: JingleLeg, why: Refused) -> None:
        """Tells the caller, unless the caller told us; one whose call began with a proposal is
        told that it is finished, too."""
        self._sessions.end(leg.key, of_refusal(why))
        self._proposals.finish(_proposal_of(leg.key), of_refusal(why))
        self._drain()

    def _new_id(self) -> ParticipantId:
        taken = {leg.id for leg in self._legs.values()}
        while (made := ParticipantId(f"xmpp-{secrets.token_hex(3)}")) in taken:
            pass
        return made


def _proposal_of(key: SessionKey) -> ProposalKey:
    """The proposal that a session began with, if it began with one: same account, id is the sid."""
    return ProposalKey(key.peer.bare, key.sid)


def _is_chat(stanza: Stanza) -> bool:
    return (
        stanza.type in ("chat", "normal")
        and jmi.element_of(stanza) is None
        and any(local_name(child) == "body" for child in stanza.payload)
    )
