"""A newcomer among its future neighbours.

The peers' neighbourhoods are an almost regular graph. Whoever comes is spliced in: it takes the
place of a few connections of others (one of u and v becomes one of u and the newcomer and one of
the newcomer and v), so that everybody has as many neighbours as before, and it relays what went
over those connections, which is just about its share of the load.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from zlib import crc32

from gateway.ports import SEAT, ParticipantId
from gateway.trees.draft import Draft, Drafts

_SAMPLES = 24
"""How many connections are looked at for each that is spliced."""


class Splicer:
    """Finds neighbours for those who have none, one after the other."""

    def __init__(self, drafts: Drafts, degree: int) -> None:
        """`degree`: how many neighbours a relay shall have."""
        self._drafts = drafts
        self._degree = degree
        relays = [n for n in drafts.place if n not in drafts.leaves]
        self._known = [n for n in relays if drafts.neighbours[n]]
        self._open = {n for n in self._known if drafts.degree(n) < degree}
        """Those who have too few neighbours."""

    def introduce(self, newcomer: ParticipantId) -> None:
        """Connects `newcomer`, and puts it into those standing trees where a neighbour has room."""
        relays = newcomer not in self._drafts.leaves
        friends = list(self._drafts.neighbours[newcomer])
        spliced = self._replaced(friends) if relays else []
        few = max(0, (self._degree if relays else -(-self._degree // 2)) - len(friends))
        friends += self._lonely(newcomer, few)
        while relays and self._known and len(friends) + 1 < self._degree:
            pair = self._connection(newcomer, friends)
            if pair is None:
                break
            spliced.append(pair)
            friends += pair
        for one, other in spliced:
            self._drafts.disconnect(one, other)
        for friend in friends:
            self._drafts.connect(newcomer, friend)
        for draft in self._drafts.of.values():
            wanted = newcomer in draft.relays or newcomer in draft.leaves
            if wanted and not draft.is_new and newcomer not in draft.parent_of:
                self._insert(draft, newcomer, friends, spliced)
        self._note(newcomer, friends)

    def _replaced(self, friends: list[ParticipantId]) -> list[tuple[ParticipantId, ParticipantId]]:
        """Connections between `friends` that only these trees still use.

        In other kinds' trees the newcomer has come between the two already.
        """
        drafts = self._drafts
        return [
            (one, other)
            for one, other in combinations(friends, 2)
            if drafts.neighbours[one].get(other) and {one, other} not in drafts.there
        ]

    def _note(self, newcomer: ParticipantId, friends: Iterable[ParticipantId]) -> None:
        if newcomer not in self._drafts.leaves:
            self._known.append(newcomer)
        for node in (newcomer, *friends):
            if node in self._drafts.leaves or self._drafts.degree(node) >= self._degree:
                self._open.discard(node)
            else:
                self._open.add(node)

    def _lonely(self, newcomer: ParticipantId, count: int) -> list[ParticipantId]:
        """Up to `count` who have too few neighbours; for one that cannot relay anybody will do."""
        drafts = self._drafts
        choice = self._open if newcomer not in drafts.leaves else set(self._known)
        return sorted(
            choice - {newcomer, *drafts.neighbours[newcomer]},
            key=lambda n: (drafts.degree(n), drafts.round_trip(n, newcomer), drafts.place[n]),
        )[:count]

    def _connection(
        self, newcomer: ParticipantId, friends: list[ParticipantId]
    ) -> tuple[ParticipantId, ParticipantId] | None:
        """One of the others' connections for `newcomer` to come between.

        The choice is spread by a hash of the names, so that neighbours' neighbours are not each
        other's: what makes the trees shallow.
        """
        drafts, found = self._drafts, []
        for sample in range(_SAMPLES):
            spread = crc32(f"{newcomer} {len(friends)} {sample}".encode())
            one = self._known[spread % len(self._known)]
            near = [
                n
                for n in drafts.neighbours[one]
                if n not in drafts.leaves and {n, one} not in drafts.there
            ]
            if not near:
                continue
            other = near[spread // len(self._known) % len(near)]
            if one in friends or other in friends:
                continue
            crowd = drafts.degree(one) + drafts.degree(other)
            detour = drafts.round_trip(one, newcomer) + drafts.round_trip(newcomer, other)
            found.append(((-crowd, detour - drafts.round_trip(one, other), sample), one, other))
        return min(found)[1:] if found else None

    def _insert(
        self,
        draft: Draft,
        newcomer: ParticipantId,
        friends: list[ParticipantId],
        spliced: list[tuple[ParticipantId, ParticipantId]],
    ) -> None:
        """Below the best of its neighbours, and above what went over the spliced connections."""
        drafts = self._drafts
        adopted = [
            child
            for one, other in spliced
            for parent, child in ((one, other), (other, one))
            if draft.parent_of.get(child) == parent
            and child in draft.depth
            and child not in draft.held
        ][: draft.fanout.relay]
        while True:
            parents = self._possible(draft, friends, adopted)
            if parents or not adopted:
                break
            adopted.pop()
        if not parents:
            return  # The tree has to look for a place beyond these neighbours.
        below = max((draft.height(child) for child in adopted), default=-1)

        def price(parent: ParticipantId) -> tuple[float, ...]:
            depth = draft.depth[parent]
            cost = 3 * max(0, depth + 2 + below - draft.deepest) + max(0, 1 - drafts.spare(parent))
            near = drafts.round_trip(newcomer, parent)
            return (cost, depth, near, -drafts.spare(parent), drafts.place.get(parent, -1))

        parent = min(parents, key=price)
        for child in adopted:
            drafts.detach(draft, child)
        drafts.attach(draft, newcomer, parent)
        for child in adopted:
            drafts.attach(draft, child, newcomer)

    def _possible(
        self, draft: Draft, friends: list[ParticipantId], adopted: list[ParticipantId]
    ) -> list[ParticipantId]:
        """Which neighbours have room, once they have given away the `adopted`."""
        freed = Counter(draft.parent_of[child] for child in adopted)
        below = {node for child in adopted for node in draft.subtree(child)}
        choice = [*friends, SEAT] if draft.root == SEAT else friends
        return [n for n in choice if n not in below and draft.room(n) + freed[n] > 0]
