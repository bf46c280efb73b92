"""Tables of numbers out of text, in one step and on several processors (features H01, H02; DG cdf-training, cdf-inference)."""

from __future__ import annotations

import os
import signal
from math import inf, isnan
from pathlib import Path

import numpy as np
import pytest

from sagewright_algorithms.common import forked_reading
from sagewright_algorithms.common.csv_rows import MalformedCsvError, read
from sagewright_algorithms.common.forked_reading import read_parts
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.common.plain_rows import plain_rows
from sagewright_algorithms.numbers import blocks


class TestPlainRows:
    @pytest.mark.parametrize(
        ("text", "rows"),
        [
            (b"1,2\n3,4\n", [[1, 2], [3, 4]]),
            (b"1 ,-2.5e3\r\n 3,4", [[1, -2500], [3, 4]]),
            (b"\n1\n2\n", [[1], [2]]),
            (b"1e300,0", [[inf, 0]]),
        ],
    )
    def test_numbers(self, text: bytes, rows: list[list[float]]) -> None:
        assert plain_rows(text).tolist() == rows

    @pytest.mark.parametrize("text", [b"", b"\n", b"\r\n\n"])
    def test_nothing(self, text: bytes) -> None:
        assert plain_rows(text).shape == (0, 0)

    @pytest.mark.parametrize(
        "text",
        [b"1,2\n3", b"1\n\n2", b"1,,2", b"a,1", b'"1",2', b"true,1", b"null,1", b"nan,1", b"[1],2", b"1]", b"{},1", b"+1,2"],
    )
    def test_what_is_left_to_careful_readers(self, text: bytes) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - the words are the careful readers'
            plain_rows(text, missing=False)

    def test_empty_cells(self) -> None:
        found = plain_rows(b",1,,\n2,,,3\n,,,\n", missing=True)
        assert [[None if isnan(cell) else cell for cell in row] for row in found.tolist()] == [
            [None, 1, None, None],
            [2, None, None, 3],
            [None] * 4,
        ]

    def test_blocks_are_whole_lines(self) -> None:
        content = b"".join(b"%d,%d\n" % (number, -number) for number in range(100_000)) + b"1,2"
        found = list(blocks(content))
        assert len(found) > 3
        assert b"".join(found) == content
        assert all(block.endswith(b"\n") for block in found[:-1])


@pytest.fixture
def many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_reading, "LEAST_BYTES", 10)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.mark.usefixtures("many_parts")
class TestSeveralProcessors:
    CONTENT = b"".join(b"%d,%d\n" % (number, number * 2) for number in range(1000))

    def test_all_rows_in_their_order(self) -> None:
        tables = read_parts(self.CONTENT, plain_rows)
        assert len(tables) == 3
        assert np.concatenate(tables).tolist() == [[number, number * 2] for number in range(1000)]

    def test_a_fork_that_dies_loses_nothing(self) -> None:
        here = os.getpid()

        def dying(part: bytes) -> Floats:
            if os.getpid() != here:
                os.kill(os.getpid(), signal.SIGKILL)
            return plain_rows(part)

        assert np.concatenate(read_parts(self.CONTENT, dying)).shape == (1000, 2)

    @pytest.mark.parametrize("line", [0, 999])
    def test_what_is_wrong_is_said_as_by_one(self, line: int) -> None:
        lines = self.CONTENT.splitlines(keepends=True)
        lines[line] = b"wrong,1\n"
        with pytest.raises(MalformedCsvError) as caught:
            read(b"".join(lines))
        assert (caught.value.first, caught.value.last) == (1, 1000)

    def test_no_process_stays(self) -> None:
        before = _children()
        read_parts(self.CONTENT, plain_rows)
        with pytest.raises(ValueError, match="INCORRECT_TYPE"):
            read_parts(b"null\n" * 100, plain_rows)
        assert _children() == before
