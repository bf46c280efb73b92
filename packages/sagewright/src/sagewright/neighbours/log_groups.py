"""Finding the log group and the stream a request names."""

from __future__ import annotations

import re

from sagewright.kernel.operation import Context
from sagewright.signals import logs
from sagewright.store.database import Transaction
from sagewright.store.records import Series
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

INVALID = "InvalidParameterException"
_ARN = re.compile(r"arn:[^:]+:logs:[^:]*:[^:]*:log-group:(?P<name>[^:]+)(?::\*)?")


def found_group(transaction: Transaction, context: Context, request: Document) -> Resource:
    """The group of ``logGroupName`` or ``logGroupIdentifier`` (a name or an ARN); raises ResourceNotFoundException."""
    group = logs.group(transaction, context.world, _name(request))
    if group is None:
        raise Fault("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def found_stream(transaction: Transaction, context: Context, request: Document) -> Series:
    """The stream of ``logStreamName`` in that group; raises ResourceNotFoundException."""
    group = found_group(transaction, context, request)
    stream = logs.stream(transaction, context.world, group.key, request["logStreamName"])
    if stream is None:
        raise Fault("ResourceNotFoundException", "The specified log stream does not exist.")
    return stream


def name_in(arn: str) -> str:
    """The group's name in its ARN; raises InvalidParameterException."""
    match = _ARN.fullmatch(arn)
    if match is None:
        raise Fault(INVALID, f"{arn} is not the ARN of a log group.")
    return match["name"]


def _name(request: Document) -> str:
    if ("logGroupName" in request) == ("logGroupIdentifier" in request):
        raise Fault(INVALID, "Exactly one of logGroupName and logGroupIdentifier must be given.")
    name: str = request.get("logGroupName") or request["logGroupIdentifier"]
    return name_in(name) if name.startswith("arn:") else name
