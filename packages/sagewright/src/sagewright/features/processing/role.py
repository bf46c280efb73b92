"""The role of a processing job: it must exist and let SageMaker assume it."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import orjson

from sagewright.kernel.operation import Context, Operations
from sagewright.wire.errors import Fault, validation

PRINCIPAL = "sagemaker.amazonaws.com"


async def check_role(operations: Operations, context: Context, role_arn: str) -> None:
    """Raises Fault with AWS's words. A role that nobody created exists once it is asked for; one that was deleted does not."""
    get_role = operations.find("iam", "GetRole")
    if get_role is None:
        return  # composed without IAM: tests of this feature alone
    try:
        answer = await get_role(context, {"RoleName": role_arn.rpartition("/")[2]})
    except Fault as missing:
        raise _refused(role_arn) from missing
    document = answer["Role"]["AssumeRolePolicyDocument"]
    statements = document if isinstance(document, dict) else orjson.loads(unquote(document))
    if not any(_lets_sagemaker(statement) for statement in _many(statements["Statement"])):
        raise _refused(role_arn)


def _lets_sagemaker(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    services = _many(principal.get("Service", ())) if isinstance(principal, dict) else [principal]
    return statement.get("Effect") == "Allow" and (PRINCIPAL in services or "*" in services)


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _refused(role_arn: str) -> Fault:
    return validation(
        f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal '{PRINCIPAL}' to assume the role."
    )
