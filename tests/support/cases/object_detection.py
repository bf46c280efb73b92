"""Object Detection of plain shapes, one per picture."""

from __future__ import annotations

import json

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.drawn_shapes import Box, Picture, draw

_SIDE, _IMAGE = 64, "image/png"
_TRAIN, _VALIDATION = (draw(count, _SIDE, count, most=1, shapes=2, plain=True) for count in (64, 8))


def case() -> Case:
    """Rectangles and ellipses."""
    channels = {**_channels("train", _TRAIN), **_channels("validation", _VALIDATION)}
    image = channels["train"].files["0.png"]
    return Case(
        algorithm="object-detection",
        hyperparameters={
            "base_network": "resnet-20",
            "image_shape": str(_SIDE),
            "num_classes": "2",
            "num_training_samples": str(len(_TRAIN)),
            "mini_batch_size": "8",
            "epochs": "18",
            "optimizer": "adam",
            "learning_rate": "0.002",
            "lr_scheduler_step": "13",
        },
        channels=channels,
        requests={
            "image/png": image,
            "image/jpeg": _TRAIN[0].encoded("JPEG"),
            "application/x-image": image,
        },
        artifact=("model_algo_1-0000.params", "model_algo_1-symbol.json", "hyperparams.json"),
        check=_check,
        metrics=("validation:mAP", "train:cross_entropy", "train:smooth_l1", "train:progress", "train:throughput"),
        wrong_hyperparameters=(
            WrongHyperparameter("num_classes", "0", "'0' is not valid under any of the given schemas"),
            WrongHyperparameter("base_network", "alexnet", "'alexnet' is not one of ['vgg-16', 'resnet-50', 'resnet-20']"),
            WrongHyperparameter("base_network", "vgg-16", "'64' is not valid under any of the given schemas"),
            WrongHyperparameter("label_width", "6", "Invalid parameter value 'label_width'. Please ensure that the value of"),
            WrongHyperparameter("num_classes", "1", "has an object of class 1"),
            WrongHyperparameter("lr_scheduler_step", "5,x", "'5,x' does not match"),
            WrongHyperparameter("freeze_layer_pattern", "(", "Invalid parameter value 'freeze_layer_pattern'"),
            WrongHyperparameter("use_pretrained_model", "1", "no weights pretrained on ImageNet are available"),
        ),
        wrong_channels=(
            WrongChannel("train_annotation", None, "need the channel train_annotation with a .json file for each"),
            WrongChannel("train_annotation", Channel(_IMAGE, {"0.json": b"{}"}), "Each image needs a .json file"),
            WrongChannel("validation", Channel("application/x-recordio", {"a.rec": b"no records"}), "ClientError: "),
        ),
        wrong_requests=(("image/png", b"no image"), ("image/jpeg", image[:100])),
    )


def _channels(name: str, pictures: list[Picture]) -> dict[str, Channel]:
    images = {f"{number}.png": picture.encoded() for number, picture in enumerate(pictures)}
    notes = {f"{number}.json": picture.annotation(f"{number}.png") for number, picture in enumerate(pictures)}
    return {name: Channel(_IMAGE, images), f"{name}_annotation": Channel(_IMAGE, notes)}


def _check(invoke: Invoke) -> None:
    found = [_is_found(picture, invoke) for picture in _TRAIN[:12]]
    assert sum(found) >= 9, found
    image = _TRAIN[0].encoded()
    line = invoke("image/png", image, "application/jsonlines")
    assert line.endswith(b"\n")
    assert json.loads(line) == json.loads(invoke("image/png", image, "application/json"))
    annotated = json.loads(invoke("image/png", image, "application/json;annotation=1"))
    assert annotated["image_size"] == [{"width": _SIDE, "height": _SIDE, "depth": 3}]
    best = annotated["annotations"][0]
    box = (best["left"], best["top"], best["left"] + best["width"], best["top"] + best["height"])
    assert _overlap(box, _TRAIN[0].objects[0][1]) > 0.5


def _is_found(picture: Picture, invoke: Invoke) -> bool:
    """Whether the surest answer is the picture's object."""
    (shape, box), answer = picture.objects[0], json.loads(invoke("image/png", picture.encoded(), ""))["prediction"]
    if not answer:
        return False
    class_, score, *corners = answer[0]
    assert 0 < score <= 1
    assert all(0 <= corner <= 1 for corner in corners)
    scaled = [corner * _SIDE for corner in corners]
    return class_ == shape and _overlap((scaled[0], scaled[1], scaled[2], scaled[3]), box) > 0.5


def _overlap(one: tuple[float, float, float, float], other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return common / (sum(areas) - common)
