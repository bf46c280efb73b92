"""What the controller of training jobs sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sagewright.compute.runtime import Observed as Instance
from sagewright.kernel.errands import ABSENT, Errand

MISSING = Instance("missing")
ErrandName = Literal["download", "start", "upload"]


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a job.

    ``placed``: it holds a place on this machine; ``waiting`` says why there is none (empty: there is one). ``failure`` is what
    the container wrote to /opt/ml/output/failure, ``last_lines`` the end of its log; both only once it has exited. ``metrics``
    is the FinalMetricDataList so far. ``notice`` is something the user should know about how the job runs here.
    """

    instance: Instance = MISSING
    placed: bool = False
    waiting: str = ""
    download: Errand = ABSENT
    start: Errand = ABSENT
    upload: Errand = ABSENT
    failure: str = ""
    last_lines: str = ""
    metrics: tuple[dict[str, Any], ...] = ()
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Takes a place; an ``adopted`` job runs already and gets one even when the machine is full."""

    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """Begins to bring in channels, code and checkpoints."""


@dataclass(frozen=True, slots=True)
class Start:
    """Begins to start the container."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Begins to ship new log lines, metrics and checkpoints of the running container."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Begins to ship the last log lines and to bring out what the container wrote; the model only ``with_model``."""

    with_model: bool


@dataclass(frozen=True, slots=True)
class Signal:
    """Sends a signal to the user's process."""

    number: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Drops the outcome of an errand, so that it can be begun again."""

    errand: ErrandName


@dataclass(frozen=True, slots=True)
class Remove:
    """Ends every errand, gives the place back and deletes the run folder."""


Action = Reserve | Download | Start | Watch | Upload | Signal | Forget | Remove
