"""What an expression of metric math is worth (CloudWatch user guide, using-metric-math: functions and data types).

A value is a number, a time series (value by period's begin, where there is one) or an array of time series. What cannot be computed for a
period (a division by zero, a missing operand) is missing there.
"""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sagewright.signals.math_syntax import Array, Call, MathError, Name, Node, Number, Operation, Text

Series = Mapping[float, float]
"""Value by the begin of its period in epoch seconds."""


@dataclass(frozen=True, slots=True)
class Many:
    """An array of time series, each with its id."""

    members: tuple[tuple[str, Series], ...]


Value = float | Series | Many


@dataclass(frozen=True, slots=True)
class Frame:
    """What an expression is evaluated in: the begins of all periods (seconds), their length, how to find an id, and the metrics by id."""

    grid: Sequence[float]
    period: int
    find: Callable[[str], Value]
    metrics: Mapping[str, Series]


def evaluate(node: Node, frame: Frame) -> Value:
    """Raises MathError."""
    match node:
        case Number(value):
            return value
        case Name(value):
            return frame.find(value)
        case Array(items):
            return _array(items, frame)
        case Operation(sign, operands):
            values = [evaluate(operand, frame) for operand in operands]
            return _lifted(_OPERATIONS[sign], values, frame)
        case Call(function, arguments):
            return _call(function, arguments, frame)
        case Text():
            raise MathError("a quoted text is an argument of METRICS only")


def _call(function: str, arguments: tuple[Node, ...], frame: Frame) -> Value:
    if function == "METRICS":
        return _metrics(arguments, frame)
    if function == "FILL":
        return _fill(arguments, frame)
    values = [evaluate(argument, frame) for argument in arguments]
    if function == "IF":
        return _if(values, frame)
    if len(values) != 1:
        raise MathError(f"the function {function} takes one argument" if _known(function) else _unknown(function))
    (value,) = values
    if function in _EACH:
        return _lifted(_EACH[function], [value], frame)
    if function in _ALONG:
        return _along(function, value)
    if function in _TOGETHER:
        return _together(_TOGETHER[function], value)
    return _other(function, value, frame)


def _other(function: str, value: Value, frame: Frame) -> Value:
    match function:
        case "PERIOD":
            return float(frame.period)
        case "TIME_SERIES" if isinstance(value, float):
            return dict.fromkeys(frame.grid, value)
        case "METRIC_COUNT" if isinstance(value, Many):
            return float(len(value.members))
        case "FIRST" | "LAST" if isinstance(value, Many) and value.members:
            return value.members[0 if function == "FIRST" else -1][1]
        case "TIME_SERIES" | "METRIC_COUNT" | "FIRST" | "LAST":
            raise MathError(f"the argument of {function} has the wrong type")
    raise MathError(_unknown(function))


def _known(function: str) -> bool:
    return function in {*_EACH, *_ALONG, *_TOGETHER, "PERIOD", "TIME_SERIES", "METRIC_COUNT", "FIRST", "LAST"}


def _unknown(function: str) -> str:
    return f"Sagewright does not know the function {function}"


def _array(items: tuple[Node, ...], frame: Frame) -> Many:
    members: list[tuple[str, Series]] = []
    for item in items:
        value = evaluate(item, frame)
        if isinstance(value, Many):
            members += value.members
        elif isinstance(value, float):
            members.append(("", dict.fromkeys(frame.grid, value)))
        else:
            members.append((item.value if isinstance(item, Name) else "", value))
    return Many(tuple(members))


def _metrics(arguments: tuple[Node, ...], frame: Frame) -> Many:
    """All metrics of the request, or those whose id has a text in it."""
    match arguments:
        case ():
            return Many(tuple(frame.metrics.items()))
        case (Text(part),):
            return Many(tuple((name, series) for name, series in frame.metrics.items() if part in name))
    raise MathError("METRICS takes a quoted text or nothing")


def _lifted(work: Callable[..., float | None], values: Sequence[Value], frame: Frame) -> Value:
    """A function of numbers, for each period of time series, for each series of an array."""
    arrays = [value for value in values if isinstance(value, Many)]
    if len(arrays) > 1:
        raise MathError("an operator takes at most one array of time series")
    if arrays:
        lifted: list[tuple[str, Series]] = []
        for name, series in arrays[0].members:
            found = _lifted(work, [series if isinstance(value, Many) else value for value in values], frame)
            assert isinstance(found, Mapping)
            lifted.append((name, found))
        return Many(tuple(lifted))
    series_of = [value for value in values if isinstance(value, Mapping)]
    if not series_of:
        result = work(*values)
        if result is None:
            raise MathError("a division by zero, or a logarithm of what has none")
        return result
    moments = [moment for moment in frame.grid if all(moment in series for series in series_of)]
    found_at = {moment: work(*(_at(value, moment) for value in values)) for moment in moments}
    return {moment: value for moment, value in found_at.items() if value is not None}


def _at(value: Value, moment: float) -> float:
    assert not isinstance(value, Many)
    return value[moment] if isinstance(value, Mapping) else value


def _along(function: str, value: Value) -> Value:
    """Functions of a whole time series that give another one."""
    if isinstance(value, Many):
        return Many(tuple((name, _ALONG[function](series)) for name, series in value.members))
    if isinstance(value, float):
        raise MathError(f"{function} takes a time series")
    return _ALONG[function](value)


def _together(work: Callable[[Sequence[float]], float], value: Value) -> Value:
    """A series becomes a number, an array one series."""
    if isinstance(value, float):
        return work([value])
    if isinstance(value, Many):
        moments = sorted({moment for _, series in value.members for moment in series})
        return {moment: work([series[moment] for _, series in value.members if moment in series]) for moment in moments}
    return work(list(value.values())) if value else {}


def _fill(arguments: tuple[Node, ...], frame: Frame) -> Value:
    if len(arguments) != 2:
        raise MathError("FILL takes two arguments")
    value, way = evaluate(arguments[0], frame), arguments[1]
    how = way.value.upper() if isinstance(way, Name) and way.value.upper() in ("REPEAT", "LINEAR") else ""
    by = None if how else evaluate(way, frame)
    if isinstance(by, Many):
        raise MathError("FILL takes a number or a time series for what is missing")
    if isinstance(value, Many):
        return Many(tuple((name, _filled(series, frame, how, by)) for name, series in value.members))
    return value if isinstance(value, float) else _filled(value, frame, how, by)


def _filled(series: Series, frame: Frame, how: str, by: float | Series | None) -> Series:
    if how == "REPEAT":
        return _repeated(series, frame)
    if how == "LINEAR":
        return _interpolated(series, frame)
    assert by is not None
    given = by if isinstance(by, Mapping) else dict.fromkeys(frame.grid, by)
    return {
        moment: (series if moment in series else given)[moment] for moment in frame.grid if moment in series or moment in given
    }


def _repeated(series: Series, frame: Frame) -> Series:
    found: dict[float, float] = {}
    last: float | None = None
    for moment in frame.grid:
        last = series.get(moment, last)
        if last is not None:
            found[moment] = last
    return found


def _interpolated(series: Series, frame: Frame) -> Series:
    """Between two values; before the first and after the last there is none."""
    found = dict(series)
    known = sorted(series)
    for left, right in pairwise(known):
        for moment in frame.grid:
            if left < moment < right:
                part = (moment - left) / (right - left)
                found[moment] = series[left] + part * (series[right] - series[left])
    return dict(sorted(found.items()))


def _if(values: list[Value], frame: Frame) -> Value:
    """IF(condition, when it is not zero[, otherwise]), for each period."""
    if len(values) not in (2, 3):
        raise MathError("IF takes two or three arguments")
    if any(isinstance(value, Many) for value in values):
        raise MathError("IF takes numbers and time series")
    condition, yes = values[0], values[1]
    no = values[2] if len(values) == 3 else {}
    if isinstance(condition, float):
        return yes if condition else no
    found: dict[float, float] = {}
    for moment in frame.grid:
        if moment in condition:  # type: ignore[operator]
            chosen = yes if _at(condition, moment) else no
            if isinstance(chosen, float) or moment in chosen:  # type: ignore[operator]
                found[moment] = _at(chosen, moment)
    return found


def _differences(series: Series) -> Series:
    moments = sorted(series)
    return {later: series[later] - series[earlier] for earlier, later in pairwise(moments)}


def _rate(series: Series) -> Series:
    moments = sorted(series)
    pairs = pairwise(moments)
    return {later: (series[later] - series[earlier]) / (later - earlier) for earlier, later in pairs}


def _gaps(series: Series) -> Series:
    moments = sorted(series)
    return {later: later - earlier for earlier, later in pairwise(moments)}


def _running_sum(series: Series) -> Series:
    total, found = 0.0, {}
    for moment in sorted(series):
        total += series[moment]
        found[moment] = total
    return found


def _divided(left: float, right: float) -> float | None:
    return left / right if right else None


def _power(left: float, right: float) -> float | None:
    try:
        found = left**right
    except (OverflowError, ZeroDivisionError):
        return None
    return found if isinstance(found, float) and math.isfinite(found) else None


def _truth(test: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda left, right: float(test(left, right))


_OPERATIONS: Mapping[str, Callable[..., float | None]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "^": _power,
    "negative": operator.neg,
    "NOT": lambda value: float(not value),
    "AND": lambda left, right: float(bool(left) and bool(right)),
    "OR": lambda left, right: float(bool(left) or bool(right)),
    "==": _truth(operator.eq),
    "!=": _truth(operator.ne),
    "<": _truth(operator.lt),
    "<=": _truth(operator.le),
    ">": _truth(operator.gt),
    ">=": _truth(operator.ge),
}
_EACH: Mapping[str, Callable[[float], float | None]] = {
    "ABS": abs,
    "CEIL": lambda value: float(math.ceil(value)),
    "FLOOR": lambda value: float(math.floor(value)),
    "LOG": lambda value: math.log(value) if value > 0 else None,
    "LOG10": lambda value: math.log10(value) if value > 0 else None,
}
_ALONG: Mapping[str, Callable[[Series], Series]] = {
    "DIFF": _differences,
    "DIFF_TIME": _gaps,
    "RATE": _rate,
    "RUNNING_SUM": _running_sum,
}
_TOGETHER: Mapping[str, Callable[[Sequence[float]], float]] = {
    "AVG": statistics.fmean,
    "MIN": min,
    "MAX": max,
    "SUM": math.fsum,
    "STDDEV": statistics.pstdev,
    "DATAPOINT_COUNT": lambda values: float(len(values)),
}
