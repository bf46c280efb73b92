"""The agent of a device: which packages it runs, what it does without a network, what it reports (L03, L04)."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from onnx import TensorProto, helper
from support.jobs import archive

from sagewright.base.archive import pack
from sagewright.base.world import World
from sagewright.features.edge.package import seal, signing_key
from sagewright_container.edge import agent as program
from sagewright_container.edge.agent import Agent
from sagewright_container.edge.capture import Capture, lines, place
from sagewright_container.edge.cloud import Cloud
from sagewright_container.edge.failure import EdgeError
from sagewright_container.edge.package import open_package
from sagewright_container.serving.message import Request, Response

KEY = signing_key("secret", World("123456789012", "us-east-1"))


def graph(factor: float) -> bytes:
    """A model that multiplies."""
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [factor])
    made = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "g", [given], [found], [weight])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def package(folder: Path, version: str = "1.0", factor: float = 2.0, **files: bytes) -> Path:
    """What an edge packaging job makes."""
    model = folder / f"sealed-{version}"
    model.mkdir()
    (model / "model.onnx").write_bytes(graph(factor))
    about = {"Framework": "ONNX", "Target": "rasp4b", "outputs": ["y"], "column": None}
    (model / "compiled.json").write_text(json.dumps(about))
    for name, content in files.items():
        (model / name).write_bytes(content)
    seal(model, {"ModelName": "double", "ModelVersion": version, "CompilationJobName": "c"}, about, KEY)
    pack([model], folder / f"double-{version}.tar.gz")
    return folder / f"double-{version}.tar.gz"


def test_a_package_is_opened_and_replaced(tmp_path: Path) -> None:
    found = open_package(package(tmp_path), tmp_path / "model", KEY)
    assert (found.name, found.version) == ("double", "1.0")
    found = open_package(package(tmp_path, "2.0"), tmp_path / "model", KEY)
    assert found.version == "2.0"
    assert not (tmp_path / "model.unpacking").exists()


def repacked(file: Path, change: Any) -> Path:
    """The package with other members."""
    with tarfile.open(file) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
    change(members)
    file.write_bytes(archive(members))
    return file


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files.update({"model.onnx": b"another"}), "not those that were signed: model.onnx"),
        (lambda files: files.pop("model.onnx"), "not those that were signed"),
        (lambda files: files.update({"more.py": b"x"}), "not those that were signed: more.py"),
        (lambda files: files.update({"manifest.json": b"{}"}), "signature"),
        (lambda files: files.pop("manifest.sig"), "not signed"),
        (lambda files: files.update({"../out": b"x"}), "no place in a package"),
        (lambda files: files.update({"/out": b"x"}), "no place in a package"),
    ],
)
def test_what_was_not_signed_is_not_run(tmp_path: Path, change: Any, words: str) -> None:
    """The package that is there stays."""
    open_package(package(tmp_path), tmp_path / "model", KEY)
    forged = repacked(package(tmp_path, "2.0"), change)
    with pytest.raises(EdgeError, match=words):
        open_package(forged, tmp_path / "model", KEY)
    assert json.loads((tmp_path / "model/manifest.json").read_text())["ModelVersion"] == "1.0"
    assert not (tmp_path / "out").exists()


def test_another_accounts_key_and_links(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match="signature"):
        open_package(package(tmp_path), tmp_path / "model", signing_key("secret", World("123456789012", "eu-west-1")))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        link = tarfile.TarInfo("manifest.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (tmp_path / "link.tar.gz").write_bytes(buffer.getvalue())
    (tmp_path / "broken.tar.gz").write_bytes(b"no archive")
    for name, words in (("link.tar.gz", "no place"), ("broken.tar.gz", "cannot be unpacked")):
        with pytest.raises(EdgeError, match=words):
            open_package(tmp_path / name, tmp_path / "model", KEY)


class Sky(Cloud):
    """The server, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.away = False
        self.waiting: list[dict[str, Any]] = []
        self.beats: list[tuple[list[dict[str, Any]], Any]] = []
        self.stored: dict[str, bytes] = {}

    def register(self) -> bytes:
        return KEY

    def heartbeat(self, version: str, models: list[dict[str, Any]], result: Any) -> None:
        self._reach()
        self.beats.append((models, result))
        if result:
            self.waiting.clear()

    def deployments(self) -> list[dict[str, Any]]:
        self._reach()
        return list(self.waiting)

    def download(self, uri: str, target: Path, sha1: str = "") -> None:
        file = self.folder / uri.rpartition("/")[2]
        if self.away or not file.is_file():
            raise EdgeError(f"{uri} cannot be downloaded")
        target.write_bytes(file.read_bytes())

    def captured_to(self) -> str:
        self._reach()
        return "s3://samples/here/"

    def upload(self, uri: str, body: bytes) -> None:
        self.stored[uri] = body

    def _reach(self) -> None:
        if self.away:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


@pytest.fixture
def sky(tmp_path: Path) -> Sky:
    return Sky(tmp_path)


def started(sky: Sky, tmp_path: Path, percent: float = 0.0, given: str = "s3://b/double-1.0.tar.gz") -> Agent:
    (tmp_path / "device").mkdir(exist_ok=True)
    made = Agent(sky, tmp_path / "device", "roof", percent)
    made.start(given)
    return made


def ask(made: Agent) -> Any:
    (answer,) = made.endpoint.invoke([Request(b"[[1, 2]]", "application/json")])
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body) if answer.status == 200 else answer.status


def deployment(*versions: str) -> dict[str, Any]:
    models = [{"ModelHandle": f"h{version}", "S3Url": f"s3://b/double-{version}.tar.gz"} for version in versions]
    return {"DeploymentName": "plan", "Definitions": models}


def test_it_serves_and_reports(sky: Sky, tmp_path: Path) -> None:
    package(tmp_path)
    made = started(sky, tmp_path, percent=100)
    assert made.endpoint.ping().status == 200
    assert ask(made) == [[2.0, 4.0]]
    made.beat()
    ((model,), result) = sky.beats[-1]
    assert (model["ModelName"], model["ModelVersion"], result) == ("double", "1.0", None)
    assert model.keys() >= {"LatestInference", "LatestSampleTime"}
    ((uri, body),) = sky.stored.items()
    assert uri.startswith("s3://samples/here/roof/double/")
    assert json.loads(body)["captureData"]["endpointOutput"]["data"] == "[[2.0, 4.0]]"


def test_without_a_package_it_waits_for_a_deployment(sky: Sky, tmp_path: Path) -> None:
    package(tmp_path)
    made = started(sky, tmp_path, given="")
    assert (made.endpoint.ping().status, ask(made)) == (503, 503)
    sky.waiting = [deployment("1.0")]
    made.beat()
    assert ask(made) == [[2.0, 4.0]]
    (_, result) = sky.beats[0]
    assert (result["DeploymentName"], result["DeploymentModels"][0]["Status"]) == ("plan", "SUCCESS")
    assert sky.beats[-1][1] is None


@pytest.mark.parametrize("versions", [("9.9",), ("2.0", "1.0"), ("3.0",)], ids=["absent", "two models", "broken graph"])
def test_a_deployment_that_fails_leaves_the_model(sky: Sky, tmp_path: Path, versions: tuple[str, ...]) -> None:
    """Whatever FailureHandlingPolicy says: the new model is loaded before the old one is let go."""
    package(tmp_path)
    package(tmp_path, "2.0", 3.0)
    package(tmp_path, "3.0", **{"model.onnx": b"no graph"})
    made = started(sky, tmp_path)
    sky.waiting = [deployment(*versions)]
    made.beat()
    assert sky.beats[0][1]["DeploymentModels"][0]["Status"] == "FAIL"
    assert sky.beats[0][1]["DeploymentModels"][0]["StatusReason"]
    assert ask(made) == [[2.0, 4.0]]
    sky.waiting = [deployment("2.0")]
    made.beat()
    assert ask(made) == [[3.0, 6.0]]


def test_without_a_network(sky: Sky, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It serves on, keeps its samples, and starts again with the package it fetched last."""
    package(tmp_path)
    made = started(sky, tmp_path, percent=100)
    sky.away = True
    assert ask(made) == [[2.0, 4.0]]
    made.beat()
    assert "127.0.0.1:1" in capsys.readouterr().err
    again = started(sky, tmp_path)
    assert ask(again) == [[2.0, 4.0]]
    with pytest.raises(EdgeError, match="cannot be downloaded"):
        started(sky, tmp_path, given="s3://b/another-1.0.tar.gz")
    sky.away = False
    made.beat()
    assert len(sky.stored) == 1


def test_samples_are_dropped_rather_than_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = Capture(100)
    for _ in range(1003):
        capture.take(Request(b"\xff", "application/octet-stream"), Response(200, b"1", "text/csv"))
    assert capture.dropped == 3
    found = capture.batch()
    sample = json.loads(lines(found).splitlines()[0])
    assert sample["captureData"]["endpointInput"] == {
        "observedContentType": "application/octet-stream",
        "mode": "INPUT",
        "data": "/w==",
        "encoding": "BASE64",
    }
    capture.put_back(found)
    assert capture.dropped == 3
    none = Capture(0)
    none.take(Request(b"1"), Response(200, b"1"))
    assert none.batch() == []
    assert place("s3://b/p/", "d", "m").startswith("s3://b/p/d/m/2")


class Known:
    """A botocore client of an unregistered device."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.away = False

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> dict[str, Any]:
            self.calls.append(name)
            if self.away:
                raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
            if name == "describe_device":
                raise ClientError({"Error": {"Code": "ValidationException", "Message": "No device with name: roof"}}, name)
            return {"DeviceRegistration": json.dumps({"VerificationKey": KEY.hex()})}

        return call


def test_registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered when it is not; the key is kept for a start without a network, for its owner only."""
    for name, value in (("REGION", "us-east-1"), ("DEFAULT_REGION", "us-east-1"), ("ENDPOINT_URL", "http://127.0.0.1:1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    known = Known()
    cloud = Cloud("cameras", "roof", tmp_path)
    monkeypatch.setattr(cloud, "_sagemaker", known)
    monkeypatch.setattr(cloud, "_edge", known)
    known.away = True
    with pytest.raises(EdgeError, match="never registered"):
        cloud.register()
    known.away = False
    assert cloud.register() == KEY
    assert known.calls[-3:] == ["describe_device", "register_devices", "get_device_registration"]
    assert (tmp_path / "registration.json").stat().st_mode & 0o077 == 0
    known.away = True
    assert cloud.register() == KEY


def test_a_refused_package_ends_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "Cloud", lambda fleet, device, folder: Sky(tmp_path))
    asked = ["--fleet", "f", "--device", "d", "--folder", str(tmp_path / "kept"), "--package", str(tmp_path / "none.tar.gz")]
    assert program.main(asked) == 1
    assert "none.tar.gz is not there" in capsys.readouterr().err
