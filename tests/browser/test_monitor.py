"""The monitor's page beside real pages: what it draws is what is, also back then."""

import asyncio
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import pytest
from playwright.async_api import Page, expect

from gateway.conference.rooms import Rooms
from gateway.conference.surroundings import Surroundings
from gateway.dialplan.load import load_plan
from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from gateway.trees.planner import TreePolicy
from gateway.trees.policies.binary_tree import BinaryTree
from gateway.trees.policies.linked_list import LinkedList
from gateway.web.metrics import exposition
from gateway.web.server import WebServer
from support.browser import Browser
from support.conference import Person
from support.sockets import free_ports
from support.until import until

pytestmark = pytest.mark.timeout(120)

TOKEN = "a-token-for-the-monitor"
ROOT = Path(__file__).parents[2]
SCREENSHOT = Path(os.environ.get("TRESTLE_MONITOR_SCREENSHOT", "build/monitor.png"))

PLAN = """\
version: 1
rooms: { demo: { lab: yes } }
routes:
  - { name: all, match: { to: "web:{room}" }, do: { join: { room: "{room}", open: yes } } }
"""

PEOPLE = (("Ana Lopes", 401), ("Ben", 491), ("Chloé", 593))


class SmallSite:
    """Rooms and the web server, in trees of a policy that the test chooses."""

    def __init__(self, folder: Path, policy: TreePolicy) -> None:
        loop = asyncio.get_running_loop()
        plan = folder / "dialplan.yaml"
        plan.write_text(PLAN)
        self.plane = InlinePlane(Settings(free_ports(20), "127.0.0.1"))
        time = Surroundings(loop.time, loop.call_at)
        self.rooms = Rooms(load_plan(plan), self.plane, policy, time, 120)
        self.web = WebServer(
            listen="127.0.0.1",
            port=0,
            tls_port=None,
            state_dir=folder,
            monitor_token=TOKEN,
            status=dict,
            metrics=lambda: exposition({}, {}, self.rooms.tree_figures()),
        )

    async def __aenter__(self) -> Self:
        await self.plane.start(self.rooms.on_media_event)
        await self.web.start(self.rooms)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.web.stop()
        await self.plane.stop()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.web.port}"


async def open_monitor(browser: Browser, site: SmallSite) -> Page:
    """By the link that the gateway tells; `demo` is the only room."""
    page = await browser.page(0)
    await page.set_viewport_size({"width": 1400, "height": 800})
    await page.goto(f"{site.url}/monitor?token={TOKEN}")
    await page.get_by_role("link", name="demo").click()
    return page


async def drawn(page: Page) -> set[str]:
    """The lines of the drawing that carry a stream: "parent child"."""
    script = """() => [...document.querySelectorAll("#drawing .edge.live")]
        .map((line) => line.dataset.edge)"""
    return set(await page.evaluate(script))


async def until_drawn(page: Page, edges: set[str]) -> None:
    """Waits for exactly these live lines."""
    script = """edges => [...document.querySelectorAll("#drawing .edge.live")]
        .map((line) => line.dataset.edge).sort().join() === edges"""
    try:
        await until(page, script, ",".join(sorted(edges)))
    except AssertionError:
        raise AssertionError(f"{await drawn(page)} is drawn, not {edges}") from None


async def test_three_pages_are_seen_live_and_back_then_and_a_relay_is_killed(
    browser: Browser, tmp_path: Path
) -> None:
    async with SmallSite(tmp_path, LinkedList()) as site:
        people = [await Person.join(browser, f"{site.url}/demo", *one) for one in PEOPLE]
        ana, ben, chloe = (one.own for one in people)
        await expect(people[0].page.locator("#lab-notice")).to_be_visible()
        page = await open_monitor(browser, site)
        assert "token" not in page.url, "the address bar shows no secret"
        await expect(page.locator("#drawing .node")).to_have_count(3)

        # One tree: the chain in which Ana's sound goes.
        tree = site.rooms._rooms["demo"].conference.forests["audio"][ana]  # type: ignore[index]
        chain = {f"{parent} {child}" for child, parent in tree.parent_of.items()}
        await page.select_option("#look-source", ana)
        await until_drawn(page, chain)
        relay = next(parent for parent in tree.parent_of.values() if parent != ana)
        await page.locator(f'[data-node="{relay}"]').press("Enter")
        await expect(page.locator("#details-facts")).to_contain_text("of them relayed")
        await expect(page.locator("#details-lists")).to_contain_text("Ana Lopes, sound, from")

        # The same as a table.
        await page.get_by_role("button", name="Table").click()
        await expect(page.locator("#table-body tr.live")).to_have_count(2)
        await page.get_by_role("button", name="Drawing").click()
        await page.select_option("#look-source", "")
        await page.select_option("#look-kind", "")
        await page.get_by_role("button", name="Close").click()
        target = ROOT / SCREENSHOT
        target.parent.mkdir(exist_ok=True)
        await page.screenshot(path=target)

        # A kill: somebody in Ana's tree goes without a word and comes back as somebody new.
        order = {"fault": "kill", "rate": 1, "seconds": 1, "source": ana, "seed": 3}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{site.url}/api/monitor/demo/faults"
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(url, data=json.dumps(order)) as answer,
        ):
            assert answer.status == 200
        gone = "who => who.filter((id) => !document.querySelector(`[data-node='${id}']`)).length"
        await until(page, f"who => ({gone})(who) === 1", [ben, chloe])
        await expect(page.locator("#drawing .node")).to_have_count(3, timeout=20_000)
        assert site.rooms.monitor.totals.faults == 1
        names = await page.locator("#drawing .node").evaluate_all(
            "nodes => nodes.map((node) => node.getAttribute('aria-label')).sort()"
        )
        assert names == sorted(name for name, _ in PEOPLE), "the killed page has come back"
        assert await page.locator("#drawing .node").evaluate_all(
            "nodes => nodes.map((node) => node.dataset.node)"
        ) != [ana, ben, chloe]

        # Back then all three were there as they were, and live is live again.
        before = await page.evaluate(
            """() => {
              const slider = document.getElementById("replay-slider");
              slider.value = slider.min;
              slider.dispatchEvent(new Event("input"));
              return document.querySelectorAll("#drawing .node").length;
            }"""
        )
        assert before <= 1, "at the very beginning nobody but Ana was here"
        await expect(page.locator("#replay-text")).to_contain_text("ago")
        await page.select_option("#replay-speed", "1")
        await page.get_by_role("button", name="Play").click()
        for who in (ben, chloe):
            await expect(page.locator(f'[data-node="{who}"]')).to_have_count(1, timeout=20_000)
        await page.select_option("#replay-speed", "30")
        await expect(page.locator("#replay-text")).to_have_text("Live", timeout=20_000)
        assert await page.locator(f'[data-node="{ben}"], [data-node="{chloe}"]').count() == 1
        for one in people:
            await one.close_tab()
        await expect(page.locator("#banner")).to_have_text("Nobody is in demo now.")


async def test_a_wrong_token_is_told_and_a_gateway_that_is_gone_too(
    browser: Browser, tmp_path: Path
) -> None:
    async with SmallSite(tmp_path, LinkedList()) as site:
        page = await browser.page(0)
        await page.goto(f"{site.url}/monitor?token=a-wrong-one")
        await expect(page.locator("#token-problem")).to_have_text("This is not the token.")
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Open the monitor").click()
        await expect(page.locator("#rooms-empty")).to_be_visible()
        await page.reload()
        await expect(page.locator("#rooms-empty")).to_be_visible()
    await expect(page.locator("#banner")).to_contain_text("does not answer")


class Peer:
    """A participant that is only a socket: it takes every edge that it is told of."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, name: str) -> None:
        self.socket = socket
        self._name = name
        self.id = ""

    async def run(self) -> None:
        join = {"type": "join", "room": "demo", "name": self._name, "publishes": []}
        await self.socket.send_json(join)
        async for frame in self.socket:
            message: dict[str, Any] = json.loads(frame.data)
            if message["type"] == "welcome":
                self.id = message["you"]
            if message["type"] == "attach" and message["child"] == self.id:
                names = {name: message[name] for name in ("source", "kind", "parent")}
                await self.socket.send_json({"type": "ready", **names})


async def test_a_room_of_a_hundred_is_drawn(browser: Browser, tmp_path: Path) -> None:
    async with (
        SmallSite(tmp_path, BinaryTree()) as site,
        aiohttp.ClientSession() as http,
        asyncio.TaskGroup() as group,
    ):
        peers = []
        for number in range(100):
            socket = await http.ws_connect(f"{site.url}/ws")
            peers.append(Peer(socket, f"Listener {number}"))
            group.create_task(peers[-1].run())
        # Two of them speak.
        for peer in peers[:2]:
            while not peer.id:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await peer.socket.send_json({"type": "publish", "publishes": ["audio"]})
        page = await open_monitor(browser, site)
        await expect(page.locator("#drawing .node")).to_have_count(100, timeout=20_000)
        await expect(page.locator("#summary")).to_contain_text("100 participants, 2 trees, 198")
        await page.select_option("#look-source", peers[0].id)
        await expect(page.locator("#drawing .edge.live")).to_have_count(99, timeout=20_000)
        await page.screenshot(path=ROOT / "build/monitor-100.png", full_page=True)
        for peer in peers:
            await peer.socket.close()
