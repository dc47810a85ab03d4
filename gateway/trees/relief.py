"""Takes load from those who send more than their share, in as few moves as possible.

A move of a child from one parent to another carries one stream's load over. Where no node with
load to spare can take a child directly, the load goes on in a chain: one takes a child and gives
away another, in another tree, so that only the ends of the chain change.
"""

from collections.abc import Container, Iterator, Mapping
from heapq import heappop, heappush

from gateway.ports import ParticipantId
from gateway.trees.draft import Draft, Drafts

Pair = frozenset[ParticipantId]

_CONNECTION = 4
"""What a new connection is worth, in moves; more between those who have many neighbours."""

_FAR = 1 << 30
"""No chain costs as much."""

_Step = tuple[ParticipantId, ParticipantId, ParticipantId]
"""In this source's tree, this child, to this parent."""


def relieve(drafts: Drafts) -> None:
    """Brings everybody down to its allowance, as far as its trees let it."""
    hopeless: set[ParticipantId] = set()
    while (node := _busiest(drafts, hopeless)) is not None:
        if not (
            _chain(drafts, node)
            or _chain(drafts, node, anywhere=True)
            or _chain_from_above(drafts, node)
        ):
            hopeless.add(node)


def relieve_quietly(drafts: Drafts, shunned: Container[Pair]) -> bool:
    """The same among neighbours, without the connections that are `shunned`.

    Where that is not possible it stops half-way and says so.
    """
    while (node := _busiest(drafts)) is not None:
        if not _chain(drafts, node, shunned):
            return False
    return True


def _chain_from_above(drafts: Drafts, start: ParticipantId) -> bool:
    """For when all who have load to spare are too deep in their trees to take anybody.

    One of them comes up in one tree, whosever load that makes more.
    """
    for node in [n for n in drafts.place if drafts.spare(n) > 0]:
        for draft in drafts.of.values():
            if node not in draft.relays:
                continue
            old = draft.parent_of[node]
            higher = [n for n, depth in draft.depth.items() if depth < draft.depth[old]]
            for parent in higher:
                if not draft.takes(node, parent):
                    continue
                mark, burden = drafts.mark(), drafts.spare(parent) <= 0
                drafts.move(draft, node, parent)
                if _chain(drafts, start, anywhere=True) and (
                    not burden or _chain(drafts, parent, anywhere=True)
                ):
                    return True
                drafts.undo(mark)
    return False


def _busiest(drafts: Drafts, but: Container[ParticipantId] = ()) -> ParticipantId | None:
    over = (n for n in drafts.place if drafts.spare(n) < 0 and n not in but)
    return min(over, key=lambda n: (drafts.spare(n), drafts.place[n]), default=None)


def _chain(
    drafts: Drafts,
    start: ParticipantId,
    shunned: Container[Pair] = (),
    *,
    anywhere: bool = False,
) -> bool:
    """Moves one stream's load from `start` to somebody with load to spare; False: no way."""
    spoilt: set[_Step] = set()
    while (chain := _cheapest(drafts, start, shunned, spoilt, anywhere)) is not None:
        mark = drafts.mark()
        for source, child, taker in chain:
            # An earlier move in the same tree may have made this one impossible.
            if not drafts.of[source].takes(child, taker):
                spoilt.add((source, child, taker))
                drafts.undo(mark)
                break
            drafts.move(drafts.of[source], child, taker)
        else:
            return True
    return False


def _cheapest(
    drafts: Drafts,
    start: ParticipantId,
    shunned: Container[Pair],
    spoilt: Container[_Step],
    anywhere: bool,
) -> list[_Step] | None:
    """The chain of fewest moves; those of edges that do not stand yet are free."""
    costs, came = {start: 0}, dict[ParticipantId, tuple[ParticipantId, _Step]]()
    heap, pushed = [(0, 0, start)], 0
    while heap:
        cost, _, node = heappop(heap)
        if cost > costs[node]:
            continue
        if drafts.spare(node) > 0:
            chain = []
            while node != start:
                node, step = came[node]
                chain.append(step)
            return chain[::-1]
        for price, draft, step in _steps(drafts, node, costs, cost, anywhere):
            _, child, taker = step
            if {child, taker} not in shunned and step not in spoilt and draft.takes(child, taker):
                costs[taker], came[taker] = price, (node, step)
                pushed += 1
                heappush(heap, (price, pushed, taker))
    return None


def _steps(
    drafts: Drafts,
    giver: ParticipantId,
    costs: Mapping[ParticipantId, int],
    cost: int,
    anywhere: bool,
) -> Iterator[tuple[int, Draft, _Step]]:
    """Which children `giver` might give to whom, and at what price in all.

    Those who are reached as cheaply already, by `costs`, are left out before anything else is found
    out: this is where a plan's time goes.
    """
    for source, draft in drafts.of.items():
        for child in draft.children.get(giver, ()):
            price = cost + drafts.stands(draft, child)
            near = drafts.near(draft, child)
            for taker in near:
                if costs.get(taker, _FAR) > price:
                    yield price, draft, (source, child, taker)
            if not anywhere:
                continue
            for taker in draft.depth:
                if taker == child or taker in near:
                    continue
                crowd = max(drafts.degree(child), drafts.degree(taker))
                dear = price + _CONNECTION + crowd
                if costs.get(taker, _FAR) > dear:
                    yield dear, draft, (source, child, taker)
