"""Headless Chromium: people at the conference's own page, each with a tone and a colour."""

import asyncio
import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from playwright.async_api import Page, async_playwright

from support.namespaces import Host
from support.processes import find_program
from support.tones import TONES, Samples, levels

RATE = 48_000
"""Hz at which page/listening.js takes what is heard."""

WINDOW = 0.7
"""Seconds of sound that one look at it holds; page/listening.js."""

LOOKS = (0.0, 0.2, 0.5)
"""Seconds between looks at a picture: uneven, so that no movement falls in step with them."""

ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses to run as root with it, and CI is often root
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # Peers on one machine have no multicast DNS to resolve each other's .local names by.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--mute-audio",
]

SCRIPTS = Path(__file__).parent / "page"

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "lightsalmon": (255, 160, 122),
    "mediumseagreen": (60, 179, 113),
    "cornflowerblue": (100, 149, 237),
    "khaki": (240, 230, 140),
    "orchid": (218, 112, 214),
    "darkturquoise": (0, 206, 209),
}
"""What people's walls are painted in; far enough apart to be told after any video codec."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a tile showed during a moment."""

    frames: int
    """How many more frames were shown at the end than at the start."""
    moves: bool
    colour: str
    """The one of `COLOURS` that fills it."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What a machine has to encode, again and again where it relays."""

    height: int = 180
    """Pixels; the picture is 16:9. 0: the machine has no camera."""
    rate: int = 15
    """Frames per second."""
    timed: bool = False
    """Shows the time and beeps, so that delays can be measured; page/timed.js."""


CAMERA = Camera()


class Browser:
    """One Chromium with one private profile per page, like people at computers of their own."""

    def __init__(
        self,
        camera: Camera = CAMERA,
        host: Host | None = None,
        origin: str = "",
        script: str = "",
    ) -> None:
        """On `host`, if on any, it gets devices for pages of `origin`, as if these were secure.

        `script` runs in each page, after the test's own ones and before the page's.
        """
        self._camera = camera
        self._script = script
        self._arguments = list(ARGUMENTS)
        self._environ: dict[str, str | float | bool] = dict(os.environ)
        if host is not None:
            self._environ["TRESTLE_TEST_NAMESPACE"] = str(host.pid)
            self._arguments.append(f"--unsafely-treat-insecure-origin-as-secure={origin}")
        self._console: list[str] = []

    async def __aenter__(self) -> Self:
        self._playwright = await async_playwright().start()
        try:
            find_program("chromium")
            self._chromium = await self._playwright.chromium.launch(
                executable_path=Path(__file__).with_name("yielding-chromium"),
                args=self._arguments,
                env=self._environ,
            )
        except BaseException:
            await self._playwright.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._chromium.close()
        await self._playwright.stop()
        # pytest shows it only where a test failed.
        print("--- what the pages' consoles said ---", *self._console, sep="\n")  # noqa: T201

    @property
    def has_camera(self) -> bool:
        return self._camera.height > 0

    async def page(self, hz: int, colour: str = "khaki") -> Page:
        """An empty page that has its own microphone and camera."""
        context = await self._chromium.new_context(viewport={"width": 1280, "height": 800})
        devices = {"hz": hz, "colour": colour, **asdict(self._camera)}
        await context.add_init_script(f"globalThis.testDevices = {json.dumps(devices)}")
        for script in sorted(SCRIPTS.glob("*.js")):
            await context.add_init_script(path=script)
        if self._script:
            await context.add_init_script(self._script)
        page = await context.new_page()
        say = self._console.append
        page.on("console", lambda message: say(f"{hz} Hz: {message.type}: {message.text}"))
        page.on("pageerror", lambda error: say(f"{hz} Hz: uncaught: {error}"))
        return page

    async def renderers(self) -> list[int]:
        """The processes in which pages run, by number."""
        session = await self._chromium.new_browser_cdp_session()
        told = await session.send("SystemInfo.getProcessInfo")
        return [one["id"] for one in told["processInfo"] if one["type"] == "renderer"]


class Listener:
    """What comes out of a page's loudspeakers, and what its tiles show."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.own = ""
        """The page's own participant id, whose tile is no news."""

    async def sounds(self) -> dict[str, Samples]:
        """The next 0.7 s of what is heard of each participant."""
        await self.page.evaluate("own => listening.tap(own)", self.own)
        await asyncio.sleep(WINDOW)
        heard = await self.page.evaluate("own => listening.heard(own)", self.own)
        return {participant: _mix(parts) for participant, parts in heard.items()}

    async def hears(self) -> dict[int, float]:
        """The level of every tone in the sum of all that is heard."""
        sounds = list((await self.sounds()).values())
        return levels(np.sum(sounds, axis=0) if sounds else np.zeros(0), RATE)

    async def hears_each(self) -> dict[str, dict[int, float]]:
        """The level of every tone in each participant's sound."""
        return {who: levels(sound, RATE, TONES) for who, sound in (await self.sounds()).items()}

    async def sees(self) -> dict[str, Picture]:
        """The pictures of the others, watched for a moment."""
        looks = []
        for pause in LOOKS:
            await asyncio.sleep(pause)
            looks.append(await self.page.evaluate("own => listening.seen(own)", self.own))
        return {who: _watch([look[who] for look in looks if who in look]) for who in looks[-1]}


def _mix(parts: list[str]) -> Samples:
    sounds = [np.frombuffer(base64.b64decode(part), dtype="<i2") / 32768 for part in parts]
    mixed: Samples = np.sum(sounds, axis=0)
    return mixed


def _watch(looks: Sequence[Mapping[str, Any]]) -> Picture:
    frames = looks[-1]["frames"] - looks[0]["frames"]
    pixels = [np.array(look["pixels"]).reshape(-1, 4)[:, :3] for look in looks]
    middle = np.median(pixels[-1], axis=0)
    nearest = min(COLOURS, key=lambda name: float(np.abs(middle - COLOURS[name]).sum()))
    moves = any(np.abs(after - before).max() > 60 for before, after in pairwise(pixels))
    return Picture(frames, moves, nearest)
