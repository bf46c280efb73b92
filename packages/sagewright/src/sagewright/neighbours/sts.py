"""AWS STS: who am I, and temporary keys for a role.

Temporary keys are signed text (wire/credentials.py), so nothing is stored. There is no policy engine: trust policies are not evaluated, so
``ExternalId``, session ``Tags`` and ``TransitiveTagKeys``, which only policies look at, have no effect. Session policies and MFA would
narrow what the keys may do, so asking for them is refused. The ARN that is answered is an assumed role's, because both SDKs refuse to work
as an IAM user.
"""

from __future__ import annotations

import re

from sagewright.kernel.operation import Context
from sagewright.neighbours.iam.ids import role_id, unique_id
from sagewright.neighbours.iam.roles import maximum_session
from sagewright.neighbours.requests import Handlers, refuse
from sagewright.store.database import Store
from sagewright.store.rows import Document
from sagewright.wire.credentials import Keyring, TemporaryKeys, assumed_role_arn
from sagewright.wire.errors import Fault

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?:[\x21-\x7e]+/)?(?P<name>[\w+=,.@-]{1,64})", re.ASCII)
_ASSUMED = re.compile(r"arn:aws[a-z-]*:sts::(?P<account>\d{12}):assumed-role/(?P<name>[^/]+)/(?P<session>.+)")
_HOUR = 3600


class Sts:
    """The operations of service ``sts``."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "GetCallerIdentity": self.get_caller_identity,
            "AssumeRole": self.assume_role,
            "GetSessionToken": self.get_session_token,
        }

    async def get_caller_identity(self, context: Context, request: Document) -> Document:
        """Account, ARN and unique id of whose keys signed the request."""
        arn = context.caller.arn
        return {"Account": context.world.account, "Arn": arn, "UserId": caller_id(arn)}

    async def assume_role(self, context: Context, request: Document) -> Document:
        """Keys for a role of any account. Whether the role exists is not asked: a role is there from its first use on (iam/roles.py)."""
        refuse(request, "ValidationError", "Policy", "PolicyArns", "SerialNumber", "TokenCode", "ProvidedContexts")
        role = _ROLE.fullmatch(request["RoleArn"])
        if role is None:
            raise Fault("ValidationError", f"{request['RoleArn']} is invalid")
        seconds = request.get("DurationSeconds", _HOUR)
        most = await self._store.read(lambda transaction: maximum_session(transaction, role["account"], role["name"]))
        if seconds > most:
            raise Fault("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        name = request["RoleSessionName"]
        keys = self._keyring.mint(role["account"], request["RoleArn"], name, seconds, context.now)
        arn = assumed_role_arn(request["RoleArn"], name)
        answer: Document = {
            "Credentials": _credentials(keys),
            "AssumedRoleUser": {"AssumedRoleId": caller_id(arn), "Arn": arn},
        }
        return {**answer, **{member: request[member] for member in ("SourceIdentity",) if member in request}}

    async def get_session_token(self, context: Context, request: Document) -> Document:
        """Temporary keys for the caller itself."""
        refuse(request, "ValidationError", "SerialNumber", "TokenCode")
        seconds = request.get("DurationSeconds", 12 * _HOUR)
        keys = self._keyring.mint(context.world.account, context.caller.arn, "session", seconds, context.now)
        return {"Credentials": _credentials(keys)}


def caller_id(arn: str) -> str:
    """The unique id of who has this ARN: the same for ever, also when a role is deleted and made again."""
    match = _ASSUMED.fullmatch(arn)
    if match is None:
        return unique_id("AIDA", arn)
    return f"{role_id(match['account'], match['name'])}:{match['session']}"


def _credentials(keys: TemporaryKeys) -> Document:
    return {
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret,
        "SessionToken": keys.token,
        "Expiration": keys.expiration,
    }
