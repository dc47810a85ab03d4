"""What several subcommands share on their command lines."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Config, load

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = object


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration; without it everything is as in config/gateway.yaml",
    )


def load_config(options: argparse.Namespace) -> Config:
    """Raises `ConfigErrors`."""
    return load(options.config)
