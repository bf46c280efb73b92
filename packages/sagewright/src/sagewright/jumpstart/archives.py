"""The archives of JumpStart's bucket: always the same bytes for the same files."""

from __future__ import annotations

import gzip
import io
import tarfile

from sagewright.jumpstart.offers import Offer
from sagewright_algorithms.jumpstart import scripts

_NOTE = """{model}: there is nothing pre-trained in this archive.

Train a model with JumpStartEstimator("{model}") and deploy what it made.
"""


def training_script(offer: Offer) -> bytes:
    """sourcedir.tar.gz of a training job."""
    return archive({scripts.TRAINING: scripts.training(offer.manifest.algorithm, offer.model.id).encode()})


def inference_script(offer: Offer) -> bytes:
    """sourcedir.tar.gz of an endpoint."""
    return archive({scripts.INFERENCE: scripts.inference(offer.manifest.algorithm, offer.model.id).encode()})


def training_artifact(offer: Offer) -> bytes:
    """The model that training starts from: none, as these algorithms start anew."""
    return archive({"README.md": _NOTE.format(model=offer.model.id).encode()})


def inference_artifact(offer: Offer) -> bytes:
    """In place of a model to deploy: an endpoint that says so when it starts."""
    note, script = _NOTE.format(model=offer.model.id), scripts.absent(offer.model.id)
    return archive({"README.md": note.encode(), f"code/{scripts.INFERENCE}": script.encode()})


def archive(files: dict[str, bytes]) -> bytes:
    """A tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)
