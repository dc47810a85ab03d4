"""A fault of ours over one request ends that call alone."""

import gc
import socket
from typing import cast

import pytest

from gateway.errors import Reason, Refused
from gateway.media.control import (
    AnswerLeg,
    CloseLeg,
    Happened,
    Message,
    Reader,
    Reply,
    frame,
)
from gateway.media.metronome import Metronome
from gateway.media.switchboard import Switchboard
from gateway.media.worker import Control, Gone, Worker
from gateway.ports import Answer, Offer, ParticipantId, RoomName


class BrokenSwitchboard:
    """Each call goes wrong in the way that its offer asks for."""

    def answer(self, room: RoomName, leg: ParticipantId, offer: Offer) -> Answer:
        if offer.sdp == "bug":
            raise RuntimeError("a bug of ours")
        if offer.sdp == "bad":
            raise Refused(Reason.MEDIA, "no codec in common")
        return Answer("fine")

    def close_leg(self, leg: ParticipantId) -> None:
        raise RuntimeError("another bug of ours")

    def events(self) -> list[object]:
        return []

    def inventory(self) -> dict[str, int]:
        return {}

    def statistics(self, metronome: Metronome) -> None:
        """There are none."""

    def step(self, number: int, due: float) -> None: ...


def _answers(gateway: socket.socket, worker: socket.socket, *asked: Message) -> list[Message]:
    """What a worker says to these requests until the gateway closes its end."""
    for message in asked:
        gateway.sendall(frame(message))
    gateway.shutdown(socket.SHUT_WR)
    switchboard = cast("Switchboard", BrokenSwitchboard())
    with pytest.raises(Gone):
        Worker(Control(worker), switchboard).run()
    worker.close()
    gc.unfreeze()
    data = bytearray()
    while chunk := gateway.recv(65_536):
        data += chunk
    return [one for one in Reader().feed(bytes(data)) if not isinstance(one, Happened)]


def test_a_bug_in_a_request_is_its_answer_and_the_worker_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    room, leg = RoomName("demo"), ParticipantId("sip-1")
    gateway, worker = socket.socketpair()
    with gateway:
        told = _answers(
            gateway,
            worker,
            AnswerLeg(1, room, leg, Offer("bug")),
            CloseLeg(leg),
            AnswerLeg(2, room, leg, Offer("bad")),
            AnswerLeg(3, room, leg, Offer("good")),
        )
    assert told == [
        Reply(1, None, Reason.FAILURE, "a fault of the gateway"),
        Reply(2, None, Reason.MEDIA, "no codec in common"),
        Reply(3, Answer("fine")),
    ]
    assert "a bug of ours" in caplog.text
    assert "another bug of ours" in caplog.text
