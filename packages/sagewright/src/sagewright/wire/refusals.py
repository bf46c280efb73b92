"""How each family of services words the refusal of a signature.

Inside, refusals have the JSON protocols' codes. The older query services and S3 have their own, and S3's clients act on the difference
(SeaweedFS, botocore and the AWS CLI retry on RequestTimeTooSkewed). Sources: "Common Errors" of the SageMaker, STS and S3 API references.
"""

from __future__ import annotations

from typing import NamedTuple

from sagewright.wire.errors import Fault
from sagewright.wire.family import Family

MISSING = "MissingAuthenticationTokenException"
INCOMPLETE = "IncompleteSignatureException"
INCOMPLETE_URL = "AuthorizationQueryParametersError"
UNKNOWN_KEY = "UnrecognizedClientException"
MISMATCH = "InvalidSignatureException"
EXPIRED_TOKEN = "ExpiredTokenException"
SKEWED = "RequestTimeTooSkewed"
EXPIRED_URL = "RequestExpired"
UNSIGNED_HEADERS = "HeadersNotSigned"
BODY_MISMATCH = "XAmzContentSHA256Mismatch"

MISMATCH_MESSAGE = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)


class _Wording(NamedTuple):
    code: str
    status: int
    message: str = ""


def in_family(fault: Fault, family: Family) -> Fault:
    """The fault as a client of ``family`` expects it."""
    wording = _WORDINGS.get(family, {}).get(fault.code)
    if wording is None:
        return Fault(fault.code, fault.message, 400 if family is Family.JSON else fault.status)
    return Fault(wording.code, wording.message or fault.message, wording.status)


_QUERY = {
    MISSING: _Wording("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
    INCOMPLETE: _Wording("IncompleteSignature", 400),
    INCOMPLETE_URL: _Wording("IncompleteSignature", 400),
    UNKNOWN_KEY: _Wording("InvalidClientTokenId", 403),
    MISMATCH: _Wording("SignatureDoesNotMatch", 403),
    EXPIRED_TOKEN: _Wording("ExpiredToken", 403),
    EXPIRED_URL: _Wording("SignatureDoesNotMatch", 403),
}
_NOT_VALID = _Wording("AuthFailure", 401, "AWS was not able to validate the provided access credentials")
_EC2 = {
    MISSING: _Wording("AuthFailure", 401, "AWS was not able to authenticate the request: access credentials are missing"),
    INCOMPLETE: _NOT_VALID,
    INCOMPLETE_URL: _NOT_VALID,
    UNKNOWN_KEY: _NOT_VALID,
    MISMATCH: _NOT_VALID,
    EXPIRED_TOKEN: _Wording("RequestExpired", 400, "Request has expired."),
    EXPIRED_URL: _Wording("RequestExpired", 400, "Request has expired."),
}
_S3 = {
    MISSING: _Wording("AccessDenied", 403, "Access Denied"),
    INCOMPLETE: _Wording("AuthorizationHeaderMalformed", 400),
    UNKNOWN_KEY: _Wording("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    MISMATCH: _Wording(
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    ),
    EXPIRED_TOKEN: _Wording("ExpiredToken", 400, "The provided token has expired."),
    SKEWED: _Wording("RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large."),
    EXPIRED_URL: _Wording("AccessDenied", 403, "Request has expired"),
    UNSIGNED_HEADERS: _Wording("AccessDenied", 403, "There were headers present in the request which were not signed"),
    BODY_MISMATCH: _Wording(
        "XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed."
    ),
}
_REST = {INCOMPLETE_URL: _Wording(INCOMPLETE, 400)}
_WORDINGS = {Family.QUERY: _QUERY, Family.EC2: _EC2, Family.S3: _S3, Family.REST: _REST, Family.JSON: _REST, Family.CBOR: _REST}
