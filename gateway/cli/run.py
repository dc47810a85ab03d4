"""trestle run: the gateway, until it is told to stop."""

import argparse
import asyncio
import logging
import signal
import sys

from gateway.app import serve
from gateway.cli.flood import FloodGate
from gateway.cli.options import Subparsers, add_config, load_config
from gateway.cli.statedir import claimed
from gateway.config import Config

_log = logging.getLogger("trestle.app")

_TALKATIVE = ("aiortc", "aioice", "slixmpp", "aiohttp", "asyncio", "libav")
"""Libraries whose DEBUG and INFO lines tell nothing about a call."""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("run", help="start the gateway")
    add_config(parser)
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    config = load_config(options)
    _set_up_logging(config.log_level)
    with claimed(config.state_dir):
        asyncio.run(_serve(config))
    return 0


async def _serve(config: Config) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_bug)
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)

    def announce(text: str) -> None:
        sys.stdout.write(f"{text}\nStop with Ctrl-C.\n")
        sys.stdout.flush()

    waiting = asyncio.create_task(asked.wait())
    work = asyncio.create_task(serve(config, waiting, announce))
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    # A second signal ends the process at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
    await work


def _set_up_logging(level: str) -> None:
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s.%(msecs)03d %(levelname)-7s %(name)-14s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    if level != "debug":
        for handler in logging.getLogger().handlers:
            handler.addFilter(FloodGate())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _log_bug(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Nothing is swallowed by the event loop: what ends up here is our own fault."""
    error = context.get("exception")
    _log.error(
        "bug: %s", context.get("message"), exc_info=error if isinstance(error, Exception) else None
    )
