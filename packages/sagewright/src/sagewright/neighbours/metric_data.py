"""GetMetricData: several metrics in one question, in pages of datapoints."""

from __future__ import annotations

from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers, make_marker, read_marker, refuse
from sagewright.signals import metrics, queries
from sagewright.signals.math_syntax import MathError
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

MOST_DATAPOINTS = 100_800
_INVALID = "ValidationError"
_Series = list[tuple[float, float]]


class MetricData:
    """The operation GetMetricData."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {"GetMetricData": self.get}

    async def get(self, context: Context, request: Document) -> Document:
        """Datapoints of each query, newest first unless ScanBy says otherwise; ``LabelOptions`` only matters for labels with times in them."""
        _check(request["MetricDataQueries"])
        shown = [query for query in request["MetricDataQueries"] if query.get("ReturnData", True)]
        ascending = request.get("ScanBy") == "TimestampAscending"
        if request["EndTime"] <= request["StartTime"]:
            raise Fault(_INVALID, "The parameter EndTime must be greater than StartTime.")

        def work(transaction: Transaction) -> list[_Series]:
            return [_series(transaction, context, request, query, ascending) for query in shown]

        found = await self._store.read(work)
        return _page(shown, found, request)


def mapping(dimensions: list[dict[str, str]]) -> dict[str, str]:
    """Dimensions by name; raises when one comes twice."""
    found = {dimension["Name"]: dimension["Value"] for dimension in dimensions}
    if len(found) != len(dimensions):
        raise Fault("InvalidParameterValue", "No Dimension name may appear more than once.")
    return found


def _check(asked: list[Document]) -> None:
    """Raises Fault for queries that cannot be answered."""
    for query in asked:
        refuse(query, _INVALID, "AccountId")
        if "MetricStat" in query:
            _check_stat(query["MetricStat"])
    try:
        queries.check(asked)
        if any("Expression" in query for query in asked):
            queries.period_of(asked)
    except MathError as problem:
        raise Fault(_INVALID, f"Error in metric data queries: {problem}.") from None


def _check_stat(asked: Document) -> None:
    if asked["Period"] <= 0:
        raise Fault(_INVALID, "The parameter Period must be positive.")
    mapping(asked["Metric"].get("Dimensions", []))
    try:
        metrics.refuse_unknown(asked["Stat"])
    except ValueError:
        raise Fault(_INVALID, f"The value {asked['Stat']} for parameter Stat is not supported.") from None


def _series(transaction: Transaction, context: Context, request: Document, query: Document, ascending: bool) -> _Series:
    """The values of one query; a period where it cannot be told is left out."""
    asked = request["MetricDataQueries"]
    period = query["MetricStat"]["Period"] if "MetricStat" in query else queries.period_of(asked)
    step = min(period, 60)
    start, end = request["StartTime"] // step * step, request["EndTime"]
    if "Expression" in query and (end - start) / period > MOST_DATAPOINTS:
        raise Fault(_INVALID, f"An expression over more than {MOST_DATAPOINTS} periods cannot be evaluated.")
    try:
        found = queries.series(transaction, context.world, asked, query["Id"], start, end, period)
    except MathError as problem:
        raise Fault(_INVALID, f"Error in expression '{query['Id']}': {problem}.") from None
    return sorted(found.items(), reverse=not ascending)


def _page(queries: list[Document], found: list[_Series], request: Document) -> Document:
    """Datapoints from the token's place on, as many as MaxDatapoints; every query is in every page."""
    skip, left = _skipped(request), min(request.get("MaxDatapoints", MOST_DATAPOINTS), MOST_DATAPOINTS)
    total = sum(len(series) for series in found)
    results = []
    for query, series in zip(queries, found, strict=True):
        shown = series[skip : skip + left]
        complete = skip + left >= len(series)
        results.append(_result(query, shown, complete))
        skip, left = max(0, skip - len(series)), left - len(shown)
    seen = _skipped(request) + sum(len(result["Values"]) for result in results)
    answer: Document = {"MetricDataResults": results, "Messages": []}
    return answer if seen >= total else {**answer, "NextToken": make_marker([str(seen)])}


def _skipped(request: Document) -> int:
    invalid = Fault("InvalidNextToken", "The next token specified is invalid.")
    if "NextToken" not in request:
        return 0
    (seen,) = read_marker(request["NextToken"], 1, invalid)
    if not seen.isascii() or not seen.isdigit() or len(seen) > 12:
        raise invalid
    return int(seen)


def _result(query: Document, shown: _Series, complete: bool) -> Document:
    return {
        "Id": query["Id"],
        "Label": query.get("Label", _label(query)),
        "Timestamps": [when for when, _ in shown],
        "Values": [value for _, value in shown],
        "StatusCode": "Complete" if complete else "PartialData",
    }


def _label(query: Document) -> str:
    """The metric's name; of an expression its id."""
    return str(query["MetricStat"]["Metric"].get("MetricName", "")) if "MetricStat" in query else str(query["Id"])
