"""Random datagrams at a UDP port of this machine: `python -m support.flood PORT RATE SECONDS`.

A third looks like nothing, the rest like STUN (with the cookie), DTLS, RTP and RTCP by turns.
"""

import socket
import sys
import time

import numpy as np

from gateway.media.datagrams import Outbox, address_row
from gateway.media.transport import key_of

_ROWS = 1200
_PAUSE = 0.002
_HEADS = (None, None, bytes((0, 1)), bytes((22, 254)), bytes((0x80, 111)), bytes((0x80, 200)))
_COOKIE = bytes((0x21, 0x12, 0xA4, 0x42))


def datagrams(port: int, seed: int = 1) -> Outbox:
    random = np.random.default_rng(seed)
    outbox = Outbox(_ROWS, 256)
    outbox.rows[:] = random.integers(0, 256, outbox.rows.shape, np.uint8)
    outbox.lengths[:] = random.integers(5, 64, _ROWS) * 4
    outbox.addresses[:] = address_row(key_of("127.0.0.1", port))
    for row in range(_ROWS):
        head = _HEADS[row % len(_HEADS)]
        if head is not None:
            outbox.rows[row, : len(head)] = np.frombuffer(head, np.uint8)
        if head == _HEADS[2]:
            outbox.rows[row, 4:8] = np.frombuffer(_COOKIE, np.uint8)
    return outbox


def main() -> None:
    port, rate, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    outbox, sent = datagrams(port), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < seconds:
            due = min(int(elapsed * rate) - sent, _ROWS)
            first = sent % _ROWS
            outbox.send(sock, first, min(first + due, _ROWS))
            sent += min(due, _ROWS - first)
            time.sleep(_PAUSE)
    sys.stdout.write(f"{sent}\n")


if __name__ == "__main__":
    main()
