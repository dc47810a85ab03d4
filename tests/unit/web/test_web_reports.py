"""A report is read strictly, and whatever it holds nothing else fails."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.conference.report import Method, Pressure, Receiving, Report, Sending
from gateway.ports import ParticipantId, StreamKind
from gateway.web.protocol.members import Malformed
from gateway.web.protocol.reports import MAX_EDGES, MAX_NEIGHBOURS, read_report

ANA, BEN = ParticipantId("web-ana"), ParticipantId("web-ben")

RECEIVES: dict[str, object] = {
    "source": ANA,
    "kind": "low",
    "parent": BEN,
    "bitrate": 120_000,
    "loss": 0.01,
    "stalls": 2,
    "stalled_ms": 430.5,
}
SENDS: dict[str, object] = {
    "source": ANA,
    "kind": "audio",
    "child": BEN,
    "method": "swap",
    "bitrate": 32_000,
}
WHOLE: dict[str, object] = {
    "uplink": 2_000_000,
    "limited": False,
    "cpu": "serious",
    "battery": 0.4,
    "neighbours": {BEN: {"round_trip_ms": 31}, ANA: {"round_trip_ms": None}},
    "receives": [RECEIVES],
    "sends": [SENDS],
}


def test_all_members_are_read() -> None:
    assert read_report(WHOLE) == Report(
        uplink=2e6,
        limited=False,
        cpu=Pressure.SERIOUS,
        battery=0.4,
        round_trips={BEN: 31.0},
        receives=(Receiving(ANA, StreamKind.LOW, BEN, 120_000, 0.01, 2, 430.5),),
        sends=(Sending(ANA, StreamKind.AUDIO, BEN, Method.SWAP, 32_000),),
    )


def test_what_is_null_or_missing_is_not_known() -> None:
    assert read_report(dict.fromkeys(["uplink", "cpu", "battery", "neighbours"])) == Report()
    assert read_report({}).receives is None
    assert read_report({"receives": []}).receives == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"uplink": -1},
        {"uplink": True},
        {"uplink": "1000"},
        {"uplink": 10**400},
        {"limited": None},
        {"cpu": "hot"},
        {"cpu": []},
        {"battery": 1.01},
        {"neighbours": []},
        {"neighbours": {"": {"round_trip_ms": 1}}},
        {"neighbours": {BEN: 31}},
        {"neighbours": {f"web-{n}": {} for n in range(MAX_NEIGHBOURS + 1)}},
        {"receives": {}},
        {"receives": [None]},
        {"receives": [RECEIVES] * (MAX_EDGES + 1)},
        {"receives": [RECEIVES | {"stalls": 1.5}]},
        {"receives": [RECEIVES | {"stalls": True}]},
        {"receives": [RECEIVES | {"loss": 2}]},
        {"receives": [RECEIVES | {"kind": "video"}]},
        {"receives": [RECEIVES | {"parent": "x" * 65}]},
        {"sends": [SENDS | {"method": "magic"}]},
        {"sends": [SENDS | {"child": None}]},
    ],
    ids=str,
)
def test_a_wrong_member_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_report(WHOLE | wrong)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(WHOLE, anything)), st.data())
def test_nothing_but_malformed_is_ever_raised(
    message: dict[str, object], data: st.DataObject
) -> None:
    edge = dict(RECEIVES | SENDS)
    edge[data.draw(st.sampled_from(sorted(edge)))] = data.draw(anything)
    for wrong in (message, {"receives": [edge]}, {"sends": [edge]}):
        with suppress(Malformed):
            assert isinstance(read_report(wrong), Report)
