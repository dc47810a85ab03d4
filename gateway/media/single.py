"""Packets that are made and sent one by one: browsers' streams, telephone events."""

import struct

import numpy as np

from gateway.media.datagrams import Outbox, address_row
from gateway.media.groups import HEADER
from gateway.media.jitter import WIDTH
from gateway.media.srtp import MAX_TRAILER, PacketRows
from gateway.media.streams import Sending, Streams

_EXTENSION = 24
"""Octets of a MID header extension at most."""


class SinglePackets:
    """Takes the next sequence number of a stream, and counts what it sends."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._outbox = Outbox(1, HEADER + _EXTENSION + WIDTH + MAX_TRAILER)
        self._packets = PacketRows(self._outbox.rows, self._outbox.lengths)

    def send(
        self, row: int, payload_type: int, timestamp: int, payload: bytes, *, marker: bool
    ) -> None:
        """At most `WIDTH` octets of payload; the stream has to be one that goes out. What cannot
        be closed with its keys is not sent."""
        streams, outbox = self._streams, self._outbox
        sending = streams.sending[row]
        sequence = (int(streams.sequence[row]) + 1) & 0xFFFF
        streams.sequence[row] = sequence
        streams.packets_sent[row] += 1
        streams.octets_sent[row] += len(payload)
        extension = _mid_extension(sending)
        head = struct.pack(
            "!BBHII",
            0x90 if extension else 0x80,
            marker << 7 | payload_type,
            sequence,
            timestamp,
            sending.ssrc,
        )
        data = head + extension + payload
        outbox.rows[0, : len(data)] = np.frombuffer(data, np.uint8)
        outbox.lengths[0] = len(data)
        outbox.addresses[0] = address_row(sending.address)
        session = sending.session
        if session is None or self._packets.protect([0], [session]).all():
            outbox.send(sending.sock, 0, 1)


def _mid_extension(sending: Sending) -> bytes:
    """RFC 8285, section 4.2."""
    if not sending.mid_number or not 0 < len(sending.mid) <= 16:
        return b""
    element = bytes((sending.mid_number << 4 | len(sending.mid) - 1,)) + sending.mid
    element += bytes(-len(element) % 4)
    return struct.pack("!HH", 0xBEDE, len(element) // 4) + element
