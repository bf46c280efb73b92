"""The process that builds for the server; a complaint goes to standard output.

``<root> environment <definitions> <name>``, or ``<root> layer <interpreter> <requirement>…``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sagewright.compute.environments import layer
from sagewright.compute.environments.build import BuildError, build, define


def main() -> None:
    """Exits with 1 when it cannot be built."""
    root, what, where, *words = sys.argv[1:]
    try:
        if what == "layer":
            layer.make(Path(root), where, words)
        else:
            build(Path(root), define(Path(root), Path(where), words[0]))
    except (BuildError, layer.LayerError) as problem:
        print(problem)
        sys.exit(1)


if __name__ == "__main__":
    main()
