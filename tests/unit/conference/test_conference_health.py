"""What reports make of a participant: it changes for good reasons only, and not to and fro."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.conference.health import (
    GONE_AFTER,
    LIMITED_AFTER,
    OFFLINE_AFTER,
    RECOVERED_AFTER,
    STRAINED_AFTER,
    UPLINK_CHANGE,
    Ability,
    Health,
)
from gateway.conference.report import Pressure, Report
from gateway.conference.uplink import COSTS, capacities
from gateway.ports import StreamKind


def reported(health: Health, report: Report, start: int, seconds: int) -> None:
    """One report each second, from `start` on, for so many seconds."""
    for now in range(start, start + seconds + 1):
        health.receive(report, float(now))


def test_who_never_reported_is_online_for_ever() -> None:
    health = Health()
    health.handle_timeout(1e9)
    assert health.next_timeout() is None
    assert health.ability == Ability()


def test_three_seconds_of_silence_are_offline_until_the_next_report() -> None:
    health = Health()
    health.receive(Report(), 10.0)
    assert health.next_timeout() == 10.0 + OFFLINE_AFTER
    health.handle_timeout(12.9)
    assert health.ability.online
    health.handle_timeout(13.0)
    assert not health.ability.online
    assert health.next_timeout() == 10.0 + GONE_AFTER
    health.receive(Report(), 40.0)
    assert health.ability.online
    assert health.online_since == 40.0


def test_pressure_counts_after_half_a_minute() -> None:
    health = Health()
    reported(health, Report(cpu=Pressure.SERIOUS), 0, int(STRAINED_AFTER) - 1)
    assert not health.ability.strained
    health.receive(Report(cpu=Pressure.FAIR), STRAINED_AFTER)
    reported(health, Report(cpu=Pressure.SERIOUS), int(STRAINED_AFTER) + 1, int(STRAINED_AFTER))
    assert health.ability.strained
    worse = Health()
    reported(worse, Report(cpu=Pressure.CRITICAL), 0, int(STRAINED_AFTER) - 1)
    assert not worse.ability.strained
    worse.receive(Report(cpu=Pressure.SERIOUS), STRAINED_AFTER)
    assert worse.ability.strained


def test_who_is_silent_for_long_is_gone_and_whoever_comes_back_is_given_more_time() -> None:
    health, now, given = Health(), 0.0, []
    for _ in range(5):
        health.receive(Report(), now)
        assert not health.ability.gone
        assert health.handle_timeout(now + OFFLINE_AFTER)
        assert not health.ability.gone, "its children have helped themselves"
        deadline = health.next_timeout()
        assert deadline is not None
        given.append(deadline - now)
        assert health.handle_timeout(deadline)
        assert health.ability.gone
        assert health.next_timeout() is None
        now = deadline + 1.0
    assert given == [GONE_AFTER * factor for factor in (1, 2, 4, 8, 8)]


def test_a_strained_processor_has_to_be_fine_for_a_minute() -> None:
    health = Health()
    fine = int(STRAINED_AFTER) + 1
    reported(health, Report(cpu=Pressure.CRITICAL), 0, fine - 1)
    reported(health, Report(cpu=Pressure.NOMINAL), fine, int(RECOVERED_AFTER) - 1)
    again = fine + int(RECOVERED_AFTER)
    health.receive(Report(cpu=Pressure.SERIOUS), again)
    reported(health, Report(cpu=Pressure.FAIR), again + 1, int(RECOVERED_AFTER) - 1)
    assert health.ability.strained
    health.receive(Report(cpu=Pressure.FAIR), again + 1 + RECOVERED_AFTER)
    assert not health.ability.strained


def test_a_battery_has_to_be_good_for_a_minute() -> None:
    health, seen = Health(), []
    for now, battery in enumerate([0.31, 0.29, 1.0, None, 0.34, None]):
        health.receive(Report(battery=battery), float(now))
        seen.append(health.ability.low_battery)
    assert seen == [False, True, True, True, True, True]
    reported(health, Report(battery=0.36), 6, int(RECOVERED_AFTER) - 2)
    assert health.ability.low_battery
    health.receive(Report(battery=0.36), 5 + RECOVERED_AFTER)
    assert not health.ability.low_battery


def test_an_uplink_that_goes_to_and_fro_counts_as_the_least() -> None:
    health = Health()
    reported(health, Report(uplink=1e6), 0, int(LIMITED_AFTER))
    changes = 0
    for now in range(11, 111):
        was = health.ability
        health.receive(Report(uplink=1e4 if now % 5 else 1e12), float(now))
        changes += health.ability != was
    assert health.ability.uplink == 1e4
    assert changes == 1


def test_an_estimate_is_a_limit_only_when_it_is_used_up() -> None:
    health = Health()
    health.receive(Report(uplink=300_000, limited=False), 0)
    assert health.ability.uplink is None
    reported(health, Report(uplink=900_000, limited=True), 1, int(LIMITED_AFTER) - 1)
    assert health.ability.uplink is None, "every start is slow"
    health.receive(Report(uplink=900_000, limited=True), 1 + LIMITED_AFTER)
    assert health.ability.uplink == 900_000
    # It sends less now, by our own doing, so its estimate is no limit; it is kept all the same.
    health.receive(Report(uplink=800_000, limited=False), 12)
    health.receive(Report(uplink=None), 13)
    assert health.ability.uplink == 900_000
    reported(health, Report(uplink=1_400_000, limited=False), 14, int(LIMITED_AFTER) - 1)
    assert health.ability.uplink == 900_000
    health.receive(Report(uplink=1_400_000, limited=False), 14 + LIMITED_AFTER)
    assert health.ability.uplink == 1_400_000


@given(st.floats(1e5, 1e7), st.lists(st.floats(0.82, 1.22), max_size=50))
def test_an_estimate_that_wavers_never_changes_the_ability(
    uplink: float, wavering: list[float]
) -> None:
    health = Health()
    reported(health, Report(uplink=uplink), 0, int(LIMITED_AFTER))
    was = health.ability
    assert was.uplink == uplink
    for now, factor in enumerate(wavering, 1 + int(LIMITED_AFTER)):
        assert 1 / UPLINK_CHANGE < factor < UPLINK_CHANGE
        health.receive(Report(uplink=uplink * factor), float(now))
        assert health.ability == was


@given(st.floats(0, 1e8), st.dictionaries(st.sampled_from(StreamKind), st.integers(0, 40)))
def test_what_is_kept_for_each_kind_fits_the_uplink(
    uplink: float, shares: dict[StreamKind, int]
) -> None:
    found = capacities(uplink, shares)
    assert found.keys() == shares.keys()
    sent = sum(min(found[kind], shares[kind]) * COSTS[kind] for kind in shares)
    assert sent <= uplink + 1e-3


def test_sound_comes_before_pictures() -> None:
    everybody = {StreamKind.HIGH: 9, StreamKind.AUDIO: 9}
    assert capacities(360_000, everybody) == {StreamKind.AUDIO: 9, StreamKind.HIGH: 0}
    assert capacities(2_760_000, everybody) == {StreamKind.AUDIO: 69, StreamKind.HIGH: 2}
