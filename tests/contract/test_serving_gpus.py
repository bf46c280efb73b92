"""Which GPUs serving containers see: planted ids, real containers. Features K01, K06, K22."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from harness import ROLE
from support.serving import Rig, variant

from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import InstanceSpec, Runtime


class Noting:
    """A runtime that notes what it starts."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.specs: dict[str, InstanceSpec] = {}

    def start(self, spec: InstanceSpec) -> Any:
        self.specs[spec.key] = spec
        return self._runtime.start(spec)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def seen(self, part: str) -> list[tuple[int, str | None]]:
        """How many GPUs, and which, the containers see whose keys hold ``part``."""
        found = [spec for key, spec in self.specs.items() if part in key]
        return sorted((spec.limits.gpus, spec.env.get("CUDA_VISIBLE_DEVICES")) for spec in found)


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture
def runtime(containers: Runtime) -> Noting:
    return Noting(containers)


Rigs = Callable[..., Rig]


@pytest.fixture
def rig_with(tmp_path: Path, runtime: Any) -> Iterator[Rigs]:
    """A rig whose machine has these GPUs, every action done twice."""
    with ExitStack() as stack:

        def make(*gpus: str) -> Rig:
            entered: AbstractContextManager[Rig] = Rig(tmp_path, runtime, twice=True, gpus=gpus)
            rig = stack.enter_context(entered)
            rig.model()
            return rig

        yield make


def _endpoint(rig: Rig, name: str, instance_type: str, **changes: Any) -> None:
    rig.config(name, variant(InstanceType=instance_type, **changes))
    assert rig.endpoint(name, name)["EndpointStatus"] == "InService"


def test_containers_of_a_gpu_type_see_those_that_fewest_others_use(rig_with: Rigs, runtime: Noting) -> None:
    rig = rig_with("0", "1", "2")
    _endpoint(rig, "two", "ml.g5.xlarge", count=2)
    assert runtime.seen("/two/") == [(1, "0"), (1, "1")]
    _endpoint(rig, "third", "ml.g5.xlarge")
    assert runtime.seen("/third/") == [(1, "2")]
    _endpoint(rig, "shared", "ml.g5.12xlarge")
    assert runtime.seen("/shared/") == [(3, "0,1,2")], "the type has four, the machine three"
    _endpoint(rig, "plain", "ml.m5.large")
    assert runtime.seen("/plain/") == [(0, "")], "a type without GPUs sees none"


def test_those_that_jobs_have_come_last(rig_with: Rigs, runtime: Noting) -> None:
    rig = rig_with("4", "6")
    rig.held = {"4"}
    _endpoint(rig, "e", "ml.p3.2xlarge")
    assert runtime.seen("/e/") == [(1, "6")]


def test_a_restarted_control_knows_what_was_lent_and_what_came_back(rig_with: Rigs, runtime: Noting) -> None:
    rig = rig_with("0", "1")
    _endpoint(rig, "first", "ml.g5.xlarge")
    rig.restart()
    rig.until(lambda: rig.describe("first")["EndpointStatus"], lambda status: status == "InService")
    _endpoint(rig, "second", "ml.g5.xlarge")
    assert runtime.seen("/second/") == [(1, "1")]
    rig.sagemaker.delete_endpoint(EndpointName="first")
    (home,) = rig.jobs.glob("endpoint/*/*/first")
    rig.until(home.exists, lambda there: not there)
    _endpoint(rig, "third", "ml.g5.xlarge")
    assert runtime.seen("/third/") == [(1, "0")]


def test_a_machine_without_gpus_hides_nothing(rig_with: Rigs, runtime: Noting) -> None:
    rig = rig_with()
    _endpoint(rig, "e", "ml.g5.xlarge")
    assert runtime.seen("/e/") == [(0, None)]


def test_a_copy_of_a_component_sees_as_many_as_it_requires(rig_with: Rigs, runtime: Noting) -> None:
    rig = rig_with("0", "1", "2", "3")
    host = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.g5.12xlarge"}
    rig.sagemaker.create_endpoint_config(EndpointConfigName="hosts", ProductionVariants=[host], ExecutionRoleArn=ROLE)
    rig.endpoint("e", "hosts")
    for name, number in (("pair", 2), ("none", 0)):
        required = {"MinMemoryRequiredInMb": 256, **({"NumberOfAcceleratorDevicesRequired": number} if number else {})}
        rig.sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName="e",
            VariantName="AllTraffic",
            Specification={"ModelName": "model", "ComputeResourceRequirements": required},
            RuntimeConfig={"CopyCount": 1},
        )
        rig.until(
            lambda name=name: rig.sagemaker.describe_inference_component(InferenceComponentName=name),
            lambda found: found["InferenceComponentStatus"] in ("InService", "Failed"),
        )
    assert runtime.seen("/pair/") == [(2, "0,1")]
    assert runtime.seen("/none/") == [(0, "")]
