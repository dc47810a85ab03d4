import logging
import time
from pathlib import Path

import pytest
from web_site import running_site

from gateway.web.ice_servers import IceServers

TURN = ("turn:turn.example.org",)


def end_of(servers: list[dict[str, str]]) -> int:
    return int(servers[0]["username"].partition(":")[0])


async def test_welcome_has_credentials_and_new_ones_follow_in_time(tmp_path: Path) -> None:
    servers = IceServers(turn=TURN, secret="logen", lifetime=2.0)
    async with running_site(tmp_path, ice_servers=servers) as site:
        ana = await site.browser()
        before = time.time()
        await ana.send(type="join", room="demo", name="Ana", publishes=["audio"])
        ends = [end_of((await ana.expect("welcome"))["ice_servers"])]
        assert int(before + 2) <= ends[0] <= time.time() + 2
        for _ in range(2):
            ends.append(end_of((await ana.until("ice_servers"))["ice_servers"]))
        assert ends == sorted(set(ends)), ends


async def test_passwords_are_not_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="trestle.web")
    servers = IceServers(turn=TURN, username="trestle", password="hush-hush")
    async with running_site(tmp_path, ice_servers=servers) as site:
        await site.joined("Ana")
    assert "turn.example.org" in caplog.text
    assert "hush-hush" not in caplog.text
