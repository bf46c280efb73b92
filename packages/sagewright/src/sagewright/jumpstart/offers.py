"""Which models JumpStart offers, and where in its bucket their parts are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sagewright.jumpstart import datasets
from sagewright_algorithms.manifest import JumpStartModel, Manifest, load, names

_PREPACKED = "1.0.0"


@dataclass(frozen=True, slots=True)
class Offer:
    """One model id and the algorithm behind it. The properties are keys of the bucket."""

    manifest: Manifest
    model: JumpStartModel

    @property
    def specification(self) -> str:
        """What the SDKs read of the model."""
        return f"community_models/{self.model.id}/specs_v{self.model.version}.json"

    @property
    def training_script(self) -> str:
        """sourcedir.tar.gz with transfer_learning.py."""
        return self._source("transfer_learning")

    @property
    def inference_script(self) -> str:
        """sourcedir.tar.gz with inference.py."""
        return self._source("inference")

    @property
    def training_artifact(self) -> str:
        """What the channel ``model`` of a training job brings."""
        return f"{self.model.framework}-training/train-{self.model.id}.tar.gz"

    @property
    def inference_artifact(self) -> str:
        """A model without its script."""
        return f"{self.model.framework}-infer/infer-{self.model.id}.tar.gz"

    @property
    def prepacked_artifact(self) -> str:
        """A model with its script: what the SDKs deploy."""
        return f"{self.model.framework}-infer/prepack/v{_PREPACKED}/infer-prepack-{self.model.id}.tar.gz"

    @property
    def trains(self) -> bool:
        """Whether a model of it is trained on the default data for whoever wants one."""
        return self.model.pretrained and bool(datasets.files(self.model.dataset)) and not self.manifest.missing()

    @property
    def dataset(self) -> str:
        """The prefix of its default training data, "" when it has none."""
        return f"training-datasets/{self.model.dataset}/" if self.model.dataset else ""

    def _source(self, purpose: str) -> str:
        model = self.model
        return (
            f"source-directory-tarballs/{model.framework}/{purpose}/{model.task}/{model.id}/v{model.version}/sourcedir.tar.gz"
        )


@cache
def offers() -> tuple[Offer, ...]:
    """All of them, by model id."""
    found = [Offer(manifest, model) for manifest in map(load, names()) for model in manifest.jumpstart]
    return tuple(sorted(found, key=lambda offer: offer.model.id))
