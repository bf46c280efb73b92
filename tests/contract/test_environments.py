"""An environment is built once and whole, or not at all, and every driver runs containers in it. Feature row G02."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
from support.environments import define, wheel

from sagewright.compute import capabilities, trees, view, workbench
from sagewright.compute.environments import build as builder
from sagewright.compute.environments.build import BuildError, build, interpreter
from sagewright.compute.environments.definition import Definition
from sagewright.compute.environments.folder import Environments
from sagewright.compute.host import Host
from sagewright.compute.process import Process
from sagewright.compute.runtime import InstanceSpec
from sagewright.compute.sandbox import Sandbox
from sagewright.compute.supervised import Supervised, find_bubblewrap
from sagewright.compute.zygote import Zygote

PATIENCE = 60.0
ABOUT = """
import importlib.util, json, sys
from sagewright_container.layout import Layout
absent = [name for name in ("numpy", "sagewright") if importlib.util.find_spec(name) is None]
print(json.dumps([sys.prefix, sys.executable, "tiny" in sys.modules, __import__("tiny").ANSWER, absent]))
"""

DRIVERS: dict[str, Callable[[Host], Supervised]] = {
    "zygote": lambda host: Zygote(host, preload=lambda image: ("sagewright_container.layout", "tiny")),
    "bubblewrap": lambda host: Sandbox(host),
    "namespaces": lambda host: Sandbox(host, None),
    "process": lambda host: Process(host),
}


@pytest.fixture(scope="module", autouse=True)
def _no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_OFFLINE", "1")
        patch.delenv("UV_CACHE_DIR", raising=False)
        yield


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    requirement = wheel(tmp_path / "wheels", "tiny", "ANSWER = 42\n")
    return Environments(
        tmp_path / "data/environments", define(tmp_path / "definitions", "tiny", requirement, imports=("tiny",))
    )


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Builds ``tiny`` of something else."""

    def make(*requirements: str, imports: tuple[str, ...] = ()) -> Path:
        definitions = define(tmp_path / "definitions", "tiny", *requirements, imports=imports)
        return build(tmp_path / "data/environments", Definition.read(definitions, "tiny"))

    return make


async def test_it_is_built_when_it_is_first_needed_and_only_once(environments: Environments, tmp_path: Path) -> None:
    assert environments.interpreter("tiny") is None
    found = await asyncio.gather(*(environments.prepare("tiny") for _ in range(3)))
    assert len(set(found)) == 1
    folder = Path(found[0]).parent.parent
    built = folder.stat()
    assert await environments.prepare("tiny") == found[0] == environments.interpreter("tiny")
    assert folder.stat() == built
    assert [path.name for path in (tmp_path / "data/environments").iterdir() if path.is_dir() and path.name != "cache"] == [
        folder.name
    ]


async def test_an_image_without_a_definition_runs_in_the_servers_python(environments: Environments) -> None:
    assert await environments.prepare("numpy") == sys.executable


async def test_another_one_stands_in_until_it_is_built(tmp_path: Path) -> None:
    """No job builds it; the first of those that are there is taken, and in the end the server's own Python."""
    definitions = define(tmp_path / "definitions", "large", otherwise="small")
    define(definitions, "small", otherwise="elsewhere")
    environments = Environments(tmp_path / "root", definitions)
    assert await environments.prepare("large") == sys.executable
    said = environments.said("large")
    assert "`sagewright environments build large` or `sagewright environments build small`" in said
    small = build(tmp_path / "root", Definition.read(definitions, "small"))
    assert await environments.prepare("large") == str(interpreter(small))
    assert environments.said("large") == environments.said("small") == ""
    large = build(tmp_path / "root", Definition.read(definitions, "large"))
    assert await environments.prepare("large") == str(interpreter(large))
    assert await environments.prepare("small") == str(interpreter(small))
    assert environments.said("large") == ""


def test_a_library_that_cannot_be_imported_is_said_and_leaves_nothing(made: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"sagewright environments build tiny.*absent cannot be imported: ModuleNotFoundError"):
        made(imports=("absent",))
    left = {path.name for path in (tmp_path / "data/environments").glob("tiny-*") if path.is_dir()}
    assert left == set()
    assert interpreter(made()).exists()


async def test_pins_that_cannot_be_had_are_said(tmp_path: Path) -> None:
    definitions = define(tmp_path / "definitions", "tiny", "no-such-package-of-this-test==1.0")
    with pytest.raises(BuildError, match="no-such-package-of-this-test"):
        await Environments(tmp_path / "data/environments", definitions).prepare("tiny")


def test_pins_that_contradict_one_another_are_refused(made: Callable[..., Path], tmp_path: Path) -> None:
    one = wheel(tmp_path / "wheels", "tiny", "")
    two = wheel(tmp_path / "other", "tiny", "raise ImportError")
    with pytest.raises(BuildError, match="tiny"):
        made(one, two)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match="could not be built"):
        build(tmp_path / "file" / "environments", Definition.read(define(tmp_path / "definitions", "tiny"), "tiny"))


def test_what_a_builder_that_died_has_left_is_removed(made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made()
    trees.remove(folder)
    leftover = folder.with_name(f".{folder.name}.partial")
    (leftover / "lib").mkdir(parents=True)
    (leftover / "lib/half").touch()
    assert made() == folder
    assert not leftover.exists()
    assert not (folder / "lib/half").exists()


def test_one_whose_python_is_gone_is_built_again(made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made()
    interpreter(folder).unlink()
    interpreter(folder).symlink_to(tmp_path / "gone")
    assert made() == folder
    assert subprocess.run([interpreter(folder), "-c", "pass"], check=False).returncode == 0


async def test_the_toolkit_is_found_after_the_server_has_moved(environments: Environments, tmp_path: Path) -> None:
    python = await environments.prepare("tiny")
    link = next(Path(python).parent.parent.glob("lib/python*/site-packages/sagewright_container"))
    link.unlink()
    link.symlink_to(tmp_path / "where-it-was")
    assert environments.interpreter("tiny") == python
    assert (link / "layout.py").is_file()


async def test_a_build_that_nobody_waits_for_any_more_ends(environments: Environments, tmp_path: Path) -> None:
    root = tmp_path / "data/environments"
    root.mkdir(parents=True)
    identity = Definition.read(tmp_path / "definitions", "tiny").identity
    with (root / f"{identity}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = asyncio.create_task(environments.prepare("tiny"))
        builder_process = await _child()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not builder_process.is_running()
    assert await environments.prepare("tiny")


async def _child() -> psutil.Process:
    deadline = time.monotonic() + PATIENCE
    while not (found := [child for child in psutil.Process().children() if "environments" in " ".join(child.cmdline())]):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    return found[0]


def test_removing_takes_every_build_and_the_downloads(made: Callable[..., Path], tmp_path: Path) -> None:
    root = tmp_path / "data/environments"
    first, second = made(wheel(tmp_path / "wheels", "tiny", "A = 1\n")), made()
    assert first != second
    assert list((root / "cache").rglob("tiny.py"))
    assert builder.remove(root, "tiny") == 2
    assert not first.exists()
    assert not second.exists()
    assert not list((root / "cache").rglob("tiny.py"))
    assert builder.remove(root, "tiny") == 0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, _no_network: None) -> Path:
    """A data folder with an environment."""
    folder = tmp_path_factory.mktemp("drivers")
    requirement = wheel(folder / "wheels", "tiny", "ANSWER = 42\n")
    definitions = define(folder / "definitions", "tiny", requirement, imports=("tiny",))
    build(folder / "data/environments", Definition.read(definitions, "tiny"))
    return folder / "data"


@pytest.fixture(params=DRIVERS)
def runtime(request: pytest.FixtureRequest, data: Path) -> Iterator[Supervised]:
    if request.param == "bubblewrap" and find_bubblewrap() is None:
        pytest.skip("bubblewrap is not installed")
    if request.param in ("zygote", "namespaces") and (problem := capabilities.trial(lambda this: Sandbox(this, None))):
        pytest.skip(problem)
    (data / "run").mkdir(exist_ok=True)
    driver = DRIVERS[request.param](Host(data / "run", (data,)))
    yield driver
    if isinstance(driver, Zygote):
        driver.close()


@pytest.mark.parametrize("program", ["python", "own"])
def test_a_container_runs_in_it(runtime: Supervised, data: Path, program: str) -> None:
    """With its libraries and the toolkit, and with none of the server's."""
    prefix = next((data / "environments").glob("tiny-*/bin")).parent
    python = str(interpreter(prefix))
    told = run(runtime, data, ABOUT, python, argv=(python if program == "own" else "python",))
    bench = program == "python" and runtime.name == "sandbox"  # a fork is what the zygote was
    assert told[:2] == ([workbench.HOME, workbench.PROGRAM] if bench else [str(prefix), python])
    assert told[2:] == [runtime.name == "zygote", 42, ["numpy", "sagewright"]]


@pytest.mark.parametrize("runtime", ["namespaces", "bubblewrap"], indirect=True)
def test_a_container_cannot_change_it(runtime: Supervised, data: Path) -> None:
    python = str(next((data / "environments").glob("tiny-*/bin/python")))
    source = f"""
import json, os, sys
try: open({str(Path(python).parent.parent / "lib/x")!r}, 'w')
except OSError as error: print(json.dumps([error.errno, os.listdir({str(data)!r})]))
"""
    told = run(runtime, data, source, python)
    assert told == [errno.EROFS, ["environments"]], "and it is the only thing of the data folder"


def run(runtime: Supervised, data: Path, source: str, python: str, argv: tuple[str, ...] = ("python",)) -> Any:
    """What a program prints as JSON."""
    folder = data / "jobs/job"
    view.build(folder / "ml")
    (folder / "ml/code/main.py").write_text(source)
    network: Literal["open", "isolated"] = "open" if runtime.name == "process" else "isolated"
    argv = (*argv, "/opt/ml/code/main.py")
    runtime.start(InstanceSpec("job", "tiny", argv, folder, folder / "ml", network=network, python=python))
    try:
        return _outcome(runtime, folder)
    finally:
        runtime.remove(folder)


def _outcome(runtime: Supervised, folder: Path) -> Any:
    deadline = time.monotonic() + PATIENCE
    while runtime.observe(folder).state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.005)
    output = (folder / "stdout").read_text()
    assert runtime.observe(folder).code == 0, output
    return json.loads(output)
