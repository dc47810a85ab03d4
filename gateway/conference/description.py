"""A conference as plain values for JSON; for the status."""

from collections.abc import Mapping
from dataclasses import asdict

from gateway.conference.focus import Conference
from gateway.ports import ParticipantId
from gateway.statistics import LegStatistics


def describe(
    conference: Conference, measured: Mapping[ParticipantId, LegStatistics]
) -> Mapping[str, object]:
    """Its roster and its trees, and how the media does of those for whom it was measured."""
    participants = [
        {
            "id": p.id,
            "kind": p.kind,
            "name": p.name,
            "publishes": sorted(p.publishes),
            "muted": {"audio": p.muted.audio, "video": p.muted.video},
            "may": sorted(p.may),
            "moderator": p.moderator,
            "online": p.online,
            "hears": sorted(conference.hears(p.id)),
        }
        for p in conference.roster.participants
    ]
    trees = {
        kind: {
            source: {"root": tree.root, "parent_of": tree.parent_of}
            for source, tree in forest.items()
        }
        for kind, forest in conference.forests.items()
    }
    return {
        "version": conference.roster.version,
        "recorded": conference.roster.recorded,
        "participants": participants,
        "trees": trees,
        "media": {leg: {"quality": one.quality, **asdict(one)} for leg, one in measured.items()},
    }
