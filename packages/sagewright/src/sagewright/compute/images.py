"""Which environment an image URI stands for.

Repository and tag decide: the SDKs put an account and a region of AWS's registries in front, 374 accounts for 99 repositories,
and neither means anything here. An image runs in the server's own Python unless compute/environments defines an interpreter of
its environment's own. What a built-in algorithm is called and needs is in its manifest; the tables below are the framework images.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sagewright.compute.oci.reference import parse
from sagewright_algorithms.manifest import installed, load, names

Kind = Literal["algorithm", "framework", "own", "unknown"]


OWN = "own"
"""The environment of an image of one's own: what is in it is the image's business (compute/oci)."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image URI resolved to.

    ``name`` is the environment (InstanceSpec.image, one zygote each), ``algorithm`` the built-in algorithm it holds or "",
    ``framework`` the framework its script mode offers or "", ``version`` the version its tag names (as typed) or "".
    ``preload`` names the modules its zygote imports, ``env`` what its containers find in their environment.
    ``problem`` is empty, or why it cannot run here: a text for FailureReason and for a ValidationException. ``missing`` is
    empty, or what has to be installed before it can run: a text for FailureReason.
    """

    uri: str
    name: str
    kind: Kind
    algorithm: str = ""
    framework: str = ""
    version: str = ""
    problem: str = ""
    missing: str = ""
    preload: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def train_command(self, python: str = sys.executable) -> tuple[str, ...]:
        """The argv of a training container; ``python`` is the interpreter of its environment."""
        return (python, "-m", "sagewright_container", "train")

    def feed_command(self, python: str = sys.executable) -> tuple[str, ...]:
        """What goes before another command than ours, so that the pipes of a training job are fed."""
        return (python, "-m", "sagewright_container", "feed")

    def serve_command(self, python: str = sys.executable) -> tuple[str, ...]:
        """The argv of a serving container."""
        return (python, "-m", "sagewright_container", "serve")


def resolve(uri: str) -> Image:
    """Never raises: what cannot run has a ``problem``."""
    repository, tag = _split(uri)
    entry = _REPOSITORIES.get(repository)
    if entry is None and parse(uri) is not None:
        return Image(uri, OWN, "own")
    if entry is None:
        return Image(uri, "unknown", "unknown", problem=_unknown(uri))
    environment = entry.environment
    return Image(
        uri,
        environment,
        "algorithm" if entry.algorithm else "framework",
        entry.algorithm,
        entry.framework,
        _version(tag),
        _problem(uri, entry),
        load(entry.algorithm).missing() if entry.algorithm else _ENVIRONMENTS[environment].missing(),
        preload(environment),
        _told(entry, _version(tag)),
    )


def _told(entry: _Entry, version: str) -> dict[str, str]:
    """What the toolkit in the container learns of its image."""
    named = {
        "SAGEWRIGHT_ALGORITHM": entry.algorithm,
        "SAGEWRIGHT_FRAMEWORK": entry.framework,
        "SAGEWRIGHT_IMAGE_VERSION": version if entry.algorithm else "",
    }
    return {name: value for name, value in named.items() if value}


def preload(environment: str) -> tuple[str, ...]:
    """The modules that the zygote of an environment (``Image.name``) imports before it forks."""
    return _ENVIRONMENTS[environment].preload if environment in _ENVIRONMENTS else ()


class _Entry(NamedTuple):
    environment: str
    algorithm: str = ""
    framework: str = ""


class _Environment(NamedTuple):
    requires: tuple[str, ...]  # modules of the server's Python without which its images cannot run
    preload: tuple[str, ...]
    extra: str = ""  # of sagewright-algorithms, which installs what ``optional`` names
    optional: tuple[str, ...] = ()

    def missing(self) -> str:
        """ "" or a sentence with the command that installs what is not there."""
        absent = [module for module in self.optional if not installed(module)]
        if not absent:
            return ""
        command = f"pip install 'sagewright-algorithms[{self.extra}]'"
        return f"This image needs {', '.join(absent)}, which the server's environment does not have: {command}"


_TOOLKIT = ("sagewright_container.__main__",)

# What a zygote holds in memory all the time: the built-in XGBoost trains without pandas, scikit-learn or SciPy (110 MB less).
# torch._dynamo is otherwise imported by the first optimizer step, which costs a second. sagewright_algorithms.common comes before
# torch: it tells OpenMP's threads not to spin while they wait, which is read when torch is loaded.
_ENVIRONMENTS = {
    "python": _Environment(("sagewright_container",), _TOOLKIT),
    "xgboost": _Environment(
        ("sagewright_container", "xgboost", "sagewright_algorithms.xgboost"),
        (*_TOOLKIT, "sagewright_algorithms.xgboost.train", "sagewright_algorithms.xgboost.serve"),
    ),
    "numpy": _Environment(
        ("sagewright_container", "numpy", "sagewright_algorithms.common"),
        (*_TOOLKIT, "sagewright_algorithms.common.job", "sagewright_algorithms.common.endpoint"),
    ),
    "torch": _Environment(
        ("sagewright_container", "numpy", "sagewright_algorithms.common"),
        (
            *_TOOLKIT,
            "sagewright_algorithms.common.job",
            "sagewright_algorithms.common.endpoint",
            "torch",
            "torch._dynamo",
            "torch.optim",
        ),
    ),
    "sklearn": _Environment(
        ("sagewright_container", "sklearn"),
        (*_TOOLKIT, "numpy", "pandas", "scipy.sparse", "sklearn.ensemble", "sklearn.linear_model", "sklearn.model_selection"),
    ),
    "pytorch": _Environment(
        ("sagewright_container", "torch"),
        (*_TOOLKIT, "sagewright_algorithms.common", "numpy", "torch", "torch._dynamo", "torch.optim"),
    ),
    "huggingface": _Environment(
        ("sagewright_container", "torch", "transformers"),
        (
            *_TOOLKIT,
            "sagewright_algorithms.common",
            "torch",
            "torch._dynamo",
            "torch.optim",
            "transformers.models.auto.modeling_auto",
            "transformers.models.bert.modeling_bert",
        ),
    ),
    "tensorflow": _Environment(("sagewright_container", "tensorflow"), _TOOLKIT),
    "autogluon": _Environment((), (*_TOOLKIT, "autogluon.tabular")),  # an interpreter of its own: compute/environments
    "mxnet": _Environment(("sagewright_container", "mxnet"), _TOOLKIT),
    "rl": _Environment(
        ("sagewright_container",),
        (*_TOOLKIT, "sagewright_algorithms.common", "torch", "torch._dynamo", "torch.optim", "stable_baselines3"),
        "rl",
        ("torch", "gymnasium", "stable_baselines3"),
    ),
}

# Algorithms whose image also runs the user's own script.
_SCRIPT_MODE = {"sagemaker-xgboost": "xgboost"}

# Repositories as `sagemaker.image_uris.retrieve` names them.
_FRAMEWORKS = {
    "sagemaker-scikit-learn": "sklearn",
    "pytorch": "pytorch",
    "pytorch-training": "pytorch",
    "pytorch-inference": "pytorch",
    "pytorch-inference-arm64": "pytorch",
    "pytorch-inference-graviton": "pytorch",
    "sagemaker-pytorch": "pytorch",
    "huggingface-pytorch-training": "huggingface",
    "huggingface-pytorch-inference": "huggingface",
    "tensorflow-training": "tensorflow",
    "tensorflow-inference": "tensorflow",
    "tensorflow-inference-graviton": "tensorflow",
    "sagemaker-tensorflow": "tensorflow",
    "sagemaker-tensorflow-scriptmode": "tensorflow",
    "sagemaker-tensorflow-serving": "tensorflow",
    "autogluon-training": "autogluon",
    "autogluon-inference": "autogluon",
    "mxnet-training": "mxnet",
    "mxnet-inference": "mxnet",
    "sagemaker-mxnet": "mxnet",
    "sagemaker-mxnet-serving": "mxnet",
    "sagemaker-base-python": "python",
    "sagemaker-distribution-prod": "python",
    "sagemaker-rl-coach-container": "rl",
    "sagemaker-rl-mxnet": "rl",
    "sagemaker-rl-ray-container": "rl",
    "sagemaker-rl-tensorflow": "rl",
    "sagemaker-rl-vw-container": "rl",
}

_REPOSITORIES: dict[str, _Entry] = {
    **{
        repository: _Entry(manifest.environment, manifest.algorithm, _SCRIPT_MODE.get(repository, ""))
        for manifest in map(load, names())
        for repository in manifest.repositories
    },
    **{repository: _Entry(framework, "", framework) for repository, framework in _FRAMEWORKS.items()},
}

_URI = re.compile(
    r"(?:\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.[^/]+/)?(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@.+)?", re.DOTALL
)
_VERSION = re.compile(r"(?:py\d+/)?(\d+(?:\.\d+)*(?:-\d+)?)(?=-|$)")


def _split(uri: str) -> tuple[str, str]:
    match = _URI.fullmatch(uri)
    if match is None:
        return "", ""
    repository = match["repository"]
    # The base Python images carry their Python in the repository: sagemaker-base-python-310.
    return re.sub(r"^(sagemaker-base-python)-\d+$", r"\1", repository), match["tag"] or ""


def _version(tag: str) -> str:
    match = _VERSION.match(tag)
    return match[1] if match else ""


def _unknown(uri: str) -> str:
    return (
        f"The image {uri} cannot be run here: its repository is none of the SageMaker images that Sagewright provides. "
        "Push images of your own to a repository of this server's ECR."
    )


def _problem(uri: str, entry: _Entry) -> str:
    missing = [module for module in _ENVIRONMENTS[entry.environment].requires if not installed(module)]
    if missing:
        return f"The image {uri} cannot be run here: it needs {', '.join(missing)}, not installed in the server's environment."
    return ""
