"""How much a stranger may send: a bucket that fills with time and empties with use. Pure."""


class Allowance:
    """A token bucket; `rate` per second, `burst` at once."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._then = now

    def take(self, amount: float, now: float) -> bool:
        """Whether there is enough left; if so, it is used up."""
        self._left = min(self._burst, self._left + (now - self._then) * self._rate)
        self._then = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
