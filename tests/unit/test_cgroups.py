"""Where control groups can be made, and what is written to them; the kernel's own behaviour is in the contract suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagewright.compute import cgroups
from sagewright.compute.cgroups import Cgroup

LIMITS = {"cpus": 1.5, "memory": 1 << 30, "processes": 100}


def plant_1(root: Path, *controllers: str) -> None:
    for controller in controllers:
        (root / controller).mkdir(parents=True)
        (root / controller / "cgroup.procs").touch()


def plant_2(root: Path) -> None:
    (root / "user.slice/own").mkdir(parents=True)
    for folder in (root, root / "user.slice/own"):
        for name in ("cgroup.controllers", "cgroup.procs", "cgroup.subtree_control"):
            (folder / name).touch()


def test_version_1_needs_memory_and_pids(tmp_path: Path) -> None:
    plant_1(tmp_path, "memory", "cpu")
    assert cgroups.find_base(tmp_path) is None
    plant_1(tmp_path, "pids")
    base = cgroups.find_base(tmp_path)
    assert base is not None
    assert set(base) == {"memory", "cpu", "pids"}


def test_version_1_limits(tmp_path: Path) -> None:
    plant_1(tmp_path, "memory", "cpu", "pids")
    base = cgroups.find_base(tmp_path)
    assert base is not None
    Cgroup.create(base, "job", LIMITS)
    assert (tmp_path / "memory/sagewright/job/memory.limit_in_bytes").read_text() == str(1 << 30)
    assert (tmp_path / "cpu/sagewright/job/cpu.cfs_quota_us").read_text() == "150000"
    assert (tmp_path / "pids/sagewright/job/pids.max").read_text() == "100"


def test_only_what_limits_something_takes_part(tmp_path: Path) -> None:
    plant_1(tmp_path, "memory", "cpu", "pids")
    base = cgroups.find_base(tmp_path)
    assert base is not None
    group = Cgroup.create(base, "job", {"cpus": None, "memory": 5, "processes": None})
    assert [group.holds(controller) for controller in ("memory", "cpu", "pids")] == [True, False, False]
    assert not (tmp_path / "cpu/sagewright").exists()
    empty = Cgroup.create(base, "other", {})
    assert not empty.folders
    empty.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="root may use the root of the hierarchy")
def test_version_2_at_the_root(tmp_path: Path) -> None:
    plant_2(tmp_path)
    base = cgroups.find_base(tmp_path, own(tmp_path))
    assert base == {"": str(tmp_path / "sagewright")}
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"
    group = Cgroup.create(base, "job", LIMITS)
    folder = tmp_path / "sagewright/job"
    assert (folder / "memory.max").read_text() == str(1 << 30)
    assert (folder / "cpu.max").read_text() == "150000 100000"
    assert (folder / "pids.max").read_text() == "100"
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert group.ran_out_of_memory()
    (folder / "memory.current").write_text("123\n")
    assert group.memory() == 123


def own(tmp_path: Path) -> Path:
    file = tmp_path / "own"
    file.write_text("1:name=systemd:/\n0::/user.slice/own\n")
    return file


def test_version_2_delegated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_2(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cgroups.find_base(tmp_path, own(tmp_path)) == {"": str(tmp_path / "user.slice/own/sagewright")}


def test_version_2_moves_us_out_of_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes in a folder keep it from passing controllers on ("no internal processes")."""
    plant_2(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ours = tmp_path / "user.slice/own"
    (ours / "cgroup.procs").write_text("4711\n")
    real = Path.write_text

    def write_text(path: Path, text: str, *rest: str) -> int:
        if path == ours / "cgroup.subtree_control" and not (ours / "sagewright-server/cgroup.procs").exists():
            raise OSError(16, "Device or resource busy")
        return real(path, text, *rest)

    monkeypatch.setattr(Path, "write_text", write_text)
    assert cgroups.find_base(tmp_path, own(tmp_path)) == {"": str(ours / "sagewright")}
    assert (ours / "sagewright-server/cgroup.procs").read_text() == "4711"


def test_version_2_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_2(tmp_path)

    def refuse(path: Path, text: str, *rest: str) -> int:
        raise PermissionError(13, "Permission denied")

    file = own(tmp_path)
    monkeypatch.setattr(Path, "write_text", refuse)
    assert cgroups.find_base(tmp_path, file) is None
