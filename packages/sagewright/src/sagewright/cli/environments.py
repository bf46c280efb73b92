"""``environments``: list, build and remove the environments that have an interpreter of their own, and layers of requirements.

A job builds what it needs by itself; building beforehand spares the first one the wait, and shows what a build says. An environment of
the version that an image's tag names is named by the image, too: ``environments build pytorch-training:2.6-cpu-py312``.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from sagewright.cli.options import Data, console, fail, settings_or_exit
from sagewright.compute.environments import build as builder
from sagewright.compute.environments import layer
from sagewright.compute.environments.build import BuildError
from sagewright.compute.environments.definition import DEFINITIONS, names
from sagewright.compute.environments.edition import Edition
from sagewright.compute.environments.folder import Environments, Standing
from sagewright.compute.environments.recipe import RECIPES
from sagewright.compute.images import resolve

app = typer.Typer(help="Environments of images whose libraries cannot live beside the server's.", no_args_is_help=True)

_LAYERS = "requirements"

Name = Annotated[
    str,
    typer.Argument(
        help="What `sagewright environments list` names, a version (sklearn@1.2), or a framework image's URI.",
        show_default=False,
    ),
]


@app.command("list")
def list_all(data: Data = None) -> None:
    """List the environments, whether they are built, and what they take of the disk."""
    settings = settings_or_exit(data=data)
    table = Table("environment", "Python", "state", "size", "folder")
    for standing in Environments(settings.environments).standings():
        table.add_row(standing.name, standing.version, _state(standing), _size(standing), str(standing.folder or ""))
    count, size = layer.inventory(settings.environments)
    if count:
        table.add_row(_LAYERS, "", f"{count} layers", f"{size / 1e6:,.0f} MB", str(settings.environments / layer.FOLDER))
    console.print(table)


@app.command()
def build(name: Name, data: Data = None) -> None:
    """Build an environment, unless it is built."""
    name = _known(name)
    root = settings_or_exit(data=data).environments
    try:
        definition = builder.define(root, DEFINITIONS, name)
        folder = builder.build(root, definition, quiet=False)
    except BuildError as problem:
        fail(str(problem))
    console.print(f"{name} is built: {folder}", highlight=False, soft_wrap=True)
    if definition.note:
        console.print(definition.note, highlight=False, soft_wrap=True)


@app.command()
def remove(name: Name, data: Data = None) -> None:
    """Remove every build of an environment, old ones too, or with `requirements` every layer. Nothing may run in it."""
    root = settings_or_exit(data=data).environments
    name = name if name == _LAYERS else _known(name)
    try:
        count = layer.remove(root) if name == _LAYERS else builder.remove(root, name)
    except OSError as problem:
        fail(f"the environment {name} cannot be removed: {problem.strerror or problem}")
    console.print(f"{name}: {count} removed." if count else f"{name} is not built.", highlight=False)


def _known(name: str) -> str:
    """The environment that is meant."""
    of_image = resolve(name).environment()
    edition = Edition.parse(name) or Edition.parse(of_image)
    if edition is not None and edition.family in RECIPES:
        return edition.name
    if of_image in names(DEFINITIONS):
        return of_image
    if name not in names(DEFINITIONS):
        known = (*names(DEFINITIONS), *(f"{family}@VERSION" for family in RECIPES if RECIPES[family].package))
        fail(f"there is no environment {name}; there are {', '.join(known)}", code=2)
    return name


def _state(standing: Standing) -> str:
    if standing.folder is None:
        return "not built"
    return "old build" if standing.outdated else "built"


def _size(standing: Standing) -> str:
    return f"{standing.size() / 1e6:,.0f} MB" if standing.folder is not None else ""
