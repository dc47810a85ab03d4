"""The trestle command: one module for each subcommand."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from gateway.cli import account, check, run
from gateway.errors import TrestleError

_COMMANDS = (run, check, account)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand and gives the exit code: 0 done, 1 it could not be, 2 misspelt."""
    parser = argparse.ArgumentParser(
        prog="trestle", description="One conference for browsers, SIP phones and XMPP clients."
    )
    parser.add_argument("--version", action="version", version=version("trestle-gateway"))
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(subparsers)
    chosen = parser.parse_args(arguments)
    try:
        code: int = chosen.command(chosen)
    except TrestleError as error:
        sys.stderr.write(f"trestle: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return code
