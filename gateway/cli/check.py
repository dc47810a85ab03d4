"""trestle check: finds the admin's mistakes before they take effect."""

import argparse
import sys

from gateway.app import rules_of_rooms
from gateway.cli.options import Subparsers, add_config, load_config
from gateway.config import MediaConfig
from gateway.dialplan.load import load_plan
from gateway.errors import TrestleError
from gateway.media import prompts


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("check", help="check the configuration and the dial plan")
    add_config(parser)
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    config = load_config(options)
    rules_of_rooms(config, load_plan(config.dialplan))
    _check_prompts(config.media)
    sys.stdout.write("The configuration and the dial plan are good.\n")
    return 0


def _check_prompts(media: MediaConfig) -> None:
    """Raises `TrestleError` for a sound file that is none."""
    for path in prompts.find(media.language, media.sounds).values():
        try:
            prompts.read(path)
        except (OSError, ValueError) as error:
            raise TrestleError(str(error)) from None
    english = prompts.missing(media.language, media.sounds)
    if english:
        sys.stdout.write(f"Said in English, not in {media.language}: {', '.join(english)}.\n")
