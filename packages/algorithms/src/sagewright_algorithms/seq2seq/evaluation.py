"""How well a network does: perplexity and accuracy of the next token, BLEU of what it translates."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from math import exp, inf

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sagewright_algorithms.common.sequences import Sequences
from sagewright_algorithms.seq2seq.network import Network
from sagewright_algorithms.seq2seq.sentence_pairs import SentencePairs
from sagewright_algorithms.seq2seq.translator import Translator
from sagewright_algorithms.seq2seq.vocabulary import END, PAD, START

_TOGETHER = 128
_LARGEST_EXPONENT = 700.0


@dataclass(slots=True)
class Totals:
    """Sums stay where the network is: asking for a number would wait for the GPU."""

    tokens: int = 0
    entropy: Tensor | float = 0.0
    right: Tensor | float = 0.0

    def add(self, entropy: Tensor, logits: Tensor, labels: Tensor, tokens: int) -> None:
        """``entropy`` is the sum over the ``tokens`` of a batch."""
        self.tokens += tokens
        self.entropy = self.entropy + entropy.detach()
        self.right = self.right + ((logits.detach().argmax(dim=2) == labels) & (labels != PAD)).sum()

    def metrics(self) -> dict[str, float]:
        """ "perplexity" and "accuracy"."""
        mean = float(self.entropy) / self.tokens
        return {"perplexity": exp(mean) if mean < _LARGEST_EXPONENT else inf, "accuracy": float(self.right) / self.tokens}


def entropy(network: Network, pairs: SentencePairs) -> tuple[Tensor, Tensor, Tensor, int]:
    """The summed cross entropy of all target tokens and ends, logits, labels [pairs, tokens], and how many tokens there are."""
    given, labels = (torch.from_numpy(part).to(network.words.weight.device) for part in _shifted(pairs.target))
    logits = network(pairs.source, given)
    found = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=PAD, reduction="sum")
    return found, logits, labels, len(pairs.target.tokens) + len(pairs)


def evaluate(network: Network, pairs: SentencePairs) -> dict[str, float]:
    """Perplexity and accuracy; the network is left in evaluation mode."""
    network.eval()
    totals, order = Totals(), np.lexsort((pairs.target.lengths, pairs.source.lengths))
    with torch.inference_mode():
        for start in range(0, len(order), _TOGETHER):
            totals.add(*entropy(network, pairs.take(order[start : start + _TOGETHER])))
    return totals.metrics()


def bleu(translator: Translator, pairs: SentencePairs) -> float:
    """From 0 to 100, over token ids: the text is tokenised already."""
    found = [answer.tokens for answer in translator.translate(pairs.source)]
    answers, references = ([" ".join(map(str, row)) for row in rows] for rows in (found, pairs.target.rows()))
    metric = importlib.import_module("sacrebleu.metrics").BLEU(tokenize="none", force=True)  # takes 0.2 s: only when asked for
    return min(float(metric.corpus_score(answers, [references]).score), 100.0)  # rounding may put a perfect one above


def _shifted(targets: Sequences) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int64]], ...]:
    """[targets, tokens + 1]: the start and the tokens; the tokens and the end. Both padded."""
    lengths = targets.lengths
    places = np.arange(lengths.max() + 1)
    given, labels = (np.full((len(targets), len(places)), PAD, np.int64) for _ in range(2))
    labels[places < lengths[:, None]] = targets.tokens
    given[:, 0], given[:, 1:] = START, labels[:, :-1]
    labels[places == lengths[:, None]] = END
    return given, labels
