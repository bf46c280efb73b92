"""What the agent asks of SageMaker and S3. Keys and AWS_ENDPOINT_URL come from the environment, as every AWS client takes them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sagewright_container.edge.failure import EdgeError

AWAY = (BotoCoreError, ConnectionError)
"""The server cannot be reached: the agent goes on with what it has."""


class Cloud:
    """One device of one fleet; ``folder`` keeps what a start without a network needs."""

    def __init__(self, fleet: str, device: str, folder: Path) -> None:
        config = Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 2}, s3={"addressing_style": "path"})
        session = botocore.session.Session()
        self._sagemaker, self._edge, self._s3 = (
            session.create_client(service, config=config) for service in ("sagemaker", "sagemaker-edge", "s3")
        )
        self._who = {"DeviceFleetName": fleet, "DeviceName": device}
        self._registration = folder / "registration.json"

    def register(self) -> bytes:
        """Registers the device unless it is; returns the key that verifies packages. Raises EdgeError."""
        try:
            self._make_known()
            text = self._edge.get_device_registration(**self._who)["DeviceRegistration"]
            self._keep(text)
        except ClientError as error:
            raise EdgeError(f"the device cannot be registered: {error}") from error
        except AWAY as error:
            if not self._registration.is_file():
                raise EdgeError(f"the device was never registered, and the server cannot be reached: {error}") from error
            text = self._registration.read_text(encoding="utf-8")
        return bytes.fromhex(json.loads(text)["VerificationKey"])

    def heartbeat(self, version: str, models: list[dict[str, Any]], result: Mapping[str, Any] | None) -> None:
        """Raises ClientError and what AWAY names."""
        more = {"DeploymentResult": dict(result)} if result else {}
        self._edge.send_heartbeat(**self._who, AgentVersion=version, Models=models, **more)

    def deployments(self) -> list[dict[str, Any]]:
        """What the fleet's plans want of this device. Raises the same."""
        return list(self._edge.get_deployments(**self._who)["Deployments"])

    def download(self, uri: str, target: Path, sha1: str = "") -> None:
        """Raises EdgeError, also for another checksum."""
        bucket, _, key = uri[len("s3://") :].partition("/")
        digest = hashlib.sha1()
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"]
            with target.open("wb") as file:
                for piece in body.iter_chunks(1 << 20):
                    digest.update(piece)
                    file.write(piece)
        except (ClientError, *AWAY) as error:
            raise EdgeError(f"{uri} cannot be downloaded: {error}") from error
        if sha1 and digest.hexdigest() != sha1:
            raise EdgeError(f"{uri} has another checksum than the deployment names")

    def captured_to(self) -> str:
        """The fleet's OutputConfig. Raises ClientError and what AWAY names."""
        fleet = self._sagemaker.describe_device_fleet(DeviceFleetName=self._who["DeviceFleetName"])
        return str(fleet["OutputConfig"]["S3OutputLocation"])

    def upload(self, uri: str, body: bytes) -> None:
        """Raises ClientError and what AWAY names."""
        bucket, _, key = uri[len("s3://") :].partition("/")
        self._s3.put_object(Bucket=bucket, Key=key, Body=body)

    def _make_known(self) -> None:
        try:
            self._sagemaker.describe_device(**self._who)
        except ClientError as error:
            if "No device with name" not in str(error) and error.response["Error"]["Code"] != "ResourceNotFound":
                raise
            devices = [{"DeviceName": self._who["DeviceName"]}]
            self._sagemaker.register_devices(DeviceFleetName=self._who["DeviceFleetName"], Devices=devices)

    def _keep(self, text: str) -> None:
        """Only its owner may read the key."""
        partial = self._registration.with_name(".registration.partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        partial.replace(self._registration)
