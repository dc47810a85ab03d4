"""Cuts ways between UDP ports of this machine (nftables, which only root may)."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from support.processes import find_program

needs_nft = pytest.mark.skipif(os.geteuid() != 0, reason="only root may drop packets by nft(8)")


@asynccontextmanager
async def cut(ways: Iterable[tuple[int, int]]) -> AsyncIterator[None]:
    """Nothing goes from one port of a pair to the other, nor back, as long as the context lasts."""
    table = f"inet trestle_test_{os.getpid()}"
    both = [way for one, other in ways for way in ((one, other), (other, one))]
    rules = "".join(f" udp sport {one} udp dport {other} drop;" for one, other in both)
    # On their way in: dropped on their way out, the sender would be told.
    hook = "type filter hook input priority 0; policy accept;"
    await _nft(f"table {table} {{ chain input {{ {hook}{rules} }}; }}")
    try:
        yield
    finally:
        await _nft(f"delete table {table}")


async def _nft(script: str) -> None:
    program = await asyncio.create_subprocess_exec(
        *(find_program("nft"), "-f", "-"),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await program.communicate(script.encode())
    assert program.returncode == 0, errors.decode()
