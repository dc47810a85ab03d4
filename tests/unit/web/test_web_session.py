import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest
from web_site import Site, running_site

from gateway.errors import Reason
from gateway.ports import Kind, LegEvent, Offer, ParticipantId, RoomName
from gateway.web import outbox
from gateway.web.limits import Limits

DEMO = RoomName("demo")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running_site(tmp_path) as running:
        yield running


@dataclass
class Phone:
    """A leg whose media ends at the gateway, so that the seat is needed."""

    id = ParticipantId("sip-1")
    kind: Kind = Kind.SIP
    name: str = "Phone"
    address: str = "sip:phone@192.0.2.1"

    def notify(self, event: LegEvent) -> None: ...

    def hang_up(self, reason: Reason, text: str) -> None: ...


async def call(site: Site) -> None:
    phone = Phone()
    await site.rooms.join(DEMO, phone, Offer("from the phone"))
    site.rooms.confirm(phone.id)


def offer(sdp: str) -> dict[str, object]:
    return {"type": "offer", "sdp": sdp}


class TestJoining:
    async def test_welcome_comes_first_then_the_roster(self, site: Site) -> None:
        ana = await site.browser()
        await ana.send(type="join", room="DEMO", name="Ana", publishes=["audio", "video"])
        welcome = await ana.expect("welcome")
        roster = await ana.expect("roster")
        assert welcome["room"] == "demo"
        assert (welcome["seat"], welcome["ice_servers"]) == ("seat", [])
        assert roster["participants"] == [
            {
                "id": welcome["you"],
                "kind": "web",
                "name": "Ana",
                "publishes": ["audio", "video"],
                "muted": {"audio": False, "video": False},
                "may": ["audio", "screen", "video"],
                "moderator": True,
                "hand": 0,
                "online": True,
            }
        ]

    async def test_two_hear_of_each_other_and_of_their_edges(self, site: Site) -> None:
        ana, ben = await site.joined("Ana"), await site.joined("Ben")
        await ana.roster_of("Ana", "Ben")
        await ben.roster_of("Ana", "Ben")
        edges = []
        for _ in range(2):
            attach = await ana.until("attach")
            edges.append((attach["source"], attach["parent"], attach["child"]))
        assert sorted(edges) == sorted([(ana.id, ana.id, ben.id), (ben.id, ben.id, ana.id)])

    async def test_a_full_room_is_busy(self, tmp_path: Path) -> None:
        async with running_site(tmp_path, max_participants=1) as site:
            ana, ben = await site.joined("Ana"), await site.browser()
            await ben.send(type="join", room="demo", name="Ben", publishes=[])
            assert (await ben.expect("error"))["code"] == "busy"
            assert await ben.closed() == 1008
            await ana.roster_of("Ana")

    async def test_a_bad_join_is_told_and_closed(self, site: Site) -> None:
        ana = await site.browser()
        await ana.send(type="join", room="no room", name="Ana", publishes=[])
        error = await ana.expect("error")
        assert (error["code"], error["text"][:5]) == ("bad-message", "room:")
        assert await ana.closed() == 1008

    async def test_who_does_not_join_in_time_is_closed(self, tmp_path: Path) -> None:
        async with running_site(tmp_path, limits=Limits(join_timeout=0.05)) as site:
            assert await (await site.browser()).closed() == 1008
            await site.empty()

    async def test_nothing_but_ping_comes_before_join(self, site: Site) -> None:
        ana = await site.browser()
        await ana.send(type="ping")
        await ana.expect("pong")
        await ana.send(type="leave")
        assert (await ana.expect("error"))["code"] == "not-joined"
        await ana.join()

    async def test_a_second_join_is_an_error_and_changes_nothing(self, site: Site) -> None:
        ana = await site.joined("Ana")
        await ana.roster_of("Ana")
        await ana.send(type="join", room="other", name="Eve", publishes=[])
        assert (await ana.expect("error"))["code"] == "already-joined"
        assert site.rooms.inventory()["rooms"] == 1


class TestRejoining:
    async def test_with_the_token_leaves_no_ghost(self, site: Site) -> None:
        ben = await site.joined("Ben")
        ana = await site.joined("Ana")
        again = await site.browser()
        await again.join("Ana", token=ana.token)
        assert (await ana.until("bye"))["reason"] == "replaced"
        assert await ana.closed() == 1000
        assert again.id != ana.id
        assert again.token != ana.token
        await ben.roster_of("Ben", "Ana")
        await ben.roster_of("Ben")
        await ben.roster_of("Ben", "Ana")

    async def test_with_a_foreign_token_is_a_plain_join(self, site: Site) -> None:
        ana = await site.joined("Ana")
        ben = await site.browser()
        await ben.join("Ben", token="guessed")
        await ana.roster_of("Ana", "Ben")

    async def test_a_token_is_worth_nothing_after_its_session(self, site: Site) -> None:
        ana = await site.joined("Ana")
        await ana.send(type="leave")
        assert await ana.closed() == 1000
        again = await site.browser()
        await again.join("Ana", token=ana.token)
        await again.roster_of("Ana")


class TestInTheRoom:
    async def test_mute_and_publish_change_everyones_roster(self, site: Site) -> None:
        ana, ben = await site.joined("Ana"), await site.joined("Ben")
        await ben.roster_of("Ana", "Ben")
        await ana.send(type="mute", audio=True, video=False)
        muted = (await ben.until("roster"))["participants"][0]
        await ana.send(type="publish", publishes=["video"])
        published = (await ben.until("roster"))["participants"][0]
        assert muted["muted"] == {"audio": True, "video": False}
        assert published["publishes"] == ["video"]

    async def test_a_report_that_stops_makes_its_sender_offline_and_the_next_one_online(
        self, site: Site
    ) -> None:
        ana, ben = await site.joined("Ana"), await site.joined("Ben")
        await ana.send(type="report", cpu="nominal", neighbours={})
        while (await ben.until("roster"))["participants"][0]["online"]:
            pass
        await ana.send(type="report", cpu="nominal", neighbours={})
        while not (await ben.until("roster"))["participants"][0]["online"]:
            pass
        await ana.send(type="report", cpu="molten")
        assert (await ana.until("error"))["code"] == "bad-message"

    async def test_a_recording_is_in_everyones_roster(self, tmp_path: Path) -> None:
        async with running_site(tmp_path, recording=True) as site:
            ana, ben = await site.browser(), await site.joined("Ben")
            await ana.send(type="join", room="demo", name="Ana", publishes=["audio"])
            assert (await ana.expect("welcome"))["may_record"] is True
            assert (await ana.until("roster"))["recorded"] is False
            await ben.roster_of("Ben", "Ana")
            for on in (True, False):
                await ana.send(type="record", on=on)
                assert (await ana.until("roster"))["recorded"] is on
                assert (await ben.until("roster"))["recorded"] is on

    async def test_where_recording_is_off_a_wish_for_it_is_refused_with_a_sentence(
        self, site: Site
    ) -> None:
        ana = await site.browser()
        await ana.send(type="join", room="demo", name="Ana", publishes=["audio"])
        assert (await ana.expect("welcome"))["may_record"] is False
        await ana.send(type="record", on=True)
        error = await ana.until("error")
        assert error["code"] == "forbidden"
        assert error["text"] == "recording is switched off on this server"

    async def test_a_signal_reaches_the_neighbour_unread(self, site: Site) -> None:
        ana, ben = await site.joined("Ana"), await site.joined("Ben")
        candidate = {"candidate": "candidate:1 …", "sdpMid": "0", "strange": [1.5, None]}
        await ana.send(type="signal", to=ben.id, candidate=candidate)
        assert await ben.until("signal") == {
            "type": "signal",
            "from": ana.id,
            "candidate": candidate,
        }

    async def test_a_signal_to_nobody_is_an_unknown_peer_and_costs_nothing(
        self, site: Site
    ) -> None:
        ana = await site.joined("Ana")
        for _ in range(15):
            await ana.send(type="signal", to="web-gone", candidate=None)
            assert (await ana.until("error"))["code"] == "unknown-peer"

    async def test_a_signal_into_another_room_is_an_unknown_peer(self, site: Site) -> None:
        ana, eve = await site.joined("Ana"), await site.joined("Eve", "elsewhere")
        await eve.send(type="signal", to=ana.id, candidate=None)
        assert (await eve.until("error"))["code"] == "unknown-peer"

    async def test_leave_closes_and_the_others_see_it(self, site: Site) -> None:
        ana, ben = await site.joined("Ana"), await site.joined("Ben")
        await ben.roster_of("Ana", "Ben")
        await ana.send(type="leave")
        assert await ana.closed() == 1000
        await ben.roster_of("Ben")

    async def test_a_closed_page_has_left(self, site: Site) -> None:
        ana, ben = await site.joined("Ana"), await site.joined("Ben")
        await ben.roster_of("Ana", "Ben")
        await ana.socket.close(code=1001)
        await ben.roster_of("Ben")

    async def test_a_lost_connection_has_left(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        ana, ben = await site.joined("Ana"), await site.joined("Ben")
        await ben.roster_of("Ana", "Ben")
        connection = ana.socket.get_extra_info("socket")
        assert connection is not None
        # The end of the stream, without a closing frame before it.
        connection.shutdown(socket.SHUT_RDWR)
        await ben.roster_of("Ben")
        assert f"{ana.id} left demo" in caplog.text
        assert "connectivity (the connection was lost)" in caplog.text


class TestTheSeat:
    async def test_answers_in_order_while_the_rest_goes_on(self, site: Site) -> None:
        await call(site)
        ana = await site.joined("Ana")
        site.plane.go_on.clear()
        await ana.send(type="signal", to="seat", connection="k", description=offer("one"))
        await ana.send(type="signal", to="seat", connection="k", description=offer("two"))
        await ana.send(type="ping")
        await ana.until("pong")
        assert site.plane.offers == ["one"]
        site.plane.go_on.set()
        answers = [await ana.until("signal") for _ in range(2)]
        assert [(a["from"], a["connection"], a["description"]["sdp"]) for a in answers] == [
            ("seat", "k", "answer to one"),
            ("seat", "k", "answer to two"),
        ]

    async def test_refuses_an_offer_it_cannot_accept(self, site: Site) -> None:
        await call(site)
        ana = await site.joined("Ana")
        await ana.send(type="signal", to="seat", connection="k", description=offer("impossible"))
        error = await ana.until("error")
        assert (error["code"], error["text"]) == ("refused", "no codec in common")

    async def test_says_what_is_malformed(self, site: Site) -> None:
        await call(site)
        ana = await site.joined("Ana")
        await ana.send(type="signal", to="seat", description=offer("one"))
        error = await ana.until("error")
        assert error["code"] == "bad-message"
        assert "connection" in error["text"]

    async def test_is_unknown_where_nobody_needs_it(self, site: Site) -> None:
        ana = await site.joined("Ana")
        await ana.send(type="signal", to="seat", connection="k", description=offer("one"))
        assert (await ana.until("error"))["code"] == "unknown-peer"

    async def test_a_bug_of_ours_ends_one_participation_only(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        await call(site)
        ana, ben = await site.joined("Ana"), await site.joined("Ben")
        await ana.send(type="signal", to="seat", connection="k", description=offer("our bug"))
        assert await ana.closed() == 1011
        await ben.roster_of("Phone", "Ben")
        assert f"{ana.id}: our own fault" in caplog.text
        assert "ZeroDivisionError" in caplog.text


class TestAgainstTheProtocol:
    async def test_bad_json_is_answered_and_logged_in_one_line(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        ana = await site.joined("Ana")
        await ana.roster_of("Ana")
        before = len(caplog.records)
        await ana.socket.send_str("{not json")
        assert (await ana.expect("error"))["code"] == "bad-json"
        assert [r.getMessage() for r in caplog.records[before:]] == [
            f"{ana.id} sent a bad message: bad-json: the message is not JSON"
        ]

    async def test_an_unknown_type_and_a_binary_frame_are_answered(self, site: Site) -> None:
        ana = await site.joined("Ana")
        await ana.send(type="dance")
        assert (await ana.until("error"))["code"] == "unknown-type"
        await ana.socket.send_bytes(b"\x00")
        assert (await ana.until("error"))["code"] == "bad-message"

    async def test_too_many_errors_close_and_the_others_go_on(self, site: Site) -> None:
        eve, ana = await site.joined("Eve"), await site.joined("Ana")
        for _ in range(11):
            await eve.socket.send_str("nonsense")
        assert await eve.closed() == 1008
        await ana.roster_of("Ana")

    async def test_too_much_at_once_closes(self, tmp_path: Path) -> None:
        limits = Limits(burst=20, messages_per_second=1)
        async with running_site(tmp_path, limits=limits) as site:
            eve, ana = await site.joined("Eve"), await site.joined("Ana")
            for _ in range(20):
                await eve.send(type="ping")
            assert (await eve.until("error"))["code"] == "rate-limited"
            assert await eve.closed() == 1008
            await ana.roster_of("Ana")

    async def test_whoever_does_too_much_that_all_feel_is_put_out(self, tmp_path: Path) -> None:
        limits = Limits(acts_burst=20, acts_per_second=1)
        async with running_site(tmp_path, limits=limits) as site:
            eve, ana = await site.joined("Eve"), await site.joined("Ana")
            for number in range(30):
                await ana.send(type="ready", source=eve.id, kind="audio", parent=eve.id)
                await ana.send(type="signal", to=eve.id, candidate=None)
                await eve.send(type="view", shows={ana.id: ["low"] if number % 2 else []})
            assert (await eve.until("error"))["code"] == "rate-limited"
            assert await eve.closed() == 1008
            await ana.roster_of("Ana")
            await ana.send(type="ping")
            await ana.until("pong")

    async def test_who_joins_again_and_again_has_to_try_later(self, tmp_path: Path) -> None:
        limits = Limits(joins_burst=3, joins_per_second=0.01)
        async with running_site(tmp_path, limits=limits) as site:
            ana, eve = await site.joined("Ana"), await site.joined("Eve")
            again = await site.browser()
            await again.join("Eve", token=eve.token)
            third = await site.browser()
            await third.send(type="join", room="demo", name="Eve", publishes=[], token=again.token)
            assert await third.closed() == 1013
            for one in (ana, again):
                await one.send(type="ping")
                await one.until("pong")

    async def test_people_behind_a_proxy_are_told_apart(self, tmp_path: Path) -> None:
        limits = Limits(joins_burst=1, joins_per_second=0.01)
        proxies = [ip_network("127.0.0.1")]
        async with running_site(tmp_path, limits=limits, proxies=proxies) as site:
            for name, address in (("Ana", "192.0.2.1"), ("Ben", "192.0.2.2")):
                await (await site.browser(**{"X-Forwarded-For": address})).join(name)
            eve = await site.browser(**{"X-Forwarded-For": "192.0.2.3, 192.0.2.1"})
            await eve.send(type="join", room="demo", name="Eve", publishes=[])
            assert await eve.closed() == 1013

    async def test_a_message_of_256_kib_passes_and_one_more_byte_closes(self, site: Site) -> None:
        ana, eve = await site.joined("Ana"), await site.joined("Eve")
        largest = '{"type": "ping"}'.ljust(262_144)
        await eve.socket.send_str(largest)
        await eve.until("pong")
        await eve.socket.send_str(largest + " ")
        assert await eve.closed() == 1009
        await ana.roster_of("Ana")

    async def test_who_never_reads_is_cut_off_and_the_others_go_on(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        async with running_site(tmp_path, limits=Limits(burst_bytes=1e9, burst=1e6)) as site:
            ana = await site.joined("Ana")
            silent = await connect_without_reading(site.server.port)
            while len((roster := await ana.until("roster"))["participants"]) < 2:
                pass
            eve = roster["participants"][1]["id"]
            # What the kernel buffers comes on top of what the server keeps.
            for _ in range(400):
                await ana.send(type="signal", to=eve, candidate={"candidate": "x" * 60_000})
            await ana.roster_of("Ana")
            assert f"{eve} left demo" in caplog.text
            assert "it reads too slowly" in caplog.text
            silent.close()


async def connect_without_reading(port: int) -> socket.socket:
    """Joins the demo room as Eve over a bare TCP socket (RFC 6455, sections 4.1 and 5.2)."""
    loop = asyncio.get_running_loop()
    silent = socket.socket()
    silent.setblocking(False)
    await loop.sock_connect(silent, ("127.0.0.1", port))
    upgrade = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    join = b'{"type":"join","room":"demo","name":"Eve","publishes":[]}'
    frame = bytes([0x81, 0x80 | len(join), 0, 0, 0, 0]) + join
    await loop.sock_sendall(silent, upgrade + frame)
    return silent


async def test_the_server_says_goodbye_when_it_stops(site: Site) -> None:
    ana, waiting = await site.joined("Ana"), await site.browser()
    stopping = asyncio.create_task(site.server.stop())
    assert (await ana.until("bye"))["reason"] == "shutdown"
    assert await ana.closed() == 1012
    assert await waiting.closed() == 1012
    await stopping
    await site.empty()


async def test_stopping_leaves_nothing_of_who_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_BACKLOG", 1_000_000_000)
    monkeypatch.setattr(outbox, "CLOSE_TIMEOUT", 0.1)
    async with running_site(tmp_path, limits=Limits(burst_bytes=1e9, burst=1e6)) as site:
        ana = await site.joined("Ana")
        silent = await connect_without_reading(site.server.port)
        while len((roster := await ana.until("roster"))["participants"]) < 2:
            pass
        eve = roster["participants"][1]["id"]
        for _ in range(400):
            await ana.send(type="signal", to=eve, candidate={"candidate": "x" * 60_000})
        await ana.send(type="ping")
        await ana.until("pong")
        stopping = asyncio.create_task(site.server.stop())
        assert await ana.closed() == 1012
        async with asyncio.timeout(5):
            await stopping
        assert site.server.inventory()["web_sockets"] == 0
        assert await everything_from(silent) < 400 * 60_000


async def everything_from(reader: socket.socket) -> int:
    """How many bytes still come until the other end is closed or reset."""
    total = 0
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            while received := await asyncio.get_running_loop().sock_recv(reader, 1_000_000):
                total += len(received)
    reader.close()
    return total


async def test_the_log_never_shows_a_token(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ana = await site.joined("Ana")
    again = await site.browser()
    await again.join("Ana", token=ana.token)
    assert '< {"type": "join"' in caplog.text
    assert '> {"type":"welcome"' in caplog.text
    assert ana.token not in caplog.text
    assert again.token not in caplog.text
