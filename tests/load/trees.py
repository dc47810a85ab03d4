"""`make bench-trees`: what the forest costs the peers; the part that needs no browsers."""

import argparse
import statistics

from gateway.trees.planner import TreePolicy
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.trees.policies.sparse import Sparse
from load.pictures_sim import KINDS, PicturesSimulation, Watching
from load.results import put, say
from load.trees_sim import Outcome, Scenario, Simulation

_BROWSER_KEYS = (
    *(f"join_{who}_ms_{peers}" for who in ("new", "existing") for peers in (5, 7, 10)),
    *("encodes_per_peer_10", "hop_audio_ms", "hop_video_ms", "hop_psnr_loss_db"),
    *("concealed_ratio", "relay_cpu_vs_reforward"),
    *("gap_closed_p95_ms", "gap_killed_p95_ms", "gap_frozen_p95_ms", "gap_cut_p95_ms"),
    "gap_planned_max_ms",
)
"""Measured with browsers, by other programs: null until then."""

EVERYBODY = tuple(
    Scenario(peers, publishers=peers, events=events)
    for peers, events in ((5, 200), (10, 200), (20, 100), (40, 60))
)
OTHERS = (
    Scenario(10, publishers=10, events=100, phones=2),
    Scenario(40, publishers=40, events=30, phones=2),
    Scenario(40, publishers=40, events=30, mobile=0.25),
    Scenario(1000, publishers=20, events=10),
    Scenario(1000, publishers=1, events=40),
)

_HEAD = (
    "| peers | publish | phones | mobile | uplinks ÷ mesh | neighbours mean | max (before settling)"
    " | depth over optimum | extra moves per join | per leave | settling per event |"
    " CPU per plan, median / max, ms |"
)

_LINE = "|---" * _HEAD.count("| ") + "|"


def row(scenario: Scenario, outcome: Outcome) -> str:
    mean = {event: statistics.fmean(m) if m else 0 for event, m in outcome.moves.items()}
    settling = statistics.fmean(outcome.settling) if outcome.settling else 0
    ms = outcome.plan_ms
    cells = (
        scenario.peers,
        scenario.publishers,
        scenario.phones,
        f"{scenario.mobile:.0%}",
        f"{outcome.uplinks_vs_mesh:.2f}",
        f"{outcome.neighbours_mean:.1f}",
        f"{outcome.neighbours_max} ({outcome.neighbours_unsettled})",
        outcome.depth_excess,
        f"{mean['join']:.1f}",
        f"{mean['leave']:.1f}",
        f"{settling:.1f}",
        f"{statistics.median(ms):.1f} / {max(ms):.1f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def table(policy: TreePolicy, scenarios: tuple[Scenario, ...]) -> dict[Scenario, Outcome]:
    say(f"\n{policy}\n\n{_HEAD}\n{_LINE}")
    outcomes = {}
    for scenario in scenarios:
        outcomes[scenario] = outcome = Simulation(policy, scenario).run()
        say(row(scenario, outcome))
    return outcomes


def pictures(rooms: tuple[tuple[int, int], ...]) -> None:
    """A table of rooms with cameras; `rooms` are peers and events."""
    head = "| peers | whose picture is large | neighbours max (before settling) "
    head += "".join(f"| uplinks ÷ mesh, {kind} | own connections " for kind in KINDS) + "|"
    say(f"\nSound and pictures:\n\n{head}\n" + "|---" * (head.count("|") - 1) + "|")
    for peers, events in rooms:
        for watching in Watching:
            seen = PicturesSimulation(Sparse(2), peers, watching).run(events)
            cells = [str(peers), watching.value]
            cells.append(f"{seen.neighbours_max} ({seen.neighbours_unsettled})")
            for kind in KINDS:
                cells.append(f"{seen.uplinks_vs_mesh[kind]:.2f}")
                cells.append(str(seen.own_connections[kind]))
            say("| " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="rooms of up to 20 only")
    quick = parser.parse_args().quick
    everybody = [s for s in EVERYBODY if not quick or s.peers <= 20]
    outcomes = table(Sparse(2), tuple(everybody))
    pictures(((10, 120),) if quick else ((10, 120), (40, 60)))
    if not quick:
        table(Sparse(2), OTHERS)
        table(BreadthFirst(2), EVERYBODY)
        fresh = Scenario(10_000, publishers=1, events=0)
        outcome = Simulation(Sparse(2), fresh).fresh()
        say(f"\nPlanned at once:\n\n{_HEAD}\n{_LINE}\n{row(fresh, outcome)}")
    by_peers = {scenario.peers: outcome for scenario, outcome in outcomes.items()}
    keys: dict[str, float | None] = {
        "uplinks_vs_mesh_max": max(o.uplinks_vs_mesh for o in outcomes.values()),
        "depth_excess_max": max(o.depth_excess for o in outcomes.values()),
        "neighbours_max_10": by_peers[10].neighbours_max,
        "neighbours_max_40": by_peers[40].neighbours_max if 40 in by_peers else None,
        "extra_moves_per_join_40": (
            statistics.fmean(by_peers[40].moves["join"]) if 40 in by_peers else None
        ),
    }
    say(f"\n{put('trees', keys, missing=dict.fromkeys(_BROWSER_KEYS))} is written")


if __name__ == "__main__":
    main()
