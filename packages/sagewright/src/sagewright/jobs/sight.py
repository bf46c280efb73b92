"""What a controller of jobs sees, and what it can do: plain frozen values, so that its plan stays pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from sagewright.compute.runtime import Observed as Instance
from sagewright.kernel.errands import ABSENT, Errand

MISSING = Instance("missing")
ErrandName = Literal["download", "start", "save", "upload"]


@dataclass(frozen=True, slots=True)
class Failure:
    """The instance that failed first: what is seen of it, what it wrote to say why, the end of its log.

    ``host`` is its name in a job of several, else empty.
    """

    instance: Instance
    text: str = ""
    last_lines: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class JobSight:
    """One look at a job.

    ``instances`` are its containers, algo-1 first; ``failure`` is there once one of them has not ended well. ``placed``: it
    holds its places on this machine; ``waiting`` says why it cannot have them (empty: it can).
    """

    instances: tuple[Instance, ...] = (MISSING,)
    failure: Failure | None = None
    placed: bool = False
    waiting: str = ""
    download: Errand = ABSENT
    start: Errand = ABSENT
    upload: Errand = ABSENT

    @classmethod
    def beside(cls, common: JobSight, **own: Any) -> Self:
        """What every kind sees, with what only this one does."""
        return cls(**{member.name: getattr(common, member.name) for member in fields(common)}, **own)

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
    """Begins to bring in what the containers need."""


@dataclass(frozen=True, slots=True)
class Start:
    """Begins to start the containers."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Begins to ship what is new of the running containers: log lines, use, folders that are kept in step with S3."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Begins to ship the last log lines and to bring out what the containers wrote; what they were to make only if it is ``wanted``."""

    wanted: bool


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


Action = Reserve | Download | Start | Watch | Upload | Signal | Forget | Remove
"""What every kind of jobs has done."""
