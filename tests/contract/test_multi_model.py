"""Multi-model endpoints in real containers; only S3 is a stand-in. Feature K06; Developer Guide multi-model-endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from harness import ROLE, WORLD
from support.serving import SKLEARN, XGBOOST, Rig, archive, variant, xgboost_model

from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request

SCRIPT = b"""
import os
def model_fn(folder): return open(os.path.join(folder, "word.txt")).read()
def input_fn(body, content_type): return body.decode()
def predict_fn(body, word): return word + " " + body
def output_fn(text, accept): return text
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture
def rig(tmp_path: Path, runtime: Runtime) -> Iterator[Rig]:
    with Rig(tmp_path, runtime, twice=True) as made:
        for slope in (1, 2, 3):
            add(made, f"times-{slope}.tar.gz", slope)
        yield made


def add(rig: Rig, name: str, slope: float) -> None:
    rig.objects.put(f"s3://bucket/models/{name}", archive({"xgboost-model": xgboost_model(slope)}))


def serve(rig: Rig, image: str = XGBOOST, count: int = 1, url: str = "s3://bucket/models/", **more: Any) -> None:
    container = {"Image": image, "Mode": "MultiModel", "ModelDataUrl": url, **more}
    rig.sagemaker.create_model(ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    rig.config("config", variant(count=count))
    found = rig.endpoint()
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")


def asked(rig: Rig, target: str, body: bytes = b"3,1", **headers: str) -> bytes:
    return rig.invoke(body, x_amzn_sagemaker_target_model=target, **headers).body


def counted(rig: Rig) -> dict[str, list[float]]:
    samples = orjson.loads(rig.counters.drain(0.0) or b"{}").get("samples", [])
    return {sample["name"]: sample["statistics"] for sample in samples}


def folders(rig: Rig) -> list[Path]:
    return list(rig.jobs.glob("endpoint/*/*/e/*/models/*/model"))


def test_models_are_loaded_when_they_are_asked_for(rig: Rig) -> None:
    """K06: on demand, kept, added later; none of them when the endpoint is made; counted as CloudWatch has it."""
    serve(rig)
    assert folders(rig) == []
    assert float(asked(rig, "times-2.tar.gz")) == pytest.approx(6.0, abs=0.4)
    first = counted(rig)
    assert first["ModelCacheHit"][:2] == [1, 0.0]
    assert first["LoadedModelCount"][1] == 1.0
    assert {"ModelLoadingWaitTime", "ModelDownloadingTime", "ModelLoadingTime"} < set(first)
    assert float(asked(rig, "times-2.tar.gz")) == pytest.approx(6.0, abs=0.4)
    assert counted(rig)["ModelCacheHit"][:2] == [1, 1.0]
    assert float(asked(rig, "times-3.tar.gz")) == pytest.approx(9.0, abs=0.4)
    assert (
        b"PayloadPart"
        in rig.invoke(b"3,1", action="invocations-response-stream", x_amzn_sagemaker_target_model="times-3.tar.gz").body
    )
    add(rig, "below/later.tar.gz", 1)
    assert float(asked(rig, "below/later.tar.gz")) == pytest.approx(3.0, abs=0.4)
    assert len(folders(rig)) == 3
    add(rig, "times-2.tar.gz", 1)  # an object that changed is not looked at while the model is there
    assert float(asked(rig, "times-2.tar.gz")) == pytest.approx(6.0, abs=0.4)


def test_both_lose_their_memory_and_go_on(rig: Rig) -> None:
    """A new control finds the models on disk, a new front those that the container has (409), and a new container has none."""
    serve(rig)
    asked(rig, "times-2.tar.gz")
    rig.restart()
    rig.models.forget()
    assert float(asked(rig, "times-2.tar.gz")) == pytest.approx(6.0, abs=0.4)
    assert counted(rig)["ModelDownloadingTime"][0] == 1
    (folder,) = rig.run_folders()
    rig.runtime.signal(folder, 9)
    rig.until(lambda: rig.streams("/aws/sagemaker/Endpoints/e"), lambda streams: len(streams) == 2)
    rig.until(lambda: rig.describe()["ProductionVariants"][0]["CurrentInstanceCount"], lambda count: count == 1)
    assert float(asked(rig, "times-2.tar.gz")) == pytest.approx(6.0, abs=0.4)


BAD = (
    ("missing.tar.gz", r"Failed to download model data\(bucket: bucket, key: models/missing.tar.gz\)"),
    ("bad.tar.gz", "Failed to extract model data archive"),
    ("climbs.tar.gz", "Failed to extract model data archive"),
    ("../model.tar.gz", "not a valid relative path"),
    ("/etc/passwd", "not a valid relative path"),
    ("a/../../b", "not a valid relative path"),
    (None, "missing a target model header"),
)


def test_bad_targets_are_refused_and_the_endpoint_goes_on(rig: Rig) -> None:
    """K06, bad input: archives and paths are not trusted; a model that cannot be loaded is the model's error."""
    rig.objects.put("s3://bucket/models/bad.tar.gz", b"no archive")
    rig.objects.put("s3://bucket/models/climbs.tar.gz", archive({"../../escaped": b"x"}))
    rig.objects.put("s3://bucket/models/garbage.tar.gz", archive({"xgboost-model": b"garbage"}))
    serve(rig)
    for target, words in BAD * 2:
        with pytest.raises(Fault, match=words) as caught:
            rig.invoke(b"3,1", **({} if target is None else {"x_amzn_sagemaker_target_model": target}))
        assert caught.value.code == "ValidationError"
    with pytest.raises(Fault, match="Unable to load model") as caught:
        asked(rig, "garbage.tar.gz")
    assert (caught.value.code, caught.value.fields["OriginalStatusCode"]) == ("ModelError", 500)
    assert not list(rig.jobs.rglob("escaped"))
    assert float(asked(rig, "times-1.tar.gz")) == pytest.approx(3.0, abs=0.4)
    assert not list(rig.jobs.rglob("*.archive"))


def test_many_first_calls_load_once(rig: Rig) -> None:
    serve(rig)

    async def storm() -> list[Any]:
        headers = {"content-type": "text/csv", "x-amzn-sagemaker-target-model": "times-2.tar.gz"}
        requests = [Request("POST", "/endpoints/e/invocations", "", headers, b"3,1") for _ in range(30)]
        return await asyncio.gather(*(rig.inference.handle(WORLD, request) for request in requests))

    answers = rig.harness.run(storm())
    assert [float(answer.body) for answer in answers] == pytest.approx([6.0] * 30, abs=0.4)
    samples = counted(rig)
    assert (samples["ModelLoadingTime"][0], samples["ModelDownloadingTime"][0]) == (1, 1)


def test_a_full_container_unloads_what_was_asked_for_longest_ago(rig: Rig) -> None:
    """DG multi-model-endpoints: 507, unload, again."""
    serve(rig, Environment={"SAGEWRIGHT_MODEL_MEMORY": "1"})  # room for one model, whatever it takes
    for slope in (1, 2, 3, 1):
        assert float(asked(rig, f"times-{slope}.tar.gz")) == pytest.approx(3.0 * slope, abs=0.4)
    samples = counted(rig)
    assert (samples["ModelUnloadingTime"][0], samples["LoadedModelCount"][3]) == (3, 1.0)


def test_models_that_are_not_to_be_cached_leave_after_each_call(rig: Rig) -> None:
    """API MultiModelConfig, ModelCacheSetting."""
    serve(rig, MultiModelConfig={"ModelCacheSetting": "Disabled"})
    for _ in range(2):
        assert float(asked(rig, "times-1.tar.gz")) == pytest.approx(3.0, abs=0.4)
    assert (counted(rig)["ModelUnloadingTime"][0], len(folders(rig))) == (2, 1)


def test_a_model_stays_with_its_replica(rig: Rig) -> None:
    """Smart routing: two replicas, and each model is loaded by one of them."""
    serve(rig, count=2)
    for slope in (1, 2, 3) * 3:
        asked(rig, f"times-{slope}.tar.gz")
    assert len(folders(rig)) == 3


def test_scripts_serve_many_models(rig: Rig) -> None:
    """K06: script mode over HTTP, with the script of each model, as AWS's framework images have it; 507 goes over HTTP, too."""
    for word in ("good", "bad"):
        rig.objects.put(f"s3://bucket/words/{word}.tar.gz", archive({"word.txt": word.encode(), "code/inference.py": SCRIPT}))
    serve(rig, SKLEARN, url="s3://bucket/words", Environment={"SAGEWRIGHT_MODEL_MEMORY": "1"})
    for word in ("good", "bad", "good"):
        assert asked(rig, f"{word}.tar.gz", b"day", content_type="text/plain") == f"{word} day".encode()
    assert counted(rig)["ModelUnloadingTime"][0] == 2


def test_an_endpoint_of_one_model_refuses_a_target(rig: Rig) -> None:
    """Wording seen in published issues."""
    rig.model()
    rig.config()
    rig.endpoint()
    with pytest.raises(Fault, match="Endpoint e is not a multi-model endpoint and does not support target model header"):
        asked(rig, "times-1.tar.gz")
