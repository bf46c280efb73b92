"""What the controller of training jobs sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagewright.jobs.sight import (
    MISSING,
    Download,
    ErrandName,
    Failure,
    Forget,
    JobSight,
    Remove,
    Reserve,
    Signal,
    Start,
    Upload,
    Watch,
)
from sagewright.kernel.errands import ABSENT, Errand

__all__ = [
    "MISSING",
    "Action",
    "Announce",
    "Claim",
    "Download",
    "ErrandName",
    "Failure",
    "Forget",
    "Keep",
    "Remove",
    "Reserve",
    "Reset",
    "Save",
    "Sight",
    "Signal",
    "Start",
    "Upload",
    "Watch",
]


@dataclass(frozen=True, slots=True)
class Sight(JobSight):
    """One look at a training job. ``metrics`` is the FinalMetricDataList so far, ``save`` the errand of an attempt that ends.
    ``notice`` is something the user should know about how the job runs here.

    ``refusal`` is why it never will run here. ``reclaimed``: its spot instances are needed elsewhere; after ``interrupt_after``
    seconds they go as scheduled. ``pool`` is the key of a job that has ended and whose warm pool fits (``pool_soon``: in a moment there
    will be one), ``keeps`` whether this one may leave one. ``price`` is what a second of its instances costs, 1 being on demand.
    ``copying`` says why FastFile and Pipe data must be copied, or is empty.
    """

    metrics: tuple[dict[str, Any], ...] = ()
    notice: str = ""
    save: Errand = ABSENT
    refusal: str = ""
    reclaimed: bool = False
    interrupt_after: float | None = None
    pool: str = ""
    pool_soon: bool = False
    keeps: bool = False
    price: float = 1.0
    copying: str = ""


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
class Announce:
    """Says that there will be a warm pool in a moment: who sees it in the row must not miss it."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Deletes the run folders of a job that has ended, and offers its places and its cache to the next."""


Action = Reserve | Download | Start | Watch | Save | Upload | Signal | Forget | Reset | Claim | Announce | Keep | Remove
