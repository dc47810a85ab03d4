"""What a process holds, as the kernel tells it."""

import os
from pathlib import Path


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def udp_sockets(pid: int) -> int:
    rows = [
        line.split()
        for table in ("udp", "udp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    inodes = {f"socket:[{row[9]}]" for row in rows}
    links = Path(f"/proc/{pid}/fd").iterdir()
    return sum(_target(link) in inodes for link in links)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # closed between listing and reading
        return ""
