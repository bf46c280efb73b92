"""How much memory this machine has left for another container."""

from __future__ import annotations

from pathlib import Path

import psutil

_GROUP = Path("/sys/fs/cgroup")
"""Our own control group, where the server runs in a container with a limit."""


def free_memory(group: Path = _GROUP) -> int:
    """Bytes that can be taken without swapping: the machine's, or what is left of our control group's limit."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = (group / "memory.max").read_text().strip(), int((group / "memory.current").read_text())
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return free  # the root group has no limit
    if limit == "max":
        return free
    return min(free, int(limit) - used + int(counts.get("inactive_file", 0)))
