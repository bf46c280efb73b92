"""An algorithm's manifest: what it is called, reads, accepts, reports and answers. Standard library only: the server reads it.

One ``manifest.json`` per package feeds validation of CreateTrainingJob, tuning ranges, metric definitions, documentation and
console forms. Hyperparameters are strings on the wire, so defaults are strings here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Channel:
    """``distributions`` are S3DataDistributionTypes, ``default_content_type`` what an absent ContentType means."""

    name: str
    required: bool
    content_types: tuple[str, ...]
    input_modes: tuple[str, ...]
    distributions: tuple[str, ...]
    default_content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """``type`` is int, float, enum, list, string, tuple or nested_list; ``choices`` are the values of an enum or list."""

    name: str
    type: str
    required: bool
    tunable: bool
    description: str
    default: str | None = None
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    min_exclusive: bool = False
    max_exclusive: bool = False

    def contains(self, value: float) -> bool:
        """Whether a number lies in the range."""
        low = self.min is None or (value > self.min if self.min_exclusive else value >= self.min)
        high = self.max is None or (value < self.max if self.max_exclusive else value <= self.max)
        return low and high

    def interval(self) -> str:
        """The range as AWS's messages write it: ``[0, 1]``, ``(0, +infinity)``."""
        left = "(-infinity" if self.min is None else f"{'(' if self.min_exclusive else '['}{self.min}"
        right = "+infinity)" if self.max is None else f"{self.max}{')' if self.max_exclusive else ']'}"
        return f"{left}, {right}"


@dataclass(frozen=True, slots=True)
class Metric:
    """``regex`` matches a log line in which control characters were escaped (a tab is ``#011``); group 1 is the value."""

    name: str
    regex: str
    direction: Literal["Maximize", "Minimize"] | None = None


@dataclass(frozen=True, slots=True)
class TunableRange:
    """The range that AWS recommends for tuning; ``type`` is Integer, Continuous or Categorical."""

    name: str
    type: str
    min: str | None = None
    max: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inference:
    """Content types of requests and answers."""

    request_types: tuple[str, ...]
    response_types: tuple[str, ...]
    default_response_type: str


@dataclass(frozen=True, slots=True)
class Training:
    """What instances it can use, and whether it goes on from a model or a checkpoint."""

    distributed: bool
    gpu: bool
    incremental: bool
    checkpoints: bool


@dataclass(frozen=True, slots=True)
class JumpStartModel:
    """One model id of JumpStart behind which an algorithm stands (DG:jumpstart-foundation-models-use-python-sdk).

    ``task`` tells the algorithm what to train (classification, regression, …); ``framework`` is the folder of its scripts in
    the JumpStart bucket. ``defaults`` are those of its specification where they are not the algorithm's own: their keys may be
    aliases, under which the specification then lists the hyperparameter. ``hyperparameters`` and ``metrics`` name what the
    specification lists (() for all). ``image`` is the framework image it trains and serves in. ``dataset`` is the folder of
    its default training data in that bucket, "" when it has none. ``pretrained``: a model of these data, trained with the
    algorithm's own defaults in seconds, is to be had there.
    """

    id: str
    version: str
    task: str
    framework: str
    url: str = ""
    title: str = ""
    image: str = "pytorch"
    dataset: str = ""
    pretrained: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict, hash=False)
    hyperparameters: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    training_instance_type: str = "ml.m5.xlarge"
    inference_instance_type: str = "ml.m5.large"


@dataclass(frozen=True, slots=True)
class Manifest:
    """See the module docstring.

    ``repositories`` and ``versions`` are those of the image URI; an algorithm of JumpStart has no repository of its own.
    ``environment`` names the zygote it runs in, ``requires`` the modules it cannot do without, ``extra`` what of this
    distribution installs them ("" when every installation has them). ``hidden`` are hyperparameters that are taken and have
    no effect. ``jumpstart`` are its model ids there.
    """

    algorithm: str
    title: str
    repositories: tuple[str, ...]
    versions: tuple[str, ...]
    environment: str
    requires: tuple[str, ...]
    extra: str
    documentation: tuple[str, ...]
    channels: tuple[Channel, ...]
    hyperparameters: tuple[Hyperparameter, ...]
    metrics: tuple[Metric, ...]
    tunable: tuple[TunableRange, ...]
    inference: Inference
    training: Training
    model_file: str
    hidden: tuple[str, ...] = ()
    jumpstart: tuple[JumpStartModel, ...] = ()

    def missing(self) -> str:
        """ "" when all that it requires is installed, or a sentence with the command that installs it."""
        absent = [module for module in self.requires if not installed(module)]
        if not absent:
            return ""
        command = f"pip install 'sagewright-algorithms[{self.extra}]'"
        return f"{self.title} needs {', '.join(absent)}, which the server's environment does not have: {command}"

    def hyperparameter(self, name: str) -> Hyperparameter | None:
        """By name or alias."""
        return next((item for item in self.hyperparameters if name == item.name or name in item.aliases), None)

    def channel(self, name: str) -> Channel | None:
        """By name."""
        return next((item for item in self.channels if item.name == name), None)

    def model(self, model_id: str) -> JumpStartModel:
        """Of JumpStart, by its id. Raises KeyError."""
        found = next((item for item in self.jumpstart if item.id == model_id), None)
        if found is None:
            raise KeyError(model_id)
        return found


@cache
def load(algorithm: str) -> Manifest:
    """The manifest of ``xgboost``, ``linear-learner``, …. Raises KeyError for an algorithm that is not there."""
    package = algorithm.replace("-", "_")
    file = files("sagewright_algorithms").joinpath(package, "manifest.json") if package.isidentifier() else None
    if file is None or not file.is_file():
        raise KeyError(algorithm)
    return _manifest(json.loads(file.read_text(encoding="utf-8")))


@cache
def names() -> tuple[str, ...]:
    """The algorithms that have a manifest."""
    packages = [item for item in files("sagewright_algorithms").iterdir() if item.joinpath("manifest.json").is_file()]
    return tuple(sorted(item.name.replace("_", "-") for item in packages))


@cache
def installed(module: str) -> bool:
    """Whether a module could be imported; nothing is."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


def _manifest(document: Mapping[str, Any]) -> Manifest:
    return Manifest(
        **_tuples(document, "channels", "hyperparameters", "metrics", "tunable", "inference", "training", "jumpstart"),
        channels=tuple(Channel(**_tuples(item)) for item in document["channels"]),
        hyperparameters=tuple(Hyperparameter(**_tuples(item)) for item in document["hyperparameters"]),
        metrics=tuple(Metric(**item) for item in document["metrics"]),
        tunable=tuple(TunableRange(**_tuples(item)) for item in document["tunable"]),
        inference=Inference(**_tuples(document["inference"])),
        training=Training(**document["training"]),
        jumpstart=tuple(JumpStartModel(**_tuples(item)) for item in document.get("jumpstart", ())),
    )


def _tuples(document: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """JSON lists as tuples, so that a manifest is immutable and hashable."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in document.items() if key not in without}
