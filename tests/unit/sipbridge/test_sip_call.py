"""RFC 3261, sections 9 and 12 to 15, and RFC 3264: calls from the first INVITE to the last BYE."""

from typing import Any

import pytest

from gateway.errors import Reason
from sipbridge.call import Answered, Ended, Offered, Reoffered
from sipbridge.flow import Flow
from sipbridge.status import refusal
from sipbridge.useragent import Closed, Limits
from support.sip_lab import ANSWER, OFFER, TCP, Lab, message


class TestAnswering:
    """Section 13.3.1."""

    def test_the_conference_hears_of_the_offer(self) -> None:
        lab = Lab()
        lab.receive(message(body=OFFER))
        (event,) = lab.events()
        assert isinstance(event, Offered)
        assert (event.sdp, event.number) == (OFFER, 1)

    def test_the_answer_says_who_where_and_what(self) -> None:
        lab = Lab()
        response = lab.answer(lab.offered())
        assert response.code == 200
        assert response.body == ANSWER.encode()
        assert response.get("Content-Type") == "application/sdp"
        assert response.get("Contact") == "<sip:demo@192.0.2.99:5060>;isfocus"
        assert "BYE" in response.get("Allow")
        assert response.to.tag
        assert response.get("Via").endswith("rport=5070;received=192.0.2.1")

    def test_a_contact_over_tcp_says_so(self) -> None:
        lab = Lab(TCP)
        response = lab.answer(lab.offered(protocol="TCP"))
        assert response.get("Contact") == "<sip:demo@192.0.2.99:5060;transport=tcp>;isfocus"

    def test_a_contact_escapes_what_was_no_utf_8(self) -> None:
        lab = Lab()
        lab.receive(message(body=OFFER).replace(b"sip:demo@", b"sip:\x80demo@", 1))
        (event,) = lab.events()
        assert isinstance(event, Offered)
        assert lab.answer(event.call).get("Contact") == "<sip:%80demo@192.0.2.99:5060>;isfocus"

    def test_record_route_is_copied_unchanged_and_in_order(self) -> None:
        lab = Lab()
        routes = "Record-Route: <sip:b;lr>, <sip:a;lr>\r\nRecord-Route: <sip:z;lr;x=1>"
        response = lab.answer(lab.offered(extra=routes))
        assert response.values("Record-Route") == ["<sip:b;lr>", "<sip:a;lr>", "<sip:z;lr;x=1>"]

    def test_a_repeated_invite_is_no_second_call(self) -> None:
        lab = Lab()
        call = lab.offered()
        lab.receive(message(body=OFFER))
        lab.agent.answer(call, 1, ANSWER, lab.now)
        lab.drain()
        lab.receive(message(body=OFFER))
        assert lab.events() == []
        assert lab.codes() == [100, 200]
        assert lab.agent.calls == 1

    @pytest.mark.parametrize("flow", [None, TCP])
    def test_the_answer_is_repeated_until_the_ack_on_every_transport(
        self, flow: Flow | None
    ) -> None:
        lab = Lab(flow) if flow else Lab()
        tag = lab.answer(lab.offered()).to.tag
        lab.advance(8)
        assert lab.times(1) == [0.5, 1.5, 3.5, 7.5]
        lab.ack(tag)
        lab.advance(60)
        assert lab.times(5) == []

    def test_a_call_without_ack_ends_after_64_t1(self) -> None:
        lab = Lab()
        call = lab.offered()
        lab.answer(call)
        lab.advance(31.9)
        assert lab.events() == []
        lab.sent()
        lab.advance(0.2)
        bye = lab.request()
        assert bye.method == "BYE"
        assert bye.get("Reason").startswith("Q.850;cause=41")
        assert lab.events() == [
            Ended(call, Reason.CONNECTIVITY, "our answer was never acknowledged")
        ]
        lab.ok(bye)
        assert lab.events() == [Closed(call)]

    def test_the_ack_of_a_careless_phone_is_known_by_its_method(self) -> None:
        """COMPAT: aiosip 0.2.0 writes `1 INVITE` into the ACK and reuses the INVITE's branch."""
        lab = Lab()
        tag = lab.answer(lab.offered()).to.tag
        lab.ack(tag, branch="z9hG4bK1", cseq_method="INVITE")
        lab.advance(60)
        assert lab.sent() == []

    def test_a_stray_ack_is_dropped_silently(self) -> None:
        lab = Lab()
        lab.ack("nobody")
        lab.ack("", call_id="other")
        assert lab.sent() == []
        assert lab.events() == []


class TestRefusing:
    """Sections 8.2.6 and 21."""

    def test_a_refusal_names_its_reason_for_people_and_machines(self) -> None:
        lab = Lab()
        call = lab.offered()
        lab.agent.refuse(call, 1, refusal(Reason.NOT_FOUND, 'no "x"'), lab.now)
        lab.drain()
        response = lab.response()
        assert (response.code, response.phrase) == (404, "No Such Conference")
        assert response.get("Reason") == 'Q.850;cause=1;text="no \\"x\\""'
        assert lab.events() == [Closed(call)]
        lab.ack(response.to.tag, branch="z9hG4bK1")
        lab.advance(60)
        assert lab.sent() == []
        assert lab.agent.inventory() == {"sip_dialogs": 0, "sip_transactions": 0}

    def test_media_that_does_not_fit_gets_a_warning(self) -> None:
        refused = refusal(Reason.MEDIA, "no common codec")
        assert refused.code == 488
        assert ("Warning", '305 trestle "no common codec"') in refused.headers

    def test_every_reason_has_a_refusal_and_no_phrase_stands_twice(self) -> None:
        refusals = [refusal(reason, "text") for reason in Reason]
        assert all(400 <= refused.code < 700 for refused in refusals)
        assert len({refused.phrase for refused in refusals}) == len(refusals)

    def test_a_text_cannot_break_out_of_its_header(self) -> None:
        refused = refusal(Reason.BUSY, 'a"\r\nEvil: 1\\')
        assert refused.headers[0][1] == 'Q.850;cause=17;text="a\\"  Evil: 1\\\\"'

    def test_a_stopping_gateway_asks_to_come_back_later(self) -> None:
        lab = Lab()
        lab.agent.drain()
        lab.receive(message(body=OFFER))
        response = lab.response()
        assert response.code == 503
        assert response.get("Retry-After") == "30"


class TestCancelling:
    """Section 9.2."""

    def test_a_caller_gives_up(self) -> None:
        lab = Lab()
        call = lab.offered()
        lab.receive(message("CANCEL"))
        assert lab.codes() == [200, 487]
        ended, closed = lab.events()
        assert isinstance(ended, Ended)
        assert ended.reason is Reason.CANCELLED
        assert closed == Closed(call)

    def test_an_answer_after_the_cancel_goes_nowhere(self) -> None:
        lab = Lab()
        call = lab.offered()
        lab.receive(message("CANCEL"))
        lab.sent()
        lab.agent.answer(call, 1, ANSWER, lab.now)
        lab.drain()
        assert lab.sent() == []

    def test_after_the_answer_a_cancel_is_too_late(self) -> None:
        lab = Lab()
        lab.answer(lab.offered())
        lab.receive(message("CANCEL"))
        assert lab.codes() == [200]
        assert lab.events() == []
        assert lab.agent.calls == 1

    def test_a_cancel_for_nothing_gets_481(self) -> None:
        lab = Lab()
        lab.receive(message("CANCEL"))
        assert lab.codes() == [481]

    def test_a_late_cancel_of_the_first_invite_leaves_a_later_one_alone(self) -> None:
        lab = Lab()
        _, tag = lab.established()
        lab.receive(message(body=OFFER, to_tag=tag, number=2, branch="z9hG4bK2"))
        lab.sent()
        lab.receive(message("CANCEL"))
        assert lab.codes() == [200]


class TestDelayedOffer:
    """Section 13.2.1: the offer is in our 2xx, the answer in the ACK."""

    def test_the_answer_comes_with_the_ack(self) -> None:
        lab = Lab()
        call = lab.offered(body="")
        tag = lab.answer(call).to.tag
        lab.ack(tag, body=OFFER)
        assert lab.events() == [Answered(call, OFFER, first=True)]

    def test_an_ack_without_answer_ends_the_call(self) -> None:
        lab = Lab()
        call = lab.offered(body="")
        tag = lab.answer(call).to.tag
        lab.ack(tag)
        assert lab.request().method == "BYE"
        (ended,) = lab.events()
        assert isinstance(ended, Ended)
        assert ended.reason is Reason.MEDIA

    def test_a_repeated_ack_is_one_answer(self) -> None:
        lab = Lab()
        tag = lab.answer(lab.offered(body="")).to.tag
        lab.ack(tag, body=OFFER)
        lab.ack(tag, body=OFFER)
        assert len(lab.events()) == 1


class TestReinvite:
    """Section 14.2 and RFC 3264, section 8."""

    def reinvite(self, lab: Lab, tag: str, number: int = 2, **fields: Any) -> None:
        lab.receive(
            message(
                to_tag=tag,
                number=number,
                branch=f"z9hG4bKre{number}",
                **{"body": "hold", **fields},
            )
        )

    def test_hold_and_resume_are_offers(self) -> None:
        lab = Lab()
        call, tag = lab.established()
        for number, sdp in ((2, "hold"), (3, "resume")):
            self.reinvite(lab, tag, number, body=sdp)
            assert lab.events() == [Reoffered(call, number, sdp)]
            response = lab.answer(call, number, sdp="held")
            assert (response.code, response.body) == (200, b"held")
            lab.ack(tag, number=number)
        lab.advance(60)
        assert lab.sent() == []

    def test_a_refused_reinvite_leaves_the_call_as_it_was(self) -> None:
        lab = Lab()
        call, tag = lab.established()
        self.reinvite(lab, tag)
        lab.agent.refuse(call, 2, refusal(Reason.MEDIA, "no"), lab.now)
        lab.drain()
        assert lab.codes() == [488]
        assert lab.agent.calls == 1

    def test_a_second_one_waits_for_the_first(self) -> None:
        lab = Lab()
        call, tag = lab.established()
        self.reinvite(lab, tag)
        self.reinvite(lab, tag, 3)
        response = lab.response()
        assert response.code == 500
        assert 0 <= int(response.get("Retry-After")) <= 10
        assert lab.answer(call, 2).code == 200

    def test_one_before_the_ack_is_asked_to_come_again(self) -> None:
        lab = Lab()
        tag = lab.answer(lab.offered()).to.tag
        self.reinvite(lab, tag)
        assert lab.codes() == [491]

    def test_the_answer_to_a_cancelled_one_is_not_given_to_the_next(self) -> None:
        lab = Lab()
        call, tag = lab.established()
        self.reinvite(lab, tag)
        lab.receive(message("CANCEL", branch="z9hG4bKre2", to_tag=tag, number=2))
        assert lab.codes() == [200, 487]
        self.reinvite(lab, tag, 3)
        lab.agent.answer(call, 2, "stale", lab.now)
        lab.drain()
        assert lab.sent() == []
        assert lab.answer(call, 3, "fresh").body == b"fresh"

    def test_one_without_an_offer_gets_what_we_said_last(self) -> None:
        lab = Lab()
        call, tag = lab.established()
        self.reinvite(lab, tag, body="")
        assert lab.response().body == ANSWER.encode()
        lab.ack(tag, number=2, body=OFFER)
        assert lab.events() == [Answered(call, OFFER, first=False)]
        assert lab.agent.calls == 1

    def test_a_new_contact_is_where_the_bye_goes(self) -> None:
        lab = Lab()
        call, tag = lab.established()
        self.reinvite(lab, tag, contact="<sip:alice@192.0.2.7:9999>")
        lab.answer(call, 2)
        lab.ack(tag, number=2)
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.drain()
        assert lab.request().uri == "sip:alice@192.0.2.7:9999"


class TestHangingUp:
    """Section 15."""

    def test_the_peer_hangs_up(self) -> None:
        lab = Lab()
        call, tag = lab.established()
        lab.receive(message("BYE", to_tag=tag, number=2, branch="z9hG4bKbye"))
        assert lab.codes() == [200]
        assert lab.events() == [Ended(call, Reason.NORMAL, "hung up"), Closed(call)]
        lab.receive(message("BYE", to_tag=tag, number=2, branch="z9hG4bKbye"))
        assert lab.codes() == [200]
        lab.advance(40)
        assert lab.agent.inventory() == {"sip_dialogs": 0, "sip_transactions": 0}

    def test_a_bye_overtakes_a_pending_reinvite(self) -> None:
        lab = Lab()
        _, tag = lab.established()
        lab.receive(message(to_tag=tag, number=2, branch="z9hG4bK2", body=OFFER))
        lab.receive(message("BYE", to_tag=tag, number=3, branch="z9hG4bKbye"))
        assert sorted(lab.codes()) == [200, 487]

    def test_we_hang_up(self) -> None:
        lab = Lab()
        call, tag = lab.established()
        lab.agent.hang_up(call, Reason.SHUTDOWN, "stopping", lab.now)
        lab.drain()
        bye = lab.request()
        assert (bye.method, bye.uri) == ("BYE", "sip:alice@192.0.2.1:5070")
        assert bye.get("From") == f"<sip:demo@gateway1>;tag={tag}"
        assert bye.get("To") == '"Alice" <sip:alice@example.com>;tag=alice'
        assert bye.get("CSeq") == "1 BYE"
        assert bye.get("Reason") == 'Q.850;cause=41;text="stopping"'
        assert bye.via.branch.startswith("z9hG4bK")
        lab.ok(bye)
        assert lab.events() == [Closed(call)]

    def test_before_the_answer_we_refuse_instead(self) -> None:
        lab = Lab()
        call = lab.offered()
        lab.agent.hang_up(call, Reason.BUSY, "full", lab.now)
        lab.drain()
        assert lab.codes() == [486]

    def test_between_answer_and_ack_our_bye_waits_for_the_ack(self) -> None:
        lab = Lab()
        call = lab.offered()
        tag = lab.answer(call).to.tag
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.drain()
        assert lab.sent() == []
        lab.ack(tag)
        assert lab.request().method == "BYE"

    def test_between_answer_and_lost_ack_our_bye_waits_64_t1(self) -> None:
        lab = Lab()
        call = lab.offered()
        lab.answer(call)
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.advance(32)
        assert lab.sent()[-1].get("CSeq") == "1 BYE"
        assert lab.events() == []

    def test_byes_that_cross_both_get_their_answer(self) -> None:
        lab = Lab()
        call, tag = lab.established()
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.drain()
        bye = lab.request()
        lab.receive(message("BYE", to_tag=tag, number=2, branch="z9hG4bKbye"))
        assert lab.codes() == [200]
        lab.ok(bye)
        assert lab.events() == [Closed(call)]

    def test_a_phone_that_never_answers_our_bye_is_forgotten(self) -> None:
        lab = Lab()
        call, _ = lab.established()
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.advance(33)
        assert lab.events() == [Closed(call)]

    def test_a_phone_whose_connection_is_gone_too(self) -> None:
        lab = Lab(TCP)
        call, _ = lab.established()
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.agent.connection_lost(TCP, lab.now)
        lab.drain()
        assert lab.events() == [Closed(call)]


class TestDialog:
    """Section 12.2."""

    def test_an_older_cseq_gets_500(self) -> None:
        lab = Lab()
        _, tag = lab.established(number=5)
        lab.receive(message("INFO", to_tag=tag, number=4, branch="z9hG4bK4"))
        assert lab.codes() == [500]

    @pytest.mark.parametrize("fields", [{"to_tag": "x"}, {"tag": "x"}, {"call_id": "x"}])
    def test_all_three_parts_of_the_id_must_fit(self, fields: dict[str, Any]) -> None:
        lab = Lab()
        _, tag = lab.established()
        lab.receive(message("BYE", **{"to_tag": tag, "branch": "z9hG4bK4", **fields}))
        assert lab.codes() == [481]
        assert lab.agent.calls == 1

    def test_our_requests_follow_the_record_route(self) -> None:
        lab = Lab()
        routes = "Record-Route: <sip:near.example.com;lr>, <sip:far.example.com;lr>"
        call, _ = lab.established(extra=routes)
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.drain()
        bye = lab.request()
        assert bye.uri == "sip:alice@192.0.2.1:5070"
        assert bye.all("Route") == ["<sip:near.example.com;lr>", "<sip:far.example.com;lr>"]

    def test_a_strict_router_finds_itself_in_the_request_uri(self) -> None:
        lab = Lab()
        routes = "Record-Route: <sip:strict.example.com>, <sip:far.example.com;lr>"
        call, _ = lab.established(extra=routes)
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.drain()
        bye = lab.request()
        assert bye.uri == "sip:strict.example.com"
        assert bye.all("Route") == ["<sip:far.example.com;lr>", "<sip:alice@192.0.2.1:5070>"]

    def test_our_requests_go_back_along_the_callers_path(self) -> None:
        lab = Lab(Flow("UDP", "198.51.100.9", 31000))
        call, _ = lab.established()
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.drain()
        assert lab.flows[-1] == Flow("UDP", "198.51.100.9", 31000)

    def test_and_along_the_newest_one_when_it_moved(self) -> None:
        lab = Lab(TCP)
        call, tag = lab.established()
        moved = Flow("TCP", "192.0.2.1", 40999, 2)
        lab.receive(message("OPTIONS", to_tag=tag, number=2, branch="z9hG4bK9"), moved)
        assert lab.codes() == [200]
        assert lab.agent.uses(moved)
        assert not lab.agent.uses(TCP)
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.drain()
        assert lab.flows[-1] == moved

    def test_a_phone_without_rport_is_reached_at_its_contacts_port(self) -> None:
        lab = Lab(Flow("UDP", "192.0.2.1", 31000))
        call, _ = lab.established(rport="")
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.drain()
        assert lab.flows[-1] == Flow("UDP", "192.0.2.1", 5070)

    def test_nobody_can_aim_our_requests_at_a_third(self) -> None:
        lab = Lab(Flow("UDP", "192.0.2.1", 31000))
        call, _ = lab.established(rport="", contact="<sip:victim@203.0.113.5:53>")
        lab.agent.hang_up(call, Reason.NORMAL, "bye", lab.now)
        lab.drain()
        assert lab.flows[-1] == Flow("UDP", "192.0.2.1", 31000)


class TestLimits:
    """What a stranger can make us keep."""

    def test_one_source_cannot_hold_more_than_its_share_of_unanswered_calls(self) -> None:
        lab = Lab(limits=Limits(invites_per_source=3))
        for number in range(5):
            lab.receive(message(branch=f"z9hG4bK{number}", call_id=f"c{number}", body=OFFER))
        assert lab.codes() == [503, 503]
        assert lab.agent.inventory() == {"sip_dialogs": 3, "sip_transactions": 3}
        other = Flow("UDP", "192.0.2.200", 5060)
        lab.receive(message(branch="z9hG4bKo", call_id="o", body=OFFER), other)
        assert lab.agent.calls == 4

    def test_answered_calls_give_their_share_back(self) -> None:
        lab = Lab(limits=Limits(invites_per_source=1))
        lab.established()
        lab.receive(message(branch="z9hG4bK2", call_id="c2", body=OFFER))
        assert lab.codes() == []
        assert lab.agent.calls == 2

    def test_refused_ones_keep_it_until_they_are_acknowledged(self) -> None:
        lab = Lab(limits=Limits(invites_per_source=1))
        call = lab.offered()
        lab.agent.refuse(call, 1, refusal(Reason.NOT_FOUND, "no"), lab.now)
        lab.drain()
        lab.receive(message(branch="z9hG4bK2", call_id="c2", body=OFFER))
        assert lab.codes() == [404, 503]
        lab.ack("x", branch="z9hG4bK1")
        lab.receive(message(branch="z9hG4bK3", call_id="c3", body=OFFER))
        assert lab.agent.calls == 1

    def test_all_calls_together_have_a_limit(self) -> None:
        lab = Lab(limits=Limits(calls=1))
        lab.established()
        lab.receive(message(branch="z9hG4bK2", call_id="c2", body=OFFER))
        response = lab.response()
        assert (response.code, response.get("Retry-After")) == (503, "30")

    def test_a_full_table_is_answered_without_state_by_one_tag(self) -> None:
        lab = Lab(limits=Limits(transactions=0))
        lab.receive(message("OPTIONS"))
        lab.receive(message("OPTIONS"))
        first, second = lab.sent()
        assert first.to.tag == second.to.tag != ""
        assert lab.agent.inventory()["sip_transactions"] == 0
