"""Networks, batches and losses stay on the device that they were put on (design: "GPU used when there is one").

The device is torch's ``meta``: it computes nothing, and refuses any operation that mixes its tensors with the CPU's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.fx.experimental._config as fake
from torch import Tensor, nn
from torch.nn import functional

from sagewright_algorithms.image_classification_tf.network import Network as MobileNetwork
from sagewright_algorithms.image_classification_tf.network import architecture
from sagewright_algorithms.ntm.batches import DenseDocuments
from sagewright_algorithms.ntm.network import Network as TopicNetwork
from sagewright_algorithms.ntm.network import Shape as TopicShape
from sagewright_algorithms.object_detection.architecture import Architecture
from sagewright_algorithms.object_detection.batches import Item
from sagewright_algorithms.object_detection.batches import of as detection_batch
from sagewright_algorithms.object_detection.matching import match, mined
from sagewright_algorithms.object_detection.network import Detector
from sagewright_algorithms.semantic_segmentation.architecture import Architecture as Segmentation
from sagewright_algorithms.semantic_segmentation.batches import of as segmentation_batch
from sagewright_algorithms.semantic_segmentation.network import Segmenter
from sagewright_algorithms.tabtransformer.network import Shape as TableShape
from sagewright_algorithms.tabtransformer.network import TabTransformer
from sagewright_algorithms.vision import tensors
from sagewright_algorithms.vision.resnet import Classifier, ResNet, plan

DEVICE = torch.device("meta")
PIXELS = np.zeros((64, 64, 3), np.uint8)


def classification() -> Tensor:
    """Image Classification, with the colour jitter of training."""
    network = tensors.placed(Classifier(ResNet(plan(20, 28), 3), 10), DEVICE)
    images = tensors.jittered(tensors.of_pixels([PIXELS] * 2, DEVICE), torch.zeros(2, 3))
    return functional.cross_entropy(network(images), tensors.of_targets([1, 2], DEVICE))


def mobile_classification() -> Tensor:
    network = tensors.placed(MobileNetwork(architecture("tensorflow-ic-imagenet-mobilenet-v2-035-96"), 3), DEVICE)
    return functional.cross_entropy(network(tensors.of_pixels([PIXELS] * 2, DEVICE)), tensors.of_targets([1, 2], DEVICE))


def detection() -> Tensor:
    """With matching and mining; one image's colours are changed."""
    network = tensors.placed(Detector(Architecture("resnet-20", 3, 64)), DEVICE)
    objects = np.array([[1, 0.1, 0.1, 0.5, 0.5]], np.float32)
    batch = detection_batch([Item(PIXELS, objects, (1, 2, 3)), Item(PIXELS, objects, None)], DEVICE)
    logits, offsets = network(batch.images)
    targets = match(network.anchors, batch.objects)
    classes = mined(targets, logits.log_softmax(2)[..., 0])
    return functional.cross_entropy(logits.flatten(0, 1), classes.flatten()) + (offsets - targets.offsets).abs().mean()


def segmentation() -> Tensor:
    network = tensors.placed(Segmenter(Segmentation("psp", "resnet-20", 4, 64)), DEVICE)
    images, labels = segmentation_batch([(PIXELS, PIXELS[..., :1])] * 2, DEVICE)
    scores, between = network.both(images)
    return functional.cross_entropy(scores, labels) + functional.cross_entropy(between, labels)


def topics() -> Tensor:
    network = TopicNetwork(TopicShape(25, 10, (30, 20), "sigmoid", True)).to(DEVICE)
    documents = DenseDocuments(np.ones((8, 25), np.float32), DEVICE)
    reconstruction, divergence = network(documents.batch(torch.arange(4)))
    return (reconstruction + divergence).mean()


def table() -> Tensor:
    network = TabTransformer(TableShape([3, 4], 2, 2, 8, 1, 0.1, 0.1, 0.25)).to(DEVICE)
    outputs = network(torch.zeros(4, 2, dtype=torch.long, device=DEVICE), torch.zeros(4, 2, device=DEVICE))
    return functional.cross_entropy(outputs, torch.zeros(4, dtype=torch.long, device=DEVICE))


@pytest.mark.parametrize("loss", [classification, mobile_classification, detection, segmentation, topics, table])
def test_a_step_stays_on_its_device(loss: Callable[[], Tensor]) -> None:
    with fake.patch(meta_nonzero_assume_all_nonzero=True):  # how many there are does not matter here
        found = loss()
        assert found.device == DEVICE
        found.backward()  # type: ignore[no-untyped-call]


def test_the_device_refuses_what_lies_elsewhere() -> None:
    """What the tests above rest on."""
    with pytest.raises(RuntimeError, match="not on the expected device"):
        nn.Linear(3, 3, device=DEVICE)(torch.zeros(2, 3))
