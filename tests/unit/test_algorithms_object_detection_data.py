"""What Object Detection reads: labels of records and annotations, pairs of files, views of an image (H16)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.drawn_shapes import draw

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.object_detection import batches, examples
from sagewright_algorithms.object_detection.augmentation import augmented
from sagewright_algorithms.object_detection.examples import Annotated
from sagewright_algorithms.object_detection.labels import Labels
from sagewright_algorithms.vision.records import ImageRecord, frame, pack

LABELS = Labels(3, 20)
ANNOTATION = {
    "file": "a/b.png",
    "image_size": [{"width": 200, "height": 100, "depth": 3}],
    "annotations": [
        {"class_id": 0, "left": 20, "top": 10, "width": 60, "height": 40},
        {"class_id": 2, "left": 150, "top": 50, "width": 100, "height": 25},
        {"class_id": 1, "left": 5, "top": 5, "width": 0, "height": 9},
    ],
    "categories": [{"class_id": 0, "name": "dog"}],
}
ROWS = [[0, 0.1, 0.1, 0.4, 0.5], [2, 0.75, 0.5, 1.0, 0.75]]


def changed(**members: Any) -> bytes:
    return json.dumps({**ANNOTATION, **members}).encode()


def test_an_annotation_counts_in_pixels() -> None:
    """Boxes are cut at the edges of the image, those without extent left out."""
    assert LABELS.of_annotation(changed(), "b.png") == pytest.approx(np.array(ROWS), abs=1e-6)
    assert LABELS.of_annotation(changed(annotations=[]), "b.png").shape == (0, 5)


def test_a_record_counts_in_fractions() -> None:
    """Header and objects may be wider than they need to be; class -1 fills up (MXNet)."""
    plain = np.array([2, 5, *np.ravel(ROWS)], np.float32)
    assert LABELS.of_record(plain, "r") == pytest.approx(np.array(ROWS), abs=1e-6)
    wide = np.array([4, 6, 200, 100, *ROWS[0], 0.5, *ROWS[1], 0.5, -1, 0, 0, 0, 0, 0], np.float32)
    assert LABELS.of_record(wide, "r") == pytest.approx(np.array(ROWS), abs=1e-6)


@pytest.mark.parametrize("label", [None, [3.0], [2, 5, 1, 0, 0, 1], [2, 4, 1, 0, 0, 1], [9, 5, 0, 0, 0, 1, 1]])
def test_a_record_without_enough_numbers(label: list[float] | None) -> None:
    with pytest.raises(ClientError, match="Not enough annotation packed in the list file or the RecordIO file"):
        LABELS.of_record(None if label is None else np.array(label, np.float32), "r")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "needs image_size and annotations as documented"),
        (b"[]", "needs image_size and annotations as documented"),
        (changed(image_size=[]), "needs image_size and annotations as documented"),
        (changed(image_size=[{"width": 0, "height": 9}]), "an image without extent"),
        (changed(image_size=[{"width": 9, "height": 9, "depth": 1}]), "Only images of 3 channels are supported, not of 1"),
        (changed(annotations=[{"class_id": 3, "left": 0, "top": 0, "width": 9, "height": 9}]), "an object of class 3"),
        (changed(annotations=ANNOTATION["annotations"] * 2), "Invalid parameter value 'label_width'"),
    ],
)
def test_an_annotation_that_cannot_be_used(content: bytes, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        LABELS.of_annotation(content, "b.png")


def channel(content_type: str, mode: str = "File") -> dict[str, str]:
    return {"ContentType": content_type, "TrainingInputMode": mode}


def written(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_files_belong_together_by_the_name_that_the_annotation_gives(tmp_path: Path) -> None:
    """DG:object-detection: "file" is relative to the channel; else the names are the same but for their endings."""
    written(tmp_path / "train", {"a/b.png": b"image b", "c.jpg": b"image c"})
    written(tmp_path / "train_annotation", {"b.json": changed(), "c.json": changed(file="c.jpg", annotations=[])})
    given = {"train": channel("application/x-image"), "train_annotation": channel("application/x-image")}
    found = examples.of(given, tmp_path / "train", LABELS)
    assert [(item.name, item.image, len(item.objects)) for item in (found[0], found[1])] == [
        ("c.jpg", b"image c", 0),
        ("a/b.png", b"image b", 2),
    ]


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({"b.json": changed()}, "c.jpg has none in the train_annotation channel"),
        ({"b.json": changed(), "c.json": changed(file="d.jpg"), "e.json": b"{}"}, "The image e of e.json is not in"),
        ({"b.json": b"no json", "c.json": b"{}"}, "The annotation b.json is not a JSON object"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path: Path, annotations: dict[str, bytes], words: str) -> None:
    written(tmp_path / "train", {"a/b.png": b"", "c.jpg": b""})
    written(tmp_path / "train_annotation", annotations)
    given = {"train": channel("image/png"), "train_annotation": channel("image/png")}
    with pytest.raises(ClientError, match=words):
        examples.of(given, tmp_path / "train", LABELS)


def test_image_records_and_augmented_manifests(tmp_path: Path) -> None:
    """A pipe of an augmented manifest holds image and annotation in turn."""
    picture = draw(1, 40, 0)[0]
    record = pack(ImageRecord(picture.label(), 7, picture.encoded()))
    written(tmp_path / "train", {"train.rec": record * 3})
    recorded = examples.of({"train": channel("application/x-recordio")}, tmp_path / "train", LABELS)
    piped = frame(picture.encoded()) + frame(picture.annotation("x.png"))
    (tmp_path / "validation_0").write_bytes(piped * 2)
    manifest = examples.of({"validation": channel("image/png", "Pipe")}, tmp_path / "validation", LABELS)
    assert (len(recorded), len(manifest)) == (3, 2)
    assert recorded[2].image == manifest[1].image == picture.encoded()
    assert recorded[2].objects == pytest.approx(manifest[1].objects, abs=1e-6)


def test_every_view_shows_its_objects_where_it_says() -> None:
    """Of a drawn rectangle of one colour, the box holds mostly that colour, whatever was cropped, widened or mirrored."""
    for seed in range(60):
        image = np.zeros((80, 100, 3), np.uint8)
        image[20:60, 30:80] = 255
        picture = Image.fromarray(image)
        objects = np.array([[1, 0.3, 0.25, 0.8, 0.75]], np.float32)
        seen, rows = augmented(picture, objects, np.random.default_rng(seed))
        assert len(rows) == 1
        pixels, (_, left, top, right, bottom) = np.asarray(seen) > 200, rows[0]
        height, width = pixels.shape[:2]
        box = pixels[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
        assert box.mean() > 0.9
        assert pixels.sum() == pytest.approx(box.sum(), rel=0.1)


def test_batches_are_the_same_every_time() -> None:
    """And a training epoch differs from the next."""
    pictures = draw(6, 40, 0)
    found = [Annotated(item.encoded(), LABELS.of_record(item.label(), "x"), "x") for item in pictures]

    def epoch(number: int) -> torch.Tensor:
        with batches.training(found, 32, 4) as loader:
            return torch.cat([batches.of(items, torch.device("cpu")).images for items in loader.epoch(number)])

    assert epoch(0).shape == (4, 3, 32, 32)
    assert torch.equal(epoch(0), epoch(0))
    assert not torch.equal(epoch(0), epoch(1))


def test_a_batch_is_filled_up_with_no_class() -> None:
    pictures = draw(5, 40, 3)
    found = [Annotated(item.encoded(), LABELS.of_record(item.label(), "x"), "x") for item in pictures]
    with batches.validation(found, 32, 5) as loader:
        batch = batches.of(next(loader.epoch(0)), torch.device("cpu"))
    counts = [len(item.objects) for item in pictures]
    assert min(counts) < max(counts)
    assert batch.objects.shape == (5, max(counts), 5)
    assert [int((rows[:, 0] >= 0).sum()) for rows in batch.objects] == counts
