"""The models' Java patterns in Python."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sagewright.wire.characters import ASCII, UNICODE
from sagewright.wire.model import SERVED, Shape, service_model
from sagewright.wire.patterns import matcher, translate


def shapes() -> list[Shape]:
    models = [service_model(entry.name) for entry in SERVED]
    found = [model.shape_for(name) for model in models for name in model.shape_names]
    return [shape for shape in found if "pattern" in shape.metadata]


def test_every_pattern_of_every_model_compiles() -> None:
    found = {shape.metadata["pattern"] for shape in shapes()}
    assert len(found) > 300
    for pattern in found:
        re.compile(translate(pattern, ASCII), re.ASCII)
        re.compile(translate(pattern, UNICODE), re.ASCII)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[a-z]+", ["abc"], ["abc\n", "abC", "", "ábc"]),  # the whole string, not up to a line end
        ("^[a-z]+$", ["abc"], ["abc\n", "a b"]),
        (r"\w\d\s", ["a1 ", "_0\t"], ["é1 ", "a١ ", "a1\u00a0"]),  # Java's are ASCII
        (r"[\w-_]*", ["a-_"], ["é"]),  # logs: a dash after a class is itself
        (r"\p{L}+", ["é", "abc", "漢", "𝐀"], ["1", "-"]),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", ["Tag 1", "größe/漢字", "a@b"], ["a#b", "é#", "\n"]),
        (r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}", ["größe", ""], ["#"]),  # a repeated anchor
        (r"\P{L}", ["1"], ["a", "é"]),
        (r"[^\p{L}]", ["1", "-"], ["a", "é"]),
        (r"\p{IsL}\p{Lu}\p{Lower}", ["aBc", "éÉc"], ["abc"]),
        (r"\p{ASCII}*", ["a\x00\x7f"], ["é"]),
        (r"\A\S[\p{Print}]*\z", ["a b"], [" a", "a\n", "aé"]),
        (
            r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*",
            ["a\t😀\ufffd"],
            ["\n", "\x00", "\uffff"],
        ),  # escaped surrogates
        (r"\x41\x{1F600}\0101\t\cA", ["A😀A\t\x01"], ["AAA"]),
        (r"\Qa.b\E.", ["a.bc"], ["axbc"]),
        (r"[a-z&&[^aeiou]]+", ["bcd"], ["bad"]),
        (r"[a-c[x-z]]+", ["abxyz"], ["d"]),
        (r"[]a]+", ["]a"], ["b"]),
        (r"a++b", ["aab"], ["aa"]),
        (r"(?<letter>a)\k<letter>\1", ["aaa"], ["aa"]),
        (r".*", ["", "a b"], ["a\nb", "a\u2028b", "a\rb"]),
        (r"(?!\s*$).+", ["a", " a"], [" ", ""]),
        (r"[a-z]{1,3}(?<!-)|\$\{x\}", ["abc", "${x}"], ["abcd"]),
        (r"[0-9-_.]+", ["1-_."], ["a"]),
        (r"\h\v\R", ["\u00a0\u2028\r\n", "\t\n\n"], ["aaa"]),
    ],
)
def test_translation(pattern: str, good: list[str], bad: list[str]) -> None:
    matches = matcher(pattern)
    assert [text for text in good if not matches(text)] == []
    assert [text for text in bad if matches(text)] == []


@pytest.mark.parametrize("pattern", ["[a", r"\p{IsKlingon}", r"[z-a]", "a\\", "(", r"\y"])
def test_what_cannot_be_translated_is_logged_and_not_checked(pattern: str, caplog: pytest.LogCaptureFixture) -> None:
    """A newer model may bring what we do not know: better unchecked than an operation that always fails."""
    with caplog.at_level(logging.WARNING):
        assert matcher(pattern)("anything")
    assert "is not checked" in caplog.text


def test_no_pattern_can_be_made_to_run_away() -> None:
    """Length is checked first; within its length no text may cost more than a fraction of a second."""
    units = (
        "a",
        "a-",
        "1",
        "-",
        "a.",
        "0.",
        " ",
        "/a",
        "a:",
        "s3://",
        "https://a/",
        "arn:aws:a:a:1:",
        "arn:aws-a:iam::123456789012:role/a",
        "_a",
    )
    for pattern, most in {(shape.metadata["pattern"], min(shape.metadata.get("max", 4096), 4096)) for shape in shapes()}:
        for unit in units:
            with limited(0.5, f"{pattern!r} runs away on {unit!r}"):
                matcher(pattern)((unit * most)[: most - 1] + "\x01")


@contextmanager
def limited(seconds: float, complaint: str) -> Iterator[None]:
    """Fails what takes longer: Python looks for signals while it matches."""

    def fail(*_: object) -> None:
        raise AssertionError(complaint)

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
