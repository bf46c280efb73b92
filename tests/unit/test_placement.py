"""Instance types as limits, and the GPUs of a machine. Feature rows A03, G11."""

from dataclasses import replace
from pathlib import Path

import pytest

from sagewright.compute.free import free_memory
from sagewright.compute.placement import GIB, Machine, Size, gpu_shares, gpus, limits, notice, size


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [
        ("ml.m5.large", Size(2, 8 * GIB, False)),
        ("ml.m5.xlarge", Size(4, 16 * GIB, False)),
        ("ml.m5.24xlarge", Size(96, 384 * GIB, False)),
        ("ml.c5.9xlarge", Size(36, 72 * GIB, False)),
        ("ml.c4.xlarge", Size(4, int(7.5 * GIB), False)),
        ("ml.r5.large", Size(2, 16 * GIB, False)),
        ("ml.t3.medium", Size(2, 4 * GIB, False)),
        ("ml.t3.2xlarge", Size(8, 32 * GIB, False)),
        ("ml.m7i-flex.large", Size(2, 8 * GIB, False)),
        ("ml.p3.2xlarge", Size(8, 61 * GIB, True)),
        ("ml.g4dn.xlarge", Size(4, 16 * GIB, True)),
        ("ml.p4d.24xlarge", Size(96, 1152 * GIB, True)),
        ("ml.trn1.2xlarge", Size(8, 32 * GIB, True)),
        ("ml.unheard-of", Size(2, 8 * GIB, False)),
    ],
)
def test_sizes(instance_type: str, expected: Size) -> None:
    """The EC2 instance types' vCPUs and memory."""
    assert replace(size(instance_type), gpus=0) == expected


def test_a_machine_gives_what_it_has() -> None:
    small = Machine(2, 8 * GIB)
    found = limits("ml.m5.4xlarge", 5, small)
    assert (found.cpus, found.memory, found.disk) == (2.0, int(8 * GIB * 0.9), 5 * GIB)
    assert limits("ml.m5.large", 0, Machine(64, 512 * GIB)).memory == 8 * GIB
    assert limits("ml.m5.large", 0, small).disk is None
    assert Machine.here().cpus >= 1
    assert Machine.here().memory > GIB


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [
        *(("ml.p2.8xlarge", 8), ("ml.p3.2xlarge", 1), ("ml.p3.8xlarge", 4), ("ml.p3dn.24xlarge", 8), ("ml.p4d.24xlarge", 8)),
        *(("ml.p5.4xlarge", 1), ("ml.p5.48xlarge", 8), ("ml.g4dn.xlarge", 1), ("ml.g4dn.12xlarge", 4), ("ml.g4dn.16xlarge", 1)),
        *(("ml.g5.2xlarge", 1), ("ml.g5.24xlarge", 4), ("ml.g5.48xlarge", 8), ("ml.g6e.12xlarge", 4), ("ml.gr6.8xlarge", 1)),
        *(("ml.m5.large", 0), ("ml.trn1.2xlarge", 0), ("ml.unheard-of", 0)),
    ],
)
def test_gpus_of_a_type(instance_type: str, expected: int) -> None:
    """The EC2 pages of accelerated instances."""
    assert size(instance_type).gpus == expected


def test_gpus_of_a_machine(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert gpus(tmp_path, None) == ("0", "2", "10")
    assert gpus(tmp_path, "2, 10") == ("2", "10"), "what we were left with ourselves"
    assert gpus(tmp_path, "-1") == ()
    assert gpus(tmp_path / "none", "0") == ()


def test_gpus_that_are_not_enough_go_to_the_first_instances() -> None:
    machine = Machine(2, 8 * GIB, ("0", "1", "2", "3", "4"))
    assert gpu_shares(["ml.m5.large", "ml.p3.8xlarge", "ml.p3.8xlarge", "ml.p3.2xlarge"], machine) == (0, 4, 1, 0)


def test_what_is_said_about_accelerators() -> None:
    assert "it runs on CPU" in notice("ml.p3.2xlarge", 0)
    assert "it runs on CPU" in notice("ml.trn1.2xlarge", 0)
    assert notice("ml.p3.8xlarge", 2) == "ml.p3.8xlarge has 4 GPUs, and this machine has 2 for it."
    assert notice("ml.p3.8xlarge", 4) == ""
    assert notice("ml.m5.large", 0) == ""


def test_free_memory_is_what_the_control_group_leaves(tmp_path: Path) -> None:
    """A server in a container has the container's limit; cached files can be let go of."""
    machine = free_memory(tmp_path)
    assert machine > 0
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 300\n")
    assert free_memory(tmp_path) == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) > 1000
