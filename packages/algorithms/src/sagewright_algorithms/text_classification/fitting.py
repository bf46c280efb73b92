"""Training: epochs over shuffled batches, metrics after each, the weights of the best epoch kept."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sagewright_algorithms.common.accelerator import prepare
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.threads import threads_for
from sagewright_algorithms.jumpstart import log
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.text_classification import artifact, optimizers, sentences, start
from sagewright_algorithms.text_classification.sentences import Sentences
from sagewright_algorithms.text_classification.start import Start
from sagewright_algorithms.text_classification.vocabulary import Vocabulary

_POOL = 64  # batches whose sentences are sorted by length, so that little has to be filled up
_PREDICTED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Scores:
    loss: float
    accuracy: float

    def better_than(self, other: _Scores | None, by: float) -> bool:
        """More accurate; of the same accuracy, with less loss."""
        if other is None or self.accuracy - other.accuracy > by:
            return True
        return by == 0 and self.accuracy == other.accuracy and self.loss < other.loss


class _Rows:
    """The tokens and labels of sentences."""

    def __init__(self, given: Sentences, vocabulary: Vocabulary, device: torch.device) -> None:
        self.tokens = vocabulary.numbers(given.texts)
        self.labels = torch.tensor(given.labels)
        self._vocabulary = vocabulary
        self._device = device

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, which: list[int]) -> tuple[dict[str, Tensor], Tensor]:
        rows = [self.tokens[place] for place in which]
        return self._vocabulary.batch(rows, self._device), self.labels[which].to(self._device)

    def shuffled(self, size: int) -> Iterator[list[int]]:
        """Places by batch: every sentence once, those of like length together."""
        order = torch.randperm(len(self)).tolist()
        for begin in range(0, len(order), _POOL * size):
            pool = sorted(order[begin : begin + _POOL * size], key=lambda place: len(self.tokens[place]))
            batches = [pool[at : at + size] for at in range(0, len(pool), size)]
            yield from (batches[number] for number in torch.randperm(len(batches)).tolist())

    def by_length(self) -> Iterator[list[int]]:
        order = sorted(range(len(self)), key=lambda place: len(self.tokens[place]))
        yield from (order[at : at + _PREDICTED_AT_ONCE] for at in range(0, len(order), _PREDICTED_AT_ONCE))


def fit(job: Job) -> None:
    """Raises ClientError."""
    wanted = job.hyperparameters
    data = sentences.read(job, wanted.number("validation_split_ratio"))
    begun = _begin(job, data)
    width = begun.model.config.hidden_size
    device = prepare(threads=threads_for(wanted.integer("batch_size") * 16 * width))
    train, validation = (_Rows(part, begun.vocabulary, device) for part in (data.train, data.validation))
    begun.model.to(device)
    _Training(job, begun, train, validation).run()
    artifact.write(job.artifact, begun.model, begun.vocabulary, data.classes)


def _begin(job: Job, data: sentences.Data) -> Start:
    prepare()  # random weights come from the seed
    begun = start.of(job, data)
    if job.hyperparameters.text("train_only_on_top_layer") == "True":
        for weight in begun.model.base_model.parameters():
            weight.requires_grad = False
    return begun


class _Training:
    def __init__(self, job: Job, begun: Start, train: _Rows, validation: _Rows) -> None:
        self._wanted: Hyperparameters = job.hyperparameters
        self._keras = job.model.framework == "tensorflow"
        self._begun = begun
        self._model: Any = begun.model
        self._train = train
        self._validation = validation
        # The Hugging Face form has no hyperparameter for it.
        name = "adamw" if not self._keras and not self._wanted.was_sent("optimizer") else self._wanted.text("optimizer")
        self._epochs, self._size = self._wanted.integer("epochs"), self._wanted.integer("batch_size")
        steps = self._epochs * -(-len(train) // self._size)
        weights = [weight for weight in self._model.parameters() if weight.requires_grad]
        self._optimizer = optimizers.of(name, self._wanted, weights)
        self._schedule = optimizers.schedule(name, self._optimizer, steps, self._wanted.number("warmup_steps_fraction"))

    def run(self) -> None:
        """Ends with the weights of the best epoch, the last one where nothing validates."""
        patience = self._wanted.integer("early_stopping_patience") if self._wanted.text("early_stopping") == "True" else 0
        least = self._wanted.number("early_stopping_min_delta")
        best: _Scores | None = None
        mark: _Scores | None = None
        kept, waited = None, 0
        for epoch in range(1, self._epochs + 1):
            trained = self._epoch()
            validated = self._validated() if len(self._validation) else None
            self._report(epoch, trained, validated)
            if validated is None:
                continue
            if validated.better_than(best, 0.0):
                best, kept = validated, copy.deepcopy(self._model.state_dict())
            mark, waited = (validated, 0) if validated.better_than(mark, least) else (mark, waited + 1)
            if patience and waited >= patience:
                log.info(f"Stopped early: no better validation accuracy in {patience} epochs")
                break
        if kept is not None:
            self._model.load_state_dict(kept)

    def _epoch(self) -> _Scores:
        self._model.train()
        total, hits = 0.0, 0
        for places in self._train.shuffled(self._size):
            inputs, labels = self._train.batch(places)
            outputs = self._model(**inputs).logits
            loss = nn.functional.cross_entropy(outputs, labels)
            if not torch.isfinite(loss):
                raise ClientError("The loss is not finite: the learning rate may be too large")
            self._optimizer.zero_grad()
            (loss + self._penalty()).backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self._schedule.step()
            total += float(loss.detach()) * len(places)
            hits += int((outputs.detach().argmax(1) == labels).sum())
        return _Scores(total / len(self._train), hits / len(self._train))

    def _penalty(self) -> Tensor | float:
        """L2 of the new top layer's weights (regularizers_l2)."""
        factor = self._wanted.number("regularizers_l2")
        if not self._keras or not factor or not self._begun.fresh_top:
            return 0.0
        squares = [
            weight.square().sum() for module in start.top(self._model) for weight in module.parameters() if weight.dim() > 1
        ]
        return factor * torch.stack(squares).sum()

    @torch.inference_mode()
    def _validated(self) -> _Scores:
        self._model.eval()
        total, hits = 0.0, 0
        for places in self._validation.by_length():
            inputs, labels = self._validation.batch(places)
            outputs = self._model(**inputs).logits
            total += float(nn.functional.cross_entropy(outputs, labels)) * len(places)
            hits += int((outputs.argmax(1) == labels).sum())
        return _Scores(total / len(self._validation), hits / len(self._validation))

    def _report(self, epoch: int, trained: _Scores, validated: _Scores | None) -> None:
        """In the words of the framework, whose regexes the metrics are."""
        if self._keras:
            more = f" val_loss={validated.loss:.4f} val_accuracy={validated.accuracy:.4f}" if validated else ""
            print(f"Epoch {epoch}/{self._epochs}: loss={trained.loss:.4f} accuracy={trained.accuracy:.4f}{more}", flush=True)
            return
        print({"loss": round(trained.loss, 4), "epoch": float(epoch)}, flush=True)
        if validated:
            found = {"eval_loss": round(validated.loss, 4), "eval_accuracy": round(validated.accuracy, 4)}
            print({**found, "epoch": float(epoch)}, flush=True)
