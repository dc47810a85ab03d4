"""Does on a switchboard what a request says."""

from typing import assert_never

from gateway.media.control import (
    AcceptLeg,
    AnswerLeg,
    AnswerSeat,
    Asked,
    AttachEdge,
    CloseLeg,
    ConfirmLeg,
    DetachEdge,
    DropPeer,
    MuteLeg,
    OfferLeg,
    OfLeg,
    OfRoom,
    OfSeat,
    Play,
    Record,
    SendDigits,
    SetGain,
    SetTracks,
    StopPlaying,
    StopRecording,
    Told,
)
from gateway.media.switchboard import Switchboard
from gateway.ports import Answer, Offer


def ask(switchboard: Switchboard, request: Asked) -> Answer | Offer | None:
    """Raises `Refused`."""
    match request:
        case AnswerLeg():
            return switchboard.answer(request.room, request.leg, request.offer)
        case OfferLeg():
            return switchboard.offer(request.room, request.leg)
        case AcceptLeg():
            switchboard.accept(request.leg, request.answer)
            return None
        case AnswerSeat():
            return switchboard.seat_answer(
                request.room, request.peer, request.connection, request.offer, request.tracks
            )
        case SendDigits():
            switchboard.send_digits(request.leg, request.digits)
            return None
    assert_never(request)


def tell(switchboard: Switchboard, request: Told) -> None:
    if isinstance(request, OfLeg):
        _tell_leg(switchboard, request)
    elif isinstance(request, OfSeat):
        _tell_seat(switchboard, request)
    else:
        _tell_room(switchboard, request)


def _tell_leg(switchboard: Switchboard, request: OfLeg) -> None:
    match request:
        case ConfirmLeg():
            switchboard.confirm(request.leg)
        case MuteLeg():
            switchboard.mute(request.leg, request.muted)
        case SetGain():
            switchboard.set_gain(request.leg, request.source, request.gain)
        case CloseLeg():
            switchboard.close_leg(request.leg)
        case _:
            assert_never(request)


def _tell_seat(switchboard: Switchboard, request: OfSeat) -> None:
    match request:
        case SetTracks():
            switchboard.seat_tracks(request.room, request.peer, request.connection, request.tracks)
        case AttachEdge():
            switchboard.attach(request.room, request.edge)
        case DetachEdge():
            switchboard.detach(request.room, request.edge)
        case DropPeer():
            switchboard.drop_peer(request.room, request.peer)
        case _:
            assert_never(request)


def _tell_room(switchboard: Switchboard, request: OfRoom) -> None:
    match request:
        case Play():
            switchboard.play(request.room, request.leg, request.prompts)
        case StopPlaying():
            switchboard.stop_playing(request.room, request.leg)
        case Record():
            switchboard.record(request.room)
        case StopRecording():
            switchboard.stop_recording(request.room)
        case _:
            assert_never(request)
