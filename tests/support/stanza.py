"""An XMPP client with Jingle audio: stanza.js in headless Chromium, see stanza-peer/page.js."""

import subprocess
from pathlib import Path
from typing import cast

from aiohttp import web
from aiohttp.test_utils import RawTestServer
from playwright.async_api import Page

from support.browser import Browser, Listener

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).parent / "stanza-peer" / "page.js"
BUNDLE = ROOT / "build" / "stanza-peer.js"


def bundle() -> Path:
    """The client in one file; built once for each change of it."""
    tool = ROOT / "node_modules" / ".bin" / "esbuild"
    if not tool.exists():
        raise AssertionError("the npm packages are not installed; run `npm ci`")
    inputs = (SOURCE, ROOT / "package-lock.json")
    fresh = BUNDLE.exists() and all(
        BUNDLE.stat().st_mtime > file.stat().st_mtime for file in inputs
    )
    if not fresh:
        command = [str(tool), str(SOURCE), "--bundle", "--format=iife", f"--outfile={BUNDLE}"]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return BUNDLE


class XmppClient(Listener):
    """One account's client with a microphone of its own."""

    @classmethod
    async def open(cls, browser: Browser, hz: int) -> "XmppClient":
        """A fresh page with the client, not logged in yet."""
        html = f"<!doctype html><title>XMPP client</title><script>{bundle().read_text()}</script>"

        async def answer(_: web.BaseRequest) -> web.Response:
            return web.Response(text=html, content_type="text/html")

        page = await browser.page(hz)
        # A real server, not Playwright's `fulfill`: Chromium would take such a page for one from
        # the internet, and those may not open web sockets to this machine.
        async with RawTestServer(answer) as server:
            await page.goto(str(server.make_url("/")))
        return cls(page, hz)

    def __init__(self, page: Page, hz: int) -> None:
        super().__init__(page)
        self.hz = hz

    async def login(self, jid: str, password: str, url: str) -> str:
        """Over XMPP on WebSocket (RFC 7395); returns the full JID."""
        arguments = {"jid": jid, "password": password, "url": url}
        return cast("str", await self._run("login", arguments))

    async def call(self, peer: str, *, video: bool = False) -> None:
        """Calls a full JID by session-initiate and returns when the media is connected."""
        await self._run("call", {"peer": peer, "video": video})

    async def end(self) -> None:
        """Hangs up by session-terminate."""
        await self._run("end", None)

    async def exchange(self, xml: str, awaits: str) -> str:
        """Sends a stanza as written; returns the first one to come in that contains `awaits`."""
        return cast("str", await self._run("exchange", {"xml": xml, "awaits": awaits}))

    async def session_state(self) -> str | None:
        return cast("str | None", await self._run("state", None))

    async def stanzas(self) -> list[str]:
        return cast("list[str]", await self.page.evaluate("xmpp.stanzas"))

    async def _run(self, name: str, argument: object) -> object:
        result: object = await self.page.evaluate(f"argument => xmpp.{name}(argument)", argument)
        return result
