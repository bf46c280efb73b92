"""Where Python looks for modules, in this process and in its children."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def add_to_path(folder: Path) -> None:
    """First on the path of this process and of its children."""
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
