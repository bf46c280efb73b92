"""Sets of characters as intervals of code points, and Java's named ones: the arithmetic behind wire/patterns.py."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import pairwise

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]

ASCII = 0x80
UNICODE = 0x110000
"""Sizes of the two universes a pattern is translated for: most text is ASCII and needs no Unicode tables."""

_UNASSIGNED_FROM, _ASSIGNED_AGAIN, _PRIVATE_FROM = 0x33480, 0xE0000, 0xF0000


def single(*points: int) -> Intervals:
    """The set of the given code points."""
    return union(*(((point, point),) for point in points))


def union(*sets: Intervals) -> Intervals:
    """Joined and sorted, neighbours merged."""
    merged: list[Interval] = []
    for low, high in sorted(interval for members in sets for interval in members):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(members: Intervals, universe: int) -> Intervals:
    """What of ``universe`` (its size) is not in ``members``."""
    fences = [(-1, -1), *within(members, universe), (universe, universe)]
    return tuple((left[1] + 1, right[0] - 1) for left, right in pairwise(fences) if left[1] + 1 <= right[0] - 1)


def intersection(left: Intervals, right: Intervals, universe: int) -> Intervals:
    """What is in both."""
    return complement(union(complement(left, universe), complement(right, universe)), universe)


def within(members: Intervals, universe: int) -> Intervals:
    """``members`` cut off at the end of the universe."""
    return tuple((low, min(high, universe - 1)) for low, high in members if low < universe)


def expression(members: Intervals) -> str:
    """The set as a Python character class; an empty set never matches."""
    if not members:
        return "(?!)"
    return "[" + "".join(_escaped(low) + ("-" + _escaped(high) if high > low else "") for low, high in members) + "]"


def named(name: str, universe: int) -> Intervals:
    r"""Java's ``\p{name}``: a POSIX class (ASCII only) or a general category; raises ValueError for another name."""
    if name in _POSIX:
        return _POSIX[name]
    category = name.removeprefix("Is").removeprefix("gc=")
    found = [members for key, members in _categories(universe).items() if key.startswith(category)]
    if not re.fullmatch(r"[CLMNPSZ][a-z]?", category):
        raise ValueError(f"unknown character class {name!r}")
    return union(*found)


def _escaped(point: int) -> str:
    return f"\\U{point:08x}" if point > 0xFFFF else f"\\u{point:04x}"


@cache
def _categories(universe: int) -> dict[str, Intervals]:
    """Intervals by general category. Looks only where this Unicode version has assigned anything: 15 ms instead of 100."""
    found: dict[str, list[Interval]] = {}
    start = 0
    for region in (range(0, min(universe, _UNASSIGNED_FROM)), range(_ASSIGNED_AGAIN, min(universe, _PRIVATE_FROM))):
        previous = ""
        for point in region:
            category = unicodedata.category(chr(point))
            if category != previous:
                if previous:
                    found.setdefault(previous, []).append((start, point - 1))
                previous, start = category, point
        if previous:
            found.setdefault(previous, []).append((start, region[-1]))
    if universe > _PRIVATE_FROM:
        found.setdefault("Co", []).append((_PRIVATE_FROM, universe - 1))
        found.setdefault("Cn", []).append((_UNASSIGNED_FROM, _ASSIGNED_AGAIN - 1))
    return {category: tuple(intervals) for category, intervals in found.items()}


def _range(first: str, last: str) -> Intervals:
    return ((ord(first), ord(last)),)


_LOWER, _UPPER, _DIGIT = _range("a", "z"), _range("A", "Z"), _range("0", "9")
_ALPHA = union(_LOWER, _UPPER)
_ALNUM = union(_ALPHA, _DIGIT)
_GRAPH = _range("!", "~")
_POSIX: dict[str, Intervals] = {
    "Lower": _LOWER,
    "Upper": _UPPER,
    "Digit": _DIGIT,
    "Alpha": _ALPHA,
    "Alnum": _ALNUM,
    "ASCII": ((0, 0x7F),),
    "Graph": _GRAPH,
    "Print": _range(" ", "~"),
    "Punct": intersection(_GRAPH, complement(_ALNUM, ASCII), ASCII),
    "Blank": single(0x09, 0x20),
    "Cntrl": union(((0, 0x1F),), single(0x7F)),
    "XDigit": union(_DIGIT, _range("a", "f"), _range("A", "F")),
    "Space": union(((0x09, 0x0D),), single(0x20)),
}

DIGIT = _DIGIT
WORD = union(_ALNUM, single(ord("_")))
SPACE = _POSIX["Space"]
HORIZONTAL_SPACE = union(single(0x09, 0x20, 0xA0, 0x1680, 0x180E, 0x202F, 0x205F, 0x3000), ((0x2000, 0x200A),))
VERTICAL_SPACE = union(((0x0A, 0x0D),), single(0x85, 0x2028, 0x2029))
LINE_ENDS = single(0x0A, 0x0D, 0x85, 0x2028, 0x2029)
"""What Java's dot does not match."""
