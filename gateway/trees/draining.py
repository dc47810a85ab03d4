"""Gives up connections of those who have too many neighbours, the thinnest first.

What goes over such a connection finds other ways among the neighbours that remain, and what those
send too much by it is passed on in chains. No step leaves anybody with more than its share, so it
may stop after any.
"""

from gateway.ports import SEAT, ParticipantId
from gateway.trees.draft import Draft, Drafts
from gateway.trees.relief import Pair, relieve_quietly
from gateway.trees.ways import Moves, turns, ways

_TRIES = 16
"""How many connections are looked at before it is told that none can be given up."""

_CONNECTION = 3
"""What a new connection is worth, in moves."""


def drain(drafts: Drafts, degree: int, moves: int) -> None:
    """Brings peers nearer to `degree` neighbours by at most `moves` moves.

    Or does nothing: what brings nobody nearer would be taken back the next time, and so for ever.
    """
    start, before = drafts.mark(), _far(drafts, degree)
    _drain(drafts, degree, moves)
    if _far(drafts, degree) >= before:
        drafts.undo(start)


def _far(drafts: Drafts, degree: int) -> tuple[int, int, int]:
    """How far peers are from having `degree` neighbours: first by how many they have too many,
    then by connections at all, then by how thick those are that are to stay."""
    excess = [max(0, drafts.degree(node) - degree) for node in drafts.neighbours]
    edges = [count for shared in drafts.neighbours.values() for count in shared.values()]
    return sum(e * e for e in excess), len(edges), -sum(count * count for count in edges)


def _drain(drafts: Drafts, degree: int, moves: int) -> None:
    tried = 0
    while tried < _TRIES:
        pairs = _candidates(drafts, degree)
        if len(pairs) <= tried:
            return
        if not _give_up(drafts, pairs[tried], degree, moves):
            tried += 1
        elif not drafts.shared(pairs[tried]):
            tried = 0
        else:
            # The rest of it has to wait for the next time.
            return


def _candidates(drafts: Drafts, degree: int) -> list[Pair]:
    """Connections of peers with more than `degree` neighbours, the one best to give up first."""
    found = []
    for one, shared in drafts.neighbours.items():
        for other, edges in shared.items():
            degrees = sorted((drafts.degree(one), drafts.degree(other)))
            places = (drafts.place[one], drafts.place[other])
            pair = frozenset({one, other})
            if degrees[1] > degree and places[0] < places[1] and pair not in drafts.there:
                key = (-degrees[1], edges, -degrees[0], *places)
                found.append((key, pair))
    return [pair for _, pair in sorted(found, key=lambda f: f[0])]


def _give_up(drafts: Drafts, pair: Pair, degree: int, moves: int) -> bool:
    """Does nothing and tells so where some edge of `pair` has no other way.

    Goes only so far as `moves` allow; what is left is the thinnest connection the next time.
    """
    start = affordable = drafts.mark()
    one, other = pair
    for draft in drafts.of.values():
        for parent, child in ((one, other), (other, one)):
            if draft.parent_of.get(child) != parent:
                continue
            if child in draft.held or not _reroute(drafts, draft, child, pair, degree):
                drafts.undo(start)
                return False
            if drafts.changed() <= moves:
                affordable = drafts.mark()
    drafts.undo(affordable)
    return affordable > start


def _reroute(drafts: Drafts, draft: Draft, child: ParticipantId, pair: Pair, degree: int) -> bool:
    """Finds `child` another parent, for as few moves as possible."""
    for moves in _other_ways(drafts, draft, child, pair, degree):
        mark = drafts.mark()
        for node, parent in moves:
            drafts.move(draft, node, parent)
        shallow = all(draft.depth[n] + draft.height(n) <= draft.deepest for n, _ in moves)
        if shallow and relieve_quietly(drafts, {pair}):
            return True
        drafts.undo(mark)
    return False


def _other_ways(
    drafts: Drafts, draft: Draft, child: ParticipantId, pair: Pair, degree: int
) -> list[Moves]:
    """Moves that bring `child` below somebody else, those that cost least first."""
    heights, below = draft.heights(), set(draft.subtree(child))
    near = drafts.near(draft, child)
    choice = [n for n in near if n in draft.depth and n not in pair]
    if drafts.degree(child) <= degree:
        # It may have one neighbour for another, if that one has too few.
        others = [n for n in draft.depth if n != child and n not in near]
        choice += [n for n in others if _has_few(drafts, n, degree)]
    found: list[tuple[tuple[int, ...], Moves]] = []
    for parent in choice:
        if parent in below:
            options = turns(drafts, draft, child, parent)
        elif draft.depth[parent] + 1 + heights[child] <= draft.deepest:
            options = ways(drafts, draft, heights, child, parent)
        else:
            continue
        for moves, burdened in options:
            if not any(pair == {*move} for move in moves):
                price = len(moves) + _CONNECTION * (parent not in near)
                key = (price, -drafts.spare(burdened), drafts.place.get(parent, -1), len(found))
                found.append((key, moves))
    return [moves for _, moves in sorted(found)]


def _has_few(drafts: Drafts, node: ParticipantId, degree: int) -> bool:
    return node != SEAT and node not in drafts.leaves and drafts.degree(node) < degree
