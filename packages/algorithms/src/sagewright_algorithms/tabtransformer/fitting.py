"""Training: epochs of Adam, a line of metrics for training and validation rows each, the best epoch's weights kept."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sagewright_algorithms.common.accelerator import prepare
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.threads import threads_for
from sagewright_algorithms.jumpstart import log, tables
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.jumpstart.labels import Classes
from sagewright_algorithms.jumpstart.tables import Split, Tables
from sagewright_algorithms.tabtransformer import artifact, metrics
from sagewright_algorithms.tabtransformer.artifact import Facts
from sagewright_algorithms.tabtransformer.encoding import Encoding
from sagewright_algorithms.tabtransformer.network import Shape, TabTransformer

_WEIGHT_DECAY = 1e-4
_PREDICTED_AT_ONCE = 4096  # rows


@dataclass(frozen=True, slots=True)
class _Rows:
    codes: Tensor
    numbers: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def part(self, which: Tensor | slice) -> _Rows:
        return _Rows(self.codes[which], self.numbers[which], self.targets[which])


@dataclass(frozen=True, slots=True)
class _Task:
    """``classes``: how many, 0 for regression; its targets are standardised by ``mean`` and ``scale``."""

    classes: int
    mean: float
    scale: float

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.classes:
            return nn.functional.cross_entropy(outputs, targets)
        return nn.functional.mse_loss(outputs[:, 0], targets)

    def metric(self, outputs: Tensor, targets: Tensor) -> str:
        value = metrics.value(self.classes, outputs.cpu().numpy(), targets.cpu().numpy())
        return f"metrics={{'{metrics.name(self.classes)}': {value:.6f}}}"


def fit(job: Job) -> None:
    """Raises ClientError."""
    data = tables.read(job)
    classes = Classes.of(data.train.labels, data.validation.labels) if job.model.task == "classification" else None
    task = _task(data, classes)
    encoding = Encoding.of(data)
    shape = _shape(job.hyperparameters, encoding, task)
    device = prepare(threads=threads_for(job.hyperparameters.integer("batch_size") * len(shape.cardinalities) * shape.width))
    train, validation = (_rows(split, encoding, classes, task, device) for split in (data.train, data.validation))
    network = TabTransformer(shape).to(device)
    log.info(f"Training on {device} with {sum(weight.numel() for weight in network.parameters())} weights")
    _train(network, job.hyperparameters, task, train, validation)
    facts = Facts(encoding, classes.names if classes else None, task.mean, task.scale, shape)
    artifact.write(job.artifact, network, facts)


def _task(data: Tables, classes: Classes | None) -> _Task:
    if classes is not None:
        return _Task(len(classes), 0.0, 1.0)
    labels = data.train.targets()
    return _Task(0, float(labels.mean()), float(labels.std()) or 1.0)


def _shape(wanted: Hyperparameters, encoding: Encoding, task: _Task) -> Shape:
    return Shape(
        cardinalities=encoding.cardinalities,
        numbers=len(encoding.means),
        outputs=task.classes or 1,
        width=int(wanted.text("input_dim")),
        blocks=wanted.integer("n_blocks"),
        attention_dropout=wanted.number("attn_dropout"),
        mlp_dropout=wanted.number("mlp_dropout"),
        shared=wanted.number("frac_shared_embed"),
    )


def _rows(split: Split, encoding: Encoding, classes: Classes | None, task: _Task, device: torch.device) -> _Rows:
    codes, numbers = encoding.table(split.features)
    labels: Any = classes.encoded(split.labels) if classes else (split.targets() - task.mean) / task.scale
    targets = torch.from_numpy(np.asarray(labels, np.int64 if classes else np.float32))
    return _Rows(torch.from_numpy(codes).to(device), torch.from_numpy(numbers).to(device), targets.to(device))


def _train(network: nn.Module, wanted: Hyperparameters, task: _Task, train: _Rows, validation: _Rows) -> None:
    """Ends with the weights of the epoch of the least validation loss."""
    optimizer = torch.optim.AdamW(network.parameters(), wanted.number("learning_rate"), weight_decay=_WEIGHT_DECAY)
    batch, patience = wanted.integer("batch_size"), wanted.integer("patience")
    best, best_loss, waited = copy.deepcopy(network.state_dict()), float("inf"), 0
    for epoch in range(1, wanted.integer("n_epochs") + 1):
        loss, outputs, targets = _epoch(network, optimizer, task, train, batch)
        print(f"epoch {epoch}: loss={loss:.6f}, {task.metric(outputs, targets)}", flush=True)
        outputs = _outputs(network, validation)
        loss = float(task.loss(outputs, validation.targets))
        print(f"valid: loss={loss:.6f}, {task.metric(outputs, validation.targets)}", flush=True)
        waited = 0 if loss < best_loss else waited + 1
        if waited == 0:
            best, best_loss = copy.deepcopy(network.state_dict()), loss
        elif waited >= patience:
            log.info(f"Stopped early: no better validation loss in {patience} epochs")
            break
    network.load_state_dict(best)


def _epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, task: _Task, rows: _Rows, batch: int
) -> tuple[float, Tensor, Tensor]:
    """One pass in random order: the mean loss, and the outputs on the way with their targets."""
    network.train()
    total, seen = 0.0, []
    order = torch.randperm(len(rows)).to(rows.targets.device)
    for start in range(0, len(rows), batch):
        part = rows.part(order[start : start + batch])
        outputs = network(part.codes, part.numbers)
        loss = task.loss(outputs, part.targets)
        if not torch.isfinite(loss):
            raise ClientError("The loss is not finite: the learning rate may be too large")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(loss.detach()) * len(part)
        seen.append(outputs.detach())
    return total / len(rows), torch.cat(seen), rows.targets[order]


@torch.inference_mode()
def _outputs(network: nn.Module, rows: _Rows) -> Tensor:
    network.eval()
    parts = (rows.part(slice(start, start + _PREDICTED_AT_ONCE)) for start in range(0, len(rows), _PREDICTED_AT_ONCE))
    return torch.cat([network(part.codes, part.numbers) for part in parts])
