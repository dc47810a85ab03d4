"""PURE: STUN messages as ICE uses them; RFC 8489 with MESSAGE-INTEGRITY by SHA-1."""

import hmac
import socket
import zlib
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final, Self

MAGIC_COOKIE: Final = 0x2112A442
BINDING: Final = 0x0001

_HEADER = Struct("!HHI12s")
_ATTRIBUTE = Struct("!HH")
_INTEGRITY_LENGTH = 24
_FINGERPRINT_LENGTH = 8
_FINGERPRINT_XOR = 0x5354554E
_MAX_ATTRIBUTES = 32


class MessageClass(IntEnum):
    """The class bits of a message type; section 5."""

    REQUEST = 0x000
    INDICATION = 0x010
    SUCCESS = 0x100
    ERROR = 0x110


class Attribute(IntEnum):
    """RFC 8489 section 18.3, RFC 8445 section 20.1.1."""

    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message. Nothing in it is to be believed before `has_integrity`."""

    method: int
    message_class: MessageClass
    transaction_id: bytes
    attributes: dict[int, bytes]
    """The first of each type; after MESSAGE-INTEGRITY only FINGERPRINT (section 14.5)."""
    data: bytes
    """As it came."""
    integrity_at: int
    """Where the attribute MESSAGE-INTEGRITY starts in `data`; 0 without."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises `ValueError` for what is no STUN message, or one with a wrong FINGERPRINT."""
        if len(data) < _HEADER.size or data[0] & 0xC0:
            raise ValueError("no STUN header")
        message_type, length, cookie, transaction_id = _HEADER.unpack_from(data)
        if cookie != MAGIC_COOKIE or length % 4 or length + _HEADER.size != len(data):
            raise ValueError("wrong cookie or length")
        attributes: dict[int, bytes] = {}
        integrity_at = 0
        position = _HEADER.size
        for _ in range(_MAX_ATTRIBUTES):
            if position == len(data):
                break
            kind, size = _ATTRIBUTE.unpack_from(data, position)
            end = position + _ATTRIBUTE.size + size
            if end > len(data):
                raise ValueError("an attribute is cut off")
            value = data[position + _ATTRIBUTE.size : end]
            if kind == Attribute.FINGERPRINT:
                if end != len(data) or value != _fingerprint(data[:position]):
                    raise ValueError("wrong FINGERPRINT")
                attributes[kind] = value
            elif not integrity_at:
                attributes.setdefault(kind, value)
                if kind == Attribute.MESSAGE_INTEGRITY:
                    integrity_at = position
            position = end + -size % 4
        else:
            raise ValueError("too many attributes")
        # RFC 8489, section 5: the class bits C1 and C0 stand among those of the method.
        return cls(
            message_type & 0xF | (message_type & 0xE0) >> 1 | (message_type & 0x3E00) >> 2,
            MessageClass(message_type & 0x110),
            transaction_id,
            attributes,
            data,
            integrity_at,
        )

    def has_integrity(self, key: bytes) -> bool:
        """Whether whoever wrote it knows `key`; section 9.1.3."""
        if not self.integrity_at:
            return False
        digest = self.attributes[Attribute.MESSAGE_INTEGRITY]
        return hmac.compare_digest(digest, _integrity(self.data[: self.integrity_at], key))

    def unknown_attributes(self) -> tuple[int, ...]:
        """Those that have to be understood and are not; section 14."""
        return tuple(kind for kind in self.attributes if kind < 0x8000 and kind not in _KNOWN)


_KNOWN = frozenset(Attribute)


def success(request: Message, address: tuple[str, int], key: bytes) -> bytes:
    """The answer to a binding request from `address` (host, port)."""
    value = _xor_address(address, request.transaction_id)
    return _response(MessageClass.SUCCESS, request, [(Attribute.XOR_MAPPED_ADDRESS, value)], key)


def error(request: Message, code: int, reason: str, key: bytes = b"") -> bytes:
    """`key` is empty where the request was not authenticated; section 9.1.4."""
    value = bytes((0, 0, code // 100, code % 100)) + reason.encode()
    attributes: list[tuple[int, bytes]] = [(Attribute.ERROR_CODE, value)]
    if code == 420:
        unknown = request.unknown_attributes()
        packed = b"".join(kind.to_bytes(2, "big") for kind in unknown)
        attributes.append((Attribute.UNKNOWN_ATTRIBUTES, packed))
    return _response(MessageClass.ERROR, request, attributes, key)


def _response(
    message_class: MessageClass,
    request: Message,
    attributes: list[tuple[int, bytes]],
    key: bytes,
) -> bytes:
    return serialize(BINDING | message_class, request.transaction_id, attributes, key)


def serialize(
    message_type: int, transaction_id: bytes, attributes: list[tuple[int, bytes]], key: bytes
) -> bytes:
    """A message that ends in MESSAGE-INTEGRITY, unless `key` is empty, and FINGERPRINT."""
    body = b"".join(
        _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)
        for kind, value in attributes
    )
    data = _HEADER.pack(message_type, len(body), MAGIC_COOKIE, transaction_id) + body
    if key:
        digest = _integrity(data, key)
        data += _ATTRIBUTE.pack(Attribute.MESSAGE_INTEGRITY, len(digest)) + digest
    data = _with_length(data, len(data) - _HEADER.size + _FINGERPRINT_LENGTH)
    return data + _ATTRIBUTE.pack(Attribute.FINGERPRINT, 4) + _fingerprint(data)


def _integrity(before: bytes, key: bytes) -> bytes:
    """Over all that stands before the attribute, with a length that includes it; s. 14.5."""
    data = _with_length(before, len(before) - _HEADER.size + _INTEGRITY_LENGTH)
    return hmac.digest(key, data, "sha1")


def _fingerprint(before: bytes) -> bytes:
    """The length is already the whole message's here; section 14.7."""
    return (zlib.crc32(before) ^ _FINGERPRINT_XOR).to_bytes(4, "big")


def _with_length(data: bytes, length: int) -> bytes:
    return data[:2] + length.to_bytes(2, "big") + data[4:]


def _xor_address(address: tuple[str, int], transaction_id: bytes) -> bytes:
    """Section 14.2."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    packed = socket.inet_pton(family, host)
    pad = MAGIC_COOKIE.to_bytes(4, "big") + transaction_id
    hidden = bytes(a ^ b for a, b in zip(packed, pad, strict=False))
    head = (1 if family == socket.AF_INET else 2) << 16 | port ^ MAGIC_COOKIE >> 16
    return head.to_bytes(4, "big") + hidden
