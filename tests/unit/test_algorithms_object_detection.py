"""The parts of Object Detection: anchors, box code, matching, suppression, precision (H16)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.object_detection import anchors, artifact, loss
from sagewright_algorithms.object_detection.architecture import Architecture
from sagewright_algorithms.object_detection.boxes import decode, encode, overlaps
from sagewright_algorithms.object_detection.matching import Targets, match, mined
from sagewright_algorithms.object_detection.network import Detector
from sagewright_algorithms.object_detection.precision import MeanAveragePrecision
from sagewright_algorithms.object_detection.suppression import detections, survivors


def boxes_of(random: torch.Generator, *shape: int) -> torch.Tensor:
    low = torch.rand(*shape, 2, generator=random) * 0.7
    return torch.cat([low, low + 0.05 + torch.rand(*shape, 2, generator=random) * 0.25], dim=-1)


def plain_overlap(left: torch.Tensor, right: torch.Tensor) -> float:
    width = min(left[2], right[2]) - max(left[0], right[0])
    height = min(left[3], right[3]) - max(left[1], right[1])
    common = max(float(width), 0.0) * max(float(height), 0.0)
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (left, right)]
    return common / (sum(areas) - common)


def test_the_anchors_of_ssd_300_are_those_of_the_paper() -> None:
    """8 732 boxes: 38 x 38 x 4, 19 x 19 x 6, 10 x 10 x 6, 5 x 5 x 6, 3 x 3 x 4, 1 x 1 x 4."""
    shapes = anchors.of_maps(6, 300, steps=True)
    assert [shape.count for shape in shapes] == [4, 6, 6, 6, 4, 4]
    found = anchors.boxes([(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)], shapes)
    assert found.shape == (8732, 4)
    first, wide = found[0], found[2]
    assert first.tolist() == pytest.approx([4 / 300 - 0.05, 4 / 300 - 0.05, 4 / 300 + 0.05, 4 / 300 + 0.05], abs=1e-6)
    assert float((wide[2] - wide[0]) / (wide[3] - wide[1])) == pytest.approx(2)
    assert found[-4].tolist() == pytest.approx([0.06, 0.06, 0.94, 0.94], abs=1e-6)


def test_large_images_have_a_seventh_map() -> None:
    """As MXNet's SSD 512."""
    assert [shape.count for shape in anchors.of_maps(7, 512)] == [4, 6, 6, 6, 6, 4, 4]


def test_overlaps_and_the_code_of_boxes() -> None:
    random = torch.Generator().manual_seed(1)
    left, right = boxes_of(random, 2, 7), boxes_of(random, 2, 5)
    found = overlaps(left, right)
    assert found.shape == (2, 7, 5)
    assert float(found[1, 3, 4]) == pytest.approx(plain_overlap(left[1, 3], right[1, 4]), abs=1e-6)
    assert torch.allclose(decode(left[:, :5], encode(left[:, :5], right)), right, atol=1e-5)


def test_an_object_gets_its_best_anchor_and_all_that_cover_it_by_half() -> None:
    grid = torch.tensor([[0.0, 0.0, 0.4, 0.4], [0.0, 0.0, 0.45, 0.45], [0.5, 0.5, 0.9, 0.9], [0.6, 0.0, 0.7, 0.1]])
    none = [-1.0, 0.0, 0.0, 0.0, 0.0]
    labels = torch.tensor([[[2.0, 0.0, 0.0, 0.42, 0.42], [1.0, 0.5, 0.0, 1.0, 0.5]], [none, none]])
    found = match(grid, labels)
    assert found.classes.tolist() == [[3, 3, 0, 2], [0, 0, 0, 0]]
    back = decode(grid, found.offsets)
    assert torch.allclose(back[0, 0], labels[0, 0, 1:], atol=1e-5)
    assert torch.allclose(back[0, 3], labels[0, 1, 1:], atol=1e-5)


def test_two_objects_never_share_their_best_anchor() -> None:
    """The one that overlaps more has it; the other gets the next best."""
    grid = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
    labels = torch.tensor([[[0.0, 0.1, 0.1, 0.6, 0.6], [1.0, 0.05, 0.05, 0.55, 0.55]]])
    assert match(grid, labels).classes.tolist() == [[2, 1]]


def test_images_without_objects() -> None:
    grid = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
    found = match(grid, torch.zeros(3, 0, 5))
    assert found.classes.tolist() == [[0, 0]] * 3
    assert mined(found, torch.zeros(3, 2)).tolist() == [[-1, -1]] * 3


def test_only_the_hardest_background_counts() -> None:
    """Three for each anchor of an object, those that are least sure to see nothing."""
    targets = Targets(torch.tensor([[0, 2, 0, 0, 0, 0]]), torch.zeros(1, 6, 4))
    background = torch.tensor([[-0.1, -9.0, -3.0, -0.2, -2.0, -1.0]])
    assert mined(targets, background).tolist() == [[-1, 2, 0, -1, 0, 0]]


def greedy(boxes: torch.Tensor, classes: torch.Tensor, threshold: float) -> list[bool]:
    """The textbook's loop."""
    kept: list[int] = []
    for at in range(len(boxes)):
        rivals = [other for other in kept if classes[other] == classes[at]]
        if all(plain_overlap(boxes[other], boxes[at]) <= threshold for other in rivals):
            kept.append(at)
    return [at in kept for at in range(len(boxes))]


def test_suppression_is_the_greedy_one() -> None:
    random = torch.Generator().manual_seed(3)
    boxes, classes = boxes_of(random, 4, 60), torch.randint(0, 2, (4, 60), generator=random)
    found = survivors(boxes, classes, 0.3)
    assert found.tolist() == [greedy(boxes[image], classes[image], 0.3) for image in range(4)]
    assert 0 < int((~found).sum()) < found.numel()


def test_detections_are_sorted_and_leave_out_what_is_improbable() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 0.4, 0.4], [0.01, 0.0, 0.4, 0.4], [0.5, 0.5, 1.0, 1.0], [0.5, 0.0, 1.0, 0.4]]])
    probabilities = torch.tensor([[[0.1, 0.2, 0.7], [0.0, 0.1, 0.9], [0.2, 0.8, 0.0], [0.995, 0.005, 0.0]]])
    (found,) = detections(probabilities, boxes, 0.45)
    assert found[:, :2].tolist() == [[1.0, pytest.approx(0.9)], [0.0, pytest.approx(0.8)]]
    assert torch.equal(found[:, 2:], boxes[0, [1, 2]])


def rows(*items: tuple[float, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(items, np.float32).reshape(len(items), -1)


def test_precision_at_eleven_points() -> None:
    """Class 0: hit, miss, hit of three objects: precision 1 up to recall 1/3, 2/3 up to 2/3, then 0: (4 + 3 * 2/3) / 11."""
    labels = rows((0, 0.0, 0.0, 0.2, 0.2), (0, 0.4, 0.4, 0.6, 0.6), (0, 0.8, 0.8, 1.0, 1.0))
    found = rows((0, 0.9, 0.0, 0.0, 0.2, 0.2), (0, 0.8, 0.0, 0.0, 0.2, 0.21), (0, 0.7, 0.4, 0.4, 0.6, 0.6))
    metric = MeanAveragePrecision(0.5)
    metric.add(found, labels)
    assert metric.value() == pytest.approx((4 + 3 * 2 / 3) / 11)


def test_precision_is_the_mean_over_the_classes_that_occur() -> None:
    """A class found where none is counts against itself only if it has objects elsewhere."""
    metric = MeanAveragePrecision(0.5)
    assert metric.value() == 0.0
    metric.add(rows((0, 0.9, 0.0, 0.0, 0.5, 0.5), (7, 0.9, 0.0, 0.0, 0.5, 0.5)), rows((0, 0.0, 0.0, 0.5, 0.5)))
    assert metric.value() == pytest.approx(1.0)
    metric.add(np.zeros((0, 6), np.float32), rows((1, 0.0, 0.0, 0.5, 0.5)))
    assert metric.value() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("base", "side", "maps"),
    [
        ("vgg-16", 300, [38, 19, 10, 5, 3, 1]),
        ("vgg-16", 512, [64, 32, 16, 8, 4, 2, 1]),
        ("vgg-16", 333, [42, 21, 11, 6, 4, 2]),
        ("resnet-50", 300, [19, 10, 5, 3, 2, 1]),
        ("resnet-50", 512, [32, 16, 8, 4, 2, 1]),
        ("resnet-20", 96, [12, 6, 3, 2, 1, 1]),
        ("resnet-20", 64, [8, 4, 2, 1, 1, 1]),
    ],
)
def test_the_networks_give_a_score_and_a_box_for_each_anchor(base: str, side: int, maps: list[int]) -> None:
    """On the meta device, which computes shapes only."""
    with torch.device("meta"):
        detector = Detector(Architecture(base, 20, side)).eval()
        images = torch.zeros(2, 3, side, side)
        assert [found.shape[2] for found in detector.maps(images)] == maps
        logits, offsets = detector(images)
    assert logits.shape == (2, len(detector.anchors), 21)
    assert offsets.shape == (2, len(detector.anchors), 4)


def test_a_detector_learns_and_its_files_bring_it_back() -> None:
    """The loss falls on one batch; names are MXNet's; the symbol lists exactly the parameters of the file."""
    torch.manual_seed(0)
    detector = Detector(Architecture("resnet-20", 2, 64))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 255
    labels = torch.tensor([[[0.0, 0.1, 0.1, 0.6, 0.6]], [[1.0, 0.4, 0.5, 0.9, 0.9]]])
    optimizer = torch.optim.Adam(detector.parameters(), lr=0.002)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        found = loss.of(*detector(images), detector.anchors, labels)
        torch.autograd.backward(found.total)
        optimizer.step()
        losses.append(found.total.item())
    assert losses[-1] < losses[0] / 2
    files = artifact.files(detector, {"nms_threshold": "0.45"})
    names = {node["name"] for node in json.loads(files[artifact.SYMBOL])["nodes"] if node["op"] == "null"}
    given = ndarray_file.load(files[artifact.PARAMETERS])
    assert names - {"data"} == {name.partition(":")[2] for name in given}
    assert {"arg:stage1_unit1_conv1_weight", "aux:bn_data_moving_mean", "arg:_plus5_cls_pred_conv_bias"} <= set(given)
    again = Detector(artifact.architecture(files))
    artifact.fill(again, files)
    assert all(torch.equal(one, other) for one, other in zip(detector.eval()(images), again.eval()(images), strict=True))


def test_a_vgg_file_holds_the_weights_that_mxnet_expects() -> None:
    """MXNet's network sees images of 0 to 255 without their mean, ours divides them as well: the first weights make up for it."""
    detector = Detector(Architecture("vgg-16", 1, 300))
    given = ndarray_file.load(artifact.files(detector, {"nms_threshold": "0.45"})[artifact.PARAMETERS])
    ours = detector.base.conv1_1.weight
    assert isinstance(ours, torch.Tensor)
    assert np.allclose(given["arg:conv1_1_weight"] * 58, ours.detach().numpy())
    base = {name: value for name, value in given.items() if "conv" in name and "pred" not in name and "multi" not in name}
    base |= {name: given[name] for name in given if name.startswith("arg:fc")}
    other = Detector(Architecture("vgg-16", 1, 300))
    artifact.fill_base(other, {"vgg16_reduced-0000.params": ndarray_file.dump(base)})
    assert torch.allclose(other.base.fc7.weight, detector.base.fc7.weight)
    with pytest.raises(artifact.UnusableModelError):
        artifact.fill_base(other, {"resnet-50-0000.params": ndarray_file.dump({"arg:conv0_weight": given["arg:fc6_bias"]})})
