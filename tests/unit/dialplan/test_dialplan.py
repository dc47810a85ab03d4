import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.address import Address
from gateway.dialplan.load import load_plan
from gateway.dialplan.match import Pattern, PatternError, ties
from gateway.dialplan.model import Join, Plan, Room, Route
from gateway.errors import Reason, Refused
from gateway.ports import RoomName
from gateway.roomname import RULE
from gateway.yamltext import ConfigErrors

SAMPLE = Path(__file__).parents[3] / "config" / "dialplan.yaml"
ROUTE = """\
routes:
  - name: one
    match: {{ to: {to} }}
    do: {{ join: {{ room: {room} }} }}
"""
ANYBODY = Address.parse("sip:alice@192.0.2.1")


def load_text(folder: Path, text: str) -> Plan:
    path = folder / "dialplan.yaml"
    path.write_text(text, encoding="utf-8")
    return load_plan(path)


def complaints(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load_text(folder, text)
    return [line.removeprefix(f"{folder}/dialplan.yaml:") for line in str(caught.value).split("\n")]


def plan_of(*patterns: str) -> Plan:
    """Each pattern is its own route, of its own name, to the room `hit`."""
    return Plan.of({}, [Route(p, (Pattern.parse(p),), "hit", False) for p in patterns])


def winner(plan: Plan, to: str) -> str | None:
    try:
        return plan.resolve(Address.parse(to), ANYBODY).route
    except Refused:
        return None


class TestTheEmbeddedPlan:
    def test_is_the_sample_file(self) -> None:
        assert load_plan(None) == load_plan(SAMPLE)

    @pytest.mark.parametrize(
        ("to", "join"),
        [
            ("sip:100@192.0.2.7", Join(RoomName("demo"), False, "demo by number")),
            ("xmpp:100@rooms.localhost", Join(RoomName("demo"), False, "demo by number")),
            ("web:team.1@host", Join(RoomName("team.1"), True, "web rooms")),
            ("sips:Team@host:5061;x=y", Join(RoomName("team"), False, "any room by address")),
            ("xmpp:demo@rooms.localhost/mix", Join(RoomName("demo"), False, "any room by address")),
        ],
    )
    def test_leads_to(self, to: str, join: Join) -> None:
        assert load_plan(None).resolve(Address.parse(to), ANYBODY) == join

    @pytest.mark.parametrize(
        "user", ["", "a b", "é", "a" * 65, "a" * 100_000, ".x", "+49", "a%2fb"]
    )
    def test_refuses_what_is_no_room(self, user: str) -> None:
        with pytest.raises(Refused) as caught:
            load_plan(None).resolve(Address("sip", user, "host"), ANYBODY)
        assert caught.value.reason is Reason.NOT_FOUND

    def test_declares_the_demo_room(self) -> None:
        assert load_plan(None).is_declared(RoomName("demo"))
        assert not load_plan(None).is_declared(RoomName("other"))


def test_only_a_room_that_says_so_is_for_experiments(tmp_path: Path) -> None:
    plan = load_text(tmp_path, "version: 1\nrooms: { demo: {lab: yes}, team: {lab: no}, a: {} }")
    assert plan.is_lab(RoomName("demo"))
    assert not any(plan.is_lab(RoomName(room)) for room in ("team", "a", "other"))


class TestTheMostSpecificPattern:
    def test_is_the_one_with_more_literal_characters(self) -> None:
        plan = plan_of("{a}", "team-{a}", "team-red-{a}", "team-red-1")
        assert winner(plan, "sip:team-red-1@h") == "team-red-1"
        assert winner(plan, "sip:team-red-2@h") == "team-red-{a}"
        assert winner(plan, "sip:team-blue@h") == "team-{a}"
        assert winner(plan, "sip:blue@h") == "{a}"

    def test_is_then_the_one_with_a_host_and_then_the_one_with_a_scheme(self) -> None:
        plan = plan_of("100", "sip:100", "100@a", "sip:100@a")
        assert winner(plan, "sip:100@a") == "sip:100@a"
        assert winner(plan, "xmpp:100@a") == "100@a"
        assert winner(plan, "sip:100@b") == "sip:100"
        assert winner(plan, "web:100@b") == "100"

    def test_is_exact_rather_than_bound_to_a_host(self) -> None:
        assert winner(plan_of("{a}@host", "100"), "sip:100@host") == "100"

    def test_does_not_depend_on_the_order(self) -> None:
        patterns = ["{a}", "sip:{a}", "a{x}", "ab", "{a}@h"]
        forth, back = plan_of(*patterns), plan_of(*reversed(patterns))
        for to in ("sip:ab@h", "sip:ac@h", "sip:x@h", "web:x@g", "sip:x@g"):
            assert winner(forth, to) == winner(back, to)


def test_captures_fill_the_room(tmp_path: Path) -> None:
    plan = load_text(
        tmp_path,
        'version: 1\nroutes: [{name: r, match: {to: "{t}-{n}"}, do: {join: {room: "{n}.{t}"}}}]',
    )
    assert plan.resolve(Address.parse("sip:Red-07@h"), ANYBODY).room == "07.red"


def test_a_room_can_have_its_own_key_and_its_own_rule_who_publishes(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a long secret\n")
    options = "{publishing: moderators, moderator_key: !file key}"
    plan = load_text(tmp_path, f"version: 1\nrooms: {{ lecture: {options} }}")
    assert plan.options(RoomName("lecture")) == Room(
        publishing="moderators", moderator_key="a long secret"
    )
    assert plan.options(RoomName("other")) == Room()
    assert "secret" not in repr(plan)


def test_numbers_need_no_quotes(tmp_path: Path) -> None:
    for number in ("0301234", "+493012340", "0x10", "1_000", "089", "1.10", "2026-12-25", "on"):
        plan = load_text(tmp_path, "version: 1\n" + ROUTE.format(to=number, room="x"))
        assert winner(plan, f"sip:{number}@h") == "one", number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rooms: {}", ["1:1: 'version' is missing"]),
        ("version: 2", ["1:10: version: expected 1, not '2'"]),
        ("version: 1\nroom: {}", ["2:1: room: unknown name 'room', did you mean 'rooms'?"]),
        (
            "version: 1\nrooms: { a: {lab: maybe} }",
            ["2:19: rooms.a.lab: expected on or off, not 'maybe'"],
        ),
        (
            "version: 1\nrooms: { .a: {}, b: {max: 3}, c: {}, C: {} }",
            [
                f"2:14: rooms..a: expected {RULE}",
                "2:22: rooms.b.max: unknown name 'max', known here: lab, publishing, moderator_key",
                "2:41: rooms.C: room 'c' is declared already",
            ],
        ),
        (
            "version: 1\nrooms: { a: {publishing: all, moderator_key: secret} }",
            [
                "2:26: rooms.a.publishing: expected one of everyone, moderators, not 'all'",
                "2:46: rooms.a.moderator_key: a secret does not stand here itself: use !env NAME "
                "or !file path",
            ],
        ),
        (
            "version: 1\n" + ROUTE.format(to="sips:a", room="a"),
            ["4:18: routes[0].match.to: expected one of sip, xmpp, web before ':', not 'sips'"],
        ),
        (
            "version: 1\n" + ROUTE.format(to='"{a}{b}"', room="a"),
            ["4:18: routes[0].match.to: something must stand between two names in braces"],
        ),
        (
            "version: 1\n" + ROUTE.format(to="[x, '{a}']", room='"{a}"'),
            ["5:25: routes[0].do.join.room: '{a}' is not in the pattern 'x' (line 4)"],
        ),
        (
            "version: 1\n" + ROUTE.format(to="1", room="ws"),
            ["5:25: routes[0].do.join.room: expected a room: " + RULE],
        ),
        (
            "version: 1\n" + ROUTE.format(to="1", room="a b"),
            ["5:25: routes[0].do.join.room: expected a room: " + RULE],
        ),
        (
            "version: 1\nroutes:\n  - { match: { to: 1 } }\n  - { name: a }\n  - 7\n",
            [
                "3:5: routes[0]: 'name' is missing",
                "4:5: routes[1]: 'match' is missing",
                "5:5: routes[2]: expected names with values",
            ],
        ),
        (
            "version: 1\n"
            + ROUTE.format(to="1", room="a")
            + ROUTE.format(to="2", room="a").removeprefix("routes:\n"),
            ["6:11: routes[1].name: line 3 has a route of this name already"],
        ),
        (
            "version: 1\n"
            + ROUTE.format(to='"a-{x}"', room="a")
            + ROUTE.format(to='"{x}-b"', room="a").removeprefix("routes:\n").replace("one", "two"),
            [
                "7:18: routes[1].match.to: '{x}-b' ties with 'a-{x}' (line 4): one address could"
                " match both, and neither is more specific"
            ],
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert complaints(tmp_path, text) == expected


@pytest.mark.parametrize(
    "text", ["", "a@", "@a", "a@b@c", "tel:1", "{A B}", "{a", "a}", "{a}-{a}", "{a}.{b}.{c}.{d}"]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        Pattern.parse(text)


# --- properties -----------------------------------------------------------------------------

# At most three parts: then no user that two patterns share needs more than six letters.
users = st.lists(st.sampled_from(["a", "b", "-", "+", "{x}"]), min_size=1, max_size=3).map("".join)
patterns = (
    st.tuples(st.sampled_from(["", "sip:", "web:"]), users, st.sampled_from(["", "@h", "@g"]))
    .map("".join)
    .filter(lambda text: text.count("{x}") <= 1)
    .map(Pattern.parse)
)
addresses = st.builds(
    Address,
    st.sampled_from(["sip", "xmpp", "web"]),
    st.text("ab-+", min_size=1, max_size=6),
    st.sampled_from(["h", "g"]),
)


def matches(pattern: Pattern, to: Address) -> bool:
    """The rule of the manual once more, without the code under test."""
    user = "".join(
        "[ab-]+" if part == "{x}" else re.escape(part)
        for part in re.split(r"(\{x\})", pattern.user)
    )
    return (
        pattern.scheme in (None, to.scheme)
        and pattern.host in (None, to.host)
        and re.fullmatch(user, to.user) is not None
    )


@given(st.lists(patterns, max_size=6), addresses)
def test_the_winner_is_a_match_of_the_highest_specificity(
    rules: list[Pattern], to: Address
) -> None:
    plan = Plan.of({}, [Route(str(i), (p,), "hit", False) for i, p in enumerate(rules)])
    hits = [pattern.specificity for pattern in rules if matches(pattern, to)]
    found = winner(plan, str(to))
    assert (found is None) == (not hits)
    if found is not None:
        assert rules[int(found)].specificity == max(hits)


@given(st.lists(patterns, max_size=6, unique_by=str), addresses)
def test_without_a_tie_exactly_one_pattern_wins(rules: list[Pattern], to: Address) -> None:
    best = sorted((p.specificity for p in rules if matches(p, to)), reverse=True)
    if not list(ties(rules)):
        assert len(best) < 2 or best[0] > best[1]


@given(patterns, patterns)
def test_a_tie_is_told_only_where_an_address_matches_both(one: Pattern, other: Pattern) -> None:
    if list(ties([one, other])):
        letters = "ab-+"
        wanted = [scheme for scheme in ("sip", "web", "xmpp") if one.scheme in (None, scheme)]
        assert one.scheme == other.scheme
        assert one.host == other.host
        assert any(
            matches(one, to) and matches(other, to)
            for user in _words(letters, 6)
            for to in [Address(wanted[0], user, one.host or "h")]
        )


def _words(letters: str, longest: int) -> list[str]:
    words = [""]
    for _ in range(longest):
        words += [word + letter for word in words for letter in letters if len(word) < longest]
        words = list(dict.fromkeys(words))
    return words
