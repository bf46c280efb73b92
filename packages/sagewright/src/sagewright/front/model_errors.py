"""How a container's failure to answer is told to the caller, in the words of the runtime service."""

from __future__ import annotations

from sagewright.front.call import Call
from sagewright.wire.errors import Fault
from sagewright.wire.protocols import eventstream

MESSAGE_LIMIT = 4096
"""Characters of a container's error message that are passed on."""

PRIMARY = "primary"
"""What the one container of a replica is called."""

TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {}. Review the latency metrics for each "
    "container in Amazon CloudWatch, resolve the issue, and try again."
)


def model_error(call: Call, status: int, body: bytes, container: str = PRIMARY) -> Fault:
    """The container has answered with this ``status`` (0: not at all) and said ``body``."""
    said = body[: 4 * MESSAGE_LIMIT].decode("utf-8", "replace")[:MESSAGE_LIMIT]
    side = "client" if 400 <= status < 500 else "server"
    region, account = call.caller.region, call.caller.account
    group = f"/aws/sagemaker/Endpoints/{call.name}"
    console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
    return Fault(
        "ModelError",
        f'Received {side} error ({status}) from {container} with message "{said}". See {console} in account {account} for more information.',
        424,
        {
            "OriginalStatusCode": status,
            "OriginalMessage": said,
            "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
        },
    )


def stream_error(message: str, code: str) -> bytes:
    """The event of an answer that breaks off."""
    return eventstream.encode_exception("ModelStreamError", {"Message": message, "ErrorCode": code})
