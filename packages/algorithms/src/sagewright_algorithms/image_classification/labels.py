"""What an example's label says: one class id, or for several labels a vector of zeros and ones (DG:IC-augmented-manifest-training)."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.vision.sources import Example, Source

MULTI_HOT, CLASS_IDS = "multi-hot", "class-id"
Target = int | Floats


@dataclass(frozen=True, slots=True)
class Labels:
    """How the labels of a channel are to be read. ``form`` counts for several labels only."""

    classes: int
    multi_label: bool
    form: str

    def target(self, example: Example) -> Target:
        """A class id, or a vector of all classes. Raises ClientError."""
        numbers = _numbers(example)
        if not self.multi_label:
            if len(numbers) != 1:
                raise ClientError(f"The image {example.name} has {len(numbers)} labels: set multi_label=1 for more than one")
            return self._class(numbers[0], example)
        if self.form == MULTI_HOT:
            return self._hot(numbers, example)
        vector = np.zeros(self.classes, np.float32)
        vector[[self._class(number, example) for number in numbers]] = 1
        return vector

    def positive_weights(self, source: Source, cluster: Cluster) -> Floats:
        """For each class, how many examples of all hosts are without it for one that is with it (1 where one of both is missing)."""
        positives = sum(
            (np.asarray(self.target(source.outline(number))) for number in range(len(source))), np.zeros(self.classes)
        )
        positives = cluster.sum(positives)
        negatives = cluster.sum(np.array([len(source)], np.float64)) - positives
        return np.where((positives > 0) & (negatives > 0), negatives / np.maximum(positives, 1), 1).astype(np.float32)

    def _class(self, number: float, example: Example) -> int:
        if not (0 <= number < self.classes and number == int(number)):
            raise ClientError(
                f"The label {number:g} of the image {example.name} is not a class: num_classes={self.classes} allows 0 to {self.classes - 1}"
            )
        return int(number)

    def _hot(self, numbers: list[float], example: Example) -> Floats:
        if len(numbers) != self.classes or not set(numbers) <= {0, 1}:
            raise ClientError(
                f"The label of the image {example.name} is not a vector of num_classes={self.classes} zeros and ones "
                f'(lists of class ids need the content type option "label-format={CLASS_IDS}")'
            )
        return np.array(numbers, np.float32)


def _numbers(example: Example) -> list[float]:
    """From a record or list as they are; from an augmented manifest a number, a number in quotes, or a JSON list of them."""
    if example.annotation is None:
        return [] if example.label is None else [float(number) for number in example.label]
    try:
        found = json.loads(example.annotation)
        return [float(item) for item in (found if isinstance(found, list) else [found])]
    except (ValueError, TypeError, RecursionError) as error:
        raise ClientError(f"The label of the image {example.name} cannot be read: {error}") from error
