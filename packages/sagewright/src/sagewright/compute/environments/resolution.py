"""From an edition to pins: asks the registry, through uv, what can be had for a Python of this machine.

The version that the tag names, where the registry has it for one of them; else the nearest one, the next version after it before
the last one before it, and the definition says so. Only wheels count: nothing is compiled.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Protocol

from sagewright.compute.environments import pythons
from sagewright.compute.environments.definition import Definition
from sagewright.compute.environments.edition import Edition, numbers
from sagewright.compute.environments.recipe import EVERYWHERE, RECIPES, Recipe

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)")


class Compile(Protocol):
    """Pins for requirements, one per line. Raises Unsatisfiable."""

    def __call__(self, python: str, requirements: Iterable[str], *, lowest: bool = False, until: str = "") -> list[str]: ...


class Unsatisfiable(Exception):
    """There is no such set of packages; uv's words."""


def resolve(edition: Edition, compile_: Compile, available: Mapping[str, str] | None = None) -> Definition:
    """Raises Unsatisfiable. ``available`` are interpreters by version (pythons.installed)."""
    recipe = RECIPES[edition.family]
    there = pythons.installed() if available is None else available
    if not recipe.package:
        return _of_python(edition, recipe, compile_, there)
    found = _exact(edition, recipe, compile_, there) or _nearest(edition, recipe, compile_, there)
    python, name, version = found
    wanted = [f"{name}=={version}", *recipe.beside, *EVERYWHERE, *recipe.constraints(version)]
    if edition.family == "huggingface":
        wanted.append(f"transformers=={edition.transformers}" if edition.transformers else "transformers")
    pins = _together(compile_, there[python], wanted, recipe.until(version))
    return Definition(edition.name, python, tuple(pins), recipe.imports, _note(edition, recipe, version, python))


def _of_python(edition: Edition, recipe: Recipe, compile_: Compile, there: Mapping[str, str]) -> Definition:
    """The Python is the image: what was pickled by another one cannot be read."""
    if edition.python not in there:
        raise Unsatisfiable(f"Python {edition.python} is not installed on this machine (there are {', '.join(there)})")
    pins = compile_(there[edition.python], (*recipe.beside, *EVERYWHERE))
    return Definition(edition.name, edition.python, tuple(pins), recipe.imports)


def _exact(edition: Edition, recipe: Recipe, compile_: Compile, there: Mapping[str, str]) -> tuple[str, str, str] | None:
    """(Python, package, version), or None when no Python can have it."""
    for python in _by_preference(edition, there):
        try:
            return python, *_first(compile_(there[python], [recipe.requirement(edition)]), recipe)
        except Unsatisfiable:
            continue
    return None


def _nearest(edition: Edition, recipe: Recipe, compile_: Compile, there: Mapping[str, str]) -> tuple[str, str, str]:
    """After it: the lowest that any Python can have. Before it: the highest."""
    problem = Unsatisfiable("there is no Python")
    for requirement, lowest in zip(recipe.nearest(edition), (True, False), strict=True):
        found = []
        for python in _by_preference(edition, there):
            try:
                found.append((python, *_first(compile_(there[python], [requirement], lowest=lowest), recipe)))
            except Unsatisfiable as why:
                problem = why
        if found:
            return (min if lowest else max)(found, key=lambda item: numbers(item[2]))
    raise problem


def _by_preference(edition: Edition, there: Mapping[str, str]) -> list[str]:
    """The tag's Python, the server's own, then the nearest to either."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = numbers(edition.python or own)[1]
    return sorted(there, key=lambda python: (python != edition.python, python != own, abs(numbers(python)[1] - wanted)))


def _together(compile_: Compile, python: str, wanted: list[str], until: str) -> list[str]:
    """With libraries of its time, unless the registry keeps no dates."""
    if until:
        try:
            return compile_(python, wanted, until=until)
        except Unsatisfiable:
            pass
    return compile_(python, wanted)


def _first(pins: list[str], recipe: Recipe) -> tuple[str, str]:
    """(package, version) of what the recipe is for."""
    versions = {match[1]: match[2] for match in map(_PIN.match, pins) if match is not None}
    for name in (recipe.package, *recipe.names):
        if name in versions:
            return name, versions[name]
    raise Unsatisfiable(f"{recipe.package} is not among what was found")


def _note(edition: Edition, recipe: Recipe, version: str, python: str) -> str:
    """What somebody who asked for the tag should know, or empty."""
    if edition.version and not edition.is_met_by(version):
        return (
            f"The image's tag names {recipe.title} {edition.version}, which cannot be had for a Python of this machine. "
            f"The nearest version runs: {version}, on Python {python}."
        )
    if edition.python and edition.python != python:
        return f"{recipe.title} {version} runs on Python {python}; the image's tag names Python {edition.python}."
    return ""
