"""The page in Chromium, face to face with itself, in trees that the test chooses."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from support.browser import Browser, Listener
from support.scripted_page import COLOURS, HZ, join, pictures, state_is
from support.scripted_signalling import PHONE, PHONE_HZ, ScriptedServer
from support.tones import AUDIBLE_DB

pytestmark = pytest.mark.timeout(60)


async def test_three_pages_in_chains_hear_and_see_each_other(
    server: ScriptedServer, browser: Browser
) -> None:
    pages = [await join(browser, server, person) for person in range(3)]
    await server.until(lambda: server.settled)
    for me, listener in enumerate(pages):
        await pictures(listener.page, 3)
        others = [i for i in range(3) if i != me]
        heard = await listener.hears()
        assert all(heard[HZ[other]] > AUDIBLE_DB for other in others), heard
        assert heard[HZ[me]] < AUDIBLE_DB
        seen = await listener.sees()
        assert {seen[f"web-{other + 1}"].colour for other in others} == {
            COLOURS[other] for other in others
        }
        assert all(picture.moves for picture in seen.values())
    for listener in pages:
        assert await listener.page.evaluate("connections.open()") == 2
    relayed = await pages[1].page.evaluate("connections.relayed()")
    assert relayed["audio"] > 0
    assert relayed["video"] > 0


async def test_a_lost_connection_is_rejoined_and_the_streams_come_back(
    server: ScriptedServer, browser: Browser
) -> None:
    ana, ben = [await join(browser, server, person) for person in range(2)]
    await server.until(lambda: server.settled)
    await server.members["web-1"].socket.close(code=1011)
    await expect(ana.page.locator("#connection-banner")).to_be_visible()
    await server.until(lambda: server.has("web-3", "web-2") and server.has("web-2", "web-3"))
    assert server.joins[-1]["token"] == "token-web-1"
    await state_is(ana.page, "joined")
    await expect(ana.page.locator("#connection-banner")).to_be_hidden()
    await pictures(ana.page, 2)
    await pictures(ben.page, 2)
    assert (await ben.hears())[HZ[0]] > AUDIBLE_DB
    assert await ana.page.evaluate("connections.open()") == 1


async def test_a_restart_is_called_one_and_frozen_pictures_do_not_look_live(
    server: ScriptedServer, browser: Browser
) -> None:
    ana, _ben = [await join(browser, server, person) for person in range(2)]
    await pictures(ana.page, 2)
    await ana.page.evaluate("void (WebSocket = class { close() {} })")
    await server.tell("web-1", {"type": "bye", "reason": "shutdown", "text": "Back soon."})
    await server.members["web-1"].socket.close(code=1012)
    await expect(ana.page.locator("#connection-banner")).to_contain_text("server is restarting")
    await expect(ana.page.locator(".tile:not(.you)")).to_have_css("opacity", "0.4")
    await expect(ana.page.locator(".tile.you")).to_have_css("opacity", "1")


async def test_alone_one_is_given_the_link_to_send(
    server: ScriptedServer, browser: Browser
) -> None:
    ana = await join(browser, server)
    await expect(ana.page.locator("#invite")).to_contain_text(f"{server.url}/demo")
    await ana.page.click("#invite-copy-button")
    await expect(ana.page.locator("#toasts")).to_contain_text("link")
    await join(browser, server, 1)
    await expect(ana.page.locator("#invite")).to_be_hidden()


async def test_nobody_can_bear_the_name_you_and_namesakes_are_told_apart(
    server: ScriptedServer, browser: Browser
) -> None:
    server.chained = False
    server.legacy = [
        PHONE | {"id": "sip-1", "name": "Ana Lopes (you)"},
        PHONE | {"id": "sip-2a", "name": "phone"},
        PHONE | {"id": "sip-3b", "name": "phone"},
        PHONE | {"id": "sip-4", "name": "\u200b"},
    ]
    page = (await join(browser, server)).page
    for place in (".tile", "#roster li"):
        await expect(page.locator(f"{place} .you-badge:not(:empty)")).to_have_count(1)
        await expect(page.locator(f"{place}[data-participant=web-1] .you-badge")).to_be_visible()
        await expect(page.locator(f"{place} .tail:not(:empty)")).to_have_text(["2a", "3b"])
        await expect(page.locator(f"{place}[data-participant=sip-4] .name")).to_have_text(
            "Somebody"
        )


async def test_mute_is_silence_and_everyone_sees_it(
    server: ScriptedServer, browser: Browser
) -> None:
    ana, ben = [await join(browser, server, person) for person in range(2)]
    await server.until(lambda: server.settled)
    await ana.page.keyboard.press("m")
    for place in (".tile", "#roster li"):
        shown = ben.page.locator(f"{place}[data-participant=web-1] .muted")
        await expect(shown).to_be_visible()
    assert (await ben.hears())[HZ[0]] < AUDIBLE_DB
    await ana.page.click("#mute-button")
    await expect(ben.page.locator(".tile[data-participant=web-1] .muted")).to_be_hidden()
    assert (await ben.hears())[HZ[0]] > AUDIBLE_DB


async def test_a_camera_goes_off_and_on_for_a_child_behind_a_relay_too(
    server: ScriptedServer, browser: Browser
) -> None:
    pages = [(await join(browser, server, person)).page for person in range(3)]
    await pictures(pages[2], 3)
    await expect(pages[0].locator("#camera-button")).to_have_text("Stop camera")
    await pages[0].keyboard.press("v")
    await expect(pages[0].locator("#camera-button")).to_have_text("Start camera")
    await pictures(pages[1], 2)
    await pictures(pages[2], 2)
    assert server.members["web-1"].entry["publishes"] == ["audio"]
    await pages[0].keyboard.press("v")
    await pictures(pages[1], 3)
    await pictures(pages[2], 3)


async def test_a_relay_that_closes_its_tab_leaves_the_others_connected(
    server: ScriptedServer, browser: Browser
) -> None:
    ana, ben, chloe = [await join(browser, server, person) for person in range(3)]
    await server.until(lambda: server.settled)
    await ben.page.close(run_before_unload=True)
    await expect(chloe.page.locator("#roster li")).to_have_count(2)
    await server.until(lambda: server.settled and len(server.edges) == 4)
    assert (await chloe.hears())[HZ[0]] > AUDIBLE_DB
    assert (await ana.hears())[HZ[2]] > AUDIBLE_DB
    assert await ana.page.evaluate("connections.open()") == 1
    await expect(ana.page).to_have_title("demo (2) · Trestle")


async def test_a_new_parent_takes_over_before_the_old_one_goes(
    server: ScriptedServer, browser: Browser
) -> None:
    server.chained = False
    _ana, ben, chloe = [await join(browser, server, person) for person in range(3)]
    await server.link("web-1", "web-1", "web-2")
    await server.link("web-1", "web-1", "web-3")
    await server.until(lambda: server.settled)
    await pictures(chloe.page, 2)
    await server.link("web-1", "web-2", "web-3")
    await server.until(lambda: server.settled)
    await server.unlink("web-1", "web-1", "web-3")
    assert (await chloe.hears_each())["web-1"][HZ[0]] > AUDIBLE_DB
    assert (await chloe.sees())["web-1"].moves
    said = [(one["kind"], one["parent"]) for one in chloe_said(server) if one["type"] == "ready"]
    assert sorted(said) == [
        ("audio", "web-1"),
        ("audio", "web-2"),
        ("high", "web-1"),
        ("high", "web-2"),
    ]
    assert (await ben.page.evaluate("connections.relayed()"))["audio"] > 0


async def test_a_transceiver_left_behind_is_used_again_without_negotiation(
    server: ScriptedServer, browser: Browser
) -> None:
    server.chained = False
    _ana, ben, chloe = [await join(browser, server, person) for person in range(3)]
    await server.link("web-1", "web-1", "web-2")
    await server.until(lambda: server.settled)
    await server.link("web-1", "web-2", "web-3")
    await server.until(lambda: server.settled)
    await pictures(ben.page, 2)
    await pictures(chloe.page, 2)
    before = len(chloe_said(server))
    await server.unlink("web-1", "web-2", "web-3")
    await pictures(chloe.page, 1)
    await server.link("web-1", "web-2", "web-3")
    await server.until(lambda: server.settled)
    await pictures(chloe.page, 2)
    assert (await chloe.hears_each())["web-1"][HZ[0]] > AUDIBLE_DB
    assert [one["type"] for one in chloe_said(server)[before:]] == ["ready", "ready"]


def chloe_said(server: ScriptedServer) -> list[dict[str, Any]]:
    return server.members["web-3"].received


async def test_a_phone_is_heard_through_the_seat_and_its_leaving_closes_that(
    server: ScriptedServer, browser: Browser
) -> None:
    server.legacy = [PHONE]
    ana = await join(browser, server)
    await server.until(lambda: server.has("web-1", str(PHONE["id"])))
    await expect(ana.page.locator("#secrecy-notice")).to_contain_text("A phone takes part")
    await expect(ana.page.locator(".tile[data-kind=sip]")).to_be_visible()
    await expect(ana.page.locator("#roster li[data-kind=sip]")).to_contain_text("by phone")
    assert (await ana.hears())[PHONE_HZ] > AUDIBLE_DB
    server.legacy = []
    await server.changed()
    await expect(ana.page.locator("#roster li")).to_have_count(1)
    await expect(ana.page.locator("#secrecy-notice")).to_be_hidden()
    assert await ana.page.evaluate("connections.open()") == 0


@pytest.mark.parametrize("code", ["refused", "bad-message", "rate-limited"])
async def test_an_offer_that_the_seat_did_not_take_is_followed_by_a_new_connection(
    server: ScriptedServer, browser: Browser, code: str
) -> None:
    server.legacy = [PHONE]
    server.seat_errors = [code]
    ana = await join(browser, server)
    await server.until(lambda: server.has("web-1", str(PHONE["id"])))
    assert seat_offers(server)[-1]["connection"] == "k2"
    assert (await ana.hears())[PHONE_HZ] > AUDIBLE_DB
    assert await ana.page.evaluate("connections.open()") == 1


async def test_bars_beside_a_phone_tell_how_it_comes_through(
    server: ScriptedServer, browser: Browser
) -> None:
    server.legacy = [PHONE]
    ana = await join(browser, server)
    bars = ana.page.locator("#roster li[data-kind=sip] .quality")
    await expect(bars).to_be_hidden()
    for quality, missing in (("good", 0.0), ("bad", 0.071)):
        told = {"quality": quality, "missing": missing, "missing_there": None}
        measured = {PHONE["id"]: {**told, "jitter_ms": 3.2, "round_trip_ms": 31}}
        await server.tell(ana.own, {"type": "quality", "participants": measured})
        await expect(bars).to_have_attribute("data-quality", quality)
        await expect(bars).to_be_visible()
    await expect(bars).to_have_attribute(
        "title", "Bad connection: 7.1 % of the sound missing, jitter 3 ms, round trip 31 ms"
    )
    await expect(ana.page.locator("#roster li[data-kind=web] .quality")).to_be_hidden()


async def test_a_seat_that_takes_nothing_is_given_up_until_the_roster_changes(
    server: ScriptedServer, browser: Browser
) -> None:
    server.legacy = [PHONE]
    server.seat_errors = ["refused"] * 5
    ana = await join(browser, server)
    await expect(ana.page.locator("#toasts")).to_contain_text(
        "phones and XMPP are not heard", timeout=20_000
    )
    assert len(seat_offers(server)) == 5
    await server.changed()
    await server.until(lambda: server.has("web-1", str(PHONE["id"])))
    assert (await ana.hears())[PHONE_HZ] > AUDIBLE_DB


async def test_an_offer_for_a_hundred_phones_fits_into_a_message(
    server: ScriptedServer, browser: Browser
) -> None:
    server.chained = False
    server.legacy = [PHONE | {"id": f"sip-{number}"} for number in range(100)]
    server.seat_errors = ["refused"] * 5
    await join(browser, server)
    for phone in server.legacy:
        await server.attach((str(phone["id"]), "audio", "seat", "web-1"))
    await server.until(lambda: bool(seat_offers(server)) and not server.seat_errors, seconds=40)
    offer = seat_offers(server)[-1]
    assert len(offer["tracks"]) == 100
    assert len(offer["description"]["sdp"]) < 100_000
    assert set(re.findall("a=rtpmap:[0-9]+ (.*?)/", offer["description"]["sdp"])) == {"opus"}


def seat_offers(server: ScriptedServer) -> list[dict[str, Any]]:
    received = server.members["web-1"].received
    return [one for one in received if one.get("to") == "seat" and "description" in one]


async def test_a_refused_join_says_why_and_can_be_tried_again(
    server: ScriptedServer, browser: Browser
) -> None:
    server.refuse = {"code": "busy", "text": "The room is full."}
    page = await browser.page(HZ[0])
    await page.goto(f"{server.url}/demo")
    await page.click("#join-button")
    await expect(page.locator("#name-problem")).to_have_text("Tell the others your name.")
    await page.fill("#name", "Ana")
    await page.click("#join-button")
    await expect(page.locator("#room-problem")).to_have_text("The room is full.")
    await state_is(page, "error")
    server.refuse = None
    await page.click("#join-button")
    await state_is(page, "joined")


async def test_who_refuses_the_microphone_may_listen(
    server: ScriptedServer, browser: Browser
) -> None:
    ana = await join(browser, server)
    page = await browser.page(HZ[1])
    await page.add_init_script(
        """navigator.mediaDevices.getUserMedia = async () => {
            throw new DOMException("no", "NotAllowedError"); };"""
    )
    listener = Listener(page)
    await page.goto(f"{server.url}/demo")
    await expect(page.locator("#microphone-problem")).to_contain_text("was refused")
    await page.fill("#name", "Ben")
    await page.get_by_role("button", name="Join as a listener").click()
    await state_is(page, "joined")
    assert server.joins[-1]["publishes"] == []
    await pictures(page, 1)
    assert (await listener.hears())[HZ[0]] > AUDIBLE_DB
    await expect(ana.page.locator("#roster li[data-participant=web-2]")).to_contain_text("listens")


async def test_leaving_leads_to_a_way_back(server: ScriptedServer, browser: Browser) -> None:
    ana = await join(browser, server)
    await ana.page.click("#leave-button")
    await state_is(ana.page, "left")
    await expect(ana.page.locator("#left-title")).to_have_text("You left demo")
    await server.until(lambda: not server.members)
    await ana.page.click("#rejoin-button")
    await state_is(ana.page, "joined")
    await pictures(ana.page, 1)
    assert "token" not in server.joins[-1]


_CUT_OFF = """() => [...document.querySelectorAll(".controls button")]
    .filter((button) => button.offsetParent !== null)
    .filter((button) => {
        const { left, right } = button.getBoundingClientRect();
        const label = button.querySelector("span");
        const isShown = label.clientHeight > 1;
        return left < 0 || right > innerWidth || isShown && label.scrollWidth > label.clientWidth;
    })
    .map((button) => button.textContent.trim())"""


@pytest.mark.parametrize("width", [320, 400, 600, 1280])
async def test_no_control_is_cut_off_on_a_narrow_screen_and_all_have_names(
    server: ScriptedServer, browser: Browser, width: int
) -> None:
    page = (await join(browser, server)).page
    await page.set_viewport_size({"width": width, "height": 700})
    await server.changed()
    assert await page.evaluate(_CUT_OFF) == []
    for name in ("Mute", "Stop camera", "Raise hand", "Devices", "People", "Leave"):
        await expect(page.get_by_role("button", name=name)).to_be_visible()


async def test_the_landing_page_leads_to_a_room(server: ScriptedServer, browser: Browser) -> None:
    page = await browser.page(HZ[0])
    await page.goto(server.url)
    await page.get_by_label("Room").fill("two words")
    await page.keyboard.press("Enter")
    await expect(page.locator("#landing-room-problem")).to_contain_text("letters a to z")
    await page.get_by_label("Room").fill("Team-1")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{server.url}/team-1")
    await expect(page.locator("#join-room")).to_have_text("team-1")
