"""A model that copies of a deployment keep between them (K06; API InferenceComponentDataCacheConfig)."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from sagewright.base import clone as cloning
from sagewright.base.clone import Stopped, clone
from sagewright.base.threads import to_its_end
from sagewright.compute import records
from sagewright.compute.retirement import run_folders
from sagewright.kernel.errands import ErrandFailed
from sagewright.serving.model_cache import DISK_FULL, ModelCache, held


class Source:
    """A fetch that is counted; it waits for ``gate`` and fails with ``problem`` when there is one."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.count = 0
        self.problem: Exception | None = None

    async def __call__(self, folder: Path) -> None:
        self.count += 1
        self.begun.set()
        (folder / "model" / "code").mkdir(parents=True)
        (folder / "model" / "half").write_text("half")
        await self.gate.wait()
        if self.problem is not None:
            raise self.problem
        (folder / "model" / "half").rename(folder / "model" / "weights")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / ".cache" / "1"


@pytest.fixture
def homes(tmp_path: Path) -> list[Path]:
    """Of three copies."""
    found = [tmp_path / str(index) / "ml" for index in range(3)]
    for ml in found:
        ml.mkdir(parents=True)
    return found


async def test_many_copies_fetch_once_and_none_sees_what_another_writes(kept: Path, homes: list[Path]) -> None:
    cache, source = ModelCache(), Source()
    copies = [asyncio.create_task(cache.fill(ml, kept, source)) for ml in homes]
    await source.begun.wait()
    assert held(kept.parent) == {"1"}
    assert not kept.exists()
    source.gate.set()
    await asyncio.gather(*copies)
    (homes[0] / "model" / "weights").write_text("changed")
    await cache.fill(homes[2], kept, source)
    assert [(ml / "model" / "weights").read_text() for ml in (*homes, kept)] == ["changed", "half", "half", "half"]
    assert (source.count, held(kept.parent)) == (1, {"1"})


async def test_a_copy_that_leaves_does_not_end_the_fetch_of_the_others(kept: Path, homes: list[Path]) -> None:
    cache, source = ModelCache(), Source()
    first, second = (asyncio.create_task(cache.fill(ml, kept, source)) for ml in homes[:2])
    await source.begun.wait()
    first.cancel()
    source.gate.set()
    await second
    assert first.cancelled()
    assert source.count == 1
    assert not list(homes[0].iterdir())


async def test_a_failure_is_everybodys_and_nothing_of_it_stays(kept: Path, homes: list[Path]) -> None:
    """AWS's words reach each copy, and who asks again has a new attempt."""
    cache, source = ModelCache(), Source()
    source.problem = ErrandFailed("no model")
    source.gate.set()
    failed = await asyncio.gather(*(cache.fill(ml, kept, source) for ml in homes), return_exceptions=True)
    assert [str(each) for each in failed] == ["no model"] * 3
    assert held(kept.parent) == frozenset()
    source.problem = None
    await cache.fill(homes[0], kept, source)
    assert (source.count, (homes[0] / "model" / "weights").read_text()) == (2, "half")


async def test_what_a_killed_control_left_is_no_model(kept: Path, homes: list[Path]) -> None:
    """C01: half a fetch, and half a copy of one."""
    left = kept.with_name("1.partial")
    (left / "model").mkdir(parents=True)
    (left / "model" / "old").write_text("old")
    (homes[0] / "model").mkdir()
    (homes[0] / "model" / "old").write_text("old")
    cache, source = ModelCache(), Source()
    source.gate.set()
    await cache.fill(homes[0], kept, source)
    assert held(homes[0] / "model") == {"code", "weights"}
    assert list(kept.parent.iterdir()) == [kept]


async def test_dropping_ends_what_is_on_its_way(kept: Path, homes: list[Path]) -> None:
    """A generation's, and with the folder everything; of several containers each has its own."""
    cache, source = ModelCache(), Source()
    members = [kept / "one", kept / "two"]
    copies = [asyncio.create_task(cache.fill(ml, place, source)) for ml, place in zip(homes, members, strict=False)]
    await source.begun.wait()
    await cache.drop(kept)
    await asyncio.wait(copies)
    assert all(copy.cancelled() for copy in copies)
    assert not list(kept.parent.iterdir())
    await cache.drop(kept.parent)
    await cache.drop(kept.parent)
    assert held(kept.parent) == frozenset()


async def test_a_full_disk_is_said(kept: Path, homes: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache, source = ModelCache(), Source()
    source.gate.set()
    monkeypatch.setattr(cloning.os, "copy_file_range", full)
    with pytest.raises(ErrandFailed, match=DISK_FULL):
        await cache.fill(homes[0], kept, source)


@pytest.mark.parametrize("fits", [True, False], ids=["by the kernel", "where it cannot"])
def test_a_clone_has_the_same_files_modes_and_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: bool) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    (source / "deep" / "empty").mkdir(parents=True, mode=0o755)
    (source / "deep" / "run").write_bytes(os.urandom(100_000))
    (source / "deep" / "run").chmod(0o755)
    (source / "nothing").touch()
    (source / "link").symlink_to("deep/run")
    (source / "lost").symlink_to("deep/gone")
    if not fits:

        def unfit(*_: object) -> int:
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(cloning.os, "copy_file_range", unfit)
    clone(source, target, threading.Event())

    def seen(root: Path) -> list[tuple[str, int, str, bytes]]:
        found = sorted(root.rglob("*"))
        links = [str(path.readlink()) if path.is_symlink() else "" for path in found]
        contents = [path.read_bytes() if path.is_file() else b"" for path in found]
        modes = [path.lstat().st_mode for path in found]
        return list(zip([str(path.relative_to(root)) for path in found], modes, links, contents, strict=True))

    assert seen(source) == seen(target)
    assert (target / "deep" / "run").stat().st_ino != (source / "deep" / "run").stat().st_ino


def test_a_clone_that_nobody_wants_stops(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        clone(tmp_path / "a", tmp_path / "b", stop)


async def test_a_cancelled_caller_waits_for_its_thread() -> None:
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go_on.wait(10)
        ended.set()

    caller = asyncio.create_task(to_its_end(work))
    await asyncio.to_thread(began.wait, 10)
    caller.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()


@pytest.mark.parametrize("place", [".cache/1/model", "1-0/adapters/a-1", "1-0/ml/model"])
def test_a_model_that_looks_like_a_run_folder_is_none(tmp_path: Path, place: str) -> None:
    """What users bring names no process that the end of the server would signal; names that they give to containers hide nothing."""
    component = tmp_path / "inference-component" / "1" / "us-east-1" / "c"
    real = [component / "1-0" / "1", *(component / "2-0" / "containers" / name / "1" for name in ("adapters", "ml"))]
    for folder in (component / place, *real):
        folder.mkdir(parents=True)
        records.write(folder, records.STARTED, {"started": 1.0})
    assert sorted(run_folders(tmp_path, ("inference-component",))) == sorted(real)
