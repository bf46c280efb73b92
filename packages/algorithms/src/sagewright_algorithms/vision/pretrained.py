"""``use_pretrained_model``: AWS's containers bring weights that were trained on ImageNet; this distribution cannot."""

from __future__ import annotations

from sagewright_algorithms.common import log
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job

_NAME = "use_pretrained_model"
_NO = ("0", "False", "false")


def check(job: Job, network: str) -> None:
    """Where AWS's default would be such weights, the log says that there are none; who asks for them is refused.

    A model in the channel ``model`` stands in for them. Raises ClientError.
    """
    if "model" in job.channels or job.hyperparameters.final.get(_NAME) in _NO:
        return
    if job.hyperparameters.was_sent(_NAME):
        raise ClientError(
            f"{_NAME}: no weights pretrained on ImageNet are available for {network}. Set it to "
            "0 or False to train from random weights, or give a model that was trained before in the channel 'model'."
        )
    log.info(f"No pretrained weights are available for {network}: training starts from random weights.")
