"""What one participant's reports make of it: a relay, a leaf, or somebody who is not there now.

The plans hang on `Ability`, and each change of it may move whole subtrees. So it changes seldom:
every limit has two sides or takes its time. Core shape: `receive`, `handle_timeout`,
`next_timeout`.
"""

from dataclasses import dataclass, replace

from gateway.conference.report import Pressure, Report

OFFLINE_AFTER = 3.0
"""Seconds from the last report; docs/protocol.md, "Reports"."""

STRAINED_AFTER = 30.0
"""Seconds of serious or critical pressure on the processor: shorter ones come with every page that
is opened."""

GONE_AFTER = 10.0
"""Seconds from the last report until nothing goes through it any more. Its children do not wait for
that: whoever misses a stream has asked its standby parent long before. A machine that is only too
busy to report is not gone, and moving its trees makes it busier."""

MOST_RETURNS = 3
"""Whoever has come back from that is given twice the time from then on; so many times at most."""

RECOVERED_AFTER = 60.0
"""Seconds without such pressure, or with a good battery. More than `STRAINED_AFTER`: who relays no
more is less strained by that alone, and would go to and fro."""

LOW_BATTERY = 0.30
GOOD_BATTERY = 0.35

LIMITED_AFTER = 10.0
"""Seconds for which an uplink has to be used up until its estimate counts: every start is slow. And
those for which an estimate has to have grown: what goes to and fro would take the trees along."""

UPLINK_CHANGE = 1.5
"""By this factor an estimate has to change, since one that is used to the full wavers by less."""


@dataclass(frozen=True, slots=True)
class Ability:
    """All that planning knows of a participant's reports."""

    online: bool = True
    """As it is shown to everybody."""
    gone: bool = False
    """It has been silent for so long that it does not relay."""
    strained: bool = False
    """Its processor has no time for others."""
    low_battery: bool = False
    uplink: float | None = None
    """In bit/s, where that is what holds it back; None: nobody knows of a limit."""


class Health:
    """One participant's, from its first report on; before, and without any, it is able."""

    def __init__(self) -> None:
        self.ability = Ability()
        self.online_since = 0.0
        """When it came back the last time."""
        self._returns = 0
        self._last: float | None = None
        self._serious_since: float | None = None
        self._fine_since: float | None = None
        self._charged_since: float | None = None
        self._limited_since: float | None = None
        self._grown_since: float | None = None

    @property
    def pressed(self) -> bool:
        """Whether its processor has too much to do just now, or it is silent for that perhaps."""
        return self._serious_since is not None or not self.ability.online

    def receive(self, report: Report, now: float) -> None:
        """Time never goes back; a report makes its sender be online."""
        if not self.ability.online:
            self.online_since = now
        if self.ability.gone:
            self._returns = min(self._returns + 1, MOST_RETURNS)
        self._last = now
        self.ability = Ability(
            online=True,
            strained=self._is_strained(report.cpu, now),
            low_battery=self._is_low(report.battery, now),
            uplink=self._uplink(report, now),
        )

    def next_timeout(self) -> float | None:
        """When it will have been silent for too long."""
        if self._last is None or self.ability.gone:
            return None
        if self.ability.online:
            return self._last + OFFLINE_AFTER
        return self._last + GONE_AFTER * (1 << self._returns)

    def handle_timeout(self, now: float) -> bool:
        """Whether it is offline, or gone, from now on."""
        changed = False
        while (deadline := self.next_timeout()) is not None and deadline <= now:
            self.ability = replace(self.ability, online=False, gone=not self.ability.online)
            # Of the time in which nothing was heard nothing is known.
            self._serious_since = self._fine_since = None
            changed = True
        return changed

    def _is_strained(self, cpu: Pressure | None, now: float) -> bool:
        is_serious = cpu in (Pressure.SERIOUS, Pressure.CRITICAL)
        self._serious_since = _since(self._serious_since, is_serious, now)
        self._fine_since = _since(self._fine_since, not is_serious, now)
        if self.ability.strained:
            return self._fine_since is None or now - self._fine_since < RECOVERED_AFTER
        if self._serious_since is None:
            return False
        return now - self._serious_since >= STRAINED_AFTER

    def _is_low(self, battery: float | None, now: float) -> bool:
        is_good = battery is None or battery >= GOOD_BATTERY
        self._charged_since = _since(self._charged_since, is_good, now)
        if self.ability.low_battery:
            return self._charged_since is None or now - self._charged_since < RECOVERED_AFTER
        return battery is not None and battery < LOW_BATTERY

    def _uplink(self, report: Report, now: float) -> float | None:
        """An estimate that is not used up is no limit: browsers do not try what nobody needs.

        But one that was a limit stays one until the estimate has grown, or else who was spared
        would be burdened again at once.
        """
        held, told = self.ability.uplink, report.uplink
        self._limited_since = _since(self._limited_since, report.limited, now)
        if told is None:
            return held
        if held is None:
            since = self._limited_since
            return told if since is not None and now - since >= LIMITED_AFTER else None
        self._grown_since = _since(self._grown_since, told >= held * UPLINK_CHANGE, now)
        has_grown = self._grown_since is not None and now - self._grown_since >= LIMITED_AFTER
        return told if has_grown or told <= held / UPLINK_CHANGE else held


def _since(since: float | None, holds: bool, now: float) -> float | None:
    if not holds:
        return None
    return now if since is None else since
