"""How a node may come below another one that is perhaps full."""

from collections.abc import Iterator

from gateway.ports import ParticipantId
from gateway.trees.draft import Draft, Drafts

Moves = tuple[tuple[ParticipantId, ParticipantId], ...]
"""Children with their new parents, in the order in which to move them."""


def ways(
    drafts: Drafts,
    draft: Draft,
    heights: dict[ParticipantId, int],
    node: ParticipantId,
    parent: ParticipantId,
) -> Iterator[tuple[Moves, ParticipantId]]:
    """Moves that bring `node` below `parent`, each with the one who has a child more by them.

    Where `parent` has no room, one of its children gives way and goes to a neighbour of its own.
    `parent` is not below `node`; `heights` are those of the draft.
    """
    if draft.room(parent) > 0:
        yield ((node, parent),), parent
        return
    old, below = draft.parent_of[node], set(draft.subtree(node))
    rise = draft.depth[node] - 1 - draft.depth[parent]
    for child in draft.children.get(parent, ()):
        others = set(draft.subtree(child))
        if node in others or child in draft.held:
            continue
        for taker in drafts.near(draft, child):
            if taker in others or taker == parent or taker not in draft.depth:
                continue
            depth = draft.depth[taker] - (rise if taker in below else 0)
            fits = depth + 1 + heights[child] <= draft.deepest
            if fits and draft.room(taker) + (taker == old) > 0:
                yield ((child, taker), (node, parent)), taker


def turns(
    drafts: Drafts, draft: Draft, node: ParticipantId, parent: ParticipantId
) -> Iterator[tuple[Moves, ParticipantId]]:
    """The same for a `parent` that is below `node` now: what it hangs on turns around.

    The child of `node` that is above `parent` goes to a neighbour of its own. Whether nothing is
    too deep afterwards is for the caller to see.
    """
    if draft.room(parent) <= 0:
        return
    old, below = draft.parent_of[node], set(draft.subtree(node))
    top = parent
    while draft.parent_of[top] != node:
        top = draft.parent_of[top]
    if top in draft.held:
        return
    for taker in drafts.near(draft, top):
        if taker not in below and draft.room(taker) + (taker == old) > 0:
            yield ((top, taker), (node, parent)), taker
