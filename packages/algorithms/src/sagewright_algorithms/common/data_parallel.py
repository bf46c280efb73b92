"""A torch network that several instances train together: each step follows the mean of the gradients of all of them.

With n instances and batches of b examples that is what one instance does with batches of n · b, as MXNet's ``dist_sync`` is
(DG:IC-Hyperparameter, kv_store).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sagewright_algorithms.common.cluster import Cluster


class DataParallel:
    """One instance's side. With one instance nothing happens.

    To be made when the network is where it is trained, the same on all instances; what is drawn from then on (noise, masks) is
    drawn for an instance's own examples and differs between them.
    """

    def __init__(self, cluster: Cluster, network: nn.Module) -> None:
        self._cluster = cluster
        if cluster.size == 1:
            return
        torch.manual_seed(cluster.rank)
        self._parameters = [value for value in network.parameters() if value.requires_grad]
        kept = network.state_dict().keys()
        self._buffers = [value for name, value in network.named_buffers() if name in kept and value.is_floating_point()]

    def share_gradients(self, examples: int) -> None:
        """After the backward pass of a batch of so many."""
        if self._cluster.size == 1:
            return
        for value in self._parameters:
            if value.grad is None:
                value.grad = torch.zeros_like(value)
        self._average([value.grad for value in self._parameters if value.grad is not None], examples)

    def share_buffers(self) -> None:
        """Running means and the like: each instance has followed its own batches. To be called before the network is judged."""
        if self._cluster.size > 1 and self._buffers:
            self._average(self._buffers, 1)

    @torch.no_grad()
    def _average(self, tensors: Sequence[Tensor], weight: float) -> None:
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        mean = torch.from_numpy(self._cluster.mean(flat.cpu().numpy(), weight)).to(flat.device)
        parts = torch.split(mean, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))
