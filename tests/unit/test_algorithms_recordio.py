"""RecordIO protobuf (DG:cdf-training), against bytes that the SageMaker SDK (sagemaker.amazon.common) wrote. Feature row H03."""

from __future__ import annotations

from array import array

import pytest

from sagewright_algorithms.recordio import MalformedRecordError, Record, Tensor, decode, encode, frame

FLOAT32 = bytes.fromhex(
    "0a23d7ce2c0000000a160a0676616c756573120c120a0a080000c03f000000c012120a0676616c756573120812060a040000803f"
    "0a23d7ce2c0000000a160a0676616c756573120c120a0a08000040400000884012120a0676616c756573120812060a0400000000"
)
FLOAT64 = bytes.fromhex(
    "0a23d7ce380000000a1e0a0676616c75657312141a120a10000000000000f83f00000000000000c0"
    "12160a0676616c756573120c1a0a0a080000000000001c40"
)
INT32 = bytes.fromhex(
    "0a23d7ce2e0000000a1b0a0676616c75657312113a0f0a0d03feffffffffffffffff01ac02120f0a0676616c75657312053a030a01010000"
)
SPARSE = bytes.fromhex(
    "0a23d7ce2e0000000a180a0676616c756573120e120c0a040000b0401201021a010412120a0676616c756573120812060a040000803f0000"
    "0a23d7ce330000000a1d0a0676616c7565731213"
    "12110a080000803f00004843120201031a010412120a0676616c756573120812060a040000000000"
)


def values(record: Record) -> tuple[list[float], list[float]]:
    return list(record.features["values"].values), list(record.label["values"].values)


def test_dense_records_of_the_sdk() -> None:
    assert [values(record) for record in decode(FLOAT32)] == [([1.5, -2.0], [1.0]), ([3.0, 4.25], [0.0])]
    assert [values(record) for record in decode(FLOAT64)] == [([1.5, -2.0], [7.0])]
    assert [values(record) for record in decode(INT32)] == [([3.0, -2.0, 300.0], [1.0])]


def test_sparse_records_of_the_sdk() -> None:
    first, second = decode(SPARSE)
    assert first.features["values"] == Tensor(array("f", [5.5]), array("Q", [2]), (4,))
    assert second.features["values"] == Tensor(array("f", [1.0, 200.0]), array("Q", [1, 3]), (4,))
    assert second.label["values"].keys is None


@pytest.mark.parametrize("written", [FLOAT32, SPARSE], ids=["dense", "sparse"])
def test_what_we_write_is_what_the_sdk_writes(written: bytes) -> None:
    assert encode(decode(written)) == written


def test_unpacked_and_unknown_fields_are_read() -> None:
    """Protobuf readers must take repeated numbers one by one, and skip what they do not know."""
    tensor = b"\x0d\x00\x00\xc0\x3f" + b"\x0d\x00\x00\x00\xc0" + b"\x50\x07" + b"\x59" + bytes(8)
    entry = b"\x0a\x06values" + b"\x12" + bytes([len(tensor) + 2]) + b"\x12" + bytes([len(tensor)]) + tensor
    (record,) = decode(frame(b"\x0a" + bytes([len(entry)]) + entry + b"\x1a\x03uid"))
    assert list(record.features["values"].values) == [1.5, -2.0]


@pytest.mark.parametrize(
    "content",
    [
        b"1,2,3\n",
        FLOAT32[:-1],
        FLOAT32[:6],
        frame(b"\x0a\xff"),
        frame(b"\x0a\x80\x80"),
        frame(b"\x0b\x01"),
        frame(b"\x0a\x02\x12\x00"),
        SPARSE.replace(b"\x12\x02\x01\x03", b"\x12\x02\x81\x03"),
        encode([Record({"values": Tensor(array("f", [1]), array("Q", [1 << 40]))})]),
        FLOAT32.replace(b"\x0a\x08\x00\x00\xc0\x3f", b"\x0a\x07\x00\x00\xc0\x3f"),
    ],
)
def test_nonsense_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        list(decode(content))


def test_nothing_is_no_record() -> None:
    assert list(decode(b"")) == []
