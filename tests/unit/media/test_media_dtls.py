"""Two associations face to face, packets carried by hand."""

import contextlib
from collections.abc import Callable

import pytest
from aiortc import RTCCertificate
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from gateway.media.dtls import MTU, DtlsAssociation, DtlsIdentity, DtlsState
from support.ice_client import IDENTITY, PEER_IDENTITY

RIGHT = (("sha-256", PEER_IDENTITY.fingerprint),)


def gateway(
    fingerprints: tuple[tuple[str, str], ...] = RIGHT, *, is_client: bool = False
) -> DtlsAssociation:
    return DtlsAssociation(IDENTITY, is_client=is_client, fingerprints=fingerprints)


def peer(identity: DtlsIdentity = PEER_IDENTITY, *, is_client: bool = True) -> DtlsAssociation:
    fingerprints = (("sha-256", IDENTITY.fingerprint),)
    return DtlsAssociation(identity, is_client=is_client, fingerprints=fingerprints)


def talk(
    one: DtlsAssociation,
    other: DtlsAssociation,
    arrives: Callable[[bytes], bool] = lambda _: True,
) -> list[bytes]:
    """Carries packets until both are silent."""
    carried: list[bytes] = []
    while True:
        packets = [(other, data) for data in one.datagrams_to_send()]
        packets += [(one, data) for data in other.datagrams_to_send()]
        if not packets:
            return carried
        for to, data in packets:
            carried.append(data)
            if arrives(data):
                to.receive(data)


def shake_hands(one: DtlsAssociation, other: DtlsAssociation) -> list[bytes]:
    one.connect()
    other.connect()
    return talk(one, other)


@pytest.mark.parametrize("is_client", [False, True])
def test_both_roles_end_with_the_same_keys(is_client: bool) -> None:
    ours, theirs = gateway(is_client=is_client), peer(is_client=not is_client)
    carried = shake_hands(ours, theirs)
    assert (ours.state, theirs.state) == (DtlsState.CONNECTED, DtlsState.CONNECTED)
    assert ours.secure is not None
    assert theirs.secure is not None
    report = bytes.fromhex("80c9000100000001")
    for sender, receiver in ((ours.secure, theirs.secure), (theirs.secure, ours.secure)):
        assert sender.tx is not None
        assert receiver.rx is not None
        assert receiver.rx.unprotect_rtcp(sender.tx.protect_rtcp(report)) == report
    assert max(map(len, carried)) <= MTU


def test_whole_records_are_put_into_few_datagrams() -> None:
    carried = shake_hands(gateway(), peer())
    for datagram in carried:
        position = 0
        while position < len(datagram):
            position += 13 + int.from_bytes(datagram[position + 11 : position + 13], "big")
        assert position == len(datagram), "a record is cut in two"
    assert len(carried) <= 6


class _LongFlight:
    """In place of OpenSSL: it wrote records of these sizes."""

    def __init__(self, *sizes: int) -> None:
        records = (b"\x16\xfe\xfd" + bytes(8) + (n - 13).to_bytes(2, "big") for n in sizes)
        self._data = b"".join(r.ljust(n, b"\0") for r, n in zip(records, sizes, strict=True))

    def bio_read(self, _: int) -> bytes:
        return self._data


@pytest.mark.parametrize(
    ("sizes", "datagrams"),
    [
        ((600, 600), [1200]),
        ((600, 601), [600, 601]),
        ((500, 500, 500), [1000, 500]),
        ((1200, 13, 1200), [1200, 13, 1200]),
        ((1500, 13), [1500, 13]),
    ],
)
def test_a_long_flight_is_cut_between_records(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], datagrams: list[int]
) -> None:
    ours = gateway()
    monkeypatch.setattr(ours, "_ssl", _LongFlight(*sizes))
    assert [len(datagram) for datagram in ours.datagrams_to_send()] == datagrams


@pytest.mark.parametrize(
    "fingerprints",
    [
        (("sha-256", IDENTITY.fingerprint),),
        (("sha-256", ""),),
        (("sha-256", PEER_IDENTITY.fingerprint[:-3]),),
        (("md5", PEER_IDENTITY.fingerprint),),
        (("sha-512", "AB"), ("sha-256", PEER_IDENTITY.fingerprint)),
        (),
    ],
)
def test_another_certificate_gives_no_keys(fingerprints: tuple[tuple[str, str], ...]) -> None:
    ours = gateway(fingerprints)
    shake_hands(ours, peer())
    assert ours.state is DtlsState.FAILED
    assert ours.secure is None
    assert "fingerprint" in ours.error


def test_any_of_several_fingerprints_in_any_case_will_do() -> None:
    right = PEER_IDENTITY.fingerprint.lower()
    ours = gateway((("sha-256", IDENTITY.fingerprint), ("SHA-256", right)))
    shake_hands(ours, peer())
    assert ours.state is DtlsState.CONNECTED


def test_a_lost_flight_is_sent_again() -> None:
    ours, theirs = gateway(), peer()
    theirs.connect()
    lost = talk(ours, theirs, arrives=lambda _: False)
    assert len(lost) == 1
    assert theirs.next_timeout(0.0) == pytest.approx(1.0, abs=0.1)
    assert ours.next_timeout(0.0) is None, "the server waits without a clock"
    theirs.handle_timeout()  # too early by OpenSSL's clock: nothing happens
    assert list(theirs.datagrams_to_send()) == []


def test_a_repeated_last_flight_is_answered_again() -> None:
    ours, theirs = gateway(), peer()
    theirs.connect()
    last: list[bytes] = []
    talk(ours, theirs, arrives=lambda data: not last.append(data))
    assert ours.state is DtlsState.CONNECTED
    clients_last = last[-2] if last[-1][0] in (20, 22) else last[-1]
    ours.receive(clients_last)
    talk(ours, theirs)
    assert (ours.state, theirs.state) == (DtlsState.CONNECTED, DtlsState.CONNECTED)


def test_a_goodbye_is_heard() -> None:
    for first in (0, 1):
        pair = (gateway(), peer())
        shake_hands(*pair)
        pair[first].close()
        pair[first].close()
        talk(*pair)
        assert {one.state for one in pair} == {DtlsState.CLOSED}


def test_a_peer_without_srtp_is_refused() -> None:
    made = RTCCertificate.generateCertificate()
    context = SSL.Context(SSL.DTLS_METHOD)
    context.use_certificate(made._cert)
    context.use_privatekey(made._key)
    client = SSL.Connection(context)
    client.set_connect_state()
    client.set_ciphertext_mtu(MTU)
    ours = gateway(tuple((one.algorithm, one.value) for one in made.getFingerprints()))
    for _ in range(4):
        with contextlib.suppress(SSL.WantReadError):
            client.do_handshake()
        ours.receive(client.bio_read(65_536))
        for data in ours.datagrams_to_send():
            client.bio_write(data)
        if ours.state is not DtlsState.CONNECTING:
            break
    assert ours.state is DtlsState.FAILED
    assert "SRTP" in ours.error


def test_our_fingerprint_is_that_of_the_certificate() -> None:
    ours, theirs = gateway(), peer()
    shake_hands(ours, theirs)
    certificate = theirs._ssl.get_peer_certificate(as_cryptography=True)
    assert certificate is not None
    assert certificate.fingerprint(hashes.SHA256()).hex(":").upper() == IDENTITY.fingerprint


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=100), max_size=4), st.booleans())
def test_junk_between_the_flights_changes_nothing(junk: list[bytes], looks_real: bool) -> None:
    ours, theirs = gateway(), peer()
    theirs.connect()

    def disturb(_: bytes) -> bool:
        for data in junk:
            head = b"\x16\xfe\xfd" + bytes(8) + len(data).to_bytes(2, "big") if looks_real else b""
            ours.receive(head + data)
        return True

    talk(ours, theirs, disturb)
    assert ours.state in (DtlsState.CONNECTED, DtlsState.FAILED, DtlsState.CONNECTING)
    if not looks_real:
        assert ours.state is DtlsState.CONNECTED
