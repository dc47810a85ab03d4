"""Joins the neighbours of those who have left, two by two, so that nobody has fewer than before."""

from collections import Counter

from gateway.ports import SEAT, ParticipantId
from gateway.trees.draft import Drafts
from gateway.trees.topology import neighbours


def heal(drafts: Drafts) -> None:
    """Means those to be neighbours between whom most streams went over one who has left."""
    left = sorted({*neighbours(drafts.current)} - {*drafts.place, SEAT})
    for leaver in left:
        passed = _passed(drafts, leaver)
        joined: set[ParticipantId] = set()
        for pair in sorted(passed, key=lambda p: (-passed[p], *(drafts.place[n] for n in p))):
            one, other = pair
            if not joined & {one, other} and other not in drafts.neighbours[one]:
                drafts.connect(one, other)
                joined |= {one, other}


def _passed(drafts: Drafts, leaver: ParticipantId) -> Counter[tuple[ParticipantId, ParticipantId]]:
    """How many streams `leaver` passed on between each pair of those who are still here."""
    passed: Counter[tuple[ParticipantId, ParticipantId]] = Counter()
    for tree in drafts.current.values():
        parent = tree.parent_of.get(leaver)
        for child in tree.children(leaver):
            if parent in drafts.place and child in drafts.place:
                pair = sorted((parent, child), key=drafts.place.__getitem__)
                passed[pair[0], pair[1]] += 1
    return passed
