"""credentials.json and temporary keys."""

from __future__ import annotations

import multiprocessing
import os
import re
from pathlib import Path

import pytest

from sagewright.wire.credentials import Keyring
from sagewright.wire.errors import Fault

ROLE = "arn:aws:iam::123456789012:role/service-role/Role"
NOW = 1_800_000_000.0


def test_the_file_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "data" / "credentials.json"
    before = os.umask(0)
    try:
        first = Keyring.open(path, "210987654321", "eu-west-1")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Keyring.open(path, "123456789012", "us-east-1") == first
    assert (first.account, first.region) == ("210987654321", "eu-west-1")
    assert re.fullmatch("AKIA[A-Z2-7]{16}", first.access_key)
    assert len(first.secret) == 40
    assert [entry.name for entry in path.parent.iterdir()] == ["credentials.json"]


def test_a_file_that_others_may_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    Keyring.open(path)
    path.chmod(0o644)
    Keyring.open(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"account": "SECRET"}'])
def test_a_file_that_is_not_one_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "credentials.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a credentials file") as refused:
        Keyring.open(path)
    assert refused.value.__suppress_context__
    assert path.read_bytes() == content


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keyrings = pool.map(Keyring.open, [path] * 16)
    assert len(set(keyrings)) == 1


def test_a_temporary_key_needs_no_table(keyring: Keyring, tmp_path: Path) -> None:
    keys = keyring.mint("123456789012", ROLE, "session", 900, NOW)
    assert keys.access_key.startswith("ASIA")
    assert keys.expiration == NOW + 900
    principal = Keyring.open(tmp_path / "credentials.json").look_up(keys.access_key, keys.token, NOW + 899)
    assert principal.secret == keys.secret
    assert principal.arn == "arn:aws:sts::123456789012:assumed-role/Role/session"
    with pytest.raises(Fault, match="ExpiredTokenException: The security token included in the request is expired"):
        keyring.look_up(keys.access_key, keys.token, NOW + 900)


def test_an_assumed_roles_arn_is_kept(keyring: Keyring) -> None:
    arn = "arn:aws:sts::123456789012:assumed-role/Role/other"
    keys = keyring.mint("123456789012", arn, "session", 900, NOW)
    assert keyring.look_up(keys.access_key, keys.token, NOW).arn == arn


def test_what_was_not_minted_here_is_refused(keyring: Keyring, tmp_path: Path) -> None:
    keys = keyring.mint("123456789012", ROLE, "session", 900, NOW)
    other = Keyring.open(tmp_path / "other.json").mint("123456789012", ROLE, "session", 900, NOW)
    text, _, mac = keys.token.rpartition(".")
    for access_key, token in [
        (keyring.access_key, keys.token),
        (other.access_key, keys.token),
        (other.access_key, other.token),
        (keys.access_key, None),
        (keys.access_key, ""),
        (keys.access_key, "é.é"),
        (keys.access_key, text),
        (keys.access_key, f"{text}x.{mac}"),
        (keys.access_key, f"{text}.{mac}x"),
        ("AKIANOTOURS", None),
    ]:
        with pytest.raises(
            Fault, match=r"UnrecognizedClientException: The security token included in the request is invalid\."
        ):
            keyring.look_up(access_key, token, NOW)
