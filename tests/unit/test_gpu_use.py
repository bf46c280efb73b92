"""The use of GPUs as CloudWatch shows it (DG monitoring-cloudwatch: GPUUtilization, GPUMemoryUtilization). Feature row N05."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sagewright.compute.gpu_use import GpuUse, read

TWO = "0, GPU-a, 50, 1024, 4096\n1, GPU-b, 80, 4096, 4096\n"
Plant = Callable[..., None]


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """A program in the place of NVIDIA's: no test machine needs to have a GPU."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def write(says: str, code: int = 0) -> None:
        (tmp_path / "says").write_text(says)
        program = tmp_path / "nvidia-smi"
        program.write_text(f'#!/bin/sh\ncase "$1" in --query-gpu=*) cat {tmp_path}/says; exit {code};; esac\nexit 9\n')
        program.chmod(0o755)

    return write


@pytest.mark.parametrize(
    ("devices", "use"),
    [
        (("0",), GpuUse(50.0, 25.0)),
        (("GPU-b",), GpuUse(80.0, 100.0)),
        (("0", "1"), GpuUse(130.0, 125.0)),
        (("7",), None),
        ((), None),
    ],
)
def test_it_is_summed_over_the_containers_own(plant: Plant, devices: tuple[str, ...], use: GpuUse | None) -> None:
    plant(TWO)
    assert read(devices) == use


@pytest.mark.parametrize(("says", "code"), [("", 9), ("no rows\n", 0), ("0, GPU-a, [N/A], 1, 2\n", 0)])
def test_what_cannot_be_read_is_not_known(plant: Plant, says: str, code: int) -> None:
    plant(says, code)
    assert read(("0",)) is None


def test_without_the_program_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read(("0",)) is None
