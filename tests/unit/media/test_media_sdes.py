"""RFC 4568, with the crypto lines of real phones."""

import base64

import numpy as np
import pytest

from gateway.media.sdes import (
    answer_to,
    choose_crypto,
    key_and_salt_length,
    offer_crypto,
    secure_leg,
)
from gateway.media.srtp import AEAD_AES_128_GCM, PacketRows

KEY = bytes(range(30))
INLINE = "inline:" + base64.b64encode(KEY).decode()
# RFC 4568, section 9.2
EXAMPLE = "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32"


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_32 {INLINE}",
        f"1 aes_cm_128_hmac_sha1_80 {INLINE}",
        f"3 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^31",
        f"3 AES_CM_128_HMAC_SHA1_80 {INLINE}|2147483648",
        f"3 AES_CM_128_HMAC_SHA1_80 {INLINE} WSH=64",
        f"3 AES_CM_128_HMAC_SHA1_80 {INLINE} -FEC_ORDER=FEC_SRTP",
    ],
)
def test_these_are_taken(value: str) -> None:
    crypto = choose_crypto([value])
    assert crypto is not None
    assert crypto.key_and_salt == KEY
    assert crypto.tag == value[0]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1 AES_CM_128_HMAC_SHA1_80",
        f"x AES_CM_128_HMAC_SHA1_80 {INLINE}",
        f"1234567890 AES_CM_128_HMAC_SHA1_80 {INLINE}",
        f"1 F8_128_HMAC_SHA1_80 {INLINE}",
        f"1 AES_256_CM_HMAC_SHA1_80 {INLINE}",
        f"1 AEAD_AES_128_GCM {INLINE}",  # the key is too long for it
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE[:-8]}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:€uro",
        f"1 AES_CM_128_HMAC_SHA1_80 uri:{INLINE[7:]}",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|1:4",  # MKI
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^20|1:4;{INLINE}|2^20|2:4",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE} KDR=1",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE} UNENCRYPTED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE} UNAUTHENTICATED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE} WSH=64 UNENCRYPTED_SRTCP",
        EXAMPLE,  # with an MKI, which libsrtp as we have it cannot do
    ],
)
def test_these_are_not(value: str) -> None:
    assert choose_crypto([value]) is None


def test_the_offerers_preference_counts() -> None:
    chosen = choose_crypto(
        [
            EXAMPLE,
            f"2 AES_CM_128_HMAC_SHA1_32 {INLINE}",
            f"3 AES_CM_128_HMAC_SHA1_80 {INLINE}",
        ]
    )
    assert chosen is not None
    assert (chosen.tag, chosen.profile.sdes_name) == ("2", "AES_CM_128_HMAC_SHA1_32")
    assert choose_crypto([]) is None


def test_gcm_is_taken_too() -> None:
    key = base64.b64encode(bytes(28)).decode()
    crypto = choose_crypto([f"1 AEAD_AES_128_GCM inline:{key}"])
    assert crypto is not None
    assert crypto.profile == AEAD_AES_128_GCM
    assert key_and_salt_length(crypto.profile) == 28


def test_two_sides_that_agreed_understand_each_other() -> None:
    offered = offer_crypto(bytes(30))
    read = choose_crypto([str(offered)])
    assert read == offered
    answered = answer_to(read, KEY)
    assert str(answered) == f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}"
    phone, gateway = secure_leg(offered, answered), secure_leg(answered, offered)
    assert phone.tx is not None
    assert gateway.rx is not None
    packet = bytes.fromhex("8000000100000000cafebabe") + b"speech"
    rows = np.zeros((1, 64), np.uint8)
    rows[0, : len(packet)] = np.frombuffer(packet, np.uint8)
    batch = PacketRows(rows, np.array([len(packet)], np.int32))
    assert batch.protect([0], [phone.tx]).all()
    assert batch.unprotect([0], [gateway.rx]).all()
    assert rows[0, : len(packet)].tobytes() == packet


def test_keys_do_not_get_into_logs() -> None:
    assert "key" not in repr(offer_crypto(KEY)).lower().replace("key_", "")
    assert base64.b64encode(KEY).decode() not in repr(offer_crypto(KEY))
