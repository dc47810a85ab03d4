"""The main job: browsers, a SIP phone and an XMPP client in one room all hear each other.

Everything is real: the gateway by its command with its Prosody, Chromium at the conference's
page, baresip, and stanza.js in Chromium. Everyone hums a tone of their own and each browser shows
a colour of its own, so that what arrives tells whose it is.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.baresip import Phone
from support.browser import CAMERA, COLOURS, Browser, Camera
from support.conference import Person, until_all_hear
from support.gateway import Gateway
from support.stanza import XmppClient
from support.tones import AUDIBLE_DB, TONES

pytestmark = pytest.mark.timeout(150)

BUSY = 40.0
"""Seconds that five Chromiums may take to what takes one of them a second."""

ROOM = "demo"
ROOT = Path(__file__).parents[2]
SCREENSHOT = Path(os.environ.get("TRESTLE_SCREENSHOT", "build/conference.png"))
ROSTER_FOLLOWS = 1.0
"""Seconds in which a page shows that somebody has gone."""

PHONE_HZ, XMPP_HZ, *BROWSERS_HZ = TONES


@pytest.fixture
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    async with Gateway(getattr(request, "param", "")) as gateway:
        await gateway.add_account("alice@localhost", "wonderland")
        yield gateway


@pytest.fixture
async def browser(request: pytest.FixtureRequest) -> AsyncIterator[Browser]:
    async with Browser(getattr(request, "param", CAMERA)) as browser:
        yield browser


class Party:
    """Those who come to the room of one test."""

    def __init__(self, gateway: Gateway, browser: Browser, stack: AsyncExitStack) -> None:
        self._gateway = gateway
        self._browser = browser
        self._stack = stack
        self.people: list[Person] = []

    async def person(self, name: str) -> Person:
        number = len(self.people)
        hz, colour = BROWSERS_HZ[number], list(COLOURS)[number]
        url = self._gateway.site.page_url(ROOM)
        person = await Person.join(self._browser, url, name, hz, colour)
        self.people.append(person)
        return person

    async def phone(self, folder: Path) -> Phone:
        phone = await self._stack.enter_async_context(Phone(folder, PHONE_HZ))
        await phone.dial(self._gateway.site.sip_uri(ROOM))
        return phone

    async def xmpp(self) -> XmppClient:
        client = await XmppClient.open(self._browser, XMPP_HZ)
        url = self._gateway.site.xmpp_websocket_url
        await client.login("alice@localhost", "wonderland", url)
        await client.call(self._gateway.site.room_jid(ROOM))
        return client

    async def rosters_show(self, kinds: list[str], within: float) -> None:
        here = [person for person in self.people if person.here]
        await asyncio.gather(*(person.until_roster(kinds, within) for person in here))

    async def goes(
        self,
        leave: Callable[[], Awaitable[None]],
        rest: list[str],
        within: float = ROSTER_FOLLOWS,
    ) -> None:
        """Somebody goes, and every page shows it in time."""
        await leave()
        await self.rosters_show(rest, within)


@pytest.fixture
async def party(gateway: Gateway, browser: Browser) -> AsyncIterator[Party]:
    async with AsyncExitStack() as stack:
        yield Party(gateway, browser, stack)


async def test_four_of_three_kinds_hear_each_other_and_leave_nothing_behind(
    gateway: Gateway, party: Party, tmp_path: Path
) -> None:
    # Who comes last goes first, so that each time all must be as it was before they came.
    nobody = await gateway.inventory()
    ana = await party.person("Ana")
    one = await gateway.inventory()
    bo = await party.person("Bo")
    two = await gateway.inventory()
    phone = await party.phone(tmp_path / "phone")
    await until_all_hear([ana, bo, phone])
    three = await gateway.inventory()
    alice = await party.xmpp()

    await until_all_hear([ana, bo, phone, alice])
    await party.rosters_show(["sip", "web", "web", "xmpp"], within=ROSTER_FOLLOWS)
    await eventually(lambda: every_tile_holds_its_own([ana, bo], phone, alice))
    await eventually(lambda: everyone_sees_everyone([ana, bo]))
    await screenshot(ana)

    await party.goes(alice.end, rest=["sip", "web", "web"])
    await until_all_hear([ana, bo, phone])
    await gateway.settles(three)

    await party.goes(phone.hang_up, rest=["web", "web"])
    await until_all_hear([ana, bo])
    await gateway.settles(two)

    await party.goes(bo.close_tab, rest=["web"])
    await gateway.settles(one)
    assert await ana.page.evaluate("connections.open()") == 0

    await ana.close_tab()
    await gateway.settles(nobody)
    await the_log_tells_who_came_and_why_they_left(gateway)


# Four Chromiums and a fifth for XMPP are a lot for a machine of two cores.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("gateway", ["conference: { direct: 3 }"], indirect=True, ids=["trees"])
@pytest.mark.parametrize("browser", [Camera(height=90, rate=5)], indirect=True, ids=["small"])
async def test_four_browsers_relay_for_each_other_and_for_a_phone_and_an_xmpp_client(
    gateway: Gateway, party: Party, tmp_path: Path
) -> None:
    nobody = await gateway.inventory()
    for name in ("Ana", "Bo", "Cleo", "Dan"):
        await party.person(name)
    phone = await party.phone(tmp_path / "phone")
    alice = await party.xmpp()
    people = list(party.people)

    await until_all_hear([*people, phone, alice], within=BUSY)
    await party.rosters_show(["sip", *["web"] * 4, "xmpp"], within=BUSY)
    await eventually(lambda: every_tile_holds_its_own(people, phone, alice), BUSY)
    await eventually(lambda: everyone_sees_everyone(people), BUSY)

    relays = [person for person in people if await passes_on_sound(person)]
    assert relays, "four browsers at fanout 2, and nobody relays"

    # The worst one to lose, in the worst way: somebody through whom others hear.
    gone = relays[0]
    people.remove(gone)
    six = await gateway.inventory()
    # So many Chromiums leave a machine of two cores no second to spare: the page may take its time.
    busy = BUSY
    await party.goes(gone.crash, ["sip", *["web"] * 3, "xmpp"], busy)
    await until_all_hear([*people, phone, alice], BUSY)
    theirs = ("participants", "web_sockets", "peer_connections")
    await gateway.settles(six | {name: six[name] - 1 for name in theirs})
    await party.goes(phone.hang_up, [*["web"] * 3, "xmpp"], busy)
    await until_all_hear([*people, alice], BUSY)
    await party.goes(alice.end, ["web"] * 3, busy)
    await until_all_hear(people, BUSY)

    for person in people:
        await person.close_tab()
    await gateway.settles(nobody)


async def eventually(check: Callable[[], Awaitable[None]], within: float = 10.0) -> None:
    """The trees go on settling for a moment after a join; what they settle to must be right."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        try:
            return await check()
        except AssertionError:
            if asyncio.get_running_loop().time() > deadline:
                raise


async def the_log_tells_who_came_and_why_they_left(gateway: Gateway) -> None:
    for kind, left in (("web", 2), ("sip", 1), ("xmpp", 1)):
        joined = [line for line in gateway.log if f" joined {ROOM} by {kind} as " in line]
        normal = re.compile(rf" INFO .* {kind}-\w+ left {ROOM} after \d+ s: normal ")
        assert len(joined) == left, joined
        assert len([line for line in gateway.log if normal.search(line)]) == left, kind


async def every_tile_holds_its_own(people: list[Person], phone: Phone, alice: XmppClient) -> None:
    """In each tile of each page plays the sound of the one whose tile it is, and of nobody else."""
    hums = {"sip": phone.hz, "xmpp": alice.hz} | {person.name: person.hz for person in people}
    for person in people:
        entries = {entry.id: entry for entry in await person.roster() if entry.id != person.own}
        sounds = await person.hears_each()
        assert sounds.keys() == entries.keys(), (person.name, entries, list(sounds))
        for who, heard in sounds.items():
            entry = entries[who]
            own = hums[entry.name if entry.kind == "web" else entry.kind]
            others = {hz: round(db) for hz, db in heard.items() if hz != own and db > AUDIBLE_DB}
            assert heard[own] > AUDIBLE_DB, (person.name, entry, heard)
            assert not others, (person.name, entry, others)


async def everyone_sees_everyone(people: list[Person]) -> None:
    """Each browser shows each other one's moving picture, in the tile that it belongs to."""
    ids = {person.own: person for person in people}
    for person in people:
        pictures = await person.sees()
        assert pictures.keys() == ids.keys() - {person.own}, (person.name, pictures)
        for who, picture in pictures.items():
            assert picture.colour == ids[who].colour, (person.name, ids[who].name, picture)
            assert picture.moves, (person.name, ids[who].name, picture)
            assert picture.frames > 0, (person.name, ids[who].name, picture)


async def passes_on_sound(person: Person) -> bool:
    before = await person.relayed()
    await asyncio.sleep(0.3)
    return await person.relayed() > before


async def screenshot(person: Person) -> None:
    """For a look at how it looks; `make screenshot` puts it into the documents."""
    target = ROOT / SCREENSHOT
    target.parent.mkdir(exist_ok=True)
    await person.page.screenshot(path=target)
