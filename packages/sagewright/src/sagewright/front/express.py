"""Directory buckets (S3 Express One Zone): their clients sign with the keys of a session, which CreateSession gives (S3 API Reference).

Apart from that and from its name such a bucket is one like any other here. Whether it exists is not asked: at an endpoint of one's own
boto3 wants a session before it creates one.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sagewright.front.caller import Caller
from sagewright.front.s3target import S3Target
from sagewright.wire.http import Request, Response
from sagewright.wire.sigv4 import Verifier

SUFFIX = "--x-s3"
SECONDS = 300.0
"""How long a session lives, as on AWS."""
_SESSION = "S3Express"


def asks_for_session(request: Request) -> bool:
    """Whether a request is CreateSession."""
    if request.method != "GET" or "session" not in request.query:
        return False
    target = S3Target.of(request)
    return target.has("session") and not target.key and target.bucket.endswith(SUFFIX)


def session(verifier: Verifier, caller: Caller) -> Response:
    """Keys for whoever asked: they may do what the caller may."""
    keys = verifier.session(caller.account, caller.arn, _SESSION, SECONDS)
    until = datetime.fromtimestamp(keys.expiration, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<CreateSessionResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Credentials>'
        f"<SessionToken>{keys.token}</SessionToken><SecretAccessKey>{keys.secret}</SecretAccessKey>"
        f"<AccessKeyId>{keys.access_key}</AccessKeyId><Expiration>{until}</Expiration>"
        "</Credentials></CreateSessionResult>"
    )
    return Response(200, [("Content-Type", "application/xml")], body.encode())
