"""Records, payloads, filters and joins of batch transform (features K05, K11, C10; DG batch-transform-data-processing)."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.features.transform.jsonpath import PathError, compile_path
from sagewright.features.transform.processing import Processing, check
from sagewright.features.transform.records import RECORDIO_MAGIC, BadInput, join, line_payloads, payloads, records

DOCUMENT = {"id": 7, "a": {"b": [1, 2, 3]}, "with space": True, "k'q": 0, "x": [{"y": 1}, {"y": 2}]}
ROW = ["10", "20", "30", "40"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", DOCUMENT),
        ("$.id", 7),
        ("$.a.b", [1, 2, 3]),
        ("$['a']['b']", [1, 2, 3]),
        ("$.['id']", 7),
        ("$['id','with space']", {"id": 7, "with space": True}),
        ("$.['id', 'a']", {"id": 7, "a": {"b": [1, 2, 3]}}),
        ('$["id"]', 7),
        (r"$['k\'q']", 0),
        ("$.a.b[0]", 1),
        ("$.a.b[-1]", 3),
        ("$.a.b[0,2]", [1, 3]),
        ("$.a.b[1:]", [2, 3]),
        ("$.a.b[:-1]", [1, 2]),
        ("$.a.b[:]", [1, 2, 3]),
        ("$.a.b[*]", [1, 2, 3]),
        ("$.a.*", [[1, 2, 3]]),
    ],
)
def test_paths_into_documents(path: str, expected: Any) -> None:
    assert compile_path(path).of(DOCUMENT) == expected


@pytest.mark.parametrize(
    ("path", "expected"), [("$[0]", "10"), ("$[1:]", ROW[1:]), ("$[0,-1]", ["10", "40"]), ("$[-2:]", ROW[2:])]
)
def test_paths_into_rows(path: str, expected: Any) -> None:
    assert compile_path(path).of(ROW) == expected


@pytest.mark.parametrize("path", ["", "a", "$.", "$[", "$[a]", "$..a", "$[?(@.x)]", "$[1,'a']", "$ .a b", "$['a]"])
def test_what_is_no_path_of_the_subset_is_refused(path: str) -> None:
    with pytest.raises(PathError):
        compile_path(path)


@pytest.mark.parametrize("path", ["$.none", "$[9]", "$[0]", "$.id.x", "$['id','none']", "$.a[0]"])
def test_a_path_that_leads_nowhere(path: str) -> None:
    with pytest.raises(PathError):
        compile_path(path).of(DOCUMENT)


def recordio(*bodies: bytes, flags: int = 0) -> bytes:
    return b"".join(
        struct.pack("<II", RECORDIO_MAGIC, flags << 29 | len(body)) + body + bytes(-len(body) % 4) for body in bodies
    )


def tfrecord(*bodies: bytes) -> bytes:
    return b"".join(struct.pack("<QI", len(body), 0) + body + bytes(4) for body in bodies)


class TestRecords:
    @pytest.mark.parametrize(
        ("content", "split", "expected"),
        [
            (b"a,b\nc,d\n", "Line", [b"a,b", b"c,d"]),
            (b"a,b\r\nc,d", "Line", [b"a,b", b"c,d"]),
            (b"a\n\n\nb\n", "Line", [b"a", b"b"]),
            (b"", "Line", []),
            (b"all\nof it\n", "None", [b"all\nof it\n"]),
            (b"", "None", [b""]),
            (recordio(b"12345", b"67"), "RecordIO", [recordio(b"12345"), recordio(b"67")]),
            (
                recordio(b"1", flags=1) + recordio(b"2", flags=2) + recordio(b"3", flags=3) + recordio(b"4"),
                "RecordIO",
                [recordio(b"1", flags=1) + recordio(b"2", flags=2) + recordio(b"3", flags=3), recordio(b"4")],
            ),
            (tfrecord(b"12345", b""), "TFRecord", [tfrecord(b"12345"), tfrecord(b"")]),
        ],
    )
    def test_split(self, content: bytes, split: str, expected: list[bytes]) -> None:
        assert list(records(io.BytesIO(content), split, 1000)) == expected

    @pytest.mark.parametrize(
        ("content", "split"),
        [
            (b"not recordio at all", "RecordIO"),
            (recordio(b"12345")[:-3], "RecordIO"),
            (recordio(b"12345", flags=1), "RecordIO"),
            (recordio(b"1")[:5], "RecordIO"),
            (tfrecord(b"12345")[:-1], "TFRecord"),
            (tfrecord(b"12345")[:7], "TFRecord"),
            (struct.pack("<QI", 1 << 60, 0), "TFRecord"),
            (b"x" * 101, "Line"),
            (b"x" * 101, "None"),
            (recordio(b"x" * 101), "RecordIO"),
        ],
    )
    def test_bad_input(self, content: bytes, split: str) -> None:
        with pytest.raises(BadInput):
            list(records(io.BytesIO(content), split, 100))

    def test_many_records_fill_payloads_up_to_the_limit(self) -> None:
        """API BatchStrategy MultiRecord, MaxPayloadInMB."""
        content = b"".join(b"%02d\n" % number for number in range(10))
        batches = list(payloads(io.BytesIO(content), "Line", many=True, limit=9))
        assert [join(batch, "Line") for batch in batches] == [b"00\n01\n02", b"03\n04\n05", b"06\n07\n08", b"09"]
        assert all(len(join(batch, "Line")) <= 9 for batch in batches)

    @given(
        st.lists(st.tuples(st.integers(0, 12), st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\n\r\n"]))),
        st.integers(3, 11),
        st.booleans(),
    )
    def test_lines_nobody_looks_at_go_in_pieces_and_are_the_same(
        self, drawn: list[tuple[int, bytes]], limit: int, cut: bool
    ) -> None:
        """API BatchStrategy MultiRecord: other payloads, perhaps, but the same records, and the same refusals."""
        content = b"".join(b"x" * length + end for length, end in drawn)[: -1 if cut else None]

        def lines(cutter: Any) -> list[bytes] | str:
            try:
                return [line for batch in cutter() for line in join(batch, "Line").split(b"\n")]
            except BadInput as problem:
                return str(problem)

        found = lines(lambda: line_payloads(io.BytesIO(content), limit))
        assert found == lines(lambda: payloads(io.BytesIO(content), "Line", many=True, limit=limit))

    def test_pieces_of_lines_are_no_larger_than_a_payload(self) -> None:
        content = b"".join(b"%02d\n" % number for number in range(10))
        assert list(line_payloads(io.BytesIO(content), 9)) == [[b"00\n01\n02"], [b"03\n04\n05"], [b"06\n07\n08"], [b"09"]]

    def test_pieces_may_be_smaller_and_long_lines_still_pass(self) -> None:
        """The largest record decides what fits, not the size that is best for payloads."""
        content = b"".join(b"%02d\n" % number for number in range(6)) + b"x" * 50 + b"\nlast\n"
        found = [batch[0] for batch in line_payloads(io.BytesIO(content), 60, 9)]
        assert b"\n".join(found) + b"\n" == content
        assert found[:2] == [b"00\n01\n02", b"03\n04\n05"]
        with pytest.raises(BadInput, match="Too much data"):
            list(line_payloads(io.BytesIO(content), 40, 9))

    def test_single_records(self) -> None:
        assert list(payloads(io.BytesIO(b"a\nb\n"), "Line", many=False, limit=100)) == [[b"a"], [b"b"]]

    def test_without_a_limit_everything_goes_at_once(self) -> None:
        assert list(payloads(io.BytesIO(b"a\n" * 5), "Line", many=True, limit=0)) == [[b"a"] * 5]

    def test_a_line_of_exactly_the_limit_passes(self) -> None:
        assert list(records(io.BytesIO(b"x" * 100 + b"\r\ny\n"), "Line", 100)) == [b"x" * 100, b"y"]


def processing(content_type: str, accept: str | None = None, **asked: str) -> Processing:
    return Processing.of(request(content_type, accept, **asked))


def request(content_type: str, accept: str | None = None, **asked: str) -> dict[str, Any]:
    output = {"S3OutputPath": "s3://b/o"} | ({"Accept": accept} if accept else {})
    return {"TransformInput": {"ContentType": content_type}, "TransformOutput": output, "DataProcessing": asked}


class TestProcessing:
    def test_without_filters_bodies_pass_untouched(self) -> None:
        idle = processing("text/csv")
        assert idle.idle
        assert idle.before([b"1, 2"]) == [b"1, 2"]
        assert idle.after([b"1, 2"], b"0.5\n") == b"0.5\n"

    def test_columns_are_left_out_before_the_model(self) -> None:
        assert processing("text/csv", InputFilter="$[1:]").before([b'id,"1,5",2']) == [b'"1,5",2']

    def test_csv_gets_the_prediction_behind_its_columns(self) -> None:
        joined = processing("text/csv", JoinSource="Input")
        assert joined.after([b"1,2", b"3,4"], b"0.5,a\n0.7,b\n") == b"1,2,0.5,a\n3,4,0.7,b"

    def test_identifier_and_prediction(self) -> None:
        """DG: the example that keeps the first column and the last."""
        kept = processing("text/csv", InputFilter="$[1:]", JoinSource="Input", OutputFilter="$[0,-1]")
        assert kept.before([b"id1,2,3"]) == [b"2,3"]
        assert kept.after([b"id1,2,3"], b"0.5") == b"id1,0.5"

    def test_predictions_in_one_row_are_taken_apart(self) -> None:
        """Built-in algorithms of AWS answer several CSV records with one row."""
        assert processing("text/csv", JoinSource="Input").after([b"1", b"2"], b"0.5,0.7") == b"1,0.5\n2,0.7"

    def test_an_object_gets_a_member(self) -> None:
        joined = processing("application/json", JoinSource="Input")
        assert json.loads(joined.after([b'{"id": 1}'], b"[0.5]")) == {"id": 1, "SageMakerOutput": [0.5]}

    def test_other_json_becomes_an_object(self) -> None:
        joined = processing("application/json", JoinSource="Input")
        assert json.loads(joined.after([b"[1, 2]"], b"0.5")) == {"SageMakerInput": [1, 2], "SageMakerOutput": 0.5}

    def test_json_lines_are_joined_line_by_line(self) -> None:
        joined = processing("application/jsonlines", JoinSource="Input", OutputFilter="$['id','SageMakerOutput']")
        body = joined.after([b'{"id": 1, "x": 2}', b'{"id": 2, "x": 3}'], b'{"p": 0.1}\n{"p": 0.2}\n')
        assert [json.loads(line) for line in body.splitlines()] == [
            {"id": 1, "SageMakerOutput": {"p": 0.1}},
            {"id": 2, "SageMakerOutput": {"p": 0.2}},
        ]

    def test_the_output_is_filtered_without_a_join(self) -> None:
        assert (
            processing("text/csv", "application/json", OutputFilter="$.score").after([b"1"], b'{"score": 0.5, "x": 1}')
            == b"0.5"
        )

    def test_an_answer_with_another_number_of_predictions_is_an_error(self) -> None:
        with pytest.raises(BadInput, match="3 records with 2 predictions"):
            processing("text/csv", JoinSource="Input").after([b"1", b"2", b"3"], b"0.5\n0.6\n")

    @pytest.mark.parametrize("record", [b"{", b"\xff", b""])
    def test_a_record_that_is_no_json_is_an_error(self, record: bytes) -> None:
        with pytest.raises(BadInput):
            processing("application/json", InputFilter="$.a").before([record])

    @pytest.mark.parametrize(
        ("asked", "why"),
        [
            (request("text/csv", InputFilter="a"), "does not start"),
            (request("image/png", JoinSource="Input"), "ContentType"),
            (request("text/csv", "image/png", OutputFilter="$[0]"), "Accept"),
            (request("text/csv", "application/json", JoinSource="Input"), "both"),
            (request("text/csv", "text/csv", JoinSource="Input"), ""),
            (request("image/png"), ""),
        ],
    )
    def test_what_cannot_be_done_is_said_when_the_job_is_created(self, asked: dict[str, Any], why: str) -> None:
        assert why in check(asked)
        assert bool(why) == bool(check(asked))
