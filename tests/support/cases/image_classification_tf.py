"""Image Classification - TensorFlow on folders of squares of three colours."""

from __future__ import annotations

import json

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.pictures import coloured, encoded

_TYPE = "application/x-image"
_NAMES = ("red", "green", "blue")


def _folders(count: int, seed: int, kind: str) -> dict[str, bytes]:
    images, classes = coloured(count, 32, seed)
    return {
        f"{_NAMES[label]}/{number}.{kind.lower()}": encoded(image, kind)
        for number, (image, label) in enumerate(zip(images, classes, strict=True))
    }


def case() -> Case:
    """The smallest MobileNet."""
    images, _ = coloured(3, 64, seed=3)
    return Case(
        algorithm="image-classification-tf",
        model_id="tensorflow-ic-imagenet-mobilenet-v2-035-96",
        hyperparameters={"epochs": "6", "batch_size": "8", "learning_rate": "0.002"},
        channels={
            "training": Channel(_TYPE, _folders(48, 0, "PNG")),
            "validation": Channel(_TYPE, _folders(12, 1, "JPEG")),
        },
        requests={_TYPE: encoded(images[0], "JPEG")},
        artifact=("model.pt", "model_info.json", "class_label_to_prediction_index.json", "code/inference.py"),
        check=_check,
        metrics=("validation:accuracy",),
        wrong_hyperparameters=(
            WrongHyperparameter("epochs", "0", "'0' is not valid under any of the given schemas"),
            WrongHyperparameter("optimizer", "lamb", "'lamb' is not one of"),
            WrongHyperparameter("binary_mode", "True", "binary_mode needs two classes, the training channel has 3"),
        ),
        wrong_channels=(
            WrongChannel("training", None, "'training' is a required property"),
            WrongChannel(
                "training", Channel(_TYPE, {"1.png": encoded(images[0])}), "No images were found in the training channel"
            ),
            WrongChannel(
                "training",
                Channel(_TYPE, {"red/1.png": b"no image", "green/2.png": encoded(images[1]), "blue/3.png": encoded(images[2])}),
                "Unable to decode the image red/1.png",
            ),
        ),
        wrong_requests=((_TYPE, b"no image"), (_TYPE, encoded(images[0])[:60])),
    )


def _check(invoke: Invoke) -> None:
    images, classes = coloured(6, 48, seed=2)
    for image, label in zip(images, classes, strict=True):
        answer = json.loads(invoke(_TYPE, encoded(image), "application/json;verbose"))
        assert answer["labels"] == sorted(_NAMES)
        assert answer["predicted_label"] == _NAMES[label]
        assert abs(sum(answer["probabilities"]) - 1) < 1e-5
    assert set(json.loads(invoke(_TYPE, encoded(images[0]), ""))) == {"probabilities"}
