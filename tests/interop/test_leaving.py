"""Relays that leave, and that fail, at the real gateway: those below them hear on."""

import pytest

from support.listeners import Listeners

pytestmark = pytest.mark.timeout(120)

WITHOUT_A_BREAK = 200
"""ms between two frames of sound. On a busy machine a new edge takes longer than that: where the
old one ended before, there would be a break."""
FAR_TOO_LONG = 3_000
"""ms; `make bench-gaps` tells how long it is on a quiet machine."""


async def test_nobody_misses_a_relay_that_leaves() -> None:
    async with Listeners(5) as room:
        relay, children = await room.relay()
        gaps = await room.gaps("planned", relay, children)
        assert max(gap.frames for gap in gaps) < WITHOUT_A_BREAK, gaps
        again, _ = await room.relay()
        assert again is not relay


@pytest.mark.parametrize("how", ["closed", "killed"])
async def test_those_below_a_relay_hear_on_when_it_is(how: str) -> None:
    async with Listeners(5) as room:
        relay, children = await room.relay()
        gaps = await room.gaps(how, relay, children)
        assert max(gap.frames for gap in gaps) < FAR_TOO_LONG, gaps
