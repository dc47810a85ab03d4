"""PURE: a token bucket."""


class Bucket:
    """Lets `rate` a second through, and `burst` at once."""

    __slots__ = ("_burst", "_rate", "_since", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = self._tokens = burst
        self._since = now

    def take(self, now: float) -> bool:
        """Whether one more may pass."""
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate)
        self._since = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
