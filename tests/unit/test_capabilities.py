"""What the machine can do is found out by trying, and the driver follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.compute import capabilities
from sagewright.compute.host import Host
from sagewright.compute.sandbox import Sandbox
from sagewright.compute.supervised import Supervised


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "run", (tmp_path,))


def test_every_setting_names_a_driver(host: Host) -> None:
    for setting in ("zygote", "sandbox", "process", "fake"):
        assert capabilities.choose(setting, host).name == setting
    with pytest.raises(ValueError, match="auto, zygote, sandbox, process, fake"):
        capabilities.choose("docker", host)


@pytest.mark.parametrize(
    ("bubblewrap", "namespaces", "expected"),
    [(True, True, "zygote"), (True, False, "sandbox"), (False, True, "zygote"), (False, False, "process")],
)
def test_the_best_that_works_is_taken(
    host: Host, monkeypatch: pytest.MonkeyPatch, bubblewrap: bool, namespaces: bool, expected: str
) -> None:
    def trial(driver: object) -> str:
        works = namespaces if driver is capabilities._without_bubblewrap else bubblewrap
        return "" if works else "no"

    monkeypatch.setattr(capabilities, "trial", trial)
    monkeypatch.setattr(capabilities, "find_bubblewrap", lambda: "/usr/bin/bwrap")
    assert capabilities.choose("auto", host).name == expected


def test_a_trial_says_why_it_failed() -> None:
    class Refusing(Supervised):
        def _launch(self, spec: object) -> None:
            raise OSError(1, "not on this machine")

    assert "not on this machine" in capabilities.trial(Refusing)
    assert "bwrap" in capabilities.trial(lambda host: Sandbox(host, "/no/such/bwrap"))


def test_what_is_missing_comes_with_a_remedy() -> None:
    found = {capability.name: capability for capability in capabilities.survey()}
    assert list(found) == [
        "namespaces",
        "bubblewrap",
        "instance networks",
        "control groups",
        "FUSE",
        "images of your own",
        "GPU",
    ]
    for capability in found.values():
        assert capability.detail
        assert bool(capability.remedy) != capability.available or capability.name == "GPU"
