"""Where the torch algorithms compute: a GPU when there is one, the CPU's cores otherwise; always from a seed."""

from __future__ import annotations

import os

import torch


def device() -> torch.device:
    """The first GPU that the container may use, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def prepare(seed: int = 0, threads: int | None = None) -> torch.device:
    """Seeds every generator and sets the threads of one operation (OMP_NUM_THREADS or the container's cores unless told); the device.

    To be called in the job's own process, before the first tensor: a fork must not inherit a running thread pool.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(threads or (int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))))
    torch.manual_seed(seed)
    return device()
