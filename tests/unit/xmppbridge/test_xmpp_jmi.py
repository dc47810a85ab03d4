"""Call proposals; XEP-0353."""

from xml.etree.ElementTree import Element, SubElement

from gateway.errors import Reason
from xmppbridge.jid import Jid
from xmppbridge.jmi import (
    INITIATE_TIMEOUT,
    JMI,
    MAX_PROPOSALS_PER_ACCOUNT,
    Expired,
    ProposalKey,
    Proposals,
    Proposed,
    Withdrawn,
)
from xmppbridge.reasons import JINGLE, to_jingle
from xmppbridge.stanza import DELAY, Stanza, local_name

CALLER = Jid.parse("alice@example.org/phone")
ROOM = Jid.parse("demo@rooms.localhost")
KEY = ProposalKey(CALLER.bare, "c1")


def message(action: str, call_id: str = "c1", *media: str, delayed: bool = False) -> Stanza:
    element = Element(f"{{{JMI}}}{action}", {"id": call_id})
    for medium in media:
        SubElement(element, "{urn:xmpp:jingle:apps:rtp:1}description", {"media": medium})
    # COMPAT: Dino adds a child of its own.
    SubElement(element, "{http://gultsch.de/xmpp/drafts/omemo/dlts-srtp-verification}device")
    payload = (element, Element(f"{{{DELAY}}}delay")) if delayed else (element,)
    return Stanza("message", "chat", CALLER, ROOM, "m1", payload)


def said(proposals: Proposals) -> list[str]:
    return [local_name(stanza.payload[0]) for stanza in proposals.stanzas_to_send()]


def proposed() -> Proposals:
    proposals = Proposals()
    proposals.receive_message(message("propose", "c1", "audio", "video"), 0.0)
    assert proposals.events() == [Proposed(KEY, CALLER, ROOM)]
    return proposals


def test_a_proposal_is_rung_and_proceeded_from_the_address_to_call() -> None:
    proposals = proposed()
    proposals.ring_and_proceed(KEY)
    ringing, proceed = proposals.stanzas_to_send()
    for stanza, name in ((ringing, "ringing"), (proceed, "proceed")):
        assert (str(stanza.sender), stanza.to) == ("demo@rooms.localhost/mix", CALLER)
        assert stanza.type == "chat"
        assert [local_name(child) for child in stanza.payload] == [name, "store"]


def test_a_proposal_from_the_archive_does_not_ring() -> None:
    proposals = Proposals()
    proposals.receive_message(message("propose", "c1", "audio", delayed=True), 0.0)
    assert proposals.events() == []


def test_the_same_proposal_twice_rings_once() -> None:
    proposals = proposed()
    proposals.receive_message(message("propose", "c1", "audio"), 1.0)
    assert proposals.events() == []


def test_a_proposal_that_nobody_follows_expires_and_is_forgotten() -> None:
    proposals = proposed()
    proposals.ring_and_proceed(KEY)
    said(proposals)
    assert proposals.next_timeout() == INITIATE_TIMEOUT
    proposals.handle_timeout(INITIATE_TIMEOUT)
    assert proposals.events() == [Expired(KEY)]
    assert said(proposals) == ["finish"]
    assert len(proposals) == 0
    assert proposals.next_timeout() is None


def test_a_call_that_started_never_expires_and_is_finished() -> None:
    proposals = proposed()
    proposals.start(KEY)
    assert len(proposals) == 0
    assert proposals.next_timeout() is None
    proposals.handle_timeout(10 * INITIATE_TIMEOUT)
    proposals.finish(KEY, to_jingle(Reason.NORMAL))
    proposals.finish(KEY, to_jingle(Reason.NORMAL))
    assert said(proposals) == ["finish"]


def test_a_retracted_proposal_is_gone() -> None:
    proposals = proposed()
    proposals.receive_message(message("retract"), 1.0)
    (event,) = proposals.events()
    assert isinstance(event, Withdrawn)
    assert not event.started
    assert event.reason is Reason.CANCELLED
    assert said(proposals) == []


def test_a_finish_without_terminate_ends_the_call_and_is_answered() -> None:
    proposals = proposed()
    proposals.start(KEY)
    proposals.receive_message(message("finish"), 1.0)
    (event,) = proposals.events()
    assert isinstance(event, Withdrawn)
    assert event.started
    assert said(proposals) == ["finish"]


def test_a_rejection_says_why() -> None:
    proposals = proposed()
    proposals.reject(KEY, to_jingle(Reason.NOT_FOUND, "no such room"))
    (stanza,) = proposals.stanzas_to_send()
    element = stanza.payload[0]
    assert local_name(element) == "reject"
    assert element.find(f"{{{JINGLE}}}reason/{{{JINGLE}}}gone") is not None
    assert element.findtext(f"{{{JINGLE}}}reason/{{{JINGLE}}}text") == "no such room"


def test_pictures_without_sound_are_rejected() -> None:
    proposals = Proposals()
    proposals.receive_message(message("propose", "c1", "video"), 0.0)
    assert said(proposals) == ["reject"]
    assert proposals.events() == []


def test_an_account_has_so_many_proposals_at_most() -> None:
    proposals = Proposals()
    for number in range(MAX_PROPOSALS_PER_ACCOUNT + 1):
        proposals.receive_message(message("propose", f"c{number}", "audio"), 0.0)
    assert len(proposals) == MAX_PROPOSALS_PER_ACCOUNT
    assert said(proposals) == ["reject"]


def test_answers_and_errors_mean_nothing_to_the_called_side() -> None:
    proposals = proposed()
    for action in ("accept", "proceed", "ringing", "reject", "nonesuch"):
        proposals.receive_message(message(action), 1.0)
    bounced = message("retract")
    error = Stanza("message", "error", bounced.sender, bounced.to, "m1", bounced.payload)
    proposals.receive_message(error, 1.0)
    assert proposals.events() == []
    assert said(proposals) == []
