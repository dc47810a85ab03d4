"""What a tree policy is given and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.ports import ParticipantId
from gateway.trees.topology import Forest


@dataclass(frozen=True, slots=True)
class Node:
    """One peer of the forest: a browser, or the gateway's seat."""

    id: ParticipantId
    relays: bool = True
    """Whether it can pass on what others send. The seat does not."""
    mobile: bool = False
    """On a battery or a metered network: it sends its own stream and nothing else."""
    capacity: int | None = None
    """How many streams its uplink carries at once, by measurement. None: not known."""

    @property
    def is_leaf(self) -> bool:
        """Whether it has no children but in its own tree."""
        return self.mobile or not self.relays


@dataclass(frozen=True, slots=True)
class Stream:
    """One tree to be planned: from `root` to every node that is not among `unwanted`."""

    source: ParticipantId
    root: ParticipantId
    unwanted: frozenset[ParticipantId] = frozenset()


Standbys = Mapping[ParticipantId, Mapping[ParticipantId, ParticipantId]]
"""By source, then by child: its standby parent in that tree."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Everything that a plan depends on; both tuples in order of joining."""

    nodes: tuple[Node, ...]
    streams: tuple[Stream, ...]
    round_trips: Mapping[frozenset[ParticipantId], float] = field(default_factory=dict)
    """In ms, between two nodes; pairs that nobody measured are missing."""
    connected: frozenset[frozenset[ParticipantId]] = frozenset()
    """Pairs of peers that are connected anyway, for streams of other kinds."""
    unreachable: frozenset[frozenset[ParticipantId]] = frozenset()
    """Pairs between which nothing comes through; policies need not know (`detours`)."""
    standbys: Standbys = field(default_factory=dict)
    """Where those go whose parents have left: they are connected, and have asked perhaps."""
    held: frozenset[tuple[ParticipantId, ParticipantId]] = frozenset()
    """By source and child: edges that stay as they are, since the child moved only just now."""

    @property
    def mesh_uplinks(self) -> int:
        """What nobody's uplinks exceed: N - 1, where N counts participants and the seat.

        The seat alone is a node and no source, a legacy participant alone a source and no node.
        """
        nodes = {node.id for node in self.nodes}
        return len(nodes | {stream.source for stream in self.streams}) - 1


class TreePolicy(Protocol):
    """Pure functions from membership to topology; one file each in `policies/`."""

    def plan(self, members: Membership, current: Forest) -> Forest:
        """A forest for `members` that keeps what it can of `current`."""
        ...

    def rebalance(self, members: Membership, current: Forest, moves: int) -> Forest:
        """A better forest that differs from `current` in at most `moves` edges.

        `current` is a plan for `members`. It comes back as it is where nothing is to be gained:
        then the forest has settled.
        """
        ...
