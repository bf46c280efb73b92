"""Semantic Segmentation of plain shapes."""

from __future__ import annotations

import json
from array import array
from io import BytesIO

import numpy as np
from PIL import Image

from sagewright_algorithms.recordio import decode
from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.drawn_shapes import Picture, draw, encoded

_SIDE = 48
_TRAIN, _VALIDATION = draw(32, _SIDE, 1, most=2, shapes=2), draw(8, _SIDE, 2, most=2, shapes=2)


def case() -> Case:
    """Background, rectangles and ellipses."""
    channels = {**_channels("train", _TRAIN), **_channels("validation", _VALIDATION)}
    image = channels["train"].files["0.jpg"]
    wrong_size = Channel(
        "image/png", {f"{number}.png": encoded(Image.new("L", (9, 9)), "PNG") for number in range(len(_TRAIN))}
    )
    return Case(
        algorithm="semantic-segmentation",
        hyperparameters={
            "backbone": "resnet-20",
            "algorithm": "fcn",
            "num_classes": "3",
            "num_training_samples": str(len(_TRAIN)),
            "base_size": str(_SIDE),
            "crop_size": str(_SIDE),
            "mini_batch_size": "8",
            "validation_mini_batch_size": "8",
            "epochs": "15",
            "optimizer": "adam",
            "learning_rate": "0.01",
        },
        channels=channels,
        requests={"image/jpeg": image, "image/png": _TRAIN[0].encoded(), "application/x-image": image},
        artifact=("model_algo-1", "hyperparams.json"),
        check=_check,
        metrics=("validation:mIOU", "validation:pixel_accuracy", "train:loss", "train:throughput", "validation:throughput"),
        wrong_hyperparameters=(
            WrongHyperparameter("num_classes", "1", "'1' is not valid under any of the given schemas"),
            WrongHyperparameter("num_classes", "2", "has the label 2; with num_classes=2 the labels are 0 to 1"),
            WrongHyperparameter("algorithm", "unet", "'unet' is not one of ['fcn', 'psp', 'deeplab']"),
            WrongHyperparameter("crop_size", "16", "'16' is not valid under any of the given schemas"),
            WrongHyperparameter("lr_scheduler", "step", "'lr_scheduler_step' is a required property"),
            WrongHyperparameter("use_pretrained_model", "True", "no weights pretrained on ImageNet are available"),
        ),
        wrong_channels=(
            WrongChannel("train_annotation", None, "'train_annotation' is a required property"),
            WrongChannel("validation_annotation", None, "'validation_annotation' is a required property"),
            WrongChannel("train_annotation", Channel("image/png", {"0.png": _TRAIN[0].labels()}), "has no 1.png in"),
            WrongChannel("train_annotation", wrong_size, "differ in size: 48 x 48 and 9 x 9 pixels"),
        ),
        wrong_requests=(("image/jpeg", b"no image"), ("image/png", image[:100])),
    )


def _channels(name: str, pictures: list[Picture]) -> dict[str, Channel]:
    images = {f"{number}.jpg": picture.encoded("JPEG") for number, picture in enumerate(pictures)}
    labels = {f"{number}.png": picture.labels() for number, picture in enumerate(pictures)}
    return {name: Channel("image/jpeg", images), f"{name}_annotation": Channel("image/png", labels)}


def _check(invoke: Invoke) -> None:
    right = []
    for picture in _TRAIN[:8]:
        mask = Image.open(BytesIO(invoke("image/jpeg", picture.encoded("JPEG"), "image/png")))
        assert (mask.mode, mask.size) == ("L", picture.image.size)
        right.append(float((np.asarray(mask) == np.asarray(picture.classes)).mean()))
    background = [float((np.asarray(picture.classes) == 0).mean()) for picture in _TRAIN[:8]]
    assert np.mean(right) > np.mean(background) + 0.05, (right, background)
    _check_formats(invoke)


def _check_formats(invoke: Invoke) -> None:
    """Probabilities under both names, and rows of classes as JSON, all of one picture that is not square."""
    wide = encoded(_TRAIN[0].image.resize((_SIDE + 13, _SIDE)), "JPEG")
    mask = np.asarray(Image.open(BytesIO(invoke("image/jpeg", wide, ""))))
    assert mask.shape == (_SIDE, _SIDE + 13)
    for accept in ("application/x-protobuf", "application/x-recordio-protobuf"):
        (record,) = decode(invoke("image/jpeg", wide, accept))
        shape = [int(length) for length in record.features["shape"].values]
        assert shape == [1, 3, _SIDE, _SIDE + 13]
        values = np.frombuffer(array("f", record.features["target"].values), np.float32).reshape(shape)[0]
        assert np.allclose(values.sum(axis=0), 1, atol=1e-4)
        assert (values.argmax(axis=0) == mask).mean() > 0.999
    assert json.loads(invoke("image/jpeg", wide, "application/jsonlines"))["prediction"] == mask.tolist()
