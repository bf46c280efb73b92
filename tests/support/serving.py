"""A Sagewright with endpoints and transform jobs in this process: the real loop, rows, operations and inference; the test brings
the runtime, and S3 is a stand-in."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from harness import ROLE, WORLD, Harness, Parts

from sagewright.base.clock import SystemClock
from sagewright.compute.environments.folder import Environments
from sagewright.compute.placement import Machine
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.compute.way_back import WayBack
from sagewright.features.components.components import Components
from sagewright.features.experiments.experiments import Experiments
from sagewright.features.hosting.hosting import Hosting
from sagewright.features.transform.transform import Transform
from sagewright.front.counters import Counters
from sagewright.front.inference import Inference
from sagewright.front.multi_model import MultiModel
from sagewright.front.routes import RouteTable
from sagewright.front.serverless import Gates
from sagewright.front.sessions import Sessions
from sagewright.front.streamed import Streamed
from sagewright.kernel.loop import Loop
from sagewright.serving.containers import Containers
from sagewright.serving.ensemble import Replicas
from sagewright.serving.gpus import Gpus
from sagewright.serving.usage import COMPONENTS, ENDPOINTS, ReplicaUsage
from sagewright.signals import logs
from sagewright.store.database import Transaction
from sagewright.wire.credentials import Keyring
from sagewright.wire.http import Request, Response
from support.objects import MemoryObjects
from support.signals import messages
from support.waiting import until

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
MODEL = "s3://bucket/model.tar.gz"


class Rig:
    """``restart`` is a control that died and came back; the front lives on."""

    def __init__(
        self,
        tmp_path: Path,
        runtime: Runtime,
        twice: bool = False,
        front: tuple[str, int] = ("127.0.0.1", 8400),
        serverless_idle: float = 300.0,
        metrics_seconds: float | None = None,
        gpus: tuple[str, ...] = (),
    ) -> None:
        """``gpus`` are those of the machine; ``held`` may name some that jobs have. ``metrics_seconds``: between two measurements of what
        replicas use; None: nobody measures."""
        self._serverless_idle = serverless_idle
        self._metrics_seconds = metrics_seconds
        self._gpus = gpus
        self.held: set[str] = set()
        self.runtime = runtime
        self.objects = MemoryObjects("bucket")
        self.objects.put(MODEL, archive({"xgboost-model": xgboost_model()}))
        self.jobs = tmp_path / "jobs"
        self.environments = Environments(tmp_path / "environments", tmp_path / "definitions")
        self.snapshot = tmp_path / "run" / "routes.json"
        self.snapshot.parent.mkdir()
        self.alarms: dict[str, str] = {}
        self.free = 8 * 1024**3
        self._twice = twice
        self._front = front
        self._keyring = Keyring.open(tmp_path / "credentials.json")
        self.harness = Harness(
            controllers={"Endpoint", "InferenceComponent", "TransformJob", "InferenceExperiment"},
            rules={**Hosting.rules, **Components.rules, **Transform.rules, **Experiments.rules},
            quirks={**Components.quirks, **Transform.quirks, **Experiments.quirks},
            install=self._install,
        )

    def __enter__(self) -> Rig:
        self.harness.__enter__()
        self.harness.run(self._start())
        self.sagemaker = self.harness.client("sagemaker")
        return self

    def __exit__(self, *error: Any) -> None:
        self.harness.run(self._stop())
        self.harness.run(self._close_routes())
        for folder in self.run_folders():
            self.runtime.remove(folder)
        self.harness.__exit__(None, None, None)

    def restart(self, between: Callable[[], None] = lambda: None) -> None:
        self.harness.run(self._stop())
        between()
        self._compose(self.harness.parts)
        self.harness.run(self._start())

    async def _start(self) -> None:
        await self.hosting.open()
        await self.loop.start()
        self._reporter = asyncio.create_task(self.gates.report(self._use))

    async def _use(self, header: Mapping[str, str], body: bytes) -> None:
        self.hosting.waking.use(body)

    async def _wake(self, question: dict[str, Any]) -> int:
        return await self.hosting.waking.wake(question)

    async def _stop(self) -> None:
        self._reporter.cancel()
        await self.loop.close()
        await self.components.close()
        await self.transform.close()
        await self.hosting.close()
        await self.containers.close()

    async def _close_routes(self) -> None:
        self.routes.close()
        await asyncio.sleep(0)  # lets the closed connections tell their protocols

    def _install(self, parts: Parts) -> None:
        self._compose(parts)
        self.hosting.register(parts.engine, parts.operations)
        self.components.register(parts.engine, parts.operations)
        self.transform.register(parts.engine, parts.operations)
        self.experiments.register(parts.engine, parts.operations)
        self.counters = Counters()
        self.routes = RouteTable(self.snapshot, told=self.counters.contained)
        self.gates = Gates(self.routes, self._wake)
        self.models = MultiModel(self._bring, self.counters)
        self.inference = Inference(
            self.routes,
            self.counters,
            models=self.models,
            sessions=Sessions(self.snapshot.with_name("sessions")),
            gates=self.gates,
        )

    async def _bring(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """As the front asks control."""
        return await self.hosting.models.bring(asked)

    def _compose(self, parts: Parts) -> None:
        def told(identity: Any) -> None:
            self.loop.hint(identity)

        machine = Machine(2, 8 * 1024**3, self._gpus)
        gpus = Gpus(self.snapshot.with_name("gpus"), self._gpus, lambda: self.held)
        host, port = self._front
        way_back = WayBack(self._front, f"http://{host}:{port}", self._keyring, SystemClock())
        self.containers = Containers(
            self.runtime, self.objects, parts.store, told, way_back, self.environments, gpus, lambda: self.free
        )
        replicas = Replicas(self.containers)
        mounts = self.runtime.name != "process"
        self.hosting = Hosting(
            parts.store,
            replicas,
            self.jobs,
            self.snapshot,
            machine,
            self.objects,
            mounts,
            lambda *_: dict(self.alarms),
            self._usage(parts, ENDPOINTS),
            told=told,
            serverless_idle=self._serverless_idle,
        )
        self.components = Components(
            parts.store,
            replicas,
            self.hosting.publisher,
            self.jobs,
            machine,
            self.objects,
            told,
            mounts=mounts,
            alarms=lambda *_: dict(self.alarms),
            usage=self._usage(parts, COMPONENTS),
        )
        self.transform = Transform(parts.store, replicas, self.objects, self.jobs, machine, Slots(4), told)
        self.experiments = Experiments(parts.store, parts.client)
        features = (self.hosting, self.components, self.transform, self.experiments)
        self.loop = Loop(parts.store, [feature.controller for feature in features], twice=self._twice)

    def _usage(self, parts: Parts, namespace: str) -> ReplicaUsage | None:
        if self._metrics_seconds is None:
            return None
        return ReplicaUsage(parts.store, self.runtime, self._metrics_seconds, namespace)

    def run_folders(self) -> list[Path]:
        """Of everything that was ever started and not removed. A container that is just ending may take folders away meanwhile."""
        return [Path(folder) for folder, _, names in os.walk(self.jobs) if "started.json" in names]

    def model(
        self, name: str = "model", image: str = XGBOOST, url: str = MODEL, isolated: bool = False, **environment: str
    ) -> None:
        container = {"Image": image, "ModelDataUrl": url, "Environment": environment}
        self.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container, EnableNetworkIsolation=isolated
        )

    def config(self, name: str = "config", *variants: dict[str, Any]) -> None:
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants) or [variant()])

    def endpoint(self, name: str = "e", config: str = "config") -> dict[str, Any]:
        """Creates it and waits until it is in service or has failed."""
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return self.settled(name)

    def describe(self, name: str = "e") -> dict[str, Any]:
        return dict(self.sagemaker.describe_endpoint(EndpointName=name))

    def settled(self, name: str = "e", seconds: float = 30.0) -> dict[str, Any]:
        return self.until(
            lambda: self.describe(name), lambda found: found["EndpointStatus"] in ("InService", "Failed"), seconds
        )

    until = staticmethod(until)

    def invoke(self, body: bytes, name: str = "e", action: str = "invocations", **headers: str) -> Response:
        """As the front does it; raises Fault."""
        given = {"content-type": "text/csv", **{key.replace("_", "-"): value for key, value in headers.items()}}
        request = Request("POST", f"/endpoints/{name}/{action}", "", given, body)
        return self.harness.run(self._invoke(request))

    async def _invoke(self, request: Request) -> Response:
        answer = await self.inference.handle(WORLD, request)
        if isinstance(answer, Streamed):
            return Response(answer.status, answer.headers, b"".join([part async for part in answer.parts]))
        return answer

    def streams(self, group: str) -> list[str]:
        """The names of a group's log streams."""
        store = self.harness.parts.store
        found = self.harness.run(store.read(lambda transaction: logs.describe_streams(transaction, WORLD, group)))
        return [stream.name for stream in found]

    def lines(self, group: str, prefix: str) -> list[str]:
        """All log lines of the streams whose names begin so."""
        return self.harness.run(self.harness.parts.store.read(lambda transaction: all_messages(transaction, group, prefix)))


def variant(name: str = "AllTraffic", model: str = "model", count: int = 1, **changes: Any) -> dict[str, Any]:
    return {"VariantName": name, "ModelName": model, "InitialInstanceCount": count, "InstanceType": "ml.m5.large", **changes}


def all_messages(transaction: Transaction, group: str, prefix: str) -> list[str]:
    streams = logs.describe_streams(transaction, WORLD, group, prefix=prefix)
    return [line for stream in streams for line in messages(transaction, group, stream.name)]


@cache
def xgboost_model(slope: float = 1.0) -> bytes:
    """A regression on two features that predicts about ``slope`` times the first."""
    rows = np.random.default_rng(0).uniform(0, 10, (500, 2))
    booster = xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(rows, slope * rows[:, 0]), 30)
    return bytes(booster.save_raw("ubj"))


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
