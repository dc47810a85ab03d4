"""What the kernel says about a process: processor time and memory."""

import os
import pathlib

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far; proc(5), fields 14 and 15 of stat."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def family(pid: int) -> list[int]:
    """A process and all that it started, and they; proc(5), field 4 of stat."""
    parents: dict[int, int] = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def family_cpu_seconds(pid: int) -> float:
    """Of a process and all that it started and that still run."""
    total = 0.0
    for one in family(pid):
        try:
            total += cpu_seconds(one)
        except OSError:  # it has ended
            continue
    return total
