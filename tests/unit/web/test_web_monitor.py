import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from web_site import MONITOR_TOKEN, PATIENCE, Browser, Site, running_site

PLAN = """\
version: 1
rooms: { demo: { lab: yes } }
routes:
  - { name: all, match: { to: "web:{room}" }, do: { join: { room: "{room}", open: yes } } }
"""

KEY = {"Authorization": f"Bearer {MONITOR_TOKEN}"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    plan = tmp_path / "dialplan.yaml"
    plan.write_text(PLAN)
    async with running_site(tmp_path, plan=plan) as running:
        yield running


async def told(site: Site, path: str) -> dict[str, Any]:
    async with site.http.get(f"{site.url}/api/monitor{path}", headers=KEY) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def injected(site: Site, room: str = "demo", **order: object) -> tuple[int, str]:
    url = f"{site.url}/api/monitor/{room}/faults"
    async with site.http.post(url, headers=KEY, data=json.dumps(order)) as answer:
        return answer.status, await answer.text()


async def accept_edges(browser: Browser, count: int) -> None:
    """Says ready for the next so many edges that bring a stream."""
    for _ in range(count):
        while (edge := await browser.until("attach"))["child"] != browser.id:
            pass
        names = {name: edge[name] for name in ("source", "kind", "parent")}
        await browser.send(type="ready", **names)


class Feed:
    """A feed's events, one after the other."""

    def __init__(self, answer: ClientResponse) -> None:
        self._answer = answer
        self._changes: list[dict[str, Any]] = []

    async def event(self) -> tuple[str, dict[str, Any]]:
        async with asyncio.timeout(PATIENCE):
            text = (await self._answer.content.readuntil(b"\n\n")).decode()
        name, data = text.rstrip("\n").split("\n")
        return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    async def until(self, key: list[str]) -> Any:
        """The entry of this key after the next change of it."""
        while True:
            while self._changes:
                change = self._changes.pop(0)
                if change["key"] == key:
                    return change["entry"]
            name, data = await self.event()
            assert name == "changes"
            self._changes = data["changes"]


class TestTheToken:
    @pytest.mark.parametrize("path", ["", "/demo", "/demo/history", "/demo/feed", "/.."])
    @pytest.mark.parametrize(
        "given",
        [
            None,
            "",
            "Bearer",
            "Bearer wrong",
            f"Basic {MONITOR_TOKEN}",
            f"Bearer {MONITOR_TOKEN}x",
            f"Bearer {MONITOR_TOKEN[:-1]}",
            "Bearer \u00fcmlaut",
        ],
    )
    async def test_is_needed_for_everything(self, site: Site, path: str, given: str | None) -> None:
        ana = await site.joined("Ana")
        headers = {} if given is None else {"Authorization": given}
        async with site.http.get(f"{site.url}/api/monitor{path}", headers=headers) as answer:
            if path != "/..":  # which is another address
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert "needs its token" in await answer.text()
            assert "Ana" not in await answer.text()
        await ana.socket.close()

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    async def test_is_needed_for_orders(self, site: Site, method: str) -> None:
        url = f"{site.url}/api/monitor/demo/faults"
        async with site.http.request(method, url, data='{"fault": "kill"}') as answer:
            assert answer.status == 401

    async def test_is_in_no_log(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        await told(site, "")
        async with site.http.get(f"{site.url}/monitor?token={MONITOR_TOKEN}") as answer:
            assert answer.status == 200
            assert '<script type="module" src="/assets/monitor/main.js">' in await answer.text()
        assert MONITOR_TOKEN not in caplog.text


async def test_the_list_of_rooms(site: Site) -> None:
    assert await told(site, "") == {"rooms": []}
    ana, bo = await site.joined("Ana"), await site.joined("Bo", "team")
    rooms = (await told(site, ""))["rooms"]
    assert [(one["room"], one["lab"], one["participants"]) for one in rooms] == [
        ("demo", True, 1),
        ("team", False, 1),
    ]
    for browser in (ana, bo):
        await browser.socket.close()
    await site.empty()
    assert await told(site, "") == {"rooms": []}


async def test_a_room_and_what_it_was(site: Site) -> None:
    ana, bo = await site.joined("Ana"), await site.joined("Bo")
    await accept_edges(bo, 1)
    await ana.send(type="ping")
    await ana.until("pong")
    await bo.send(type="ping")
    await bo.until("pong")
    room = await told(site, "/demo")
    assert [one["name"] for one in room["participants"]] == ["Ana", "Bo"]
    edges = {(one["parent"], one["child"]): one["state"] for one in room["edges"]}
    assert edges == {(ana.id, bo.id): "live", (bo.id, ana.id): "starting"}

    await bo.socket.close()
    await ana.roster_of("Ana")
    assert (await told(site, "/demo"))["edges"] == []
    history = await told(site, "/demo/history")
    assert history["then"]["participants"] == []
    key = ["edge", "audio", ana.id, ana.id, bo.id]
    states = [(one["entry"] or {}).get("state") for one in history["changes"] if one["key"] == key]
    assert states == ["starting", "live", None]
    times = [one["at"] for one in history["changes"]]
    assert times == sorted(times)
    assert history["at"] <= times[0] <= times[-1] <= history["now"]


@pytest.mark.parametrize("path", ["/nobody", "/nobody/history", "/nobody/feed", "/api", "/%20"])
async def test_a_room_without_anybody_is_not_found(site: Site, path: str) -> None:
    async with site.http.get(f"{site.url}/api/monitor{path}", headers=KEY) as answer:
        assert answer.status == 404


async def test_the_feed_tells_what_was_and_then_what_comes(site: Site) -> None:
    ana = await site.joined("Ana")
    async with site.http.get(f"{site.url}/api/monitor/demo/feed", headers=KEY) as answer:
        assert answer.content_type == "text/event-stream"
        feed = Feed(answer)
        name, picture = await feed.event()
        assert (name, picture["lab"], picture["entries"]) == ("picture", True, [])
        assert (await feed.until(["participant", ana.id]))["name"] == "Ana"
        bo = await site.joined("Bo")
        assert (await feed.until(["participant", bo.id]))["name"] == "Bo"
        await bo.socket.close()
        assert await feed.until(["participant", bo.id]) is None
        await ana.socket.close()
        async with asyncio.timeout(PATIENCE):
            assert b"event" not in await answer.content.read(), "it ends with the room"
    async with asyncio.timeout(PATIENCE):
        while site.server.inventory()["monitor_feeds"]:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0)


async def test_a_feed_does_not_keep_the_server_from_stopping(site: Site) -> None:
    ana = await site.joined("Ana")
    async with site.http.get(f"{site.url}/api/monitor/demo/feed", headers=KEY) as answer:
        await Feed(answer).event()
        await ana.socket.close()
        await site.server.stop()
        async with asyncio.timeout(PATIENCE):
            await answer.content.read()


class TestInjection:
    async def test_strikes_who_receives(self, site: Site) -> None:
        ana, bo = await site.joined("Ana"), await site.joined("Bo")
        status, text = await injected(
            site, fault="loss", ratio=0.25, lasts=2, rate=5, seconds=1, source=ana.id, seed=1
        )
        assert status == 200, text
        fault = await bo.until("fault")
        assert fault == {"type": "fault", "fault": "loss", "seconds": 2, "ratio": 0.25}
        injection = (await told(site, "/demo"))["injection"]
        assert injection["distribution"] == "uniform"
        assert injection["struck"] >= 1
        await ana.send(type="ping")
        said = []
        while (message := await ana.receive())["type"] != "pong":
            said.append(message["type"])
        assert "fault" not in said, "the source is spared"
        for browser in (ana, bo):
            await browser.socket.close()

    async def test_ends_by_itself(self, site: Site) -> None:
        ana, bo = await site.joined("Ana"), await site.joined("Bo")
        async with site.http.get(f"{site.url}/api/monitor/demo/feed", headers=KEY) as answer:
            feed = Feed(answer)
            await feed.event()
            await injected(site, fault="freeze", rate=5, seconds=1, distribution="beta")
            entries = []
            while (entry := await feed.until(["injection"])) is not None:
                entries.append(entry)
            assert entries[-1]["struck"] == 5
        for browser in (ana, bo):
            await browser.socket.close()

    async def test_is_stopped(self, site: Site) -> None:
        ana, bo = await site.joined("Ana"), await site.joined("Bo")
        await injected(site, fault="freeze", rate=0.1, seconds=600)
        assert (await told(site, "/demo"))["injection"] is not None
        url = f"{site.url}/api/monitor/demo/faults"
        async with site.http.delete(url, headers=KEY) as answer:
            assert answer.status == 204
        assert (await told(site, "/demo"))["injection"] is None
        for browser in (ana, bo):
            await browser.socket.close()

    async def test_is_refused_in_a_room_that_is_not_for_it(self, site: Site) -> None:
        ana = await site.joined("Ana", "team")
        status, text = await injected(site, "team", fault="kill")
        assert status == 403
        assert "does not say 'lab: yes'" in text
        await ana.socket.close()

    async def test_needs_somebody(self, site: Site) -> None:
        status, text = await injected(site, fault="kill")
        assert (status, text) == (404, "nobody is in 'demo' now\n")

    @pytest.mark.parametrize(
        ("order", "complaint"),
        [
            ({}, "fault: expected one of kill, freeze, loss, delay"),
            ({"fault": ["kill"]}, "fault: expected one of"),
            ({"fault": "kill", "rate": 6}, "rate: expected a number from 0.1 to 5"),
            ({"fault": "kill", "rate": 0}, "rate: expected"),
            ({"fault": "kill", "rate": True}, "rate: expected"),
            ({"fault": "kill", "rate": float("nan")}, "rate: expected"),
            ({"fault": "kill", "seconds": 10**400}, "seconds: expected"),
            ({"fault": "loss", "ratio": 2}, "ratio: expected a number from 0 to 1"),
            ({"fault": "kill", "distribution": "normal"}, "distribution: expected one of uniform,"),
            ({"fault": "kill", "source": 7}, "source: expected a participant's id, or null"),
            ({"fault": "kill", "victim": "x"}, "'victim' is not known; there are distribution,"),
        ],
    )
    async def test_says_what_is_wrong_with_an_order(
        self, site: Site, order: dict[str, object], complaint: str
    ) -> None:
        ana = await site.joined("Ana")
        status, text = await injected(site, **order)
        assert status == 400
        assert text.startswith(complaint)
        await ana.socket.close()

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 900])
    async def test_survives_what_is_no_order(self, site: Site, body: bytes) -> None:
        url = f"{site.url}/api/monitor/demo/faults"
        async with site.http.post(url, headers=KEY, data=body) as answer:
            assert answer.status == 400

    async def test_the_page_is_told_that_the_room_is_for_it(self, site: Site) -> None:
        for room, lab in (("demo", True), ("team", False)):
            browser = await site.browser()
            await browser.send(type="join", room=room, name="Ana", publishes=[])
            assert (await browser.expect("welcome"))["lab"] is lab
            await browser.socket.close()


async def test_metrics_tell_of_trees_and_name_nobody(site: Site) -> None:
    ana, bo = await site.joined("Ana"), await site.joined("Bo")
    await accept_edges(bo, 1)
    await bo.send(type="ping")
    await bo.until("pong")
    async with site.http.get(f"{site.url}/metrics") as answer:
        text = await answer.text()
    for line in (
        'trestle_trees{kind="audio"} 2.0',
        'trestle_tree_edges{kind="audio",state="live"} 1.0',
        "trestle_tree_depth_max 1.0",
        "trestle_tree_neighbours_max 1.0",
        "trestle_tree_moves_total 0.0",
        "trestle_tree_stalled_seconds_total 0.0",
    ):
        assert f"{line}\n" in text
    assert not any(word in text for word in (ana.id, bo.id, "Ana", "demo"))
    for browser in (ana, bo):
        await browser.socket.close()
