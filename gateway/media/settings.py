"""PURE: what one media engine may use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one engine: each worker has its own part of the ports."""

    rtp_ports: range = range(20_000, 30_000)
    """UDP ports for phones: two for each."""
    address: str | None = None
    """What stands in descriptions for phones; None: that of the way to each of them."""
    ice_port: int = 0
    """The UDP port of all ICE legs; 0 takes any."""
    ice_addresses: tuple[str, ...] = ()
    """What stands in candidates; empty: `address`, and that of the way to the world."""
    rtp_timeout: float = 60.0
    """A leg fails when no RTP came from it for so many seconds, unless it is on hold."""
    report_interval: float = 5.0
    """Seconds between two RTCP reports, and two measurements, of a stream."""
    capacity: int = 4096
    """Streams: one for each leg, and one for each section of a seat."""
    speakers: int = 8
    """That many of a room are heard at once."""
    log_level: str = "info"
    """Of a worker's log, in the words of `Config.log_level`."""
    language: str = "en"
    """Of the prompts."""
    sounds: str | None = None
    """A folder of the admin's own prompts, by language; None: ours alone."""
    recordings: str = "recordings"
    """The folder that recordings go to."""
