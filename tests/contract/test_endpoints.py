"""Endpoints in real containers: from CreateEndpoint to DeleteEndpoint, with everything that can go wrong on the way.

Only S3 is a stand-in. Features K01, K02, K08, K10, K16; Developer Guide your-algorithms-inference-code."""

from __future__ import annotations

import http.server
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import numpy as np
import psutil
import pytest
from harness import ROLE
from support.environments import define, package
from support.serving import MODEL, SKLEARN, XGBOOST, Rig, archive, variant, xgboost_model

from sagewright.compute import records
from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime
from sagewright.wire.errors import Fault

GROUP = "/aws/sagemaker/Endpoints/e"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """The best driver of this machine, with its zygotes warm from test to test."""
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture
def rig(tmp_path: Path, runtime: Runtime) -> Iterator[Rig]:
    with Rig(tmp_path, runtime) as made:
        yield made


@pytest.fixture
def endpoint(rig: Rig) -> dict[str, Any]:
    rig.model()
    rig.config()
    found = rig.endpoint()
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    return found


def predicted(rig: Rig, value: float = 5.0, **headers: str) -> float:
    return float(rig.invoke(f"{value},1".encode(), **headers).body)


def user_process(folder: Path) -> psutil.Process:
    started = records.read(folder, records.STARTED)
    assert started is not None
    return psutil.Process(started["user"][0])


def test_the_endpoint_answers_like_the_model(rig: Rig, endpoint: dict[str, Any]) -> None:
    assert predicted(rig, 5.0) == pytest.approx(5.0, abs=0.3)
    answer = rig.invoke(b"1,1\n9,1\n", accept="text/csv")
    assert [float(value) for value in answer.body.replace(b",", b"\n").split()] == pytest.approx([1.0, 9.0], abs=0.3)
    assert dict(answer.headers)["x-Amzn-Invoked-Production-Variant"] == "AllTraffic"
    streamed = rig.invoke(b"5,1", action="invocations-response-stream")
    assert b"PayloadPart" in streamed.body


LOOKS = b"""
import json, os
def model_fn(place):
    root = os.environ.get("SAGEWRIGHT_ML_ROOT", "/opt/ml") + "/additional-model-data-sources"
    return {f"{channel}/{name}": open(f"{root}/{channel}/{name}").read() for channel in os.listdir(root) for name in os.listdir(f"{root}/{channel}")}
def transform_fn(model, data, content_type, accept):
    return json.dumps(model, sort_keys=True), "application/json"
"""


def test_additional_sources_are_there_before_the_model_is_loaded(rig: Rig) -> None:
    """API AdditionalModelDataSource, K02: an archive and a prefix, each in the folder of its channel; a missing one fails the endpoint."""
    rig.objects.put(MODEL, archive({"code/inference.py": LOOKS}))
    rig.objects.put("s3://bucket/draft.tar.gz", archive({"weights": b"1"}))
    rig.objects.put("s3://bucket/adapters/german", b"2")

    def source(name: str, uri: str, kind: str, compression: str) -> dict[str, Any]:
        return {"ChannelName": name, "S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}}

    draft = source("draft", "s3://bucket/draft.tar.gz", "S3Object", "Gzip")
    for name, adapters in (("model", "s3://bucket/adapters/"), ("lacking", "s3://bucket/none/")):
        both = [draft, source("adapters", adapters, "S3Prefix", "None")]
        container = {
            "Image": SKLEARN,
            "ModelDataUrl": MODEL,
            "AdditionalModelDataSources": both,
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        }
        rig.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    rig.config()
    assert rig.endpoint()["EndpointStatus"] == "InService"
    assert rig.invoke(b"x").body == b'{"adapters/german": "2", "draft/weights": "1"}'
    rig.config("lacking", variant(model="lacking"))
    failed = rig.endpoint("lacking", "lacking")
    assert failed["EndpointStatus"] == "Failed"
    assert 'from URL: "s3://bucket/none/"' in failed["FailureReason"]


def test_describe_shows_the_variants(rig: Rig, endpoint: dict[str, Any]) -> None:
    """API DescribeEndpoint, ProductionVariantSummary."""
    (shown,) = endpoint["ProductionVariants"]
    assert shown["VariantName"] == "AllTraffic"
    assert shown["DeployedImages"][0]["SpecifiedImage"] == XGBOOST
    assert (shown["CurrentWeight"], shown["DesiredWeight"]) == (1.0, 1.0)
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (1, 1)
    assert endpoint["EndpointConfigName"] == "config"
    assert "Deployment" not in endpoint


def test_the_log_group_is_there_as_soon_as_it_serves(rig: Rig, endpoint: dict[str, Any]) -> None:
    """clients.md 5: streams are called <variant>/<instance id>."""
    (stream,) = rig.streams(GROUP)
    assert stream.startswith("AllTraffic/i-")


def test_an_error_of_the_model_is_told_as_it_is(rig: Rig, endpoint: dict[str, Any]) -> None:
    with pytest.raises(Fault) as caught:
        rig.invoke(b"not,numbers")
    assert caught.value.code == "ModelError"
    assert 400 <= caught.value.fields["OriginalStatusCode"] < 500


def test_a_built_in_model_is_in_service_quickly(rig: Rig, endpoint: dict[str, Any]) -> None:
    """From CreateEndpoint to InService in a second once the image's zygote is warm; ten on a machine under load."""
    began = time.monotonic()
    assert rig.endpoint("second")["EndpointStatus"] == "InService"
    assert time.monotonic() - began < 10


CALLS = b"""
import os, urllib.error, urllib.request
def model_fn(folder): return None
def input_fn(body, content_type): return body.decode()
def predict_fn(path, model):
    try:
        with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + path, timeout=10) as answer: return answer.read().decode()
    except urllib.error.URLError as error: return str(error.reason)
    except KeyError: return "nowhere to call"
def output_fn(text, accept): return text
"""


@pytest.fixture
def front() -> Iterator[tuple[str, int]]:
    """What stands for the front: it answers every GET with its path."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"you asked for {self.path}".encode())

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("isolated", "answer"), [(False, b"you asked for /bucket/key"), (True, b"nowhere to call")])
def test_a_models_code_calls_the_server_unless_it_is_isolated(
    tmp_path: Path, runtime: Runtime, front: tuple[str, int], isolated: bool, answer: bytes
) -> None:
    """API CreateModel, EnableNetworkIsolation: "No inbound or outbound network calls can be made to or from the model container"."""
    with Rig(tmp_path, runtime, front=front) as rig:
        rig.objects.put("s3://bucket/calls.tar.gz", archive({"code/inference.py": CALLS}))
        rig.model(image=SKLEARN, url="s3://bucket/calls.tar.gz", isolated=isolated)
        rig.config()
        found = rig.endpoint()
        assert found["EndpointStatus"] == "InService", found.get("FailureReason")
        assert rig.invoke(b"/bucket/key", content_type="text/plain").body == answer


def test_names_and_states_that_aws_refuses(rig: Rig, endpoint: dict[str, Any]) -> None:
    """client_visible_errors.md."""
    sagemaker = rig.sagemaker
    for call, words in (
        (lambda: sagemaker.describe_endpoint(EndpointName="none"), "Could not find endpoint"),
        (lambda: sagemaker.delete_endpoint(EndpointName="none"), "Could not find endpoint"),
        (
            lambda: sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config"),
            "Cannot create already existing endpoint",
        ),
        (
            lambda: sagemaker.create_endpoint(EndpointName="x", EndpointConfigName="none"),
            "Could not find endpoint configuration",
        ),
        (lambda: rig.config("c2", variant(model="none")), "Could not find model"),
        (
            lambda: sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="none"),
            "Could not find endpoint configuration",
        ),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=words) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_two_variants_share_the_traffic(rig: Rig) -> None:
    """K08."""
    rig.objects.put("s3://bucket/tripled.tar.gz", archive({"xgboost-model": xgboost_model(3.0)}))
    rig.model()
    rig.model("tripled", url="s3://bucket/tripled.tar.gz")
    rig.config("config", variant("A"), variant("B", "tripled", InitialVariantWeight=3.0))
    assert rig.endpoint()["EndpointStatus"] == "InService"
    tripled = sum(predicted(rig) > 10 for _ in range(40))
    assert tripled == pytest.approx(30, abs=1)
    assert predicted(rig, x_amzn_sagemaker_target_variant="A") < 10
    weights = [{"VariantName": "B", "DesiredWeight": 0.0}]
    rig.sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=weights)
    assert rig.settled()["ProductionVariants"][1]["CurrentWeight"] == 0.0
    assert all(predicted(rig) < 10 for _ in range(10))


def resize(rig: Rig, count: int) -> None:
    wish = [{"VariantName": "AllTraffic", "DesiredInstanceCount": count}]
    rig.sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wish)


def test_capacity_grows_and_shrinks_while_it_serves(rig: Rig, endpoint: dict[str, Any]) -> None:
    """K16."""
    resize(rig, 2)
    with pytest.raises(botocore.exceptions.ClientError, match="Cannot update in-progress endpoint"):
        rig.sagemaker.delete_endpoint(EndpointName="e")
    assert rig.settled()["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert len(rig.run_folders()) == 2
    resize(rig, 1)
    assert rig.settled()["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert predicted(rig) == pytest.approx(5.0, abs=0.3)
    with pytest.raises(botocore.exceptions.ClientError, match="ResourceLimitExceeded"):
        resize(rig, 1000)


def test_instances_that_the_machine_has_no_memory_for_wait_and_say_so(rig: Rig, endpoint: dict[str, Any]) -> None:
    """K14: capacity that is not there is queued and shown; what serves goes on, and so does the scaling when there is room."""
    rig.free = 100 * 1024**2
    resize(rig, 2)
    (shown,) = rig.until(
        lambda: rig.describe()["ProductionVariants"],
        lambda found: found[0].get("VariantStatus", [{}])[0].get("StatusMessage", "").startswith("Waiting for capacity"),
    )
    assert "256 MiB of memory free" in shown["VariantStatus"][0]["StatusMessage"]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (1, 2)
    assert rig.describe()["EndpointStatus"] == "Updating"
    assert predicted(rig) == pytest.approx(5.0, abs=0.3)
    assert len(rig.run_folders()) == 1
    rig.free = 8 * 1024**3
    found = rig.settled()
    assert (found["EndpointStatus"], found["ProductionVariants"][0]["CurrentInstanceCount"]) == ("InService", 2)
    assert "VariantStatus" not in found["ProductionVariants"][0]


def test_an_update_replaces_the_model_without_a_gap(rig: Rig, endpoint: dict[str, Any]) -> None:
    """K10: blue/green, all at once."""
    rig.objects.put("s3://bucket/tripled.tar.gz", archive({"xgboost-model": xgboost_model(3.0)}))
    rig.model("tripled", url="s3://bucket/tripled.tar.gz")
    rig.config("tripled", variant(model="tripled"))
    rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="tripled")
    assert rig.describe()["EndpointConfigName"] == "config"
    while rig.describe()["EndpointStatus"] == "Updating":
        assert predicted(rig) in (pytest.approx(5.0, abs=0.5), pytest.approx(15.0, abs=1.0))
    assert predicted(rig) == pytest.approx(15.0, abs=1.0)
    assert rig.describe()["EndpointConfigName"] == "tripled"


def test_an_environment_that_cannot_be_built(rig: Rig, tmp_path: Path) -> None:
    """Feature row G02: the reason is the endpoint's FailureReason; mended, the next endpoint is in service."""
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/autogluon-inference:1.3.0-cpu-py311"
    script = b"import sys\ndef model_fn(_): return sys.prefix\ndef transform_fn(model, *_): return model, 'text/plain'\n"
    rig.objects.put(MODEL, archive({"code/inference.py": script}))
    rig.model(image=image, SAGEMAKER_PROGRAM="inference.py")
    rig.config()
    define(tmp_path / "definitions", "autogluon", imports=("no_such_library",))
    found = rig.endpoint()
    assert found["EndpointStatus"] == "Failed"
    assert "no_such_library cannot be imported" in found["FailureReason"]
    define(tmp_path / "definitions", "autogluon")
    lend_numpy(rig.harness.run(rig.environments.prepare("autogluon")))
    again = rig.endpoint("again")
    assert again["EndpointStatus"] == "InService", (again.get("FailureReason"), rig.lines("/aws/sagemaker/Endpoints/again", ""))
    answer = rig.invoke(b"1", name="again")
    assert answer.body.decode() == str(next((tmp_path / "environments").glob("autogluon-*/bin")).parent)


def test_an_endpoint_has_what_its_requirements_name(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Feature row G03: a model's code/requirements.txt, although a serving container reaches no registry."""
    package(tmp_path / "wheels", "tiny", "ANSWER = 42\n", "1.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    script = b"import tiny\ndef model_fn(_): return tiny\ndef transform_fn(model, *_): return str(model.ANSWER), 'text/plain'\n"
    rig.objects.put(MODEL, archive({"code/inference.py": script, "code/requirements.txt": b"tiny\n"}))
    rig.model(image=SKLEARN, SAGEMAKER_PROGRAM="inference.py")
    rig.config()
    found = rig.endpoint()
    assert found["EndpointStatus"] == "InService", (found.get("FailureReason"), rig.lines("/aws/sagemaker/Endpoints/e", ""))
    assert rig.invoke(b"1").body == b"42"
    rig.objects.put(MODEL, archive({"code/inference.py": script, "code/requirements.txt": b"tiny==9\n"}))
    failed = rig.endpoint("other")
    assert failed["EndpointStatus"] == "Failed"
    assert "No matching distribution found for tiny==9" in failed["FailureReason"]


def lend_numpy(python: str) -> None:
    """All that the toolkit needs to serve; a network would be needed to install it."""
    packages = Path(np.__file__).parents[1]
    for folder in packages.glob("numpy*"):
        next(Path(python).parents[1].glob("lib/python*/site-packages")).joinpath(folder.name).symlink_to(folder)


def test_a_failed_update_leaves_the_old_model_serving(rig: Rig, endpoint: dict[str, Any]) -> None:
    rig.model("missing", url="s3://bucket/nowhere.tar.gz")
    rig.config("missing", variant(model="missing"))
    rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="missing")
    found = rig.settled()
    assert found["EndpointStatus"] == "InService"
    assert (
        'Failed to download model data for container "container_1" from URL: "s3://bucket/nowhere.tar.gz"'
        in found["FailureReason"]
    )
    assert found["EndpointConfigName"] == "config"
    assert predicted(rig) == pytest.approx(5.0, abs=0.3)


@pytest.mark.parametrize(
    ("url", "content", "image", "words"),
    [
        ("s3://bucket/none.tar.gz", None, XGBOOST, "Failed to download model data"),
        ("s3://bucket/bad.tar.gz", b"not an archive", XGBOOST, "Failed to extract model data archive"),
        ("s3://bucket/evil.tar.gz", archive({"../../evil": b"x"}), XGBOOST, "Failed to extract model data archive"),
        ("s3://bucket/odd.tar.gz", archive({"xgboost-model": b"no model"}), XGBOOST, "did not pass the ping health check"),
        (MODEL, None, "mine:1", "cannot be run here"),
        (MODEL, None, "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1", "us-east-1.amazonaws.com/mine:1 not found."),
    ],
)
def test_what_cannot_serve_fails_with_a_reason(rig: Rig, url: str, content: bytes | None, image: str, words: str) -> None:
    if content is not None:
        rig.objects.put(url, content)
    rig.model(image=image, url=url)
    rig.config()
    found = rig.endpoint()
    assert found["EndpointStatus"] == "Failed"
    assert words in found["FailureReason"]
    rig.sagemaker.delete_endpoint(EndpointName="e")
    rig.until(lambda: rig.sagemaker.list_endpoints()["Endpoints"], lambda listed: not listed)


def test_deletion_ends_the_containers_and_takes_everything_away(rig: Rig, endpoint: dict[str, Any]) -> None:
    process = user_process(rig.run_folders()[0])
    rig.sagemaker.delete_endpoint(EndpointName="e")
    rig.until(lambda: rig.sagemaker.list_endpoints()["Endpoints"], lambda listed: not listed)
    assert not process.is_running()
    assert rig.run_folders() == []
    with pytest.raises(Fault, match="Endpoint e of account 123456789012 not found"):
        rig.invoke(b"5,1")
    assert rig.endpoint()["EndpointStatus"] == "InService", "the name can be used again"
    assert predicted(rig) == pytest.approx(5.0, abs=0.3)


def test_a_killed_container_is_replaced_by_itself(rig: Rig, endpoint: dict[str, Any]) -> None:
    user_process(rig.run_folders()[0]).kill()
    rig.until(lambda: answers(rig), bool)
    assert rig.describe()["EndpointStatus"] == "InService"


def test_a_new_control_adopts_what_serves(rig: Rig, endpoint: dict[str, Any]) -> None:
    process = user_process(rig.run_folders()[0])
    rig.restart()
    assert predicted(rig) == pytest.approx(5.0, abs=0.3)
    assert process.is_running()
    rig.sagemaker.delete_endpoint(EndpointName="e")
    rig.until(lambda: rig.sagemaker.list_endpoints()["Endpoints"], lambda listed: not listed)


def test_everything_killed_the_endpoint_answers_again_by_itself(rig: Rig, endpoint: dict[str, Any]) -> None:
    def kill() -> None:
        folder = rig.run_folders()[0]
        started = records.read(folder, records.STARTED)
        assert started is not None
        for who in ("shim", "user", "init"):
            if started.get(who) and psutil.pid_exists(started[who][0]):
                os.kill(started[who][0], signal.SIGKILL)
        rig.snapshot.unlink()

    rig.restart(kill)
    rig.until(lambda: answers(rig), bool)


def test_every_action_may_run_twice(tmp_path: Path, runtime: Runtime) -> None:
    with Rig(tmp_path, runtime, twice=True) as rig:
        rig.model()
        rig.config()
        assert rig.endpoint()["EndpointStatus"] == "InService"
        assert predicted(rig) == pytest.approx(5.0, abs=0.3)
        assert len(rig.run_folders()) == 1
        rig.sagemaker.delete_endpoint(EndpointName="e")
        rig.until(lambda: rig.sagemaker.list_endpoints()["Endpoints"], lambda listed: not listed)


def test_a_script_of_the_user_serves_over_http(rig: Rig) -> None:
    """K02, SDK: SAGEMAKER_SUBMIT_DIRECTORY names an archive in S3, the container has no network."""
    script = b"def model_fn(d):\n    return 2\ndef predict_fn(data, model):\n    return data * model\n"
    rig.objects.put("s3://bucket/sourcedir.tar.gz", archive({"serve.py": script}))
    environment = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/sourcedir.tar.gz"}
    rig.objects.put("s3://bucket/plain.tar.gz", archive({"note.txt": b"no model of a known kind"}))
    rig.model(image=SKLEARN, url="s3://bucket/plain.tar.gz", **environment)
    rig.config()
    found = rig.endpoint()
    assert found["EndpointStatus"] == "InService", (found.get("FailureReason"), rig.lines(GROUP, ""))
    answer = rig.invoke(b"[1, 2]", content_type="application/json", accept="application/json")
    assert answer.body.strip() == b"[2, 4]"


def answers(rig: Rig) -> bool:
    try:
        return predicted(rig) == pytest.approx(5.0, abs=0.3)
    except Fault as problem:
        assert problem.code in ("ServiceUnavailable", "ModelError", "ValidationError")  # noqa: PT017
        return False


OWN_SERVER = b"""
import os, sys
SERVER = '''
import http.server, os, uuid
sessions = {}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self): self.answer(b"", {})
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        session = self.headers.get("X-Amzn-SageMaker-Session-Id")
        if body == "garbage": return self.wfile.write(b"what is this" * 10)
        if body == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\\\\r\\\\nContent-Length: 100\\\\r\\\\n\\\\r\\\\nhalf"); self.close_connection = True; return
        if session == "NEW_SESSION":
            name = uuid.uuid4().hex
            sessions[name] = [body]
            return self.answer(b"", {"X-Amzn-SageMaker-New-Session-Id": name + "; Expires=2199-01-01T00:00:00Z"})
        if body == "close":
            sessions.pop(session)
            return self.answer(b"", {"X-Amzn-SageMaker-Closed-Session-Id": session})
        said = sessions.setdefault(session, [])
        said.append(body)
        self.answer(" ".join(said).encode(), {})
    def answer(self, body, headers):
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items(): self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)), Handler).serve_forever()
'''
os.execv(sys.executable, [sys.executable, "-c", SERVER])
"""


@pytest.fixture
def own(rig: Rig) -> Rig:
    """Two instances of a container that speaks HTTP by itself."""
    serve_script(rig, OWN_SERVER)
    rig.config("own", variant(model="own", count=2))
    assert rig.endpoint(config="own")["EndpointStatus"] == "InService", rig.describe().get("FailureReason")
    return rig


def serve_script(rig: Rig, source: bytes) -> None:
    rig.objects.put("s3://bucket/code.tar.gz", archive({"serve.py": source}))
    rig.objects.put("s3://bucket/plain.tar.gz", archive({"note.txt": b""}))
    environment = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/code.tar.gz"}
    rig.model("own", image=SKLEARN, url="s3://bucket/plain.tar.gz", **environment)


def test_a_session_is_one_containers(own: Rig) -> None:
    """DG:stateful-sessions: what was said in a session is known to whoever answers in it, and to nobody after it."""
    for _ in range(3):
        opened = dict(own.invoke(b"a", x_amzn_sagemaker_session_id="NEW_SESSION").headers)
        session = opened["X-Amzn-SageMaker-New-Session-Id"].partition(";")[0]
        assert own.invoke(b"b", x_amzn_sagemaker_session_id=session).body == b"a b"
        assert own.invoke(b"c", x_amzn_sagemaker_session_id=session).body == b"a b c"
        closed = dict(own.invoke(b"close", x_amzn_sagemaker_session_id=session).headers)
        assert closed["X-Amzn-SageMaker-Closed-Session-Id"] == session
        with pytest.raises(Fault, match="not found"):
            own.invoke(b"d", x_amzn_sagemaker_session_id=session)


@pytest.mark.parametrize("body", [b"garbage", b"cut"])
def test_a_container_that_answers_nonsense_goes_on_serving(own: Rig, body: bytes) -> None:
    with pytest.raises(Fault) as caught:
        own.invoke(body)
    assert (caught.value.code, caught.value.fields["OriginalStatusCode"]) == ("ModelError", 0)
    assert own.invoke(b"x").body.endswith(b"x")


def test_the_reason_tells_of_pings_port_and_last_words(rig: Rig) -> None:
    """K02: what a container said and what it was asked before it was given up."""
    serve_script(rig, b"print('I need a GPU', flush=True)\nraise SystemExit(5)\n")
    rig.config("own", variant(model="own"))
    reason = rig.endpoint(config="own")["FailureReason"]
    assert "did not pass the ping health check" in reason
    assert "GET /ping on port" in reason
    assert "I need a GPU" in reason
    assert "Model data ready after" in reason
