"""A network between a steady sender and us, by seed and without a clock.

Packets go in with the times they are sent at and come out with the times they arrive at.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Network:
    """Seconds and probabilities; the default does nothing at all."""

    loss: float = 0.0
    """Share of the packets that never come."""
    burst: int = 1
    """So many packets in a row make one loss."""
    jitter: float = 0.0
    """Each packet takes from 0 to this much longer, evenly spread."""
    in_order: bool = False
    """Whether a packet that is late makes those behind it late too, as a queue does."""
    stall: float = 0.0
    """For so long nothing passes, and then all that waited at once; see `stall_every`."""
    stall_every: float = 10.0
    """Seconds from one stall to the next; the first is half as far from the first packet."""
    duplicated: float = 0.0
    """Share of the packets that come a second time, up to 20 ms later."""
    drift_ppm: float = 0.0
    """By so much the sender's clock runs faster than ours."""

    def carry(self, sent: Seconds, seed: int) -> tuple[Numbers, Seconds]:
        """`sent` ascends, by the sender's clock. Gives which packet arrives when by ours, in order
        of arrival."""
        random = np.random.default_rng(seed)
        arrivals = sent - (sent - sent[0]) * self.drift_ppm * 1e-6
        if self.stall:
            into = (arrivals - arrivals[0] - self.stall_every / 2) % self.stall_every
            arrivals = np.where(into < self.stall, arrivals + self.stall - into, arrivals)
        arrivals = arrivals + random.random(len(sent)) * self.jitter
        if self.in_order:
            arrivals = np.maximum.accumulate(arrivals)
        numbers: Numbers = np.flatnonzero(~self._lost(len(sent), random))
        twice = numbers[random.random(len(numbers)) < self.duplicated]
        again = arrivals[twice] + random.random(len(twice)) * 0.020
        numbers, arrivals = np.append(numbers, twice), np.append(arrivals[numbers], again)
        order = np.argsort(arrivals, kind="stable")
        return numbers[order], arrivals[order]

    def _lost(self, packets: int, random: np.random.Generator) -> NDArray[np.bool_]:
        begins = random.random(packets) < self.loss / self.burst
        return np.convolve(begins, np.ones(self.burst))[:packets] > 0
