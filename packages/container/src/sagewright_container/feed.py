"""``feed COMMAND …``: runs a command of the user's own as this process, with the pipes of its Pipe-mode channels fed."""

from __future__ import annotations

import os
import signal
import sys

from sagewright_container.layout import Layout
from sagewright_container.pipes.start import start

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as a shell has it


def main() -> int:
    """Returns only when the command cannot be run."""
    words = sys.argv[2:]
    if not words:
        print("usage: sagewright_container feed COMMAND [ARGUMENT …]", file=sys.stderr)
        return 2
    start(Layout.current())
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program would inherit that
    try:
        os.execvp(words[0], words)
    except OSError as error:
        print(f"{words[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
