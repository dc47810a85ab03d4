"""SRTP against a second implementation of RFC 3711, itself checked by the RFC's vectors."""

import gc
import hmac

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.srtp import (
    AEAD_AES_128_GCM,
    AES_CM_128_HMAC_SHA1_32,
    AES_CM_128_HMAC_SHA1_80,
    MAX_RTCP,
    MAX_SSRCS,
    PROFILES,
    PacketRows,
    SrtpProfile,
    SrtpSession,
)

# RFC 3711, appendix B.3
MASTER_KEY = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139")
MASTER_SALT = bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6")

SSRC = 0xCAFEBABE
WIDTH = 256


def keystream(key: bytes, counter: bytes, length: int) -> bytes:
    """AES in counter mode; RFC 3711, section 4.1.1."""
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return encryptor.update(bytes(length))


def derive(label: int, length: int, salt: bytes = MASTER_SALT) -> bytes:
    """Section 4.3.1, with a key derivation rate of 0."""
    x = int.from_bytes(salt.ljust(14, b"\0"), "big") ^ label << 48
    return keystream(MASTER_KEY, (x << 16).to_bytes(16, "big"), length)


def rtp(sequence: int, payload: bytes = b"speech" * 10, ssrc: int = SSRC) -> bytes:
    head = bytes((0x80, 0)) + sequence.to_bytes(2, "big") + (160 * sequence).to_bytes(4, "big")
    return head + ssrc.to_bytes(4, "big") + payload


def reference(packet: bytes, tag_length: int) -> bytes:
    """The packet as RFC 3711 protects it, with AES_CM_128_HMAC_SHA1 and roll-over counter 0."""
    sequence, ssrc = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[8:12], "big")
    salt = int.from_bytes(derive(2, 14), "big")
    counter = (salt << 16 ^ ssrc << 64 ^ sequence << 16).to_bytes(16, "big")
    stream = keystream(derive(0, 16), counter, len(packet) - 12)
    closed = packet[:12] + bytes(a ^ b for a, b in zip(packet[12:], stream, strict=True))
    return closed + hmac.digest(derive(1, 20), closed + bytes(4), "sha1")[:tag_length]


def session_pair(profile: SrtpProfile) -> tuple[SrtpSession, SrtpSession]:
    key = bytes(range(profile.key_length + profile.salt_length))
    return SrtpSession.outbound(profile, key), SrtpSession.inbound(profile, key)


def packet_rows(*packets: bytes) -> PacketRows:
    rows = np.zeros((len(packets), WIDTH), np.uint8)
    for row, packet in zip(rows, packets, strict=True):
        row[: len(packet)] = np.frombuffer(packet, np.uint8)
    return PacketRows(rows, np.array([len(packet) for packet in packets], np.int32))


def row(batch: PacketRows, index: int = 0) -> bytes:
    return batch.rows[index, : batch.lengths[index]].tobytes()


def test_the_reference_derives_the_keys_of_appendix_b3() -> None:
    assert derive(0, 16).hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
    assert derive(2, 14).hex().upper() == "30CBBC08863D8C85D49DB34A9AE1"
    assert derive(1, 94).hex().upper().startswith("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")


def test_the_reference_makes_the_keystream_of_appendix_b2() -> None:
    key = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
    counter = bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000")
    assert keystream(key, counter, 16).hex().upper() == "E03EAD0935C95E80E166B16DD92B4EB4"


@pytest.mark.parametrize(
    ("profile", "tag_length"), [(AES_CM_128_HMAC_SHA1_80, 10), (AES_CM_128_HMAC_SHA1_32, 4)]
)
def test_packets_are_protected_as_in_rfc_3711(profile: SrtpProfile, tag_length: int) -> None:
    outbound = SrtpSession.outbound(profile, MASTER_KEY + MASTER_SALT)
    batch = packet_rows(rtp(0x1234))
    assert batch.protect([0], [outbound]).all()
    assert row(batch) == reference(rtp(0x1234), tag_length)

    inbound = SrtpSession.inbound(profile, MASTER_KEY + MASTER_SALT)
    assert batch.unprotect([0], [inbound]).all()
    assert row(batch) == rtp(0x1234)


def test_gcm_packets_are_protected_as_in_rfc_7714() -> None:
    salt = MASTER_SALT[:12]
    outbound = SrtpSession.outbound(AEAD_AES_128_GCM, MASTER_KEY + salt)
    batch = packet_rows(rtp(7))
    assert batch.protect([0], [outbound]).all()
    # Section 8.1: the initialization vector.
    counter = SSRC << 48 | 7
    iv = (int.from_bytes(derive(2, 12, salt), "big") ^ counter).to_bytes(12, "big")
    sealed = AESGCM(derive(0, 16, salt)).encrypt(iv, rtp(7)[12:], rtp(7)[:12])
    assert row(batch) == rtp(7)[:12] + sealed


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.sdes_name)
def test_rows_are_opened_by_the_session_of_their_own_leg(profile: SrtpProfile) -> None:
    senders = [session_pair(profile)[0] for _ in range(3)]
    key = bytes(range(1, 1 + profile.key_length + profile.salt_length))
    stranger = SrtpSession.inbound(profile, key)
    batch = packet_rows(rtp(1), rtp(2), rtp(3), rtp(4))
    assert batch.protect([0, 2, 3], senders).tolist() == [True, True, True]
    assert row(batch, 1) == rtp(2), "a row that was not named has changed"
    receiver = session_pair(profile)[1]
    opened = batch.unprotect([3, 0, 2], [receiver, stranger, receiver])
    assert opened.tolist() == [True, False, True]
    assert (row(batch, 3), row(batch, 2)) == (rtp(4), rtp(3))
    assert (batch.forged, batch.replayed) == (1, 0)


def test_replayed_and_changed_packets_are_refused_and_counted() -> None:
    outbound, inbound = session_pair(AEAD_AES_128_GCM)
    sealing = packet_rows(rtp(1), rtp(2))
    assert sealing.protect([0, 1], [outbound, outbound]).all()
    first, second = row(sealing, 0), bytearray(row(sealing, 1))
    second[20] ^= 1
    batch = packet_rows(first, first, bytes(second))
    assert batch.unprotect([0, 1, 2], [inbound] * 3).tolist() == [True, False, False]
    assert (batch.forged, batch.replayed) == (1, 1)


def test_a_packet_older_than_the_window_is_a_replay() -> None:
    outbound, inbound = session_pair(AES_CM_128_HMAC_SHA1_80)
    packets = []
    for sequence in (1, 1000):
        sealing = packet_rows(rtp(sequence))
        assert sealing.protect([0], [outbound]).all()
        packets.append(row(sealing))
    batch = packet_rows(packets[1], packets[0])
    assert batch.unprotect([0, 1], [inbound, inbound]).tolist() == [True, False]
    assert batch.replayed == 1


def test_rows_without_room_for_the_tag_are_a_bug_of_ours() -> None:
    outbound, _ = session_pair(AEAD_AES_128_GCM)
    batch = packet_rows(rtp(1, bytes(WIDTH - 12 - 19)))
    with pytest.raises(ValueError, match="room"):
        batch.protect([0], [outbound])


def test_buffers_that_c_must_not_touch_are_refused() -> None:
    lengths = np.zeros(4, np.int32)
    with pytest.raises(ValueError, match="contiguous"):
        PacketRows(np.zeros((4, 512), np.uint8)[:, ::2], lengths)
    with pytest.raises(ValueError, match="width"):
        PacketRows(np.zeros((4, 30), np.uint8), lengths)
    with pytest.raises(ValueError, match="int32"):
        PacketRows(np.zeros((4, 32), np.uint8), lengths[:3])


def test_the_sessions_of_rows_live_as_long_as_somebody_holds_them() -> None:
    outbound = session_pair(AEAD_AES_128_GCM)[0]
    batch = packet_rows(rtp(1))
    gc.collect()
    assert batch.protect([0], [outbound]).all()


def test_reports_are_sealed_and_opened() -> None:
    outbound, inbound = session_pair(AES_CM_128_HMAC_SHA1_80)
    report = bytes.fromhex("80c90001") + SSRC.to_bytes(4, "big")
    sealed = outbound.protect_rtcp(report)
    assert len(sealed) == len(report) + 14
    assert inbound.unprotect_rtcp(sealed) == report
    assert inbound.unprotect_rtcp(sealed) is None, "a replay was taken"
    assert inbound.unprotect_rtcp(bytes(MAX_RTCP + 1)) is None

    batch = packet_rows(outbound.protect_rtcp(report))
    assert batch.unprotect_rtcp([0], [inbound]).all()
    assert row(batch) == report


def test_a_peer_that_makes_up_ssrcs_costs_no_more_than_its_share() -> None:
    outbound, inbound = session_pair(AEAD_AES_128_GCM)
    first = packet_rows(rtp(1, ssrc=0))
    assert first.protect([0], [outbound]).all()
    for number in range(MAX_SSRCS):
        replay = packet_rows(row(first))
        assert replay.unprotect([0], [inbound]).all() == (number == 0), "its state was lost"
        other = packet_rows(rtp(1, ssrc=1 + number))
        assert other.protect([0], [outbound]).all()
        assert other.unprotect([0], [inbound]).all()
    assert list(inbound.ssrcs) == [1 + number for number in range(MAX_SSRCS)]


def test_a_forged_packet_is_no_new_ssrc() -> None:
    _, inbound = session_pair(AEAD_AES_128_GCM)
    batch = packet_rows(rtp(1))
    assert not batch.unprotect([0], [inbound]).any()
    assert SSRC not in inbound.ssrcs


@given(st.binary(max_size=120), st.sampled_from(PROFILES))
def test_no_packet_opens_by_chance(data: bytes, profile: SrtpProfile) -> None:
    _, inbound = session_pair(profile)
    batch = packet_rows(data, b"\x80\x00" + data)
    assert not batch.unprotect([0, 1], [inbound, inbound]).any()
    assert not batch.unprotect_rtcp([0, 1], [inbound, inbound]).any()
    assert inbound.unprotect_rtcp(data) is None
