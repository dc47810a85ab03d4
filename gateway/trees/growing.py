"""New trees, and places for nodes that have none: if possible among the neighbours there are."""

from collections import deque

from gateway.ports import SEAT, ParticipantId
from gateway.trees.draft import Draft, Drafts

# Prices, in moves that it will roughly take to put right what a place makes wrong.
_CONNECTION = 4
_LEVEL_TOO_DEEP = 3
_STREAM_TOO_MANY = 1

_TALL = 6
"""So many levels are not worth mending node by node."""


def grow(drafts: Drafts, draft: Draft, degree: int) -> None:
    """Fills a new tree from its root, level by level: first among neighbours, then anywhere.

    `degree` is how many neighbours are enough, here and below.
    """
    if draft.root == SEAT:
        _first_children(drafts, draft)
    level = [draft.root, *draft.children.get(draft.root, ())]
    while level:
        level = _next_level(drafts, draft, level)
    _fill(drafts, draft, degree)


def place_orphans(drafts: Drafts, draft: Draft, degree: int) -> None:
    """Attaches all who have no parent, each with what hangs below it."""
    for group in _brothers(drafts, draft):
        _stand_in(drafts, draft, group)
    # Whoever brings most along needs the highest place, and relays bring room for the others.
    waiting = deque(
        sorted(
            draft.orphans(), key=lambda n: (n in draft.leaves, -draft.height(n), drafts.place[n])
        )
    )
    while waiting:
        node = waiting.popleft()
        if not _place(drafts, draft, node, degree):
            waiting.append(_displace(drafts, draft, node))


def _brothers(drafts: Drafts, draft: Draft) -> list[list[ParticipantId]]:
    """Those who have lost the same parent: one who is in the tree no more."""
    standing = drafts.current.get(draft.source)
    groups: dict[ParticipantId, list[ParticipantId]] = {}
    if standing is not None:
        for node in draft.orphans():
            parent = standing.parent_of.get(node)
            if parent is not None and parent not in draft.parent_of and draft.count(node):
                groups.setdefault(parent, []).append(node)
    return [group for group in groups.values() if len(group) > 1]


def _stand_in(drafts: Drafts, draft: Draft, group: list[ParticipantId]) -> None:
    """Puts a leaf where the parent of `group` was, if they are too tall for other places."""
    tallest = max(map(draft.height, group))
    free = [n for n in draft.depth if draft.room(n) > 0]
    places = [n for n in free if draft.depth[n] + 1 + tallest <= draft.deepest]
    fit = len(places) >= len(group) or len(group) > draft.fanout.relay
    if fit or tallest < _TALL:
        return
    able = [n for n in free if n != draft.root and draft.count(n) == 0 and drafts.spare(n) > 0]
    able = [n for n in able if n not in draft.held]
    tops = [n for n in places if draft.depth[n] + 2 + tallest <= draft.deepest]
    if not able or not tops:
        return
    top = min(tops, key=lambda n: (draft.depth[n], drafts.place.get(n, -1)))
    able = [n for n in able if n != top]
    if able:
        leaf = max(able, key=lambda n: (draft.depth[n], drafts.place[n]))
        drafts.detach(draft, leaf)
        drafts.attach(draft, leaf, top)
        for node in group:
            drafts.attach(draft, node, leaf)


def _place(drafts: Drafts, draft: Draft, node: ParticipantId, degree: int) -> bool:
    """Attaches `node` where it costs least; False where nobody has room."""
    height = draft.height(node)

    def price(parent: ParticipantId) -> tuple[float, ...]:
        connected = parent == SEAT or parent in drafts.neighbours[node]
        depth = draft.depth[parent] + 1
        cost = _LEVEL_TOO_DEEP * max(0, depth + height - draft.deepest)
        cost += _STREAM_TOO_MANY * max(0, 1 - drafts.spare(parent))
        if not connected:
            beyond = sum(max(0, drafts.degree(n) + 1 - degree) for n in (node, parent))
            cost += _CONNECTION * (1 + beyond)
        near = drafts.round_trip(node, parent)
        return (cost, depth, near, -drafts.spare(parent), drafts.place.get(parent, -1))

    free = [(price(n), n) for n in drafts.near(draft, node) if draft.room(n) > 0]
    if not free or min(free)[0][0] >= _CONNECTION:
        free = [(price(n), n) for n in draft.depth if draft.room(n) > 0]
    if free:
        drafts.attach(draft, node, min(free)[1])
    return bool(free)


def _displace(drafts: Drafts, draft: Draft, node: ParticipantId) -> ParticipantId:
    """Takes the place of one that cannot relay: only such ones can have used up all the room."""
    leaf = min(
        (n for n in draft.leaves if n in draft.depth),
        key=lambda n: (draft.depth[n], drafts.place[n]),
    )
    parent = draft.parent_of[leaf]
    drafts.detach(draft, leaf)
    drafts.attach(draft, node, parent)
    return leaf


def _first_children(drafts: Drafts, draft: Draft) -> None:
    """The seat may feed anybody: those who send least."""
    able = sorted(draft.relays, key=lambda n: (-drafts.spare(n), drafts.place[n]))
    for node in able[: draft.fanout.root]:
        drafts.attach(draft, node, SEAT)


def _next_level(drafts: Drafts, draft: Draft, level: list[ParticipantId]) -> list[ParticipantId]:
    """One child more for each in turn, so that nobody takes all that others could reach too."""
    below: list[ParticipantId] = []
    parents = [node for node in level if node != SEAT]
    while parents:
        choices = {n: _unseen(drafts, draft, n) for n in parents if draft.room(n) > 0}
        parents = []
        for parent in sorted(
            choices, key=lambda n: (-drafts.spare(n), len(choices[n]), drafts.place[n])
        ):
            child = _furthest(drafts, draft, parent)
            if child is not None:
                drafts.attach(draft, child, parent)
                below.append(child)
                parents.append(parent)
    return below


def _unseen(drafts: Drafts, draft: Draft, node: ParticipantId) -> list[ParticipantId]:
    near = drafts.neighbours[node]
    return [n for n in near if n not in draft.depth and (n in draft.relays or n in draft.leaves)]


def _furthest(drafts: Drafts, draft: Draft, parent: ParticipantId) -> ParticipantId | None:
    """The neighbour not yet reached that leads furthest: whose own neighbours are not yet either.

    One that cannot relay leads nowhere.
    """

    def preference(node: ParticipantId) -> tuple[float, ...]:
        known = sum(other in draft.depth for other in drafts.neighbours[node])
        near = drafts.round_trip(node, parent)
        return (node in draft.leaves, known, near, -drafts.spare(node), drafts.place[node])

    return min(_unseen(drafts, draft, parent), key=preference, default=None)


def _fill(drafts: Drafts, draft: Draft, degree: int) -> None:
    """Puts those who have no neighbour in the tree, level by level, below nodes with room.

    A tree that stands alone, one publisher's to thousands, is made by this.
    """
    orphans = sorted(draft.orphans(), key=lambda n: (n in draft.leaves, drafts.place[n]))
    waiting = deque(orphans)
    for parent in (reached := draft.subtree(draft.root)):
        while waiting and draft.room(parent) > 0:
            if parent not in (SEAT, draft.root) and drafts.degree(parent) >= degree:
                break
            drafts.attach(draft, child := waiting.popleft(), parent)
            reached.append(child)
