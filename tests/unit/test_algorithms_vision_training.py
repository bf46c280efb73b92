"""What the trainings on images share: optimizers, learning rates, early stopping, checkpoints, given models (H15, H16, H17)."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
import torch
from torch import nn

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.vision import given_model, optimizers, schedule
from sagewright_algorithms.vision.checkpoints import Checkpoints
from sagewright_algorithms.vision.early_stopping import EarlyStopping
from sagewright_algorithms.vision.speedometer import Speedometer
from sagewright_container.layout import Layout


@pytest.mark.parametrize("name", ["sgd", "nag", "adam", "rmsprop", "adadelta", "adagrad"])
def test_every_optimizer_goes_down(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = optimizers.build(optimizers.Choice(name, 0.05), model)
    rows = torch.randn(50, 3)
    optimizers.set_rate(optimizer, 0.04)
    assert optimizer.param_groups[0]["lr"] == (1.0 if name == "adadelta" else 0.04)
    wanted, losses = rows @ torch.tensor([[1.0], [2.0], [3.0]]), []
    for _ in range(300):
        loss = nn.functional.mse_loss(model(rows), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_only_weights_decay_and_only_for_the_optimizers_that_know_it() -> None:
    """MXNet: wd_mult is 0 for what is not a weight or gamma; DG:IC-Hyperparameter: weight_decay for sgd and nag."""
    model = nn.Linear(2, 2)
    decays = {
        name: [
            group["weight_decay"]
            for group in optimizers.build(optimizers.Choice(name, 0.1, weight_decay=0.5), model).param_groups
        ]
        for name in ("sgd", "nag", "adam")
    }
    assert decays == {"sgd": [0.5, 0.0], "nag": [0.5, 0.0], "adam": [0.0, 0.0]}


def test_the_learning_rate_falls_after_the_epochs_of_the_list() -> None:
    steps = schedule.steps("2, 4")
    assert [schedule.stepped(1.0, 0.1, steps, epoch) for epoch in range(5)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert schedule.steps("") == ()
    for wrong in ("0,1", "a", "1,,2", "1.5"):
        with pytest.raises(ClientError, match="lr_scheduler_step"):
            schedule.steps(wrong)


@pytest.mark.parametrize(
    ("tolerance", "scores", "stopped"),
    [
        (0.0, [0.5, 0.6, 0.7, 0.8], None),
        (0.0, [0.5, 0.5, 0.5, 0.5], 2),
        (0.0, [0.5, 0.4, 0.6, 0.5, 0.5], 4),
        (0.5, [0.5, 0.6, 0.7], 2),
    ],
)
def test_early_stopping(tolerance: float, scores: list[float], stopped: int | None) -> None:
    stopping = EarlyStopping(min_epochs=2, patience=2, tolerance=tolerance)
    found = [epoch for epoch, score in enumerate(scores) if stopping.should_stop(epoch, score)]
    assert (found[0] if found else None) == stopped


def test_early_stopping_waits_for_the_first_epochs() -> None:
    stopping = EarlyStopping(min_epochs=5, patience=1, tolerance=0)
    assert [stopping.should_stop(epoch, 0.5) for epoch in range(6)] == [False] * 4 + [True, True]


def test_checkpoints_keep_the_newest_state(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    Checkpoints(layout, "model", {}).save(1, {})
    assert list(tmp_path.iterdir()) == []  # the job keeps none
    layout.checkpoints.mkdir()
    kept = Checkpoints(layout, "model", {"layers": 20})
    assert kept.newest() is None
    for epochs in (1, 2):
        kept.save(epochs, {"weights": {"w": torch.full((2,), float(epochs))}, "best": 0.5, "name": "x"})
    found = kept.newest()
    assert found is not None
    assert (found[0], found[1]["weights"]["w"].tolist(), found[1]["best"]) == (2, [2.0, 2.0], 0.5)
    assert [path.name for path in layout.checkpoints.iterdir()] == ["model-0002.checkpoint"]
    with pytest.raises(ClientError, match="of another model"):
        Checkpoints(layout, "model", {"layers": 32}).newest()


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch harm",)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x02."])
def test_checkpoints_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "model-0003.checkpoint").write_bytes(content)
    with pytest.raises(ClientError, match=r"model-0003.checkpoint cannot be read"):
        Checkpoints(Layout(tmp_path), "model", {}).newest()


def test_a_checkpoint_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    torch.save({"identity": {}, "epochs": 1, "state": Harmful()}, tmp_path / "checkpoints" / "model-0001.checkpoint")
    with pytest.raises(ClientError, match="cannot be read"):
        Checkpoints(Layout(tmp_path), "model", {}).newest()
    assert not (tmp_path / "harm").exists()


def test_the_model_channel(tmp_path: Path) -> None:
    """An archive as it came, or its files; a member's path leads nowhere."""
    with pytest.raises(ClientError, match="is empty"):
        given_model.read(tmp_path)
    (tmp_path / "a-symbol.json").write_bytes(b"{}")
    assert given_model.read(tmp_path) == {"a-symbol.json": b"{}"}
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("../../escaped.params")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"123"))
    assert given_model.read(tmp_path) == {"escaped.params": b"123"}
    assert not (tmp_path.parent / "escaped.params").exists()
    (tmp_path / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ClientError, match=r"model.tar.gz of the model channel cannot be read"):
        given_model.read(tmp_path)


def test_lines_of_mxnets_training_loop(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Speedometer(3, batch=8, every=2)
    for number in range(4):
        meter.after(number, lambda: {"accuracy": 0.5, "top_k_accuracy_2": 1.0})
    meter.trained({"accuracy": 0.25})
    meter.validated({"accuracy": 0.75})
    speed, trained, cost, validated = (line.partition("] ")[2] for line in capsys.readouterr().out.splitlines())
    assert speed.startswith("Epoch[3] Batch [2]\tSpeed: ")
    assert speed.endswith(" samples/sec\taccuracy=0.500000\ttop_k_accuracy_2=1.000000")
    assert (trained, validated) == ("Epoch[3] Train-accuracy=0.250000", "Epoch[3] Validation-accuracy=0.750000")
    assert cost.startswith("Epoch[3] Time cost=")
