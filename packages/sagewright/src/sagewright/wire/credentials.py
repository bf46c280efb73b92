"""Who may call: one long-term key pair in a file, and temporary keys that need no table.

A temporary key (AssumeRole, GetSessionToken, the role of a job) carries its own proof. The session token is signed text that names the
access key, account, ARN and expiry; the secret is an HMAC of access key and token. Who holds the master secret (front and control)
can therefore check it without asking anybody. Losing credentials.json revokes everything at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from sagewright.wire.errors import Fault

_SECRET_LENGTH = 40
_KEY_RANDOM_BYTES = 10  # 16 letters of base32, as in AWS's keys


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. ``arn`` is an assumed role's, because both SDKs refuse to run as an IAM user (they look for an execution role)."""

    account: str
    arn: str
    access_key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TemporaryKeys:
    """What AssumeRole gives out; ``expiration`` in epoch seconds."""

    access_key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    expiration: float

    def environment(self) -> dict[str, str]:
        """The variables in which every AWS SDK looks for keys."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.token,
        }


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one data folder."""

    account: str
    region: str
    access_key: str
    secret: str = field(repr=False)
    master: str = field(repr=False)
    first: Principal = field(init=False, repr=False)
    """Who the long-term key pair stands for, the one ``sagewright env`` prints."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", Principal(self.account, user_arn(self.account), self.access_key, self.secret))

    @classmethod
    def open(cls, path: Path, account: str = "123456789012", region: str = "us-east-1") -> Keyring:
        """Reads ``path``, or creates it with fresh keys (mode 0600 from its first moment) for the account and region given.

        Several processes may open it at once: the first to link its file in place wins. Raises ValueError for a file that is not one.
        """
        if not path.exists():
            _create(path, _fresh(account, region))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return cls._read(path)

    @classmethod
    def _read(cls, path: Path) -> Keyring:
        try:
            content = orjson.loads(path.read_bytes())
            return cls(**{name: str(content[name]) for name in ("account", "region", "access_key", "secret", "master")})
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise ValueError(f"{path} is not a credentials file") from None  # the cause would print its content

    def mint(self, account: str, arn: str, session_name: str, seconds: float, now: float) -> TemporaryKeys:
        """Temporary keys for ``arn``: an assumed role's ARN, or a role's, which then gets ``session_name`` as its session."""
        access_key = _key_id("ASIA")
        claims = {"key": access_key, "account": account, "arn": assumed_role_arn(arn, session_name), "expires": now + seconds}
        text = base64.urlsafe_b64encode(orjson.dumps(claims)).decode()
        token = f"{text}.{self._mac('token', text)}"
        return TemporaryKeys(access_key, self._temporary_secret(access_key, token), token, now + seconds)

    def registry_password(self, account: str, region: str, arn: str, expires: float) -> str:
        """What ``docker login`` sends for one account's repositories in one region; it, too, needs no table."""
        claims = {"account": account, "region": region, "arn": arn, "expires": expires}
        text = base64.urlsafe_b64encode(orjson.dumps(claims)).decode()
        return f"{text}.{self._mac('registry', text)}"

    def registry_claims(self, password: str, now: float) -> dict[str, Any]:
        """Whose a password is. Raises UnrecognizedClientException, ExpiredTokenException."""
        claims = self._claims(password, "registry")
        if now >= float(claims["expires"]):
            raise Fault("ExpiredTokenException", "Your authorization token has expired. Reauthenticate and try again.", 403)
        return claims

    def look_up(self, access_key: str, token: str | None, now: float) -> Principal:
        """Raises UnrecognizedClientException or ExpiredTokenException, in the wording of the JSON protocols."""
        if not token:
            if access_key == self.access_key:
                return self.first
            raise _unrecognized()
        claims = self._claims(token)
        if claims.get("key") != access_key:
            raise _unrecognized()
        if now >= float(claims["expires"]):
            raise Fault("ExpiredTokenException", "The security token included in the request is expired", 403)
        return Principal(claims["account"], claims["arn"], access_key, self._temporary_secret(access_key, token))

    def anyone(self, access_key: str, token: str | None, now: float) -> Principal:
        """Whom a key stands for when every key is accepted: a key of 12 digits names its account, an unknown one the default account."""
        try:
            return self.look_up(access_key, token, now)
        except Fault:
            account = access_key if re.fullmatch(r"[0-9]{12}", access_key) else self.account
            return Principal(account, user_arn(account), access_key, "")

    def _claims(self, token: str, purpose: str = "token") -> dict[str, Any]:
        text, _, mac = token.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(purpose, text).encode()):
            raise _unrecognized()
        claims: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(text))
        return claims

    def _temporary_secret(self, access_key: str, token: str) -> str:
        return self._mac("secret", f"{access_key} {token}")[:_SECRET_LENGTH]

    def _mac(self, purpose: str, text: str) -> str:
        digest = hmac.digest(self.master.encode(), f"{purpose}:{text}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode()


def user_arn(account: str) -> str:
    """The ARN of who uses the long-term key pair of an account."""
    return f"arn:aws:sts::{account}:assumed-role/SagewrightUser/local"


def assumed_role_arn(arn: str, session_name: str) -> str:
    """``arn:aws:iam::1:role/path/Name`` as the STS ARN of a session of it; any other ARN unchanged."""
    role = re.fullmatch(r"arn:([^:]+):iam::([0-9]*):role/(?:.*/)?([^/]+)", arn)
    return f"arn:{role[1]}:sts::{role[2]}:assumed-role/{role[3]}/{session_name}" if role else arn


def _unrecognized() -> Fault:
    return Fault("UnrecognizedClientException", "The security token included in the request is invalid.", 403)


def _fresh(account: str, region: str) -> dict[str, str]:
    return {
        "account": account,
        "region": region,
        "access_key": _key_id("AKIA"),
        "secret": base64.b64encode(secrets.token_bytes(30)).decode(),
        "master": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


def _key_id(prefix: str) -> str:
    return prefix + base64.b32encode(secrets.token_bytes(_KEY_RANDOM_BYTES)).decode()


def _create(path: Path, content: dict[str, str]) -> None:
    """Puts a file in place whole or not at all and leaves one that is already there alone. mkstemp creates with mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".credentials-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(name)
    except FileExistsError:
        return  # another process was first
    finally:
        Path(name).unlink()
