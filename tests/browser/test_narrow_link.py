"""Pictures that a child's line cannot carry are made to fit it."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from load.chain import chain, open_server

from support.browser import Browser, Camera
from support.namespaces import Network, unavailable
from support.scripted_page import join
from support.until import until

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(unavailable() != "", reason=unavailable()),
]

CAMERA = Camera(270, 15)
KILOBITS = 200
"""The root's picture takes some 250 kbit/s, and its sound 60 with all headers."""
RECOVERING = 30
"""Seconds: what was queued before has to drain, and a key frame to come through."""

_METHODS = """async (wanted) => (await trestle.stats())
    .filter(({ source }) => source === "web-1")
    .map(({ kind, method }) => `${kind} ${method}`).sort().join() === wanted"""


async def test_a_relay_encodes_anew_for_a_child_whose_line_is_too_narrow() -> None:
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(Network())
        server = await open_server(stack, network.address)
        hosts = [await network.host() for _ in range(2)]
        browsers = [
            await stack.enter_async_context(Browser(CAMERA, host, server.url)) for host in hosts
        ]
        near, far = browsers
        people = [await join(near, server, 0), await join(near, server, 1)]
        people.append(await join(far, server, 2))
        await chain(server, people)
        relay, child = people[1:]
        await until(relay.page, _METHODS, "audio swap,high swap")
        await network.narrow(hosts[1], KILOBITS)
        await until(relay.page, _METHODS, "audio swap,high reforward", within=40)
        async with asyncio.timeout(RECOVERING):
            while not (await child.sees())["web-1"].moves:
                pass
