"""How busy GPUs are, as NVIDIA's own program says."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

_QUERY = "--query-gpu=index,uuid,utilization.gpu,memory.used,memory.total"
_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GpuUse:
    """Percent of the time and of the memory that is in use, each summed over the GPUs: two that are half busy are 100."""

    busy: float
    memory: float


def read(devices: Sequence[str]) -> GpuUse | None:
    """Of the GPUs with these ids, as CUDA_VISIBLE_DEVICES has them. None where there is none, or nobody to ask."""
    program = shutil.which("nvidia-smi") if devices else None
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, _QUERY, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=_SECONDS, check=True
        )
        rows = [_row(line) for line in done.stdout.splitlines() if line.strip()]
    except (OSError, subprocess.SubprocessError, ValueError) as problem:
        _log.warning("the use of the GPUs is not known: %s", problem)
        return None
    own = [use for names, use in rows if any(name in devices for name in names)]
    return GpuUse(sum(use.busy for use in own), sum(use.memory for use in own)) if own else None


def _row(line: str) -> tuple[tuple[str, str], GpuUse]:
    """Raises ValueError for what is no row of the query; some GPUs say "[N/A]"."""
    index, uuid, busy, used, total = (cell.strip() for cell in line.split(","))
    return (index, uuid), GpuUse(float(busy), float(used) / float(total) * 100)
