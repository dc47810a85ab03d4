from gateway.media.latch import PORT_SILENCE, Latch

PHONE = ("8.8.8.8", 4000)
STRANGER = ("9.9.9.9", 4000)


def test_before_anything_was_heard_the_signalled_address_is_sent_to() -> None:
    assert Latch(PHONE).target == PHONE


def test_addresses_that_mean_nothing_are_not_sent_to() -> None:
    for host in ("0.0.0.0", "phone.example", "224.0.0.1", "::", ""):
        assert Latch((host, 4000)).target is None
    assert Latch(("8.8.8.8", 0)).target is None


def test_a_public_phone_latches_by_its_host_whatever_the_port() -> None:
    latch = Latch(PHONE)
    assert not latch.accept(STRANGER, 0.0)
    assert latch.accept(("8.8.8.8", 4444), 0.0)
    assert latch.target == ("8.8.8.8", 4444)


def test_a_phone_behind_a_nat_latches_by_its_first_packet() -> None:
    latch = Latch(("192.168.1.20", 4000))
    assert latch.accept(PHONE, 0.0)
    assert latch.target == PHONE


def test_a_latched_call_cannot_be_taken_over() -> None:
    latch = Latch(("192.168.1.20", 4000))
    assert latch.accept(PHONE, 0.0)
    assert not latch.accept(STRANGER, 100.0)
    assert not latch.accept(("192.168.1.20", 4000), 100.0)
    assert latch.target == PHONE


def test_a_new_port_of_the_same_host_counts_once_the_old_one_is_silent() -> None:
    latch = Latch(PHONE)
    assert latch.accept(PHONE, 0.0)
    moved = (PHONE[0], 5000)
    assert not latch.accept(moved, PORT_SILENCE / 2)
    assert latch.accept(moved, PORT_SILENCE)
    assert latch.target == moved


def test_only_a_new_signalled_address_unlatches() -> None:
    latch = Latch(PHONE)
    assert latch.accept((PHONE[0], 4444), 0.0)
    latch.signal(PHONE)
    assert latch.target == (PHONE[0], 4444)
    latch.signal(STRANGER)
    assert latch.target == STRANGER
    assert not latch.accept(PHONE, 1.0)
