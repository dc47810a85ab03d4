"""trestle check: finds the admin's mistakes before they take effect."""

import argparse
import sys

from gateway.cli.options import Subparsers, add_config, load_config
from gateway.dialplan.load import load_plan


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("check", help="check the configuration and the dial plan")
    add_config(parser)
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    config = load_config(options)
    load_plan(config.dialplan)
    sys.stdout.write("The configuration and the dial plan are good.\n")
    return 0
