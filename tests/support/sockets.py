"""Ports for the programs of a test."""

import itertools
import os
import random
import socket

_FIRST, _LAST = 10_000, 19_900
"""Below the range from which the kernel gives out ports by itself."""

_starts = itertools.cycle(random.Random(os.getpid()).sample(range(_FIRST, _LAST, 2), 4000))


def free_ports(count: int = 1) -> range:
    """`count` neighbouring ports, the first one even, free on UDP and TCP a moment ago.

    Each call of one test run gives other ports; two runs at once start in different places.
    """
    for start in _starts:
        ports = range(start, start + count)
        if all(_is_free(port) for port in ports):
            return ports
    raise AssertionError("unreachable: the cycle has no end")


def free_port() -> int:
    return free_ports(2)[0]


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True
