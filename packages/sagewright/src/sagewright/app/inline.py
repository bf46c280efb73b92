"""Front and control on one event loop (``sagewright up --inline``): one process to put a debugger on. Objects stay apart.

They talk through control's socket as ever, so that nothing behaves differently but the time it takes: control's work delays
the answers of inference here.
"""

from __future__ import annotations

import logging

from sagewright.app.control import Control
from sagewright.app.process import serve, stop_signals
from sagewright.front.process import Front
from sagewright.settings import Settings

log = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stopping = stop_signals()
    control = await Control.start(settings)
    front = Front(settings)
    try:
        port = await front.start()
        log.info("listening on %s port %d", settings.host, port)
        await stopping.wait()
    finally:
        await front.stop()
        await control.close()


if __name__ == "__main__":
    serve(run)
