"""What a tree policy is given and what it gives back."""

from dataclasses import dataclass
from typing import Protocol

from gateway.ports import ParticipantId
from gateway.trees.topology import Forest


@dataclass(frozen=True, slots=True)
class Node:
    """One peer of the forest: a browser, or the gateway's seat."""

    id: ParticipantId
    relays: bool = True
    """Whether it may pass on what others send. The seat does not."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One tree to be planned: from `root` to every node that is not among `unwanted`."""

    source: ParticipantId
    root: ParticipantId
    unwanted: frozenset[ParticipantId] = frozenset()


@dataclass(frozen=True, slots=True)
class Membership:
    """Everything that a plan depends on; both tuples in order of joining."""

    nodes: tuple[Node, ...]
    streams: tuple[Stream, ...]

    @property
    def mesh_uplinks(self) -> int:
        """What nobody's uplinks exceed: N - 1, where N counts participants and the seat.

        The seat alone is a node and no source, a legacy participant alone a source and no node.
        """
        nodes = {node.id for node in self.nodes}
        return len(nodes | {stream.source for stream in self.streams}) - 1


class TreePolicy(Protocol):
    """A pure function from membership to topology; one file each in `policies/`."""

    def plan(self, members: Membership, current: Forest) -> Forest:
        """A forest for `members` that keeps what it can of `current`."""
        ...
