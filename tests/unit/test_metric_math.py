"""Metric math: syntax, functions and types (CloudWatch user guide, using-metric-math). Feature row O09."""

from __future__ import annotations

import pytest

from sagewright.signals import queries
from sagewright.signals.math_syntax import MathError, parse
from sagewright.signals.math_value import Frame, Many, Value, evaluate

GRID = (0.0, 60.0, 120.0, 180.0)


def series(*values: float | None) -> dict[float, float]:
    return {moment: value for moment, value in zip(GRID, values, strict=True) if value is not None}


M1, M2 = series(1.0, 2.0, 3.0, 4.0), series(2.0, None, 0.0, 8.0)


def worth(text: str) -> Value:
    known = {"m1": M1, "m2": M2}

    def find(name: str) -> Value:
        if name not in known:
            raise MathError(name)
        return known[name]

    return evaluate(parse(text), Frame(GRID, 60, find, known))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7.0), ("(1 + 2) * 3", 9.0), ("2 ^ 3 ^ 2", 512.0), ("-2 ^ 2", -4.0), ("10 - 3 - 2", 5.0), ("8 / 4 / 2", 1.0),
        (".5e1", 5.0), ("1 < 2", 1.0), ("1 < 2 AND 3 > 4", 0.0), ("1 > 2 || 3 != 4", 1.0), ("NOT 0", 1.0), ("1 == 1 && 0", 0.0),
        ("SUM(m1)", 10.0), ("AVG(m1)", 2.5), ("MIN(m2)", 0.0), ("max(m2)", 8.0), ("DATAPOINT_COUNT(m2)", 3.0), ("PERIOD(m1)", 60.0),
        ("METRIC_COUNT(METRICS())", 2.0), ("STDDEV(m1)", pytest.approx(1.118, abs=0.001)),
    ],
)  # fmt: skip
def test_numbers(text: str, value: float) -> None:
    assert worth(text) == value


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("m1 + m2", (3.0, None, 3.0, 12.0)),
        ("m1 / m2", (0.5, None, None, 0.5)),
        ("100 * (m1 / m1)", (100.0, 100.0, 100.0, 100.0)),
        ("m1 - MIN(m1)", (0.0, 1.0, 2.0, 3.0)),
        ("-m1", (-1.0, -2.0, -3.0, -4.0)),
        ("m1 > 2", (0.0, 0.0, 1.0, 1.0)),
        ("SUM([m1, m2])", (3.0, 2.0, 3.0, 12.0)),
        ("SUM(METRICS())", (3.0, 2.0, 3.0, 12.0)),
        ('AVG(METRICS("m1"))', (1.0, 2.0, 3.0, 4.0)),
        ("MAX([m1, m2, 3])", (3.0, 3.0, 3.0, 8.0)),
        ("FILL(m2, 0)", (2.0, 0.0, 0.0, 8.0)),
        ("FILL(m2, m1)", (2.0, 2.0, 0.0, 8.0)),
        ("FILL(m2, REPEAT)", (2.0, 2.0, 0.0, 8.0)),
        ("FILL(m2, LINEAR)", (2.0, 1.0, 0.0, 8.0)),
        ("SUM(FILL([m1, m2], 1))", (3.0, 3.0, 3.0, 12.0)),
        ("IF(m1 > 2, m1, 0)", (0.0, 0.0, 3.0, 4.0)),
        ("IF(m1 > 2, m1)", (None, None, 3.0, 4.0)),
        ("IF(m2, 1, 2)", (1.0, None, 2.0, 1.0)),
        ("IF(1, m1, m2)", (1.0, 2.0, 3.0, 4.0)),
        ("DIFF(m1)", (None, 1.0, 1.0, 1.0)),
        ("RATE(m1) * 60", (None, 1.0, 1.0, 1.0)),
        ("DIFF_TIME(m2)", (None, None, 120.0, 60.0)),
        ("RUNNING_SUM(m1)", (1.0, 3.0, 6.0, 10.0)),
        ("TIME_SERIES(5)", (5.0, 5.0, 5.0, 5.0)),
        ("CEIL(m1 / 2)", (1.0, 1.0, 2.0, 2.0)),
        ("ABS(0 - m1)", (1.0, 2.0, 3.0, 4.0)),
        ("FIRST(METRICS()) + FLOOR(m1)", (2.0, 4.0, 6.0, 8.0)),
        ("LOG10(m2)", (pytest.approx(0.301, abs=0.001), None, None, pytest.approx(0.903, abs=0.001))),
    ],
)
def test_series(text: str, values: tuple[float | None, ...]) -> None:
    assert worth(text) == series(*values)


def test_arrays() -> None:
    assert worth("[m1, m2] * 2") == Many((("m1", series(2, 4, 6, 8)), ("m2", series(4, None, 0, 16))))


@pytest.mark.parametrize(
    "text",
    [
        "", "1 +", "m1 m1", "(m1", "m1)", "SUM(m1", "[m1", "m3", "m1 % 2", "SEARCH(m1)", "IF(m1)", "SUM(m1, m2)", "FILL(m1)", "1 / 0",
        "METRICS(m1)", "[m1] + [m2]", "IF([m1], 1, 2)", "'text'", "LOG(0)", "RATE(1)", "METRIC_COUNT(m1)", "__import__('os')",
        "m1.__class__", "SELECT AVG(x) FROM y", "(" * 100 + "1" + ")" * 100, "-" * 100 + "1", "+".join(["1"] * 400), "\x00",
    ],
)  # fmt: skip
def test_what_is_no_metric_math(text: str) -> None:
    with pytest.raises(MathError):
        worth(text)


def query(name: str, expression: str = "") -> dict[str, object]:
    if expression:
        return {"Id": name, "Expression": expression}
    metric = {"Namespace": "n", "MetricName": name}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}


@pytest.mark.parametrize(
    "asked",
    [
        [query("m1"), query("m1")],
        [query("e1", "e2"), query("e2", "e1")],
        [query("e1", "m1")],
        [query("e0", "1"), *(query(f"e{number}", f"e{number - 1} + e{number - 1}") for number in range(1, 100))],
        [{"Id": "m1"}],
    ],
)
def test_queries_that_cannot_be_answered(asked: list[dict[str, object]]) -> None:
    with pytest.raises(MathError):
        queries.check(asked)
