"""RFC 5769 test vectors, and what strangers make of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import stun
from gateway.media.stun import Attribute, Message, MessageClass

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"

# RFC 5769, section 2.1
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
# Section 2.2
RESPONSE_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
# Section 2.3
RESPONSE_IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)


def test_the_sample_request_is_read() -> None:
    message = Message.parse(REQUEST)
    assert (message.method, message.message_class) == (stun.BINDING, MessageClass.REQUEST)
    assert message.attributes[Attribute.USERNAME] == b"evtj:h6vY"
    assert message.attributes[Attribute.PRIORITY] == bytes.fromhex("6e0001ff")
    assert message.attributes[Attribute.ICE_CONTROLLED] == bytes.fromhex("932ff9b151263b36")
    assert message.has_integrity(PASSWORD)
    assert not message.has_integrity(b"another password")
    assert message.unknown_attributes() == ()


@pytest.mark.parametrize("sample", [RESPONSE_IPV4, RESPONSE_IPV6])
def test_the_sample_responses_are_read(sample: bytes) -> None:
    message = Message.parse(sample)
    assert message.message_class is MessageClass.SUCCESS
    assert message.has_integrity(PASSWORD)


@pytest.mark.parametrize(
    ("sample", "host"),
    [(RESPONSE_IPV4, "192.0.2.1"), (RESPONSE_IPV6, "2001:db8:1234:5678:11:2233:4455:6677")],
)
def test_the_sample_addresses_are_hidden_as_in_the_rfc(sample: bytes, host: str) -> None:
    ours = stun.success(Message.parse(REQUEST), (host, 32853), PASSWORD)
    kind = Attribute.XOR_MAPPED_ADDRESS
    assert Message.parse(ours).attributes[kind] == Message.parse(sample).attributes[kind]


def test_a_message_is_written_as_in_the_rfc() -> None:
    # Section 2.2 pads with a space where we pad with zero: give the padding as part of the value.
    attributes = [(0x8022, b"test vector"), (0x0020, bytes.fromhex("0001a147e112a643"))]
    ours = stun.serialize(0x0101, RESPONSE_IPV4[8:20], attributes, PASSWORD)
    theirs = Message.parse(RESPONSE_IPV4)
    assert len(ours) == len(RESPONSE_IPV4)
    assert Message.parse(ours).has_integrity(PASSWORD)
    assert dict(Message.parse(ours).attributes).keys() == theirs.attributes.keys()


def test_what_stands_behind_the_integrity_does_not_count() -> None:
    data = stun.serialize(stun.BINDING, bytes(12), [(Attribute.USERNAME, b"a:b")], b"key")
    bare = data[:-8]  # without FINGERPRINT
    extra = (Attribute.USE_CANDIDATE).to_bytes(2, "big") + bytes(2)
    forged = bare[:2] + (len(bare) - 20 + 4).to_bytes(2, "big") + bare[4:] + extra
    message = Message.parse(forged)
    assert Attribute.USE_CANDIDATE not in message.attributes
    assert message.has_integrity(b"key")


def test_unknown_attributes_that_have_to_be_understood_are_named() -> None:
    request = Message.parse(
        stun.serialize(stun.BINDING, bytes(12), [(0x7FFF, b""), (0xC001, b"abcd")], b"key")
    )
    assert request.unknown_attributes() == (0x7FFF,)
    answer = Message.parse(stun.error(request, 420, "Unknown Attribute", b"key"))
    assert answer.attributes[Attribute.UNKNOWN_ATTRIBUTES] == b"\x7f\xff"
    assert answer.attributes[Attribute.ERROR_CODE][:4] == bytes((0, 0, 4, 20))
    assert answer.has_integrity(b"key")


def test_a_response_without_key_has_no_integrity() -> None:
    answer = Message.parse(stun.error(Message.parse(REQUEST), 401, "Unauthenticated"))
    assert answer.message_class is MessageClass.ERROR
    assert not answer.has_integrity(b"")


@pytest.mark.parametrize("at", [0, 4, 25, 60, 80, len(REQUEST) - 1])
def test_a_changed_bit_is_seen(at: int) -> None:
    changed = bytearray(REQUEST)
    changed[at] ^= 0x40
    with pytest.raises(ValueError, match=r"FINGERPRINT|cookie|cut off|header|many"):
        Message.parse(bytes(changed))


@pytest.mark.parametrize("length", [0, 1, 19, 20, 21, 24, 40])
def test_cut_messages_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"header|length"):
        Message.parse(REQUEST[:length])


def test_methods_are_read_around_the_class_bits() -> None:
    data = bytes.fromhex("011100002112a442") + bytes(12)  # binding error response
    message = Message.parse(data)
    assert (message.method, message.message_class) == (1, MessageClass.ERROR)
    allocate = Message.parse(bytes.fromhex("000300002112a442") + bytes(12))
    assert allocate.method == 3
    high = Message.parse(bytes.fromhex("3eef00002112a442") + bytes(12))
    assert (high.method, high.message_class) == (0xFFF, MessageClass.REQUEST)


@given(st.binary(max_size=200))
def test_no_datagram_is_worse_than_a_value_error(data: bytes) -> None:
    for whole in (data, bytes.fromhex("00010000") + REQUEST[4:8] + data):
        length = max(0, len(whole) - 20).to_bytes(2, "big")
        for one in (whole, whole[:2] + length + whole[4:]):
            try:
                message = Message.parse(one)
            except ValueError:
                continue
            assert not message.has_integrity(b"key")
            message.unknown_attributes()
