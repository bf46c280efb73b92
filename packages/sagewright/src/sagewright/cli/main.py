"""The command line's table of contents; each command lives in a module of its own."""

from __future__ import annotations

import typer

from sagewright import __version__
from sagewright.cli import demo, doctor, edge_agent, environment, environments, explain, interrupt, logs, quota, server

app = typer.Typer(
    name="sagewright",
    help="Amazon SageMaker on your own machines: wire-compatible, and real.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

app.command("up")(server.up)
app.command("down")(server.down)
app.command("status")(server.status)
app.command("env")(environment.env)
app.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(environment.run)
app.command("demo")(demo.demo)
app.command("logs")(logs.logs)
app.command("explain")(explain.explain)
app.command("doctor")(doctor.doctor)
app.command("reset")(server.reset)
app.command("interrupt")(interrupt.interrupt)
app.command("edge-agent")(edge_agent.edge_agent)
app.add_typer(quota.app, name="quota")
app.add_typer(environments.app, name="environments")


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context,
    show: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    """Amazon SageMaker on your own machines: wire-compatible, and real."""
    if show:
        typer.echo(f"sagewright {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    app()
