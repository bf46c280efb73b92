"""A zygote that nobody needs any more gives its memory back; the next container starts it again. Feature row G02."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagewright.compute import capabilities, view
from sagewright.compute.host import Host
from sagewright.compute.runtime import InstanceSpec
from sagewright.compute.sandbox import Sandbox
from sagewright.compute.zygote import Zygote

PATIENCE = 60.0
IDLE = 0.4


@pytest.fixture
def zygote(tmp_path: Path) -> Iterator[Zygote]:
    if problem := capabilities.trial(lambda host: Sandbox(host, None)):
        pytest.skip(problem)
    (tmp_path / "run").mkdir()
    driver = Zygote(Host(tmp_path / "run", (tmp_path,)), preload=lambda image: ("json",), idle=IDLE)
    yield driver
    driver.close()


def test_one_that_is_idle_ends_and_the_prewarmed_one_stays(zygote: Zygote, tmp_path: Path) -> None:
    zygote.warm("kept")
    assert ran(zygote, tmp_path / "first", "other") == 0
    assert sorted(zygote.running()) == ["kept", "other"]
    until(lambda: zygote.running() == ["kept"])
    assert ran(zygote, tmp_path / "second", "other") == 0
    assert sorted(zygote.running()) == ["kept", "other"]


def test_what_it_forked_lives_on(zygote: Zygote, tmp_path: Path) -> None:
    folder = started(zygote, tmp_path / "job", "other", "import time; time.sleep(60)")
    until(lambda: zygote.running() == [])
    assert zygote.observe(folder).state == "running"
    zygote.remove(folder)


def ran(zygote: Zygote, folder: Path, image: str) -> int | None:
    started(zygote, folder, image, "pass")
    until(lambda: zygote.observe(folder).state == "exited")
    return zygote.observe(folder).code


def started(zygote: Zygote, folder: Path, image: str, source: str) -> Path:
    view.build(folder / "ml")
    (folder / "ml/code/main.py").write_text(source)
    zygote.start(InstanceSpec(folder.name, image, (sys.executable, "/opt/ml/code/main.py"), folder, folder / "ml"))
    return folder


def until(fits: object) -> None:
    assert callable(fits)
    deadline = time.monotonic() + PATIENCE
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.01)
