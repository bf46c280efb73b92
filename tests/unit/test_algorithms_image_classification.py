"""Image Classification: every channel format, what is kept, what is gone on from, failures in AWS's words (H15; algorithms.md 6.13)."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.ml_root import MlRoot
from support.pictures import coloured, encoded, recorded

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.image_classification import artifact, network, serve, symbol, train
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.vision import records
from sagewright_algorithms.vision.endpoint import ImageEndpoint
from sagewright_algorithms.vision.resnet import Classifier, ResNet, plan
from sagewright_container.serving.message import Request

RECORDIO, IMAGE = "application/x-recordio", "application/x-image"
SIDE = 12
USUAL = {
    "num_classes": "3",
    "num_training_samples": "16",
    "image_shape": f"3,{SIDE},{SIDE}",
    "num_layers": "20",
    "mini_batch_size": "8",
    "epochs": "2",
    "learning_rate": "0.02",
}
IMAGES, CLASSES = coloured(16, SIDE)
HOT = np.eye(3)[CLASSES].tolist()


class Job:
    """A training job in this process."""

    def __init__(self, root: MlRoot, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self._capsys = root, capsys
        self.layout = root.folder
        monkeypatch.setenv("SAGEWRIGHT_ML_ROOT", str(root.folder))

    def given(self, labels: Any = CLASSES, kind: str = RECORDIO, **more: str) -> None:
        """Record files with these labels; ``more``: further hyperparameters."""
        for name in ("train", "validation"):
            self.root.write(f"input/data/{name}/images.rec", recorded(IMAGES, labels))
        self.configure(more, train=kind, validation=kind)

    def configure(self, more: Mapping[str, str], **channels: str) -> None:
        self.root.configure({**USUAL, **more}, **channels)

    def run(self) -> list[str]:
        """The log lines of a job that succeeds."""
        self._capsys.readouterr()
        code = train.main()
        assert code == 0, self.root.failure()
        return [line.partition("] ")[2] or line for line in self._capsys.readouterr().out.splitlines()]

    def fails(self) -> str:
        """The reason of one that does not."""
        assert train.main() == 2
        return self.root.failure()

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.layout / "model").iterdir() if path.name.endswith(".params"))

    def parameters(self) -> dict[str, Any]:
        """Of the last epoch that was kept."""
        return ndarray_file.load((self.layout / "model" / self.files()[-1]).read_bytes())

    def keep_model(self) -> None:
        """The artifact becomes the model channel of the next job."""
        (self.layout / "input/data/model").mkdir(parents=True, exist_ok=True)
        with tarfile.open(self.layout / "input/data/model/model.tar.gz", "w:gz") as tar:
            for path in (self.layout / "model").iterdir():
                tar.add(path, path.name)
        shutil.rmtree(self.layout / "model")


@pytest.fixture
def job(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(MlRoot(tmp_path / "ml"), capsys, monkeypatch)


def test_log_lines_and_artifact(job: Job) -> None:
    job.given(top_k="2", lr_scheduler_step="1")
    lines = job.run()
    expected = [
        "---- Parameters ----",
        "num_layers: 20",
        "augmentation_type: None",
        "checkpoint_frequency not set, will store the best model",
    ]
    assert [line for line in lines if line in expected] == expected
    for start in (
        "Epoch[0] Train-accuracy=",
        "Epoch[1] Train-top_k_accuracy_2=",
        "Epoch[1] Time cost=",
        "Epoch[1] Validation-accuracy=",
    ):
        assert any(line.startswith(start) for line in lines)
    (kept,) = job.files()
    stored = [line for line in lines if line.startswith("Saved checkpoint to")]
    assert stored[-1] == f'Saved checkpoint to "/opt/ml/model/{kept}"'
    assert json.loads((job.layout / "model/model-shapes.json").read_bytes()) == [{"shape": [8, 3, SIDE, SIDE], "name": "data"}]
    nodes = json.loads((job.layout / "model/image-classification-symbol.json").read_bytes())["nodes"]
    parameters = {node["name"] for node in nodes if node["op"] == "null"} - {"data", "softmax_label"}
    assert {name.partition(":")[2] for name in job.parameters()} == parameters


def test_the_same_job_gives_the_same_model(job: Job) -> None:
    job.given(augmentation_type="crop_color_transform", image_shape="3,10,10", epochs="1")
    job.run()
    first = job.parameters()
    job.run()
    assert all(np.array_equal(value, first[name]) for name, value in job.parameters().items())


def listed(job: Job, name: str, lines: list[str]) -> None:
    job.root.write(f"input/data/{name}_lst/{name}.lst", "\n".join(lines) + "\n")


def test_image_files_and_lists_with_several_labels(job: Job) -> None:
    """Files that no list names are not read; the weights of the loss come from how often a class occurs."""
    for name in ("train", "validation"):
        for number, image in enumerate(IMAGES):
            job.root.write(f"input/data/{name}/some/{number}.png", encoded(image))
        job.root.write(f"input/data/{name}/unlisted.png", b"no image")
        listed(job, name, ["\t".join(map(str, [number, *HOT[number], f"some/{number}.png"])) for number in range(16)])
    kinds = dict.fromkeys(("train", "validation", "train_lst", "validation_lst"), IMAGE)
    job.configure({"multi_label": "1", "use_weighted_loss": "1", "resize": "14", "augmentation_type": "crop_color"}, **kinds)
    lines = job.run()
    assert "multi_label: 1" in lines
    assert "image resize size: 14" in lines
    assert symbol.is_multi_label((job.layout / "model/image-classification-symbol.json").read_bytes())
    job.configure({"multi_label": "1"}, **kinds)
    assert job.fails() == "ClientError: The hyperparameter resize is required for the content type application/x-image"
    listed(job, "train", ["1\t0\tsome/99.png"])
    job.configure({"resize": "14"}, **kinds)
    assert job.fails() == "ClientError: The image some/99.png of the lst file is not in the train channel"
    listed(job, "train", ["1 0 some/1.png"])
    assert job.fails().startswith("ClientError: Invalid lst file in the train channel.")


@pytest.mark.parametrize(
    ("kind", "labels", "multi_label"),
    [
        (RECORDIO, [str(kind).encode() for kind in CLASSES], "0"),
        (RECORDIO, [b'"%d"' % kind for kind in CLASSES], "0"),
        (RECORDIO, [json.dumps(hot).encode() for hot in HOT], "1"),
        (f"{RECORDIO}; label-format=class-id", [b"[%d]" % kind for kind in CLASSES], "1"),
    ],
)
def test_a_pipe_of_an_augmented_manifest(job: Job, kind: str, labels: list[bytes], multi_label: str) -> None:
    content = b"".join(
        records.frame(encoded(image)) + records.frame(label) for image, label in zip(IMAGES, labels, strict=True)
    )
    job.configure({"multi_label": multi_label, "epochs": "1"}, train=kind, validation=kind)
    file = job.layout / "input/config/inputdataconfig.json"
    file.write_text(file.read_text().replace('"File"', '"Pipe"'))
    writers = []
    for name in ("train", "validation"):
        pipe = job.layout / f"input/data/{name}_0"
        pipe.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(pipe)
        writers.append(threading.Thread(target=pipe.write_bytes, args=(content,)))
        writers[-1].start()
    lines = job.run()
    for writer in writers:
        writer.join()
    assert any(line.startswith("The channel 'train' is in pipe input mode") for line in lines)


@pytest.mark.parametrize(
    ("labels", "kind", "more", "words"),
    [
        (
            [3, *CLASSES[1:]],
            RECORDIO,
            {},
            "The label 3 of the image at byte 0 of images.rec is not a class: num_classes=3 allows 0 to 2",
        ),
        (HOT, RECORDIO, {}, "of images.rec has 3 labels: set multi_label=1 for more than one"),
        (CLASSES, RECORDIO, {"multi_label": "1"}, "is not a vector of num_classes=3 zeros and ones"),
        (
            CLASSES,
            f"{RECORDIO};label-format=other",
            {},
            "The label-format of the train channel is multi-hot or class-id, not other",
        ),
        (CLASSES, RECORDIO, {"checkpoint_frequency": "3"}, "checkpoint_frequency=3 is larger than epochs=2"),
        (CLASSES, RECORDIO, {"image_shape": "12,12"}, "'12,12' is not a valid image_shape"),
        (CLASSES, RECORDIO, {"image_shape": "4,12,12"}, "num_channels is 3 (RGB) or 1 (grey)"),
        (CLASSES, RECORDIO, {"lr_scheduler_step": "x"}, "'x' does not match"),
        (CLASSES, RECORDIO, {"top_k": "4"}, "top_k=4 is larger than num_classes=3"),
        (CLASSES, RECORDIO, {"use_weighted_loss": "1"}, "use_weighted_loss=1 needs multi_label=1"),
        (CLASSES, RECORDIO, {"use_pretrained_model": "1"}, "use_pretrained_model=1 needs num_layers to be one of [18, 34"),
        (
            CLASSES,
            RECORDIO,
            {"use_pretrained_model": "1", "num_layers": "18"},
            "no weights pretrained on ImageNet are available for a residual network of 18 layers",
        ),
    ],
)
def test_what_the_user_can_mend(job: Job, labels: Any, kind: str, more: dict[str, str], words: str) -> None:
    job.given(labels, kind, **more)
    reason = job.fails()
    assert reason.startswith("ClientError: ")
    assert words in reason


def test_a_bad_image_is_named(job: Job) -> None:
    job.given()
    broken = records.pack(records.ImageRecord(np.zeros(1, np.float32), 0, b"no image")) * 8
    job.root.write("input/data/train/images.rec", broken)
    assert job.fails().startswith("ClientError: Unable to decode the image at byte ")


def test_a_model_of_every_epoch(job: Job) -> None:
    job.given(checkpoint_frequency="1", epochs="3")
    job.run()
    assert job.files() == [artifact.parameters_name(epoch) for epoch in (1, 2, 3)]


def test_early_stopping(job: Job) -> None:
    """A learning rate of 0 gains nothing after the first epoch."""
    job.given(early_stopping="True", early_stopping_min_epochs="2", early_stopping_patience="1", learning_rate="0", epochs="9")
    lines = job.run()
    assert any(line.startswith("Early stopping after epoch") for line in lines)
    assert len([line for line in lines if "Time cost" in line]) < 9


@pytest.mark.parametrize("more", [{}, {"checkpoint_frequency": "1"}, {"optimizer": "adam", "learning_rate": "0.001"}])
def test_an_interrupted_job_goes_on(job: Job, more: dict[str, str]) -> None:
    """With the same result as one that was not interrupted (managed spot training)."""
    job.given(epochs="4", **more)
    job.run()
    whole = {name: (job.layout / "model" / name).read_bytes() for name in job.files()}
    shutil.rmtree(job.layout / "model")
    (job.layout / "checkpoints").mkdir()
    job.given(epochs="2", **more)
    job.run()
    shutil.rmtree(job.layout / "model")
    job.given(epochs="4", **more)
    lines = job.run()
    assert "Resuming training from the checkpoint after 2 epochs" in lines
    assert not any("Epoch[1]" in line for line in lines)
    assert {name: (job.layout / "model" / name).read_bytes() for name in job.files()} == whole


def test_incremental_training(job: Job) -> None:
    """From the model channel; the network must be the same, unless only the body is taken (use_pretrained_model=1)."""
    job.given()
    job.run()
    before = job.parameters()
    job.keep_model()
    model = {"train": RECORDIO, "validation": RECORDIO, "model": "application/x-sagemaker-model"}
    job.configure({"epochs": "1", "learning_rate": "0"}, **model)
    assert "Using the model of the model channel for initializing weights." in job.run()
    assert all(np.array_equal(value, before[name]) for name, value in job.parameters().items() if name.startswith("arg:"))
    for wrong in ({"num_layers": "32"}, {"num_classes": "4"}, {"image_shape": "3,10,10"}):
        job.configure(wrong, **model)
        assert "num_layers, image_shape and num_classes must be the same" in job.fails()


def test_transfer_of_a_body(job: Job) -> None:
    """The body of given weights, a new classifier for other classes."""
    job.given()
    torch.manual_seed(7)
    body = Classifier(ResNet(plan(18, SIDE)), 9)
    job.root.write("input/data/model/resnet-18-0000.params", ndarray_file.dump(network.arrays(body)))
    job.configure(
        {"num_layers": "18", "epochs": "1", "learning_rate": "0", "use_pretrained_model": "1", "num_classes": "5"},
        train=RECORDIO,
        validation=RECORDIO,
        model="application/x-sagemaker-model",
    )
    job.run()
    found = job.parameters()
    assert np.array_equal(found["arg:stage1_unit1_conv1_weight"], network.arrays(body)["arg:stage1_unit1_conv1_weight"])
    assert found["arg:fc1_weight"].shape == (5, 512)


@pytest.mark.parametrize("optimizer", ["nag", "rmsprop", "adam"])
def test_every_optimizer_and_half_precision(job: Job, optimizer: str) -> None:
    job.given(optimizer=optimizer, learning_rate="0.001", precision_dtype="float16", epochs="1")
    assert any(line == "data type: float16" for line in job.run())
    assert all(np.isfinite(value).all() for value in job.parameters().values())


@pytest.mark.parametrize(("layers", "side"), [(18, 64), (50, 40), (20, 28), (200, 28), (34, 32)])
def test_a_network_is_rebuilt_from_its_parameters(layers: int, side: int) -> None:
    """Names and shapes say all; what does not fit is named."""
    torch.manual_seed(0)
    model = Classifier(ResNet(plan(layers, side)), 4).eval()
    arrays = network.arrays(model)
    again = network.restored(arrays).eval()
    image = torch.rand(1, 3, side, side) * 255
    with torch.inference_mode():
        assert torch.equal(model(image), again(image))
    with pytest.raises(network.MismatchError, match="bn1_gamma"):
        network.restored({name: value for name, value in arrays.items() if name != "arg:bn1_gamma"})
    with pytest.raises(network.MismatchError, match="missing"):
        network.restored({})


@pytest.fixture
def endpoint(tmp_path: Path) -> Callable[..., ImageEndpoint]:
    def opened(*, multi_label: bool = False, channels: int = 3) -> ImageEndpoint:
        torch.manual_seed(0)
        model = Classifier(ResNet(plan(20, SIDE), channels), 3)
        artifact.write_structure(tmp_path, model, (channels, SIDE, SIDE), 8, multi_label=multi_label)
        artifact.write_parameters(tmp_path / artifact.parameters_name(1), model)
        return ImageEndpoint(serve.load(tmp_path), load_manifest("image-classification").inference)

    return opened


def test_requests_that_arrive_together_keep_their_answers(endpoint: Callable[..., ImageEndpoint]) -> None:
    """One bad image costs only itself, and what two callers accept may differ."""
    served = endpoint()
    png = encoded(IMAGES[0])
    asked = [
        Request(png, "image/png"),
        Request(b"no image", "image/png"),
        Request(encoded(IMAGES[1], "JPEG"), "application/x-image", "application/jsonlines", "mine"),
        Request(png, "text/csv"),
        Request(png, IMAGE, "image/png"),
        Request(png, IMAGE, "*/*"),
    ]
    answers = served.invoke(asked)
    assert [answer.status for answer in answers] == [200, 400, 200, 415, 406, 200]
    alone = [served.invoke([request])[0] for request in asked]
    one, several = json.loads(bytes(alone[0].body)), json.loads(bytes(answers[0].body))  # type: ignore[arg-type]
    assert one == pytest.approx(several, abs=1e-6)
    assert answers[2].custom_attributes == "mine"
    assert set(json.loads(bytes(answers[2].body))) == {"prediction"}  # type: ignore[arg-type]
    assert answers[5].content_type == "application/json"
    assert b"not a whole image" in bytes(answers[1].body)  # type: ignore[arg-type]


def test_several_labels_have_probabilities_of_their_own(endpoint: Callable[..., ImageEndpoint]) -> None:
    (answer,) = endpoint(multi_label=True, channels=1).invoke([Request(encoded(IMAGES[0]), IMAGE)])
    found = json.loads(bytes(answer.body))  # type: ignore[arg-type]
    assert len(found) == 3
    assert abs(sum(found) - 1) > 1e-3


@pytest.mark.parametrize("file", ["model-shapes.json", "image-classification-0001.params", "image-classification-symbol.json"])
def test_an_artifact_that_cannot_be_loaded(endpoint: Callable[..., ImageEndpoint], tmp_path: Path, file: str) -> None:
    endpoint()
    (tmp_path / file).write_bytes(b"{}")
    with pytest.raises(ValueError, match=r"artifact|NDArray|symbol"):
        serve.load(tmp_path)
