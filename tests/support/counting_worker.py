"""A media worker that also writes down twice a second what it counts; where: `COUNTS`."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from gateway.media import worker
from gateway.media.metronome import Metronome
from gateway.media.switchboard import Switchboard

COUNTS = "TRESTLE_TEST_COUNTS"

_metronomes: list[Metronome] = []


class KnownMetronome(Metronome):
    def __init__(self, now: float) -> None:
        super().__init__(now)
        _metronomes.append(self)


class CountingSwitchboard(Switchboard):
    def inventory(self) -> Mapping[str, int]:
        rows = {leg: self.row_of(leg) for leg in self._room_of}
        counts = {
            "steps_left_out": sum(one.left_out for one in _metronomes),
            "dropped": self._dropped(),
            "legs": {leg: self._leg(row) for leg, row in rows.items() if row is not None},
        }
        place = Path(os.environ[COUNTS])
        new = place.with_suffix(".new")
        new.write_text(json.dumps(counts))
        new.replace(place)
        return super().inventory()

    def _dropped(self) -> dict[str, int]:
        ice = self._ice
        own = {"junk": ice.junk, "strangers": ice.strangers, "kernel": ice.kernel_drops}
        return {**asdict(ice._endpoint.counters), **own}

    def _leg(self, row: int) -> dict[str, int]:
        jitter = self.engine.jitter
        return {
            "concealed": int(jitter.concealed[row]),
            "received": int(jitter.received[row]),
        }


if __name__ == "__main__":
    worker.Metronome = KnownMetronome  # type: ignore[misc]
    worker.Switchboard = CountingSwitchboard  # type: ignore[misc]
    worker.main()
