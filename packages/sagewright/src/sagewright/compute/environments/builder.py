"""The process that builds one environment for the server: ``<root> <definitions> <name>``; a complaint goes to standard output."""

from __future__ import annotations

import sys
from pathlib import Path

from sagewright.compute.environments.build import BuildError, build
from sagewright.compute.environments.definition import Definition


def main() -> None:
    """Exits with 1 when it cannot be built."""
    root, definitions, name = sys.argv[1:]
    try:
        build(Path(root), Definition.read(Path(definitions), name))
    except BuildError as problem:
        print(problem)
        sys.exit(1)


if __name__ == "__main__":
    main()
