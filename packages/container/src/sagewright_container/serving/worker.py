"""One worker process: ``python -m sagewright_container.serving.worker <fd>`` answers the frames that come over an inherited socket.

The first frame it sends says that the model is loaded. A streamed body travels as frames whose header says "more". It ends when
the other side closes.
"""

from __future__ import annotations

import signal
import socket
import sys
import traceback
from collections.abc import Iterator

from sagewright_container.layout import Layout
from sagewright_container.serving import user_endpoint
from sagewright_container.serving.frames import Frame, answer, pack, request, unpack
from sagewright_container.serving.message import Response

_PIECE = 1 << 18


def main() -> int:
    """1 when the model cannot be loaded."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the parent decides when all have answered
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        try:
            endpoint = user_endpoint.load(Layout.current())
        except Exception:  # noqa: BLE001 - the user's script and model_fn may raise anything
            traceback.print_exc()
            return 1
        parent.sendall(pack(0, {"op": "ready"}, b""))
        for frame in frames(parent):
            (response,) = endpoint.invoke([request(frame)])
            for piece in _encoded(frame.id, response):
                parent.sendall(piece)
    return 0


def frames(connection: socket.socket) -> Iterator[Frame]:
    """Until the peer closes. Raises MalformedFrameError."""
    buffer = bytearray()
    while data := connection.recv(_PIECE):
        buffer += data
        yield from unpack(buffer)


def _encoded(id_: int, response: Response) -> Iterator[bytes]:
    if isinstance(response.body, bytes):
        yield answer(id_, response)
        return
    head = Response(response.status, b"", response.content_type, response.custom_attributes)
    yield answer(id_, head, more=True)
    end = {"more": False}
    try:
        for piece in response.body:
            yield pack(id_, {"more": True}, piece)
    except Exception:  # noqa: BLE001 - the user's generator may raise anything, after the head was sent
        traceback.print_exc()
        end = {"more": False, "broken": True}
    yield pack(id_, end, b"")


if __name__ == "__main__":
    sys.exit(main())
