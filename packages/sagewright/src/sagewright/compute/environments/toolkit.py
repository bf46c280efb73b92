"""The packages that run inside, shown to another interpreter: a link to each in its site-packages.

Naming their folder in PYTHONPATH would bring everything along that is installed beside them. The links are made anew when the
server has moved.
"""

from __future__ import annotations

import os
from pathlib import Path

from sagewright.compute import host


def link(environment: Path) -> None:
    """Makes the links, or mends them. Raises OSError."""
    site = next(environment.glob("lib/python*/site-packages"), None)
    if site is None:
        raise FileNotFoundError(2, "the environment has no site-packages", str(environment))
    for package in host.packages():
        place = site / package.name
        if not place.is_symlink() or place.readlink() != package:
            fresh = place.with_name(f".{package.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(package)
            fresh.replace(place)
