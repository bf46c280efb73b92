"""MetricDataQueries: metrics and expressions over them, on one row of periods. For alarms and for GetMetricData."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sagewright.base.world import World
from sagewright.signals import metrics
from sagewright.signals.math_syntax import Array as Together
from sagewright.signals.math_syntax import Call, MathError, Name, Node, Operation, parse
from sagewright.signals.math_value import Frame, Many, Series, Value, evaluate
from sagewright.store.database import Transaction

Query = Mapping[str, Any]
_WORDS = ("REPEAT", "LINEAR")
TALLEST = 20
"""Expressions that build upon one another: each is evaluated within the next."""


def read(transaction: Transaction, world: World, asked: Mapping[str, Any], start: float, end: float, period: int) -> Series:
    """The values of a MetricStat: by the begin of each period of ``period`` seconds from ``start`` on."""
    metric = asked["Metric"]
    buckets = metrics.statistics(
        transaction,
        world,
        metric.get("Namespace", ""),
        metric.get("MetricName", ""),
        {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", ())},
        start=start,
        end=end,
        period=period,
        unit=asked.get("Unit"),
        apart=False,
    )
    values = {bucket.timestamp: bucket.statistic(asked["Stat"]) for bucket in buckets}
    return {moment: value for moment, value in values.items() if value is not None}


def series(
    transaction: Transaction, world: World, queries: Sequence[Query], wanted: str, start: float, end: float, period: int
) -> Series:
    """What the query with id ``wanted`` gives. Raises MathError."""
    found = _Answers(transaction, world, queries, start, end, period).find(wanted)
    if isinstance(found, Mapping):
        return found
    raise MathError(
        "the expression must give one time series"
        if isinstance(found, Many)
        else "the expression gives a number, no time series"
    )


def check(queries: Sequence[Query]) -> None:
    """Raises MathError for ids that come twice, expressions that are none, unknown ids and circles."""
    by_id, known = {query["Id"]: query for query in queries}, dict[str, int]()
    if len(by_id) != len(queries):
        raise MathError("every Id must be there once")
    for query in queries:
        if ("Expression" in query) == ("MetricStat" in query):
            raise MathError(f"the query {query['Id']} must have either an Expression or a MetricStat")
        if _height(query["Id"], by_id, (), known) > TALLEST:
            raise MathError(f"more than {TALLEST} expressions build upon one another")


def period_of(queries: Sequence[Query]) -> int:
    """The one period of all metrics; raises MathError when there is none or more than one."""
    periods = {query["MetricStat"]["Period"] for query in queries if "MetricStat" in query}
    if len(periods) != 1:
        raise MathError("all metrics of an expression must have one period, and there must be a metric")
    return int(periods.pop())


def _height(name: str, by_id: Mapping[str, Query], above: tuple[str, ...], known: dict[str, int]) -> int:
    """How many expressions build upon one another up to this one."""
    if name in above:
        raise MathError(f"the expression {name} refers to itself")
    if name not in by_id:
        raise MathError(f"there is no metric or expression with the id {name}")
    if len(above) > TALLEST:
        raise MathError(f"more than {TALLEST} expressions build upon one another")
    if name not in known:
        expression = by_id[name].get("Expression")
        below = _names(parse(expression)) if expression is not None else ()
        known[name] = 1 + max((_height(other, by_id, (*above, name), known) for other in below), default=0)
    return known[name]


def _names(node: Node) -> set[str]:
    match node:
        case Name(value):
            return set() if value.upper() in _WORDS else {value}
        case Operation(_, parts) | Call(_, parts) | Together(parts):
            return {name for part in parts for name in _names(part)}
    return set()


class _Answers:
    """Each query is answered once, when it is first asked for."""

    def __init__(
        self, transaction: Transaction, world: World, queries: Sequence[Query], start: float, end: float, period: int
    ) -> None:
        self._transaction = transaction
        self._world = world
        self._queries = {query["Id"]: query for query in queries}
        self._start, self._end, self._period = start, end, period
        self._known: dict[str, Value] = {}

    def find(self, name: str) -> Value:
        """The value of a query, by id."""
        query = self._queries.get(name)
        if query is None:
            raise MathError(f"there is no metric or expression with the id {name}")
        if name not in self._known:
            self._known[name] = self._answer(query)
        return self._known[name]

    def _answer(self, query: Query) -> Value:
        if "MetricStat" in query:
            return read(self._transaction, self._world, query["MetricStat"], self._start, self._end, self._period)
        return evaluate(parse(query["Expression"]), self._frame(query["Expression"]))

    def _frame(self, expression: str) -> Frame:
        count = math.ceil((self._end - self._start) / self._period)
        grid = [self._start + index * self._period for index in range(count)]
        every = "METRICS" in expression.upper()
        found: dict[str, Series] = {}
        for name, query in self._queries.items():
            if every and "MetricStat" in query:
                value = self.find(name)
                assert isinstance(value, Mapping)
                found[name] = value
        return Frame(grid, self._period, self.find, found)
