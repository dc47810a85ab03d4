import pytest

from gateway.conference.report import Method, Pressure, Receiving, Report, Sending
from gateway.conference.watch import Totals, Watch
from gateway.ports import SEAT, Edge, Kind, Participant, ParticipantId, Roster, StreamKind

ANA, BO, CEM, PHONE = (ParticipantId(one) for one in ("web-a", "web-b", "web-c", "sip-p"))
AUDIO = StreamKind.AUDIO


def roster(*who: ParticipantId) -> Roster:
    kinds = {PHONE: Kind.SIP}
    return Roster(1, tuple(Participant(one, kinds.get(one, Kind.WEB), one.upper()) for one in who))


@pytest.fixture
def totals() -> Totals:
    return Totals()


@pytest.fixture
def watch(totals: Totals) -> Watch:
    """Ana speaks to Bo, who relays to Cem."""
    watch = Watch(totals, 0.0)
    watch.roster(roster(ANA, BO, CEM), 0.0, seat=False)
    for edge in (Edge(ANA, ANA, BO), Edge(ANA, BO, CEM)):
        watch.attached(edge, 1.0)
        watch.live(edge, 1.1)
    return watch


def states(watch: Watch) -> dict[tuple[str, str], object]:
    """By parent and child."""
    edges = [(key, one) for key, one in watch.journal.now.items() if key[0] == "edge"]
    return {(key[3], key[4]): entry["state"] for key, entry in edges}


def receiving(parent: ParticipantId, **more: float) -> Receiving:
    figures = {"bitrate": 31_234.0, "loss": 0.0, "stalls": 0, "stalled_ms": 0.0, **more}
    return Receiving(
        ANA,
        AUDIO,
        parent,
        figures["bitrate"],
        figures["loss"],
        int(figures["stalls"]),
        figures["stalled_ms"],
    )


def test_an_edge_starts_and_lives_until_it_is_detached(watch: Watch) -> None:
    edge = Edge(BO, BO, ANA)
    watch.attached(edge, 2.0)
    assert states(watch)[BO, ANA] == "starting"
    watch.live(edge, 2.5)
    assert states(watch)[BO, ANA] == "live"
    watch.detached(edge, 3.0)
    assert (BO, ANA) not in states(watch)
    assert watch.journal.at(2.7)["edge", "audio", BO, BO, ANA]["state"] == "live"


def test_ready_for_an_edge_that_nobody_was_told_of_is_none(watch: Watch) -> None:
    watch.live(Edge(ANA, ANA, CEM), 2.0)
    assert (ANA, CEM) not in states(watch)


def test_who_leaves_takes_all_edges_along(watch: Watch) -> None:
    watch.roster(roster(ANA, CEM), 2.0, seat=False)
    assert states(watch) == {}
    assert ("participant", BO) not in watch.journal.now


def test_the_seat_is_there_while_it_takes_part(watch: Watch) -> None:
    watch.roster(roster(ANA, BO, CEM, PHONE), 2.0, seat=True)
    watch.attached(Edge(PHONE, SEAT, ANA), 2.0)
    assert watch.journal.now["participant", SEAT]["kind"] == "seat"
    watch.roster(roster(ANA, BO, CEM), 3.0, seat=False)
    assert (SEAT, ANA) not in states(watch)


def test_another_parent_is_a_move(watch: Watch, totals: Totals) -> None:
    assert totals.moves == 0
    watch.attached(Edge(ANA, ANA, CEM), 2.0)  # make before break
    watch.live(Edge(ANA, ANA, CEM), 2.1)
    watch.detached(Edge(ANA, BO, CEM), 2.1)
    assert totals.moves == 1
    watch.roster(roster(ANA, CEM), 3.0, seat=False)
    watch.roster(roster(ANA, CEM, BO), 4.0, seat=False)
    watch.attached(Edge(ANA, CEM, BO), 4.0)
    assert totals.moves == 1, "who comes new has had no parent"


def test_who_lost_its_parent_moves_too(watch: Watch, totals: Totals) -> None:
    watch.roster(roster(ANA, CEM), 2.0, seat=False)
    watch.attached(Edge(ANA, ANA, CEM), 2.0)
    assert (totals.moves, totals.promotions) == (1, 0)


def test_who_wants_a_stream_again_has_not_moved(watch: Watch, totals: Totals) -> None:
    watch.detached(Edge(ANA, BO, CEM), 2.0)
    watch.attached(Edge(ANA, ANA, CEM), 3.0)
    assert totals.moves == 0


def test_a_standby_edge_that_gets_ready_is_promoted(watch: Watch, totals: Totals) -> None:
    standby = Edge(ANA, ANA, CEM)
    watch.standby(standby, 2.0, on=True)
    assert states(watch)[ANA, CEM] == "standby"
    watch.live(standby, 3.0)
    assert states(watch)[ANA, CEM] == "live"
    assert (totals.moves, totals.promotions) == (1, 1)
    watch.standby(standby, 3.0, on=False)
    assert states(watch)[ANA, CEM] == "live", "it is no standby edge any more"


def test_a_standby_edge_ends(watch: Watch) -> None:
    watch.standby(Edge(ANA, ANA, CEM), 2.0, on=True)
    watch.standby(Edge(ANA, ANA, CEM), 3.0, on=False)
    assert (ANA, CEM) not in states(watch)


def test_reports_say_how_an_edge_does_at_both_ends(watch: Watch) -> None:
    watch.reported(CEM, Report(receives=(receiving(BO, loss=0.0213),)), 5.0)
    sent = Sending(ANA, AUDIO, CEM, Method.SWAP, 30_000.0)
    report = Report(
        uplink=2e6,
        cpu=Pressure.FAIR,
        battery=0.5,
        round_trips={CEM: 12.34},
        receives=(),
        sends=(sent,),
    )
    watch.reported(BO, report, 5.0)
    edge = watch.journal.now["edge", "audio", ANA, BO, CEM]
    assert edge["bitrate"] == 31_000
    assert edge["loss"] == 0.021
    assert edge["method"] == "swap"
    assert watch.journal.now["link", BO, CEM]["round_trip_ms"] == 12
    bo = watch.journal.now["participant", BO]
    assert (bo["uplink"], bo["cpu"], bo["battery"]) == (2e6, "fair", 0.5)
    watch.roster(roster(ANA, BO, CEM, PHONE), 6.0, seat=True)
    assert watch.journal.now["participant", BO]["uplink"] == 2e6


def test_reports_of_strangers_and_of_edges_that_are_over_change_nothing(watch: Watch) -> None:
    before = watch.journal.number
    watch.reported(PHONE, Report(uplink=1.0, receives=(receiving(BO, stalls=3),)), 5.0)
    watch.reported(CEM, Report(receives=(receiving(ANA, stalls=3),), round_trips={PHONE: 3.0}), 5.0)
    changes = watch.journal.after(before)
    assert changes is not None
    assert [change.key for change in changes] == [("participant", CEM)], "that it told no uplink"


def test_stalls_are_counted_once(watch: Watch, totals: Totals) -> None:
    for now, stalls in ((5.0, 1), (7.0, 1), (9.0, 3), (11.0, 2), (13.0, 3)):
        report = Report(receives=(receiving(BO, stalls=stalls, stalled_ms=stalls * 100.0),))
        watch.reported(CEM, report, now)
    assert totals.stalls == 4
    assert totals.stalled_ms == 400.0
    assert watch.journal.now["edge", "audio", ANA, BO, CEM]["stalled_at"] == 13.0


def test_figures_of_a_large_room_are_kept_less_often(totals: Totals) -> None:
    watch = Watch(totals, 0.0)
    crowd = [ParticipantId(f"web-{number}") for number in range(50)]
    watch.roster(roster(ANA, BO, *crowd), 0.0, seat=False)
    watch.attached(Edge(ANA, ANA, BO), 0.0)
    before = watch.journal.number
    for second in range(100):
        bitrate = 10_000.0 + 1000 * second
        watch.reported(BO, Report(receives=(receiving(ANA, bitrate=bitrate),)), float(second))
    assert 8 <= watch.journal.number - before <= 12
    watch.reported(BO, Report(receives=(receiving(ANA, stalls=1),)), 100.0)
    assert watch.journal.now["edge", "audio", ANA, ANA, BO]["stalls"] == 1, "a stall is always kept"
