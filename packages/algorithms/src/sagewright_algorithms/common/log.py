"""Log lines as AWS's containers of this family write them. The metric regexes of the manifests read them (algorithms.md 2)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import orjson

Dimensions = Mapping[str, object]


def plain(text: str) -> None:
    """A line without time and level."""
    print(text, flush=True)


def info(text: str) -> None:
    """``[05/02/2024 06:05:28 INFO 140231] text``."""
    _stamped("INFO", text)


def error(text: str) -> None:
    """What made the job fail."""
    _stamped("ERROR", text)


class Reporter:
    """The metric lines of one job. ``algorithm`` is the dimension that AWS gives it ("Linear Learner", "AWS/KNN", …)."""

    def __init__(self, algorithm: str, host: str) -> None:
        self._algorithm = algorithm
        self.host = host
        self._started = time.time()

    def metrics(self, since: float, values: Mapping[str, float], **dimensions: object) -> None:
        """``#metrics {…}``; each value is one observation. ``since``: when what is measured began (epoch seconds)."""
        document = {
            "StartTime": since,
            "EndTime": time.time(),
            "Dimensions": {"Algorithm": self._algorithm, "Host": self.host, "Operation": "training", **dimensions},
            "Metrics": {name: {"sum": value, "count": 1, "min": value, "max": value} for name, value in values.items()},
        }
        plain("#metrics " + orjson.dumps(document).decode() + "\n")

    def quality(self, split: str, name: str, value: float, *, score: bool = False, **where: object) -> None:
        """``#quality_metric: host=algo-1, epoch=0, train msd <loss>=1.5``; ``where`` is epoch, or epoch and batch."""
        place = "".join(f"{key}={number}, " for key, number in where.items())
        if "batch" in where:  # AWS's lines have no comma behind the batch
            place = place.removesuffix(", ") + " "
        info(f"#quality_metric: host={self.host}, {place}{split} {name} <{'score' if score else 'loss'}>={value}")

    def progress(self, done: int, epochs: int) -> None:
        """``#progress_metric: host=algo-1, completed 50 % of epochs``."""
        info(f"#progress_metric: host={self.host}, completed {100 * done / epochs:g} % of epochs")

    def throughput(self, records: int, since: float) -> None:
        """``#throughput_metric: host=algo-1, train throughput=5000.0 records/second``."""
        rate = records / max(time.time() - since, 1e-6)
        info(f"#throughput_metric: host={self.host}, train throughput={rate} records/second")

    def test_score(self, name: str, value: float) -> None:
        """``#test_score (algo-1) : ('msd', 1.5)``."""
        info(f"#test_score ({self.host}) : {(name, value)}")

    def finish(self) -> None:
        """The last ``#metrics`` line: how long everything took, in milliseconds."""
        total = (time.time() - self._started) * 1000
        self.metrics(self._started, {"setuptime": 0.0, "totaltime": total})


def _stamped(level: str, text: str) -> None:
    print(f"[{time.strftime('%m/%d/%Y %H:%M:%S')} {level} {threading.get_ident()}] {text}", flush=True)
