"""SimulatePrincipalPolicy and GetUser: who may do what, and who is asking.

There is no policy engine: whoever has keys may do everything, so "allowed" is the true answer to every question, whatever policies the
request brings along. v3 of the SDK asks before it trains or serves.
"""

from __future__ import annotations

import re

from sagewright.kernel.operation import Context
from sagewright.neighbours.iam import roles
from sagewright.neighbours.iam.ids import no_such_entity, unique_id
from sagewright.neighbours.requests import Handlers, iam_page
from sagewright.store.database import Store
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

_ROLE = re.compile(r"arn:[^:]+:iam::(?P<account>\d{12}):role/(?:.*/)?(?P<name>[^/]+)")
_USER = re.compile(r"arn:[^:]+:iam::\d{12}:user(?P<path>/(?:.*/)?)(?P<name>[^/]+)")


class Principals:
    """The operations on who asks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {"SimulatePrincipalPolicy": self.simulate, "GetUser": self.get_user}

    async def simulate(self, context: Context, request: Document) -> Document:
        """SimulatePrincipalPolicy: each action on each resource."""
        role = _ROLE.fullmatch(request["PolicySourceArn"])
        if role is not None and role["account"] == context.world.account:
            await self._store.write(lambda transaction: roles.use(transaction, context, role["name"]))
        pairs = [(action, resource) for action in request["ActionNames"] for resource in request.get("ResourceArns") or ["*"]]
        page, marks = iam_page(list(enumerate(pairs)), lambda numbered: f"{numbered[0]:09}", request)
        return {"EvaluationResults": [_allowed(*pair) for _, pair in page], **marks}

    async def get_user(self, context: Context, request: Document) -> Document:
        """GetUser: there are no users but the caller, when its keys are a user's."""
        user = _USER.fullmatch(context.caller.arn)
        if user is None and "UserName" not in request:
            raise Fault("ValidationError", "Must specify userName when calling with non-User credentials")
        if user is None or request.get("UserName", user["name"]) != user["name"]:
            raise no_such_entity(f"The user with name {request['UserName']} cannot be found.")
        arn = context.caller.arn
        return {
            "User": {
                "UserName": user["name"],
                "Path": user["path"],
                "Arn": arn,
                "UserId": unique_id("AIDA", arn),
                "CreateDate": 0.0,
            }
        }


def _allowed(action: str, resource: str) -> Document:
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": "allowed",
        "MatchedStatements": [],
        "MissingContextValues": [],
    }
