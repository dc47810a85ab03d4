"""The files of `build/bench`: several programs put their figures into one."""

import fcntl
import json
import os
import pathlib
import sys
from collections.abc import Mapping

FOLDER = pathlib.Path("build/bench")

Figure = float | None


def put(
    name: str, figures: Mapping[str, Figure], missing: Mapping[str, Figure] | None = None
) -> pathlib.Path:
    """Adds figures to a file, which is made where there is none; what others put there stays.

    `missing` are for keys that the file has not. Raises `ValueError` where it is no JSON."""
    path = FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or "{}")
        file.seek(0)
        file.truncate()
        file.write(json.dumps({**(missing or {}), **known, **figures}, indent=2) + "\n")
    return path


def say(text: str) -> None:
    """To whoever reads the figures, also where standard output goes into a log."""
    print(text, file=sys.__stdout__, flush=True)


def load() -> str:
    """How busy the machine is: figures that time depend on it."""
    return f"load {os.getloadavg()[0]:.1f}"
