"""``environments``: list, build and remove the environments that have an interpreter of their own.

A job builds what it needs by itself; building beforehand spares the first one the wait, and shows what a build says.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from sagewright.cli.options import Data, console, fail, settings_or_exit
from sagewright.compute.environments import build as builder
from sagewright.compute.environments.build import BuildError
from sagewright.compute.environments.definition import DEFINITIONS, Definition, names
from sagewright.compute.environments.folder import Environments, Standing

app = typer.Typer(help="Environments of images whose libraries cannot live beside the server's.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="An environment that `sagewright environments list` names.", show_default=False)]


@app.command("list")
def list_all(data: Data = None) -> None:
    """List the environments, whether they are built, and what they take of the disk."""
    settings = settings_or_exit(data=data)
    table = Table("environment", "Python", "state", "size", "folder")
    for standing in Environments(settings.environments).standings():
        table.add_row(standing.name, standing.version, _state(standing), _size(standing), str(standing.folder or ""))
    console.print(table)


@app.command()
def build(name: Name, data: Data = None) -> None:
    """Build an environment, unless it is built."""
    _check(name)
    settings = settings_or_exit(data=data)
    try:
        folder = builder.build(settings.environments, Definition.read(DEFINITIONS, name), quiet=False)
    except BuildError as problem:
        fail(str(problem))
    console.print(f"{name} is built: {folder}", highlight=False, soft_wrap=True)


@app.command()
def remove(name: Name, data: Data = None) -> None:
    """Remove every build of an environment, old ones too. Nothing may run in it."""
    _check(name)
    try:
        count = builder.remove(settings_or_exit(data=data).environments, name)
    except OSError as problem:
        fail(f"the environment {name} cannot be removed: {problem.strerror or problem}")
    console.print(f"{name}: {count} removed." if count else f"{name} is not built.", highlight=False)


def _check(name: str) -> None:
    if name not in names(DEFINITIONS):
        fail(f"there is no environment {name}; there are {', '.join(names(DEFINITIONS))}", code=2)


def _state(standing: Standing) -> str:
    if standing.folder is None:
        return "not built"
    return "old build" if standing.outdated else "built"


def _size(standing: Standing) -> str:
    return f"{standing.size() / 1e6:,.0f} MB" if standing.folder is not None else ""
