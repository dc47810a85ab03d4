"""RFC 3261, section 17, and RFC 6026: each machine alone, with its clock in the test's hand."""

from typing import Any

import pytest

from sipbridge.flow import Flow
from sipbridge.message import Request, Response, parse, respond
from sipbridge.transaction import (
    InviteServerTransaction,
    NonInviteClientTransaction,
    NonInviteServerTransaction,
    State,
    Timers,
    Transaction,
    cancelled_key,
    server_key,
)
from support.sip_lab import TCP, UDP, message

TIMERS = Timers()


def request(method: str = "INVITE", **fields: Any) -> Request:
    parsed = parse(message(method, **fields))
    assert isinstance(parsed, Request)
    return parsed


def run(machine: Transaction, until: float) -> list[tuple[float, int]]:
    """Lets a machine run; what it sends and when. A request shows as 0."""
    sent = []
    while (deadline := machine.next_timeout()) is not None and deadline <= until:
        machine.handle_timeout(deadline)
        for out in machine.messages_to_send():
            sent.append((deadline, out.code if isinstance(out, Response) else 0))
    return sent


def invite_server(flow: Flow = UDP) -> InviteServerTransaction:
    return InviteServerTransaction(request(), flow, TIMERS, 0.0)


def answer(machine: Transaction, code: int) -> Response:
    return respond(machine.request, code, "Text", to_tag="t")


class TestInviteServer:
    """Section 17.2.1."""

    def test_a_slow_answer_is_announced_by_100_after_200_ms(self) -> None:
        assert run(invite_server(), 60) == [(0.2, 100)]

    def test_a_fast_answer_needs_no_100(self) -> None:
        machine = invite_server()
        machine.respond(answer(machine, 180), 0.1)
        assert [m.code for m in machine.messages_to_send() if isinstance(m, Response)] == [180]
        assert run(machine, 1) == []

    def test_a_repeated_invite_gets_the_last_provisional_answer_again(self) -> None:
        machine = invite_server()
        machine.receive_invite()
        machine.receive_invite()
        assert [str(m)[:3] for m in machine.messages_to_send()] == ["100", "100"]

    def test_a_refusal_is_repeated_with_timer_g_until_timer_h(self) -> None:
        machine = invite_server()
        machine.respond(answer(machine, 404), 0.0)
        machine.messages_to_send()
        times = [time for time, code in run(machine, 100) if code == 404]
        assert times[:5] == [0.5, 1.5, 3.5, 7.5, 11.5]
        assert times[-1] < 32
        assert machine.state is State.TERMINATED

    def test_on_a_stream_a_refusal_is_said_once(self) -> None:
        machine = invite_server(TCP)
        machine.respond(answer(machine, 404), 0.0)
        machine.messages_to_send()
        assert run(machine, 100) == []
        assert machine.state is State.TERMINATED

    def test_an_ack_stops_the_repetition_and_timer_i_ends_it(self) -> None:
        machine = invite_server()
        machine.respond(answer(machine, 486), 0.0)
        machine.messages_to_send()
        assert machine.receive_ack(1.0)
        assert machine.state is State.CONFIRMED
        assert run(machine, 5.9) == []
        assert machine.state is State.CONFIRMED
        run(machine, 6.0)
        assert machine.state is State.TERMINATED

    def test_after_a_2xx_a_repeated_invite_is_absorbed_for_timer_l(self) -> None:
        machine = invite_server()
        machine.respond(answer(machine, 200), 0.0)
        assert len(machine.messages_to_send()) == 1
        machine.receive_invite()
        assert machine.messages_to_send() == []
        assert machine.next_timeout() == 32.0
        run(machine, 32.0)
        assert machine.state is State.TERMINATED

    def test_the_dialog_may_repeat_a_2xx_through_it(self) -> None:
        machine = invite_server()
        machine.respond(answer(machine, 200), 0.0)
        machine.respond(answer(machine, 200), 0.5)
        assert len(machine.messages_to_send()) == 2

    def test_an_ack_for_a_2xx_is_the_dialogs(self) -> None:
        machine = invite_server()
        machine.respond(answer(machine, 200), 0.0)
        assert not machine.receive_ack(0.1)

    @pytest.mark.parametrize("code", [180, 200, 404])
    def test_after_a_refusal_nothing_else_can_be_said(self, code: int) -> None:
        machine = invite_server()
        machine.respond(answer(machine, 487), 0.0)
        machine.messages_to_send()
        machine.respond(answer(machine, code), 0.1)
        assert machine.messages_to_send() == []


class TestNonInviteServer:
    """Section 17.2.2."""

    def test_a_repeated_request_gets_the_same_answer_until_timer_j(self) -> None:
        machine = NonInviteServerTransaction(request("OPTIONS"), UDP, TIMERS, 0.0)
        machine.receive_request()
        assert machine.messages_to_send() == []
        machine.respond(answer(machine, 200), 1.0)
        machine.receive_request()
        assert len(machine.messages_to_send()) == 2
        assert machine.next_timeout() == 33.0
        run(machine, 33.0)
        assert machine.state is State.TERMINATED

    def test_on_a_stream_timer_j_is_zero(self) -> None:
        machine = NonInviteServerTransaction(request("OPTIONS"), TCP, TIMERS, 0.0)
        machine.respond(answer(machine, 200), 1.0)
        assert machine.next_timeout() == 1.0

    def test_only_the_first_answer_counts(self) -> None:
        machine = NonInviteServerTransaction(request("BYE"), UDP, TIMERS, 0.0)
        machine.respond(answer(machine, 200), 0.0)
        machine.respond(answer(machine, 500), 0.0)
        assert [str(m)[:3] for m in machine.messages_to_send()] == ["200"]

    def test_a_request_that_nobody_answers_is_forgotten_with_its_client(self) -> None:
        machine = NonInviteServerTransaction(request("OPTIONS"), UDP, TIMERS, 0.0)
        assert run(machine, 32.0) == []
        assert machine.state is State.TERMINATED


class TestNonInviteClient:
    """Section 17.1.2."""

    def start(self, flow: Flow = UDP) -> tuple[NonInviteClientTransaction, list[int | None]]:
        ends: list[int | None] = []
        machine = NonInviteClientTransaction(
            request("BYE"), flow, TIMERS, 0.0, lambda r: ends.append(r.code if r else None)
        )
        assert len(machine.messages_to_send()) == 1
        return machine, ends

    def test_it_repeats_with_timer_e_and_gives_up_with_timer_f(self) -> None:
        machine, ends = self.start()
        times = [time for time, _ in run(machine, 100)]
        assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        assert ends == [None]
        assert machine.state is State.TERMINATED

    def test_a_provisional_answer_slows_it_to_t2(self) -> None:
        machine, ends = self.start()
        machine.receive_response(answer(machine, 100), 0.1)
        assert [time for time, _ in run(machine, 9)] == [0.5, 4.5, 8.5]
        assert ends == []

    def test_a_final_answer_ends_it_once_and_timer_k_outlives_stragglers(self) -> None:
        machine, ends = self.start()
        machine.receive_response(answer(machine, 200), 0.1)
        machine.receive_response(answer(machine, 200), 0.2)
        assert ends == [200]
        assert machine.next_timeout() == pytest.approx(5.1)
        run(machine, 6)
        assert machine.state is State.TERMINATED

    def test_on_a_stream_nothing_is_repeated(self) -> None:
        machine, ends = self.start(TCP)
        assert run(machine, 100) == []
        assert ends == [None]

    def test_a_lost_connection_ends_it(self) -> None:
        machine, ends = self.start(TCP)
        machine.abandon()
        assert ends == [None]
        assert machine.state is State.TERMINATED


class TestMatching:
    """Section 17.2.3."""

    def test_an_ack_belongs_to_its_invite(self) -> None:
        assert server_key(request("ACK", to_tag="x")) == server_key(request("INVITE"))

    def test_other_methods_on_the_same_branch_do_not(self) -> None:
        assert server_key(request("BYE")) != server_key(request("INVITE"))

    def test_another_sent_by_is_another_client(self) -> None:
        assert server_key(request(via="192.0.2.2")) != server_key(request(via="192.0.2.3"))

    def test_a_sent_by_without_port_means_5060(self) -> None:
        assert server_key(request(via="192.0.2.2")) == server_key(request(via="192.0.2.2:5060"))

    def test_a_cancel_names_its_invite(self) -> None:
        assert cancelled_key(request("CANCEL")) == server_key(request("INVITE"))

    def test_without_the_magic_cookie_the_fields_of_rfc_2543_decide(self) -> None:
        old: dict[str, Any] = {"branch": "1"}
        assert server_key(request(**old)) == server_key(request("ACK", to_tag="x", **old))
        assert server_key(request(**old)) != server_key(request(**old, call_id="other"))
        assert server_key(request(**old)) != server_key(request(**old, number=2))
        assert server_key(request(**old)) != server_key(request(**old, tag="bob"))
        assert cancelled_key(request("CANCEL", **old)) == server_key(request(**old))
