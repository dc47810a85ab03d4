"""The bridge on real sockets of this machine, with a plain focus behind it."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from gateway.errors import Reason, TrestleError
from gateway.ports import Answer, Kind, Leg, Offer, RoomName
from sipbridge.bridge import SipBridge
from sipbridge.message import Request, Response, parse
from support.sip_focus import OWN_SDP, PlainFocus
from support.sip_lab import OFFER, message


class Peer(asyncio.DatagramProtocol):
    """A UDP socket that sends what it is told and keeps what comes."""

    def __init__(self, bridge: SipBridge, host: str = "127.0.0.1") -> None:
        self._server = (host, bridge.port)
        self._host = host
        self._inbox: asyncio.Queue[Request | Response] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self._host, 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._udp.close()
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, _source: object) -> None:
        self._inbox.put_nowait(parse(data))

    def send(self, *args: Any, **fields: Any) -> None:
        self._udp.sendto(message(*args, **fields), self._server)

    def send_raw(self, data: bytes) -> None:
        self._udp.sendto(data, self._server)

    async def get(self) -> Request | Response:
        async with asyncio.timeout(3):
            return await self._inbox.get()

    async def response(self) -> Response:
        got = await self.get()
        assert isinstance(got, Response), got
        return got

    async def final(self) -> Response:
        while not (response := await self.response()).final:
            pass
        return response

    async def request(self) -> Request:
        got = await self.get()
        assert isinstance(got, Request), got
        return got

    def ok(self, request: Request) -> None:
        fields = [(n, v) for n, v in request.headers if n in ("Via", "From", "To", "CSeq")]
        fields.append(("Call-ID", request.call_id))
        self.send_raw(bytes(Response(tuple(fields), b"", 200, "OK")))

    async def call(self, **fields: Any) -> str:
        """Calls until the ACK; gives the other side's tag."""
        self.send(**{"body": OFFER, **fields})
        response = await self.final()
        assert response.code == 200
        self.send("ACK", **{**fields, "branch": "z9hG4bKack", "to_tag": response.to.tag})
        return response.to.tag


@pytest.fixture(autouse=True)
def no_long_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most peers here never answer our last BYE."""
    monkeypatch.setattr("sipbridge.bridge.STOP_LIMIT_S", 0.05)


@pytest.fixture
async def focus() -> PlainFocus:
    return PlainFocus()


@pytest.fixture
async def bridge(focus: PlainFocus) -> AsyncIterator[SipBridge]:
    bridge = SipBridge(listen="127.0.0.1", port=0)
    await bridge.start(focus)
    yield bridge
    await bridge.stop()
    assert set(bridge.inventory().values()) == {0}


@pytest.fixture
async def peer(bridge: SipBridge) -> AsyncIterator[Peer]:
    async with Peer(bridge) as peer:
        yield peer


class TestCalls:
    async def test_a_caller_is_in_the_conference_until_hanging_up(
        self, peer: Peer, focus: PlainFocus, bridge: SipBridge
    ) -> None:
        tag = await peer.call()
        await focus.until(present=1)
        (leg,) = focus.legs.values()
        assert leg.id.startswith("sip-")
        assert (leg.kind, leg.name, leg.address) == (Kind.SIP, "Alice", "sip:alice@example.com")
        assert bridge.inventory()["sip_dialogs"] == 1
        peer.send("BYE", to_tag=tag, number=2, branch="z9hG4bKbye")
        assert (await peer.final()).code == 200
        await focus.until(gone=1, present=0)
        assert focus.left == [(leg.id, Reason.NORMAL)]
        assert bridge.inventory()["sip_dialogs"] == 0

    async def test_contact_names_the_address_that_the_caller_reached(
        self, peer: Peer, bridge: SipBridge
    ) -> None:
        peer.send(body=OFFER)
        contact = (await peer.final()).get("Contact")
        assert contact == f"<sip:demo@127.0.0.1:{bridge.port}>;isfocus"

    async def test_a_room_that_is_not_there_is_404(self, peer: Peer, focus: PlainFocus) -> None:
        peer.send(uri="sip:nowhere@gateway1", body=OFFER)
        response = await peer.final()
        assert (response.code, response.phrase) == (404, "No Such Conference")
        assert "'nowhere'" in response.get("Reason")
        assert focus.legs == {}

    async def test_an_address_without_a_room_is_484(self, peer: Peer) -> None:
        peer.send(uri="sip:gateway1", body=OFFER)
        assert (await peer.final()).code == 484

    async def test_no_common_codec_is_488_with_a_warning(self, peer: Peer) -> None:
        peer.send(body=OFFER.replace("AVP 0", "AVP 18"))
        response = await peer.final()
        assert response.code == 488
        assert response.get("Warning").startswith("305 ")

    async def test_an_offer_that_is_no_sdp_is_400(self, peer: Peer) -> None:
        peer.send(body="nonsense")
        assert (await peer.final()).code == 400

    async def test_a_call_without_offer_gets_ours(self, peer: Peer, focus: PlainFocus) -> None:
        peer.send()
        response = await peer.final()
        assert response.body == OWN_SDP.encode()
        peer.send("ACK", to_tag=response.to.tag, branch="z9hG4bKack", body=OFFER)
        await focus.until(directions=1)
        assert len(focus.legs) == 1

    async def test_an_answer_that_does_not_fit_ends_the_call(
        self, peer: Peer, focus: PlainFocus
    ) -> None:
        peer.send()
        tag = (await peer.final()).to.tag
        body = OFFER.replace("AVP 0", "AVP 18")
        peer.send("ACK", to_tag=tag, branch="z9hG4bKack", body=body)
        bye = await peer.request()
        assert bye.method == "BYE"
        peer.ok(bye)
        await focus.until(gone=1, present=0)
        assert focus.left[0][1] is Reason.MEDIA

    async def test_hold_and_resume_reach_the_conference(
        self, peer: Peer, focus: PlainFocus
    ) -> None:
        tag = await peer.call()
        for number, direction in ((2, "sendonly"), (3, "sendrecv")):
            body = f"{OFFER}a={direction}\r\n"
            fields = {"to_tag": tag, "number": number}
            peer.send(branch=f"z9hG4bK{number}", body=body, **fields)
            wanted = {"sendonly": b"a=recvonly", "sendrecv": b"a=sendrecv"}[direction]
            assert wanted in (await peer.final()).body
            peer.send("ACK", branch=f"z9hG4bKack{number}", **fields)
        assert focus.directions == ["sendrecv", "sendonly", "sendrecv"]

    async def test_the_conference_hangs_up(self, peer: Peer, focus: PlainFocus) -> None:
        await peer.call()
        await focus.until(present=1)
        (leg,) = focus.legs
        focus.hang_up(leg, Reason.CONNECTIVITY)
        bye = await peer.request()
        assert bye.get("Reason").startswith("Q.850;cause=41")
        peer.ok(bye)
        assert focus.left == []

    async def test_a_slow_conference_is_announced_by_100(
        self, peer: Peer, focus: PlainFocus
    ) -> None:
        focus.gate.clear()
        peer.send(body=OFFER)
        assert (await peer.response()).code == 100
        focus.gate.set()
        assert (await peer.response()).code == 200

    async def test_a_caller_who_gives_up_meanwhile_is_taken_out_again(
        self, peer: Peer, focus: PlainFocus
    ) -> None:
        focus.gate.clear()
        peer.send(body=OFFER)
        peer.send("CANCEL")
        codes = [(await peer.response()).code, (await peer.response()).code]
        assert codes == [200, 487]
        focus.gate.set()
        await focus.until(gone=1, present=0)
        assert focus.left[0][1] is Reason.CANCELLED

    async def test_a_conference_that_never_decides_is_our_fault(
        self, peer: Peer, focus: PlainFocus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sipbridge.leg.FOCUS_LIMIT_S", 0.05)
        focus.gate.clear()
        peer.send(body=OFFER)
        assert (await peer.final()).code == 500
        await focus.until(gone=1)

    async def test_a_fault_of_ours_ends_one_call_and_is_told_loudly(
        self, peer: Peer, focus: PlainFocus, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def broken(room: RoomName, leg: Leg, offer: Offer) -> Answer:
            raise ZeroDivisionError

        await peer.call()
        focus.join = broken  # type: ignore[method-assign]
        peer.send(body=OFFER, call_id="second", branch="z9hG4bKsecond")
        assert (await peer.final()).code == 500
        assert "ZeroDivisionError" in caplog.text
        assert len(focus.legs) == 1


class TestQuestions:
    async def test_options_to_the_gateway_and_to_a_room(self, peer: Peer) -> None:
        for number, (uri, code) in enumerate(
            [("sip:gateway1", 200), ("sip:demo@gateway1", 200), ("sip:nowhere@gateway1", 404)]
        ):
            peer.send("OPTIONS", uri=uri, branch=f"z9hG4bK{number}", call_id=str(number))
            assert (await peer.final()).code == code

    async def test_noise_gets_no_answer_and_harms_nothing(
        self, peer: Peer, focus: PlainFocus
    ) -> None:
        for noise in (b"\0", b"\r\n\r\n", bytes(range(256)), b"\xff" * 9000):
            peer.send_raw(noise)
        await peer.call()
        await focus.until(present=1)


class TestLog:
    async def test_info_alone_tells_who_called_how_and_why_it_ended(
        self, peer: Peer, focus: PlainFocus, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "trestle.sip")
        tag = await peer.call()
        await focus.until(present=1)
        (leg,) = focus.legs
        peer.send("BYE", to_tag=tag, number=2, branch="z9hG4bKbye")
        await focus.until(gone=1)
        mine = [m for m in caplog.messages if m.startswith(leg)]
        assert len(mine) == 2
        assert "calls sip:demo@gateway1 as 'Alice' from sip:alice@example.com by UDP" in mine[0]
        assert "hung up" in mine[1]

    async def test_debug_shows_each_message_and_its_direction(
        self, peer: Peer, focus: PlainFocus, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "trestle.sip")
        tag = await peer.call()
        await focus.until(present=1)
        (leg,) = focus.legs
        peer.send("BYE", to_tag=tag, number=2, branch="z9hG4bKbye")
        await peer.final()
        traced = [m for m in caplog.messages if m.startswith((f"{leg} < ", f"{leg} > "))]
        words = [m.split()[1] for m in traced]
        assert [m.split("\n")[1].split()[0] for m in traced if "\n" in m] == [
            "SIP/2.0", "ACK", "BYE", "SIP/2.0"]  # fmt: skip
        assert words.count("<") == 3


class TestStopping:
    async def test_a_stopping_bridge_says_goodbye(
        self, focus: PlainFocus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sipbridge.bridge.STOP_LIMIT_S", 2.0)
        bridge = SipBridge(listen="127.0.0.1", port=0)
        await bridge.start(focus)
        async with Peer(bridge) as peer:
            await peer.call()
            stopping = asyncio.create_task(bridge.stop())
            bye = await peer.request()
            assert bye.method == "BYE"
            peer.ok(bye)
            async with asyncio.timeout(1):
                await stopping
        assert [reason for _, reason in focus.left] == [Reason.SHUTDOWN]

    async def test_a_silent_phone_does_not_hold_it_up(self, focus: PlainFocus) -> None:
        bridge = SipBridge(listen="127.0.0.1", port=0)
        await bridge.start(focus)
        async with Peer(bridge) as peer:
            await peer.call()
            async with asyncio.timeout(1):
                await bridge.stop()

    async def test_a_call_that_is_being_answered_is_refused(self, focus: PlainFocus) -> None:
        focus.gate.clear()
        bridge = SipBridge(listen="127.0.0.1", port=0)
        await bridge.start(focus)
        async with Peer(bridge) as peer:
            peer.send(body=OFFER)
            assert (await peer.response()).code == 100
            await bridge.stop()
            assert (await peer.final()).code == 503

    async def test_stopping_twice_or_before_starting_is_harmless(self, focus: PlainFocus) -> None:
        bridge = SipBridge(listen="127.0.0.1", port=0)
        await bridge.stop()
        await bridge.start(focus)
        await bridge.stop()
        await bridge.stop()


class TestListening:
    @pytest.mark.parametrize(
        ("kind", "word"), [(socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")]
    )
    async def test_a_taken_port_is_named_with_its_key(
        self, focus: PlainFocus, kind: socket.SocketKind, word: str
    ) -> None:
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            port = taken.getsockname()[1]
            bridge = SipBridge(listen="127.0.0.1", port=port)
            with pytest.raises(TrestleError, match=rf"port {port}/{word} is taken .*sip\.port"):
                await bridge.start(focus)

    async def test_an_address_of_another_machine_is_an_error_in_words(
        self, focus: PlainFocus
    ) -> None:
        with pytest.raises(TrestleError, match=r"cannot listen on 192\.0\.2\.1"):
            await SipBridge(listen="192.0.2.1", port=0).start(focus)

    async def test_one_protocol_may_stay_off(self, focus: PlainFocus) -> None:
        bridge = SipBridge(listen="127.0.0.1", port=0, udp=False)
        await bridge.start(focus)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", bridge.port))
        await bridge.stop()

    @pytest.mark.parametrize("listen", ["::1", "::"])
    async def test_ipv6_phones_call_too(self, listen: str, focus: PlainFocus) -> None:
        bridge = SipBridge(listen=listen, port=0)
        await bridge.start(focus)
        async with Peer(bridge, "::1") as peer:
            peer.send(body=OFFER)
            assert f"@[::1]:{bridge.port}>" in (await peer.final()).get("Contact")
        await bridge.stop()

    async def test_a_listener_for_both_families_knows_ipv4_as_such(self, focus: PlainFocus) -> None:
        bridge = SipBridge(listen="::", port=0)
        await bridge.start(focus)
        async with Peer(bridge) as peer:
            peer.send(body=OFFER)
            response = await peer.final()
            assert response.via.parameters["received"] == "127.0.0.1"
            assert "@127.0.0.1:" in response.get("Contact")
        await bridge.stop()

    async def test_a_configured_host_stands_in_contact(self, focus: PlainFocus) -> None:
        bridge = SipBridge(listen="127.0.0.1", port=0, host="sip.example.com")
        await bridge.start(focus)
        async with Peer(bridge) as peer:
            peer.send(body=OFFER)
            assert "@sip.example.com:" in (await peer.final()).get("Contact")
        await bridge.stop()


class TestStreams:
    """RFC 3261, section 18.3; RFC 5626, section 4.4.1."""

    async def test_a_call_over_tcp_is_answered_on_its_connection(
        self, bridge: SipBridge, focus: PlainFocus
    ) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(message(body=OFFER, protocol="TCP"))
        async with asyncio.timeout(3):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("SIP/2.0 200 OK")
        assert ";transport=tcp>;isfocus" in head
        assert bridge.inventory()["sip_connections"] == 1
        writer.close()
        await writer.wait_closed()

    async def test_a_call_whose_connection_is_gone_ends_at_once_when_hung_up(
        self, bridge: SipBridge, focus: PlainFocus
    ) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(message(body=OFFER, protocol="TCP"))
        async with asyncio.timeout(3):
            head = await reader.readuntil(b"\r\n\r\n")
            tag = head.split(b"\r\nTo: ")[1].split(b"\r\n")[0].split(b"tag=")[1].decode()
            writer.write(message("ACK", to_tag=tag, branch="z9hG4bKack", protocol="TCP"))
            # Without a length: the bridge answers and closes.
            writer.write(b"X sip:x SIP/2.0\r\n\r\n")
            await reader.read()
        writer.close()
        assert bridge.inventory()["sip_connections"] == 0
        assert bridge.inventory()["sip_dialogs"] == 1
        focus.hang_up(next(iter(focus.legs)))
        assert bridge.inventory()["sip_dialogs"] == 0

    async def test_a_ping_gets_its_pong(self, bridge: SipBridge) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(b"\r\n\r\n")
        async with asyncio.timeout(3):
            assert await reader.readexactly(2) == b"\r\n"
        writer.close()
        await writer.wait_closed()

    async def test_a_message_without_a_length_is_answered_and_the_connection_closed(
        self, bridge: SipBridge
    ) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(b"\r\n".join(
            line for line in message("OPTIONS").split(b"\r\n") if b"Length" not in line
        ))  # fmt: skip
        async with asyncio.timeout(3):
            answer = await reader.read()
        assert answer.startswith(b"SIP/2.0 400 Content-Length is missing")
        writer.close()
        await writer.wait_closed()

    async def test_a_message_that_never_ends_does_not_hold_its_connection(
        self, bridge: SipBridge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sipbridge.transport.MESSAGE_LIMIT_S", 0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(b"INVITE sip:")
        async with asyncio.timeout(3):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()

    async def test_an_idle_connection_is_closed_unless_a_call_uses_it(
        self, bridge: SipBridge, focus: PlainFocus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sipbridge.transport.MESSAGE_LIMIT_S", 0.05)
        monkeypatch.setattr("sipbridge.transport.IDLE_LIMIT_S", 0.05)
        _, used = await asyncio.open_connection("127.0.0.1", bridge.port)
        used.write(message(body=OFFER, protocol="TCP"))
        await focus.until(opening=1)
        reader, idle = await asyncio.open_connection("127.0.0.1", bridge.port)
        async with asyncio.timeout(3):
            assert await reader.read() == b""
        assert bridge.inventory()["sip_connections"] == 1
        for writer in (used, idle):
            writer.close()

    async def test_one_host_has_its_share_of_connections(
        self, bridge: SipBridge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sipbridge.transport.MAX_CONNECTIONS_PER_HOST", 1)
        reader, first = await asyncio.open_connection("127.0.0.1", bridge.port)
        first.write(b"\r\n\r\n")
        async with asyncio.timeout(3):
            await reader.readexactly(2)
            reader, second = await asyncio.open_connection("127.0.0.1", bridge.port)
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        for writer in (first, second):
            writer.close()
