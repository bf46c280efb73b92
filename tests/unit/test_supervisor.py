"""The supervisor's keeper: a part that is coming up while the server is told to stop is ended, too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil

from sagewright.settings import Settings
from sagewright.supervisor import Keeper, Part

_FOR_EVER = ("-c", "import signal; signal.pause()")


def _keeper(folder: Path, argv: tuple[str, ...] = _FOR_EVER) -> Keeper:
    settings = Settings.from_env({}, data=folder / "data")
    settings.make_folders()
    return Keeper(Part("part", argv), settings, lambda: None)


async def test_stop_while_the_first_process_comes_up(tmp_path: Path) -> None:
    keeper = _keeper(tmp_path)
    task = asyncio.create_task(keeper.keep(lambda: None))
    await asyncio.sleep(0)  # keep() is now inside the creation of the process
    await keeper.stop()
    await asyncio.wait_for(task, 30)
    assert keeper.pid is None or not psutil.pid_exists(keeper.pid)


async def test_stop_while_a_killed_part_is_started_again(tmp_path: Path) -> None:
    keeper = _keeper(tmp_path)
    starts: list[int] = []
    again = asyncio.Event()

    def changed() -> None:
        assert keeper.pid is not None
        starts.append(keeper.pid)
        again.set()

    task = asyncio.create_task(keeper.keep(changed))
    await asyncio.wait_for(again.wait(), 30)
    victim = psutil.Process(starts[0])
    victim.kill()
    await asyncio.to_thread(victim.wait, 10)
    await keeper.stop()
    await asyncio.wait_for(task, 30)
    assert not any(psutil.pid_exists(pid) for pid in starts)
