"""Real phones' sound in a room where the word is given, and where one caller blocks another."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.conference.permissions import Publishing, Rules
from gateway.errors import Reason
from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import (
    Kind,
    LegEvent,
    MediaKind,
    Participant,
    ParticipantId,
    RoomName,
    RosterChanged,
)
from support.media_peers import Phone
from support.small_gateway import Caller, SmallGateway

ROOM = RoomName("lecture")
WORD = frozenset({MediaKind.AUDIO})


class Moderator:
    """Somebody in a browser, without media: only what they are told counts here."""

    id = ParticipantId("web-1")
    kind = Kind.WEB
    name = "Ana"
    address = "192.0.2.1"

    def __init__(self) -> None:
        self.participants: list[Participant] = []

    def notify(self, event: LegEvent) -> None:
        if isinstance(event, RosterChanged):
            self.participants = [*event.roster.participants]

    def hang_up(self, reason: Reason, text: str) -> None: ...


@pytest.fixture(params=["inline", "worker"])
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[SmallGateway]:
    settings = Settings(range(35_700, 35_800), "127.0.0.1", capacity=64)
    plane = InlinePlane(settings) if request.param == "inline" else WorkerPlane(settings, 1)
    async with SmallGateway(plane, rules=Rules(Publishing.MODERATORS)) as gateway:
        yield gateway


async def test_a_phone_is_heard_while_it_has_the_word_and_by_those_who_do_not_block_it(
    gateway: SmallGateway,
) -> None:
    ana = Moderator()
    room = gateway.rooms.enter(ROOM, ana, frozenset())
    async with (
        Caller(gateway, 401) as one,
        Caller(gateway, 593) as two,
        Caller(gateway, 709) as three,
    ):
        for caller in (one, two, three):
            assert (await caller.invite(ROOM)).status == 200
        async with asyncio.timeout(5):
            while len(ana.participants) < 4:  # noqa: ASYNC110 - the ACKs are on their way
                await asyncio.sleep(0.01)
        first, second, third = [each.id for each in ana.participants[1:]]
        await silent(one.media, two.media, three.media)
        room.grant(ana.id, second, WORD)
        await one.media.hears(593, but_not=(401, 709))
        await three.media.hears(593, but_not=(401, 709))
        room.grant(ana.id, third, WORD)
        room.block(first, second, True)
        await one.media.hears(709, but_not=(401, 593))
        await two.media.hears(709, but_not=(401, 593))
        room.block(first, second, False)
        await one.media.hears(593, 709, but_not=(401,))
        room.grant(ana.id, second, frozenset())
        await one.media.hears(709, but_not=(401, 593))


async def silent(*phones: Phone) -> None:
    """Half a second in which none of them hears anybody."""
    for phone in phones:
        await phone.ear.next(25)
        assert all(phone.ear.level(hz) < -45 for hz in (401, 593, 709))
