"""What a benchmark gives back, and how it is printed beside its target."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value; ``met`` is whether the target holds, None where there is none."""

    name: str
    value: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Floor:
    """Something of a known cost, measured in the same run: it tells a slow machine from slow code."""

    name: str
    seconds: float


def at_most(name: str, seconds: float, limit: float, floor: Floor) -> Figure:
    value = f"{seconds:.3f} s   ({seconds / floor.seconds:.1f}x {floor.name}, {floor.seconds * 1000:.0f} ms)"
    return Figure(name, value, f"<= {limit:g} s", seconds <= limit)


def at_least(name: str, value: float, limit: float, unit: str) -> Figure:
    return Figure(name, f"{value:.1f} {unit}", f">= {limit:g} {unit}", value >= limit)


def at_most_mebibytes(name: str, value: float, limit: float) -> Figure:
    return Figure(name, f"{value:.0f} MiB   ({value / limit:.2f}x of what is allowed)", f"<= {limit:g} MiB", value <= limit)


def median_ratio(name: str, rounds: Sequence[Sequence[float]], least: float, unit: str) -> Figure:
    """Over rounds of (ours, theirs): the median of the rounds' ratios must be at least ``least``. Noise strikes both sides of a round."""
    found = median(ours / theirs for ours, theirs in rounds)
    value = f"{found:.2f}x   ({median(o for o, _ in rounds):,.0f} against {median(t for _, t in rounds):,.0f} {unit})"
    return Figure(name, value, f">= {least:g}x", found >= least)


def median_no_worse(name: str, rounds: Sequence[Sequence[float]], most: float, unit: str) -> Figure:
    """Over rounds of (ours, theirs): the median of the rounds' ratios must be at most ``most``."""
    found = median(ours / theirs for ours, theirs in rounds)
    value = f"{found:.2f}x   ({median(o for o, _ in rounds):.3f} against {median(t for _, t in rounds):.3f} {unit})"
    return Figure(name, value, f"<= {most:g}x", found <= most)


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


def print_figures(figures: Iterable[Figure]) -> None:
    for figure in figures:
        verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
        print(f"  {figure.name:<66} {figure.value:<52} {figure.target:<14} {verdict}", flush=True)


def print_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """A line may be shorter than the head; its last cell may then be longer than its column."""
    widths = [16, *(max(len(name), 8) for name in head[1:])]
    for line in (head, *lines):
        first, *rest = line
        print(
            f"  {first:<{widths[0]}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=False)),
            flush=True,
        )
