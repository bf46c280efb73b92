"""Image Classification - TensorFlow: its parts against the libraries that define them, and its jobs (H22; algorithms.md 6.23)."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from math import cos, pi, sin
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score
from support.ml_root import MlRoot
from support.pictures import coloured, encoded

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.image_classification_tf import (
    augmentation,
    folders,
    metrics,
    resampling,
    serve,
    settings,
    train,
)
from sagewright_algorithms.image_classification_tf.network import Network, architecture
from sagewright_algorithms.image_classification_tf.settings import Augmentation
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.vision import described_weights, keras_optimizers
from sagewright_algorithms.vision.mobilenet import MobileNetV2
from sagewright_container.serving.message import Request

MODEL = "tensorflow-ic-imagenet-mobilenet-v2-035-96"
MANIFEST = load_manifest("image-classification-tf")
TYPE = "application/x-image"
IMAGES, CLASSES = coloured(12, 24)
NAMES = ("red", "green", "blue")


class Job:
    """A training job in this process."""

    def __init__(self, root: MlRoot, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        self.model = root.folder / "model"

    def given(self, channels: tuple[str, ...] = ("training",), names: tuple[str, ...] = NAMES, **more: str) -> None:
        """Images of as many classes as there are names."""
        shutil.rmtree(self.root.folder / "input/data", ignore_errors=True)
        for name in channels:
            for number, (image, kind) in enumerate(zip(IMAGES, CLASSES, strict=True)):
                if kind < len(names):
                    self.root.write(f"input/data/{name}/{names[kind]}/{number}.jpg", encoded(image, "JPEG"))
        self.root.configure({"epochs": "1", "batch_size": "4", **more}, **dict.fromkeys(channels, TYPE))

    def goes_on_from_its_model(self, **more: str) -> None:
        """Incremental training with the same images."""
        self.given(**more)
        with tarfile.open(self.root.write("input/data/model/model.tar.gz", b""), "w:gz") as tar:
            tar.add(self.model, ".")
        shutil.rmtree(self.model)
        self.root.configure({"epochs": "1", "batch_size": "4", **more}, training=TYPE, model="application/x-sagemaker-model")

    def run(self) -> str:
        self._capsys.readouterr()
        assert train.main(MODEL) == 0, self.root.failure()
        return self._capsys.readouterr().out

    def fails(self) -> str:
        assert train.main(MODEL) == 2
        return self.root.failure()


@pytest.fixture
def job(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setenv("SAGEWRIGHT_ML_ROOT", str(tmp_path / "ml"))
    return Job(MlRoot(tmp_path / "ml"), capsys)


def test_lines_of_an_epoch_and_the_artifact(job: Job) -> None:
    """Keras' line (verbose=2); without a validation channel a share of the images is kept back for it."""
    job.given(epochs="2", validation_split_ratio="0.25")
    log = job.run()
    assert "Found 12 files belonging to 3 classes." in log
    assert "Using 9 files for training and 3 files for validation." in log
    assert re.search(r"^Epoch 2/2$", log, re.MULTILINE)
    line = r"^3/3 - \d+s - loss: \d+\.\d{4} - accuracy: \d\.\d{4} - val_loss: \d+\.\d{4} - val_accuracy: \d\.\d{4} - \d+s/epoch - \d+ms/step$"
    assert len(re.findall(line, log, re.MULTILINE)) == 2
    labels = json.loads((job.model / "class_label_to_prediction_index.json").read_bytes())
    assert labels == {"blue": 0, "green": 1, "red": 2}  # in alphabetical order


def test_two_classes_with_one_output(job: Job) -> None:
    job.given(names=("no", "yes"), binary_mode="True", eval_metric="auc", validation_split_ratio="0.5", augmentation="True")
    log = job.run()
    assert "Setting the evaluation metric to val_auc" in log
    assert re.search(r"val_precision: \d", log)
    (answer,) = serve.endpoint(job.model).invoke([Request(encoded(IMAGES[0]), TYPE, "application/json;verbose")])
    document = json.loads(bytes(answer.body))  # type: ignore[arg-type]
    assert document["labels"] == ["no", "yes"]
    assert len(document["probabilities"]) == 1
    assert document["predicted_label"] == document["labels"][int(document["probabilities"][0] > 0.5)]


def test_early_stopping_and_no_validation(job: Job) -> None:
    job.given(("training", "validation"), learning_rate="0", early_stopping="True", early_stopping_patience="2", epochs="9")
    assert "Epoch 3: early stopping" in job.run()
    job.given(validation_split_ratio="0", eval_metric="auc")
    log = job.run()
    assert not re.search(r" - val_\w+: ", log)
    assert "eval_metric auc needs binary_mode True" in log


def test_incremental_training(job: Job) -> None:
    job.given()
    job.run()
    first = described_weights.read_weights(job.model)
    job.goes_on_from_its_model(learning_rate="0", train_only_on_top_layer="True")
    assert "Incremental training" in job.run()
    assert all(torch.equal(value, first[name]) for name, value in described_weights.read_weights(job.model).items())
    job.goes_on_from_its_model(names=("red", "green", "pink"))
    assert "Incremental training needs the classes of the model, ['blue', 'green', 'red'], not" in job.fails()


def test_a_new_top_layer_for_other_classes(job: Job) -> None:
    job.given()
    job.run()
    first = described_weights.read_weights(job.model)
    job.goes_on_from_its_model(
        names=("red", "green"), reinitialize_top_layer="True", train_only_top_layer="True", learning_rate="0.01"
    )
    job.run()
    found = described_weights.read_weights(job.model)
    assert found["top.weight"].shape[0] == 2
    assert all(torch.equal(value, first[name]) for name, value in found.items() if name.startswith("body."))


def test_a_model_channel_that_cannot_be_used(job: Job) -> None:
    job.given()
    job.run()
    info = job.model / described_weights.INFO
    info.write_bytes(info.read_bytes().replace(b"035-96", b"050-96"))
    job.goes_on_from_its_model()
    assert f"The model of the model channel is {MODEL.replace('035', '050')}, not {MODEL}" in job.fails()


def test_the_server_finds_no_model(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"model_info.json"):
        serve.endpoint(tmp_path)
    (tmp_path / described_weights.INFO).write_bytes(b"{}")
    with pytest.raises(ValueError, match="does not describe a model"):
        serve.endpoint(tmp_path)


def test_images_that_arrive_together(job: Job) -> None:
    job.given()
    job.run()
    endpoint = serve.endpoint(job.model)
    bodies = [encoded(IMAGES[0]), b"no image", encoded(IMAGES[1], "JPEG")]
    answers = endpoint.invoke([Request(body, TYPE) for body in bodies])
    assert [answer.status for answer in answers] == [200, 400, 200]
    (alone,) = endpoint.invoke([Request(bodies[2], TYPE)])
    together, single = (json.loads(bytes(answer.body))["probabilities"] for answer in (answers[2], alone))  # type: ignore[arg-type]
    assert together == pytest.approx(single, abs=1e-5)


@pytest.mark.parametrize("model", [item.id for item in MANIFEST.jumpstart])
def test_every_model_id_names_a_network(model: str) -> None:
    wanted = architecture(model)
    assert wanted.side in (96, 128, 160, 192, 224)
    assert bool(wanted.layers) != bool(wanted.multiplier)


@pytest.mark.parametrize(
    ("multiplier", "parameters"), [(0.35, 1.66e6), (0.5, 1.95e6), (0.75, 2.61e6), (1.0, 3.47e6), (1.4, 6.06e6)]
)
def test_mobilenets_are_as_large_as_published(multiplier: float, parameters: float) -> None:
    """Google's table of MobileNet V2, with 1000 classes."""
    body = MobileNetV2(multiplier)
    found = sum(weight.numel() for weight in body.parameters()) + 1000 * (body.width + 1)
    assert found == pytest.approx(parameters, rel=0.015)


def test_no_network_of_that_name() -> None:
    with pytest.raises(ValueError, match="names no network"):
        architecture("tensorflow-ic-efficientnet-b0-classification-1")


def test_the_body_stays_when_only_the_top_is_trained() -> None:
    network = Network(architecture(MODEL), 2, only_top=True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    network(torch.rand(2, 3, 96, 96) * 255).sum().backward()
    torch.optim.SGD([weight for weight in network.parameters() if weight.requires_grad], 0.1).step()
    changed = [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["top.weight", "top.bias"]


PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 52, 3)).astype(np.uint8))


@pytest.mark.parametrize("method", MANIFEST.hyperparameter("image_resize_interpolation").choices)  # type: ignore[union-attr]
@pytest.mark.parametrize("side", [16, 96])
def test_every_interpolation_keeps_the_mean(method: str, side: int) -> None:
    found = resampling.resized(PICTURE, side, method)
    assert (found.shape, found.dtype) == ((side, side, 3), np.uint8)
    if method != "nearest":
        assert found.mean() == pytest.approx(np.asarray(PICTURE).mean(), rel=0.03)


def test_kernels_of_our_own_agree_with_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanczos with three lobes is the one that both have."""
    monkeypatch.setitem(resampling._KERNELS, "lanczos3", (lambda x: np.sinc(x) * np.sinc(x / 3), 3.0))
    picture = PICTURE.point(lambda value: 100 + value // 8)  # no value leaves 0 to 255 on the way, where Pillow would clip it
    theirs = resampling.resized(picture, 30, "lanczos3").astype(int)
    monkeypatch.delitem(resampling._PILLOW, "lanczos3")
    assert np.abs(resampling.resized(picture, 30, "lanczos3").astype(int) - theirs).max() <= 1


def test_flips_rotations_and_zooms() -> None:
    image = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).reshape(2, 3, 8, 8)
    same = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    mirrored = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    found = augmentation.applied(image, [same, mirrored])
    assert torch.allclose(found[0], image[0], atol=1e-3)
    assert torch.allclose(found[1], image[1].flip(2), atol=1e-3)
    for number in range(20):
        (a, b, _), (c, d, _) = augmentation.drawn(Augmentation("horizontal", 0.25, 0.1), np.random.default_rng(number))
        zoom = np.hypot(a, b)
        assert 0.9 <= zoom <= 1.1
        assert np.hypot(c, d) == pytest.approx(zoom)
        assert d >= -1e-9  # never upside down: at most a quarter turn, and no vertical flip
    assert augmentation.drawn(Augmentation("None", 0, 0), np.random.default_rng(0)) == ((1.0, 0.0, 0.0), (-0.0, 1.0, 0.0))
    turn = 0.5 * pi
    quarter = augmentation.applied(image[:1], [((cos(turn), sin(turn), 0.0), (-sin(turn), cos(turn), 0.0))])
    assert torch.allclose(quarter[0], image[0].rot90(1, (1, 2)), atol=1e-3) or torch.allclose(
        quarter[0], image[0].rot90(-1, (1, 2)), atol=1e-3
    )


def test_metrics_of_two_classes_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 60)
    scores = np.round(random.normal(size=60) + labels, 1)
    epoch = metrics.Epoch()
    for part in (slice(0, 40), slice(40, 60)):
        epoch.add(torch.tensor(scores[part])[:, None], torch.tensor(labels[part]), torch.tensor(0.5))
    found = epoch.values()
    predicted = scores > 0
    assert found == pytest.approx(
        {
            "loss": 0.5,
            "accuracy": float((predicted == labels).mean()),
            "precision": precision_score(labels, predicted),
            "recall": recall_score(labels, predicted),
            "auc": roc_auc_score(labels, scores),
            "prc": average_precision_score(labels, scores),
        }
    )


def test_more_than_five_classes_have_a_top_five() -> None:
    epoch = metrics.Epoch()
    epoch.add(torch.eye(7), torch.tensor([0, 1, 2, 3, 4, 5, 0]), torch.tensor(1.0))
    assert epoch.values()["accuracy"] == pytest.approx(6 / 7)
    assert epoch.values()["top_5_accuracy"] <= 1


@pytest.mark.parametrize("name", MANIFEST.hyperparameter("optimizer").choices)  # type: ignore[union-attr]
def test_every_optimizer_goes_down(name: str) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    optimizer = keras_optimizers.build(Hyperparameters(MANIFEST, {"optimizer": name, "learning_rate": "0.05"}), model)
    rows = torch.randn(50, 3)
    losses = []
    for _ in range(100):
        loss = (model(rows) - rows.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_hyperparameters_that_cannot_be() -> None:
    with pytest.raises(ClientError, match="leaves no images for training"):
        settings.read(Hyperparameters(MANIFEST, {"validation_split_ratio": "1"}))
    with pytest.raises(ClientError, match="beta_1=1 must be less than 1"):
        keras_optimizers.build(Hyperparameters(MANIFEST, {"beta_1": "1.0"}), torch.nn.Linear(1, 1))


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "only" / "deeper").mkdir(parents=True)
    with pytest.raises(ClientError, match="No images were found"):
        folders.read(tmp_path)
    (tmp_path / "only" / "deeper" / "1.JPG").write_bytes(b"1")
    (tmp_path / "only" / "notes.txt").write_bytes(b"no image")
    with pytest.raises(ClientError, match="has one folder, 'only': classification needs at least two classes"):
        folders.read(tmp_path)
    (tmp_path / "another").mkdir()
    (tmp_path / "another" / "2.png").write_bytes(b"2")
    found = folders.read(tmp_path)
    assert (found.classes, found.labels, found.name(1)) == (("another", "only"), (0, 1), "only/deeper/1.JPG")
    with pytest.raises(ClientError, match="'another', which is no class of the training channel"):
        folders.read(tmp_path, ("only", "other"))
