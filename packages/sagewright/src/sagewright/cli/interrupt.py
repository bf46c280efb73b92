"""``interrupt``: takes the instances of a managed spot training job away, as AWS does when it needs them elsewhere."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from sagewright.cli.client import connect
from sagewright.cli.options import Data, console, fail, settings_or_exit
from sagewright.wire.frames import FrameClient

_SECONDS = 30.0


def interrupt(
    name: Annotated[str, typer.Argument(help="A managed spot training job that runs.", show_default=False)],
    region: Annotated[str | None, typer.Option(help="The job's region, if not the server's own.", show_default=False)] = None,
    data: Data = None,
) -> None:
    """Interrupt a managed spot training job: it starts again from its checkpoints."""
    settings = connect(settings_or_exit(data=data))
    header = {"op": "interrupt", "account": settings.account, "region": region or settings.region, "name": name}
    try:
        problem = asyncio.run(_ask(str(settings.control_socket), header))
    except (OSError, TimeoutError) as error:
        fail(f"the server cannot be reached: {error}")
    if problem:
        fail(problem)
    console.print(f"{name} is being interrupted.", highlight=False)


async def _ask(socket: str, header: dict[str, str]) -> str:
    """Over control's own socket, which only the server's user reaches: AWS has no operation for this. Returns a problem or ""."""
    control = await FrameClient.connect(socket)
    try:
        answer, body = await control.call(header, timeout=_SECONDS)
    finally:
        control.close()
    return "" if answer["status"] == 200 else body.decode() or "the server refused"
