"""What a container sees, as a list of steps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sagewright.compute import host, root
from sagewright.compute.host import Host
from sagewright.compute.runtime import InstanceSpec, Limits, Mount


@pytest.fixture(autouse=True)
def _fresh() -> None:
    for cached in (host.trees, host.links, host.python_path, host.resolver):
        cached.cache_clear()


def spec(folder: Path, **changes: object) -> InstanceSpec:
    return InstanceSpec("key", "python", ("train",), folder, folder / "ml", **changes)  # type: ignore[arg-type]


def targets(steps: list[list[str]], kind: str) -> dict[str, str]:
    return {target: source for step, source, target in steps if step == kind}


def test_nothing_private_is_shown(tmp_path: Path) -> None:
    shown = targets(root.steps(spec(tmp_path), Host(tmp_path / "run", (tmp_path,))), "read")
    private = ("/root", "/home", "/var", "/run", "/srv", "/mnt", "/tmp", "/data", "/boot")
    prefixes = {sys.prefix, sys.base_prefix}
    for target in shown.keys() - {f"/etc/{name}" for name in ("hosts", "hostname")}:
        in_prefix = any(Path(prefix).is_relative_to(target) or Path(target).is_relative_to(prefix) for prefix in prefixes)
        assert in_prefix or not target.startswith(private) or "sagewright" in target or "-packages" in target, target
    assert str(tmp_path) not in shown


def test_deeper_targets_come_later(tmp_path: Path) -> None:
    mounts = (Mount(tmp_path / "a", "/opt/ml/input/data/x"), Mount(tmp_path / "b", "/opt/ml/model", writable=True))
    steps = root.steps(spec(tmp_path, mounts=mounts), Host(tmp_path, ()))
    order = [target for _, _, target in steps]
    assert order.index("/opt/ml") < order.index("/opt/ml/model") < order.index("/opt/ml/input/data/x")
    assert targets(steps, "write") == {"/opt/ml": str(tmp_path / "ml"), "/opt/ml/model": str(tmp_path / "b")}
    assert targets(steps, "read")["/opt/ml/input/data/x"] == str(tmp_path / "a")


def test_the_interpreter_is_shown_at_its_own_place(tmp_path: Path) -> None:
    shown = targets(root.steps(spec(tmp_path), Host(tmp_path, ())), "read")
    for place in (sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve())):
        assert any(Path(place).is_relative_to(target) for target in shown), place


def test_a_prefix_that_is_a_home_folder_shows_python_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    for name in ("bin", "lib", "secrets"):
        (home / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(sys, "prefix", str(home))
    shown = [target for _, target in host.trees()]
    assert str(home / "lib") in shown
    assert str(home) not in shown
    assert str(home / "secrets") not in shown


def test_a_name_server_outside_of_what_is_shown_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd-resolved keeps resolv.conf in /run, and /etc/resolv.conf is a link to it."""
    real = tmp_path / "stub-resolv.conf"
    real.touch()
    monkeypatch.setattr("os.path.realpath", lambda path: str(real) if path == "/etc/resolv.conf" else str(path))
    assert host.resolver() == str(real)


def test_limits_shape_the_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "gpu_devices", lambda: ["/dev/nvidia0", "/dev/nvidiactl"])
    plain = root.steps(spec(tmp_path), Host(tmp_path, ()))
    assert targets(plain, "device") == {}
    wanted = root.steps(spec(tmp_path, limits=Limits(memory=12345, gpus=1)), Host(tmp_path, ()))
    assert set(targets(wanted, "device")) == {"/dev/nvidia0", "/dev/nvidiactl"}
    assert targets(wanted, "memory") == {"/dev/shm": "12345"}


def test_hidden_folders_are_masked_where_a_tree_shows_them(tmp_path: Path) -> None:
    steps = root.steps(spec(tmp_path), Host(tmp_path, (Path("/usr/share"), Path("/no/such"), tmp_path)))
    assert list(targets(steps, "mask")) == ["/usr/share"]
