"""``logs``: what a job or an endpoint has printed, as it comes."""

from __future__ import annotations

from typing import Annotated

import typer

from sagewright.cli.client import client, connect
from sagewright.cli.options import Data, console, settings_or_exit
from sagewright.cli.work import NAMES, find_or_exit


def logs(
    name: Annotated[str, typer.Argument(help=f"A {NAMES}.", show_default=False)],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends (an endpoint: until Ctrl-C).")
    ] = False,
    data: Data = None,
) -> None:
    """Print the log of a job or an endpoint."""
    settings = connect(settings_or_exit(data=data))
    sagemaker = client(settings, "sagemaker")
    kind, _ = find_or_exit(sagemaker, name)
    try:
        for message in kind.log(sagemaker, client(settings, "logs"), name).messages(follow):
            console.print(message, markup=False, highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        raise typer.Exit from None
