"""Frames: the worker's side of docs/architecture.md, "Frames"."""

from __future__ import annotations

import json
import struct

import pytest

from sagewright_container.serving.connection import FrameConnection
from sagewright_container.serving.frames import Frame, MalformedFrameError, answer, pack, request, unpack
from sagewright_container.serving.message import Response


def test_the_bytes_are_those_of_the_architecture_document() -> None:
    packed = pack(7, {"op": "ping"}, b"body")
    header = b'{"op":"ping"}'
    assert packed == struct.pack("<IIH", 2 + len(header) + 4, 7, len(header)) + header + b"body"


@pytest.mark.parametrize("cut", [1, 3, 9, 11, 40])
def test_frames_are_found_however_the_stream_is_cut(cut: int) -> None:
    frames = [Frame(number, {"n": number}, bytes(number * 5)) for number in range(6)]
    stream = b"".join(pack(frame.id, frame.header, frame.body) for frame in frames)
    buffer, found = bytearray(), []
    for start in range(0, len(stream), cut):
        buffer += stream[start : start + cut]
        found += unpack(buffer)
    assert found == frames
    assert not buffer


@pytest.mark.parametrize(
    "bytes_",
    [
        struct.pack("<IIH", 1 << 31, 1, 2),
        struct.pack("<IIH", 3, 1, 9) + bytes(20),
        struct.pack("<IIH", 4, 1, 2) + b"no",
        struct.pack("<IIH", 4, 1, 2) + b"[]",
        struct.pack("<IIH", 4, 1, 2) + b"\xff\xfe",
    ],
    ids=["too long", "header longer than frame", "no JSON", "no object", "no UTF-8"],
)
def test_nonsense_is_refused(bytes_: bytes) -> None:
    with pytest.raises(MalformedFrameError):
        list(unpack(bytearray(bytes_)))


def test_what_came_before_the_nonsense_is_still_answered() -> None:
    found = unpack(bytearray(pack(1, {}, b"good") + struct.pack("<IIH", 4, 2, 2) + b"no"))
    assert next(found).body == b"good"
    with pytest.raises(MalformedFrameError):
        next(found)


def test_a_question_and_its_answer() -> None:
    header = {"content_type": "text/csv", "accept": "text/csv", "custom_attributes": "a=1", "inference_id": "i"}
    asked = request(Frame(3, header, b"1,2"))
    assert (asked.body, asked.content_type, asked.accept, asked.custom_attributes, asked.inference_id) == (
        b"1,2", "text/csv", "text/csv", "a=1", "i",
    )  # fmt: skip
    (answered,) = unpack(bytearray(answer(3, Response(200, b"0.5\n", "text/csv", "b=2"))))
    assert answered == Frame(3, {"status": 200, "content_type": "text/csv", "custom_attributes": "b=2"}, b"0.5\n")
    assert request(Frame(1, {"content_type": None}, b"")).content_type == ""
    assert json.dumps(answered.header)


class Asked:
    """An endpoint that is only ever pinged."""

    def ping(self) -> Response:
        return Response(200, b"")


@pytest.mark.parametrize("cut", [7, 1000, 65_536, 1 << 20, 1 << 22])
def test_large_questions_between_small_ones(cut: int) -> None:
    """Whatever the cuts are, and whatever follows in the same piece."""
    bodies = [b"a", bytes(range(256)) * 3000, b"", bytes(300_000), b"b" * 200_000, b"c"]
    stream = b"".join(pack(number, {"accept": str(number)}, body) for number, body in enumerate(bodies))
    stream += pack(9, {"op": "ping"}, b"")
    connection, found, missing = FrameConnection(Asked()), [], 0  # type: ignore[arg-type]
    for start in range(0, len(stream), cut):
        found += connection.receive(stream[start : start + cut])
        missing = max(missing, connection.missing)
    assert [(token, asked.body, asked.accept) for token, asked in found] == [
        (number, body, str(number)) for number, body in enumerate(bodies)
    ]
    assert connection.outgoing == pack(9, {"status": 200}, b"")
    assert connection.missing == 0
    assert (missing > 600_000) == (cut <= 65_536)
