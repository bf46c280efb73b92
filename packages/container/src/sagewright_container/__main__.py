"""``python -m sagewright_container train|serve``: the commands that AWS's container contract gives to an image.

``feed``, ``compile``, ``optimize`` and ``edge`` (an agent for devices) are our own; ``spark`` is the smspark-submit of AWS's Spark image.
"""

from __future__ import annotations

import importlib
import sys

from sagewright_container import feed, serve, train


def _spark() -> int:
    """Loaded only now: no other container needs it."""
    code: int = importlib.import_module("sagewright_container.spark.submit").main()
    return code


def _compile() -> int:
    """The same."""
    code: int = importlib.import_module("sagewright_container.compilation.compile").main()
    return code


def _optimize() -> int:
    """The same."""
    code: int = importlib.import_module("sagewright_container.optimization.optimize").main()
    return code


def _edge() -> int:
    """The same."""
    code: int = importlib.import_module("sagewright_container.edge.agent").main()
    return code


COMMANDS = {
    "train": train.main,
    "serve": serve.main,
    "feed": feed.main,
    "spark": _spark,
    "compile": _compile,
    "optimize": _optimize,
    "edge": _edge,
}


def main() -> int:
    """Runs the command that the first argument names."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command not in COMMANDS:
        print(f"usage: sagewright_container {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    return COMMANDS[command]()


if __name__ == "__main__":
    sys.exit(main())
