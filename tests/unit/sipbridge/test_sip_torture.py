"""RFC 4475: messages made to break parsers; each is answered, dropped or taken as it should be.

The messages follow the sections of the RFC; addresses are shortened. All go through the whole
machine, none may raise, and afterwards a good call still comes through.
"""

from pathlib import Path

import pytest

from sipbridge.message import Response
from support.sip_lab import OFFER, Lab, message

FILES = sorted((Path(__file__).parent / "torture").glob("*.sip"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_torture_message_gets_what_it_deserves(path: Path) -> None:
    lab = Lab()
    lab.receive(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    codes = [str(out.code) for out in lab.sent() if isinstance(out, Response)]
    verdict = codes or (["taken"] if lab.events() else ["dropped"])
    # The file's name says it: a status code, "taken" by the conference, or "dropped".
    assert verdict == [path.stem.rpartition(".")[2]]
    assert lab.agent.dropped == (verdict == ["dropped"])
    assert lab.offered(call_id="good", branch="z9hG4bKgood").startswith("sip-")


def test_the_torture_chamber_is_not_empty() -> None:
    assert len(FILES) >= 20


def test_a_short_tortuous_invite_is_a_call() -> None:
    """RFC 4475, section 3.1.1.1 (wsinv): legal in every odd detail."""
    lab = Lab()
    path = Path(__file__).parent / "torture" / "wsinv.taken.sip"
    lab.receive(path.read_bytes().replace(b"\n", b"\r\n"))
    (event,) = lab.events()
    lab.advance(0.2)
    response = lab.response()
    assert response.code == 100
    assert response.call_id == "wsinv.ndaksdj@192.0.2.1"
    assert len(response.values("Via")) == 3
    assert getattr(event, "sdp", None) is not None


def test_a_thousand_bad_messages_leave_nothing_behind() -> None:
    lab = Lab()
    for number in range(1000):
        lab.receive(message(branch=f"z9hG4bK{number}").replace(b"CSeq: 1 INVITE", b"CSeq: x"))
    assert lab.agent.inventory() == {"sip_dialogs": 0, "sip_transactions": 0}
    lab.offered(body=OFFER)
