"""Options that several commands share, and how a command gets its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from sagewright.settings import Settings

console = Console()
errors = Console(stderr=True)

Data = Annotated[Path | None, typer.Option("--data", help="The data folder (SAGEWRIGHT_DATA).", show_default=False)]


def settings_or_exit(**overrides: Any) -> Settings:
    """Settings from the environment and the command line; prints what is wrong and exits with 2 otherwise."""
    try:
        return Settings.from_env(**overrides)
    except ValueError as error:
        fail(str(error), code=2)


def fail(message: str, code: int = 1) -> NoReturn:
    """Ends the command with a message on standard error."""
    errors.print(f"[bold red]sagewright:[/] {message}", highlight=False)
    raise typer.Exit(code)
