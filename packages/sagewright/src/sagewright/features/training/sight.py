"""What the controller of training jobs sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sagewright.compute.runtime import Observed as Instance
from sagewright.kernel.errands import ABSENT, Errand

MISSING = Instance("missing")
ErrandName = Literal["download", "start", "save", "upload"]


@dataclass(frozen=True, slots=True)
class Failure:
    """The instance that failed first: what is seen of it, what it wrote to /opt/ml/output/failure, the end of its log.

    ``host`` is its name in a job of several, else empty.
    """

    instance: Instance
    text: str = ""
    last_lines: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a job.

    ``instances`` are its containers, algo-1 first; ``failure`` is there once one of them has not ended well. ``placed``: it
    holds its places on this machine; ``waiting`` says why it cannot have them (empty: it can). ``metrics`` is the
    FinalMetricDataList so far. ``notice`` is something the user should know about how the job runs here, ``refusal`` why it never
    will. ``reclaimed``: its spot instances are needed elsewhere; ``interrupt_after`` so many seconds they go as scheduled. ``pool``
    is the key of a job that has ended and whose warm pool fits, ``keeps`` whether this one may leave one. ``price`` is what a
    second of its instances costs, 1 being on demand.
    """

    instances: tuple[Instance, ...] = (MISSING,)
    failure: Failure | None = None
    placed: bool = False
    waiting: str = ""
    download: Errand = ABSENT
    start: Errand = ABSENT
    save: Errand = ABSENT
    upload: Errand = ABSENT
    metrics: tuple[dict[str, Any], ...] = ()
    notice: str = ""
    refusal: str = ""
    reclaimed: bool = False
    interrupt_after: float | None = None
    pool: str = ""
    keeps: bool = False
    price: float = 1.0

    @property
    def begun(self) -> bool:
        """Whether any container was ever started."""
        return any(instance.state != "missing" for instance in self.instances)

    @property
    def complete(self) -> bool:
        """Whether all of them were."""
        return all(instance.state != "missing" for instance in self.instances)

    @property
    def running(self) -> bool:
        """Whether any of them runs."""
        return any(instance.state == "running" for instance in self.instances)

    @property
    def started(self) -> float | None:
        """When the first of them began to run."""
        return min((instance.started for instance in self.instances if instance.started is not None), default=None)


@dataclass(frozen=True, slots=True)
class Reserve:
    """Takes a place for every instance; an ``adopted`` job runs already and gets them even when the machine is full."""

    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """Begins to bring in channels, code and checkpoints."""


@dataclass(frozen=True, slots=True)
class Start:
    """Begins to start the containers."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Begins to ship new log lines, metrics and checkpoints of the running containers."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Begins to ship the last log lines and to bring out what the containers wrote; the model only ``with_model``."""

    with_model: bool


@dataclass(frozen=True, slots=True)
class Save:
    """Begins to ship the last log lines and the checkpoints of an attempt that another will follow."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Ends every errand, deletes the run folders and gives the places back: the job begins anew."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Takes over the warm pool of the job with this key."""

    job: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Deletes the run folders of a job that has ended, and offers its places and its cache to the next."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Sends a signal to the user's process of every instance that runs."""

    number: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Drops the outcome of an errand, so that it can be begun again."""

    errand: ErrandName


@dataclass(frozen=True, slots=True)
class Remove:
    """Ends every errand, gives the places back and deletes the run folders."""


Action = Reserve | Download | Start | Watch | Save | Upload | Signal | Forget | Reset | Claim | Keep | Remove
