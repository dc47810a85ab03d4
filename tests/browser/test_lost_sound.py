"""Sound that gets lost on the way from one browser to another is sent again."""

from contextlib import AsyncExitStack

import pytest
from load.chain import attach, open_server

from support.browser import Browser, Camera
from support.namespaces import Network, unavailable
from support.scripted_page import join
from support.until import until

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(unavailable() != "", reason=unavailable()),
]

LOSS = 0.1
MANY = 10
"""A tenth of fifty packets a second are so many in two seconds."""

_MORE_THAN = """async ([type, name, many]) => (await connections.reports())
    .some((one) => one.type === type && one.kind === "audio" && one[name] > many)"""


async def test_a_child_asks_for_lost_sound_and_its_parent_sends_it_again() -> None:
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(Network())
        server = await open_server(stack, network.address)
        hosts = [await network.host() for _ in range(2)]
        people = []
        for person, host in enumerate(hosts):
            browser = Browser(Camera(90, 8), host, server.url)
            people.append(await join(await stack.enter_async_context(browser), server, person))
        await attach(server, 1, 2)
        await network.lose(hosts[0], hosts[1], LOSS)
        parent, child = people
        for page, *what in (
            (child.page, "inbound-rtp", "nackCount"),
            (parent.page, "outbound-rtp", "retransmittedPacketsSent"),
        ):
            await until(page, _MORE_THAN, [*what, MANY])
