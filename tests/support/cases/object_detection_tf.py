"""Object Detection - TensorFlow of plain shapes, one per picture."""

from __future__ import annotations

import json
from typing import Any

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.drawn_shapes import Picture, draw

_SIDE, _TYPE = 96, "application/x-image"
_PICTURES = draw(60, _SIDE, 1, most=1, shapes=2, plain=True)
_CATEGORIES = (7, 4)
"""Of rectangles and ellipses: the smaller id is class 0."""


def case() -> Case:
    """The network for small images."""
    files = channel(_PICTURES, _CATEGORIES)
    image = files["images/0.png"]
    return Case(
        algorithm="object-detection-tf",
        model_id="sagewright-od1-ssd-resnet20-fpn-96x96",
        hyperparameters={"epochs": "14", "batch_size": "6", "learning_rate": "0.002"},
        channels={"training": Channel(_TYPE, files)},
        requests={_TYPE: image},
        artifact=("model.pt", "model_info.json", "class_label_to_prediction_index.json", "code/inference.py"),
        check=_check,
        metrics=("validation:localization_loss",),
        wrong_hyperparameters=(
            WrongHyperparameter("epochs", "0", "'0' is not valid under any of the given schemas"),
            WrongHyperparameter("optimizer", "lamb", "'lamb' is not one of"),
        ),
        wrong_channels=(
            WrongChannel("training", None, "'training' is a required property"),
            WrongChannel("training", Channel(_TYPE, {"images/0.png": image}), "annotations.json was not found in the training"),
            WrongChannel("training", Channel(_TYPE, {"annotations.json": b"[]"}), "annotations.json is not of the form"),
        ),
        wrong_requests=((_TYPE, b"no image"), (_TYPE, image[:60])),
    )


def channel(pictures: list[Picture], categories: tuple[int, ...]) -> dict[str, bytes]:
    """``images/`` and ``annotations.json``; ``categories`` are the ids of the shapes."""
    names = [f"{number}.png" for number in range(len(pictures))]
    images: list[dict[str, Any]] = [
        {"file_name": name, "height": item.image.height, "width": item.image.width, "id": number}
        for number, (name, item) in enumerate(zip(names, pictures, strict=True))
    ]
    boxes = [
        {"image_id": number, "bbox": list(box), "category_id": categories[shape]}
        for number, item in enumerate(pictures)
        for shape, box in item.objects
    ]
    document = json.dumps({"images": images, "annotations": boxes}).encode()
    found = {f"images/{name}": item.encoded() for name, item in zip(names, pictures, strict=True)}
    return {**found, "annotations.json": document}


def _check(invoke: Invoke) -> None:
    found = [_is_found(picture, invoke) for picture in _PICTURES[:12]]
    assert sum(found) >= 8, found
    image = _PICTURES[0].encoded()
    assert set(json.loads(invoke(_TYPE, image, ""))) == {"normalized_boxes", "classes", "scores"}
    verbose = json.loads(invoke(_TYPE, image, "application/json;verbose"))
    assert verbose["labels"] == sorted(_CATEGORIES)
    output = verbose["tensorflow_model_output"]
    assert output["num_detections"] == [len(verbose["scores"])]
    left, top, right, bottom = verbose["normalized_boxes"][0]
    assert output["detection_boxes"][0][0] == [top, left, bottom, right]


def _is_found(picture: Picture, invoke: Invoke) -> bool:
    """Whether the surest answer is the picture's object."""
    (shape, box), answer = picture.objects[0], json.loads(invoke(_TYPE, picture.encoded(), "application/json;verbose"))
    if not answer["scores"]:
        return False
    assert answer["scores"] == sorted(answer["scores"], reverse=True)
    left, top, right, bottom = (corner * _SIDE for corner in answer["normalized_boxes"][0])
    width, height = min(right, box[2]) - max(left, box[0]), min(bottom, box[3]) - max(top, box[1])
    common = max(width, 0) * max(height, 0)
    either = (right - left) * (bottom - top) + (box[2] - box[0]) * (box[3] - box[1]) - common
    return answer["labels"][answer["classes"][0]] == _CATEGORIES[shape] and common > either / 2
