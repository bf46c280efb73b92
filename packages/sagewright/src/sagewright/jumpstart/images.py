"""The images of JumpStart's specifications: a URI for each kind of processor.

Account and region have AWS's form and mean nothing here (compute/images.py goes by the repository); the tags are ones that the
SDKs' image_uris know.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Framework:
    """``name``, ``version``, ``python`` (and ``transformers``) as the SDKs' image_uris take them; tags by processor."""

    name: str
    version: str
    python: str
    account: str
    training: str
    inference: str
    cpu: str
    gpu: str
    transformers: str = ""

    def uri(self, region: str, scope: str, gpu: bool) -> str:
        """``scope`` is training or inference."""
        repository = self.training if scope == "training" else self.inference
        return f"{self.account}.dkr.ecr.{region}.{_suffix(region)}/{repository}:{self.gpu if gpu else self.cpu}"

    def specs(self) -> dict[str, str]:
        """As ``hosting_ecr_specs`` and ``training_ecr_specs`` have it, which SDKs before 2.160 read."""
        found = {"framework": self.name, "framework_version": self.version, "py_version": self.python}
        return {**found, "huggingface_transformers_version": self.transformers} if self.transformers else found


_DEEP_LEARNING = "763104351884"

FRAMEWORKS = {
    "sklearn": Framework(
        "sklearn",
        "1.2-1",
        "py3",
        "683313688378",
        "sagemaker-scikit-learn",
        "sagemaker-scikit-learn",
        "1.2-1-cpu-py3",
        "1.2-1-cpu-py3",
    ),
    "pytorch": Framework(
        "pytorch",
        "2.0.0",
        "py310",
        _DEEP_LEARNING,
        "pytorch-training",
        "pytorch-inference",
        "2.0.0-cpu-py310",
        "2.0.0-gpu-py310",
    ),
    "huggingface": Framework(
        "huggingface",
        "2.0.0",
        "py310",
        _DEEP_LEARNING,
        "huggingface-pytorch-training",
        "huggingface-pytorch-inference",
        "2.0.0-transformers4.28.1-cpu-py310-ubuntu20.04",
        "2.0.0-transformers4.28.1-gpu-py310-cu118-ubuntu20.04",
        "4.28.1",
    ),
    "autogluon": Framework(
        "autogluon",
        "1.1.1",
        "py311",
        _DEEP_LEARNING,
        "autogluon-training",
        "autogluon-inference",
        "1.1.1-cpu-py311",
        "1.1.1-gpu-py311",
    ),
}


def _suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
