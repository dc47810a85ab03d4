"""The page's part in who is heard: hands, moderators, listening only, volume and blocks."""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from support.browser import Browser
from support.scripted_page import HZ, NAMES, join, state_is
from support.scripted_signalling import PHONE, ScriptedServer
from support.tones import AUDIBLE_DB
from support.until import until

pytestmark = pytest.mark.timeout(60)


def said(server: ScriptedServer, who: str, kind: str) -> list[dict[str, Any]]:
    """The messages of one type that a page has sent."""
    return [one for one in server.members[who].received if one["type"] == kind]


def row(page: Page, who: str) -> Locator:
    return page.locator(f"#roster li[data-participant={who}]")


async def test_hands_are_seen_in_their_order_and_lowered_by_the_key_too(
    server: ScriptedServer, browser: Browser
) -> None:
    server.chained = False
    ana, ben = [(await join(browser, server, person)).page for person in range(2)]
    server.members["web-1"].entry["moderator"] = True
    await server.changed()
    await expect(row(ben, "web-1").locator(".moderator-badge")).to_be_visible()
    await ben.keyboard.press("h")
    await server.until(lambda: server.members["web-2"].entry["hand"] == 1)
    await expect(ana.locator("#toasts")).to_contain_text("Ben asks for the word.")
    await expect(ana.locator("#roster li").first).to_have_attribute("data-participant", "web-2")
    await expect(row(ana, "web-2").locator(".hand")).to_have_text("1")
    await expect(ben.locator("#hand-button")).to_have_attribute("aria-pressed", "true")
    await ben.get_by_role("button", name="Lower hand").click()
    await expect(row(ana, "web-2").locator(".hand")).to_be_hidden()
    await expect(ana.locator("#roster li").first).to_have_attribute("data-participant", "web-1")


async def test_a_moderator_grants_by_keyboard_and_others_are_not_offered_it(
    server: ScriptedServer, browser: Browser
) -> None:
    server.chained = False
    server.legacy = [PHONE]
    ana, ben = [(await join(browser, server, person)).page for person in range(2)]
    server.members["web-1"].entry["moderator"] = True
    server.members["web-2"].entry["hand"] = 1
    await server.changed()
    await row(ana, "web-2").get_by_role("button", name="More about Ben").focus()
    await ana.keyboard.press("Enter")
    dialog = ana.get_by_role("dialog", name="Ben")
    await expect(dialog.get_by_label("speak")).to_be_checked()
    await dialog.get_by_label("speak").focus()
    await ana.keyboard.press("Space")
    await server.until(lambda: bool(said(server, "web-1", "grant")))
    assert said(server, "web-1", "grant") == [
        {"type": "grant", "participant": "web-2", "kinds": ["video", "screen"]}
    ]
    await expect(row(ana, "web-2").locator(".how")).to_contain_text("may not speak")
    await dialog.get_by_role("button", name="Lower their hand").click()
    await server.until(lambda: server.members["web-2"].entry["hand"] == 0)
    await ana.keyboard.press("Escape")
    await expect(row(ana, "web-2").get_by_role("button")).to_be_focused()
    await row(ana, str(PHONE["id"])).get_by_role("button").click()
    await expect(ana.get_by_role("dialog").get_by_label("share their screen")).to_be_hidden()
    await row(ben, "web-1").get_by_role("button").click()
    await expect(ben.get_by_role("dialog").locator("#person-rights")).to_be_hidden()


async def test_who_may_not_speak_is_told_why_and_is_muted_when_the_word_comes(
    server: ScriptedServer, browser: Browser
) -> None:
    ana, ben = [await join(browser, server, person) for person in range(2)]
    await server.until(lambda: server.has("web-1", "web-2"))
    server.members["web-2"].entry |= {"may": [], "publishes": []}
    await server.changed()
    button = ben.page.locator("#mute-button")
    await expect(button).to_have_text("Listening only")
    await expect(button).to_have_attribute(
        "title", "Listening only: raise your hand to ask for the word"
    )
    await expect(button).to_have_attribute("aria-disabled", "true")
    await expect(ben.page.locator("#camera-button")).to_have_text("No camera here")
    await ben.page.keyboard.press("m")
    await expect(ben.page.locator("#toasts")).to_contain_text("raise your hand to ask")
    await server.until(lambda: said(server, "web-2", "publish")[-1]["publishes"] == [])
    assert (await ana.hears())[HZ[1]] < AUDIBLE_DB
    server.members["web-2"].entry["may"] = ["audio"]
    await server.changed()
    await server.until(lambda: said(server, "web-2", "publish")[-1]["publishes"] == ["audio"])
    await expect(button).to_have_text("Unmute")
    toasts = ben.page.locator("#toasts")
    await expect(toasts).to_contain_text("You have the word")
    await expect(toasts).not_to_contain_text("raise your hand")
    await server.until(lambda: server.has("web-1", "web-2"))
    assert (await ana.hears())[HZ[1]] < AUDIBLE_DB
    await button.click()
    await expect(ana.page.locator(".tile[data-participant=web-2] .muted")).to_be_hidden()
    assert (await ana.hears())[HZ[1]] > AUDIBLE_DB


async def test_the_key_behind_the_link_goes_into_join_and_into_no_copied_link(
    server: ScriptedServer, browser: Browser
) -> None:
    page = await browser.page(HZ[0])
    await page.goto(f"{server.url}/demo#key=a%20long%2Bsecret")
    await page.get_by_label("Your name").fill(NAMES[0])
    await page.locator("#preview").wait_for()
    await page.click("#join-button")
    await state_is(page, "joined")
    assert server.joins[-1]["key"] == "a long+secret"
    await expect(page.locator("#invite-link")).to_have_text(f"{server.url}/demo")


async def test_somebody_turned_down_is_fainter_also_after_they_came_back(
    server: ScriptedServer, browser: Browser
) -> None:
    ana, ben = [await join(browser, server, person) for person in range(2)]
    await server.until(lambda: server.has("web-1", "web-2"))
    full = (await ana.hears())[HZ[1]]
    await row(ana.page, "web-2").get_by_role("button").click()
    slider = ana.page.get_by_label("Volume, for me")
    await slider.fill("0.1")
    faint = (await ana.hears())[HZ[1]]
    assert 14 < full - faint < 26
    await ana.page.keyboard.press("Escape")
    await ben.page.close()
    await join(browser, server, 1)
    await server.until(lambda: server.has("web-1", "web-3"))
    assert 14 < full - (await ana.hears())[HZ[1]] < 26


async def test_a_block_silences_at_once_is_told_again_after_a_rejoin_and_ends_by_a_click(
    server: ScriptedServer, browser: Browser
) -> None:
    ana, _ben = [await join(browser, server, person) for person in range(2)]
    await server.until(lambda: len(server.ready) >= 2)
    await row(ana.page, "web-2").get_by_role("button").click()
    await ana.page.get_by_label("Block for me").check()
    await ana.page.keyboard.press("Escape")
    tile = ana.page.locator(".tile[data-participant=web-2]")
    await expect(tile).to_contain_text("Blocked for you")
    await expect(tile).not_to_have_class("has-picture")
    # The server of this test sends the stream all the same.
    assert (await ana.hears())[HZ[1]] < AUDIBLE_DB
    assert said(server, "web-1", "block") == [
        {"type": "block", "participant": "web-2", "blocked": True}
    ]
    await server.members["web-1"].socket.close(code=1011)
    await server.until(lambda: "web-3" in server.members and bool(said(server, "web-3", "block")))
    await tile.get_by_role("button", name="Unblock").click()
    await server.until(lambda: len(said(server, "web-3", "block")) == 2)
    await server.until(lambda: server.has("web-3", "web-2"))
    assert (await ana.hears())[HZ[1]] > AUDIBLE_DB


ROGUE = """
    globalThis.WebSocket = class extends globalThis.WebSocket {
        set onmessage(take) {
            super.onmessage = take && ((event) => {
                const deaf = globalThis.rogue && /"(roster|detach)"/.test(event.data.slice(0, 20));
                if (!deaf) take(event);
            });
        }
    };
"""
"""Hears of no roster and no ended edge once it has been told to be a rogue."""


async def test_who_sends_on_without_the_right_is_heard_by_nobody_and_is_stopped(
    server: ScriptedServer, browser: Browser
) -> None:
    ana = await join(browser, server, 0, ROGUE)
    ben, chloe = [await join(browser, server, person) for person in (1, 2)]
    await server.until(lambda: server.has("web-3", "web-1") and server.has("web-1", "web-3"))
    assert (await chloe.hears())[HZ[0]] > AUDIBLE_DB
    await ana.page.evaluate("globalThis.rogue = true")
    server.members["web-1"].entry |= {"may": [], "publishes": []}
    await server.changed()
    await expect(row(chloe.page, "web-1").locator(".how")).to_contain_text("may not speak")
    assert (await ben.hears())[HZ[0]] < AUDIBLE_DB
    assert (await chloe.hears())[HZ[0]] < AUDIBLE_DB
    # She still sends, to Ben, until he has stopped the transceivers; Chloe hears him through her.
    assert await ana.page.evaluate("connections.speaking()") == 2
    await until(ana.page, "async () => await connections.speaking() === 0")
    assert (await ana.hears())[HZ[1]] > AUDIBLE_DB
    assert (await chloe.hears())[HZ[1]] > AUDIBLE_DB
    server.members["web-1"].entry |= {"may": ["audio"], "publishes": ["audio"]}
    await server.changed()
    await server.until(lambda: server.has("web-3", "web-1"), seconds=15)
    assert (await chloe.hears())[HZ[0]] > AUDIBLE_DB
