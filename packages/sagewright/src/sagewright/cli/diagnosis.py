"""Why a job or an endpoint has failed, and what to do about it: from its description, its log and its metrics. Pure."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_FULL_PERCENT = 90.0
"""Use of memory or disk from which on a limit is near enough to be named."""
_ERROR = re.compile(r"^(?:[\w.]*(?:[Ee]rror|Exception|Interrupt|Exit)\b|.*\b(?:ERROR|FATAL|CRITICAL|Error:|error:))")
_CODE = re.compile(r"exit code:? (\d+)")
_SIGNAL = re.compile(r"signal (SIG\w+)")
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class Evidence:
    """``description`` is what Describe says, ``log`` the lines, ``peaks`` the highest value of each metric, in percent."""

    status: str
    description: Mapping[str, Any]
    log: Sequence[str] = ()
    peaks: Mapping[str, float] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """FailureReason, or ""."""
        return str(self.description.get("FailureReason", ""))

    @property
    def waits(self) -> list[str]:
        """What an endpoint's variants say of themselves while they are not as they should be."""
        entries = self.description.get("ProductionVariants", ())
        return [
            f"{entry['VariantName']}: {stage['StatusMessage']}" for entry in entries for stage in entry.get("VariantStatus", ())
        ]

    @property
    def channels(self) -> list[str]:
        """Names of the training channels or processing inputs."""
        channels = [str(channel["ChannelName"]) for channel in self.description.get("InputDataConfig", ())]
        return channels + [str(given["InputName"]) for given in self.description.get("ProcessingInputs", ())]

    @property
    def code(self) -> int | None:
        """The container's exit code."""
        found = _CODE.search(self.reason)
        return int(found[1]) if found else None

    @property
    def signal(self) -> str:
        """SIGKILL …, what ended the container, or ""."""
        found = _SIGNAL.search(self.reason)
        if found:
            return found[1]
        number = (self.code or 0) - 128
        return signal.Signals(number).name if number in set(signal.Signals) else ""

    def text(self) -> str:
        """Everything that was said about the end: FailureReason and the first error."""
        return f"{self.reason}\n{first_error(self.log)}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``facts`` are (what, value) pairs, in the order of their weight; ``fixes`` are sentences, the likeliest first."""

    facts: tuple[tuple[str, str], ...]
    fixes: tuple[str, ...]


def diagnose(evidence: Evidence) -> Diagnosis:
    """What is known, and what follows from it."""
    fixes = [fix for rule in _RULES if (fix := rule(evidence))] if evidence.reason or evidence.log else []
    return Diagnosis(tuple((what, value) for what, value in _facts(evidence) if value), tuple(fixes))


def first_error(log: Iterable[str]) -> str:
    """The first line that says what went wrong; of a traceback the line that names the exception."""
    inside = False
    for line in log:
        if line.startswith(_TRACEBACK):
            inside = True
        elif inside:
            if line[:1] not in ("", " ", "\t"):
                return line
        elif _ERROR.match(line):
            return line
    return ""


def _facts(evidence: Evidence) -> Iterable[tuple[str, str]]:
    yield "FailureReason", evidence.reason
    yield "variants", " ".join(evidence.waits)
    yield "exit code", "" if evidence.code is None else str(evidence.code)
    yield "ended by signal", evidence.signal
    yield "first error in the log", first_error(evidence.log)
    yield "inputs", ", ".join(evidence.channels)
    for metric in ("MemoryUtilization", "DiskUtilization"):
        peak = evidence.peaks.get(metric)
        yield f"highest {metric}", "" if peak is None else f"{peak:.0f} % of what the instance type has"


Rule = Callable[[Evidence], str]


def _memory(evidence: Evidence) -> str:
    said = re.search(r"out of memory|MemoryError|Cannot allocate memory|OutOfMemory", evidence.text())
    full = evidence.peaks.get("MemoryUtilization", 0.0) >= _FULL_PERCENT
    if said or (full and evidence.signal == "SIGKILL"):
        return "Memory ran out: take an instance type with more of it, smaller batches, or less data per instance."
    if evidence.signal == "SIGKILL":
        return "Something killed the container (SIGKILL) with memory left; the machine's own log may say who."
    return ""


def _disk(evidence: Evidence) -> str:
    said = re.search(r"out of disk|No space left on device|Disk quota", evidence.text())
    full = evidence.peaks.get("DiskUtilization", 0.0) >= _FULL_PERCENT
    return "The disk is full: a larger VolumeSizeInGB, or FastFile or Pipe mode for the data." if said or full else ""


def _channel(evidence: Evidence) -> str:
    found = re.search(
        r"(?:No such file or directory|FileNotFoundError|NotFound).*?/opt/ml/(?:input/data|processing)/([\w.-]+)",
        evidence.text(),
    )
    missing = (
        found[1]
        if found
        else _named(evidence, r"[Mm]issing required channel:? *'?([\w.-]+)", r"'([\w.-]+)' is a required property")
    )
    if not missing or missing in evidence.channels:
        return ""
    given = ", ".join(evidence.channels) or "none"
    return f"There is no input named {missing}; given: {given}. Add it, or read one that is there."


def _module(evidence: Evidence) -> str:
    name = _named(evidence, r"No module named '([\w.]+)'")
    return f"The image has no module {name}: name its package in requirements.txt beside the script." if name else ""


def _requirements(evidence: Evidence) -> str:
    found = re.search(
        r"No matching distribution|Could not find a version|No solution found|ResolutionImpossible",
        evidence.text() + "\n".join(evidence.log),
    )
    return (
        "A package of requirements.txt could not be installed: check its name and version, and that the job has a network."
        if found
        else ""
    )


def _network(evidence: Evidence) -> str:
    found = re.search(r"name resolution|Name or service not known|Network is unreachable|Connection refused", evidence.text())
    isolated = evidence.description.get("EnableNetworkIsolation") or evidence.description.get("NetworkConfig", {}).get(
        "EnableNetworkIsolation"
    )
    if not found:
        return ""
    return (
        "The container has no network (EnableNetworkIsolation): bring what it needs as an input."
        if isolated
        else "The container could not reach an address: several instances of a job reach one another and this server, nothing else."
    )


def _signals(evidence: Evidence) -> str:
    return {
        "SIGSEGV": "A compiled library crashed: try other versions in requirements.txt, or one thread (OMP_NUM_THREADS=1).",
        "SIGABRT": "A compiled library gave up; its last words are in the log.",
        "SIGILL": "A compiled library needs instructions that this processor does not have.",
    }.get(evidence.signal, "")


def _command(evidence: Evidence) -> str:
    return {
        126: "The entrypoint cannot be executed: check its file mode and its first line.",
        127: "The entrypoint was not found in the image.",
    }.get(evidence.code or 0, "")


def _read_only(evidence: Evidence) -> str:
    found = re.search(r"Read-only file system|Permission denied.*?(/opt/ml/\S+)", evidence.text())
    return "Write to /opt/ml/model, /opt/ml/output or /tmp: inputs and the code are not to be written." if found else ""


def _health(evidence: Evidence) -> str:
    found = re.search(r"ping health check", evidence.reason)
    return (
        "The server in the container must answer GET /ping with 200 on port 8080; its log says what it does instead."
        if found
        else ""
    )


def _runtime(evidence: Evidence) -> str:
    over = evidence.description.get("SecondaryStatus") == "MaxRuntimeExceeded" or "MaxRuntimeInSeconds" in evidence.reason
    return "It took longer than StoppingCondition.MaxRuntimeInSeconds allows: raise it, and keep checkpoints." if over else ""


def _data(evidence: Evidence) -> str:
    found = re.search(r"No S3 objects found|NoSuchKey|NoSuchBucket|does not exist in S3|Access ?Denied", evidence.reason)
    return "The data in S3 could not be read: check bucket, prefix and region of the inputs' S3Uri." if found else ""


def _user(evidence: Evidence) -> str:
    return (
        "The request is at fault, as FailureReason says: change it and create the job again."
        if evidence.reason.startswith("ClientError")
        else ""
    )


def _named(evidence: Evidence, *patterns: str) -> str:
    for pattern in patterns:
        if found := re.search(pattern, evidence.text()):
            return found[1]
    return ""


_RULES: tuple[Rule, ...] = (
    _memory,
    _disk,
    _channel,
    _module,
    _requirements,
    _network,
    _signals,
    _command,
    _read_only,
    _health,
    _runtime,
    _data,
    _user,
)
