"""Jobs of Object Detection and Semantic Segmentation that stop, go on, or begin with an earlier model (H16, H17)."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest
from support.drawn_shapes import draw
from support.ml_root import MlRoot

from sagewright_algorithms.vision.records import ImageRecord, pack

DETECTION = {
    "base_network": "resnet-20",
    "image_shape": "64",
    "num_classes": "3",
    "num_training_samples": "8",
    "mini_batch_size": "4",
    "epochs": "3",
    "optimizer": "adam",
}
SEGMENTATION = {
    "backbone": "resnet-20",
    "num_classes": "4",
    "num_training_samples": "8",
    "base_size": "48",
    "crop_size": "48",
    "mini_batch_size": "4",
    "epochs": "3",
    "lr_scheduler": "step",
    "lr_scheduler_step": "1,2",
}
PICTURES = draw(8, 64, 5)


class Job:
    """One /opt/ml with eight pictures in both channels."""

    def __init__(self, folder: Path, algorithm: str) -> None:
        self.root, self._algorithm = MlRoot(folder / "ml"), algorithm
        self._types = dict.fromkeys(("train", "validation"), "application/x-recordio")
        for channel in tuple(self._types):
            if algorithm == "object-detection":
                records = [pack(ImageRecord(item.label(), number, item.encoded())) for number, item in enumerate(PICTURES)]
                self.root.write(f"input/data/{channel}/data.rec", b"".join(records))
                continue
            self._types |= {channel: "image/jpeg", f"{channel}_annotation": "image/png"}
            for number, item in enumerate(PICTURES):
                self.root.write(f"input/data/{channel}/{number}.jpg", item.encoded("JPEG"))
                self.root.write(f"input/data/{channel}_annotation/{number}.png", item.labels())

    def run(self, **hyperparameters: str) -> tuple[int, str]:
        """The exit code, and the log or the reason of a failure."""
        usual = DETECTION if self._algorithm == "object-detection" else SEGMENTATION
        self.root.configure({**usual, **hyperparameters}, **self._types)
        done = self.root.train(SAGEWRIGHT_ALGORITHM=self._algorithm)
        return done.returncode, self.root.failure() if done.returncode else done.stdout

    def model(self) -> dict[str, bytes]:
        """The artifact without the hyperparameters, which tell of the epochs."""
        found = {path.name: path.read_bytes() for path in (self.root.folder / "model").iterdir()}
        return {name: content for name, content in found.items() if name != "hyperparams.json"}

    def keep_checkpoints(self) -> None:
        self.root.write("input/config/checkpointconfig.json", json.dumps({"LocalPath": "/opt/ml/checkpoints"}))

    def begin_with(self, other: Job, tmp_path: Path) -> None:
        """The channel ``model`` holds the other job's artifact."""
        archive = tmp_path / "model.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(other.root.folder / "model", ".")
        self.root.write("input/data/model/model.tar.gz", archive.read_bytes())
        self._types["model"] = "application/x-sagemaker-model"


@pytest.mark.parametrize("algorithm", ["object-detection", "semantic-segmentation"])
def test_a_job_that_goes_on_ends_with_the_same_model(tmp_path: Path, algorithm: str) -> None:
    """Interrupted after two epochs of three; /opt/ml/model is lost, the checkpoints are not."""
    whole, parts = Job(tmp_path / "whole", algorithm), Job(tmp_path / "parts", algorithm)
    assert whole.run()[0] == 0
    parts.keep_checkpoints()
    assert parts.run(epochs="2")[0] == 0
    for path in (parts.root.folder / "model").iterdir():
        path.unlink()
    code, log = parts.run()
    assert code == 0
    assert "Resuming training from the checkpoint after 2 epochs" in log
    assert len(re.findall("completed .* % of epochs", log)) == 1
    assert parts.model() == whole.model()
    code, reason = parts.run(num_classes="5")
    assert code == 2
    assert "is of another model" in reason


@pytest.mark.parametrize(
    ("algorithm", "score", "other"),
    [
        ("object-detection", r"mAP <score>=\((\S+)\)", {"base_network": "resnet-50", "image_shape": "300"}),
        ("semantic-segmentation", r"mIOU: (\S+)", {"crop_size": "56"}),
    ],
)
def test_a_job_that_begins_with_an_earlier_model(tmp_path: Path, algorithm: str, score: str, other: dict[str, str]) -> None:
    """At a learning rate of almost 0 it is as good as that one was; another network is refused by name."""
    first, second = Job(tmp_path / "first", algorithm), Job(tmp_path / "second", algorithm)
    code, log = first.run(epochs="5", learning_rate="0.003", optimizer="adam")
    assert code == 0
    second.begin_with(first, tmp_path)
    code, again = second.run(
        epochs="1", learning_rate="1e-9", optimizer="sgd", use_pretrained_model="1" if "detect" in algorithm else "True"
    )
    assert code == 0
    assert "Using the model of the model channel" in again
    best = max(float(found) for found in re.findall(score, log))
    assert float(re.findall(score, again)[0]) == pytest.approx(best, abs=0.05)
    code, reason = second.run(**other)
    assert code == 2
    assert re.search(f"{next(iter(other))} is .*, but the model of the model channel was trained with", reason)


@pytest.mark.parametrize("algorithm", ["object-detection", "semantic-segmentation"])
def test_early_stopping(tmp_path: Path, algorithm: str) -> None:
    """Only a score of twice the best is a gain; once it has stopped, no epochs come from the checkpoint either."""
    job = Job(tmp_path, algorithm)
    job.keep_checkpoints()
    stopping = {"early_stopping": "True", "early_stopping_min_epochs": "2", "early_stopping_patience": "1"}
    wanted = {"epochs": "12", "learning_rate": "1e-9", "early_stopping_tolerance": "1.0", **stopping}
    code, log = job.run(**wanted)
    assert code == 0
    assert re.search(r"Early stopping after epoch \d+", log)
    assert len(re.findall("completed .* % of epochs", log)) < 12
    code, log = job.run(**wanted)
    assert code == 0
    assert "% of epochs" not in log
    assert job.model()


def test_frozen_layers_keep_their_values(tmp_path: Path) -> None:
    """freeze_layer_pattern is matched with MXNet's names."""
    job = Job(tmp_path, "object-detection")
    code, log = job.run(epochs="1", freeze_layer_pattern="^(conv0|stage1_).*")
    assert code == 0
    frozen = next(line for line in log.splitlines() if "Frozen parameters" in line)
    assert "'conv0_weight'" in frozen
    assert "'stage1_unit2_conv1_weight'" in frozen
    assert "stage2" not in frozen
