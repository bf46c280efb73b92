"""Image Classification on squares of three colours."""

from __future__ import annotations

import json

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.pictures import coloured, encoded, recorded

_SIDE = 12
_TYPE = "application/x-recordio"


def case() -> Case:
    """A small residual network; the training images are in record files."""
    images, classes = coloured(40, _SIDE)
    return Case(
        algorithm="image-classification",
        hyperparameters={
            "num_classes": "3",
            "num_training_samples": "40",
            "image_shape": f"3,{_SIDE},{_SIDE}",
            "num_layers": "20",
            "mini_batch_size": "8",
            "epochs": "6",
            "learning_rate": "0.02",
            "top_k": "2",
        },
        channels={
            "train": Channel(_TYPE, {"train.rec": recorded(images, classes)}),
            "validation": Channel(_TYPE, {"validation.rec": recorded(*coloured(12, _SIDE, seed=1), "JPEG")}),
        },
        requests={
            "application/x-image": encoded(images[0]),
            "image/png": encoded(images[1]),
            "image/jpeg": encoded(images[2], "JPEG"),
        },
        artifact=("image-classification-symbol.json", "model-shapes.json"),
        check=_check,
        metrics=("train:accuracy", "validation:accuracy"),
        wrong_hyperparameters=(
            WrongHyperparameter("num_classes", None, "'num_classes' is a required property"),
            WrongHyperparameter("num_layers", "21", "'21' is not valid under any of the given schemas"),
            WrongHyperparameter(
                "augmentation type", "crop", "Additional hyperparameters are not allowed ('augmentation type' was unexpected)"
            ),
            WrongHyperparameter("image_shape", "3,64,64", "input image size smaller than input shape"),
            WrongHyperparameter(
                "mini_batch_size", "64", "The number of input images must be bigger or equal to the mini_batch_size."
            ),
        ),
        wrong_channels=(
            WrongChannel("validation", None, "'validation' is a required property"),
            WrongChannel(
                "train",
                Channel(_TYPE, {"train.rec": b"no record file"}),
                "ClientError: Unable to parse record. Please make sure input data is in correct recordio format.",
            ),
            WrongChannel("train", Channel("application/x-image", {"1.png": encoded(images[0])}), "needs the channel train_lst"),
        ),
        wrong_requests=(("application/x-image", b"no image"), ("image/jpeg", encoded(images[0])[:50])),
    )


def _check(invoke: Invoke) -> None:
    images, classes = coloured(9, 20, seed=2)
    for image, kind in zip(images, classes, strict=True):
        probabilities = json.loads(invoke("application/x-image", encoded(image), ""))
        assert probabilities.index(max(probabilities)) == kind
        assert abs(sum(probabilities) - 1) < 1e-5
    line = invoke("image/png", encoded(images[0]), "application/jsonlines")
    assert len(json.loads(line)["prediction"]) == 3
