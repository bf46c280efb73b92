"""``doctor``: what this machine can do, found out by trying, and how to get what is missing."""

from __future__ import annotations

import typer
from rich.table import Table

from sagewright.cli.options import console
from sagewright.compute.capabilities import survey


def doctor() -> None:
    """Show what this machine can do: sandbox, control groups, FUSE, images of your own, GPU. Exits 1 without any sandbox."""
    found = survey()
    table = Table("", "capability", "found", "how to get it")
    for capability in found:
        mark = "[green]yes[/]" if capability.available else "[yellow]no[/]"
        table.add_row(mark, capability.name, capability.detail, capability.remedy)
    console.print(table)
    if not any(capability.available for capability in found if capability.name in ("namespaces", "bubblewrap")):
        console.print("[red]Jobs run as plain processes on this machine: user code is not isolated from it.[/]")
        raise typer.Exit(1)
