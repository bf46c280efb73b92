"""``quota``: what an account may use, and more of it, through the Service Quotas API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import botocore.exceptions
import typer
from rich.table import Table

from sagewright.cli.client import client, connect
from sagewright.cli.options import Data, console, fail, settings_or_exit
from sagewright.settings import Settings

app = typer.Typer(help="Quotas of the account; they count when the server runs with --limits aws.", no_args_is_help=True)
_SERVICE = "sagemaker"


@app.command("list")
def show(
    text: Annotated[str, typer.Argument(help="Only names with this in them.", show_default=False)] = "",
    data: Data = None,
) -> None:
    """Print quotas and their values."""
    settings = connect(settings_or_exit(data=data))
    table = Table("quota", "code", "instances")
    for quota in _quotas(client(settings, "service-quotas")):
        if text in quota["QuotaName"]:
            table.add_row(quota["QuotaName"], quota["QuotaCode"], f"{quota['Value']:.0f}")
    if not table.row_count:
        fail(f"no quota has {text} in its name")
    console.print(table)
    _say_whether_they_count(settings)


@app.command("raise")
def increase(
    name: Annotated[str, typer.Argument(help="The quota's name or code, as in the error message.", show_default=False)],
    value: Annotated[
        int, typer.Argument(help="How many instances from now on.", min=1, max=10_000_000_000, show_default=False)
    ],
    data: Data = None,
) -> None:
    """Raise a quota; it is granted at once."""
    settings = connect(settings_or_exit(data=data))
    service = client(settings, "service-quotas")
    quota = next((quota for quota in _quotas(service) if name in (quota["QuotaName"], quota["QuotaCode"])), None)
    if quota is None:
        fail(f"there is no quota {name}; see: sagewright quota list")
    try:
        service.request_service_quota_increase(ServiceCode=_SERVICE, QuotaCode=quota["QuotaCode"], DesiredValue=value)
    except botocore.exceptions.ClientError as problem:
        fail(f"{quota['QuotaName']} is {quota['Value']:.0f}. {problem.response['Error']['Message']}")
    console.print(f"{quota['QuotaName']}: {value}", highlight=False)
    _say_whether_they_count(settings)


def _quotas(service: Any) -> Iterator[dict[str, Any]]:
    for page in service.get_paginator("list_service_quotas").paginate(ServiceCode=_SERVICE):
        yield from page["Quotas"]


def _say_whether_they_count(settings: Settings) -> None:
    if settings.limits != "aws":
        console.print("This server does not count: it was started without --limits aws.", highlight=False)
