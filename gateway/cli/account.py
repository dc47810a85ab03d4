"""trestle account: accounts of the XMPP server that Trestle runs itself."""

import argparse
import asyncio
import getpass
import sys
import warnings

from gateway.app import embedded_prosody
from gateway.cli.options import Subparsers, add_config, load_config
from gateway.errors import TrestleError


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("account", help="accounts of the embedded XMPP server")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make an account, or give it a new password")
    add.add_argument("jid", help="such as alice@localhost")
    add.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    add_config(add)
    add.set_defaults(command=_add)


def _add(options: argparse.Namespace) -> int:
    config = load_config(options)
    if config.xmpp.server is not None:
        raise TrestleError(
            "xmpp.server is set: accounts are made on that server, not by this command"
        )
    prosody = embedded_prosody(config)
    prosody.account(options.jid)  # before anybody types a password for nothing
    asyncio.run(prosody.add_account(options.jid, _password(options)))
    sys.stdout.write(f"{options.jid} can log in now.\n")
    return 0


def _password(options: argparse.Namespace) -> str:
    """Never an argument: command lines can be read by everyone on the machine."""
    if options.password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = _typed(f"Password for {options.jid}: ")
        if password != _typed("Once more: "):
            raise TrestleError("the two passwords differ: nothing was done")
    if not password:
        raise TrestleError("the password is empty: nothing was done")
    return password


def _typed(prompt: str) -> str:
    with warnings.catch_warnings():
        # getpass would go on and read standard input, with the password on the screen.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except getpass.GetPassWarning:
            raise TrestleError("no terminal: use --password-stdin") from None
        except EOFError:
            raise TrestleError("no password was typed: nothing was done") from None
