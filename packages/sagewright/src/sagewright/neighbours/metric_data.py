"""GetMetricData: several metrics in one question, in pages of datapoints."""

from __future__ import annotations

from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers, make_marker, read_marker, refuse
from sagewright.signals import metrics
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
        queries = [query for query in request["MetricDataQueries"] if _checked(query).get("ReturnData", True)]
        ascending = request.get("ScanBy") == "TimestampAscending"
        if request["EndTime"] <= request["StartTime"]:
            raise Fault(_INVALID, "The parameter EndTime must be greater than StartTime.")

        def work(transaction: Transaction) -> list[_Series]:
            return [_series(transaction, context, request, query, ascending) for query in queries]

        found = await self._store.read(work)
        return _page(queries, found, request)


def mapping(dimensions: list[dict[str, str]]) -> dict[str, str]:
    """Dimensions by name; raises when one comes twice."""
    found = {dimension["Name"]: dimension["Value"] for dimension in dimensions}
    if len(found) != len(dimensions):
        raise Fault("InvalidParameterValue", "No Dimension name may appear more than once.")
    return found


def _checked(query: Document) -> Document:
    refuse(query, _INVALID, "AccountId")
    if "Expression" in query:
        raise Fault(
            _INVALID, f"Error in expression '{query['Id']}': Sagewright does not support metric math or SQL expressions."
        )
    if "MetricStat" not in query:
        raise Fault(_INVALID, f"The query {query['Id']} must specify either an Expression or a MetricStat.")
    return query


def _series(transaction: Transaction, context: Context, request: Document, query: Document, ascending: bool) -> _Series:
    """The values of one query's statistic; a period where it cannot be told is left out."""
    asked = query["MetricStat"]
    metric, period = asked["Metric"], asked["Period"]
    if period <= 0:
        raise Fault(_INVALID, "The parameter Period must be positive.")
    step = min(period, 60)
    buckets = metrics.statistics(
        transaction,
        context.world,
        metric.get("Namespace", ""),
        metric.get("MetricName", ""),
        mapping(metric.get("Dimensions", [])),
        start=request["StartTime"] // step * step,
        end=request["EndTime"],
        period=period,
        unit=asked.get("Unit"),
        apart=False,
    )
    try:
        metrics.refuse_unknown(asked["Stat"])
    except ValueError:
        raise Fault(_INVALID, f"The value {asked['Stat']} for parameter Stat is not supported.") from None
    values = [(bucket.timestamp, bucket.statistic(asked["Stat"])) for bucket in buckets]
    known = [(when, value) for when, value in values if value is not None]
    return known if ascending else known[::-1]


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
        "Label": query.get("Label", query["MetricStat"]["Metric"].get("MetricName", "")),
        "Timestamps": [when for when, _ in shown],
        "Values": [value for _, value in shown],
        "StatusCode": "Complete" if complete else "PartialData",
    }
