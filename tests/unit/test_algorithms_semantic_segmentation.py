"""The parts of Semantic Segmentation: label maps, views, decoders, measures, schedules (H17)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.drawn_shapes import draw

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.semantic_segmentation import artifact, examples, label_map, transforms
from sagewright_algorithms.semantic_segmentation.architecture import Architecture
from sagewright_algorithms.semantic_segmentation.examples import Examples
from sagewright_algorithms.semantic_segmentation.heads import HEADS
from sagewright_algorithms.semantic_segmentation.metrics import Confusion
from sagewright_algorithms.semantic_segmentation.network import Segmenter
from sagewright_algorithms.semantic_segmentation.settings import Schedule
from sagewright_algorithms.vision.records import ImageRecord, frame, pack


def table(folder: Path, content: str) -> list[int]:
    folder.mkdir(exist_ok=True)
    (folder / "train_label_map.json").write_text(content)
    return [int(value) for value in label_map.read(folder, "train")]


def test_a_label_map_as_the_guide_has_it(tmp_path: Path) -> None:
    """DG:semantic-segmentation: scale 3 makes 0, 3, 6 to 0, 1, 2; the map {"0": 5, "1": 0, "2": 2} makes 0, 5, 2 to 1, 0, 2."""
    scaled = table(tmp_path, '{"scale": "3"}')
    assert [scaled[value] for value in (0, 3, 6, 7, 255)] == [0, 1, 2, 2, 255]
    mapped = table(tmp_path, '{"map": {"0": 5, "1": 0, "2": 2}}')
    assert [mapped[value] for value in (0, 5, 2, 9)] == [1, 0, 2, 255]
    assert label_map.read(tmp_path, "validation").tolist() == list(range(256))


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"scale": "0"}', '{"map": {"a": 1}}', '{"map": {"0": 256}}', '{"map": {"255": 0}}', '{"map": [1]}'],
)
def test_a_label_map_of_another_form(tmp_path: Path, content: str) -> None:
    with pytest.raises(ClientError, match=r"The label map train_label_map\.json is not of the form"):
        table(tmp_path, content)


def test_measures() -> None:
    """Of six pixels that count, five are right; class 0: 2/3, class 1: 3/4, class 2 is nowhere."""
    confusion = Confusion(3)
    confusion.add(torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 0, 0, 1]]))
    confusion.add(torch.tensor([[1, 1, 2]]), torch.tensor([[1, 1, 255]]))
    assert confusion.pixel_accuracy() == pytest.approx(5 / 6)
    assert confusion.mean_iou() == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert Confusion(2).mean_iou() == Confusion(2).pixel_accuracy() == 0.0


@pytest.mark.parametrize(
    ("shape", "rates"), [("poly", [1.0, 0.5**0.9, 0.0]), ("cosine", [1.0, 0.5, 0.0]), ("step", [1.0, 0.1, 0.01])]
)
def test_schedules(shape: str, rates: list[float]) -> None:
    schedule = Schedule(shape, 1.0, 10, 0.1, (4, 9))
    assert [schedule.at_point(done) for done in (0, 5, 10)] == pytest.approx(rates)


@pytest.mark.parametrize(
    ("algorithm", "backbone", "part"),
    [("fcn", "resnet-50", 8), ("psp", "resnet-50", 8), ("deeplab", "resnet-101", 8), ("psp", "resnet-20", 4)],
)
def test_the_networks_score_every_pixel(algorithm: str, backbone: str, part: int) -> None:
    """Features are an eighth of the image, a quarter with the small one."""
    segmenter = Segmenter(Architecture(algorithm, backbone, 21, 64)).eval()
    images = torch.zeros(2, 3, 40, 28)
    with torch.inference_mode():
        assert segmenter.body(images).shape[2:] == (-(-40 // part), -(-28 // part))
        assert [found.shape for found in segmenter.both(images)] == [(2, 21, 40, 28)] * 2


@pytest.mark.parametrize("algorithm", list(HEADS))
def test_a_single_image_trains_as_well(algorithm: str) -> None:
    """A mean over the whole image is one value per channel, of which a batch norm can make nothing."""
    segmenter = Segmenter(Architecture(algorithm, "resnet-20", 2, 32))
    scores, _ = segmenter.both(torch.rand(1, 3, 32, 32) * 255)
    torch.autograd.backward(scores.square().mean())
    assert all(torch.isfinite(item.grad).all() for item in segmenter.head.parameters() if item.grad is not None)


def test_the_files_bring_a_segmenter_back() -> None:
    segmenter = Segmenter(Architecture("deeplab", "resnet-20", 3, 48)).eval()
    given = {"algorithm": "deeplab", "backbone": "resnet-20", "num_classes": "3", "crop_size": "41", "base_size": "64"}
    files = artifact.files(segmenter, given)
    again = artifact.restored(files).eval()
    images = torch.rand(1, 3, 48, 48) * 255
    assert again.architecture == segmenter.architecture
    assert torch.equal(segmenter(images), again(images))
    assert "arg:auxlayer_0_0_weight" in ndarray_file.load(files[artifact.PARAMETERS])


@pytest.mark.parametrize(
    "changes",
    [{}, {"num_classes": "4"}, {"backbone": "resnet-9"}, {"algorithm": 1}, {"crop_size": "x"}],
    ids=["nothing else", "another network", "unknown backbone", "unknown algorithm", "no number"],
)
def test_files_that_are_no_segmenter(changes: dict[str, str]) -> None:
    segmenter = Segmenter(Architecture("fcn", "resnet-20", 3, 48))
    given = {"algorithm": "fcn", "backbone": "resnet-20", "num_classes": "3", "crop_size": "48"}
    files = artifact.files(segmenter, given | changes)
    if not changes:
        files = {name: content[:50] for name, content in files.items()}
    with pytest.raises(artifact.UnusableModelError):
        artifact.restored(files)


def test_image_and_labels_stay_together_in_every_view() -> None:
    """Bright pixels are class 1 before and after; what is added belongs to no class."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[10:30, 20:50] = 255
    image, label = Image.fromarray(pixels), Image.fromarray((pixels[..., 0] > 0).astype(np.uint8))
    for seed in range(30):
        seen, classes = transforms.training(image, label, 60, 64, np.random.default_rng(seed))
        found, bright = np.asarray(classes), np.asarray(seen)[..., 0] > 127
        assert found.shape == bright.shape == (64, 64)
        inside = found != label_map.IGNORED
        assert (bright[inside] == (found[inside] == 1)).mean() > 0.95
    seen, classes = transforms.validation(image, label, 32)
    assert seen.size == classes.size == (32, 32)
    assert ((np.asarray(seen)[..., 0] > 127) == (np.asarray(classes) == 1)).mean() > 0.95
    assert transforms.scaled(image, 30).size == (30, 20)


def test_an_augmented_manifest(tmp_path: Path) -> None:
    """A pipe holds image and label image in turn (RecordWrapperType RecordIO)."""
    picture = draw(1, 40, 1)[0]
    (tmp_path / "train_0").write_bytes((frame(picture.encoded()) + frame(picture.labels())) * 3)
    channel = {"ContentType": "application/x-recordio", "TrainingInputMode": "Pipe"}
    found = Examples(examples.source({"train": channel}, tmp_path / "train"), label_map.identity(), 4)
    image, label = found[2]
    assert len(found) == 3
    assert image.size == (40, 40)
    assert np.array_equal(np.asarray(label), np.asarray(picture.classes))


def test_records_without_label_images(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.rec").write_bytes(pack(ImageRecord(np.array([1], np.float32), 0, draw(1, 40, 1)[0].encoded())))
    found = examples.source({"train": {"ContentType": "application/x-recordio"}}, tmp_path / "train")
    with pytest.raises(ClientError, match="needs an augmented manifest with the image, then its label image"):
        found[0]


def test_hyperparameters_of_the_artifact_are_the_jobs() -> None:
    """Endpoints read base_size from them."""
    segmenter = Segmenter(Architecture("fcn", "resnet-20", 2, 24))
    document = json.loads(artifact.files(segmenter, {"base_size": "520"})[artifact.HYPERPARAMETERS])
    assert document == {"base_size": "520"}
