"""Brings up what hangs too deep in a tree, with the neighbours that are there if possible."""

from collections.abc import Iterator

from gateway.ports import ParticipantId
from gateway.trees.draft import Draft, Drafts
from gateway.trees.ways import Moves, ways


def lift(drafts: Drafts, draft: Draft) -> None:
    """Moves nodes upwards until none is deeper than `draft.deepest`, or no move helps."""
    while True:
        deepest = max(draft.depth, key=lambda n: (draft.depth[n], -drafts.place.get(n, -1)))
        if draft.depth[deepest] <= draft.deepest:
            return
        moves = _near(drafts, draft, deepest) or _anywhere(drafts, draft, deepest)
        if not moves:
            return
        for child, parent in moves:
            drafts.move(draft, child, parent)


def _near(drafts: Drafts, draft: Draft, deepest: ParticipantId) -> Moves:
    """The best lift on the path to `deepest` among neighbours; no moves where there is none."""
    heights = draft.heights()
    excess = draft.depth[deepest] - draft.deepest
    found: list[tuple[tuple[int, ...], Moves]] = []
    for node in _path(draft, deepest):
        below = set(draft.subtree(node))
        for parent in drafts.near(draft, node):
            rise = draft.depth[node] - 1 - draft.depth.get(parent, draft.depth[node])
            if rise <= 0 or parent in below:
                continue
            for moves, burdened in ways(drafts, draft, heights, node, parent):
                relieved = drafts.spare(draft.parent_of[node]) < 0
                cost = len(moves) + (drafts.spare(burdened) <= 0) - relieved
                places = (drafts.place.get(parent, -1), drafts.place[node], len(found))
                found.append(((-min(rise, excess), cost, -rise, *places), moves))
    return min(found)[1] if found else ()


def _anywhere(drafts: Drafts, draft: Draft, deepest: ParticipantId) -> Moves:
    """Opens a connection on the path to `deepest`: between two who have few neighbours."""
    excess = draft.depth[deepest] - draft.deepest
    free = [n for n in draft.depth if draft.room(n) > 0]
    found: list[tuple[tuple[int, ...], Moves]] = []
    for node in _path(draft, deepest):
        below = set(draft.subtree(node))
        for parent in free:
            rise = draft.depth[node] - 1 - draft.depth[parent]
            if rise > 0 and parent not in below:
                crowd = max(drafts.degree(node), drafts.degree(parent))
                places = (drafts.place.get(parent, -1), drafts.place[node])
                key = (-min(rise, excess), int(drafts.spare(parent) <= 0), crowd, *places)
                found.append((key, ((node, parent),)))
    return min(found)[1] if found else ()


def _path(draft: Draft, node: ParticipantId) -> Iterator[ParticipantId]:
    """Of those that may move."""
    while node != draft.root:
        if node not in draft.held:
            yield node
        node = draft.parent_of[node]
