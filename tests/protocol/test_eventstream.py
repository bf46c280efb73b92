"""The event stream against botocore's own decoder."""

from __future__ import annotations

import pytest
from botocore.eventstream import EventStreamBuffer

from sagewright.wire.errors import Fault
from sagewright.wire.protocols import eventstream


def test_botocore_reads_our_events_and_exceptions() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.encode_event("PayloadPart", b"abc") + eventstream.encode_event("PayloadPart", b""))
    buffer.add_data(eventstream.encode_exception("ModelStreamError", {"Message": "boom", "ErrorCode": "StreamBroken"}))
    part, empty, exception = [event.to_response_dict() for event in buffer]
    assert part["headers"] == {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }
    assert (part["body"], empty["body"]) == (b"abc", b"")
    assert exception["headers"][":exception-type"] == "ModelStreamError"
    assert exception["status_code"] == 400
    assert b"StreamBroken" in exception["body"]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_the_decoder_takes_any_pieces(step: int) -> None:
    stream = b"".join(
        eventstream.encode({":event-type": f"event-{number}", "x": "é"}, b"\x00" * number) for number in range(20)
    )
    decoder = eventstream.Decoder()
    found = [message for at in range(0, len(stream), step) for message in decoder.feed(stream[at : at + step])]
    assert [len(message.payload) for message in found] == list(range(20))
    assert found[3].headers == {":event-type": "event-3", "x": "é"}


def test_every_spoilt_byte_is_noticed() -> None:
    message = eventstream.encode({"a": "b"}, b"payload")
    for position in range(len(message)):
        spoilt = bytearray(message)
        spoilt[position] ^= 0x40
        with pytest.raises(Fault, match="corrupt"):
            list(eventstream.Decoder().feed(bytes(spoilt)))


def test_too_large_an_event_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        eventstream.encode({}, bytes(eventstream.LARGEST_MESSAGE))
