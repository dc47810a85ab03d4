"""Failures on purpose in one room: begun and ended, each of them told to the monitor."""

import logging
from collections.abc import Iterable, Mapping

from gateway.conference.injection import Injection, Injector
from gateway.conference.monitor import Monitor
from gateway.ports import Fault, ParticipantId, RoomName, StreamKind
from gateway.trees.topology import Forest

_log = logging.getLogger("trestle.rooms")


class Experiment:
    """At rest until `begin`; then ask `strike` when `next_timeout` has come."""

    def __init__(self, room: RoomName, monitor: Monitor) -> None:
        self._room = room
        self._monitor = monitor
        self._injector: Injector | None = None

    def begin(self, injection: Injection, now: float) -> None:
        """In place of what came so far."""
        self._injector = Injector(injection, now)
        _log.info("%s: %s", self._room, injection)
        self._monitor.watches[self._room].injecting(self._injector.describe(), now)

    def end(self, now: float) -> None:
        if self._injector is not None:
            self._injector = None
            _log.info("%s: no failures are injected any more", self._room)
            self._monitor.watches[self._room].injecting(None, now)

    def next_timeout(self) -> float | None:
        return None if self._injector is None else self._injector.next_timeout()

    def strike(
        self, forests: Mapping[StreamKind, Forest], mortal: Iterable[ParticipantId], now: float
    ) -> list[tuple[ParticipantId, Fault]]:
        """Who is struck now, among those who can be, and by what."""
        if self._injector is None:
            return []
        fault = self._injector.injection.fault
        victims = self._injector.victims(forests, mortal, now)
        for victim in victims:
            _log.info("%s: %s strikes %s", self._room, fault.fault, victim)
        self._monitor.totals.faults += len(victims)
        self._monitor.watches[self._room].injecting(self._injector.describe(), now)
        if self._injector.has_ended(now):
            self.end(now)
        return [(victim, fault) for victim in victims]
