"""A test that leaves an error in its event loop has failed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import settings

# How long one example takes says more about the machine than about us; pytest-timeout has the end.
settings.register_profile("trestle", deadline=None)
settings.load_profile("trestle")


@pytest.fixture(autouse=True)
async def no_silent_loop_errors() -> AsyncIterator[None]:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    yield
    assert not errors, errors
