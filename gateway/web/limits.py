"""What one browser may do on its signalling socket, and how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Of each socket, and of each address."""

    join_timeout: float = 10.0
    """Seconds from the connection to `join`."""
    joins_per_second: float = 5.0
    """From one address; who is refused tries again after some seconds."""
    joins_burst: float = 200.0
    """A school behind one address, after a restart."""
    errors: int = 10
    """Messages against the protocol; one more closes."""
    messages_per_second: float = 100.0
    burst: float = 400.0
    """Messages at once: joining a large room sends many candidates."""
    acts_per_second: float = 5.0
    """Of those messages those that all may feel, as each makes the server plan anew: not `ready`
    and `signal`, which are answers to others."""
    acts_burst: float = 100.0
    """Who blocks many at once says so of each."""
    bytes_per_second: float = 524_288.0
    """Less than a neighbour's backlog, so that one browser cannot cut another off."""
    burst_bytes: float = 1_048_576.0
    seat_queue: int = 256
    """Messages that wait for the seat's answer to an earlier one."""
