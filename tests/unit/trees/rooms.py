"""Conferences made up by hypothesis, as a policy sees them, and what their forests are like."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from gateway.ports import SEAT, ParticipantId
from gateway.trees.planner import Membership, Node, Stream, TreePolicy
from gateway.trees.policies.binary_tree import BinaryTree
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.trees.policies.linked_list import LinkedList
from gateway.trees.policies.sparse import Sparse
from gateway.trees.topology import Forest, Tree

POLICIES: list[TreePolicy] = [
    BreadthFirst(1),
    BreadthFirst(2),
    BreadthFirst(5),
    LinkedList(),
    BinaryTree(),
    Sparse(1),
    Sparse(2),
    Sparse(3),
    Sparse(5),
    Sparse(2, direct=0),
]

FAIR = [policy for policy in POLICIES if not isinstance(policy, BinaryTree)]
"""Those under which nobody sends more than in a mesh."""

policies = st.sampled_from(POLICIES)


def membership(browsers: list[str], legacy: list[str] | None = None) -> Membership:
    """Browsers that all publish, and legacy participants behind the seat."""
    room = Room()
    for name in browsers:
        room.join(name)
    room.legacy += legacy or []
    return room.members()


@dataclass
class Room:
    """A conference to which things happen."""

    browsers: dict[str, Node] = field(default_factory=dict)
    publishing: set[str] = field(default_factory=set)
    legacy: list[str] = field(default_factory=list)
    blocks: set[tuple[str, str]] = field(default_factory=set)
    """Whom (the second) somebody (the first) does not want to hear."""

    def join(self, name: str, **ability: bool | int | None) -> None:
        self.browsers[name] = Node(ParticipantId(name), **ability)  # type: ignore[arg-type]
        self.publishing.add(name)

    def leave(self, name: str) -> None:
        if name in self.legacy:
            self.legacy.remove(name)
        else:
            del self.browsers[name]
            self.publishing.discard(name)
        self.blocks = {block for block in self.blocks if name not in block}

    def members(self) -> Membership:
        seat = (Node(SEAT, relays=False),) if self.legacy else ()
        streams = [
            Stream(ParticipantId(n), ParticipantId(n), self.unwanted(n))
            for n in self.browsers
            if n in self.publishing
        ]
        streams += [Stream(ParticipantId(n), SEAT, self.unwanted(n)) for n in self.legacy]
        return Membership((*self.browsers.values(), *seat), tuple(streams))

    def unwanted(self, source: str) -> frozenset[ParticipantId]:
        return frozenset(ParticipantId(who) for who, whom in self.blocks if whom == source)


EQUALS = ("web", "web", "web", "sip", "leave", "leave")
"""Everybody relays and publishes."""

ANYBODY = (*EQUALS, "weak", "mobile", "slow", "mute", "unmute", "block", "block", "unblock")


@st.composite
def histories(
    draw: st.DrawFn, kinds: tuple[str, ...] = ANYBODY, most: int = 20
) -> list[Membership]:
    """A conference's memberships, one after each event."""
    event = st.tuples(st.sampled_from(kinds), st.integers(0, 99), st.integers(0, 99))
    # A list of any length would mostly be too short to fill a room.
    length = draw(st.integers(0, 50))
    events = draw(st.lists(event, min_size=length, max_size=length))
    room, history = Room(), [Membership((), ())]
    for number, (kind, one, other) in enumerate(events):
        _happens(room, kind, f"{kind}-{number:03}", one, other, most)
        history.append(room.members())
    return history


def _happens(room: Room, kind: str, name: str, one: int, other: int, most: int) -> None:
    everyone = [*room.browsers, *room.legacy]
    browsers = [*room.browsers]
    joins: dict[str, Callable[[], None]] = {
        "web": lambda: room.join(name),
        "weak": lambda: room.join(name, relays=False),
        "mobile": lambda: room.join(name, mobile=True),
        "slow": lambda: room.join(name, capacity=1 + one % 5),
        "sip": lambda: room.legacy.append(name),
    }
    if kind in joins:
        if len(everyone) < most:
            joins[kind]()
    elif browsers and kind in ("mute", "unmute"):
        change = room.publishing.discard if kind == "mute" else room.publishing.add
        change(browsers[one % len(browsers)])
    elif everyone and kind == "leave":
        room.leave(everyone[one % len(everyone)])
    elif browsers and kind == "block":
        pair = browsers[one % len(browsers)], everyone[other % len(everyone)]
        if pair[0] != pair[1]:
            room.blocks.add(pair)
    elif room.blocks and kind == "unblock":
        room.blocks.remove(sorted(room.blocks)[one % len(room.blocks)])


def plans(policy: TreePolicy, history: list[Membership]) -> list[tuple[Membership, Forest]]:
    """What is planned after each event, from what was planned before it."""
    forest: Forest = {}
    told = []
    for members in history:
        forest = policy.plan(members, forest)
        told.append((members, forest))
    return told


def settled(policy: TreePolicy, members: Membership, forest: Forest, moves: int = 10) -> Forest:
    """Rebalanced until nothing is to be gained any more."""
    while (better := policy.rebalance(members, forest, moves)) != forest:
        forest = better
    return forest


def deepest(tree: Tree) -> int:
    return max((tree.depth(node) for node in tree.parent_of), default=0)


def least_depth(nodes: int, fanout: int) -> int:
    """Of a tree over so many nodes, the root among them."""
    depth, room = 0, 1
    while room < nodes:
        depth += 1
        room += fanout**depth
    return depth
