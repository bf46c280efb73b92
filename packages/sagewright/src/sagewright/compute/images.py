"""Which environment an image URI stands for.

Repository and tag decide: the SDKs put an account and a region of AWS's registries in front, 374 accounts for 99 repositories,
and neither means anything here. An image runs in the server's own Python, in an environment of the version that its tag names, or in
one that compute/environments defines: Environments decides. What a built-in algorithm is called and needs is in its manifest; the
tables below are the framework images.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sagewright.compute import refusals
from sagewright.compute.environments.edition import Edition
from sagewright.compute.environments.recipe import RECIPES
from sagewright.compute.oci.reference import parse
from sagewright_algorithms.manifest import installed, load, names

Kind = Literal["algorithm", "framework", "own", "unknown"]


OWN = "own"
"""The environment of an image of one's own: what is in it is the image's business (compute/oci)."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image URI resolved to.

    ``name`` is the environment (one zygote each), ``algorithm`` the built-in algorithm it holds or "",
    ``framework`` the framework its script mode offers or "", ``version`` the version its tag names (as typed) or "".
    ``preload`` names the modules its zygote imports, ``env`` what its containers find in their environment.
    ``edition`` is the environment of the version that the tag names (environments/edition.py), or one that ``name`` stands in for until
    it is built; empty where there is but one.
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
    edition: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self, own_code: bool = True) -> str:
        """The environment that a container runs in (Environments.prepare). ``own_code``: a script or command of the user's runs.

        Algorithms and what was written for them run where their libraries are, whatever version the image has.
        """
        return self.edition if self.edition and own_code else self.name

    def zygote(self, python: str) -> str:
        """What the zygote is called that may serve its containers (InstanceSpec.image) where ``python`` is their interpreter."""
        return self.edition if self.edition and python != sys.executable else self.name

    def train_command(self, python: str = sys.executable) -> tuple[str, ...]:
        """The argv of a training container; ``python`` is the interpreter of its environment."""
        return (python, "-m", "sagewright_container", "train")

    def feed_command(self, python: str = sys.executable) -> tuple[str, ...]:
        """What goes before another command than ours, so that the pipes of a training job are fed."""
        return (python, "-m", "sagewright_container", "feed")

    def own_command(self, entrypoint: tuple[str, ...], python: str = sys.executable) -> tuple[str, ...]:
        """An entrypoint of the user's; a program that AWS has in the image and we in the container's toolkit is run from there."""
        module = _PROGRAMS.get(self.name, {}).get(entrypoint[0]) if entrypoint else None
        return (python, "-m", "sagewright_container", module, *entrypoint[1:]) if module else entrypoint

    def serve_command(self, python: str = sys.executable) -> tuple[str, ...]:
        """The argv of a serving container."""
        return (python, "-m", "sagewright_container", "serve")


def resolve(uri: str) -> Image:
    """Never raises: what cannot run has a ``problem``."""
    repository, tag = _split(uri)
    entry = _REPOSITORIES.get(_BASE_PYTHON.sub(r"\1", repository))
    if entry is None or (repository in _TEXT_SERVERS and not refusals.is_aws(_account(uri))):
        return _without_environment(uri, repository)
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
        _edition(repository, entry, tag),
        _told(entry, _version(tag)),
    )


def _without_environment(uri: str, repository: str) -> Image:
    """One of AWS's that cannot run, or the user's own."""
    reason = refusals.reason(repository, _account(uri))
    if reason:
        return Image(uri, "unknown", "unknown", problem=f"The image {uri} cannot be run here: {reason}")
    return Image(uri, OWN, "own") if parse(uri) is not None else Image(uri, "unknown", "unknown", problem=_unknown(uri))


def _account(uri: str) -> str:
    """The registry's, "" where none is named."""
    account = _ACCOUNT.match(uri)
    return account[1] if account else ""


def _edition(repository: str, entry: _Entry, tag: str) -> str:
    if entry.framework == "vllm":
        return "vllm"
    if entry.framework not in RECIPES or entry.environment not in RECIPES:
        return ""
    if entry.framework == "python":
        python = _BASE_PYTHON.fullmatch(repository)
        return Edition("python", python=f"3.{python[2]}").name if python else ""
    return Edition.of_tag(entry.environment, tag).name


def _told(entry: _Entry, version: str) -> dict[str, str]:
    """What the toolkit in the container learns of its image."""
    named = {
        "SAGEWRIGHT_ALGORITHM": entry.algorithm,
        "SAGEWRIGHT_FRAMEWORK": entry.framework,
        "SAGEWRIGHT_IMAGE_VERSION": version if entry.algorithm or entry.framework in _TEXT_SERVERS.values() else "",
    }
    return {name: value for name, value in named.items() if value}


def preload(environment: str) -> tuple[str, ...]:
    """The modules that the zygote of an environment (``Image.zygote``) imports before it forks."""
    family, _, version = environment.partition("@")
    if family == "xgboost" and version:  # scripts run there, and no algorithm
        return (*_TOOLKIT, *RECIPES[family].imports)
    return _ENVIRONMENTS[family].preload if family in _ENVIRONMENTS else ()


class _Entry(NamedTuple):
    environment: str
    algorithm: str = ""
    framework: str = ""


class _Environment(NamedTuple):
    requires: tuple[str, ...]  # modules of the server's Python without which its images cannot run
    preload: tuple[str, ...]
    extra: str = ""  # of sagewright-algorithms, which installs what ``optional`` names
    optional: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()  # of the machine

    def missing(self) -> str:
        """ "" or a sentence with the command that installs what is not there."""
        without = [program for program in self.programs if shutil.which(program, path=_PATH) is None]
        if without:
            return f"This image needs the program {', '.join(without)} of this machine, which is not on {_PATH}."
        absent = [module for module in self.optional if not installed(module)]
        if not absent:
            return ""
        command = f"pip install 'sagewright-algorithms[{self.extra}]'"
        return f"This image needs {', '.join(absent)}, which the server's environment does not have: {command}"


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # where a container looks for a program of the system

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
    "neo": _Environment(
        ("sagewright_container",),
        (*_TOOLKIT, "numpy", "onnxruntime"),
        "compilation",
        ("onnx", "onnxruntime", "onnxmltools", "skl2onnx"),
    ),
    "neotensorflow": _Environment((), _TOOLKIT),  # compiles only, and has an interpreter of its own: compute/environments
    "autogluon": _Environment((), (*_TOOLKIT, "autogluon.tabular")),  # an interpreter of its own: compute/environments
    "spark": _Environment((), _TOOLKIT, programs=("java",)),  # likewise
    "vllm": _Environment((), _TOOLKIT),  # likewise; the container becomes another program at once
    "vllm-cpu": _Environment((), _TOOLKIT),
    "rl": _Environment(
        ("sagewright_container",),
        (*_TOOLKIT, "sagewright_algorithms.common", "torch", "torch._dynamo", "torch.optim", "stable_baselines3"),
        "rl",
        ("torch", "gymnasium", "stable_baselines3"),
    ),
}

# Programs on the path of AWS's images, as commands of the toolkit: by environment.
_PROGRAMS = {"spark": {"smspark-submit": "spark"}}

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
    "sagemaker-inference-pytorch": "neo",
    "xgboost-neo": "neo",
    "autogluon-training": "autogluon",
    "autogluon-inference": "autogluon",
    "sagemaker-base-python": "python",
    "sagemaker-distribution-prod": "python",
    "sagemaker-spark-processing": "spark",
    "sagemaker-rl-coach-container": "rl",
    "sagemaker-rl-mxnet": "rl",
    "sagemaker-rl-ray-container": "rl",
    "sagemaker-rl-tensorflow": "rl",
    "sagemaker-rl-vw-container": "rl",
}

# What compiles models of TensorFlow: no image of AWS's, a name for compilation jobs; no repository may have capital letters.
TENSORFLOW_COMPILER = "Compiler-of-TensorFlow"

# Servers of language models, each with its own form of requests (sagewright_container.text_generation, text_embeddings): they run in the server's own
# Python, vLLM in its environment where that is built. AWS's alone: a repository of the user's own may be called vllm, too.
_TEXT_SERVERS = {
    "huggingface-pytorch-tgi-inference": "tgi",
    "djl-inference": "lmi",
    "vllm": "vllm",
    "huggingface-vllm": "vllm",
    "sglang": "sglang",
    "huggingface-sglang": "sglang",
    "tei": "tei",
    "tei-cpu": "tei",
}

_REPOSITORIES: dict[str, _Entry] = {
    **{
        repository: _Entry(manifest.environment, manifest.algorithm, _SCRIPT_MODE.get(repository, ""))
        for manifest in map(load, names())
        for repository in manifest.repositories
    },
    **{repository: _Entry(framework, "", framework) for repository, framework in _FRAMEWORKS.items()},
    **{repository: _Entry("huggingface", "", server) for repository, server in _TEXT_SERVERS.items()},
    "sagemaker-inference-tensorflow": _Entry("neo", "", "neo-tensorflow"),
    "sagemaker-sparkml-serving": _Entry("numpy", "", "sparkml"),
    TENSORFLOW_COMPILER: _Entry("neotensorflow", "", "neo-tensorflow"),
}

_URI = re.compile(
    r"(?:\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.[^/]+/)?(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@.+)?", re.DOTALL
)
_ACCOUNT = re.compile(r"(\d{12})\.dkr\.ecr")
_BASE_PYTHON = re.compile(r"(sagemaker-base-python)-3(\d+)")  # these images carry their Python in the repository
_VERSION = re.compile(r"(?:py\d+/)?(\d+(?:\.\d+)*(?:-\d+)?)(?=-|$)")


def _split(uri: str) -> tuple[str, str]:
    match = _URI.fullmatch(uri)
    if match is None:
        return "", ""
    return match["repository"], match["tag"] or ""


def _version(tag: str) -> str:
    match = _VERSION.match(tag)
    return match[1] if match else ""


def _unknown(uri: str) -> str:
    return (
        f"The image {uri} cannot be run here: its repository is none of the SageMaker images that Sagewright provides. "
        "Push images of your own to a repository of this server's ECR."
    )


def _problem(uri: str, entry: _Entry) -> str:
    """What has an edition is built where the server lacks it."""
    repository, tag = _split(uri)
    if repository in _TEXT_SERVERS and "neuron" in tag:
        return f"The image {uri} cannot be run here: {refusals.NEURON}"
    if not entry.algorithm and entry.environment in RECIPES and repository not in _TEXT_SERVERS:
        return ""
    missing = [module for module in _ENVIRONMENTS[entry.environment].requires if not installed(module)]
    if missing:
        return f"The image {uri} cannot be run here: it needs {', '.join(missing)}, not installed in the server's environment."
    return ""
