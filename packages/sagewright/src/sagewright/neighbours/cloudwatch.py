"""CloudWatch metrics: PutMetricData, GetMetricStatistics, GetMetricData, ListMetrics.

Points are kept with their exact time for ever, so ``StorageResolution`` makes no difference. Of GetMetricData's
expressions metric math is answered (signals/math_value.py) and SQL refused.
"""

from __future__ import annotations

from sagewright.kernel.operation import Context
from sagewright.neighbours.metric_data import MetricData, mapping
from sagewright.neighbours.metric_points import points_of
from sagewright.neighbours.requests import Handlers, make_marker, read_marker, refuse
from sagewright.signals import metrics
from sagewright.signals.metrics import Bucket, Metric
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

MOST_DATAPOINTS = 1440
"""API reference, GetMetricStatistics."""
_RECENT = 3 * 3600


class CloudWatch:
    """The operations of service ``cloudwatch``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "PutMetricData": self.put_metric_data,
            "GetMetricStatistics": self.get_metric_statistics,
            "ListMetrics": self.list_metrics,
            **MetricData(self._store).operations(),
        }

    async def put_metric_data(self, context: Context, request: Document) -> Document:
        """PutMetricData: all of it or nothing."""
        refuse(request, "InvalidParameterValue", "EntityMetricData", "StrictEntityValidation")
        batches = [
            (datum["MetricName"], mapping(datum.get("Dimensions", [])), points_of(datum, context.now))
            for datum in request.get("MetricData", [])
        ]

        def work(transaction: Transaction) -> Document:
            for name, dimensions, points in batches:
                metrics.put(transaction, context.world, request["Namespace"], name, dimensions, points)
            return {}

        return await self._store.write(work)

    async def get_metric_statistics(self, context: Context, request: Document) -> Document:
        """GetMetricStatistics, oldest datapoint first."""
        names, percentiles = request.get("Statistics", []), request.get("ExtendedStatistics", [])
        if not names and not percentiles:
            raise Fault(
                "MissingParameter", "At least one of the parameters Statistics and ExtendedStatistics must be specified."
            )
        period = checked_period(request["Period"])
        start, end = aligned(request["StartTime"], period), request["EndTime"]
        _refuse_range(start, end, period)
        _refuse_percentiles(percentiles)
        buckets = await self._store.read(
            lambda transaction: metrics.statistics(
                transaction,
                context.world,
                request["Namespace"],
                request["MetricName"],
                mapping(request.get("Dimensions", [])),
                start=start,
                end=end,
                period=period,
                unit=request.get("Unit"),
            )
        )
        return {"Label": request["MetricName"], "Datapoints": [_datapoint(bucket, names, percentiles) for bucket in buckets]}

    async def list_metrics(self, context: Context, request: Document) -> Document:
        """ListMetrics, 500 a page."""
        refuse(request, "InvalidParameterValue", "IncludeLinkedAccounts", "OwningAccount")
        invalid = Fault("InvalidParameterValue", "The value for parameter NextToken is invalid.")
        after = read_marker(request["NextToken"], 2, invalid) if "NextToken" in request else None
        wanted = [(dimension["Name"], dimension.get("Value")) for dimension in request.get("Dimensions", [])]
        found, place = await self._store.read(
            lambda transaction: metrics.find(
                transaction,
                context.world,
                namespace=request.get("Namespace"),
                name=request.get("MetricName"),
                dimensions=wanted,
                since=context.now - _RECENT if "RecentlyActive" in request else 0.0,
                after=after,
            )
        )
        answer: Document = {"Metrics": [_described(metric) for metric in found]}
        return answer if place is None else {**answer, "NextToken": make_marker(place)}


def checked_period(period: int) -> int:
    """Seconds; raises unless it is 1, 5, 10, 20, 30 or a multiple of 60 (API reference, GetMetricStatistics)."""
    if period not in (1, 5, 10, 20, 30) and (period <= 0 or period % 60):
        raise Fault("InvalidParameterValue", "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    return period


def aligned(start: float, period: int) -> float:
    """Start rounded down to the minute, or to the period when that is shorter (API reference, GetMetricStatistics, StartTime)."""
    step = min(period, 60)
    return start // step * step


def _refuse_range(start: float, end: float, period: int) -> None:
    if end <= start:
        raise Fault("InvalidParameterCombination", "The parameter StartTime must be less than the parameter EndTime.")
    count = int((end - start) // period)
    if count > MOST_DATAPOINTS:
        raise Fault(
            "InvalidParameterCombination",
            f"You have requested up to {count:,} datapoints, which exceeds the limit of {MOST_DATAPOINTS:,}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
        )


def _refuse_percentiles(names: list[str]) -> None:
    for name in names:
        try:
            metrics.percentile_of(name)
        except ValueError:
            raise Fault(
                "InvalidParameterValue", f"The value {name} for parameter ExtendedStatistics is not supported."
            ) from None


def _datapoint(bucket: Bucket, names: list[str], percentiles: list[str]) -> Document:
    extended = {name: value for name in percentiles if (value := bucket.statistic(name)) is not None}
    return {
        "Timestamp": bucket.timestamp,
        "Unit": bucket.unit,
        **{name: bucket.statistic(name) for name in names},
        **({"ExtendedStatistics": extended} if extended else {}),
    }


def _described(metric: Metric) -> Document:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions.items()]
    return {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
