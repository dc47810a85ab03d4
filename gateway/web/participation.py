"""One browser in its room, from `welcome` on: what it says is done there, or it hears why not."""

from collections.abc import Callable, Mapping
from typing import assert_never

from gateway.conference.room import Room
from gateway.errors import Refused
from gateway.ports import SEAT, Edge, ParticipantId
from gateway.web.protocol import codes, server_messages
from gateway.web.protocol.client_messages import (
    Block,
    Grant,
    Hand,
    InRoom,
    Leave,
    Mute,
    Publish,
    Ready,
    Record,
    SignalTo,
    Told,
    Unreachable,
    View,
)
from gateway.web.seat_negotiation import SeatNegotiation

_OF_LEAVERS = (Ready, SignalTo)
"""What still counts of one who said `leave`: it relays until its children have other parents."""


class Participation:
    """Takes what the browser says to its room; `send` takes the refusals back."""

    def __init__(
        self,
        participant: ParticipantId,
        room: Room,
        seat: SeatNegotiation,
        send: Callable[[str], None],
    ) -> None:
        self._id = participant
        self._room = room
        self._seat = seat
        self._send = send
        self._withdrawn = False
        """It said `leave`, and only passes on what it has."""

    def receive(self, message: InRoom) -> None:
        match message:
            case Leave():
                if not self._withdrawn:
                    self._withdrawn = True
                    self._room.withdraw(self._id)
            case _ if self._withdrawn and not isinstance(message, _OF_LEAVERS):
                pass
            case Told(report):
                self._room.report(self._id, report)
            case Unreachable(neighbour):
                self._room.unreachable(self._id, neighbour)
            case SignalTo(to, body):
                self._pass_on(to, body)
            case _:
                try:
                    self._act(message)
                except Refused as refused:
                    self._send(server_messages.error(codes.of_denial(refused.reason), refused.text))

    def _pass_on(self, to: ParticipantId, body: Mapping[str, object]) -> None:
        if to == SEAT:
            self._seat.put(self._room, body)
            return
        try:
            self._room.signal(self._id, to, body)
        except Refused as refused:
            code = codes.of_refused_signal(refused.reason)
            self._send(server_messages.error(code, refused.text))

    def _act(self, message: Publish | Mute | Record | View | Block | Hand | Grant | Ready) -> None:
        """Raises `Refused` for what this participant may not, or not now."""
        match message:
            case Publish(publishes):
                self._room.publish(self._id, publishes)
            case Record(on):
                self._room.record(self._id, on)
            case Block(participant, blocked):
                self._room.block(self._id, participant, blocked)
            case Hand(raised=True):
                self._room.raise_hand(self._id)
            case Hand(participant=whose):
                self._room.lower_hand(self._id, whose or self._id)
            case Grant(participant, kinds):
                self._room.grant(self._id, participant, kinds)
            case Mute(muted):
                self._room.set_muted(self._id, muted)
            case View(shows):
                self._room.view(self._id, shows)
            case Ready(source, kind, parent):
                self._room.ready(Edge(source, parent, self._id, kind))
            case _:
                assert_never(message)
