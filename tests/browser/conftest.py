"""What most tests of pages need: a browser, and a conference whose trees the test chooses."""

from collections.abc import AsyncIterator

import pytest

from support.browser import CAMERA, Browser, Camera
from support.scripted_signalling import ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """All that are in form a chain for each source; see `unchained`."""
    server = ScriptedServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def unchained(server: ScriptedServer) -> None:
    """Nobody is linked with anybody by joining."""
    server.chained = False


@pytest.fixture
def camera() -> Camera:
    """Everybody's."""
    return CAMERA


@pytest.fixture
async def browser(camera: Camera) -> AsyncIterator[Browser]:
    async with Browser(camera) as browser:
        yield browser
